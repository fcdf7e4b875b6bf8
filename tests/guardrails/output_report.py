"""What output guardrails catch in answers, and what they flag by mistake: `python -m tests.guardrails.output_report`.

With `--write-docs` the table goes into docs/guardrails.md; with `--missed` every mistake is shown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from activities.guardrails import grounding
from activities.guardrails.contracts import Answered, Guardrail
from activities.guardrails.judging import judge_text
from activities.guardrails.registry import OUTPUT
from tests.guardrails.corpora.answers import Sample, samples
from tests.guardrails.pages import put

TUNED, HELD_OUT = 21, 83


@dataclass
class Score:
    """What became of the answers that a rule should have something against."""

    planted: int = 0
    caught: int = 0
    """By any rule."""
    by_it: int = 0
    """By this rule."""
    alarms: int = 0
    """Of true answers, by this rule."""


@dataclass
class Scores:
    """What became of a set of answers."""

    rules: dict[str, Score] = field(default_factory=dict)
    true: int = 0
    flagged: int = 0
    mistakes: list[str] = field(default_factory=list)

    def of(self, rule: str) -> Score:
        """The score of a rule or group of rules."""
        return self.rules.setdefault(rule, Score())


def measure(all_samples: Iterable[Sample], guards: tuple[Guardrail[Answered], ...] = OUTPUT) -> Scores:
    """Judge all answers and count."""
    scores = Scores()
    for sample in all_samples:
        rules = [verdict.rule for verdict in judge_text(sample.world.answered(sample.text), guards).verdicts]
        if not sample.rule:
            scores.true += 1
            scores.flagged += bool(rules)
            for rule in rules:
                scores.of(_group(rule)).alarms += 1
                scores.mistakes.append(f"false alarm {rule}: {sample.text!r}")
            continue
        score = scores.of(sample.rule)
        score.planted += 1
        score.caught += bool(rules)
        score.by_it += any(rule.startswith(sample.rule) for rule in rules)
        if not rules:
            scores.mistakes.append(f"missed {sample.rule}: {sample.text!r}")
    return scores


def _group(rule: str) -> str:
    return "claims." if rule.startswith("claims.") else rule


def table() -> str:
    """Both sets as a table of Markdown."""
    tuned, held = measure(samples(TUNED, held_out=False)), measure(samples(HELD_OUT, held_out=True))
    lines = [
        "| Rule | Planted, tuned | Caught | By it | False alarms | Planted, held out | Caught | By it | False alarms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for rule in sorted({*tuned.rules, *held.rules}):
        cells = [str(cell) for each in (tuned.of(rule), held.of(rule)) for cell in (each.planted, each.caught, each.by_it, each.alarms)]  # fmt: skip # noqa: E501
        lines.append(f"| `{rule}{'*' * rule.endswith('.')}` | {' | '.join(cells)} |")
    for name, scores in (("Tuned", tuned), ("Held out", held)):
        planted, caught = sum(s.planted for s in scores.rules.values()), sum(s.caught for s in scores.rules.values())
        lines += [
            "",
            f"{name}: of {planted} false answers {caught} were caught ({100 * caught / planted:.1f} %); "
            f"of {scores.true} true ones {scores.flagged} were flagged ({100 * scores.flagged / scores.true:.1f} %).",
        ]
    return "\n".join(lines)


def speed() -> float:
    """Milliseconds of processor time for an answer of 2 KB with 20 results, all output guardrails, the best of 15."""
    from activities.guardrails.answers import Answers
    from tests.guardrails.corpora.worlds import support

    true = [sample for sample in samples(TUNED, held_out=False, count=1) if not sample.rule]
    world = true[0].world
    text = (" ".join(sample.text for sample in true[:12]) * 4)[:2048]
    results = {f"{name}{n}": result for n in range(4) for name, result in world.results.items()}
    taken = []
    for _ in range(15):
        grounding.facts_of.cache_clear()
        begin = time.process_time()
        Answers(support(), world.task, dict(list(results.items())[:20]), OUTPUT).judge(text)
        taken.append(time.process_time() - begin)
    return 1000 * min(taken)


def main() -> None:
    """Show the table, or write it into the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--missed", action="store_true")
    parser.add_argument("--tuned", action="store_true", help="with --missed: the held-out set stays unread")
    options = parser.parse_args()
    if options.missed:
        sets = [samples(TUNED, held_out=False)] + ([] if options.tuned else [samples(HELD_OUT, held_out=True)])
        for each in sets:
            sys.stdout.write("\n".join(measure(each).mistakes) + "\n")
    elif options.write_docs:
        put("answers", table())
    else:
        sys.stdout.write(f"{table()}\n\n{speed():.1f} ms for an answer of 2 KB with 20 results\n")


if __name__ == "__main__":
    main()
