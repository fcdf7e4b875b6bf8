"""Checks a scope's limits of actions and of spending against the tools: arguments, kinds, currencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from activities.catalogue.rules import SCOPE_FILE
from activities.catalogue.schemas import NUMBERS, TYPE_WORDS, has, inside, names_of, variants
from activities.catalogue.tools import ToolsFound
from plangate.action_limits import CALLS, ActionLimit, LimitOf
from plangate.agents import Scope
from plangate.policy import Action
from plangate.problems import Problems
from plangate.spending import SpendingLimit
from plangate.tool_policy import Effect
from plangate.toolkit import Tool
from plangate.wording import suggestion

_WANTED = {
    LimitOf.NUMBER: (NUMBERS | {"string"}, "a number or an amount"),
    LimitOf.ITEMS: (frozenset({"array", "object"}), "a list: its items are counted"),
    LimitOf.CHARACTERS: (frozenset({"string"}), "text: its characters are counted"),
    LimitOf.CHOICE: (NUMBERS | {"string", "boolean", "array"}, "one of some values"),
    LimitOf.ADDRESS: (frozenset({"string", "array"}), "an address"),
}
Schema = Mapping[str, Any]


def check_limits(scope: Scope, found: ToolsFound, problems: Problems) -> None:
    """Note limits of tools and arguments that there are not, of the wrong kind or currency, and contradictions."""
    currencies: dict[tuple[str, str], tuple[str, int]] = {}
    limits: list[ActionLimit | SpendingLimit] = [*scope.actions, *(each for each in scope.spending if each.tool)]
    for limit in sorted(limits, key=lambda each: each.line):
        for problem in _problems(limit, scope, found.tools, currencies):
            problems.add(SCOPE_FILE, limit.line, f"the limit of {limit.tool} {limit.argument}: {problem}")


def problems_of_budget(limit: SpendingLimit, scope: Scope, tools: Mapping[str, Tool]) -> list[str]:
    """The same of a budget for money that isn't of the scope file."""
    return list(_problems(limit, scope, tools, {}))


def _problems(
    limit: ActionLimit | SpendingLimit,
    scope: Scope,
    tools: Mapping[str, Tool],
    currencies: dict[tuple[str, str], tuple[str, int]],
) -> Iterator[str]:
    entry, tool = scope.tools.get(limit.tool), tools.get(limit.tool)
    if entry is None:
        hint = suggestion(limit.tool, scope.tools) or ", so it limits nothing"
        yield f"the table of tools has no {limit.tool!r}{hint}"
        return
    if entry.rule.then is Action.BLOCK and not entry.rule.when:
        yield f"it contradicts line {entry.line}: {limit.tool} is never used"
    if tool is None:
        return  # noted with the rules
    if isinstance(limit, SpendingLimit) and tool.settings.effect is not Effect.CONSEQUENTIAL:
        yield f"{limit.tool} is {tool.settings.effect.value}, and only consequential tools move money"
        return
    if isinstance(limit, ActionLimit) and limit.of is LimitOf.CALLS:
        return
    places = list(_places(limit.argument, tool.schema))
    if not places:
        yield _no_argument(limit.argument, tool)
        return
    yield from _kind_problem(limit, tool, places)
    yield from _currency_problem(limit, places, currencies)


def _places(argument: str, schema: Schema) -> Iterator[Schema]:
    """The schemas under a path; a list stands for its items."""
    places: list[Schema] = [schema]
    for part in argument.split("."):
        places = [each for place in places for each in inside(_item(place, schema), part, schema)]
    yield from places


def _item(place: Schema, root: Schema) -> Schema:
    items = [each["items"] for each in variants(place, root) if isinstance(each.get("items"), Mapping)]
    return items[0] if items else place


def _no_argument(argument: str, tool: Tool) -> str:
    names = names_of(tool.schema)
    known = [*names, CALLS]
    return f"{argument!r} is no argument of the tool{suggestion(argument, known) or '.'} {has(names)}"


def _kind_problem(limit: ActionLimit | SpendingLimit, tool: Tool, places: list[Schema]) -> Iterator[str]:
    of = limit.of if isinstance(limit, ActionLimit) else LimitOf.NUMBER
    leaves = [leaf for place in places for leaf in variants(place, tool.schema)]
    types = {leaf.get("type") for leaf in leaves} - {"null"}
    wanted, words = _WANTED[of]
    numeric = of is LimitOf.NUMBER and not types & NUMBERS
    decimal = any(leaf.get("type") == "string" and "pattern" in leaf for leaf in leaves)
    if types - {None} and (not types & wanted or (numeric and not decimal)):
        is_type = " or ".join(sorted(TYPE_WORDS.get(str(each), "a number") for each in types if each))
        hint = ""
        if types & {"array"}:
            hint = "; write for example 'at most 10 items'"
        elif types & {"string"}:
            hint = "; write for example 'at most 2,000 characters'"
        elif types & NUMBERS:
            hint = "; write for example 'at most 20'"
        yield f"it is {is_type}, and the limit is for {words}{hint}"
    choices = {str(each) for leaf in leaves for each in leaf.get("enum", [])}
    if isinstance(limit, ActionLimit) and of is LimitOf.CHOICE and choices:
        for value in limit.values:
            if value not in choices:
                hint = suggestion(value, choices) or "."
                yield f"it can't be {value!r}{hint} It is one of {', '.join(sorted(choices))}"


def _currency_problem(
    limit: ActionLimit | SpendingLimit, places: list[Schema], currencies: dict[tuple[str, str], tuple[str, int]]
) -> Iterator[str]:
    currency = limit.unit if isinstance(limit, SpendingLimit) else limit.currency
    declared = next((str(place["currency"]) for place in places if place.get("currency")), "")
    if isinstance(limit, ActionLimit) and limit.of is not LimitOf.NUMBER:
        return
    if declared and currency != declared:
        yield f"it is an amount in {declared}, not in {currency or 'a number without a currency'}"
        return
    if not currency:
        return
    known, line = currencies.setdefault((limit.tool, limit.argument), (currency, limit.line))
    if known != currency:
        yield f"it is an amount in {known} by line {line}, not in {currency}"
