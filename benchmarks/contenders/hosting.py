"""What the contenders' worker processes have in common: where the server is, and when to stop."""

import asyncio
import os
import signal

from temporalio.worker import Worker


def server_address() -> str:
    """`host:port` of the benchmark's Temporal server."""
    return os.environ["TEMPORAL_ADDRESS"]


def task_queue() -> str:
    """The queue that this process serves."""
    return os.environ["BENCH_TASK_QUEUE"]


async def serve(worker: Worker) -> None:
    """Run `worker` until the process is told to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with worker:
        await stop.wait()
