"""What comes in from outside as it was sent: the run's input, decisions, and who sent a signal."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from plangate.approvals import ApprovalDecision, DecisionAction
    from plangate.runs import WORKFLOW, RunInput
    from plangate.strictjson import not_finite

FINITE = "finite-numbers"
"""Runs from before took NaN and infinity, and went on with null. Asked only where there is such a number."""


def read_input(inputs: tuple[Any, ...]) -> tuple[RunInput, str | None]:
    """The run's input, and what was wrong with it; the run then fails at once."""
    try:
        if len(inputs) == 1 and isinstance(inputs[0], dict):
            read = RunInput.model_validate(inputs[0])
            wrong = not_finite({"input": read.input, "plan": read.plan}) if read.carried is None else ""
            if not wrong or not workflow.patched(FINITE):
                return read, None
            problem = wrong
        else:
            problem = _no_object(inputs)
    except ValidationError as error:
        issues = error.errors(include_url=False, include_input=False)
        problem = "; ".join(f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in issues[:10])
    return RunInput(), (
        f'the input of {WORKFLOW} is not right: {problem}. It has at least "agent" and "request", '
        'for example {"agent": "support", "request": "Where is my order 1042?"}'
    )


def _no_object(inputs: tuple[Any, ...]) -> str:
    kinds = ", ".join(getattr(given, "problem", type(given).__name__) for given in inputs) or "nothing"
    return f"it is one JSON object; what came is wrong: {kinds}"


def read_decision(action: DecisionAction, payload: Any) -> ApprovalDecision:
    """The decision that a signal carries. A malformed one names nothing, and its reason says what is wrong."""
    try:
        given = payload if isinstance(payload, dict) else {"approval": payload}
        decision = ApprovalDecision.model_validate({**given, "action": action})
        if (wrong := decision.not_finite) and workflow.patched(FINITE):
            return ApprovalDecision(action=action, reason=f"malformed: {wrong}")
        return decision
    except ValidationError as error:
        issues = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        return ApprovalDecision(action=action, reason=f"malformed: {issues}"[:500])


def who(payload: Any) -> str:
    """` by NAME: REASON`, as far as the payload says it."""
    if not isinstance(payload, dict):
        return ""
    by, reason = payload.get("by"), payload.get("reason")
    return f"{f' by {by}' if by else ''}{f': {reason}' if reason else ''}"[:300]
