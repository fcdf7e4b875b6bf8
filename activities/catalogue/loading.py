"""Loads one agent folder: everything right, or every mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from activities.catalogue.code import Package, import_file
from activities.catalogue.dependencies import check_dependencies
from activities.catalogue.files import read_folder, version
from activities.catalogue.limits import check_limits
from activities.catalogue.presidio import check_presidio
from activities.catalogue.problems import BrokenAgent
from activities.catalogue.rules import SCOPE_FILE, check_rules, check_summary
from activities.catalogue.settings import read_settings
from activities.catalogue.tools import ToolsFound, read_tools
from plangate.action_limits import LimitOf, strictest
from plangate.agents import AgentSettings, AgentSummary, Scope
from plangate.credentials import CredentialSource
from plangate.errors import ErrorType, PlangateError
from plangate.flow import FlowRules, flow_rules
from plangate.health_checks import HealthCheck
from plangate.policy import Action, Verdict
from plangate.problems import Problems
from plangate.result_forms import Form, form_of_type
from plangate.scope import parse_scope
from plangate.spending import SpendingLimit
from plangate.tool_policy import ToolPolicy
from plangate.toolkit import Tool
from plangate.wording import suggestion
from plangate.yaml_files import read_yaml

AGENT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
RESERVED_AGENTS = frozenset(
    {
        "agents",
        "answer",
        "credentials",
        "database",
        "db",
        "health",
        "model",
        "new",
        "plan",
        "screen",
        "temporal",
    }
)
"""Words that begin Plangate's own `PLANGATE_…` variables (settings would be read from them), and `new`."""
PROMPTS = ("prompts/planner.md", "prompts/responder.md")


