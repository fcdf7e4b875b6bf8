from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tables(repository: Path) -> dict[str, list[list[str]]]:
    """The page's table rows as cells, by section."""
    page = (repository / "docs/dependencies.md").read_text(encoding="utf-8")
    sections = re.split(r"^## (.+)$", page, flags=re.MULTILINE)[1:]
    return {
        title: [
            [cell.strip() for cell in row.strip("|").split("|")] for row in body.splitlines() if row.startswith("| `")
        ]
        for title, body in zip(sections[::2], sections[1::2], strict=True)
    }


def names(requirements: list[str]) -> list[str]:
    found = [re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements]
    return sorted(match[0].lower() for match in found if match)


def test_every_dependency_has_its_line_and_no_other(
    project: dict[str, Any], tables: dict[str, list[list[str]]]
) -> None:
    declared = {
        "Run time": names(project["project"]["dependencies"]),
        "Extras": names([r for extra in project["project"]["optional-dependencies"].values() for r in extra]),
        "Development": names([r for group in project["dependency-groups"].values() for r in group]),
        "Build": names(project["build-system"]["requires"]),
    }
    listed = {title: sorted(row[0].strip("`") for row in rows) for title, rows in tables.items()}
    assert listed == declared


def test_every_line_says_what_for_and_why(tables: dict[str, list[list[str]]]) -> None:
    for row in (row for rows in tables.values() for row in rows):
        assert len(row) == 3, row
        assert all(row), f"{row[0]} has an empty cell"
