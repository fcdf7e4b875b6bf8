"""From samples to the report's rows: medians, ratios, targets."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.driver import Results, Round


@dataclass(frozen=True)
class Target:
    """A bound on a figure, or on its ratio to another's.

    Attributes:
        at_least: The bound is a lower one.
        bound: The bound, in the figure's unit, or as a factor.
        of_ratio: It bounds the ratio.
    """

    at_least: bool
    bound: float
    of_ratio: bool

    def __str__(self) -> str:
        factor = "x" if self.of_ratio else ""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}{factor}"

    def met(self, value: float) -> bool:
        """Whether `value` (the figure, or the ratio) keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Row:
    """One line of the report, and one entry of `bench.json`.

    `value` is a number, or the reason why there is none, starting with `not measured`. Rows without a target have
    `met` None; a row with a target whose figure wasn't measured is not met.
    """

    name: str
    value: float | str
    unit: str
    against: str | None = None
    ratio: float | None = None
    target: str | None = None
    met: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """The row as it stands in `bench.json`, numbers rounded to four significant digits."""
        return {key: _rounded(value) if isinstance(value, float) else value for key, value in asdict(self).items()}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def plain_row(name: str, value: float, unit: str) -> Row:
    """A figure that has no target."""
    return Row(name, value, unit)


def bounded_row(name: str, value: float, unit: str, target: Target) -> Row:
    """A figure with a bound of its own."""
    return Row(name, value, unit, None, None, str(target), target.met(value))


def missing_row(name: str, unit: str, reason: str, target: Target | None = None, against: str | None = None) -> Row:
    """A figure that couldn't be measured."""
    met = False if target else None
    return Row(name, f"not measured: {reason}", unit, against, None, str(target) if target else None, met)


@dataclass(frozen=True)
class Measure:
    """A figure that every contender has one value of per round.

    Attributes:
        name: First part of the row's name.
        unit: Its unit.
        of_round: Takes the figure from a round.
        targets: Bounds on the product's ratio, by the key of the contender it is compared with.
        effects: The bound on the ratio of five consequential calls to the same without what makes them safe.
    """

    name: str
    unit: str
    of_round: Callable[[Round], float]
    targets: Mapping[str, Target]
    effects: Target | None = None

    def bounds(self, role: str) -> Mapping[str, Target]:
        """The bounds on a contender in this role."""
        if role == "effects":
            return {"effects-bare": self.effects} if self.effects else {}
        return self.targets if role == "product" else {}


def _ratio_target(at_least: bool, bound: float) -> Target:
    return Target(at_least, bound, of_ratio=True)


THROUGHPUT_TARGETS = {
    "plain": _ratio_target(True, 0.75),
    "unguarded": _ratio_target(True, 0.9),
    "openai-agents": _ratio_target(True, 2.5),
    "pydantic-ai": _ratio_target(True, 2.5),
    "openai-agents-turns": _ratio_target(True, 2.5),
    "pydantic-ai-turns": _ratio_target(True, 2.5),
}
EFFECTS_TARGET = _ratio_target(True, 0.85)
"""Ledger, circuit breaker and pacing together cost at most 15 %."""
LATENCY_TARGETS = {"plain": _ratio_target(False, 1.4)}
MEMORY_TARGETS = {"plain": _ratio_target(False, 1.5)}
EVENTS_TARGET = Target(at_least=False, bound=48, of_ratio=False)
BYTES_TARGET = Target(at_least=False, bound=16, of_ratio=False)

MEASURES = (
    Measure(
        "throughput, {at_a_time} at a time",
        "runs/s",
        lambda one: one.load_per_second,
        THROUGHPUT_TARGETS,
        EFFECTS_TARGET,
    ),
    Measure("latency, one at a time", "ms", lambda one: statistics.median(one.latencies) * 1000, LATENCY_TARGETS),
    Measure("throughput, one at a time", "runs/s", lambda one: len(one.latencies) / sum(one.latencies), {}),
    Measure("worker CPU per run, {at_a_time} at a time", "ms", lambda one: one.cpu_seconds_per_run * 1000, {}),
)


