"""The plain workflow: plan, five calls in parallel, answer."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from benchmarks.contenders.plain.activities import ModelActivities
    from benchmarks.contenders.plain.contracts import AnswerRequest, Record, RunAnswer, RunRequest, ToolArguments

RETRIES = RetryPolicy(maximum_attempts=3)


@workflow.defn
class PlainRun:
    """One request, one plan, one answer."""

    @workflow.run
    async def run(self, request: RunRequest) -> RunAnswer:
        plan = await workflow.execute_activity_method(
            ModelActivities.make_plan, request, start_to_close_timeout=timedelta(seconds=60), retry_policy=RETRIES
        )
        records: list[Record] = await asyncio.gather(
            *(
                workflow.execute_activity(
                    call.tool,
                    ToolArguments(key=call.key),
                    result_type=Record,
                    start_to_close_timeout=timedelta(seconds=30),
                    retry_policy=RETRIES,
                )
                for call in plan.calls
            )
        )
        return await workflow.execute_activity_method(
            ModelActivities.write_answer,
            AnswerRequest(text=request.text, records=records),
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RETRIES,
        )
