"""May a call be made now? What guardrails say of it, and whether its approval is for exactly this call."""

from __future__ import annotations

from collections.abc import Sequence

from activities.guardrails.judging import strictest, together
from plangate.errors import ErrorType, PlangateError
from plangate.policy import Action, Verdict
from plangate.tasks import ToolCall
from plangate.toolkit import Tool


def check_verdicts(call: ToolCall, tool: Tool, verdicts: Sequence[Verdict], *, agent_version: str, digest: str) -> None:
    """May a call be made, by what guardrails say of it now?

    Raises:
        PlangateError: With type `Blocked`, or `NotApproved` where a person has to approve it and nobody did.
    """
    verdict = together(verdicts)
    if verdict.action is Action.DRAFT:
        error = PlangateError(f"{tool.name} is only drafted: a person does it", type=ErrorType.BLOCKED)
        raise refused(error, verdicts)
    if verdict.action is Action.BLOCK:
        raise refused(PlangateError(f"not allowed: {verdict.reason}", type=ErrorType.BLOCKED), verdicts)
    if verdict.action is Action.ASK and call.grant is None:
        error = PlangateError(f"{verdict.reason}: it needs an approval, and there is none", type=ErrorType.NOT_APPROVED)
        raise refused(error, verdicts)
    if call.grant is not None:
        check_grant(call, tool, agent_version=agent_version, digest=digest)


def refused(error: PlangateError, verdicts: Sequence[Verdict]) -> PlangateError:
    """The error, with which guardrail it was."""
    if verdicts:
        worst = strictest(verdicts)
        error.guard, error.rule = worst.guard, worst.rule
    return error


def check_grant(call: ToolCall, tool: Tool, *, agent_version: str, digest: str) -> None:
    """Does the approval hold for exactly this call?

    Raises:
        PlangateError: With type `NotApproved`.
    """
    grant = call.grant
    if grant is None:
        raise PlangateError("the scope asks for an approval and there is none", type=ErrorType.NOT_APPROVED)
    given_in = call.run if grant.run in call.resumed_from else grant.run
    approved = (given_in, grant.call, grant.tool, grant.tool_version, grant.agent_version, grant.digest)
    about_to = (call.run, call.call, tool.name, tool.version, agent_version, digest)
    names = ("run", "call", "tool", "version of the tool", "version of the agent", "arguments")
    wrong = [name for name, old, new in zip(names, approved, about_to, strict=True) if old != new]
    if wrong:
        raise PlangateError(
            f"the approval {grant.approval} is for another {', '.join(wrong)}; ask again", type=ErrorType.NOT_APPROVED
        )
