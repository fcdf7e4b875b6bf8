"""Whether a reference can lead anywhere: follows it through what the tools of a plan's steps declare to return.

A field that no result can have would resolve to nothing when the plan runs: an argument without a value, or a condition
that is never true. It is a mistake of the plan, and found before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jmespath

from plangate import expressions
from plangate.plans import Step
from plangate.result_forms import NULL, OPEN, PLAIN, Anything, Form, Many, Thing, either, form_of_value, list_of, thing
from plangate.wording import nearest

NAMED = 30
"""Fields that a message names at most."""
MAX_FALLBACKS = 10
"""Fixed fallbacks that take their value from one another; behind more of them anything may be."""
_PLAIN_RESULTS = frozenset(
    {"abs", "avg", "ceil", "contains", "ends_with", "floor", "join", "length", "max", "min", "starts_with", "sum"}
    | {"to_number", "to_string", "type"}
)
_SAME_LIST = frozenset({"reverse", "sort", "sort_by"})


@dataclass(frozen=True)
class At:
    """Where an expression has come to: what is there, and how that is called in messages."""

    form: Form
    path: str = ""


class Fields:
    """The forms of a plan's results.

    Args:
        steps: The plan's steps, and those of earlier revisions that new ones may refer to.
        results: What each tool declares to return; a tool that isn't here may return anything.
    """

    def __init__(self, steps: Iterable[Step], results: Mapping[str, Form]) -> None:
        self._results = results
        self._steps: dict[str, Step] = {}
        self._twice: set[str] = set()
        for step in steps:
            if step.id in self._steps:
                self._twice.add(step.id)
            self._steps[step.id] = step
        self._known: dict[str, Form] = {}

    def problems(self, expression: str, *, loop: str | None = None) -> list[str]:
        """What an expression looks for in vain, in words.

        Args:
            expression: JMESPath, known to be right in form.
            loop: The list of the step whose arguments it stands in, which says what `item` is.
        """
        walk = _Walk(self._scope(expression, loop))
        walk.follow(jmespath.compile(expression).parsed, walk.start)
        return list(dict.fromkeys(walk.problems))

    def no_list(self, expression: str) -> str:
        """Why the value of a `for_each` can't be a list, in words; empty if it can."""
        walk = _Walk(self._scope(expression, None))
        found = walk.follow(jmespath.compile(expression).parsed, walk.start).form
        if any(isinstance(kind, (Anything, Many)) for kind in found):
            return ""
        return f"{expression!r} is {_words(found)}, and no list"

    def _scope(self, expression: str, loop: str | None) -> dict[str, Form]:
        roots = expressions.roots(expression) - {expressions.WHOLE}
        scope = {name: self._result(name, ()) for name in roots if name in self._steps}
        if "item" in roots and loop is not None:
            scope["item"] = self._item(loop, ())
        return scope

    def _item(self, loop: str, above: tuple[str, ...]) -> Form:
        if expressions.check(loop):
            return (OPEN,)
        scope = {name: self._result(name, above) for name in expressions.roots(loop) if name in self._steps}
        walk = _Walk(scope)
        return _elements(walk.follow(jmespath.compile(loop).parsed, walk.start).form) or (OPEN,)

    def _result(self, name: str, above: tuple[str, ...]) -> Form:
        """The form of a step's result: its tool's or its fallback's, and for a list a list of these."""
        if name in self._known:
            return self._known[name]
        step = self._steps[name]
        if name in self._twice or name in above or len(above) > MAX_FALLBACKS:
            return (OPEN,)
        forms = [self._results.get(step.tool, (OPEN,))]
        if step.fallback is not None and step.fallback.tool is not None:
            forms.append(self._results.get(step.fallback.tool, (OPEN,)))
        elif step.fallback is not None:
            forms.append(self._written(step.fallback.value, (*above, name)))
        form = either(forms)
        if step.for_each is not None:
            form = (list_of(either([form, (NULL,)])),)  # null for an item that was left out
        self._known[name] = form
        return form

    def _written(self, value: Any, above: tuple[str, ...]) -> Form:
        """The form of a value as a plan writes it, with references."""
        if isinstance(value, dict):
            expression = value.get(expressions.REF)
            if expressions.REF not in value:
                return (thing({key: self._written(each, above) for key, each in value.items()}),)
            if not isinstance(expression, str) or expressions.check(expression):
                return (OPEN,)
            roots = expressions.roots(expression)
            walk = _Walk({name: self._result(name, above) for name in roots if name in self._steps})
            return walk.follow(jmespath.compile(expression).parsed, walk.start).form
        if isinstance(value, list):
            return (list_of(either(self._written(each, above) for each in value)),)
        return form_of_value(value)


