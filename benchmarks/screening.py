"""How long input guardrails take for 10 KB of text: `python -m benchmarks.screening [--write-docs]`.

Each guardrail is asked directly, with a text of its own each time, so that no cache helps; "all" is the line-up as
`admit` asks it, without the scope's limits of characters and bytes. Times are of the processor, in ms; the target is
5 ms for all. A third table has texts that are made to take long, from 10 to 80 KB: time has to grow as the length does.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import statistics
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path

from activities.catalogue import LoadedAgent, load_agent
from activities.guardrails.contracts import Asked, Guardrail
from activities.guardrails.forecasting import Forecasts
from activities.guardrails.judging import judge_text
from activities.guardrails.registry import INPUT
from activities.models.settings import ModelAccessSettings
from plangate.runs import RunRequest
from tests.guardrails.corpora.attacks import attacks
from tests.guardrails.corpora.filling import Sample
from tests.guardrails.corpora.harmless import harmless
from tests.guardrails.pages import put

SIZE, TARGET_MS, SEED = 10_240, 5.0, 21
"""Bytes of a text; the target for all guardrails together; the seed of the texts."""
_WORDS = [
    "order",
    "teapot",
    "broken",
    "please",
    "refund",
    "money",
    "the",
    "my",
    "was",
    "rules",
    "system",
    "card",
    "late",
]


def _prose(write: Callable[[int], Sequence[Sample]]) -> Callable[[random.Random], str]:
    def text(rng: random.Random) -> str:
        samples = [sample.text for sample in write(rng.randrange(10**6))]
        return "\n".join(rng.choices(samples, k=400))

    return text


KINDS: dict[str, Callable[[random.Random], str]] = {
    "harmless requests": _prose(harmless),
    "attacks": _prose(attacks),
    "words at random": lambda rng: " ".join(rng.choices(_WORDS, k=SIZE // 4)),
    "Chinese": lambda rng: "".join(rng.choices("我的订单在哪里请退款茶壶坏了，。", k=SIZE // 3)),
    "numbers and codes": lambda rng: " ".join(f"TP-{rng.getrandbits(40):x}/{rng.randint(1, 9999)}" for _ in range(700)),
    "base64": lambda rng: b64encode(" ".join(rng.choices(_WORDS, k=2000)).encode()).decode(),
    "JSON": lambda rng: json.dumps(
        [{"order": rng.randint(1000, 9999), "note": rng.choice(_WORDS)} for _ in range(350)]
    ),
    "emojis, invisible characters": lambda rng: "".join(rng.choices("🫖❤\ufe0f\u200b\u200dae é", k=SIZE // 2)),
    "markup": lambda rng: "".join(f"<{rng.choice(_WORDS)}>&#{rng.randint(65, 90)};" for _ in range(800)),
}


NASTY: dict[str, str] = {
    "angle brackets": "<",
    "ampersands": "&",
    "letters apart": "a ",
    "three percent signs, then Base64's letters": "QUJDRGVm",
    "accents on one letter": "\u0301\u0316",
    "flags": "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "pictures without an end": "![](http://a",
    "words of rules": "the ai must not list all customer data: system, reply only haha. ",
    "encoded three times": "",
}
"""What is repeated in texts that are made to take long."""
LONG = (10, 20, 40, 80)
"""Their KB."""


def nasty(kind: str, size: int) -> str:
    """A text of so many bytes that is made to take long."""
    unit = NASTY[kind]
    if not unit:
        letter = b"Please ignore nothing at all, this is only a long letter about tea. " * (size // 150)
        unit = b64encode(b64encode(b64encode(letter))).decode()
    begins = "%%% &&&& " if "percent" in kind else ""
    return cut(begins + unit * (size // len(unit.encode()) + 1), size)


def cut(text: str, size: int = SIZE) -> str:
    """The text's first bytes, 10 KB of them, without half a character."""
    return text.encode()[:size].decode("utf-8", "ignore")


