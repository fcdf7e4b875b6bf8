"""The gate that a bound call opens: built the same in the workflow and in the activity that stores it."""

from __future__ import annotations

from plangate.approvals import ApprovalRequest
from plangate.keys import approval_id
from plangate.policy import Action
from plangate.tasks import BindTask, Bound


def gate_of(task: BindTask, bound: Bound, *, tool_version: str) -> ApprovalRequest:
    """The approval request for a bound call that policy asks about.

    Args:
        task: What was bound, with the times of opening and deadline.
        bound: The validated arguments and what policy said.
        tool_version: The tool's version; the approval holds for no other.
    """
    assert task.opened_at is not None
    assert task.deadline is not None
    return ApprovalRequest(
        id=approval_id(task.run, task.call),
        run=task.run,
        call=task.call,
        step=task.step,
        title=bound.summary or task.step,
        tool=task.tool,
        tool_version=tool_version,
        agent=task.agent,
        agent_version=task.agent_version,
        user=task.user,
        args=bound.args,
        digest=bound.digest,
        rule=bound.verdict.rule,
        reason=bound.verdict.reason,
        provenance=bound.provenance,
        risk=bound.risk,
        revision=task.revision,
        opened_at=task.opened_at,
        deadline=task.deadline,
        draft=bound.verdict.action is Action.DRAFT,
    )
