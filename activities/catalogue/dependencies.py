"""Checks the limits that an agent names against what its tools depend on."""

from __future__ import annotations

import yaml

from activities.catalogue.tools import ToolsFound
from plangate.agents import AgentSettings
from plangate.problems import Problems
from plangate.wording import suggestion
from plangate.yaml_files import line_at


def check_dependencies(settings: AgentSettings, found: ToolsFound, text: str, problems: Problems) -> None:
    """Note limits of what no tool depends on."""
    if not settings.dependencies or not found.complete:
        return
    known = {tool.dependency for tool in found.tools.values()}
    listed = ", ".join(sorted(known)) or "nothing"
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for name in settings.dependencies:
        if name not in known and node is not None:
            hint = suggestion(name, known) or "."
            problems.add(
                "agent.yaml",
                line_at(node, ("dependencies", name)),
                f"dependencies: no tool depends on {name!r}{hint} They depend on {listed}",
            )
