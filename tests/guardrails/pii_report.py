"""Precision and recall of the detectors of personal data: `python -m tests.guardrails.pii_report [--write-docs]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from activities.guardrails.pii.finding import Detector, detectors, find
from plangate.guardrails import PersonalKind
from tests.guardrails.corpora.personal import texts
from tests.guardrails.pages import put

TUNED, HELD_OUT = 31, 97


@dataclass
class Score:
    """What became of the texts of a kind."""

    there: int = 0
    found: int = 0
    wrong: int = 0
    """Places that were taken for this kind and aren't."""

    @property
    def recall(self) -> float:
        return self.found / max(1, self.there)

    @property
    def precision(self) -> float:
        return self.found / max(1, self.found + self.wrong)


def measure(
    seed: int, using: Sequence[Detector] | None = None, missed: list[str] | None = None
) -> dict[PersonalKind, Score]:
    """Count: a value is found when all of it, and hardly more, was found as its kind; all else that was found is wrong."""
    scores = {kind: Score() for kind in PersonalKind}
    for sample in texts(seed):
        hit = False
        for each in find(sample.text, using if using is not None else detectors(("GB",))):
            written = sample.text[each.start : each.end]
            inside = bool(sample.value) and (written in sample.value or sample.value in written)
            if each.kind is sample.kind and inside and len(written) >= len(sample.value) - 10 * (sample.kind in LOOSE):
                hit = True
            else:
                scores[each.kind].wrong += 1
                if missed is not None:
                    missed.append(f"wrong {each.kind.value}: {written!r} in {sample.text!r}")
        if sample.kind is not None:
            scores[sample.kind].there += 1
            scores[sample.kind].found += hit
            if missed is not None and not hit:
                missed.append(f"missed {sample.kind.value}: {sample.text!r}")
    return scores


LOOSE = frozenset({PersonalKind.ADDRESS, PersonalKind.NATIONAL_ID})
"""Their samples hold a label, or a town that needn't be found."""


def table() -> str:
    """Both seeds as a table of Markdown."""
    lines = [
        "| Kind | Texts | Recall, tuned | Precision, tuned | Recall, held out | Precision, held out |",
        "|---|---|---|---|---|---|",
    ]
    tuned, held = measure(TUNED), measure(HELD_OUT)
    for kind in PersonalKind:
        a, b = tuned[kind], held[kind]
        lines.append(
            f"| {kind.value} | {a.there} + {b.there} | {a.recall:.3f} | {a.precision:.3f} | {b.recall:.3f} | {b.precision:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Show the table, or write it into the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--missed", action="store_true")
    options = parser.parse_args()
    if options.missed:
        missed: list[str] = []
        measure(TUNED, missed=missed)
        sys.stdout.write("\n".join(missed) + "\n")
    if options.write_docs:
        put("personal data", table())
    else:
        sys.stdout.write(table() + "\n")


if __name__ == "__main__":
    main()
