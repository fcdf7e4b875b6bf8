"""Imports an agent's Python files from their texts, each agent and version as a package of its own.

`tools.py` of the folder `support` becomes `plangate_agents.support.<version>.tools`; files beside it are imported
relatively (`from .shop import Order`). So equally named files of two agents don't collide, two versions of one agent
can be in use at once, and what runs is exactly what the version was computed from: no cached bytecode, no second read.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType

ROOT = "plangate_agents"


@dataclass
class Package:
    """The Python files of one version of one agent.

    Attributes:
        name: The agent's name.
        version: Its version.
        folder: Where the files are.
        sources: Texts by path relative to the folder, such as `tools.py` or `shop/orders.py`.
        without_decorators: `(file, line)` of functions that are imported without their decorators, since these failed.
    """

    name: str
    version: str
    folder: Path
    sources: Mapping[str, str]
    without_decorators: set[tuple[str, int]] = field(default_factory=set)

    @property
    def module_name(self) -> str:
        """Name of the package."""
        return f"{ROOT}.{self.name}.{self.version}"

    def file_of(self, module: str) -> str | None:
        """The file of a module of this package, None when there is none."""
        stem = "/".join(module.removeprefix(self.module_name).strip(".").split("."))
        return next((file for file in (f"{stem}.py", f"{stem}/__init__.py") if file in self.sources), None)

    def is_namespace(self, module: str) -> bool:
        """Whether a module is a folder without an `__init__.py`."""
        stem = "/".join(module.removeprefix(self.module_name).strip(".").split("."))
        return any(file.startswith(f"{stem}/") for file in self.sources)


_packages: dict[str, Package] = {}
_lock = threading.RLock()


def import_file(package: Package, file: str) -> ModuleType:
    """Import a file of a package, from memory when this very package was imported before.

    Raises:
        BaseException: Whatever the file's code raises; nothing of the package then stays imported.
    """
    with _lock:
        _install()
        known = _packages.get(package.module_name)
        if known is None or known.folder != package.folder or package.without_decorators or known.without_decorators:
            forget(package)
        _packages[package.module_name] = package
        try:
            return importlib.import_module(f"{package.module_name}.{file.removesuffix('.py').replace('/', '.')}")
        except BaseException:
            forget(package)
            raise


def forget(package: Package) -> None:
    """Remove a package from the imported modules; whoever holds its functions can go on using them."""
    for name in [each for each in sys.modules if f"{each}.".startswith(f"{package.module_name}.")]:
        del sys.modules[name]
    _packages.pop(package.module_name, None)


def _install() -> None:
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules below `plangate_agents`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        parts = fullname.split(".")
        if parts[0] != ROOT:
            return None
        if len(parts) <= 3:
            return importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        package = _packages.get(".".join(parts[:3]))
        if package is None:
            return None
        file = package.file_of(fullname)
        if file is None:
            namespace = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            return namespace if package.is_namespace(fullname) else None
        return importlib.util.spec_from_loader(
            fullname, _Loader(package, file), is_package=file.endswith("__init__.py")
        )


class _Loader(importlib.abc.InspectLoader):
    """Loads one file of a package from its text."""

    def __init__(self, package: Package, file: str) -> None:
        self.package = package
        self.file = file
        self.path = str(package.folder / file)

    def is_package(self, fullname: str) -> bool:
        return self.file.endswith("__init__.py")

    def get_source(self, fullname: str) -> str:
        return self.package.sources[self.file]

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname)
        linecache.cache[self.path] = (len(source), None, source.splitlines(keepends=True), self.path)
        tree = ast.parse(source, self.path)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and self._stays_undecorated(node.lineno):
                node.decorator_list = []
        code = compile(tree, self.path, "exec", dont_inherit=True)
        assert isinstance(code, CodeType)
        return code

    def _stays_undecorated(self, line: int) -> bool:
        return (self.file, line) in self.package.without_decorators

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self.path
        super().exec_module(module)
