"""The figures that only the product has, one after the other; the run of five calls is in `driver` and `figures`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from benchmarks import commands, gates
from benchmarks.driver import Driver
from benchmarks.figures import Row, Target, missing_row


@dataclass(frozen=True)
class Counts:
    """How often each part is done.

    Attributes:
        gates: Gates opened and approved one after the other.
        waiting: Runs left waiting at a gate.
        commands: Calls of each command.
    """

    gates: int = 50
    waiting: int = 1000
    commands: int = 10


QUICK = Counts(gates=5, waiting=30, commands=3)


@dataclass(frozen=True)
class Part:
    """One part: its rows, and the name, unit and target of its main row in case that it can't be measured."""

    name: str
    unit: str
    target: Target
    rows: Callable[[], Awaitable[list[Row]]]


def parts(driver: Driver, counts: Counts, env: Mapping[str, str]) -> list[Part]:
    """The parts, cheapest first: the runs that wait stay there until the server ends."""

    async def of_help() -> list[Row]:
        return [await commands.help_row(counts.commands, env)]

    async def of_approve() -> list[Row]:
        return [await commands.approve_row(driver, counts.commands, env)]

    return [
        Part(commands.HELP_NAME.format(count=counts.commands), "s", commands.HELP_TARGET, of_help),
        Part(commands.APPROVE_NAME.format(count=counts.commands), "s", commands.APPROVE_TARGET, of_approve),
        Part(
            gates.SIGNAL_NAME.format(count=counts.gates),
            "ms",
            gates.SIGNAL_TARGET,
            lambda: gates.signal_rows(driver, counts.gates),
        ),
        Part(
            gates.ANSWERED_NAME.format(count=counts.waiting),
            "%",
            gates.ANSWERED_TARGET,
            lambda: gates.waiting_rows(driver, counts.waiting),
        ),
    ]


async def product_rows(
    driver: Driver, counts: Counts, env: Mapping[str, str], obstacle: Callable[[], str | None]
) -> list[Row]:
    """Every part's rows; `obstacle` says before each part why it can't be measured, if it can't."""
    rows: list[Row] = []
    for part in parts(driver, counts, env):
        reason = obstacle()
        rows += [missing_row(part.name, part.unit, reason, part.target)] if reason else await part.rows()
    return rows
