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

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from plangate.agents import Limits, Scope, ScopeProblem, ScopeTool
from plangate.declining import read_declines, subject_words
from plangate.guardrail_rows import read_guardrails
from plangate.guardrails import GuardrailSettings
from plangate.limit_tables import read_action_limits, read_spending
from plangate.policy import Action, Rule, parse_rule
from plangate.reaching import Reached, parse_reached
from plangate.scope_limits import LIMITS, limit_value, limits_of
from plangate.scope_others import COLUMN, parse_others
from plangate.scope_stops import read_canned, read_stops
from plangate.scope_websites import read_websites
from plangate.wording import listed, nearest, suggestion

REQUIRED_SECTIONS = ("Purpose", "Tools")
SECTIONS = (
    "Purpose",
    "What it accepts",
    "What it declines",
    "What it may answer",
    "Tools",
    "Limits of single actions",
    "Spending limits",
    "Limits",
    "Guardrails",
    "Websites",
    "When it stops",
    "When we can't answer",
)
COLUMNS = {
    "what it declines": ("Asked for", "Recognised by", "What we say"),
    "tools": ("Tool", "What it does", "When"),
    "limits of single actions": ("Tool", "Argument", "Limit", "When exceeded"),
    "spending limits": ("What", "Counted", "At most", "When exceeded"),
    "limits": ("Limit", "Value", "When reached"),
    "guardrails": ("Guardrail", "Setting"),
    "websites": ("Website", "What it is read for"),
    "when it stops": ("Stop", "Who takes over"),
    "when we can't answer": ("When", "What we say"),
}
"""The tables that are read, by their section's heading in lower case."""


def parse_scope(text: str, file: str = "scope.md") -> tuple[Scope, list[ScopeProblem]]:
    """Read a scope file.

    Args:
        text: The file's content, Markdown.
        file: Its name, for the mistakes.

    Returns:
        What could be read, and every mistake in the order of the lines. With a mistake the scope is not to be used.
    """
    reader = _Reader(text, file)
    sections, tools = reader.prose(), reader.tools()
    about = subject_words(sections, tools)
    scope = Scope(
        title=reader.title(),
        text=text,
        sections=sections,
        tools=tools,
        declines=read_declines(reader.rows_of("what it declines"), about, reader.problem),
        websites=read_websites(reader.rows_of("websites"), reader.problem),
        limits=reader.limits(read_stops(reader.rows_of("when it stops"))),
        guardrails=reader.guardrails(),
        actions=read_action_limits(reader.rows_of("limits of single actions"), reader.problem),
        spending=read_spending(reader.rows_of("spending limits"), reader.problem),
        answers=read_canned(reader.rows_of("when we can't answer"), reader.problem),
    )
    return scope, sorted(reader.problems, key=lambda problem: problem.line or 0)


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
            name = section.heading.casefold().replace("’", "'")
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
                self.problem(None, f"the section '## {required}' is missing; the sections are {listed(SECTIONS)}")
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
                self.problem(table.line, f"the table has no column {column!r}{named}; it needs {listed(expected)}")
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
                accepts, never = self._others(name, row.get(COLUMN, ""), line)
                found[name] = ScopeTool(
                    name=name, does=row.get("what it does", ""), rule=rule, accepts=accepts, never=never, line=line
                )
        return found

    def _others(self, tool: str, cell: str, line: int) -> tuple[list[str], list[str]]:
        try:
            return parse_others(cell)
        except ValueError as error:
            self.problem(line, f"the text of others for {tool!r}: {error}")
            return [], []

    def limits(self, reached: dict[str, Reached]) -> Limits:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        known = {name.casefold(): name for name in LIMITS}
        for line, row in self.rows_of("limits"):
            if "limit" not in row or "value" not in row:
                continue
            name = known.get(row["limit"].casefold())
            if name is None:
                hint = suggestion(row["limit"], LIMITS) or "."
                self.problem(line, f"unknown limit {row['limit']!r}{hint} The limits are {listed(LIMITS)}")
            elif name in lines:
                self.problem(line, f"the limit {name!r} stands twice; first in line {lines[name]}")
            else:
                lines[name] = line
                if not row.get("when reached", "?"):
                    self.problem(line, f"the limit {name!r} doesn't say what happens when it is reached")
                kind = LIMITS[name]
                try:
                    values[kind.field] = limit_value(name, row["value"])
                except ValueError as error:
                    self.problem(line, str(error))
                try:
                    if kind.then:
                        reached[kind.field] = parse_reached(row.get("when reached", ""), kind.then)
                except ValueError as error:
                    self.problem(line, f"{name!r}: {error}")
        return limits_of(values, reached)

    def guardrails(self) -> GuardrailSettings:
        settings, problems = read_guardrails(self.rows_of("guardrails"), suggestion)
        for line, text in problems:
            self.problem(line, text)
        return settings


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
