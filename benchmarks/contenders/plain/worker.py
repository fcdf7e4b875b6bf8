"""Worker process of the plain workflow."""

import asyncio

from openai import AsyncOpenAI
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from benchmarks.contenders.hosting import serve, server_address, task_queue
from benchmarks.contenders.plain.activities import TOOLS, ModelActivities
from benchmarks.contenders.plain.workflow import PlainRun


async def main() -> None:
    """Connect and serve the queue."""
    client = await Client.connect(server_address(), data_converter=pydantic_data_converter)
    models = ModelActivities(AsyncOpenAI(max_retries=0))
    await serve(
        Worker(
            client,
            task_queue=task_queue(),
            workflows=[PlainRun],
            activities=[models.make_plan, models.write_answer, *TOOLS],
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
