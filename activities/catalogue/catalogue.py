"""All agents that a worker serves, and where their folders are."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from activities.catalogue.files import REQUIRED
from activities.catalogue.loading import LoadedAgent, load_agent
from activities.catalogue.problems import BrokenAgent
from plangate.agents import ScopeProblem
from plangate.errors import ErrorType, InvalidInput, PlangateError
from plangate.guardrails import GuardrailSettings
from plangate.wording import suggestion


@dataclass(frozen=True)
class Catalogue:
    """The agents that could be loaded, and the mistakes of those that could not.

    Attributes:
        agents: By name.
        broken: Every mistake of a broken folder, by its agent's name.
    """

    agents: dict[str, LoadedAgent] = field(default_factory=dict)
    broken: dict[str, list[ScopeProblem]] = field(default_factory=dict)

    @classmethod
    def load(cls, folders: Sequence[Path]) -> Catalogue:
        """Load the agents in these folders; each is an agent folder, or a folder of agent folders.

        A broken agent doesn't stop the others. Two folders for one name are a mistake of both.

        Raises:
            InvalidInput: When one of the folders doesn't exist.
        """
        by_name: dict[str, list[Path]] = {}
        for folder in dict.fromkeys(each.resolve() for root in folders for each in agent_folders(root)):
            by_name.setdefault(folder.name, []).append(folder)
        catalogue = cls()
        for name, same in sorted(by_name.items()):
            if len(same) > 1:
                places = " and ".join(map(str, same))
                catalogue.broken[name] = [ScopeProblem(file=name, problem=f"two folders for one agent: {places}")]
                continue
            try:
                catalogue.agents[name] = load_agent(same[0])
            except BrokenAgent as error:
                catalogue.broken[name] = error.problems
        return catalogue

    def get(self, name: str) -> LoadedAgent:
        """An agent.

        Raises:
            BrokenAgent: When its folder has mistakes.
            PlangateError: With type `UnknownAgent`; names the nearest and lists the known ones.
        """
        if name in self.agents:
            return self.agents[name]
        if name in self.broken:
            raise BrokenAgent(name, self.broken[name])
        known = sorted({*self.agents, *self.broken})
        hint = suggestion(name, known) or "."
        raise PlangateError(
            f"there is no agent {name!r}{hint} The agents are {', '.join(known) or 'none'}",
            type=ErrorType.UNKNOWN_AGENT,
        )

    def cost_factor(self, name: str) -> float | None:
        """How many times the usual a run or a day of an agent may cost before somebody is told; None for no alerts."""
        found = self.agents.get(name)
        return (found.scope.guardrails if found else GuardrailSettings()).alert_factor


def agent_folders(root: Path) -> list[Path]:
    """The agent folders in a folder, or the folder itself when it is one.

    Raises:
        InvalidInput: When there is no such folder.
    """
    if not root.is_dir():
        raise InvalidInput(f"there is no folder {str(root)!r} to read agents from; set PLANGATE_AGENTS or create it")
    if _is_agent(root):
        return [root]
    return sorted(child for child in root.iterdir() if not child.name.startswith((".", "_")) and _is_agent(child))


def agents_folder(explicit: str | None = None, *, bundled: Path | None = None) -> Path:
    """The folder of agents: the given one, else `./agents`, else the agents that ship with Plangate.

    Args:
        explicit: The value of `PLANGATE_AGENTS`.
        bundled: Where the shipped agents are; found by itself when left out.

    Raises:
        InvalidInput: When the given folder doesn't exist, or there is none at all.
    """
    if explicit:
        folder = Path(explicit).expanduser()
        if not folder.is_dir():
            raise InvalidInput(f"PLANGATE_AGENTS is {explicit!r}, but there is no such folder")
        return folder
    for candidate in (Path("agents"), bundled or bundled_agents()):
        if candidate is not None and candidate.is_dir():
            return candidate.resolve()
    raise InvalidInput("there are no agents: set PLANGATE_AGENTS to a folder of agent folders, or create ./agents")


def bundled_agents() -> Path | None:
    """The agents that ship with Plangate: in the installed package `workers`, or beside it in a source tree."""
    spec = importlib.util.find_spec("workers")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for folder in (Path(location) / "bundled_agents", Path(location).parent / "agents"):
            if folder.is_dir():
                return folder
    return None


def _is_agent(folder: Path) -> bool:
    return any((folder / name).is_file() for name in REQUIRED)
