"""How long input guardrails take for 10 KB of text: `python -m benchmarks.screening [--write-docs]`.

Each guardrail is asked directly, with a text of its own each time, so that no cache helps; "all" is the line-up as
`admit` asks it, without the scope's limit of characters. Times are of the processor, in ms; the target is 5 ms for all.
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
from activities.guardrails.contracts import Asked
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


def cut(text: str) -> str:
    """The text's first 10 KB, without half a character."""
    return text.encode()[:SIZE].decode("utf-8", "ignore")


def unlimited(agent: LoadedAgent) -> LoadedAgent:
    """The agent with room for 10 KB, so that the line-up isn't over at the size."""
    limits = agent.scope.limits.model_copy(update={"request_characters": 2 * SIZE})
    return dataclasses.replace(agent, scope=agent.scope.model_copy(update={"limits": limits}))


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


def timings(rounds: int) -> list[Timing]:
    """Measure every guardrail, and all of them, for every kind of text; `rounds` at least 2."""
    agent = unlimited(load_agent(Path(__file__).parents[1] / "agents" / "support"))
    forecasts = Forecasts(ModelAccessSettings())
    line_ups = {**{guard.name: (guard,) for guard in INPUT}, "all": INPUT}
    rng = random.Random(SEED)
    found = []
    for kind, write in KINDS.items():
        for name, guards in line_ups.items():
            taken = []
            for at in range(rounds + 3):
                text = cut(write(rng))
                subject = Asked(agent, text, RunRequest(agent="support", request=text), forecasts)
                began = time.thread_time()
                judge_text(subject, guards, to_the_end=True)
                if at >= 3:  # the first ones build tables
                    taken.append(1000 * (time.thread_time() - began))
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
    found = table(timings(max(options.rounds, 2)))
    if options.write_docs:
        put("screening", found)
    else:
        sys.stdout.write(found + "\n")


if __name__ == "__main__":
    main()
