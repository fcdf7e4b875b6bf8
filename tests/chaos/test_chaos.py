"""The short storm of the normal tests; `make chaos` is the long one."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.cases import Case, make_cases
from tests.chaos.checker import check
from tests.chaos.folder import make_agents
from tests.chaos.killing import EFFECT, WORKERS, Kill
from tests.chaos.records import Records
from tests.chaos.run import Storm, judged, print_table, wave
from tests.chaos.system import ChaosSystem, running_system

SEED = 20


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosSystem]:
    folder = tmp_path_factory.mktemp("chaos")
    with running_system(folder, make_agents(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return make_cases(random.Random(SEED), 9, f"chaos-{SEED}")


async def test_workers_killed_at_any_moment_double_and_lose_nothing(system: ChaosSystem, cases: list[Case]) -> None:
    storm, dice = Storm(SEED), random.Random(SEED)
    phases = ("make_plan", EFFECT, "gate", "get_order", "send_email", "respond")
    plan = [
        Kill(phase, WORKERS if phase == EFFECT else (dice.choice(WORKERS),), dice.uniform(0, 0.3) * (phase != EFFECT))
        for phase in phases
    ]
    await wave(system, cases[:6], dice, plan, storm)
    await judged(system, cases[:6], storm)
    print_table(storm)
    assert storm.violations == []
    assert storm.kills.total() >= 3
    assert EFFECT in storm.landed


async def test_a_killed_server_doubles_and_loses_nothing(system: ChaosSystem, cases: list[Case]) -> None:
    storm, dice = Storm(SEED), random.Random(SEED + 1)
    await wave(system, cases[6:], dice, [Kill("refund_payment", ("temporal",), dice.uniform(0, 0.5))], storm)
    records = await judged(system, cases, storm)
    print_table(storm)
    assert storm.violations == []
    assert storm.kills == {"temporal": 1}
    _the_checker_sees(cases, records)


async def test_of_the_test_with_a_key_for_each_attempt_the_checker_finds_doubles(tmp_path: Path) -> None:
    storm, dice = Storm(SEED), random.Random(SEED + 2)
    cases = make_cases(dice, 2, "sabotage", partial=True)
    with running_system(tmp_path, make_agents(tmp_path, late=(1.0, 2.0), sabotage=True), second_worker=False) as system:
        await wave(system, cases, dice, [Kill(EFFECT, ("worker",))], storm)
        records = await judged(system, cases, storm)
    print_table(storm)
    assert len(records.refunds) > len(cases)
    assert any(violation.kind == "doubles" and "2 refunds" in violation.text for violation in storm.violations)


def _the_checker_sees(cases: list[Case], records: Records) -> None:
    """Each change to the records of a good run is found, and as what it is."""
    changes: dict[str, tuple[str, Callable[[Records], object]]] = {
        "a second refund": ("doubles", lambda all: all.refunds.append({**all.refunds[0], "idempotency_key": "other"})),
        "a second e-mail": ("doubles", lambda all: all.mails.append(all.mails[0])),
        "a second key": ("doubles", lambda all: all.attempts.append({**all.attempts[0], "idempotency_key": "other"})),
        "no refund": ("lost", lambda all: all.refunds.pop()),
        "no e-mail": ("lost", lambda all: all.mails.pop()),
        "no ledger row": ("lost", lambda all: all.ledger.pop()),
        "no row of the run": ("lost", lambda all: all.runs.pop()),
        "no history": ("lost", lambda all: all.histories.popitem()),
        "another amount": ("unapproved", lambda all: all.refunds[0].update(amount_pence=1)),
        "no approval": ("unapproved", lambda all: all.approvals.clear()),
        "no decision": ("unapproved", lambda all: all.decisions.clear()),
        "another digest": ("unapproved", lambda all: all.approvals[0].update(digest="0" * 64)),
        "no signal": ("unapproved", _forget_signals),
        "an unknown order": ("unapproved", lambda all: all.refunds.append({**all.refunds[0], "order_id": "1"})),
    }
    for name, (kind, change) in changes.items():
        changed = copy.deepcopy(records)
        change(changed)
        assert kind in {violation.kind for violation in check(cases, changed)}, name


def _forget_signals(records: Records) -> None:
    for happened in records.histories.values():
        happened.events[:] = [event for event in happened.events if event["kind"] != "signal"]
