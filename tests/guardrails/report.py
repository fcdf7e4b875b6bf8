"""What the input guardrails refuse, by set and by rule: `python -m tests.guardrails.report [--write-docs] [--missed]`.

Each text goes through the whole line-up, as in `admit`, with the scope file of the example agent.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from activities.catalogue import LoadedAgent, load_agent
from activities.guardrails.contracts import Asked, Guardrail
from activities.guardrails.forecasting import Forecasts
from activities.guardrails.judging import judge_text, strictest
from activities.guardrails.registry import INPUT
from activities.models.settings import ModelAccessSettings
from plangate.policy import Action
from plangate.runs import RunRequest
from tests.guardrails.corpora.attacks import attacks
from tests.guardrails.corpora.filling import Sample
from tests.guardrails.corpora.harmless import harmless
from tests.guardrails.corpora.naughty import naughty, oversized, usual
from tests.guardrails.corpora.off_topic import mentioned, off_topic
from tests.guardrails.pages import put

TUNED, HELD_OUT = 21, 87
"""Seeds of the two halves: tuned templates are filled with the first, held-out ones with the second."""
SETS: dict[str, Callable[[int], Iterable[Sample]]] = {
    "injections: direct, indirect, encoded, 12 languages": attacks,
    "out of scope": off_topic,
    "too long": lambda seed: oversized(),
    "odd characters, code, broken encodings": naughty,
    "harmless: instructions, rules, systems, codes": harmless,
    "harmless: mentions what is out of scope": mentioned,
    "harmless: odd spellings, scripts, signs": lambda seed: usual(),
}
HARMLESS = "harmless"
NEUTRAL = "odd characters, code, broken encodings"
"""What has to end well, refused or not."""


@dataclass
class Score:
    """What became of the texts of a set."""

    texts: int = 0
    refused: int = 0
    failed: list[str] = field(default_factory=list)
    """Texts at which a guardrail raised."""
    by_rule: Counter[str] = field(default_factory=Counter)
    """Refused or changed, by the rule that said so."""
    other: list[str] = field(default_factory=list)
    """Attacks that passed, and harmless texts that were refused."""


def measure(
    held_out: bool, guards: Sequence[Guardrail[Asked]] = INPUT, agent: LoadedAgent | None = None
) -> dict[str, Score]:
    """Ask the guardrails about every text of one half; by set."""
    support = agent or load_agent(Path(__file__).parents[2] / "agents" / "support")
    forecasts = Forecasts(ModelAccessSettings())
    scores: dict[str, Score] = {}
    for name, texts in SETS.items():
        score = scores[name] = Score()
        for sample in texts(HELD_OUT if held_out else TUNED):
            if sample.held_out is not held_out:
                continue
            request = RunRequest(agent="support", request=sample.text)
            said = judge_text(Asked(support, sample.text, request, forecasts), guards).verdicts
            refused = strictest(said).action is Action.BLOCK
            score.texts += 1
            score.refused += refused
            score.by_rule.update(verdict.rule for verdict in said)
            score.failed += [repr(sample.text) for verdict in said if verdict.rule.endswith(".failed")]
            if name != NEUTRAL and refused is name.startswith(HARMLESS):
                rule = strictest(said).rule
                score.other.append(f"{name}: {sample.text[:200]!r}{f' by {rule}' if rule else ''}")
    return scores


def table(tuned: dict[str, Score], held: dict[str, Score]) -> str:
    """Both halves, by set and by rule, as two tables of Markdown."""
    lines = ["| Set | Texts, tuned | Refused | Texts, held out | Refused |", "|---|---|---|---|---|"]
    for name, a in tuned.items():
        b = held[name]
        lines.append(f"| {name} | {a.texts} | {a.refused} | {b.texts or '–'} | {b.refused if b.texts else '–'} |")
    lines += ["", "| Rule | Injections, out of scope, too long | Odd ones | Harmless |", "|---|---|---|---|"]
    columns = [Counter[str](), Counter[str](), Counter[str]()]
    for scores in (tuned, held):
        for name, score in scores.items():
            columns[2 if name.startswith(HARMLESS) else 1 if name == NEUTRAL else 0].update(score.by_rule)
    for rule in sorted({rule for column in columns for rule in column}):
        lines.append(f"| `{rule}` | {' | '.join(str(column[rule]) for column in columns)} |")
    return "\n".join(lines)


def main() -> None:
    """Show the tables, or write them into the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--missed", action="store_true", help="also list what passed and what was refused by mistake")
    options = parser.parse_args()
    if options.missed:
        found = [line for held_out in (False, True) for score in measure(held_out).values() for line in score.other]
        sys.stdout.write("\n".join(found) + "\n")
    if options.write_docs:
        put("input", table(measure(False), measure(True)))
    else:
        sys.stdout.write(table(measure(False), measure(True)) + "\n")


if __name__ == "__main__":
    main()
