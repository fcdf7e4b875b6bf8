"""Checks agent folders the way the worker loads them, and the offline model's rules as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from activities.catalogue import BrokenAgent, LoadedAgent, agent_folders, agents_folder, load_agent
from plangate.agents import ScopeProblem
from plangate.errors import ErrorType, InvalidInput, PlangateError
from plangate.wording import suggestion
from workers.offline_model.loading import load_rules

RULES_FILE = "offline.yaml"


@dataclass(frozen=True)
class Checked:
    """One agent folder and its mistakes; without mistakes there is the agent."""

    name: str
    folder: Path
    agent: LoadedAgent | None = None
    problems: list[ScopeProblem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are no mistakes."""
        return not self.problems

    def data(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "ok": self.ok,
            "version": self.agent.version if self.agent else "",
            "problems": [problem.model_dump(mode="json") for problem in self.problems],
        }


def check_agents(what: Sequence[str], agents: str | None) -> list[Checked]:
    """Check agents.

    Args:
        what: Names of agents, agent folders or folders of these; empty for all agents.
        agents: The folder of agents, as `agents_folder` takes it.

    Raises:
        PlangateError: When there is no such folder or agent, or there are no agents at all.
    """
    folders = [folder for each in what for folder in _folders(each, agents)] if what else _all(agents_folder(agents))
    return [_check(folder) for folder in dict.fromkeys(folder.resolve() for folder in folders)]


def _all(root: Path) -> list[Path]:
    folders = agent_folders(root)
    if not folders:
        raise InvalidInput(f"there are no agents in {root}; `plangate agents new NAME` makes one")
    return folders


def _folders(what: str, agents: str | None) -> list[Path]:
    """The folders that a word on the command line means; a name of an agent comes before a folder of that name."""
    path = Path(what).expanduser()
    is_name = len(path.parts) == 1 and what not in (".", "..")
    names: list[str] = []
    if is_name:
        try:
            known = {folder.name: folder for folder in agent_folders(agents_folder(agents))}
        except InvalidInput:
            known = {}
        if what in known:
            return [known[what]]
        names = sorted(known)
    if path.is_dir():
        return agent_folders(path) or [path]
    if not is_name:
        raise InvalidInput(f"there is no folder {what!r}")
    hint = suggestion(what, names) or "."
    text = f"there is no agent and no folder {what!r}{hint} The agents are {', '.join(names) or 'none'}"
    raise PlangateError(text, type=ErrorType.UNKNOWN_AGENT)


def _check(folder: Path) -> Checked:
    agent: LoadedAgent | None = None
    problems: list[ScopeProblem] = []
    try:
        agent = load_agent(folder)
    except BrokenAgent as error:
        problems = error.problems
    if (folder / RULES_FILE).is_file() and not any(problem.file == RULES_FILE for problem in problems):
        rules = load_rules(folder / RULES_FILE)
        problems = [*problems, *(each.model_copy(update={"file": RULES_FILE}) for each in rules.problems)]
    return Checked(folder.name, folder, None if problems else agent, problems)