@dataclass(frozen=True)
class LoadedAgent:
    """An agent folder, read and found right.

    Attributes:
        name: The folder's name.
        folder: Where it is.
        version: 16 hexadecimal digits of a hash over its scope, settings, prompts, code and knowledge.
        settings: `agent.yaml`.
        scope: `scope.md`.
        tools: By name.
        planner_prompt: Extra instructions for the planner, or empty.
        responder_prompt: Extra instructions for the answer, or empty.
        knowledge: The files of `knowledge/`.
        package: The folder's Python files.
        health: Health checks by dependency.
        credentials: Sources of credentials by name.
    """

    name: str
    folder: Path
    version: str
    settings: AgentSettings
    scope: Scope
    tools: dict[str, Tool]
    planner_prompt: str
    responder_prompt: str
    knowledge: tuple[Path, ...]
    package: Package
    health: dict[str, HealthCheck] = field(default_factory=dict)
    credentials: dict[str, CredentialSource] = field(default_factory=dict)

    @cached_property
    def policies(self) -> dict[str, ToolPolicy]:
        """The policy of every tool, with its rule in short."""
        return {name: self._policy(name, tool) for name, tool in self.tools.items()}

    def _policy(self, name: str, tool: Tool) -> ToolPolicy:
        rule, limits = self.scope.tools[name].rule.short, self.scope.actions_of(name)
        counted = any(limit.of is LimitOf.CALLS for limit in limits)
        guarded = bool(self.scope.tools[name].never)
        policy = tool.policy("when" if rule == "allow" and limits else rule, guarded=guarded)
        return policy.model_copy(update={"counted": True}) if counted else policy

    @cached_property
    def spending(self) -> list[SpendingLimit]:
        """The budgets of its scope."""
        return [limit.model_copy(update={"agent": self.name}) for limit in self.scope.spending]

    @cached_property
    def flow_rules(self) -> dict[str, FlowRules]:
        """What the rules of information flow need to know of every tool."""
        return {name: flow_rules(tool, self.scope.tools.get(name)) for name, tool in self.tools.items()}

    @cached_property
    def schemas(self) -> dict[str, dict[str, Any]]:
        """The JSON schema of every tool's arguments."""
        return {name: tool.schema for name, tool in self.tools.items()}

    @cached_property
    def results(self) -> dict[str, Form]:
        """What every tool's result may look like."""
        return {name: form_of_type(tool.returns) for name, tool in self.tools.items()}

    def tool(self, name: str) -> Tool:
        """A tool.

        Raises:
            PlangateError: With type `UnknownTool`; names the nearest and lists the known ones.
        """
        if name not in self.tools:
            hint = suggestion(name, self.tools) or "."
            raise PlangateError(
                f"the agent {self.name!r} has no tool {name!r}{hint} It has {', '.join(sorted(self.tools)) or 'none'}",
                type=ErrorType.UNKNOWN_TOOL,
            )
        return self.tools[name]

    def policy(self, tool_name: str) -> ToolPolicy:
        """What the workflow needs to call a tool.

        Raises:
            PlangateError: With type `UnknownTool`.
        """
        return self.policies[self.tool(tool_name).name]

    def verdict(self, tool_name: str, args: Mapping[str, Any], *, user: str | None = None, nth: int = 0) -> Verdict:
        """What the scope says of a call with these bound arguments; what it doesn't know it blocks.

        Args:
            tool_name: The tool.
            args: The bound arguments.
            user: Who asked for the run.
            nth: Which call of the tool in its run this is, from 1; 0 when that doesn't matter.
        """
        entry = self.scope.tools.get(tool_name)
        if entry is None or tool_name not in self.tools:
            reason = f"the scope of {self.name} has no tool {tool_name!r}"
            return Verdict(action=Action.BLOCK, rule="scope.tools", reason=reason)
        limits = [limit.verdict(args, user=user, nth=nth) for limit in self.scope.actions_of(tool_name)]
        return strictest([entry.rule.verdict(tool_name, args), *limits])

    def tool_settings(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """The agent's settings for its tools: `agent.yaml`, overridden by `PLANGATE_<AGENT>_<NAME>`."""
        return {name: environ.get(self.variable(name), value) for name, value in self.settings.settings.items()}

    def variable(self, setting: str) -> str:
        """The environment variable that overrides a setting."""
        return f"PLANGATE_{self.name}_{setting}".upper().replace("-", "_")

    def module(self, name: str) -> ModuleType | None:
        """A module of the folder beside `tools.py`, such as `setup` or `services`; None when there is none."""
        if f"{name}.py" not in self.package.sources:
            return None
        return import_file(self.package, f"{name}.py")

    def summary(self) -> AgentSummary:
        """What `plangate agents list` and `show` say of it."""
        tools = [
            {
                "name": name,
                "description": tool.description,
                "effect": tool.settings.effect.value,
                "idempotency": tool.settings.idempotency.value,
                "rule": self.scope.tools[name].rule.text,
                "arguments": self.schemas[name],
                "version": tool.version,
            }
            for name, tool in self.tools.items()
        ]
        return AgentSummary(
            name=self.name,
            title=self.settings.title or self.scope.title,
            description=self.settings.description,
            version=self.version,
            tools=tools,
            limits=self.scope.limits,
            examples=self.settings.examples,
        )


def load_agent(folder: Path) -> LoadedAgent:
    """Load an agent folder.

    Raises:
        BrokenAgent: With every mistake of the folder.
    """
    folder = folder.resolve()
    problems = Problems()
    _check_name(folder, problems)
    if not folder.is_dir():
        problems.add(folder.name, None, "there is no such folder")
        raise BrokenAgent(folder.name, problems.sorted())
    texts = read_folder(folder, problems)
    agent_version = version(texts)
    sources = {name: text for name, text in texts.items() if name.endswith(".py")}
    package = Package(folder.name.replace(".", "_"), agent_version, folder, sources)
    scope = _scope(texts, problems)
    settings = read_settings(texts["agent.yaml"], "agent.yaml", problems) if "agent.yaml" in texts else AgentSettings()
    if "offline.yaml" in texts:
        read_yaml(texts["offline.yaml"], "offline.yaml", problems)
    found = read_tools(package, problems) if "tools.py" in texts else ToolsFound()
    _check_together(scope, found, problems)
    check_dependencies(settings, found, texts.get("agent.yaml", ""), problems)
    if scope is not None and "agent.yaml" in texts:
        settings = check_presidio(folder, scope, settings, texts["agent.yaml"], problems)
    for name in PROMPTS:
        if name in texts and not texts[name].strip():
            problems.add(name, 1, "the prompt is empty: write it, or remove the file")
    if problems:
        raise BrokenAgent(folder.name, problems.sorted())
    assert scope is not None
    return LoadedAgent(
        name=folder.name,
        folder=folder,
        version=agent_version,
        settings=settings,
        scope=scope,
        tools=found.tools,
        planner_prompt=texts.get(PROMPTS[0], "").strip(),
        responder_prompt=texts.get(PROMPTS[1], "").strip(),
        knowledge=tuple(
            folder / name for name in sorted(texts) if name.startswith("knowledge/") and name.endswith(".md")
        ),
        package=package,
        health=found.health,
        credentials=found.credentials,
    )


def _check_name(folder: Path, problems: Problems) -> None:
    if not AGENT_NAME.fullmatch(folder.name):
        rule = "a-z, 0-9, '_' and '-', starting with a letter, at most 40 characters"
        problems.add(folder.name, None, f"invalid name of an agent folder {folder.name!r}: {rule}")
    elif folder.name in RESERVED_AGENTS:
        reserved = ", ".join(sorted(RESERVED_AGENTS))
        problems.add(folder.name, None, f"the agent name {folder.name!r} is reserved; reserved are {reserved}")


def _scope(texts: Mapping[str, str], problems: Problems) -> Scope | None:
    if SCOPE_FILE not in texts:
        return None
    scope, mistakes = parse_scope(texts[SCOPE_FILE], SCOPE_FILE)
    problems.extend(mistakes)
    return scope


def _check_together(scope: Scope | None, found: ToolsFound, problems: Problems) -> None:
    if scope is not None:
        check_rules(scope, found, problems)
        check_limits(scope, found, problems)
    for name, tool in found.tools.items():
        check_summary(tool, *found.places[name], problems)
        if problem := _compensation_problem(tool, found):
            problems.add(*found.places[name], problem)


def _compensation_problem(tool: Tool, found: ToolsFound) -> str | None:
    undo = tool.settings.compensation
    if undo is None:
        return None
    other = found.tools.get(undo.tool)
    if other is None:
        return f"the compensation of {tool.name!r} is the tool {undo.tool!r}, which the agent does not have"
    if unknown := sorted(undo.args.keys() - other.arguments.model_fields.keys()):
        return f"the compensation of {tool.name!r} gives {unknown[0]!r}, which {undo.tool!r} does not take"
    needed = {name for name, field in other.arguments.model_fields.items() if field.is_required()}
    if missing := sorted(needed - undo.args.keys()):
        return f"the compensation of {tool.name!r} leaves out {missing[0]!r}, which {undo.tool!r} needs"
    return None
