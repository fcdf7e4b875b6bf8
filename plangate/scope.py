"""Reads a scope file: the policy of an agent, written by its owner as prose and tables.

    # Support desk
    ## Purpose
    …prose…
    ## Tools
    | Tool | What it does | When |
    |---|---|---|
    | refund_payment | Pays money back | by itself when amount is under 25, otherwise asks first |
    ## Limits
    | Limit | Value | When reached |
    |---|---|---|
    | Time to decide | 24 hours | the refund isn't made |

Headings and column names may be written in any case. A heading that isn't known is kept as prose, unless it is nearly
a known one. Reading never stops at a mistake: all of them are reported, each with its line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from plangate.agents import Limits, Scope, ScopeProblem, ScopeTool
from plangate.policy import Action, Rule, parse_rule

REQUIRED_SECTIONS = ("Purpose", "Tools")
SECTIONS = ("Purpose", "What it accepts", "What it may answer", "Tools", "Limits", "When it stops")
COLUMNS = {
    "tools": ("Tool", "What it does", "When"),
    "limits": ("Limit", "Value", "When reached"),
    "when it stops": ("Stop", "Who takes over"),
}
"""The tables that are read, by their section's heading in lower case."""

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
NUMBER = re.compile(r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s*(?P<unit>.*)", re.DOTALL)


@dataclass(frozen=True)
class LimitKind:
    """How one limit is written.

    Attributes:
        field: The field of `plangate.agents.Limits` that it sets.
        units: Words that may follow the number, in the singular.
        example: A value as an owner would write it.
        bare: Whether the number may stand alone.
    """

    field: str
    units: tuple[str, ...]
    example: str
    bare: bool = True


LIMITS = {
    "Length of a request": LimitKind("request_characters", ("character",), "4,000 characters", bare=False),
    "Steps in a plan": LimitKind("plan_steps", ("step",), "25 steps"),
    "Tool calls in a run": LimitKind("tool_calls", ("call", "tool call"), "100 calls"),
    "Plan revisions": LimitKind("revisions", ("revision", "time"), "2 revisions"),
    "Steps at the same time": LimitKind("parallel", ("step",), "8 steps"),
    "Items in a list step": LimitKind("items", ("item",), "200 items"),
    "Time to decide": LimitKind("decision_seconds", tuple(SECONDS), "24 hours", bare=False),
}


def parse_scope(text: str, file: str = "scope.md") -> tuple[Scope, list[ScopeProblem]]:
    """Read a scope file.

    Args:
        text: The file's content, Markdown.
        file: Its name, for the mistakes.

    Returns:
        What could be read, and every mistake in the order of the lines. With a mistake the scope is not to be used.
    """
    reader = _Reader(text, file)
    scope = Scope(
        title=reader.title(),
        text=text,
        sections=reader.prose(),
        tools=reader.tools(),
        limits=reader.limits(),
    )
    reader.rows_of("when it stops")
    return scope, sorted(reader.problems, key=lambda problem: problem.line or 0)


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that is most like this one, if one is like it at all; case doesn't count."""
    by_fold = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=cutoff)
    return by_fold[found[0]] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known name, or nothing when none is near."""
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else ""


@dataclass
class _Table:
    line: int
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)


@dataclass
class _Section:
    heading: str
    line: int
    end: int = 0
    tables: list[_Table] = field(default_factory=list)


class _Reader:
    """One pass over the tokens, then one method for each thing that a scope holds."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[ScopeProblem] = []
        self._lines = text.splitlines()
        self._titles: list[tuple[str, int]] = []
        self._sections: list[_Section] = []
        self._read_tokens(MarkdownIt("commonmark").enable("table").parse(text))
        self._by_name = self._known_sections()

    def problem(self, line: int | None, text: str) -> None:
        self.problems.append(ScopeProblem(file=self.file, line=line, problem=text))

    def _read_tokens(self, tokens: Sequence[Token]) -> None:
        for index, token in enumerate(tokens):
            line = token.map[0] + 1 if token.map else 0
            if token.type == "heading_open" and token.level == 0 and token.tag in ("h1", "h2"):
                self._end_section(line)
                heading = _plain(tokens[index + 1])
                if token.tag == "h1":
                    self._titles.append((heading, line))
                else:
                    self._sections.append(_Section(heading, line))
            elif token.type == "table_open" and self._sections and not self._sections[-1].end:
                self._sections[-1].tables.append(_table(tokens[index:], line))
        self._end_section(len(self._lines) + 1)

    def _end_section(self, line: int) -> None:
        if self._sections and not self._sections[-1].end:
            self._sections[-1].end = line

    def _known_sections(self) -> dict[str, _Section]:
        found: dict[str, _Section] = {}
        known = {name.casefold(): name for name in SECTIONS}
        for section in self._sections:
            name = section.heading.casefold()
            if name in found:
                self.problem(section.line, f"the section {section.heading!r} stands twice; make it one")
                continue
            found[name] = section
        for name, section in list(found.items()):
            close = None if name in known else nearest(name, set(known) - set(found), cutoff=0.75)
            if close:
                self.problem(section.line, f"unknown section {section.heading!r}; did you mean {known[close]!r}?")
                found[close] = section
        for required in REQUIRED_SECTIONS:
            if required.casefold() not in found:
                self.problem(None, f"the section '## {required}' is missing; the sections are {_listed(SECTIONS)}")
        return found

    def title(self) -> str:
        if not self._titles:
            self.problem(1, "the title is missing: begin with a line like '# Support desk'")
            return ""
        for heading, line in self._titles[1:]:
            self.problem(line, f"a second title {heading!r}; a scope has one '# title', its sections start with '##'")
        if not self._titles[0][0]:
            self.problem(self._titles[0][1], "the title is empty: write for example '# Support desk'")
        return self._titles[0][0]

    def prose(self) -> dict[str, str]:
        found = {}
        for name, section in self._by_name.items():
            found[name] = "\n".join(self._lines[section.line : section.end - 1]).strip()
        if "purpose" in found and not found["purpose"]:
            self.problem(self._by_name["purpose"].line, "the section 'Purpose' is empty: say what the agent is for")
        return found

    def rows_of(self, name: str) -> list[tuple[int, dict[str, str]]]:
        """The rows of a section's tables: line, and cells by column name in lower case."""
        section = self._by_name.get(name)
        if section is None:
            return []
        expected = COLUMNS[name]
        if not section.tables:
            header = f"| {' | '.join(expected)} |"
            self.problem(section.line, f"the section {section.heading!r} needs a table with the columns {header}")
        found = []
        for table in section.tables:
            columns = [column.casefold() for column in table.columns]
            missing = [column for column in expected if column.casefold() not in columns]
            for column in missing:
                near = nearest(column, [each for each in table.columns if each not in expected])
                named = f" (is {near!r} meant for it?)" if near else ""
                self.problem(table.line, f"the table has no column {column!r}{named}; it needs {_listed(expected)}")
            found += [(line, dict(zip(columns, cells, strict=False))) for line, cells in table.rows]
        return found

    def tools(self) -> dict[str, ScopeTool]:
        found: dict[str, ScopeTool] = {}
        for line, row in self.rows_of("tools"):
            name = row.get("tool")
            if name is None or "when" not in row:
                continue
            if not name:
                self.problem(line, "a line of the table of tools without a tool's name")
            elif name in found:
                self.problem(line, f"the tool {name!r} stands twice; its first rule is in line {found[name].line}")
            else:
                try:
                    rule = parse_rule(row["when"])
                except ValueError as error:
                    self.problem(line, f"the rule of {name!r}: {error}")
                    rule = Rule(then=Action.BLOCK, text=row["when"])
                found[name] = ScopeTool(name=name, does=row.get("what it does", ""), rule=rule, line=line)
        return found

    def limits(self) -> Limits:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        known = {name.casefold(): name for name in LIMITS}
        for line, row in self.rows_of("limits"):
            if "limit" not in row or "value" not in row:
                continue
            name = known.get(row["limit"].casefold())
            if name is None:
                hint = suggestion(row["limit"], LIMITS) or "."
                self.problem(line, f"unknown limit {row['limit']!r}{hint} The limits are {_listed(LIMITS)}")
            elif name in lines:
                self.problem(line, f"the limit {name!r} stands twice; first in line {lines[name]}")
            else:
                lines[name] = line
                try:
                    values[LIMITS[name].field] = _limit(name, row["value"])
                except ValueError as error:
                    self.problem(line, str(error))
        return Limits(**values)


