"""An attempt's hold of its row in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from activities.ledger import Entry


@dataclass(frozen=True)
class Claimed:
    """An attempt's hold of a ledger row."""

    token: str
    entry: Entry
    known: str | None = None
    """The stored result of an effect that is done already."""

    @property
    def first(self) -> bool:
        """Whether no earlier attempt may have taken effect."""
        return self.entry.new
