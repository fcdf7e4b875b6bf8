"""Drives a contender: starts runs, waits for their results, and takes the samples. The same code for all of them."""

import asyncio
import itertools
import json
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from benchmarks.contenders import Contender
from benchmarks.processes import Child, ChildFailed
from benchmarks.records import EXPECTED_ANSWER

_POLLER_SECONDS = 60.0
_RUN_SECONDS = 60.0
_numbers = itertools.count(1)


class NotMeasured(RuntimeError):
    """A figure can't be had; the message says why."""


@dataclass
class Round:
    """What one contender did in one round.

    Attributes:
        latencies: Seconds from start to result of each run, one at a time.
        load_per_second: Finished runs per second with several under way.
        cpu_seconds_per_run: CPU time of the worker process per run under that load.
    """

    latencies: list[float]
    load_per_second: float
    cpu_seconds_per_run: float


@dataclass(frozen=True)
class HistorySize:
    """Size of one finished run's history.

    Attributes:
        events: Number of events.
        described_bytes: What the server accounts for it (`history_size_bytes` of describe).
        fetched_bytes: Sum of the serialized sizes of the fetched events.
    """

    events: int
    described_bytes: int
    fetched_bytes: int


@dataclass
class Results:
    """All that was measured of one contender."""

    contender: Contender
    rounds: list[Round] = field(default_factory=list)
    histories: list[HistorySize] = field(default_factory=list)
    memory_mib: float | None = None
    runs: int = 0
    model_calls: int = 0
    failure: str | None = None


@dataclass
class Driver:
    """Starts a contender's runs on the benchmark's server.

    Attributes:
        client: Connection to the server, with the default (JSON) data converter.
        contender: What is driven.
        worker: Its worker process.
        model_url: The fake model, asked how many calls it got.
    """

    client: Client
    contender: Contender
    worker: Child
    model_url: str

    async def wait_until_polling(self) -> None:
        """Wait until the worker polls for workflow and activity tasks.

        Raises:
            NotMeasured: It ended, or didn't poll in time.
        """
        kinds = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
        try:
            async with asyncio.timeout(_POLLER_SECONDS):
                while not all([await self._polls(kind) for kind in kinds]):
                    self.worker.ensure_running()
                    await asyncio.sleep(0.1)
        except ChildFailed as error:
            raise NotMeasured(str(error)) from error
        except TimeoutError as error:
            raise NotMeasured(f"its worker did not poll {self.contender.task_queue!r} within a minute") from error

    async def _polls(self, kind: TaskQueueType.ValueType) -> bool:
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=self.contender.task_queue),
            task_queue_type=kind,
        )
        try:
            return bool((await self.client.workflow_service.describe_task_queue(request)).pollers)
        except RPCError:
            return False

    def new_id(self) -> str:
        """A run id that wasn't used before."""
        return f"bench-{self.contender.key}-{next(_numbers)}"

    async def run_once(self) -> tuple[str, float]:
        """One run from start to result; returns its id and its seconds.

        Raises:
            NotMeasured: It failed, took too long, or ended with another answer than the expected one.
        """
        run_id = self.new_id()
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_RUN_SECONDS):
                handle = await self.client.start_workflow(**self.contender.start_arguments(run_id))
                result = await handle.result()
        except TimeoutError as error:
            raise NotMeasured(f"run {run_id!r} had no result after {_RUN_SECONDS:.0f} s") from error
        except (WorkflowFailureError, RPCError) as error:
            cause = error.cause if isinstance(error, WorkflowFailureError) else error
            raise NotMeasured(f"run {run_id!r} failed: {cause}") from error
        seconds = time.perf_counter() - began
        answer = self.contender.answer(result)
        if answer != EXPECTED_ANSWER:
            raise NotMeasured(f"run {run_id!r} ended with {answer[:200]!r} instead of {EXPECTED_ANSWER!r}")
        return run_id, seconds

    async def one_at_a_time(self, count: int) -> tuple[list[str], list[float]]:
        """`count` runs one after the other: their ids and seconds."""
        samples = [await self.run_once() for _ in range(count)]
        return [run_id for run_id, _ in samples], [seconds for _, seconds in samples]

    async def under_load(self, count: int, at_a_time: int) -> float:
        """`count` runs with `at_a_time` under way: runs per second until the last one's result.

        Raises:
            NotMeasured: One of them failed; the others are given up.
        """
        left = iter(range(count))

        async def lane() -> None:
            for _ in left:
                await self.run_once()

        began = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(min(at_a_time, count)):
                    lanes.create_task(lane())
        except* NotMeasured as group:
            failure = group.exceptions[0]
            raise NotMeasured(str(failure)) from failure
        return count / (time.perf_counter() - began)

    async def round(self, sequential: int, load: int, at_a_time: int) -> tuple[Round, list[str]]:
        """One round; also returns the ids of the runs that went one at a time."""
        ids, latencies = await self.one_at_a_time(sequential)
        cpu = self.worker.cpu_seconds()
        per_second = await self.under_load(load, at_a_time)
        return Round(latencies, per_second, (self.worker.cpu_seconds() - cpu) / load), ids

    async def history_size(self, run_id: str) -> HistorySize:
        """Size of a finished run's history."""
        handle = self.client.get_workflow_handle(run_id)
        description = await handle.describe()
        info = description.raw_description.workflow_execution_info
        history = await handle.fetch_history()
        return HistorySize(
            events=len(history.events),
            described_bytes=info.history_size_bytes,
            fetched_bytes=sum(event.ByteSize() for event in history.events),
        )

    async def model_calls(self) -> Counter[str]:
        """Calls that the fake model has answered so far, by kind."""
        return await asyncio.to_thread(_fetch_stats, self.model_url)


def _fetch_stats(model_url: str) -> Counter[str]:
    with urllib.request.urlopen(f"{model_url}/stats", timeout=10) as reply:
        return Counter(json.load(reply))
