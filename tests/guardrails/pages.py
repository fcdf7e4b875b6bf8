"""Puts measured tables into docs/guardrails.md, each between its marks."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "guardrails.md"


def put(name: str, table: str) -> None:
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

    Raises:
        ValueError: The page has no such marks.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    new, count = re.subn(
        f"{begin}.*?{end}", lambda _: f"{begin}\n\n{table}\n\n{end}", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{PAGE} has the marks of {name!r} {count} times, not once")
    PAGE.write_text(new, encoding="utf-8")
