"""Asks guardrails in their order, collects what they say, and fails closed."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from activities.faults import classify
from activities.flowing import stricter
from activities.guardrails.contracts import Answered, Asked, Called, Changed, Guardrail, Said
from plangate.action_limits import strictest as strictest_call
from plangate.errors import ErrorKind
from plangate.policy import Action, Verdict

_ALLOWED = Verdict(action=Action.ALLOW)
_log = structlog.get_logger(__name__)
Text = TypeVar("Text", Asked, Answered)
FAILED = "One of our own checks failed, so nothing was done. Please try again later, or ask for a person."
_ANSWER_FAILED = "One of our own checks of the answer failed, so it is not shown."


@dataclass(frozen=True)
class Judged:
    """What the guardrails made of a text."""

    text: str
    verdicts: tuple[Verdict, ...] = ()
    """Other than allow, in the order of the registry."""
    doubts: tuple[str, ...] = ()

    @property
    def action(self) -> Action:
        """The strictest of all."""
        return strictest(self.verdicts).action


def strictest(verdicts: Sequence[Verdict]) -> Verdict:
    """The first of the strictest verdicts; allow when there is none."""
    found = Verdict(action=Action.ALLOW)
    for verdict in verdicts:
        if verdict.action.strictness > found.action.strictness:
            found = verdict
    return found


def judge_text(subject: Text, guards: Sequence[Guardrail[Text]], *, to_the_end: bool = False) -> Judged:
    """Ask the guardrails about a request or an answer; each sees the text as those before it left it.

    Args:
        subject: The request or the answer.
        guards: The registry's line-up for it. What the scope switches off is left out.
        to_the_end: Ask the others too when one blocks, to tell people all of it.
    """
    off = subject.agent.scope.guardrails.off
    verdicts: list[Verdict] = []
    doubts: list[str] = []
    for guard in guards:
        if guard.name in off:
            continue
        try:
            said = guard.check(subject)
            if isinstance(said, Awaitable):
                raise TypeError("a guardrail of texts can't be asynchronous")
            if isinstance(said, Changed):
                subject = dataclasses.replace(subject, text=said.text)
                doubts += said.doubts
            verdicts += _named(guard.name, said)
        except Exception as error:  # noqa: BLE001 - fails closed, and says which one
            verdicts.append(_failed(guard.name, error))
        if not to_the_end and verdicts and verdicts[-1].action is Action.BLOCK:
            break
    return Judged(subject.text, tuple(verdicts), tuple(doubts))


async def judge_call(subject: Called, guards: Sequence[Guardrail[Called]]) -> list[Verdict]:
    """Ask the guardrails about a call; all of them, so that a person who is asked sees every reason.

    Raises:
        Exception: A fault that passes, such as of the database: the caller is tried again, and nothing is done.
    """
    verdicts: list[Verdict] = []
    for guard in guards:
        if guard.name in subject.agent.scope.guardrails.off:
            continue
        try:
            said = guard.check(subject)
            told = await said if inspect.isawaitable(said) else said
            verdicts += _named(guard.name, told)
        except Exception as error:
            if classify(error)[0].kind is ErrorKind.TRANSIENT:
                raise
            verdicts.append(_failed(guard.name, error))
        if guard.alone and verdicts and verdicts[-1].action is Action.BLOCK:
            break
    call = subject.task.call if subject.task else ""
    return [verdict.model_copy(update={"call": verdict.call or call}) for verdict in verdicts]


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """What guardrails say of a call, in one: the strictest, with the reasons and rules of all that are as strict.

    What information flow says is told in any case, also where the scope asks by a rule of its own.
    """
    flow = next((each for each in verdicts if each.guard == "action.flow"), _ALLOWED)
    others = [each for each in verdicts if each is not flow]
    return stricter(strictest_call([_ALLOWED, *others]), flow)


def _named(name: str, said: Said) -> list[Verdict]:
    """What a guardrail said, under its name; allow isn't kept."""
    if said is None:
        return []
    if isinstance(said, Changed):
        said = said.verdict
    found = [said] if isinstance(said, Verdict) else list(said)
    return [each.model_copy(update={"guard": name}) for each in found if each.action is not Action.ALLOW]


def _failed(name: str, error: Exception) -> Verdict:
    _log.error("guardrail failed", guard=name, error=repr(error), exc_info=error)
    return Verdict(
        action=Action.BLOCK,
        rule=f"{name}.failed",
        guard=name,
        reason=_ANSWER_FAILED if name.startswith("output.") else FAILED,
        detail=f"the guardrail {name!r} failed: {type(error).__name__}",
    )
