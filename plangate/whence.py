"""Where the values of a plan come from: a call's arguments, followed through the steps behind it. Pure.

What follows from it is in `plangate.flow`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from plangate import expressions, strictjson
from plangate.agents import ScopeTool
from plangate.first_plan import arguments_of
from plangate.naming import literals_in
from plangate.plans import Step
from plangate.provenance import Lineage, Origin, Source
from plangate.shapes import Shape, leaf, shape_of
from plangate.tool_policy import Effect
from plangate.toolkit import Tool
from plangate.tracing import Literal, follow
from plangate.validation import reference_roots

WHEN, FOR_EACH = "when", "for_each"
UNKNOWN = Source(origin=Origin.UNKNOWN, trusted=False)


@dataclass(frozen=True)
class FlowRules:
    """What the rules need to know of a tool.

    Attributes:
        effect: What a call does to the world.
        shape: The shape of its result, for a step's id.
        targets: Arguments that name whom or what the call is about.
        accepts: Arguments that may hold text of others, by the scope.
        never: Arguments that may never.
    """

    effect: Effect
    shape: Callable[[str], Shape]
    targets: frozenset[str] = frozenset()
    accepts: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()

    @property
    def trusted(self) -> bool:
        """Whether nothing that it returns is text of others."""
        return all(source.trusted for source in self.shape("result").leaves())


def flow_rules(tool: Tool, entry: ScopeTool | None) -> FlowRules:
    """The rules for a tool: what its author says of it, and what the scope lets it take."""
    settings, schema = tool.settings, tool.result_schema

    @lru_cache(maxsize=256)
    def shape(step: str) -> Shape:
        return shape_of(schema, settings.returns, tool=tool.name, root=step)

    return FlowRules(
        effect=settings.effect,
        shape=shape,
        targets=settings.targets,
        accepts=frozenset(entry.accepts if entry else ()),
        never=frozenset(entry.never if entry else ()),
    )


@dataclass
class Whence:
    """What is known of where values come from, for one call.

    Args:
        rules: The agent's tools.
        lineage: The steps behind the call.
    """

    rules: Mapping[str, FlowRules]
    lineage: Lineage
    _tool: str = ""
    _known: dict[str, Shape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._steps = {step.id: step for step in self.lineage.steps}
        self._named = frozenset(self.lineage.named)
        self._grounded: dict[str, bool] = {}
        self._persons: dict[str, bool] = {}
        waiting = list(reversed(self._steps.values()))
        while waiting:  # without recursion: a chain may be long; what waits for itself stays unknown
            ready = [step for step in waiting if not (reference_roots(step) & self._steps.keys()) - self._known.keys()]
            for step in ready:
                self._known[step.id] = self._result_of(step)
                self._grounded[step.id] = self._calls_are_grounded(step)
                self._persons[step.id] = self._is_about_the_person(step)
            if not ready:
                break
            waiting = [step for step in waiting if step.id not in self._known]

    @cached_property
    def after_untrusted(self) -> bool:
        """Whether the planner had read text of others before it planned the call."""
        return self._tainted(self.lineage.revision)

    def _tainted(self, revision: int) -> bool:
        if revision == 0:
            return False
        read = [self.rules.get(name) for name in self.lineage.read]
        return self.lineage.faults or any(each is None or not each.trusted for each in read)

    # --- where values come from -----------------------------------------------------------------------------------

    def _scope(self, for_each: str | None) -> dict[str, Shape]:
        scope = {"input": leaf(Source(origin=Origin.INPUT, path="input", named=True))}
        scope |= {name: self._traced(name) for name in self._steps}
        if for_each is not None:
            scope["item"] = self._item(for_each, scope, self.lineage.revision, self._tool)
        return scope

    def _item(self, for_each: str, scope: Mapping[str, Shape], revision: int, tool: str) -> Shape:
        """An element of a list, untrusted as a whole where text of others chose the list."""
        found = follow(f"({for_each})[]", scope, self._of(revision, tool, FOR_EACH))
        distrust = any(not source.trusted for source in found.decided)
        elements = tuple(one.items or one for shape in found.shapes for one in shape.variants())
        return Shape(either=elements).mapped(distrust) if elements else leaf(UNKNOWN)

    def _sources(self, value: Any, scope: Mapping[str, Shape], revision: int, tool: str, argument: str) -> list[Source]:
        """The sources of an argument's value, as the plan writes it."""
        found: dict[Source, None] = {}
        if isinstance(value, dict) and expressions.REF in value:
            expression = value[expressions.REF]
            if not isinstance(expression, str):
                return [UNKNOWN]
            return follow(expression, scope, self._of(revision, tool, argument)).sources()
        if isinstance(value, dict) and value:
            parts: Sequence[Any] = list(value.values())
        elif isinstance(value, list) and value:
            parts = value
        else:
            return [self._literal(value, revision, tool, argument)]
        for part in parts:
            found |= dict.fromkeys(self._sources(part, scope, revision, tool, argument))
        return list(found)

    def _of(self, revision: int, tool: str, argument: str) -> Literal:
        """Where literals of an expression come from."""
        return lambda value: self._literal(value, revision, tool, argument)

    def _literal(self, value: Any, revision: int, tool: str, argument: str) -> Source:
        text = strictjson.canonical(value)
        named, planned = text in self._named, Source(origin=Origin.PLAN, path=text, named=text in self._named)
        if named or text in _NOTHING or not self._tainted(revision):
            return planned
        if tool and tool == self._tool and self._stood(text, argument):
            return planned
        return Source(origin=Origin.REVISION, trusted=False, path=text)

    def _stood(self, text: str, argument: str) -> bool:
        """Whether a literal stood there in the first plan's call whose place this one takes."""
        if (first := self.lineage.first) is None:
            return False
        if argument in (WHEN, FOR_EACH):
            expression = first.when if argument == WHEN else first.for_each
            return text in {strictjson.canonical(each) for each in expressions.literals(expression or "")}
        return text in self._stood_in.get(argument, ())

    @cached_property
    def _stood_in(self) -> dict[str, set[str]]:
        first = self.lineage.first
        before = arguments_of(first, self._tool) if first is not None else {}
        return {name: {strictjson.canonical(each) for each in literals_in(value)} for name, value in before.items()}

    def _traced(self, name: str) -> Shape:
        return self._known.get(name) or leaf(UNKNOWN)

    def _result_of(self, step: Step) -> Shape:
        """The shape of a step's result, its fallback's included."""
        shapes = [self._result(step, step.tool, step.args)]
        fallback = step.fallback
        if fallback is not None and fallback.tool is not None:
            shapes.append(self._result(step, fallback.tool, fallback.args))
        elif fallback is not None:
            scope = self._reachable(step)
            sources = self._sources(fallback.value, scope, self.lineage.born.get(step.id, 0), "", "")
            shapes += [leaf(source) for source in sources]
        shape = Shape(either=tuple(shapes)) if len(shapes) > 1 else shapes[0]
        if step.for_each is None:
            return shape
        found = follow(step.for_each, self._reachable(step), self._of(self.lineage.born.get(step.id, 0), "", ""))
        many = {source: None for each in found.shapes for source in each.counted_by()}
        decided = (*many, *(source for source in found.decided if not source.trusted))
        return Shape(source=shape.source, items=shape, decided=decided)

    def _result(self, step: Step, tool: str, args: Mapping[str, Any]) -> Shape:
        """What a tool returns: as its author says, unless it was computed from what can't be trusted."""
        rules = self.rules.get(tool)
        if rules is None:
            return leaf(UNKNOWN)
        shape = rules.shape(step.id)
        if step.id in self.lineage.approved:
            return shape
        scope, born = self._reachable(step), self.lineage.born.get(step.id, 0)
        untrusted = any(
            not source.trusted
            for name, value in args.items()
            for source in self._sources(value, scope, born, tool, name)
        )
        return shape.mapped(untrusted)

    def _reachable(self, step: Step) -> dict[str, Shape]:
        scope = {"input": leaf(Source(origin=Origin.INPUT, path="input", named=True))}
        for name in sorted(reference_roots(step)):
            scope[name] = self._traced(name)
        if step.for_each is not None:
            scope["item"] = self._item(step.for_each, scope, self.lineage.born.get(step.id, 0), "")
        return scope

    # --- what the request leads to --------------------------------------------------------------------------------

    def _is_grounded(self, value: Any, scope: Mapping[str, Shape], revision: int) -> bool:
        """Whether the request names a value, or leads to it: chosen, not computed, from results about what it names."""
        computed = {name for _, each in expressions.references(value) for name in expressions.functions(each)}
        if computed - _CHOOSING:
            return False
        sources = self._sources(value, scope, revision, "", "")
        return all(self._leads_to(source) for source in sources if not source.decides)

    def _leads_to(self, source: Source) -> bool:
        if source.origin is Origin.INPUT:
            return True
        if source.origin in (Origin.PLAN, Origin.REVISION):
            return source.path in self._named or source.path in _NOTHING
        step = re.split(r"[.\[]", source.path)[0]
        if "[" in source.path and self._persons.get(step, True):
            return False  # one of many things of theirs: nothing in the request leads to just this one
        return source.trusted and self._grounded.get(step, False)

    def _is_about_the_person(self, step: Step) -> bool:
        """Whether a call is about just the person who asks: that leads to them, and not to one of their orders."""
        if step.id in self.lineage.approved or not self.lineage.person:
            return False
        scope, born = self._reachable(step), self.lineage.born.get(step.id, 0)
        rules = self.rules.get(step.tool)
        about = (rules.targets if rules else frozenset()) or step.args.keys()
        sources = [
            each for name in about if name in step.args for each in self._sources(step.args[name], scope, born, "", "")
        ]
        return any(
            each.path in self.lineage.person
            if each.origin in (Origin.PLAN, Origin.REVISION)
            else self._persons.get(re.split(r"[.\[]", each.path)[0], False)
            for each in sources
        )

    def _calls_are_grounded(self, step: Step) -> bool:
        if step.id in self.lineage.approved:
            return True
        calls = [(step.tool, step.args)]
        if step.fallback is not None and step.fallback.tool is not None:
            calls.append((step.fallback.tool, step.fallback.args))
        scope, born = self._reachable(step), self.lineage.born.get(step.id, 0)
        for tool, args in calls:
            rules = self.rules.get(tool)
            if rules is None:
                return False
            about = rules.targets or args.keys()
            if not all(self._is_grounded(args[name], scope, born) for name in about if name in args):
                return False
        return True


_NOTHING = frozenset({"null", "true", "false", '""'})
_CHOOSING = frozenset({"sort_by", "max_by", "min_by", "not_null", "to_array", "map", "values", "merge"})
"""Functions that give what they were given, or some of it. What others compute is nothing that anybody named."""
