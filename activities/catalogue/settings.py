"""Reads `agent.yaml`: strict YAML, with the line of every mistake."""

from __future__ import annotations

import re
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from activities.catalogue.problems import Problems
from plangate.agents import AgentSettings, ModelSettings
from plangate.scope import suggestion

SETTING_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
MODELS: dict[tuple[str, ...], type[BaseModel]] = {(): AgentSettings, ("models",): ModelSettings}
"""The model that stands at a place of the file, to suggest its fields."""


def read_settings(text: str, file: str, problems: Problems) -> AgentSettings:
    """The settings of an agent; mistakes are noted, and what is wrong then has its default."""
    node, value = read_yaml(text, file, problems)
    if node is None:
        return AgentSettings()
    if not isinstance(node, yaml.MappingNode):
        problems.add(file, _line(node), "should be names with values, for example `title: Support desk`")
        return AgentSettings()
    try:
        settings = AgentSettings.model_validate(value)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False):
            where = each["loc"]
            problems.add(file, _place(node, where), _setting_problem(where, each["type"], each["msg"]))
        return AgentSettings()
    for name in settings.settings:
        if not SETTING_NAME.fullmatch(name):
            line = _place(node, ("settings", name))
            problems.add(
                file, line, f"invalid name of a setting {name!r}: a-z, 0-9, '_' and '-', starting with a letter"
            )
    return settings


def read_yaml(text: str, file: str, problems: Problems) -> tuple[yaml.Node | None, Any]:
    """The root node and the value of a YAML document; the node is None when it is empty or can't be read."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, None
        _check_keys(node, file, problems, set())
        return node, loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(file, mark.line + 1 if mark else None, f"not YAML: {error.problem or error.context}")
    except (yaml.YAMLError, ValueError) as error:
        problems.add(file, None, f"not YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        problems.add(file, None, "not usable YAML: nested too deeply")
    finally:
        loader.dispose()
    return None, None


def _check_keys(node: yaml.Node, file: str, problems: Problems, seen: set[int]) -> None:
    """YAML keeps the last of two equal keys; here that is a mistake."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in names:
                problems.add(file, _line(key), f"the key {name!r} stands twice; first in line {names[name]}")
            names.setdefault(name, _line(key))
            _check_keys(value, file, problems, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_keys(value, file, problems, seen)


def _setting_problem(where: tuple[str | int, ...], kind: str, message: str) -> str:
    """pydantic's mistake in the words of someone who edits the file."""
    name = ".".join(map(str, where))
    if kind == "extra_forbidden":
        model = MODELS.get(tuple(map(str, where[:-1])), AgentSettings)
        hint = suggestion(str(where[-1]), model.model_fields) or "."
        return f"unknown key {name!r}{hint} Known are {', '.join(model.model_fields)}"
    if kind == "string_type":
        return f"{name}: should be text; put a number, a date, yes or no in quotes"
    return f"{name}: {message[:1].lower()}{message[1:]}"


def _place(node: yaml.Node, where: tuple[str | int, ...]) -> int:
    """The line of the deepest key or item on the way to a place."""
    line = _line(node)
    for part in where:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if str(key.value) == str(part)), None)
            if pair is None:
                break
            line, node = _line(pair[0]), pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = _line(node)
    return line


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
