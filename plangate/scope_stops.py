"""Reads what a scope says of runs that stop: who takes over, and what the customer is told in the owner's own words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from plangate.reaching import Reached
from plangate.runs import Outcome
from plangate.wording import listed, suggestion

Rows = Iterable[tuple[int, Mapping[str, str]]]
"""Lines and cells by column name in lower case."""

NO_MODEL = "no_model"
"""The limit's field for a run that no model can plan."""
CANNED = {
    "The request is declined": Outcome.DECLINED,
    "A person takes over": Outcome.ESCALATED,
    "The run fails": Outcome.FAILED,
    "Somebody says no": Outcome.REJECTED,
    "Only a part could be done": Outcome.DEGRADED,
    "No answer could be written": Outcome.COMPLETED,
    "The request is cancelled": Outcome.CANCELLED,
}
"""What can be said in the table "When we can't answer", and the outcome that it is said for."""
MAX_CANNED = 2000
"""Characters of one text at most."""


def read_stops(rows: Rows) -> dict[str, Reached]:
    """The table "When it stops": the one line that decides something, `No model answers`; the others are for people."""
    for _, row in rows:
        if " ".join(row.get("stop", "").split()).casefold().rstrip(".") == "no model answers":
            nobody = row.get("who takes over", "").strip().casefold().startswith(("nobody", "no one"))
            return {NO_MODEL: Reached.FAIL if nobody else Reached.HAND_OVER}
    return {}


def read_canned(rows: Rows, problem: Callable[[int | None, str], None]) -> dict[str, str]:
    """The table "When we can't answer": texts by outcome.

    Args:
        rows: Its rows.
        problem: Notes a mistake: line, text.
    """
    known = {name.casefold(): outcome for name, outcome in CANNED.items()}
    found: dict[str, str] = {}
    for line, row in rows:
        when, says = row.get("when", ""), row.get("what we say", "")
        outcome = known.get(" ".join(when.split()).casefold().rstrip("."))
        if outcome is None:
            hint = suggestion(when, CANNED) or "."
            problem(line, f"unknown case {when!r}{hint} The cases are {listed(CANNED)}")
        elif outcome.value in found:
            problem(line, f"{when!r} stands twice")
        elif not says:
            problem(line, f"{when!r} has no text; write what the customer reads then")
        elif len(says) > MAX_CANNED:
            problem(line, f"the text of {when!r} has {len(says):,} characters; at most {MAX_CANNED:,}")
        else:
            found[outcome.value] = says
    return found
