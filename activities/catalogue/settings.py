"""Reads `agent.yaml`: strict YAML, with the line of every mistake."""

from __future__ import annotations

import re

import yaml
from pydantic import BaseModel, ValidationError

from plangate.agents import AgentSettings, CacheSettings, ModelSettings, PresidioSettings
from plangate.answer_schema import problem_of
from plangate.paces import ModelPace, Pace
from plangate.preflight import PreflightRules
from plangate.problems import Problems
from plangate.wording import suggestion
from plangate.yaml_files import line_at, line_of, read_yaml

SETTING_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    (): AgentSettings,
    ("models",): ModelSettings,
    ("model",): ModelPace,
    ("preflight",): PreflightRules,
    ("cache",): CacheSettings,
    ("presidio",): PresidioSettings,
}
"""The model that stands at a place of the file, to suggest its fields."""


def read_settings(text: str, file: str, problems: Problems) -> AgentSettings:
    """The settings of an agent; mistakes are noted, and what is wrong then has its default."""
    node, value = read_yaml(text, file, problems)
    if node is None:
        return AgentSettings()
    if not isinstance(node, yaml.MappingNode):
        problems.add(file, line_of(node), "should be names with values, for example `title: Support desk`")
        return AgentSettings()
    try:
        settings = AgentSettings.model_validate(value)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False):
            where = each["loc"]
            problems.add(file, line_at(node, where), _setting_problem(where, each["type"], each["msg"]))
        return AgentSettings()
    for name in settings.settings:
        if not SETTING_NAME.fullmatch(name):
            line = line_at(node, ("settings", name))
            problems.add(
                file, line, f"invalid name of a setting {name!r}: a-z, 0-9, '_' and '-', starting with a letter"
            )
    if settings.answer_schema is not None and (problem := problem_of(settings.answer_schema)):
        problems.add(file, line_at(node, ("answer_schema",)), f"answer_schema: {problem}")
    return settings


def _setting_problem(where: tuple[str | int, ...], kind: str, message: str) -> str:
    """pydantic's mistake in the words of someone who edits the file."""
    name = ".".join(map(str, where))
    if kind == "extra_forbidden":
        model = Pace if where[0] == "dependencies" else MODELS.get(tuple(map(str, where[:-1])), AgentSettings)
        hint = suggestion(str(where[-1]), model.model_fields) or "."
        return f"unknown key {name!r}{hint} Known are {', '.join(model.model_fields)}"
    if kind == "string_type":
        return f"{name}: should be text; put a number, a date, yes or no in quotes"
    return f"{name}: {message[:1].lower()}{message[1:]}"