def _limit(name: str, text: str) -> float | int:
    """The value of a limit: a count, or seconds.

    Raises:
        ValueError: When it can't be read or is out of bounds; the message says what is allowed.
    """
    kind = LIMITS[name]
    match = NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{name!r} is {text!r}, which isn't a number; write for example {kind.example!r}")
    number, unit = float(match["number"].replace(",", "")), match["unit"].strip().casefold()
    singular = unit.removesuffix("s")
    if singular not in kind.units and not (kind.bare and not unit):
        units = " or ".join(f"{each}s" for each in kind.units)
        given = f", not in {match['unit'].strip()!r}" if unit else "; the unit is missing"
        raise ValueError(f"{name!r} is counted in {units}{given}; write for example {kind.example!r}")
    value = number * SECONDS.get(singular, 1)
    if singular not in SECONDS and not value.is_integer():
        raise ValueError(f"{name!r} is a whole number, not {match['number']}; write for example {kind.example!r}")
    _check_bounds(name, kind, value)
    return value if singular in SECONDS else int(value)


def _check_bounds(name: str, kind: LimitKind, value: float) -> None:
    for bound in Limits.model_fields[kind.field].metadata:
        least, over, most = (getattr(bound, each, None) for each in ("ge", "gt", "le"))
        if least is not None and value < least:
            raise ValueError(f"{name!r} must be at least {least:,}")
        if over is not None and value <= over:
            raise ValueError(f"{name!r} must be more than {over:,}")
        if most is not None and value > most:
            limit = f"{most // 86400:,} days" if kind.units == tuple(SECONDS) else f"{most:,}"
            raise ValueError(f"{name!r} must be at most {limit}")


def _table(tokens: Sequence[Token], line: int) -> _Table:
    """The table that starts with the first of these tokens."""
    table = _Table(line)
    cells: list[str] = []
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            cells = []
        elif token.type in ("th_open", "td_open"):
            cells.append(_plain(tokens[index + 1]))
        elif token.type == "tr_close" and not table.columns:
            table.columns = cells
        elif token.type == "tr_close":
            table.rows.append((_row_line(tokens[:index]), cells))
        elif token.type == "table_close":
            break
    return table


def _row_line(tokens: Sequence[Token]) -> int:
    opened = next(token for token in reversed(tokens) if token.type == "tr_open")
    return opened.map[0] + 1 if opened.map else 0


def _plain(inline: Token) -> str:
    """The text of a heading or cell without its emphasis and code marks."""
    children = inline.children or []
    text = "".join(
        child.content if child.type in ("text", "code_inline") else " " * _breaks(child) for child in children
    )
    return " ".join(text.split())


def _breaks(token: Token) -> int:
    return int(token.type in ("softbreak", "hardbreak"))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
