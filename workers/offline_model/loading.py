"""Reading `offline.yaml`: every mistake at once, each with its file and line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from plangate.agents import ScopeProblem
from plangate.plans import Plan
from workers.offline_model.rules import Rules, Situation, StepRule

FILE = "offline.yaml"
MAX_BYTES = 1_000_000
_TAKEN = frozenset(
    "all gaps goal input intent item outcome request revision said steps today user why".split()  # noqa: SIM905
)
"""Names that expressions know already: no step may hide them."""
_Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Loaded:
    """A rules file, read: its rules, or what is wrong with it."""

    rules: Rules | None
    problems: list[ScopeProblem] = field(default_factory=list)


def load_rules(path: Path) -> Loaded:
    """Read and check one `offline.yaml`.

    Never raises for what stands in the file: mistakes are in `problems`, and then there are no rules.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Loaded(None, [ScopeProblem(file=name, problem=f"can't be read: {error}")])
    if len(text) > MAX_BYTES:
        return Loaded(None, [ScopeProblem(file=name, problem=f"is larger than {MAX_BYTES:,} characters")])
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            data = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return Loaded(None, [_syntax_problem(name, error)])
    lines: dict[_Place, int] = {}
    problems = [ScopeProblem(file=name, line=line, problem=problem) for line, problem in _walk(node, (), lines)]
    if not isinstance(data, dict):
        problem = "must be an object with `intents` and `decline`; see docs/offline-model.md"
        return Loaded(None, [*problems, ScopeProblem(file=name, line=1, problem=problem)])
    try:
        rules = Rules.model_validate(data)
    except ValidationError as error:
        problems += [_schema_problem(name, lines, issue) for issue in error.errors(include_url=False)]
        return Loaded(None, _in_order(problems))
    for place, problem in _cross_checks(rules):
        problems.append(ScopeProblem(file=name, line=_line(lines, place), problem=problem))
    return Loaded(None if problems else rules, _in_order(problems))


def _in_order(problems: list[ScopeProblem]) -> list[ScopeProblem]:
    return sorted(problems, key=lambda problem: problem.line or 0)


def _syntax_problem(name: str, error: Exception) -> ScopeProblem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error) or type(error).__name__
    return ScopeProblem(file=name, line=mark.line + 1 if mark else None, problem=f"not YAML: {what}")


def _walk(node: Any, place: _Place, lines: dict[_Place, int]) -> Iterator[tuple[int, str]]:
    """Note the line of every value; yield keys that stand twice."""
    if node is None or place in lines:
        return
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                yield line, f"the key {key.value!r} stands twice"
            seen.add(key.value)
            yield from _walk(value, (*place, key.value), lines)
            lines[(*place, key.value)] = line
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*place, index), lines)


def _line(lines: dict[_Place, int], place: _Place) -> int | None:
    """The line of a place, or of the nearest place around it; a `0` may be the schema's, for a list of one value."""
    found: _Place = ()
    for part in place:
        if (*found, part) in lines:
            found = (*found, part)
        elif part != 0:
            break
    return lines.get(found)


def _schema_problem(name: str, lines: dict[_Place, int], issue: Any) -> ScopeProblem:
    place = tuple(issue["loc"])
    message = str(issue["msg"]).removeprefix("Value error, ")
    if issue["type"] == "extra_forbidden":
        message = "there is no such field"
    where = ".".join(str(part) for part in place)
    return ScopeProblem(file=name, line=_line(lines, place), problem=f"{where}: {message}")


def _cross_checks(rules: Rules) -> Iterator[tuple[_Place, str]]:
    """What no single field can show: names that lead nowhere, steps that don't make a plan."""
    names = {*rules.words, *rules.entities}
    for twice in sorted(rules.words.keys() & rules.entities.keys()):
        yield ("entities", twice), f"{twice!r} is the name of a word list too"
    for name, step in rules.steps.items():
        if step.use is not None:
            yield ("steps", name), "a step of `steps:` doesn't `use` another"
    for key, intent in rules.intents.items():
        for name in intent.match:
            if name not in names:
                hint = _nearest(name, names)
                yield ("intents", key, "match", name), f"{name!r} is neither in `words` nor in `entities`{hint}"
        for part in ("plan", "revise"):
            for index, situation in enumerate(getattr(intent, part)):
                yield from _situation_checks(rules, ("intents", key, part, index), situation)


def _nearest(name: str, names: Iterable[str]) -> str:
    """Like `plangate.validation.nearest`, without loading jsonschema: this process starts fast."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _situation_checks(rules: Rules, place: _Place, situation: Situation) -> Iterator[tuple[_Place, str]]:
    steps: list[dict[str, Any]] = []
    for index, step in enumerate(situation.steps or []):
        if step.use is not None and step.use not in rules.steps:
            hint = _nearest(step.use, rules.steps)
            yield (*place, "steps", index), f"there is no step {step.use!r} in `steps:`{hint}"
            return
        fields = step_fields(rules, step)
        if fields.get("id") in _TAKEN or fields.get("id") in rules.entities:
            yield (*place, "steps", index), f"the id {fields['id']!r} is the name of something else in expressions"
        steps.append(fields)
    try:
        Plan.model_validate({"steps": steps})
    except ValidationError as error:
        for issue in error.errors(include_url=False):
            where = ".".join(str(part) for part in issue["loc"][2:])
            yield (*place, *issue["loc"]), f"{where}: {issue['msg'].removeprefix('Value error, ')}"


def step_fields(rules: Rules, step: StepRule) -> dict[str, Any]:
    """A step's fields, those of the step that it uses included; the used step's name is the default id."""
    if step.use is None:
        return step.fields
    return {"id": step.use, **rules.steps[step.use].fields, **step.fields}
