"""Reads an agent's tools: imports `tools.py`, and turns whatever goes wrong into mistakes with file and line."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from activities.catalogue.code import Package
from activities.catalogue.importing import FunctionNode, function_decorated_at, import_noting, parse_all
from plangate.credentials import CredentialSource, source_of
from plangate.health_checks import HealthCheck, check_of
from plangate.plans import RESERVED_NAMES
from plangate.problems import Problems
from plangate.tool_policy import Effect, Idempotency
from plangate.toolkit import TOOL_ATTRIBUTE, Tool
from plangate.wording import suggestion

FILE = "tools.py"
SETUP_FILE = "setup.py"
TOOL_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
RESERVED = RESERVED_NAMES | {
    "admit",
    "bind_call",
    "evaluate",
    "find_effects",
    "free_places",
    "judge_plain",
    "make_plan",
    "preflight",
    "record",
    "respond",
    "tool",
}
"""Tools are activities by their name: these are Plangate's own activities, and the names of a plan's scope."""


@dataclass
class ToolsFound:
    """What `tools.py` holds.

    Attributes:
        tools: Usable tools by name.
        places: File and line of every tool by name, those that aren't usable included.
        health: Health checks by dependency.
        credentials: Sources of credentials by name.
        complete: Whether the file could be imported, so that a name that isn't in `places` isn't a tool.
    """

    tools: dict[str, Tool] = field(default_factory=dict)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    health: dict[str, HealthCheck] = field(default_factory=dict)
    credentials: dict[str, CredentialSource] = field(default_factory=dict)
    complete: bool = False


def read_tools(package: Package, problems: Problems) -> ToolsFound:
    """Import an agent's tools; mistakes are noted."""
    trees = parse_all(package, problems)
    found = ToolsFound()
    for file, tree in trees.items():
        for node in _decorated(tree):
            if node.name in found.places and found.places[node.name][0] == file:
                first = found.places[node.name][1]
                problems.add(file, node.lineno, f"the tool {node.name!r} is defined twice; first in line {first}")
            found.places.setdefault(node.name, (file, node.lineno))
    if len(trees) < len(package.sources):
        return found
    module = import_noting(package, FILE, trees, problems)
    if module is None:
        return found
    found.complete = True
    if SETUP_FILE in package.sources:
        _check_setup(import_noting(package, SETUP_FILE, trees, problems), problems)
    for tool in _tools_of(module):
        file, line = _place(tool, package)
        found.places[tool.name] = (file, line)
        found.tools[tool.name] = tool
        _check(tool, file, line, trees.get(file), problems)
    _read_health(module, found, package, problems)
    _read_credentials(module, found, package, problems)
    return found


def _read_health(module: ModuleType, found: ToolsFound, package: Package, problems: Problems) -> None:
    checks = {id(check): check for value in vars(module).values() if (check := check_of(value))}
    known = {tool.dependency for tool in found.tools.values()}
    for check in checks.values():
        file, line = _first_line(check.function, package)
        if check.dependency not in known:
            hint = suggestion(check.dependency, known) or "."
            problems.add(file, line, f"a health check of {check.dependency!r}, on which no tool depends{hint}")
        elif check.dependency in found.health:
            problems.add(file, line, f"a second health check of {check.dependency!r}")
        found.health[check.dependency] = check


def _read_credentials(module: ModuleType, found: ToolsFound, package: Package, problems: Problems) -> None:
    sources = {id(source): source for value in vars(module).values() if (source := source_of(value))}
    for source in sources.values():
        if source.name in found.credentials:
            problems.add(*_first_line(source.function, package), f"a second source of the credential {source.name!r}")
        found.credentials[source.name] = source


def _first_line(function: object, package: Package) -> tuple[str, int]:
    code = getattr(function, "__code__", None)
    path = Path(code.co_filename) if code else Path()
    file = path.relative_to(package.folder).as_posix() if path.is_relative_to(package.folder) else FILE
    return file, code.co_firstlineno if code else 1


def _decorated(tree: ast.Module) -> Iterator[FunctionNode]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _tool_call(node):
            yield node


def _tool_call(node: FunctionNode) -> ast.Call | None:
    """The call of `@tool(…)` on a function."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            name = decorator.func.attr if isinstance(decorator.func, ast.Attribute) else None
            name = decorator.func.id if isinstance(decorator.func, ast.Name) else name
            if name == "tool":
                return decorator
    return None


def _tools_of(module: ModuleType) -> list[Tool]:
    found = [getattr(value, TOOL_ATTRIBUTE, None) for value in vars(module).values() if callable(value)]
    return list({id(tool): tool for tool in found if isinstance(tool, Tool)}.values())


def _place(tool: Tool, package: Package) -> tuple[str, int]:
    code = tool.function.__code__
    path = Path(code.co_filename)
    if not path.is_relative_to(package.folder):
        return FILE, 1
    file = path.relative_to(package.folder).as_posix()
    line = code.co_firstlineno
    node = function_decorated_at(ast.parse(package.sources[file]), line)
    return file, node.lineno if node else line


def _check(tool: Tool, file: str, line: int, tree: ast.Module | None, problems: Problems) -> None:
    if not TOOL_NAME.fullmatch(tool.name):
        problems.add(file, line, f"invalid tool name {tool.name!r}: a-z, 0-9 and '_', starting with a letter")
    if tool.name in RESERVED:
        problems.add(file, line, f"the tool name {tool.name!r} is reserved; reserved are {', '.join(sorted(RESERVED))}")
    if problem := _read_back_problem(tool):
        problems.add(file, line, problem)
    if tool.settings.effect is Effect.CONSEQUENTIAL and tool.settings.idempotency is Idempotency.NATURAL:
        node = next((n for n in _decorated(tree) if n.name == tool.name and n.lineno == line), None) if tree else None
        call = _tool_call(node) if node else None
        if call and not any(keyword.arg in ("idempotency", None) for keyword in call.keywords):
            modes = ", ".join(mode.value for mode in Idempotency)
            problems.add(
                file, line, f"the consequential tool {tool.name!r} has to choose its `idempotency`: one of {modes}"
            )


def _read_back_problem(tool: Tool) -> str | None:
    """What is wrong with a `check` tool's read-back: it is called with the tool's own arguments."""
    if tool.read_back is None:
        return None
    wanted = [*tool.arguments.model_fields, *([tool.context_parameter] if tool.context_parameter else [])]
    try:
        inspect.signature(tool.read_back).bind(**dict.fromkeys(wanted))
    except TypeError as error:
        return f"the read-back of {tool.name!r} has to take the tool's parameters {', '.join(wanted)}: {error}"
    return None


def _check_setup(module: ModuleType | None, problems: Problems) -> None:
    """`setup.py` is for the worker's start: `async def setup(connection, settings)`."""
    if module is None:
        return
    setup = getattr(module, "setup", None)
    if not inspect.iscoroutinefunction(setup):
        problems.add(SETUP_FILE, None, "needs a function `async def setup(connection, settings)`")
        return
    try:
        inspect.signature(setup).bind(None, None)
    except TypeError as error:
        problems.add(
            SETUP_FILE, setup.__code__.co_firstlineno, f"`setup` is called with connection and settings: {error}"
        )
