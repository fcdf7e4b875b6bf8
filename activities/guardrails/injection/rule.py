"""What a rule of injection screening is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from activities.guardrails.injection.reading import Reading


@dataclass(frozen=True)
class Hit:
    """What a rule found."""

    points: int
    what: str


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: The `rule` of its verdicts.
        about: What it looks for.
        find: The strongest hit in a text, or None. Gets the names of the agent's tools.
        examples: Attacks that it alone finds; the tests switch it off and see them pass.
    """

    id: str
    about: str
    find: Callable[[Reading, Collection[str]], Hit | None]
    examples: tuple[str, ...]
