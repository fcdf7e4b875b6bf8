"""Worker process of the OpenAI Agents SDK contender."""

import asyncio
from datetime import timedelta

from temporalio.client import Client
from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin
from temporalio.worker import Worker

from benchmarks.contenders.hosting import serve, server_address, task_queue
from benchmarks.contenders.openai_agents.activities import TOOLS
from benchmarks.contenders.openai_agents.workflow import OpenAIAgentsRun


async def main() -> None:
    """Connect and serve the queue."""
    plugin = OpenAIAgentsPlugin(model_params=ModelActivityParameters(start_to_close_timeout=timedelta(seconds=60)))
    client = await Client.connect(server_address(), plugins=[plugin])
    await serve(Worker(client, task_queue=task_queue(), workflows=[OpenAIAgentsRun], activities=list(TOOLS)))


if __name__ == "__main__":
    asyncio.run(main())