def measure_rows(measure: Measure, results: Sequence[Results], at_a_time: int) -> list[Row]:
    """Rows of one measure: a value for each contender, then the product against those it has targets for."""
    name = measure.name.format(at_a_time=at_a_time)
    values = {one.contender.key: [measure.of_round(each) for each in one.rounds] for one in results}
    return comparison_rows(name, measure.unit, results, values, measure.bounds)


def memory_rows(results: Sequence[Results]) -> list[Row]:
    """Rows of the workers' resident memory after the load."""
    values = {one.contender.key: [] if one.memory_mib is None else [one.memory_mib] for one in results}
    measure = Measure("worker memory after the load", "MiB", lambda _: 0.0, MEMORY_TARGETS)
    return comparison_rows(measure.name, measure.unit, results, values, measure.bounds)


def comparison_rows(
    name: str,
    unit: str,
    results: Sequence[Results],
    values: Mapping[str, Sequence[float]],
    bounds_of: Callable[[str], Mapping[str, Target]],
) -> list[Row]:
    """A row for each contender's median, and one against each contender that it has a bound for, by its role.

    The ratio is the median of the rounds' ratios: a round's contenders ran side by side, so that a slow phase of the
    machine weighs on both sides of its ratio.
    """
    rows: list[Row] = []
    for one in results:
        key, own = one.contender.key, values[one.contender.key]
        bounds = {other: bound for other, bound in bounds_of(one.contender.role).items() if other in values}
        if not own:
            reason = one.failure or "no round was finished"
            rows += [missing_row(f"{name}: {key}", unit, reason, bound, other) for other, bound in bounds.items()]
            rows += [] if bounds else [missing_row(f"{name}: {key}", unit, reason)]
            continue
        rows += [_against(f"{name}: {key}", unit, own, other, values, bound) for other, bound in bounds.items()]
        rows += [] if bounds else [plain_row(f"{name}: {key}", statistics.median(own), unit)]
    return rows


def _against(
    name: str, unit: str, own: Sequence[float], other: str, values: Mapping[str, Sequence[float]], target: Target
) -> Row:
    pairs = list(zip(own, values.get(other, ()), strict=False))
    value = statistics.median(own)
    if not pairs:
        return Row(name, value, unit, f"{other} (not measured)", None, str(target), met=False)
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    return Row(name, value, unit, other, ratio, str(target), target.met(ratio))


def history_rows(results: Sequence[Results]) -> list[Row]:
    """Rows of the history's size: median of the sampled runs."""
    rows: list[Row] = []
    for one in results:
        product = one.contender.role == "product"
        for name, unit, target, of in (
            ("history events", "events", EVENTS_TARGET, lambda size: float(size.events)),
            ("history size, as the server accounts it", "KiB", BYTES_TARGET, lambda size: size.described_bytes / 1024),
            ("history size, as fetched", "KiB", BYTES_TARGET, lambda size: size.fetched_bytes / 1024),
        ):
            label, bound = f"{name}: {one.contender.key}", target if product else None
            if not one.histories:
                rows.append(missing_row(label, unit, one.failure or "no run was finished", bound))
                continue
            value = statistics.median(of(size) for size in one.histories)
            rows.append(bounded_row(label, value, unit, bound) if bound else plain_row(label, value, unit))
    return sorted(rows, key=lambda row: row.name.partition(":")[0])


def call_rows(results: Sequence[Results]) -> list[Row]:
    """Model calls per run: shows that every contender did the same work."""
    return [
        plain_row(f"model calls per run: {one.contender.key}", one.model_calls / one.runs, "calls")
        for one in results
        if one.runs
    ]


def all_rows(results: Sequence[Results], at_a_time: int) -> list[Row]:
    """Every row about the run of five calls."""
    rows = [row for measure in MEASURES for row in measure_rows(measure, results, at_a_time)]
    return rows + history_rows(results) + memory_rows(results) + call_rows(results)