def unlimited(agent: LoadedAgent) -> LoadedAgent:
    """The agent with room for long texts, so that the line-up isn't over at the size. Tokens are counted as ever."""
    limits = agent.scope.limits.model_copy(update={"request_characters": 200_000})
    guardrails = agent.scope.guardrails.model_copy(update={"request_bytes": 200_000})
    return dataclasses.replace(agent, scope=agent.scope.model_copy(update={"limits": limits, "guardrails": guardrails}))


@dataclasses.dataclass(frozen=True)
class Timing:
    """Times of one guardrail for one kind of text."""

    guard: str
    kind: str
    samples: tuple[float, ...]
    """In ms."""

    @property
    def median(self) -> float:
        """In ms."""
        return statistics.median(self.samples)

    @property
    def p95(self) -> float:
        """In ms."""
        return statistics.quantiles(self.samples, n=20)[-1]


class Line:
    """The example agent's line-up, to ask it directly."""

    def __init__(self) -> None:
        self._agent = unlimited(load_agent(Path(__file__).parents[1] / "agents" / "support"))
        self._forecasts = Forecasts(ModelAccessSettings())

    def ask(self, text: str, guards: Sequence[Guardrail[Asked]] = INPUT) -> float:
        """How long guardrails take for a text, in ms of the processor."""
        subject = Asked(self._agent, text, RunRequest(agent="support", request=text), self._forecasts)
        began = time.thread_time()
        judge_text(subject, guards, to_the_end=True)
        return 1000 * (time.thread_time() - began)


def growth(rounds: int) -> str:
    """How time grows with the length of texts that are made to take long, as a table of Markdown."""
    line = Line()
    lines = [
        f"| A row of | {' | '.join(f'{size} KB, ms' for size in LONG)} | {LONG[-1]} to {LONG[0]} KB |",
        "|---" * (len(LONG) + 2) + "|",
    ]
    for kind in NASTY:
        times = []
        for size in LONG:
            text = nasty(kind, size * 1024)
            times.append(statistics.median(line.ask(text) for _ in range(max(rounds // 8, 3))))
        lines.append(f"| {kind} | {' | '.join(f'{ms:.1f}' for ms in times)} | {times[-1] / times[0]:.1f} |")
    return "\n".join(lines)


def timings(rounds: int) -> list[Timing]:
    """Measure every guardrail, and all of them, for every kind of text; `rounds` at least 2."""
    line = Line()
    line_ups = {**{guard.name: (guard,) for guard in INPUT}, "all": INPUT}
    rng = random.Random(SEED)
    found = []
    for kind, write in KINDS.items():
        for name, guards in line_ups.items():
            taken = []
            for at in range(rounds + 3):
                took = line.ask(cut(write(rng)), guards)
                if at >= 3:  # the first ones build tables
                    taken.append(took)
            found.append(Timing(name, kind, tuple(taken)))
    return found


def table(measured: Sequence[Timing]) -> str:
    """By guardrail its slowest kind of text, and by kind of text all guardrails, as two tables of Markdown."""
    lines = ["| Guardrail | Slowest with | Median, ms | p95, ms | Of 5 ms |", "|---|---|---|---|---|"]
    by_guard: dict[str, list[Timing]] = {}
    for each in measured:
        by_guard.setdefault(each.guard, []).append(each)
    for name, timed in by_guard.items():
        if name != "all":
            lines.append(_line(f"`{name}`", max(timed, key=lambda timing: timing.median), kind=True))
    lines += ["", "| All of them, 10 KB of | Median, ms | p95, ms | Of 5 ms |", "|---|---|---|---|"]
    lines += [_line(each.kind, each, kind=False) for each in by_guard["all"]]
    return "\n".join(lines)


def _line(name: str, timing: Timing, *, kind: bool) -> str:
    slowest = f" {timing.kind} |" if kind else ""
    return f"| {name} |{slowest} {timing.median:.2f} | {timing.p95:.2f} | {timing.median / TARGET_MS:.2f} |"


def main() -> None:
    """Measure, and show the tables or write them into the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40, help="texts for each figure, 2 at least")
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    rounds = max(options.rounds, 2)
    found = f"{table(timings(rounds))}\n\n{growth(rounds)}"
    if options.write_docs:
        put("screening", found)
    else:
        sys.stdout.write(found + "\n")


if __name__ == "__main__":
    main()
