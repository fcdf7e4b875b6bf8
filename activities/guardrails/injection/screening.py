"""The guardrail `input.injection`: adds up the points of the rules, for the text and for what is encoded in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

from activities.guardrails.contracts import Asked
from activities.guardrails.injection.concepts import read
from activities.guardrails.injection.decoding import decoded
from activities.guardrails.injection.masks import unmasked
from activities.guardrails.injection.reading import Reading
from activities.guardrails.injection.rule import Rule
from activities.guardrails.injection.rules import ENCODED, RULES
from plangate.policy import Action, Verdict

_DEPTH = 2
"""Encodings within encodings that are opened."""
REASON = (
    "The request reads as if it gave instructions to our system rather than asking us for something, "
    "so we have left it alone. If that is a mistake, please say in plain words what you need."
)


@dataclass(frozen=True)
class Score:
    """What a text came to.

    Attributes:
        points: Of all rules together.
        hits: Points and what was found, by rule, the strongest first.
    """

    points: int
    hits: dict[str, tuple[int, str]]

    @property
    def rule(self) -> str:
        """The rule that gave most."""
        return next(iter(self.hits), "")


def screen(asked: Asked) -> Verdict | None:
    """Refuse a request with as many points of suspicion as the scope says, or more."""
    enough = asked.agent.scope.guardrails.injection_points
    score = score_of(asked.text, asked.agent.tools, enough=enough)
    if score.points < enough:
        return None
    return Verdict(action=Action.BLOCK, rule=score.rule, reason=REASON, detail=in_words(score))


def in_words(score: Score) -> str:
    """The points and what they are for."""
    hits = "; ".join(f"{rule} {points} ({what})" for rule, (points, what) in score.hits.items())
    return f"{score.points} points: {hits}" if hits else "0 points"


def score_of(
    text: str,
    tools: Collection[str] = (),
    rules: Sequence[Rule] = RULES,
    *,
    encoded: bool = True,
    enough: int | None = None,
) -> Score:
    """Add up what the rules find.

    Args:
        text: Normalised.
        tools: Names of the agent's tools.
        rules: All of them, apart from tests.
        encoded: Whether to look into what is encoded.
        enough: Points with which what is encoded needn't be looked into any more.
    """
    reading = read(text)
    hits = _hits(reading, tools, rules)
    known = sum(points for points, _ in hits.values())
    if enough is not None and known >= enough:
        encoded = False
    needed = None if enough is None else enough - known
    inside = _inside(reading, text, tools, rules, _DEPTH, needed) if encoded else None
    if inside:
        hits[ENCODED] = inside
    ordered = dict(sorted(hits.items(), key=lambda each: -each[1][0]))
    return Score(sum(points for points, _ in ordered.values()), ordered)


def _hits(reading: Reading, tools: Collection[str], rules: Sequence[Rule]) -> dict[str, tuple[int, str]]:
    found = {}
    for rule in rules:
        hit = rule.find(reading, tools)
        if hit is not None:
            found[rule.id] = (hit.points, hit.what)
    return found


def _inside(
    reading: Reading, text: str, tools: Collection[str], rules: Sequence[Rule], depth: int, needed: int | None
) -> tuple[int, str] | None:
    """The strongest finding in what is encoded or masked; or the first with as many points as are needed."""
    best: tuple[int, str] | None = None
    masked = ((reading.disguised[0], plain) for plain in unmasked(text, reading.disguised))
    for name, plain in chain(decoded(text), masked):
        inner = read(plain)
        points = sum(points for points, _ in _hits(inner, tools, rules).values())
        if depth > 1 and (deeper := _inside(inner, plain, tools, rules, depth - 1, needed)):
            points = max(points, deeper[0])
        if points and (best is None or points > best[0]):
            # Nobody encodes what may be read.
            best = (max(points, 5) if points > 1 else points, f"hides it: {name}")
            if needed is not None and best[0] >= needed:
                break
    return best
