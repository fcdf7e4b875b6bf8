"""Reads an agent's tools: imports `tools.py`, and turns whatever goes wrong into mistakes with file and line."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from activities.catalogue.code import Package, import_file
from activities.catalogue.problems import Problems
from plangate.plans import RESERVED_NAMES
from plangate.toolkit import TOOL_ATTRIBUTE, Effect, Idempotency, Tool

FILE = "tools.py"
TOOL_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
RESERVED = RESERVED_NAMES | {"admit", "bind_call", "evaluate", "make_plan", "record", "respond", "tool"}
"""Tools are activities by their name: these are Plangate's own activities, and the names of a plan's scope."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class ToolsFound:
    """What `tools.py` holds.

    Attributes:
        tools: Usable tools by name.
        places: File and line of every tool by name, those that aren't usable included.
        complete: Whether the file could be imported, so that a name that isn't in `places` isn't a tool.
    """

    tools: dict[str, Tool] = field(default_factory=dict)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    complete: bool = False


def read_tools(package: Package, problems: Problems) -> ToolsFound:
    """Import an agent's tools; mistakes are noted."""
    trees = {file: tree for file, text in package.sources.items() if (tree := _parse(file, text, problems))}
    found = ToolsFound()
    for file, tree in trees.items():
        for node in _decorated(tree):
            if node.name in found.places and found.places[node.name][0] == file:
                first = found.places[node.name][1]
                problems.add(file, node.lineno, f"the tool {node.name!r} is defined twice; first in line {first}")
            found.places.setdefault(node.name, (file, node.lineno))
    if len(trees) < len(package.sources):
        return found
    module = _import(package, trees, problems)
    if module is None:
        return found
    found.complete = True
    for tool in _tools_of(module):
        file, line = _place(tool, package)
        found.places[tool.name] = (file, line)
        found.tools[tool.name] = tool
        _check(tool, file, line, trees.get(file), problems)
    return found


def _parse(file: str, text: str, problems: Problems) -> ast.Module | None:
    try:
        return ast.parse(text, file)
    except SyntaxError as error:
        problems.add(file, error.lineno, f"not Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        problems.add(file, None, f"not Python: {error}")
    return None


def _import(package: Package, trees: dict[str, ast.Module], problems: Problems) -> ModuleType | None:
    """Import `tools.py`; a function whose decorator fails is noted and left undecorated, to see the others."""
    while True:
        try:
            return import_file(package, FILE)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an agent's code can raise anything
            file, line = _raised_at(error, package.folder)
            node = _function_decorated_at(trees.get(file), line)
            if node is None or not isinstance(error, TypeError):
                problems.add(file, line, _import_problem(error, package))
                return None
            problems.add(file, node.lineno, str(error))
            package.without_decorators.add((file, node.lineno))


def _raised_at(error: BaseException, folder: Path) -> tuple[str, int | None]:
    """The last line of the folder's own code on the way to an error."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix(), frame.lineno
    return FILE, None


def _import_problem(error: BaseException, package: Package) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, ModuleNotFoundError) and error.name and f"{error.name.split('.')[0]}.py" in package.sources:
        return f"can't be imported: {text}; for a file of this folder write `from .{error.name} import …`"
    return f"can't be imported: {type(error).__name__}{': ' if text else ''}{text}"


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


def _function_decorated_at(tree: ast.Module | None, line: int | None) -> FunctionNode | None:
    """The function that has a decorator on this line."""
    for node in ast.walk(tree) if tree and line else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                if decorator.lineno <= (line or 0) <= (decorator.end_lineno or 0):
                    return node
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
    node = _function_decorated_at(ast.parse(package.sources[file]), line)
    return file, node.lineno if node else line


def _check(tool: Tool, file: str, line: int, tree: ast.Module | None, problems: Problems) -> None:
    if not TOOL_NAME.fullmatch(tool.name):
        problems.add(file, line, f"invalid tool name {tool.name!r}: a-z, 0-9 and '_', starting with a letter")
    if tool.name in RESERVED:
        problems.add(file, line, f"the tool name {tool.name!r} is reserved; reserved are {', '.join(sorted(RESERVED))}")
    if tool.settings.effect is Effect.CONSEQUENTIAL and tool.settings.idempotency is Idempotency.NATURAL:
        node = next((n for n in _decorated(tree) if n.name == tool.name and n.lineno == line), None) if tree else None
        call = _tool_call(node) if node else None
        if call and not any(keyword.arg in ("idempotency", None) for keyword in call.keywords):
            modes = ", ".join(mode.value for mode in Idempotency)
            problems.add(
                file, line, f"the consequential tool {tool.name!r} has to choose its `idempotency`: one of {modes}"
            )
