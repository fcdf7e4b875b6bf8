"""Whole-process times of the product's command line."""

import asyncio
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from temporalio.service import RPCError

from benchmarks.driver import Driver, NotMeasured
from benchmarks.figures import Row, Target, bounded_row, missing_row
from benchmarks.gates import open_gate

HELP_NAME = "`plangate --help`, whole process, median of {count}"
APPROVE_NAME = "`plangate approve`, whole process, median of {count}"
HELP_TARGET = Target(at_least=False, bound=0.3, of_ratio=False)
APPROVE_TARGET = Target(at_least=False, bound=1.0, of_ratio=False)
_PROCESS_SECONDS = 30.0


async def command_seconds(arguments: list[str], env: Mapping[str, str]) -> float:
    """Run `plangate` with arguments; seconds from its start to its end.

    Raises:
        NotMeasured: It isn't installed, took too long or didn't exit with 0.
    """
    program = Path(sys.executable).parent / "plangate"
    if not program.exists():
        raise NotMeasured("`plangate` is not installed in the benchmark's environment")
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        str(program),
        *arguments,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_PROCESS_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise NotMeasured(f"`plangate {arguments[0]}` did not end within {_PROCESS_SECONDS:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
    seconds = time.perf_counter() - began
    if process.returncode:
        lines = output.decode(errors="replace").strip().splitlines() or ["it wrote nothing"]
        raise NotMeasured(f"`plangate {arguments[0]}` exited with {process.returncode}: {lines[-1][:200]}")
    return seconds


async def help_row(count: int, env: Mapping[str, str]) -> Row:
    """`plangate --help`, after one call that fills the file cache."""
    name = HELP_NAME.format(count=count)
    try:
        samples = [await command_seconds(["--help"], env) for _ in range(count + 1)][1:]
    except NotMeasured as error:
        return missing_row(name, "s", str(error), HELP_TARGET)
    return bounded_row(name, statistics.median(samples), "s", HELP_TARGET)


async def approve_row(driver: Driver, count: int, env: Mapping[str, str]) -> Row:
    """`plangate approve` of a waiting run; each of the runs has to finish after it."""
    name = APPROVE_NAME.format(count=count)
    samples: list[float] = []
    try:
        for _ in range(count + 1):
            gate = await open_gate(driver)
            samples.append(await command_seconds(["approve", gate.approval["id"], "--as", "bench"], env))
            async with asyncio.timeout(_PROCESS_SECONDS):
                await gate.handle.result()
    except (NotMeasured, TimeoutError, RPCError) as error:
        return missing_row(name, "s", f"{error or 'the approved run did not end'}", APPROVE_TARGET)
    return bounded_row(name, statistics.median(samples[1:]), "s", APPROVE_TARGET)
