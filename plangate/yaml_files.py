"""Reads YAML files strictly: one value per key, and the line of everything."""

from __future__ import annotations

from typing import Any

import yaml

from plangate.problems import Problems


def read_yaml(text: str, file: str, problems: Problems) -> tuple[yaml.Node | None, Any]:
    """The root node and the value of a YAML document; the node is None when it is empty or can't be read."""
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)  # raises at control characters
        node = loader.get_single_node()
        if node is None:
            return None, None
        _check_keys(node, file, problems, set())
        return node, loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(file, mark.line + 1 if mark else None, f"not YAML: {error.problem or error.context}")
    except (yaml.YAMLError, ValueError) as error:
        problems.add(file, None, f"not YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        problems.add(file, None, "not usable YAML: nested too deeply")
    finally:
        if loader is not None:
            loader.dispose()
    return None, None


def _check_keys(node: yaml.Node, file: str, problems: Problems, seen: set[int]) -> None:
    """YAML keeps the last of two equal keys; here that is a mistake."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in names:
                problems.add(file, line_of(key), f"the key {name!r} stands twice; first in line {names[name]}")
            names.setdefault(name, line_of(key))
            _check_keys(value, file, problems, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_keys(value, file, problems, seen)


def line_at(node: yaml.Node, where: tuple[str | int, ...]) -> int:
    """The line of the deepest key or item on the way to a place."""
    line = line_of(node)
    for part in where:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if str(key.value) == str(part)), None)
            if pair is None:
                break
            line, node = line_of(pair[0]), pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = line_of(node)
    return line


def line_of(node: yaml.Node) -> int:
    """The line of a node, from 1."""
    return int(node.start_mark.line) + 1
