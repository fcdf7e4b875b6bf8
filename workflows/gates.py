"""Gates: decisions come in by signal or update, are judged one after the other, and settle what waits.

Handlers only put decisions into the state's inbox. One loop judges them, so that signals and updates obey one rule
book (`plangate.approvals.judge`) and no order of arrival can give two answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows import activities
from workflows.judging import MAX_HELD, Judging

with workflow.unsafe.imports_passed_through():
    from plangate.approvals import (
        ApprovalDecision,
        ApprovalGrant,
        ApprovalRequest,
        GateStatus,
        Receipt,
        ReceiptStatus,
        judge,
    )
    from plangate.keys import split_approval_id
    from plangate.runs import RunState
    from plangate.tasks import RecordTask

MAX_SEEN = 200
"""Decision ids remembered at most."""
MAX_UNRECORDED = 200
"""Receipts that wait for the next write to the database at most."""
MAX_CARRIED_BYTES = 256 * 1024
"""Bytes of decisions that aren't judged yet, and of receipts, which are carried into the next execution."""


class Gates(Judging):
    """The gates of one run.

    Args:
        state: The run's state.
        changed: Called after a gate opened or was settled, with what happened in words.
    """

    def __init__(self, state: RunState, changed: Callable[[ApprovalRequest, str], None]) -> None:
        self._state = state
        self._changed = changed
        self._arrived = asyncio.Event()
        self._one_judge = asyncio.Lock()
        self._received = len(state.inbox)
        self._judged = 0
        self._wanted: dict[int, Receipt | None] = {}
        self._waiting = {call: None for call, gate in state.gates.items() if not gate.settled}
        carried = any(receipt.status is ReceiptStatus.APPLIED for receipt in state.unrecorded)
        self._applied = carried and workflow.patched("carried-inbox")
        self._handing_over = False
        if state.inbox or self._applied:
            self._arrived.set()

    @property
    def pending(self) -> list[ApprovalRequest]:
        """Gates that wait."""
        return [self._state.gates[call] for call in self._waiting]

    @property
    def at_rest(self) -> bool:
        """Whether nothing is being judged or written."""
        return not self._one_judge.locked() and not self._wanted

    async def hand_over(self) -> None:
        """Judge and write nothing more than somebody waits for: the next execution goes on with the inbox.

        What is being written is waited for. Of a very large inbox most is judged here.
        """
        self._handing_over = True
        await self.drain()

    def receive(self, decision: ApprovalDecision) -> None:
        """Take a decision in; it is judged by the loop."""
        self._state.inbox.append(decision)
        self._received += 1
        self._arrived.set()

    async def ask(self, decision: ApprovalDecision) -> Receipt:
        """Take a decision in and wait for its receipt."""
        self.receive(decision)
        number = self._received
        self._wanted[number] = None
        await workflow.wait_condition(lambda: self._wanted[number] is not None)
        receipt = self._wanted.pop(number)
        assert receipt is not None
        return receipt

    def refusal(self, decision: ApprovalDecision) -> str | None:
        """Why an update would change nothing, or None. Reads only."""
        if decision.id and decision.id in self._state.seen:
            return None  # the same decision again: answered with its first receipt
        if wrong := decision.not_finite:
            return f"{wrong}; nothing was changed"
        status, message = judge(self._find(decision), decision, now=workflow.now())
        return None if status is ReceiptStatus.APPLIED else message

    async def loop(self) -> None:
        """Judge what comes in, for as long as the run lives."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self.drain()

    async def drain(self) -> None:
        """Judge everything in the inbox, then write what has to be written."""
        async with self._one_judge:
            await self._drain()

    async def _drain(self) -> None:
        applied, self._applied = self._applied, False
        while self._state.inbox and not self._may_leave_the_rest():
            receipt = await self._judge(self._state.inbox[0])
            self._state.inbox.pop(0)
            self._note(receipt)
            applied = applied or receipt.status is ReceiptStatus.APPLIED
        if self._handing_over and _bytes(self._state.unrecorded) <= MAX_CARRIED_BYTES:
            return
        if applied or len(self._state.unrecorded) >= MAX_UNRECORDED:
            await self.flush()

    def _may_leave_the_rest(self) -> bool:
        """Whether the next execution can judge what is in the inbox: nobody waits for it, and it isn't too large."""
        if not self._handing_over or self._wanted:
            return False
        inbox = self._state.inbox
        looks = self._judged % 50 == 0 or len(inbox) < MAX_HELD  # adding up a large inbox takes its time
        return looks and _bytes(inbox) <= MAX_CARRIED_BYTES

    async def flush(self) -> None:
        """Write receipts and gates into the database."""
        receipts, self._state.unrecorded = self._state.unrecorded, []
        names = {split_approval_id(receipt.approval)[1] or receipt.approval for receipt in receipts}
        gates = [gate for call, gate in self._state.gates.items() if call in names]
        if not receipts:
            return
        try:
            await activities.record(RecordTask(run=workflow.info().workflow_id, gates=gates, receipts=receipts))
        except activities.FAILURES:
            self._state.unrecorded = receipts + self._state.unrecorded  # written with the next ones, or at the end

    def open(self, gate: ApprovalRequest) -> None:
        """Open a gate; an early decision about exactly these arguments settles it."""
        self._state.gates[gate.call] = gate
        self._waiting[gate.call] = None
        self._changed(gate, f"waits for approval: {gate.title}")
        early = [decision for decision in self._state.held if self._call_of(decision) == gate.call]
        self._state.held = [decision for decision in self._state.held if decision not in early]
        for decision in early:
            self.receive(decision)

    async def wait(self, call: str) -> ApprovalRequest:
        """Wait until a gate is settled, at the latest by its deadline."""
        gate = self._state.gates[call]
        if not gate.settled:
            left = gate.deadline - workflow.now()
            try:
                if left.total_seconds() <= 0:
                    raise TimeoutError
                await workflow.wait_condition(
                    lambda: self._state.gates[call].settled,
                    timeout=left,
                    timeout_summary=f"Time to decide: {gate.title}",
                )
            except TimeoutError:
                if not self._state.gates[call].settled:
                    self._close(self._state.gates[call], GateStatus.EXPIRED)
        return self._state.gates[call]

    def withdraw(self, call: str) -> None:
        """Close a gate that nobody has to decide any more."""
        gate = self._state.gates.get(call)
        if gate is not None and not gate.settled:
            self._close(gate, GateStatus.WITHDRAWN)

    def _close(self, gate: ApprovalRequest, status: GateStatus) -> None:
        closed = gate.model_copy(update={"status": status, "decided_at": workflow.now()})
        self._state.gates[gate.call] = closed
        self._waiting.pop(gate.call, None)
        self._changed(closed, f"{status.value}: {gate.title}")

    def _number(self, receipt: Receipt) -> int:
        """Which of its equals a receipt is: of its gate's, since gates may open in another order when a dead worker's
        work is done again; where there is no gate, of the run's.
        """
        call, status, state = self._call_of(receipt.decision), receipt.status.value, self._state
        if call not in state.gates:
            return state.receipts[status]
        name = f"{call} {status}"
        state.judged[name] = state.judged.get(name, 0) + 1
        return state.judged[name]

    def _note(self, receipt: Receipt) -> None:
        state = self._state
        self._judged += 1
        state.receipts[receipt.status.value] = state.receipts.get(receipt.status.value, 0) + 1
        receipt = receipt.model_copy(update={"number": self._number(receipt)})
        state.unrecorded.append(receipt)
        final = receipt.status not in (ReceiptStatus.DUPLICATE, ReceiptStatus.HELD)
        if receipt.decision.id and final:
            state.seen[receipt.decision.id] = receipt
            while len(state.seen) > MAX_SEEN:
                del state.seen[next(iter(state.seen))]
        if self._judged in self._wanted:
            self._wanted[self._judged] = receipt


def _bytes(told: Sequence[ApprovalDecision | Receipt]) -> int:
    """About how large these are as JSON."""
    decisions = [each.decision if isinstance(each, Receipt) else each for each in told]
    return sum(
        300 + len(each.approval) + len(each.reason) + len(each.by) + len(str(each.args)) + len(str(each.response))
        for each in decisions
    )


def grant_for(gate: ApprovalRequest, *, expires_at: datetime) -> ApprovalGrant:
    """The proof of an approval that the tool's activity checks again.

    Raises:
        ApplicationError: If the gate wasn't approved: a defect, never a way around.
    """
    if gate.status is not GateStatus.APPROVED or gate.decided_at is None:
        raise ApplicationError(f"{gate.id} is not approved", non_retryable=True, type="Bug")
    return ApprovalGrant(
        approval=gate.id,
        run=gate.run,
        call=gate.call,
        tool=gate.tool,
        tool_version=gate.tool_version,
        agent_version=gate.agent_version,
        digest=gate.digest,
        by=gate.decision.by if gate.decision else "",
        decided_at=gate.decided_at,
        expires_at=expires_at,
        rule=gate.rule,
    )
