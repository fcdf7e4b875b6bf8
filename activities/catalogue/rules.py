"""Checks a scope's rules and the tools' summaries against the tools' arguments."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any

from activities.catalogue.schemas import NUMBERS, TYPE_WORDS, has, inside, names_of, variants
from activities.catalogue.tools import FILE as TOOLS_FILE
from activities.catalogue.tools import ToolsFound
from plangate.agents import Scope
from plangate.policy import Condition
from plangate.problems import Problems
from plangate.toolkit import Tool
from plangate.wording import listed, suggestion

SCOPE_FILE = "scope.md"


def check_rules(scope: Scope, found: ToolsFound, problems: Problems) -> None:
    """Note tools without a rule, rules without a tool, and conditions that can't be evaluated."""
    for name, (file, line) in found.places.items():
        is_tool = name in found.tools or file == TOOLS_FILE or not found.complete
        if is_tool and name not in scope.tools:
            problems.add(
                file,
                line,
                f"the tool {name!r} has no rule in {SCOPE_FILE}; add it to the table of tools, "
                f"for example `| {name} | … | asks first |`",
            )
    for name, entry in scope.tools.items():
        if tool := found.tools.get(name):
            schema = tool.schema
            for name_of_argument in (*entry.accepts, *entry.never):
                if name_of_argument not in tool.arguments.model_fields:
                    hint = suggestion(name_of_argument, tool.arguments.model_fields) or "."
                    known = listed(tool.arguments.model_fields)
                    text = f"{name_of_argument!r} is no argument of the tool{hint} It has {known}"
                    problems.add(SCOPE_FILE, entry.line, f"the text of others for {name!r}: {text}")
            for condition in entry.rule.when:
                for problem in (*_condition_problems(condition, schema), *_currency_problems(scope, name, condition)):
                    problems.add(SCOPE_FILE, entry.line, f"the rule of {name!r}: {problem}")
        elif found.complete and name not in found.places:
            hint = suggestion(name, found.places)
            problems.add(SCOPE_FILE, entry.line, f"there is no tool {name!r} in tools.py{hint}")


def check_summary(tool: Tool, file: str, line: int, problems: Problems) -> None:
    """Note a summary that can't be formatted with the tool's arguments."""
    names = list(tool.arguments.model_fields)
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(tool.settings.summary) if name is not None]
    except ValueError as error:
        problems.add(file, line, f"the summary of {tool.name!r} isn't a format string: {error}")
        return
    for each in fields:
        name = each.partition(".")[0].partition("[")[0]
        if name not in names:
            hint = suggestion(name, names) or "."
            problems.add(
                file, line, f"the summary of {tool.name!r} names {{{each}}}, which is no argument{hint} {has(names)}"
            )


def _condition_problems(condition: Condition, schema: Mapping[str, Any]) -> Iterator[str]:
    places: list[Mapping[str, Any]] = [schema]
    for part in condition.field.split("."):
        inner = [found for place in places for found in inside(place, part, schema)]
        if not inner:
            names = sorted({name for place in places for each in variants(place, schema) for name in names_of(each)})
            hint = suggestion(part, names) or "."
            yield f"{condition.field!r} is no argument of the tool{hint} {has(names)}"
            return
        places = inner
    declared = next((str(place["currency"]) for place in places if place.get("currency")), "")
    if declared and condition.currency and condition.currency != declared:
        yield f"{condition.field!r} is an amount in {declared}, not in {condition.currency}"
    leaves = [leaf for place in places for leaf in variants(place, schema)]
    if problem := _value_problem(condition, leaves):
        yield problem


def _currency_problems(scope: Scope, tool: str, condition: Condition) -> Iterator[str]:
    """The tables of limits say what an amount is counted in, too."""
    limits = [(each.argument, each.currency, each.line) for each in scope.actions if each.tool == tool]
    limits += [(each.argument, each.unit, each.line) for each in scope.spending if each.tool == tool]
    for argument, currency, line in limits:
        if condition.currency and currency and argument == condition.field and currency != condition.currency:
            yield f"{argument!r} is an amount in {currency} by line {line}, not in {condition.currency}"
            return


def _value_problem(condition: Condition, leaves: list[Mapping[str, Any]]) -> str | None:
    """What is wrong with comparing an argument of one of these schemas with the condition's value."""
    types = {leaf.get("type") for leaf in leaves} - {"null"}
    if None in types and not any("enum" in leaf or "const" in leaf for leaf in leaves):
        return None
    is_type = " or ".join(sorted(TYPE_WORDS.get(str(each), "a number") for each in types if each))
    name, value = condition.field, condition.value
    if isinstance(value, bool):
        return None if "boolean" in types else f"{name!r} is {is_type}, it can't be compared with yes or no"
    if isinstance(value, float):
        equal = condition.op in ("==", "!=")
        fits = bool(types & NUMBERS) or (equal and "string" in types)
        return None if fits else f"{name!r} is {is_type}, it can't be compared with the number {value:g}"
    if "string" not in types:
        return f"{name!r} is {is_type}, it can't be compared with the text {value!r}"
    choices = [choice for leaf in leaves for choice in leaf.get("enum", [leaf["const"]] if "const" in leaf else [])]
    closed = choices and all("enum" in leaf or "const" in leaf for leaf in leaves if leaf.get("type") != "null")
    if closed and value not in choices:
        hint = suggestion(str(value), map(str, choices)) or "."
        return f"{name!r} can't be {value!r}{hint} It is one of {', '.join(map(str, choices))}"
    return None
