"""The rules of information flow: whose words may fill which argument, and which calls a person has to see for it.

References in the plan give the flow, so it is known before a step runs. For each argument of a call `provenance` says
where its value comes from, directly and through other steps, and `judge` what follows from that:

    flow.untrusted-argument       text of others fills an argument of a consequential call, or decides about the call
    flow.unnamed-target           a recipient or an order (an argument marked as a target) that the request doesn't name
    flow.revised-after-untrusted  a plan revised after text of others was read adds a consequential tool or an argument

They ask a person whatever the scope's own rule says; an argument that the scope closes to text of others (`never`) is
refused, of any tool. What a person approved, argument by argument, counts as trusted afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from plangate import expressions, strictjson
from plangate.agents import ScopeTool
from plangate.plans import Step
from plangate.policy import Action, Verdict
from plangate.provenance import Lineage, Origin, Provenance, Source
from plangate.shapes import Shape, leaf, shape_of
from plangate.tool_policy import Effect
from plangate.toolkit import Tool
from plangate.tracing import Followed, follow
from plangate.validation import reference_roots

UNTRUSTED = "flow.untrusted-argument"
UNNAMED = "flow.unnamed-target"
REVISED = "flow.revised-after-untrusted"
SHOWN = 12
"""Sources of an argument named at most."""
WHEN, FOR_EACH = "when", "for_each"
_UNKNOWN = Source(origin=Origin.UNKNOWN, trusted=False)


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
class Flow:
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
        waiting = list(reversed(self._steps.values()))
        while waiting:  # without recursion: a chain may be long; what waits for itself stays unknown
            ready = [step for step in waiting if not (reference_roots(step) & self._steps.keys()) - self._known.keys()]
            for step in ready:
                self._known[step.id] = self._result_of(step)
                self._grounded[step.id] = self._calls_are_grounded(step)
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

    def provenance(self, tool: str, args: Mapping[str, Any]) -> list[Provenance]:
        """Where each argument of a call comes from; with `when` and `for_each` if it has them."""
        lineage, self._tool = self.lineage, tool
        scope, revision = self._scope(lineage.for_each), lineage.revision
        found = [
            Provenance(argument=name, sources=self._sources(value, scope, revision, tool, name))
            for name, value in args.items()
        ]
        for name, expression in ((WHEN, lineage.when), (FOR_EACH, lineage.for_each)):
            if expression:
                sources = follow(expression, self._scope(None)).sources()
                found.append(Provenance(argument=name, sources=[*sources]))
        return found

    def judge(self, tool: str, args: Mapping[str, Any]) -> tuple[Verdict, list[Provenance]]:
        """What the rules say of a call: allow, ask or block; and where its arguments come from."""
        rules, found = self.rules[tool], self.provenance(tool, args)
        verdicts = [self._of_argument(rules, tool, each, args) for each in found]
        marked = [
            each.model_copy(
                update={
                    "rule": "" if verdict.action is Action.ALLOW else verdict.rule,
                    "sources": _shortened(each.sources),
                }
            )
            for each, verdict in zip(found, verdicts, strict=True)
        ]
        if rules.effect is Effect.CONSEQUENTIAL and self.after_untrusted and tool not in self.lineage.first_tools:
            reason = f"the plan was revised after text of others was read, and {tool} is new in it"
            verdicts.insert(0, Verdict(action=Action.ASK, rule=REVISED, reason=reason))
        strictest = max((verdict.action for verdict in verdicts), key=lambda each: each.strictness, default=None)
        if strictest in (None, Action.ALLOW):
            return Verdict(action=Action.ALLOW, rule="flow"), marked
        first = next(verdict for verdict in verdicts if verdict.action is strictest)
        reasons = dict.fromkeys(each.reason for each in verdicts if each.action is strictest)
        return first.model_copy(update={"reason": "; ".join(reasons)[:1000]}), marked

    def _of_argument(self, rules: FlowRules, tool: str, found: Provenance, args: Mapping[str, Any]) -> Verdict:
        name = found.argument
        if name in rules.never and any(
            not each.trusted and each.origin is not Origin.REVISION for each in found.sources
        ):
            reason = f"{name!r} of {tool} may never hold text of others, and this comes from {found.brief}"
            return Verdict(action=Action.BLOCK, rule=UNTRUSTED, reason=reason)
        if rules.effect is not Effect.CONSEQUENTIAL:
            return _ALLOWED
        if not found.trusted and name not in rules.accepts:
            revised = all(source.trusted or source.origin is Origin.REVISION for source in found.sources)
            if name in (WHEN, FOR_EACH):
                what = "whether it is done" if name == WHEN else "how often it is done"
                reason = f"text of others decides {what}"
            elif revised:
                reason = f"{name!r} comes from a plan that was revised after text of others was read"
            else:
                reason = f"{name!r} depends on text of others"
            return Verdict(action=Action.ASK, rule=REVISED if revised else UNTRUSTED, reason=reason)
        scope = self._scope(self.lineage.for_each)
        if name in rules.targets and not self._is_grounded(args[name], scope, self.lineage.revision):
            reason = f"{name!r} isn't named in the request, and doesn't follow from what is"
            return Verdict(action=Action.ASK, rule=UNNAMED, reason=reason)
        return _ALLOWED

    # --- where values come from -----------------------------------------------------------------------------------

    def _scope(self, for_each: str | None) -> dict[str, Shape]:
        scope = {"input": leaf(Source(origin=Origin.INPUT, path="input", named=True))}
        scope |= {name: self._traced(name) for name in self._steps}
        if for_each is not None:
            found = follow(f"({for_each})[]", scope)
            scope["item"] = _decided_item(found)
        return scope

    def _sources(self, value: Any, scope: Mapping[str, Shape], revision: int, tool: str, argument: str) -> list[Source]:
        """The sources of an argument's value, as the plan writes it."""
        found: dict[Source, None] = {}
        if isinstance(value, dict) and expressions.REF in value:
            expression = value[expressions.REF]
            followed = follow(expression, scope) if isinstance(expression, str) else Followed((leaf(_UNKNOWN),))
            return followed.sources()
        if isinstance(value, dict) and value:
            parts: Sequence[Any] = list(value.values())
        elif isinstance(value, list) and value:
            parts = value
        else:
            return [self._literal(value, revision, tool, argument)]
        for part in parts:
            found |= dict.fromkeys(self._sources(part, scope, revision, tool, argument))
        return list(found)

    def _literal(self, value: Any, revision: int, tool: str, argument: str) -> Source:
        text = strictjson.canonical(value)
        named, planned = text in self._named, Source(origin=Origin.PLAN, path=text, named=text in self._named)
        if named or text in _NOTHING or not self._tainted(revision):
            return planned
        if tool == self._tool and any(_holds(each.get(argument), value) for each in self.lineage.first_args):
            return planned
        return Source(origin=Origin.REVISION, trusted=False, path=text)

    def _traced(self, name: str) -> Shape:
        return self._known.get(name) or leaf(_UNKNOWN)

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
        return Shape(source=shape.source, items=shape) if step.for_each is not None else shape

    def _result(self, step: Step, tool: str, args: Mapping[str, Any]) -> Shape:
        """What a tool returns: as its author says, unless it was computed from what can't be trusted."""
        rules = self.rules.get(tool)
        if rules is None:
            return leaf(_UNKNOWN)
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
            scope["item"] = _decided_item(follow(f"({step.for_each})[]", scope))
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
        return source.trusted and self._grounded.get(re.split(r"[.\[]", source.path)[0], False)

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
_ALLOWED = Verdict(action=Action.ALLOW, rule="flow")


def _decided_item(found: Followed) -> Shape:
    """An element of a list, untrusted as a whole where untrusted text chose the list."""
    distrust = any(not source.trusted for source in found.decided)
    elements = tuple(one.items or one for shape in found.shapes for one in shape.variants())
    return Shape(either=elements).mapped(distrust) if elements else leaf(_UNKNOWN)


def _holds(first: Any, value: Any) -> bool:
    """Whether the first plan's argument is this value or has it inside."""
    if isinstance(first, dict):
        return any(_holds(each, value) for each in first.values())
    if isinstance(first, list):
        return any(_holds(each, value) for each in first)
    return type(first) is type(value) and bool(first == value)


def _is_others(source: Source) -> bool:
    """Whether it is text of others itself, not just a plan made after reading some."""
    return not source.trusted and source.origin is not Origin.REVISION


def _shortened(sources: Sequence[Source]) -> list[Source]:
    """The untrusted ones first; without the literals, which the argument shows anyway."""
    literal = (Origin.PLAN, Origin.REVISION)
    told = [each.model_copy(update={"path": ""}) if each.origin in literal else each for each in sources]
    return list(dict.fromkeys(sorted(told, key=lambda source: source.trusted)))[:SHOWN]
