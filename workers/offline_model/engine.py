"""The model itself: from a prompt to the text of its reply."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from plangate.agents import ScopeProblem
from plangate.plans import PlanProposal
from workers.offline_model.answering import answer, plain_answer
from workers.offline_model.loading import FILE, Loaded, load_rules
from workers.offline_model.prompts import Prompt
from workers.offline_model.proposing import propose
from workers.offline_model.schemas import smallest

_NO_RULES = (
    "This is Plangate's offline model, which follows rules instead of thinking, and it has no rules for the agent "
    "{agent!r}. Add them in {agent}/offline.yaml (docs/offline-model.md says how), or set OPENAI_API_KEY to use a "
    "real model."
)
_BROKEN_RULES = (
    "This is Plangate's offline model, and its rules for the agent {agent!r} have mistakes, so it can't follow them: "
    "{problems}"
)


@dataclass
class OfflineModel:
    """Answers prompts by the rules in the agents' folders. A file that changed is read again.

    Args:
        folders: Agent folders, or folders that contain some; the first that has an agent wins.
    """

    folders: tuple[Path, ...] = ()
    _read: dict[Path, tuple[float, Loaded]] = field(default_factory=dict)

    def reply(self, prompt: Prompt) -> str:
        """The text of the reply: a proposal as JSON for plan and revise, prose for answers."""
        loaded = self._rules(prompt.agent)
        if prompt.task in ("plan", "revise"):
            proposal = self._propose(prompt, loaded)
            return proposal.model_dump_json(exclude_defaults=True)
        if prompt.schema is not None:
            return json.dumps(smallest(prompt.schema))
        if prompt.task != "answer":
            return "I am Plangate's offline model. I follow the rules in an agent's folder and know nothing else."
        if loaded is None or loaded.rules is None:
            return plain_answer(prompt.results)
        return answer(loaded.rules, prompt)

    def problems(self) -> list[ScopeProblem]:
        """The mistakes of all rule files."""
        return [problem for path in self._files() for problem in self._load(path).problems]

    def agents(self) -> list[str]:
        """The agents that have rules."""
        return sorted({path.parent.name for path in self._files()})

    def _files(self) -> list[Path]:
        return [path for folder in self.folders for path in [*folder.glob(FILE), *sorted(folder.glob(f"*/{FILE}"))]]

    def _propose(self, prompt: Prompt, loaded: Loaded | None) -> PlanProposal:
        agent = prompt.agent or "(none)"
        if loaded is None:
            return PlanProposal(action="decline", message=_NO_RULES.format(agent=agent))
        if loaded.rules is None:
            problems = "; ".join(str(problem) for problem in loaded.problems)[:3000]
            return PlanProposal(action="decline", message=_BROKEN_RULES.format(agent=agent, problems=problems))
        return propose(loaded.rules, prompt)

    def _rules(self, agent: str) -> Loaded | None:
        if not agent or agent.startswith(".") or "/" in agent or "\\" in agent:
            return None
        for folder in self.folders:
            path = (folder if folder.name == agent and (folder / FILE).is_file() else folder / agent) / FILE
            if path.is_file():
                return self._load(path)
        return None

    def _load(self, path: Path) -> Loaded:
        changed = path.stat().st_mtime
        known = self._read.get(path)
        if known is None or known[0] != changed:
            known = self._read[path] = (changed, load_rules(path))
        return known[1]
