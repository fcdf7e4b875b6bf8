"""What a decision changes: one after the other, by the one rule book (`plangate.approvals.judge`)."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow

from workflows import activities

with workflow.unsafe.imports_passed_through():
    from plangate.approvals import (
        ApprovalDecision,
        ApprovalRequest,
        DecisionAction,
        Receipt,
        ReceiptStatus,
        differences,
        judge,
        settle,
    )
    from plangate.compensation import UNDO
    from plangate.keys import split_approval_id
    from plangate.policy import Action
    from plangate.runs import RunState
    from plangate.tasks import BindTask

MAX_HELD = 100
"""Early decisions kept at most; more are refused as unknown."""


class Judging:
    """Judges decisions; a part of `workflows.gates.Gates`."""

    _state: RunState
    _changed: Callable[[ApprovalRequest, str], None]
    _waiting: dict[str, None]

    def _call_of(self, decision: ApprovalDecision) -> str | None:
        """The call that a decision names, or None when it names another run."""
        if "/" not in decision.approval:
            return decision.approval
        run, call = split_approval_id(decision.approval)
        return call if run == workflow.info().workflow_id else None

    def _find(self, decision: ApprovalDecision) -> ApprovalRequest | None:
        call = self._call_of(decision)
        return self._state.gates.get(call) if call else None

    async def _judge(self, decision: ApprovalDecision) -> Receipt:
        if decision.id and decision.id in self._state.seen:
            first = self._state.seen[decision.id]
            return first.model_copy(
                update={"status": ReceiptStatus.DUPLICATE, "message": f"seen before: {first.message}"}
            )
        gate = self._find(decision)
        if gate is None and self._may_come(decision):
            self._state.held.append(decision)
            return self._receipt(
                decision, ReceiptStatus.HELD, "its gate isn't open yet; kept for exactly these arguments"
            )
        status, message = judge(gate, decision, now=workflow.now())
        if gate is None or status is not ReceiptStatus.APPLIED:
            return self._receipt(decision, status, message)
        if decision.action is DecisionAction.EDIT:
            return await self._edit(gate, decision)
        settled = settle(gate, decision, now=workflow.now())
        return self._settle(settled, decision)

    def _may_come(self, decision: ApprovalDecision) -> bool:
        """Whether the gate that a decision names may still open in this run."""
        call = self._call_of(decision)
        if not call or len(decision.digest) < 16 or len(self._state.held) >= MAX_HELD:
            return False
        if self._state.plan is None:
            return self._state.outcome is None
        step = call.split(".")[0].split("~")[0].removesuffix("-fallback")
        found = self._state.steps.get(step)
        if found is None and step.endswith(UNDO):
            return self._may_be_undone(step.removesuffix(UNDO))
        return found is not None and not found.status.ended

    def _may_be_undone(self, step: str) -> bool:
        """Whether a step's undoing may still begin.

        Its gate is in the database, for people to see, before the workflow has it: a worker may die in between.
        """
        begun = step in self._state.steps and self._state.outcome is None
        return begun and workflow.patched("early-undo-decision")

    async def _edit(self, gate: ApprovalRequest, decision: ApprovalDecision) -> Receipt:
        task = BindTask(
            run=gate.run,
            agent=gate.agent,
            agent_version=gate.agent_version,
            user=gate.user,
            step=gate.step,
            call=gate.call,
            tool=gate.tool,
            args=decision.args or {},
            gate=gate,
            nth=next((c.nth for s in self._state.steps.values() for c in s.calls if c.id == gate.call), 0),
            session=self._state.request.session,
        )
        try:
            bound = await activities.bind_call(task)
        except activities.FAILURES as error:
            return self._receipt(decision, ReceiptStatus.INVALID, activities.payload_of(error).message)
        refusals = [each for each in bound.verdicts if each.action is Action.BLOCK]
        self._state.add_verdicts([each for each in refusals if each not in self._state.verdicts])
        if bound.problems:
            message = "the edited arguments are not right; nothing was changed"
            return self._receipt(decision, ReceiptStatus.INVALID, message, problems=bound.problems)
        if bound.verdict.action is Action.BLOCK:
            return self._receipt(decision, ReceiptStatus.INVALID, f"policy refuses this edit: {bound.verdict.reason}")
        current = self._state.gates[gate.call]
        status, message = judge(current, decision, now=workflow.now())
        if status is not ReceiptStatus.APPLIED:
            return self._receipt(decision, status, message)
        settled = settle(current, decision, now=workflow.now()).model_copy(
            update={
                "args": bound.args,
                "digest": bound.digest,
                "title": bound.summary or gate.title,
                "edits": differences(gate.args, bound.args),
            }
        )
        return self._settle(settled, decision)

    def _settle(self, gate: ApprovalRequest, decision: ApprovalDecision) -> Receipt:
        self._state.gates[gate.call] = gate
        self._waiting.pop(gate.call, None)
        by = decision.by or "somebody who gave no name"
        changed = f", changing {'; '.join(gate.edits)}" if gate.edits else ""
        why = f" ({decision.reason})" if decision.reason else ""
        self._changed(gate, f"{gate.status.value} by {by}{why}{changed}: {gate.title}")
        return self._receipt(decision, ReceiptStatus.APPLIED, f"{gate.status.value}: {gate.title}", edits=gate.edits)

    def _receipt(
        self,
        decision: ApprovalDecision,
        status: ReceiptStatus,
        message: str,
        *,
        problems: list[str] | None = None,
        edits: list[str] | None = None,
    ) -> Receipt:
        return Receipt(
            status=status,
            approval=decision.approval,
            message=message,
            decision=decision,
            at=workflow.now(),
            problems=problems or [],
            edits=edits or [],
        )
