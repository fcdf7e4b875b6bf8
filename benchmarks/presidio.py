"""How long personal data in an answer of 1 KB take: `python -m benchmarks.presidio [--model NAME] [--write-docs]`.

`output.personal` is asked directly, about an answer of its own each time: when it is whole, and while it is written, 20
characters at a time. Without `--model` the networks are made here, as no package registry has any: built like those of
spaCy's small English model (tagger, parser, names) and as slow; only that of names is trained. Times are of the
processor, in ms.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from activities.catalogue import LoadedAgent
from activities.guardrails.answers import Answers
from activities.guardrails.presidio.analysing import Sought, analyser
from activities.guardrails.registry import OUTPUT
from plangate.agents import AgentSettings, PresidioSettings
from plangate.guardrails import GuardrailSettings
from tests.guardrails.corpora.answers import TUNED, fill
from tests.guardrails.corpora.worlds import World, support, worlds
from tests.guardrails.pages import put
from tests.presidio_models import FIRST, LAST, like_a_small_one, ruled, trained

BYTES, SEED, WRITTEN = 1024, 11, 20
"""Bytes of an answer; the seed of the answers; characters that a model writes at once."""
PATTERNS = ("CA_SIN", "UK_NHS", "UK_PASSPORT", "US_ITIN", "US_PASSPORT")
PERSONAL = tuple(guard for guard in OUTPUT if guard.name == "output.personal")


def answers(rounds: int) -> Iterator[tuple[World, str]]:
    """True English sentences about a run's results, and a stranger's name in about every fourth."""
    rng = Random(SEED)
    for world in worlds(SEED, rounds):
        text = ""
        while len(text) < BYTES:
            text += fill(rng.choice(TUNED["en"]), world, "en", rng, held_out=False) + " "
            if rng.random() < 0.33:
                text += f"{rng.choice(FIRST)} {rng.choice(LAST)} of order {rng.randint(10, 99)} has seen it. "
        yield world, text.encode()[:BYTES].decode("utf-8", "ignore")


def agent(model: str | None, *entities: str) -> LoadedAgent:
    """The example agent, which wants this of Presidio; nothing without a model."""
    known = support()
    scope = known.scope.model_copy(update={"guardrails": GuardrailSettings(presidio_entities=entities)})
    presidio = PresidioSettings(models={"en": model}) if model else None
    return dataclasses.replace(known, scope=scope, settings=AgentSettings(presidio=presidio))


def times(of: LoadedAgent, rounds: int, *, written: bool) -> list[float]:
    """Ms for each answer, its evidence included: at once, or for all its beginnings and then the whole."""
    found = []
    for at, (world, text) in enumerate(answers(rounds + 3)):
        began = time.thread_time()
        asked = Answers(of, world.task, world.results, PERSONAL)
        if written and (take := asked.watched(lambda _: None)):
            for end in range(WRITTEN, len(text), WRITTEN):
                take(text[:end])
        asked.judge(text)
        if at >= 3:  # the first ones build tables
            found.append(1000 * (time.thread_time() - began))
    return found


def table(model: str | None, rounds: int, folder: Path) -> str:
    """A line for each set-up."""
    blank = str(ruled(folder / "blank"))
    small = model or str(like_a_small_one(folder / "small", trained(folder / "names")))
    name = f"`{model}`" if model else "networks like those of a small model"
    set_ups = {
        "own detectors only": agent(None),
        "Presidio's patterns: five kinds of ids": agent(blank, *PATTERNS),
        f"{name}: names": agent(small, "PERSON"),
        f"{name}: names, five kinds of ids": agent(small, "PERSON", *PATTERNS),
    }
    lines = ["| 1 KB with | Whole: median, ms | p95, ms | As it is written, in all: median, ms |", "|---|---|---|---|"]
    for title, of in set_ups.items():
        if sought := Sought.by(of.scope, of.settings):
            analyser(sought)
        whole, written = times(of, rounds, written=False), times(of, rounds, written=True)
        p95 = statistics.quantiles(whole, n=20)[-1]
        lines.append(f"| {title} | {statistics.median(whole):.1f} | {p95:.1f} | {statistics.median(written):.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and show the table or write it into the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", help="an installed spaCy model for English, or the path of its folder")
    parser.add_argument("--rounds", type=int, default=60, help="answers for each figure, 2 at least")
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plangate-models-") as folder:
        found = table(options.model, max(options.rounds, 2), Path(folder))
    if options.write_docs:
        put("presidio", found)
    else:
        sys.stdout.write(found + "\n")


if __name__ == "__main__":
    main()
