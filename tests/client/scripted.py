"""The real `AgentRun` with scripted activities: a shop of one order, whose refund has to be approved.

What the request says steers the script: `no` is declined, `break` fails, `two` makes two gates, `slow answer` writes
half of its answer and waits for `Script.may_finish`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from plangate.agents import Admission
from plangate.errors import ErrorPayload, ErrorType
from plangate.plans import Plan, Step
from plangate.policy import Action, Verdict
from plangate.runs import TASK_QUEUE, Result, RunRequest, Usage
from plangate.strictjson import digest
from plangate.tasks import Answer, BindTask, Bound, CallResult, PlanOutcome, PlanTask, RecordTask, RespondTask, ToolCall
from plangate.temporal import PlangatePlugin
from plangate.tool_policy import Effect, ToolPolicy
from workflows.agent_run import AgentRun

HALF = "Your refund of 62.00"
WHOLE = f"{HALF} is on its way."
TOOLS = {
    "find_order": ToolPolicy(name="find_order", effect=Effect.READ, rule="allow"),
    "refund_payment": ToolPolicy(name="refund_payment", effect=Effect.CONSEQUENTIAL, rule="ask"),
}


def scripted_plan(request: str) -> Plan:
    """The plan for a request."""
    refund = Step(
        id="refund",
        title="Refund the teapot",
        tool="refund_payment",
        args={"order_id": "1042", "amount": 62.0},
        after=["find"],
        risk="Money leaves the shop's account.",
    )
    steps = [Step(id="find", title="Find the order", tool="find_order", args={"order_id": "1042"}), refund]
    if "two" in request:
        steps.append(refund.model_copy(update={"id": "second", "title": "Refund it again"}))
    return Plan(goal="Refund the broken teapot", steps=steps)


class Script:
    """The scripted activities, and what they saw."""

    def __init__(self) -> None:
        self.refunds: list[dict[str, Any]] = []
        self.may_finish = asyncio.Event()

    @activity.defn(name="admit")
    async def admit(self, request: RunRequest) -> Admission:
        if request.request == "no":
            verdict = Verdict(action=Action.BLOCK, reason="it is outside of the scope")
            return Admission(
                agent=request.agent, agent_version="v1", verdict=verdict, message="I can only help with orders."
            )
        return Admission(agent=request.agent, agent_version="v1", verdict=Verdict(action=Action.ALLOW))

    @activity.defn(name="make_plan")
    async def make_plan(self, task: PlanTask) -> PlanOutcome:
        if task.request == "break":
            payload = ErrorPayload(type=ErrorType.MODEL_MALFORMED, message="the planner wrote no plan, three times")
            raise ApplicationError(payload.message, payload, type=payload.type.value, non_retryable=True)
        usage = Usage(calls=1, input_tokens=1200, output_tokens=80, cost_usd=0.0012, models=["scripted"])
        return PlanOutcome(action="plan", plan=scripted_plan(task.request), tools=TOOLS, usage=usage)

    @activity.defn(name="bind_call")
    async def bind_call(self, task: BindTask) -> Bound:
        amount = task.args.get("amount", 0)
        problems = [] if isinstance(amount, float | int) and amount >= 0 else [f"amount: {amount!r} is not an amount"]
        ask = task.tool == "refund_payment"
        return Bound(
            args=task.args,
            digest=digest(task.args),
            verdict=Verdict(action=Action.ASK if ask else Action.ALLOW, reason="the scope says 'asks first'"),
            summary=f"Refund {amount}" if ask else "Find order 1042",
            risk=task.risk,
            problems=problems,
        )

    @activity.defn(name="record")
    async def record(self, task: RecordTask) -> None:
        """Nothing is stored."""

    @activity.defn(name="respond")
    async def respond(self, task: RespondTask) -> Answer:
        if "slow answer" in task.request:
            activity.heartbeat({"text": HALF})
            await self.may_finish.wait()
        usage = Usage(calls=1, input_tokens=600, output_tokens=40, cost_usd=0.0005, models=["scripted"])
        return Answer(text=WHOLE if self.refunds else "Nothing was refunded.", usage=usage)

    @activity.defn(dynamic=True)
    async def tool(self, args: Sequence[RawValue]) -> CallResult:
        call = activity.payload_converter().from_payload(args[0].payload, ToolCall)
        if call.tool == "refund_payment":
            self.refunds.append(call.args)
        return CallResult(result=Result(key=call.key, size=2, value={"ok": True}))


def scripted_worker(client: Client, script: Script, *, task_queue: str = TASK_QUEUE) -> Worker:
    """A worker with the real workflow and the scripted activities."""
    config = client.config()
    config["plugins"] = [PlangatePlugin()]
    return Worker(
        Client(**config),
        task_queue=task_queue,
        workflows=[AgentRun],
        activities=[script.admit, script.make_plan, script.bind_call, script.record, script.respond, script.tool],
    )
