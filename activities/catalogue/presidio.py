"""Checks what an agent wants of Presidio: that models load, and that they find what the scope names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from activities.catalogue.rules import SCOPE_FILE
from activities.guardrails.presidio.analysing import Sought, analyser, unknown
from activities.guardrails.presidio.pipelines import Unusable, is_folder, load_presidio, pipeline
from plangate.agents import AgentSettings, PresidioSettings, Scope
from plangate.guardrail_rows import PRESIDIO
from plangate.problems import Problems
from plangate.yaml_files import line_at

SETTINGS_FILE = "agent.yaml"


def check_presidio(folder: Path, scope: Scope, settings: AgentSettings, text: str, problems: Problems) -> AgentSettings:
    """Note what is missing or unknown, and load the models, so that a worker finds out at its start.

    Args:
        folder: The agent's; models that are paths are relative to it.
        scope: What is to be looked for.
        settings: With what.
        text: Of `agent.yaml`, for the lines.
        problems: Where mistakes are noted.

    Returns:
        The settings, with absolute paths of models.
    """
    entities, line, presidio = scope.guardrails.presidio_entities, scope.guardrails.presidio_line, settings.presidio
    wrong = {problem.file for problem in problems.sorted()}
    if SETTINGS_FILE in wrong or (not entities and SCOPE_FILE in wrong):
        return settings  # what wasn't read can't be missed
    if presidio is None:
        if entities:
            hint = "add for example `presidio: {models: {en: en_core_web_sm}}` to agent.yaml"
            problems.add(SCOPE_FILE, line, f"{PRESIDIO!r} needs a spaCy model: {hint}")
        return settings
    if not entities:
        row = f"`| {PRESIDIO} | PERSON |`"
        problem = f"presidio: {SCOPE_FILE} doesn't say what to look for; add a row like {row} to its guardrails"
        problems.add(SETTINGS_FILE, _line(text, "presidio"), problem)
        return settings
    models = {language: _absolute(folder, model) for language, model in presidio.models.items()}
    presidio = presidio.model_copy(update={"models": models})
    unusable = list(_unusable(presidio))
    for where, why in unusable:
        problems.add(SETTINGS_FILE, _line(text, *where), f"{'.'.join(where)}: {why}")
    if not unusable:
        _check_entities(presidio, entities, line, text, problems)
    return settings.model_copy(update={"presidio": presidio})


def _absolute(folder: Path, model: str) -> str:
    return str((folder / Path(model).expanduser()).resolve()) if is_folder(model) else model


def _unusable(presidio: PresidioSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """What isn't there, with its place in agent.yaml."""
    try:
        load_presidio()
    except Unusable as error:
        yield ("presidio",), str(error)
        return
    for language, model in presidio.models.items():
        where = ("presidio", "models", language)
        try:
            of = str(pipeline(model).lang)
        except Unusable as error:
            yield where, str(error)
            continue
        if of not in (language, "xx"):
            yield where, f"the spaCy pipeline {model!r} is one for {of!r}: write `{of}: {model}`"


def _check_entities(
    presidio: PresidioSettings, entities: tuple[str, ...], line: int, text: str, problems: Problems
) -> None:
    sought = Sought(tuple(presidio.models.items()), entities, presidio.score)
    try:
        found = analyser(sought).finds
    except Unusable as error:
        problems.add(SETTINGS_FILE, _line(text, "presidio"), f"presidio: {error}")
        return
    for problem in unknown(sought, found).values():
        problems.add(SCOPE_FILE, line, f"{PRESIDIO!r}: {problem}")
    for language, names in found.items():
        if not names.intersection(entities):
            place = ("presidio", "models", language)
            problem = f"{'.'.join(place)}: nothing that {SCOPE_FILE} names is found in this language; take it out"
            problems.add(SETTINGS_FILE, _line(text, *place), problem)


def _line(text: str, *where: str) -> int | None:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return line_at(node, where) if node is not None else None
