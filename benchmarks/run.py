"""The benchmark's command line: `python -m benchmarks.run`, from the repository's root.

Starts the server, the fake model and every contender's worker, runs the rounds, measures what only the product has,
and reports. Every loop is bounded in count and every wait in time; leaving it in any way ends all its processes.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.contenders import CONTENDERS, PLANGATE, Contender
from benchmarks.driver import Driver, NotMeasured, Results
from benchmarks.figures import Row, all_rows
from benchmarks.processes import Child, Processes
from benchmarks.product import QUICK, Counts, product_rows
from benchmarks.report import OUT, Setting, print_table, write_docs, write_json
from benchmarks.server import start_fake_model, start_server, worker_env

_console = Console(stderr=True)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    keys = [contender.key for contender in CONTENDERS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small counts, written to bench-quick.json: a smoke test")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=keys, help=f"only these: {', '.join(keys)}")
    parser.add_argument("--rounds", type=int, help="rounds (5; quick: 2)")
    parser.add_argument("--runs", type=int, help="runs under load per contender and round (60; quick: 10)")
    parser.add_argument("--sequential", type=int, help="runs one at a time per contender and round (10; quick: 3)")
    parser.add_argument("--at-a-time", type=int, default=20, help="runs under way at a time under load (20)")
    parser.add_argument("--model-latency-ms", type=float, default=0.0, help="think time of the fake model (0)")
    parser.add_argument("--max-minutes", type=float, default=12.0, help="no new round or part is begun after this (12)")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/benchmarks.md")
    chosen = parser.parse_args(arguments)
    for name, usual, quick in (("rounds", 5, 2), ("runs", 60, 10), ("sequential", 10, 3)):
        if getattr(chosen, name) is None:
            setattr(chosen, name, quick if chosen.quick else usual)
        if getattr(chosen, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return chosen


class Bench:
    """One whole benchmark: its drivers and what they have found so far."""

    def __init__(self, chosen: argparse.Namespace, processes: Processes, folder: Path) -> None:
        self._chosen = chosen
        self._processes = processes
        self._folder = folder
        self._began = time.monotonic()
        self._rounds_done = 0
        self._drivers: dict[str, Driver] = {}
        self.results = [Results(contender) for contender in self._contenders()]

    def _contenders(self) -> list[Contender]:
        return [one for one in CONTENDERS if not self._chosen.only or one.key in self._chosen.only]

    def minutes(self) -> float:
        """Minutes since the beginning."""
        return (time.monotonic() - self._began) / 60

    def setting(self) -> Setting:
        """The circumstances, for the report."""
        chosen = self._chosen
        return Setting(
            contenders=self._contenders(),
            rounds=self._rounds_done,
            sequential=chosen.sequential,
            load=chosen.runs,
            at_a_time=chosen.at_a_time,
            latency_ms=chosen.model_latency_ms,
            minutes=self.minutes(),
        )

    async def run(self) -> list[Row]:
        """Measure everything; returns the report's rows."""
        server, client = await start_server(self._processes, self._folder)
        _, model_url = await start_fake_model(self._processes, self._chosen.model_latency_ms)
        address = client.service_client.config.target_host
        for results in self.results:
            worker = self._start_worker(results.contender, address, model_url)
            self._drivers[results.contender.key] = Driver(client, results.contender, worker, model_url)
        for results in self.results:
            await self._attempt(results, self._warm_up)
        for number in range(self._chosen.rounds):
            if self.minutes() > self._chosen.max_minutes:
                _console.print(f"time is up after {number} rounds")
                break
            await self._round(number)
        self._rounds_done = max((len(results.rounds) for results in self.results), default=0)
        server.ensure_running()
        rows = all_rows(self.results, self._chosen.at_a_time)
        for results in self.results:
            if results.contender.role == "product":
                rows += await self._product_rows(results, worker_env(address, model_url, self._folder, PLANGATE))
        return rows

    async def _product_rows(self, results: Results, env: Mapping[str, str]) -> list[Row]:
        def obstacle() -> str | None:
            late = self.minutes() > self._chosen.max_minutes
            return results.failure or ("the time was used up" if late else None)

        counts = QUICK if self._chosen.quick else Counts()
        return await product_rows(self._drivers[results.contender.key], counts, env, obstacle)

    def _start_worker(self, contender: Contender, address: str, model_url: str) -> Child:
        env = worker_env(address, model_url, self._folder, contender)
        return self._processes.start(
            contender.key,
            [sys.executable, *(part.format(bin=Path(sys.executable).parent) for part in contender.worker)],
            env,
        )

    async def _attempt(self, results: Results, part: Callable[[Results, Driver], Awaitable[None]]) -> None:
        """Do a part; a contender that fails takes no further part, and its worker is ended."""
        if results.failure:
            return
        try:
            await part(results, self._drivers[results.contender.key])
        except NotMeasured as error:
            results.failure = str(error)
            _console.print(f"{results.contender.key}: {error}", style="red", markup=False)
            worker = self._drivers[results.contender.key].worker
            _console.print(worker.log_tail(), style="dim", markup=False)
            self._processes.end(worker)

    async def _warm_up(self, results: Results, driver: Driver) -> None:
        await driver.wait_until_polling()
        await driver.one_at_a_time(2)
        await driver.under_load(self._chosen.at_a_time, self._chosen.at_a_time)

    async def _round(self, number: int) -> None:
        turn = number % len(self.results)
        for results in self.results[turn:] + self.results[:turn]:
            await self._attempt(results, self._turn)

    async def _turn(self, results: Results, driver: Driver) -> None:
        chosen = self._chosen
        before = await driver.model_calls()
        one, ids = await driver.round(chosen.sequential, chosen.runs, chosen.at_a_time)
        results.model_calls += ((await driver.model_calls()) - before).total()
        results.runs += chosen.sequential + chosen.runs
        results.rounds.append(one)
        results.histories += [await driver.history_size(run_id) for run_id in ids[-3:]]
        results.memory_mib = driver.worker.memory_mib()
        latency = sorted(one.latencies)[len(one.latencies) // 2] * 1000
        _console.print(
            f"round {len(results.rounds)}/{chosen.rounds}  {results.contender.key:14} {one.load_per_second:6.1f} runs/s"
            f"  {latency:6.0f} ms  {results.memory_mib:5.0f} MiB",
            highlight=False,
        )


async def measure(chosen: argparse.Namespace) -> tuple[list[Row], Setting]:
    """Run the benchmark in a folder of its own that is removed afterwards."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with tempfile.TemporaryDirectory(prefix="plangate-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with Processes(folder) as processes:
            bench = Bench(chosen, processes, folder)
            return await bench.run(), bench.setting()


def _wide(console: Console) -> Console:
    return console if console.is_terminal else Console(width=130)


def main() -> int:
    """Run, report; exits with 0 when every target was met, 1 when one was missed, 130 when interrupted."""
    chosen = options()
    try:
        rows, setting = asyncio.run(measure(chosen))
    except (asyncio.CancelledError, KeyboardInterrupt):
        _console.print("interrupted; every process was ended")
        return 130
    print_table(rows, setting, _wide(Console()))
    path = OUT / ("bench-quick.json" if chosen.quick else "bench.json")
    write_json(rows, path)
    _console.print(f"written to {path}")
    if chosen.write_docs:
        write_docs(rows, setting)
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
