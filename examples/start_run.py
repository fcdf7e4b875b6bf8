"""A client script: start a run, watch it, approve by signal what it asks for.

    plangate up                      # in another terminal
    python examples/start_run.py "Hi, the teapot from my order 1042 arrived broken. I'd like my money back, please."

It finds the server as `plangate` does: TEMPORAL_ADDRESS or a Temporal profile, else the embedded system in ./.plangate.
"""

from __future__ import annotations

import asyncio
import sys
import uuid

from client.errors import ClientError
from client.runs import Plangate
from plangate.approvals import ApprovalDecision, ApprovalRequest, DecisionAction
from plangate.exits import exit_with
from plangate.runs import Outcome, RunRequest
from plangate.summary import cost

REQUEST = "Hi, the teapot from my order 1042 arrived broken. I'd like my money back, please."
LIMIT = 100.0
"""This script's own rule: it says yes to amounts up to this, and no to everything else."""


def decide(gate: ApprovalRequest) -> ApprovalDecision:
    """The decision about one gate. It names the digest of the arguments that it is about."""
    small = isinstance(amount := gate.args.get("amount"), (int, float)) and amount <= LIMIT
    return ApprovalDecision(
        approval=gate.id,
        action=DecisionAction.APPROVE if small else DecisionAction.REJECT,
        digest=gate.digest,
        by="examples/start_run.py",
        reason=f"up to {LIMIT:g}" if small else f"not an amount up to {LIMIT:g}",
        id=uuid.uuid4().hex,
    )


async def main(request: str) -> int:
    """Start a run, follow it to its end, print its answer."""
    async with await Plangate.connect() as plangate:
        started = await plangate.start(RunRequest(agent="support", request=request, user="rosa.amsel@example.com"))
        print(f"started {started.run}  {started.ui}")
        answered: set[str] = set()
        told: dict[str, str] = {}
        async for view in plangate.watch(started.run):
            if view.trouble:
                print(f"! {view.trouble}")
            for step in view.status.steps if view.status else []:
                if told.get(step.id) != step.status:
                    told[step.id] = step.status
                    print(f"  {step.status:<20} {step.summary or step.title}")
            for gate in view.status.pending if view.status else []:
                if gate.id not in answered:
                    answered.add(gate.id)
                    decision = decide(gate)
                    print(f"? {gate.title} ({gate.reason}): {decision.action}")
                    await plangate.signal(started.run, decision)
        result = await plangate.result(started.run)
        print(f"\n{result.answer}\n\n{result.outcome}: {cost(result.usage)}")
        return 0 if result.outcome in (Outcome.COMPLETED, Outcome.DEGRADED) else 1


def run() -> int:
    """The exit code: 0 when the request was served."""
    try:
        return asyncio.run(main(" ".join(sys.argv[1:]) or REQUEST))
    except ClientError as error:
        sys.exit(f"{error.message}\n{error.hint}")


if __name__ == "__main__":
    exit_with(run)
