from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.admission import AdmissionActivities
from activities.catalogue import Catalogue
from activities.storage import tables
from activities.storage.store import Store
from plangate.agents import Admission, ScopeProblem
from plangate.errors import ErrorPayload, ErrorType
from plangate.policy import Action
from plangate.runs import RunRequest
from tests.activities.tool_agent import Far, agent_of
from tests.plangate.plan_makers import step


@pytest.fixture
def admission(store: Store, tmp_path: Path) -> AdmissionActivities:
    problems = [ScopeProblem(file="scope.md", line=3, problem="no purpose")]
    return AdmissionActivities(Catalogue(agents={"shop": agent_of(tmp_path, Far())}, broken={"desk": problems}), store)


async def admit(admission: AdmissionActivities, **request: Any) -> Admission:
    given = RunRequest(**{"agent": "shop", "request": "Where is my order?", **request})
    result: Admission = await ActivityEnvironment().run(admission.admit, given)
    return result


async def refused(admission: AdmissionActivities, **request: Any) -> ErrorPayload:
    with pytest.raises(ApplicationError) as caught:
        await admit(admission, **request)
    assert caught.value.non_retryable
    payload = caught.value.details[0]
    assert isinstance(payload, ErrorPayload)
    assert caught.value.type == payload.type.value
    return payload


async def runs(store: Store) -> list[tuple[str, str]]:
    async with store.reading() as connection:
        return [(row.agent, row.request) for row in await connection.execute(select(tables.runs))]


async def test_an_admitted_request_has_its_bounds_and_its_run_is_noted(
    admission: AdmissionActivities, store: Store
) -> None:
    found = await admit(admission)
    assert found == await admit(admission)
    assert (found.agent, found.verdict.action, found.plan, found.tools) == ("shop", Action.ALLOW, None, {})
    assert len(found.agent_version) == 16
    assert await runs(store) == [("shop", "Where is my order?")]


async def test_a_callers_plan_comes_with_the_policies_of_its_tools_and_fallbacks(
    admission: AdmissionActivities,
) -> None:
    steps = [step("a", "look", fallback={"tool": "erase"}), step("b", "pay", args={"amount": 1})]
    found = await admit(admission, request="", plan={"steps": steps})
    assert found.plan is not None
    assert {name: policy.rule for name, policy in found.tools.items()} == {
        "look": "allow", "erase": "ask", "pay": "when",
    }  # fmt: skip


async def test_a_callers_plan_with_mistakes_is_refused_with_all_of_them(
    admission: AdmissionActivities, store: Store
) -> None:
    steps = [step("a", "lok"), step("b", "banned"), step("c", "look", foo=1), step("d", "look", after=["z"])]
    error = await refused(admission, plan={"steps": steps})
    assert error.type is ErrorType.INVALID_PLAN
    assert "4 mistakes" in error.message
    assert [line.split(",")[0] for line in sorted(error.details)] == [f"step '{name}'" for name in "abcd"]
    assert await runs(store) == []


async def test_unknown_broken_and_unnamed_agents(admission: AdmissionActivities) -> None:
    unknown = await refused(admission, agent="shpo")
    assert (unknown.type, unknown.next) == (ErrorType.UNKNOWN_AGENT, "the run ends")
    assert "did you mean 'shop'" in unknown.message
    broken = await refused(admission, agent="desk")
    assert broken.type is ErrorType.BROKEN_AGENT
    assert "scope.md:3: no purpose" in "\n".join([broken.message, *broken.details])
    assert "`agent` is one of shop" in (await refused(admission, agent="")).message


@pytest.mark.parametrize(
    ("text", "rule"),
    [("", "text.empty"), (" \n\t", "text.empty"), ("x" * 4001, "size.characters"), ("a\x00b", "text.unreadable"),
     ("\x01\x02 hi", "text.unreadable"), ("\ud800" * 5, "text.unreadable")],
)  # fmt: skip
async def test_a_request_that_cannot_be_read_is_declined_with_what_to_do(
    admission: AdmissionActivities, store: Store, text: str, rule: str
) -> None:
    found = await admit(admission, request=text)
    assert (found.verdict.action, found.verdict.rule) == (Action.BLOCK, rule)
    assert "lease " in found.message
    assert len(await runs(store)) == 1


@pytest.mark.parametrize(
    "text", ["\u200b", "\u3164", "\u2800\u2800", "\u115f\u1160", "\u180e", "\u034f", "\ufffe\uffff"]
)
async def test_a_request_that_nobody_could_see_is_declined(admission: AdmissionActivities, text: str) -> None:
    assert (await admit(admission, request=text)).verdict.rule == "text.unreadable"
