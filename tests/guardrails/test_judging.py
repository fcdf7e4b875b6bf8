"""Guardrails fail closed, say who they are, and what they say can be switched off, counted and read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import select

from activities.guardrails.contracts import Asked, Called, Changed, Guardrail, Said
from activities.guardrails.judging import judge_call, judge_text, strictest
from activities.storage import tables
from activities.storage.store import Store
from plangate.agents import Scope
from plangate.guardrails import GuardrailSettings
from plangate.policy import Action, Verdict
from plangate.run_status import RunResult
from plangate.runs import Outcome, RunRequest
from plangate.summary import guardrail_lines
from plangate.tasks import RecordTask
from tests.activities.model_fixtures import StubAgent

if TYPE_CHECKING:
    from activities.catalogue import LoadedAgent

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def asked(text: str = "hello", **settings: object) -> Asked:
    scope = Scope(guardrails=GuardrailSettings.model_validate(settings))
    return Asked(StubAgent(scope=scope), text, RunRequest(request=text))


def shout(subject: Asked) -> Said:
    return Changed(subject.text.upper(), Verdict(action=Action.CHANGE, rule="shout.all", reason="louder"), ("loud",))


def refuse_capitals(subject: Asked) -> Said:
    return Verdict(action=Action.BLOCK, rule="calm.capitals") if subject.text.isupper() else None


def breaks(subject: object) -> Said:
    raise ZeroDivisionError("secret detail")


SHOUT = Guardrail("input.shout", shout, ("shout.",), "Shouts.")
CALM = Guardrail("input.calm", refuse_capitals, ("calm.",), "Refuses shouting.")
BROKEN: Guardrail[Asked] = Guardrail("input.broken", breaks, (), "Breaks.")


def test_each_guardrail_sees_what_the_one_before_it_left() -> None:
    judged = judge_text(asked(), [SHOUT, CALM])
    assert judged.text == "HELLO"
    assert [(verdict.guard, verdict.action) for verdict in judged.verdicts] == [
        ("input.shout", Action.CHANGE), ("input.calm", Action.BLOCK),
    ]  # fmt: skip
    assert (judged.action, judged.doubts) == (Action.BLOCK, ("loud",))
    assert strictest(judged.verdicts).rule == "calm.capitals"


def test_a_guardrail_that_raises_blocks_and_is_named_without_what_it_raised() -> None:
    judged = judge_text(asked(), [BROKEN, SHOUT])
    (verdict,) = judged.verdicts
    assert (verdict.action, verdict.guard, verdict.rule) == (Action.BLOCK, "input.broken", "input.broken.failed")
    assert "ZeroDivisionError" in verdict.detail
    assert "secret" not in verdict.model_dump_json()
    assert len(judge_text(asked(), [BROKEN, SHOUT], to_the_end=True).verdicts) == 2


def test_what_the_scope_switches_off_is_not_asked() -> None:
    assert judge_text(asked(off={"input.shout"}), [SHOUT, CALM]).verdicts == ()


@dataclass
class Later:
    seen: list[str] = field(default_factory=list)

    async def check(self, subject: Called) -> Said:
        self.seen.append(subject.tool.name)
        return [Verdict(action=Action.ASK, rule="later.one"), Verdict(action=Action.ALLOW, rule="later.two")]


async def test_guardrails_of_calls_may_wait_and_all_of_them_are_asked() -> None:
    agent, later = StubAgent(), Later()
    call = Called(cast("LoadedAgent", agent), agent.tools["refund"], {"amount": 3})
    guards: list[Guardrail[Called]] = [Guardrail("action.broken", breaks, (), "Breaks."),
                                       Guardrail("action.later", later.check, ("later.",), "Waits.")]  # fmt: skip
    verdicts = await judge_call(call, guards)
    assert [verdict.rule for verdict in verdicts] == ["action.broken.failed", "later.one"]
    assert later.seen == ["refund"]


async def test_what_was_said_is_in_the_database_once(store: Store) -> None:
    said = [Verdict(action=Action.CHANGE, rule="pii.email", guard="output.pii", detail="1 e-mail address")] * 2
    result = RunResult(run="r", agent="shop", outcome=Outcome.COMPLETED, started_at=NOW, ended_at=NOW, verdicts=said)
    for _ in range(2):
        await store.record(RecordTask(run="r", result=result))
    async with store.reading() as connection:
        rows = (await connection.execute(select(tables.verdicts))).all()
    assert [(row.id, row.guard, row.rule, row.action) for row in rows] == [
        ("r:0", "output.pii", "pii.email", "change"), ("r:1", "output.pii", "pii.email", "change"),
    ]  # fmt: skip


def test_the_summary_says_what_guardrails_said() -> None:
    verdict = Verdict(action=Action.ASK, rule="later.one", reason="why\nso", detail="3 of 5", call="refund")
    lines = guardrail_lines([verdict], 0.5, ["a gap"])
    assert "- ask on refund by later.one: why so (3 of 5)" in lines
    assert lines[-1] == "Confidence in the answer: 0.50: a gap."
    assert guardrail_lines([], 1.0, []) == []


def test_workflows_never_import_guardrails() -> None:
    for path in Path("workflows").glob("*.py"):
        assert "guardrails" not in path.read_text(), path
