"""Limits of dependencies, from several agents and the worker's settings put together."""

from __future__ import annotations

from collections.abc import Mapping

from plangate.agents import AgentSettings
from plangate.paces import ModelPace, Pace, lower, over

MODEL = "model"
"""Name of the limits of models' endpoints; an endpoint's dependency is `model:HOST`."""


def by_dependency(agents: Mapping[str, AgentSettings]) -> dict[str, dict[str, Pace]]:
    """What each agent says, by dependency."""
    found: dict[str, dict[str, Pace]] = {}
    for name, settings in sorted(agents.items()):
        said: dict[str, Pace] = {**settings.dependencies, MODEL: settings.model}
        for dependency, pace in said.items():
            if ModelPace.model_validate(pace.model_dump()).limits:
                found.setdefault(dependency, {})[name] = pace
    return found


def put_together(agents: Mapping[str, AgentSettings], chosen: Mapping[str, ModelPace]) -> dict[str, ModelPace]:
    """The limits that hold: of what agents say the lowest; what the worker's settings say in its place.

    Raises:
        ValueError: A chosen burst is more than the requests per minute.
    """
    paces = {name: lower(said.values()) for name, said in by_dependency(agents).items()}
    for name, pace in chosen.items():
        default = paces.get(name) or (paces.get(MODEL) if name.startswith(f"{MODEL}:") else None) or ModelPace()
        paces[name] = over(default, pace.model_dump(include=pace.model_fields_set))
    return paces


def disagreements(agents: Mapping[str, AgentSettings]) -> list[str]:
    """Where agents name different limits for one dependency, and which one holds."""
    lines = []
    for dependency, said in by_dependency(agents).items():
        words = {name: ModelPace.model_validate(pace.model_dump()).in_words for name, pace in said.items()}
        if len(set(words.values())) > 1:
            each = "; ".join(f"{name} says {text}" for name, text in words.items())
            holds = lower(said.values()).in_words
            lines.append(f"{dependency}: {each}. The lowest of each holds for all: {holds}")
    return lines
