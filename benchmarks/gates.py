"""What only the product has: gates. How fast an approval takes effect, and how it bears a thousand runs that wait."""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from benchmarks.driver import Driver, NotMeasured
from benchmarks.figures import Row, Target, bounded_row, missing_row, plain_row
from benchmarks.records import GATED_REQUEST_TEXT, GATED_TOOL

SIGNAL_TARGET = Target(at_least=False, bound=50, of_ratio=False)
ANSWERED_TARGET = Target(at_least=True, bound=100, of_ratio=False)
SIGNAL_NAME = "approval signal to start of the gated activity, median of {count}"
ANSWERED_NAME = "with {count:,} runs waiting at a gate: queries and new runs answered"
_GATE_SECONDS = 30.0
_WAITING_SECONDS = 240.0
_PROBES = 50
_NEW_RUNS = 10
_LANES = 50


@dataclass(frozen=True)
class Gate:
    """A run that waits, and the approval that it waits for."""

    handle: WorkflowHandle[Any, Any]
    approval: dict[str, Any]

    def decision(self) -> dict[str, Any]:
        """The signal's argument that approves exactly what was asked."""
        return {"approval": self.approval["id"], "digest": self.approval["digest"], "by": "bench"}


async def open_gate(driver: Driver, poll_seconds: float = 0.02) -> Gate:
    """Start a run with one gated step and wait until it waits.

    Raises:
        NotMeasured: It ended, or didn't come to its gate in time.
    """
    run_id = driver.new_id()
    handle = await driver.client.start_workflow(**driver.contender.start_arguments(run_id, GATED_REQUEST_TEXT))
    try:
        async with asyncio.timeout(_GATE_SECONDS):
            while True:
                status = await handle.query("status")
                if pending := status.get("pending"):
                    return Gate(handle, pending[0])
                if outcome := status.get("outcome"):
                    raise NotMeasured(f"run {run_id!r} ended {outcome!r} without coming to its gate")
                await asyncio.sleep(poll_seconds)
    except (TimeoutError, RPCError) as error:
        raise NotMeasured(f"run {run_id!r} did not come to its gate: {type(error).__name__} {error}") from error


def signal_to_start_ms(events: Sequence[HistoryEvent]) -> float:
    """Milliseconds between a history's `approve` signal and the start of the gated activity, by the server's clock.

    Raises:
        NotMeasured: The history lacks one of the two.
    """
    signalled = [
        event.event_time.ToNanoseconds()
        for event in events
        if event.workflow_execution_signaled_event_attributes.signal_name == "approve"
    ]
    scheduled = {
        event.event_id
        for event in events
        if event.activity_task_scheduled_event_attributes.activity_type.name == GATED_TOOL
    }
    started = [
        event.event_time.ToNanoseconds()
        for event in events
        if event.activity_task_started_event_attributes.scheduled_event_id in scheduled
    ]
    if not signalled or not started:
        raise NotMeasured(f"no `approve` signal or no start of {GATED_TOOL!r} in the history")
    return (started[0] - signalled[0]) / 1e6


async def signal_rows(driver: Driver, count: int) -> list[Row]:
    """Open and approve `count` gates, one after the other."""
    name = SIGNAL_NAME.format(count=count)
    samples: list[float] = []
    try:
        for _ in range(count):
            gate = await open_gate(driver)
            await gate.handle.signal("approve", gate.decision())
            async with asyncio.timeout(_GATE_SECONDS):
                await gate.handle.result()
            samples.append(signal_to_start_ms((await gate.handle.fetch_history()).events))
    except (NotMeasured, TimeoutError, RPCError) as error:
        return [missing_row(name, "ms", f"{error or 'no result after the approval'}", SIGNAL_TARGET)]
    return [bounded_row(name, statistics.median(samples), "ms", SIGNAL_TARGET)]


async def waiting_rows(driver: Driver, count: int) -> list[Row]:
    """Leave `count` runs waiting at a gate, and see what that costs and whether others are still served."""
    label, answered_name = f"with {count:,} runs waiting at a gate", ANSWERED_NAME.format(count=count)
    before = driver.worker.memory_mib()
    try:
        gates = await _open_many(driver, count)
    except NotMeasured as error:
        return [missing_row(answered_name, "%", str(error), ANSWERED_TARGET)]
    kib = (driver.worker.memory_mib() - before) * 1024 / count
    queries = await _query_ms(random.sample(gates, min(_PROBES, count)))
    runs, refused = await _new_run_ms(driver)
    asked = min(_PROBES, count) + _NEW_RUNS
    answered = 100 * (len(queries) + len(runs)) / asked
    rows = [
        bounded_row(answered_name, answered, "%", ANSWERED_TARGET),
        plain_row(f"{label}: worker memory per waiting run", kib, "KiB"),
    ]
    if queries:
        rows.append(plain_row(f"{label}: query `status`, median", statistics.median(queries), "ms"))
        rows.append(plain_row(f"{label}: query `status`, slowest", max(queries), "ms"))
    if runs:
        rows.append(plain_row(f"{label}: a new run of five calls, median", statistics.median(runs), "ms"))
    else:
        rows.append(missing_row(f"{label}: a new run of five calls, median", "ms", refused))
    return rows


async def _open_many(driver: Driver, count: int) -> list[Gate]:
    gates: list[Gate] = []
    left = iter(range(count))

    async def lane() -> None:
        for _ in left:
            gates.append(await open_gate(driver, poll_seconds=0.5))

    lanes = [asyncio.create_task(lane()) for _ in range(min(_LANES, count))]
    try:
        async with asyncio.timeout(_WAITING_SECONDS):
            await asyncio.gather(*lanes)
    except TimeoutError as error:
        reason = f"only {len(gates)} of {count} runs waited at their gate after {_WAITING_SECONDS:.0f} s"
        raise NotMeasured(reason) from error
    finally:
        for task in lanes:
            task.cancel()
    return gates


async def _query_ms(gates: Sequence[Gate]) -> list[float]:
    times: list[float] = []
    for gate in gates:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_GATE_SECONDS):
                await gate.handle.query("status")
        except (TimeoutError, RPCError):
            continue
        times.append((time.perf_counter() - began) * 1000)
    return times


async def _new_run_ms(driver: Driver) -> tuple[list[float], str]:
    times: list[float] = []
    refused = ""
    for _ in range(_NEW_RUNS):
        try:
            _, seconds = await driver.run_once()
        except NotMeasured as error:
            refused = str(error)
            continue
        times.append(seconds * 1000)
    return times, refused
