"""What comes in from outside as it was sent: the run's input, decisions, and who sent a signal."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from plangate.approvals import ApprovalDecision, DecisionAction
    from plangate.runs import WORKFLOW, RunInput


def read_input(inputs: tuple[Any, ...]) -> tuple[RunInput, str | None]:
    """The run's input, and what was wrong with it; the run then fails at once."""
    try:
        if len(inputs) == 1 and isinstance(inputs[0], dict):
            return RunInput.model_validate(inputs[0]), None
        kinds = ", ".join(getattr(given, "problem", type(given).__name__) for given in inputs) or "nothing"
        problem = f"it is one JSON object; what came is wrong: {kinds}"
    except ValidationError as error:
        issues = error.errors(include_url=False, include_input=False)
        problem = "; ".join(f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in issues[:10])
    return RunInput(), (
        f'the input of {WORKFLOW} is not right: {problem}. It has at least "agent" and "request", '
        'for example {"agent": "support", "request": "Where is my order 1042?"}'
    )


def read_decision(action: DecisionAction, payload: Any) -> ApprovalDecision:
    """The decision that a signal carries. A malformed one names nothing, and its reason says what is wrong."""
    try:
        given = payload if isinstance(payload, dict) else {"approval": payload}
        return ApprovalDecision.model_validate({**given, "action": action})
    except ValidationError as error:
        issues = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        return ApprovalDecision(action=action, reason=f"malformed: {issues}"[:500])


def who(payload: Any) -> str:
    """` by NAME: REASON`, as far as the payload says it."""
    if not isinstance(payload, dict):
        return ""
    by, reason = payload.get("by"), payload.get("reason")
    return f"{f' by {by}' if by else ''}{f': {reason}' if reason else ''}"[:300]
