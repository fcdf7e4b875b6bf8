"""The output guardrails around an answering model: over the whole answer, and over its beginning while it streams."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from activities.guardrails.contracts import Answered, Guardrail
from activities.guardrails.evidence import Evidence
from activities.guardrails.facts import sentences
from activities.guardrails.judging import judge_text, strictest
from activities.models.replies import OnText
from activities.prompts.planner import Agent
from plangate.policy import Action, Verdict
from plangate.tasks import Answer, RespondTask

_log = structlog.get_logger(__name__)
HELD_BACK = 200
"""Characters at the end of a streamed text that nobody sees yet: what they belong to may only show with more of it."""

STEP = 80
"""Characters that come in, or a twentieth of a longer text, before its beginning is judged again."""


class Answers:
    """The guardrails of one answer.

    Args:
        agent: The agent.
        task: What the workflow asks.
        results: Results by step id, whole.
        guards: The registry's line-up.
    """

    def __init__(
        self, agent: Agent, task: RespondTask, results: Mapping[str, Any], guards: tuple[Guardrail[Answered], ...]
    ) -> None:
        off = agent.scope.guardrails.off
        self._guards = tuple(guard for guard in guards if guard.name not in off)
        self._subject: Answered | None = None
        if self._guards:
            try:
                evidence = Evidence.of(agent, task, results)
                self._subject = Answered(agent, "", task, results, evidence)
            except Exception as error:  # noqa: BLE001 - without evidence nothing can be judged: `judge` refuses
                _log.error("evidence failed", error=repr(error), exc_info=error)

    def judge(self, text: str) -> Answer:
        """The answer as people may read it. A refused one has no text, and the verdict that refuses it."""
        if not self._guards:
            return Answer(text=text)
        if self._subject is None:
            return _refused([_FAILED], _FAILED)
        judged = judge_text(replace(self._subject, text=text), self._guards)
        verdict = strictest(judged.verdicts)
        if verdict.action.strictness > Action.CHANGE.strictness:
            return _refused(list(judged.verdicts), verdict)
        if not judged.text.strip():
            return _refused([*judged.verdicts, _EMPTY], _EMPTY)
        return Answer(text=judged.text, verdicts=list(judged.verdicts), doubts=list(judged.doubts))

    async def judge_aside(self, text: str) -> Answer:
        """The same. Where Presidio reads it too, in a thread: the worker has other things to do meanwhile."""
        if self._subject is None or not self._subject.agent.scope.guardrails.presidio_entities:
            return self.judge(text)
        return await asyncio.to_thread(self.judge, text)

    def watched(self, show: OnText) -> OnText | None:
        """What takes the text while it streams and shows on what has passed; None when nothing of it may be shown.

        A guardrail that can only judge a whole answer keeps all of it back until then.
        """
        if not self._guards:
            return show
        subject = self._subject
        if subject is None or not all(guard.beginnings for guard in self._guards):
            return None
        return _showing(subject, self._guards, show)


def _showing(subject: Answered, guards: tuple[Guardrail[Answered], ...], show: OnText) -> OnText:
    shown, due = "", HELD_BACK + STEP

    def take(text: str) -> None:
        nonlocal shown, due
        if len(text) < due:
            return
        due = len(text) + max(STEP, len(text) // 20)
        judged = judge_text(replace(subject, text=text), guards)
        if judged.action.strictness > Action.CHANGE.strictness:
            return
        # A sentence is shown whole or not at all: guardrails take out whole ones, for what stands at their end too.
        cut = max((end for _, end in sentences(judged.text) if end <= len(judged.text) - HELD_BACK), default=0)
        if cut > len(shown):
            shown = judged.text[:cut]
            show(shown)

    return take


def _refused(verdicts: list[Verdict], verdict: Verdict) -> Answer:
    return Answer(text="", verdict=verdict, verdicts=verdicts)


_FAILED = Verdict(
    action=Action.BLOCK,
    rule="output.evidence.failed",
    guard="output.evidence",
    reason="The answer could not be checked, so it is not shown.",
)
_EMPTY = Verdict(
    action=Action.BLOCK,
    rule="output.empty",
    guard="output.empty",
    reason="Nothing of the answer was fit to be shown.",
)
