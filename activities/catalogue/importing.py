"""Imports an agent's files, and turns whatever goes wrong into mistakes with file and line."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from activities.catalogue.code import Package, import_file
from plangate.problems import Problems

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def parse_all(package: Package, problems: Problems) -> dict[str, ast.Module]:
    """The syntax trees of a package's files; those that aren't Python are noted and left out."""
    return {file: tree for file, text in package.sources.items() if (tree := _parse(file, text, problems))}


def import_noting(
    package: Package, file: str, trees: Mapping[str, ast.Module], problems: Problems
) -> ModuleType | None:
    """Import a file; a function whose decorator fails is noted and left undecorated, to see the others."""
    while True:
        try:
            return import_file(package, file)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an agent's code can raise anything
            place, line = _raised_at(error, package.folder, file)
            node = function_decorated_at(trees.get(place), line)
            if node is None or not isinstance(error, TypeError):
                problems.add(place, line, _import_problem(error, package))
                return None
            problems.add(place, node.lineno, str(error))
            package.without_decorators.add((place, node.lineno))


def _raised_at(error: BaseException, folder: Path, file: str) -> tuple[str, int | None]:
    """The last line of the folder's own code on the way to an error."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix(), frame.lineno
    return file, None


def _import_problem(error: BaseException, package: Package) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, ModuleNotFoundError) and error.name and f"{error.name.split('.')[0]}.py" in package.sources:
        return f"can't be imported: {text}; for a file of this folder write `from .{error.name} import …`"
    return f"can't be imported: {type(error).__name__}{': ' if text else ''}{text}"


def function_decorated_at(tree: ast.Module | None, line: int | None) -> FunctionNode | None:
    """The function that has a decorator on this line."""
    for node in ast.walk(tree) if tree and line else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                if decorator.lineno <= (line or 0) <= (decorator.end_lineno or 0):
                    return node
    return None


def _parse(file: str, text: str, problems: Problems) -> ast.Module | None:
    try:
        return ast.parse(text, file)
    except SyntaxError as error:
        problems.add(file, error.lineno, f"not Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        problems.add(file, None, f"not Python: {error}")
    return None
