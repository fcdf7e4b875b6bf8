"""The short storm of the normal tests, and the two tests of the test; `make chaos` is the long one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import deaths, records
from tests.chaos.checker import check
from tests.chaos.records import Records
from tests.chaos.scene import Stage, playing

SEED = 20
SOONER = {"PLANGATE_SHUTDOWN_SECONDS": "0"}


async def test_workers_that_die_at_every_point_double_and_lose_nothing(tmp_path: Path) -> None:
    async with playing(tmp_path, SEED, workers=3, environment=SOONER) as stage:
        points = [point for point in deaths.POINTS if point != "in-compensation"]
        told = await deaths.at_these_points(stage, points, each=1, runs=6)
    assert stage.figures.violations == []
    assert stage.struck().total() >= 5
    assert stage.figures.effects.total() >= 18
    _the_checker_sees(told, stage)


async def test_of_the_test_without_the_ledger_the_checker_finds_doubles(tmp_path: Path) -> None:
    async with playing(tmp_path, SEED + 1, workers=2, sabotage=("ledger",), environment=SOONER) as stage:
        await deaths.without_ledger(stage, 4, runs=2)
    print("\n".join(violation["text"] for violation in stage.figures.violations))
    assert stage.figures.count("doubles") > 0


async def test_of_the_test_without_gates_the_checker_finds_unapproved_effects(tmp_path: Path) -> None:
    async with playing(tmp_path, SEED + 2, workers=1, sabotage=("gates",), environment=SOONER) as stage:
        await deaths.nobody_asked(stage, 2)
    print("\n".join(violation["text"] for violation in stage.figures.violations))
    assert stage.figures.count("unapproved") >= 4
    assert stage.figures.count("doubles") == 0


def _the_checker_sees(records: Records, stage: Stage) -> None:
    """Each change to the records of a good storm is found, and as what it is."""
    tables = records.tables
    accepted = stage.crowd.accepted
    meant = {run: dict(case.meant) for run, case in stage.crowd.cases.items()}

    def asked(table: str) -> int:
        """Where the row is of something that a person was asked, and that happened."""
        used = {row["approval_id"] for row in tables["ledger"] if row["state"] == "done"}
        return next(n for n, row in enumerate(tables[table]) if row[{"approvals": "id"}.get(table, "approval")] in used)

    changes: dict[str, tuple[str, Callable[[Records], object]]] = {
        "a second refund": ("doubles", lambda all: all.refunds.append({**all.refunds[0], "idempotency_key": "other"})),
        "a refund twice under one key": ("doubles", lambda all: all.refunds.append(all.refunds[0])),
        "a second e-mail": ("doubles", lambda all: all.mails.append(all.mails[0])),
        "a second change": ("doubles", lambda all: all.changes.append(all.changes[0])),
        "no refund": ("lost", lambda all: all.refunds.pop()),
        "no e-mail": ("lost", lambda all: all.mails.pop()),
        "no change": ("lost", lambda all: all.changes.pop()),
        "no ledger": ("lost", lambda all: all.tables["ledger"].clear()),
        "a doubt that nobody hears of": ("lost", lambda all: all.tables["ledger"][0].update(state="unknown")),
        "no row of the run": ("lost", lambda all: all.tables["runs"].pop()),
        "another outcome": ("lost", lambda all: all.tables["runs"][0].update(outcome="failed")),
        "a dead letter too": ("lost", lambda all: all.tables["dead_letters"].append(_letter(accepted[0]))),
        "no history": ("lost", lambda all: all.histories.popitem()),
        "another amount": ("unapproved", lambda all: all.refunds[0].update(amount_pence=1)),
        "no approval": ("unapproved", lambda all: all.tables["approvals"].clear()),
        "a rejection": (
            "unapproved",
            lambda all: all.tables["approvals"][asked("approvals")].update(status="rejected"),
        ),
        "no decision": ("unapproved", lambda all: all.tables["decisions"].clear()),
        "other arguments": (
            "unapproved",
            lambda all: all.tables["approvals"][asked("approvals")].update(args_json="{}"),
        ),
        "no signal": ("unapproved", _forget_decisions),
        "an unknown order": ("unapproved", lambda all: all.refunds.append({**all.refunds[0], "order_id": "1"})),
        "a secret": ("leaks", lambda all: all.leaks.append("a log")),
    }
    scope = stage.rig.agents / "support" / "scope.md"
    for name, (kind, change) in changes.items():
        changed = copy.deepcopy(records)
        change(changed)
        found = {each.kind for each in check(changed, scope, accepted=accepted, meant=meant).violations}
        assert kind in found, name


def test_a_secret_is_found_wherever_it_stands() -> None:
    leaks = records.Leaks(["pw-1"])
    leaks.search("a history", b'{"url": "http://desk:pw-1@host"}')
    leaks.search("a log", b"nothing")
    assert (leaks.found, leaks.searched) == (["a history"], 39)


def _letter(run: str) -> dict[str, str]:
    return {"run": run, "state": "open", "cause": "failed"}


def _forget_decisions(records: Records) -> None:
    for executions in records.histories.values():
        for execution in executions:
            execution.events[:] = [event for event in execution.events if event["kind"] != "decision"]


@pytest.mark.parametrize(
    ("text", "args", "allowed"),
    [
        ("by itself", {}, True),
        ("asks first", {}, False),
        ("never", {}, False),
        ("by itself when amount is under 25, otherwise asks first", {"amount": 24.99}, True),
        ("by itself when amount is under 25, otherwise asks first", {"amount": 25}, False),
        ("by itself when amount is under 25, otherwise asks first", {}, False),
    ],
)
def test_the_checker_reads_the_scopes_rules_for_itself(text: str, args: dict[str, float], allowed: bool) -> None:
    from tests.chaos.checker import Rule

    assert Rule("refund_payment", text).allows(args) is allowed
