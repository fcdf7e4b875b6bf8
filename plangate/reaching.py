"""What happens when a run reaches one of its limits, in the owner's words."""

from __future__ import annotations

import re
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from plangate.errors import ErrorPayload, ErrorType
from plangate.policy import Action, Verdict


class Reached(StrEnum):
    """What becomes of the run."""

    PARTIAL = "partial answer"
    """It answers from what is there; the answer names what is missing."""
    HAND_OVER = "hand over"
    """It stops, and a person takes over."""
    FAIL = "fail"
    """It fails, undoes what can be undone, and is kept as a dead letter."""


WORDS = {
    Reached.PARTIAL: "a partial answer from what is there",
    Reached.HAND_OVER: "a person takes over",
    Reached.FAIL: "the run fails",
}
_MEANT = (
    (Reached.HAND_OVER, re.compile(r"\b(takes? over|hand(s|ed)? (it )?over|escalated?s?)\b")),
    (Reached.PARTIAL, re.compile(r"\b(partial|what is there|what it has|so far)\b")),
    (Reached.FAIL, re.compile(r"\bfail(s|ed)?\b")),
)


def parse_reached(text: str, allowed: tuple[Reached, ...]) -> Reached:
    """Read the column "When reached" of a limit that leaves a choice; an empty cell takes the first that is allowed.

    Raises:
        ValueError: It says none of what is allowed there.
    """
    plain = " ".join(text.split()).casefold()
    if not plain:
        return allowed[0]
    for reached, pattern in _MEANT:
        if pattern.search(plain) and reached in allowed:
            return reached
    choices = " or ".join(repr(WORDS[each]) for each in allowed)
    raise ValueError(f"what happens is {text!r}, which can't be read; write {choices}")


class Stop(BaseModel):
    """Why a run stops before its plan is done."""

    model_config = ConfigDict(frozen=True)

    rule: str
    """`limits.time`, `limits.cost`, `loops.no-progress`, …"""
    reason: str
    """In words that the person who asked may read."""
    then: Reached = Reached.HAND_OVER
    step: str | None = None

    @property
    def verdict(self) -> Verdict:
        """For the run's verdicts."""
        return Verdict(
            action=Action.BLOCK, rule=self.rule, guard=f"run.{self.rule.partition('.')[0]}", reason=self.reason
        )

    @property
    def error(self) -> ErrorPayload:
        """For a run that ends because of it."""
        next_ = {Reached.FAIL: "the run ends", Reached.HAND_OVER: "a person takes over"}.get(self.then, "")
        return ErrorPayload(type=ErrorType.LIMIT_REACHED, message=self.reason, step=self.step, next=next_)
