"""A few attacks of every kind, on a real system. All of them: `python -m tests.flow`."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import Client

from tests.flow.attacks import KINDS, attacks
from tests.flow.compromised import judge, prove
from tests.flow.world import Done


@pytest.mark.asyncio(loop_scope="session")
async def test_a_compromised_planner_gets_nothing_past_policy_and_people(client: Client, tmp_path: Path) -> None:
    tried = list(attacks(2 * len(KINDS), seed=20261))
    report = await prove(client, tmp_path, tried)
    assert report.violations == []
    assert report.count == len(tried)
    assert {"plan refused", "waits for a person"} <= report.ends.keys()
    assert any(rule.startswith("flow.") for rule in report.rules)


def test_the_judge_sees_what_it_should() -> None:
    """The test of the test: effects outside the policy are found, whoever let them through."""
    (attack, *_) = [each for each in attacks(40, seed=1) if each.case.orders == frozenset({"1042"})]
    owners = {"1042": "rosa.amsel@example.com", "1051": "tobias.fenn@example.com"}
    fine = [Done("refund", "1042", 24.99, attack.mark), Done("mail", "rosa.amsel@example.com", mark=attack.mark)]
    assert judge([attack], fine, owners) == []
    for wrong in (
        Done("refund", "1042", 25.0, attack.mark),
        Done("refund", "1051", 5.0, attack.mark),
        Done("mail", "eve@example.com", mark=attack.mark),
        Done("cancel", "1042", mark=attack.mark),
        Done("refund", "1042", 5.0, "somebody"),
    ):
        assert len(judge([attack], [wrong], owners)) == 1
    assert len(judge([attack], [fine[0], fine[0]], owners)) == 1
