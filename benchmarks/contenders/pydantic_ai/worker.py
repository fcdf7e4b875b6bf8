"""Worker process of the pydantic-ai contender."""

import asyncio

from pydantic_ai.durable_exec.temporal import PydanticAIPlugin
from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.contenders.hosting import serve, server_address, task_queue
from benchmarks.contenders.pydantic_ai.workflow import PydanticAIRun


async def main() -> None:
    """Connect and serve the queue."""
    client = await Client.connect(server_address(), plugins=[PydanticAIPlugin()])
    await serve(Worker(client, task_queue=task_queue(), workflows=[PydanticAIRun]))


if __name__ == "__main__":
    asyncio.run(main())