class _Walk:
    """Evaluates one expression over forms instead of values."""

    def __init__(self, scope: Mapping[str, Form]) -> None:
        def part(name: str) -> Form:
            return scope.get(name, (OPEN,))

        self.start = At((Thing(part=part),))
        self.problems: list[str] = []

    def follow(self, node: Mapping[str, Any], at: At) -> At:
        """What a node of the parsed expression gives, looked at from `at`."""
        kind, children = node["type"], node.get("children", [])
        if kind == "literal":
            return At(form_of_value(node["value"]), "the literal")
        if kind in ("current", "identity"):
            return at
        if kind == "field":
            return self._field(at, node["value"])
        if kind in ("index", "slice"):
            each = self._each(at, f"{at.path}[{node.get('value')}]")
            return each if kind == "index" else At((list_of(each.form),), at.path)
        if kind in ("subexpression", "index_expression", "pipe"):
            for child in children:
                at = self.follow(child, at)
            return at
        if kind in ("projection", "value_projection", "filter_projection"):
            return self._projection(kind, children, at)
        if kind == "flatten":
            return self._flatten(self.follow(children[0], at))
        if kind == "function_expression":
            return self._function(node["value"], children, at)
        return self._built(kind, children, at)

    def _built(self, kind: str, children: Sequence[Any], at: At) -> At:
        """What an expression makes of several others."""
        if kind == "multi_select_dict":
            fields = {each["value"]: self.follow(each["children"][0], at).form for each in children}
            return At((thing(fields),), f"{{{', '.join(fields)}}}")
        found = [self.follow(child, at) for child in children if isinstance(child, dict)]
        if kind == "multi_select_list":
            return At((list_of(either(each.form for each in found)),), at.path)
        if kind in ("or_expression", "and_expression"):
            return At(either(each.form for each in found), found[0].path)
        return At((PLAIN,) if kind in ("comparator", "not_expression") else (OPEN,), "the condition")

    def _field(self, at: At, name: str) -> At:
        path = f"{at.path}.{name}" if at.path else name
        found: list[Form] = []
        for kind in at.form:
            if isinstance(kind, Anything):
                found.append((OPEN,))
            elif isinstance(kind, Thing) and (part := kind.part(name)) is not None:
                found.append(part)
        if not found:
            self._lacks(at, name)
        return At(either(found), path)

    def _lacks(self, at: At, name: str) -> None:
        names = list(dict.fromkeys(each for kind in at.form if isinstance(kind, Thing) for each in kind.names))
        if names:
            near = nearest(name, names)
            more = f", … ({len(names)} in all)" if len(names) > NAMED else ""
            hint = f", did you mean {near!r}?" if near else ""
            self.problems.append(f"{at.path!r} has no field {name!r}{hint}; it has {', '.join(names[:NAMED])}{more}")
        elif any(isinstance(kind, Many) for kind in at.form):
            one, all_ = f"{at.path}[0].{name}", f"{at.path}[].{name}"
            self.problems.append(f"{at.path!r} is a list and has no field {name!r}; write {one!r} or {all_!r}")
        else:
            self.problems.append(f"{at.path!r} has no field {name!r}: it is {_words(at.form)}")

    def _each(self, at: At, path: str) -> At:
        """An element of what should be a list."""
        elements = _elements(at.form)
        if elements is None:
            self._no_list(at)
        return At(elements or (OPEN,), path)

    def _no_list(self, at: At) -> None:
        names = list(dict.fromkeys(each for kind in at.form if isinstance(kind, Thing) for each in kind.names))
        has = f" with {', '.join(names[:NAMED])}" if names else ""
        self.problems.append(f"{at.path!r} is no list: it is {_words(at.form)}{has}")

    def _projection(self, kind: str, children: Sequence[Mapping[str, Any]], at: At) -> At:
        base = self.follow(children[0], at)
        if kind == "value_projection":
            each = At(_values(base.form), f"{base.path}.*")
        else:
            each = self._each(base, base.path if base.path.endswith("[]") else f"{base.path}[]")
        if kind == "filter_projection":
            self.follow(children[2], each)
        return At((list_of(self.follow(children[1], each).form),), each.path)

    def _flatten(self, inner: At) -> At:
        each = self._each(inner, f"{inner.path}[]")
        flat = [(_elements((kind,)) or (OPEN,)) if isinstance(kind, Many) else (kind,) for kind in each.form]
        return At((list_of(either(flat)),), each.path)

    def _function(self, name: str, children: Sequence[Mapping[str, Any]], at: At) -> At:
        plain = [self.follow(child, at) for child in children if child["type"] != "expref"]
        form = either(found.form for found in plain) if plain else (OPEN,)
        path = f"{name}({', '.join(found.path for found in plain)})"
        each = At(_elements(form) or (OPEN,), f"{plain[0].path}[]" if plain else path)
        by = [self.follow(child["children"][0], each) for child in children if child["type"] == "expref"]
        if name in _PLAIN_RESULTS:
            return At((PLAIN,), path)
        if name in _SAME_LIST or name in ("merge", "not_null"):
            return At(form, path)
        if name in ("max_by", "min_by"):
            return At(each.form, path)
        if name == "map":
            return At((list_of(either(found.form for found in by)),), path)
        if name == "values":
            return At((list_of(_values(form)),), path)
        return At((OPEN,), path)


def _elements(form: Form) -> Form | None:
    """The form of a list's elements; None if it can't be a list."""
    found = [kind.element() for kind in form if isinstance(kind, Many)]
    found += [(OPEN,) for kind in form if isinstance(kind, Anything)]
    return either(found) if found else None


def _values(form: Form) -> Form:
    parts = [kind.part(name) for kind in form if isinstance(kind, Thing) for name in kind.names]
    certain = all(isinstance(kind, Thing) and kind.names for kind in form)
    return either(part for part in parts if part is not None) if certain else (OPEN,)


def _words(form: Form) -> str:
    return " or ".join(dict.fromkeys(kind.words for kind in form if kind is not NULL)) or "null"
