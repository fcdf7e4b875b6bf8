"""Reads fault plans: every mistake at once, each with its line and what is allowed there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from plangate.errors import InvalidInput
from plangate.faultplan import FaultPlan, FaultRule, Match
from plangate.faults import KINDS, OPTIONS, TOOL, Fault, Kind
from plangate.problems import Problems
from plangate.yaml_files import line_at, read_yaml

Where = tuple[str | int, ...]
_FIELDS = {
    "rule": (*FaultRule.model_fields,),
    "match": (*Match.model_fields,),
    "file": (*FaultPlan.model_fields,),
}
_PLAIN = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def parse_fault_plan(text: str, *, source: str, names: Collection[str] | None = None) -> FaultPlan:
    """A fault plan from YAML (or JSON).

    Args:
        text: The file's content.
        source: The file's name, for messages.
        names: The tools and their dependencies that there are; without it any name may be one.

    Raises:
        InvalidInput: With every mistake as a detail: `FILE:LINE: faults.0.fault: …`.
    """
    problems = Problems()
    node, value = read_yaml(text, source, problems)
    rules: list[FaultRule] = []
    if node is not None and not problems:
        for where, problem in _mistakes(value, names, rules):
            path = ".".join(map(str, where))
            problems.add(source, line_at(node, where), f"{path}: {problem}" if path else problem)
    found = problems.sorted()
    if found:
        count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
        raise InvalidInput(f"{source} is not a fault plan; it has {count}", details=[str(each) for each in found])
    return FaultPlan(seed=(value or {}).get("seed", 0), faults=rules)


def _mistakes(value: Any, names: Collection[str] | None, rules: list[FaultRule]) -> Iterator[tuple[Where, str]]:
    """Every mistake of a file's content; rules without one are added to `rules`."""
    if not isinstance(value, dict):
        yield (), f"a fault plan is an object with {_list(_FIELDS['file'])}"
        return
    for name in value.keys() - set(_FIELDS["file"]):
        yield (str(name),), _unknown("file")
    seed = value.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        yield ("seed",), f"{seed!r} isn't a whole number"
    listed = value.get("faults") or []
    if not isinstance(listed, list):
        yield ("faults",), "has to be a list of rules"
        return
    for index, raw in enumerate(listed):
        where: Where = ("faults", index)
        found = [((*where, *place), problem) for place, problem in _rule_mistakes(raw, names)]
        yield from found
        if not found:
            rules.append(FaultRule.model_validate(raw))


def _rule_mistakes(raw: Any, names: Collection[str] | None) -> Iterator[tuple[Where, str]]:
    if not isinstance(raw, dict):
        yield (), f"a rule is an object with {_list(_FIELDS['rule'])}"
        return
    told: set[Where] = set()
    dependency, kind = raw.get("dependency", "model"), None
    if isinstance(dependency, str) and dependency:
        kind = KINDS.get(dependency)
        if kind is None and (names is None or dependency in names):
            kind = TOOL
        if kind is None:
            told.add(("dependency",))
            yield ("dependency",), f"{dependency!r} isn't known here; allowed: {_list([*KINDS, *sorted(names or ())])}"
    if kind is not None:
        for where, problem in _unfit(raw, dependency, kind):
            told.add(where)
            yield where, problem
    try:
        FaultRule.model_validate(raw)
    except ValidationError as error:
        for issue in error.errors(include_url=False):
            where = tuple(part for part in issue["loc"] if part != "skip") or ("after",)
            if where not in told:
                yield where, _said(issue)


def _unfit(raw: dict[str, Any], dependency: str, kind: Kind) -> Iterator[tuple[Where, str]]:
    """What doesn't belong together."""
    fault, call = raw.get("fault"), raw.get("call")
    if isinstance(fault, str) and fault not in kind.faults:
        about = f"{dependency!r}" if kind is not TOOL else f"the tool or tools of {dependency!r}"
        yield ("fault",), f"{fault!r} isn't a fault of {about}; allowed: {_list(kind.faults)}"
    if kind.calls and (call is not None or kind.needs_call) and call not in kind.calls:
        wrong = "is missing" if call is None else f"{call!r} isn't a call of {dependency!r}"
        yield ("call",), f"{wrong}; allowed: {_list(kind.calls)}"
    for each, calls in kind.only.items():
        if fault == each and call not in calls:
            yield ("call",), f"{fault!r} happens in {_list(calls)} only; set `call`"
    match = raw.get("match")
    if isinstance(match, dict):
        for name in match.keys() - kind.match:
            yield ("match", str(name)), f"isn't a condition for {dependency!r}; allowed: {_list(sorted(kind.match))}"
    for name in raw.keys() & OPTIONS.keys():
        if fault in list(Fault) and Fault(fault) not in OPTIONS[name]:
            yield (str(name),), f"{fault!r} has no such option; it is for {_list(sorted(OPTIONS[name]))}"


def _said(issue: Any) -> str:
    kind, context = issue["type"], issue.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown("match" if issue["loc"][0] == "match" and len(issue["loc"]) > 1 else "rule")
    if kind == "missing":
        return "is missing"
    if kind in ("enum", "literal_error"):
        return f"{issue['input']!r} isn't allowed; allowed: {context['expected'].replace(' or ', ', ')}"
    if kind in _PLAIN:
        return f"{issue['input']!r} isn't {_PLAIN[kind]}"
    return str(issue["msg"][:1].lower() + issue["msg"][1:])


def _unknown(what: str) -> str:
    return f"isn't known here; allowed: {_list(_FIELDS[what])}"


def _list(names: Collection[str]) -> str:
    ordered = [fault.value for fault in Fault if fault in names] if isinstance(names, frozenset) else list(names)
    return ", ".join(ordered)


def dump_fault_plan(plan: FaultPlan) -> str:
    """A fault plan as YAML."""
    return yaml.safe_dump(plan.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
