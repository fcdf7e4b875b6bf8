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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plangate.policy import Action, Verdict
from plangate.provenance import Origin, Provenance, Source
from plangate.tool_policy import Effect
from plangate.tracing import Literal, follow
from plangate.whence import FOR_EACH, UNKNOWN, WHEN, FlowRules, Whence, flow_rules

__all__ = ["REVISED", "UNNAMED", "UNTRUSTED", "Flow", "FlowRules", "flow_rules"]

UNTRUSTED = "flow.untrusted-argument"
UNNAMED = "flow.unnamed-target"
REVISED = "flow.revised-after-untrusted"
SHOWN = 12
"""Sources of an argument named at most."""


@dataclass
class Flow(Whence):
    """What the rules say of one call."""

    def provenance(self, tool: str, args: Mapping[str, Any]) -> list[Provenance]:
        """Where each argument of a call comes from."""
        lineage, self._tool = self.lineage, tool
        scope, revision = self._scope(lineage.for_each), lineage.revision
        return [
            Provenance(argument=name, sources=self._sources(value, scope, revision, tool, name))
            for name, value in args.items()
        ]

    def deciding(self) -> list[Provenance]:
        """What decides whether the call is made (`when`) and how often (`for_each`)."""
        lineage, revision = self.lineage, self.lineage.revision
        whether: dict[Source, None] = {}
        if lineage.when:
            whether |= dict.fromkeys(self._condition(lineage.when, self._of(revision, self._tool, WHEN)))
        for name in lineage.guards:
            guard = self._steps.get(name)
            if guard is None or guard.when is None:
                whether[UNKNOWN] = None
            elif name not in lineage.decided:  # who approved or answered it saw what decides
                found = self._condition(guard.when, self._of(lineage.born.get(name, 0), "", ""))
                whether |= {each: None for each in found if not each.trusted}
        scope = self._scope(lineage.for_each)
        for name, value in (lineage.instead_of or {}).items():
            found = self._sources(value, scope, revision, "", name)
            whether |= {each.model_copy(update={"decides": True}): None for each in found if _is_others(each)}
        often = self._condition(lineage.for_each or "`[]`", self._of(revision, self._tool, FOR_EACH))
        told = [(WHEN, list(whether)), *([(FOR_EACH, often)] if lineage.for_each else [])]
        return [Provenance(argument=name, sources=sources) for name, sources in told if sources]

    def _condition(self, expression: str, literal: Literal) -> list[Source]:
        return follow(expression, self._scope(None), literal).sources()

    def judge(self, tool: str, args: Mapping[str, Any]) -> tuple[Verdict, list[Provenance]]:
        """What the rules say of a call: allow, ask or block; and where its arguments come from."""
        rules, given = self.rules[tool], self.provenance(tool, args)
        deciding = self.deciding()
        said = [self._of_argument(rules, tool, each, args) for each in given]
        said += [_of_decision(rules, each) for each in deciding]
        marked = [
            each.model_copy(
                update={
                    "rule": "" if verdict.action is Action.ALLOW else verdict.rule,
                    "sources": _shortened(each.sources),
                }
            )
            for each, verdict in zip([*given, *deciding], said, strict=True)
        ]
        verdicts = [*self._of_revision(rules, tool), *said]
        strictest = max((verdict.action for verdict in verdicts), key=lambda each: each.strictness, default=None)
        if strictest in (None, Action.ALLOW):
            return Verdict(action=Action.ALLOW, rule="flow"), marked
        first = next(verdict for verdict in verdicts if verdict.action is strictest)
        reasons = dict.fromkeys(each.reason for each in verdicts if each.action is strictest)
        return first.model_copy(update={"reason": "; ".join(reasons)[:1000]}), marked

    def _of_revision(self, rules: FlowRules, tool: str) -> list[Verdict]:
        """What is said of a call just because it was planned after text of others was read."""
        lineage = self.lineage
        if rules.effect is not Effect.CONSEQUENTIAL or not self.after_untrusted or lineage.first is not None:
            return []
        what = f"{tool} is new in it"
        if tool in lineage.first_tools:
            what = f"the first plan didn't have this call of {tool}, or it was made already"
        reason = f"the plan was revised after text of others was read, and {what}"
        return [Verdict(action=Action.ASK, rule=REVISED, reason=reason)]

    def _of_argument(self, rules: FlowRules, tool: str, found: Provenance, args: Mapping[str, Any]) -> Verdict:
        name = found.argument
        if name in rules.never and any(_is_others(each) for each in found.sources):
            reason = f"{name!r} of {tool} may never hold text of others, and this comes from {found.brief}"
            return Verdict(action=Action.BLOCK, rule=UNTRUSTED, reason=reason)
        if rules.effect is not Effect.CONSEQUENTIAL:
            return _ALLOWED
        if not found.trusted and name not in rules.accepts:
            revised = not any(_is_others(source) for source in found.sources)
            reason = f"{name!r} depends on text of others"
            if revised:
                reason = f"{name!r} comes from a plan that was revised after text of others was read"
            return Verdict(action=Action.ASK, rule=REVISED if revised else UNTRUSTED, reason=reason)
        scope = self._scope(self.lineage.for_each)
        if name in rules.targets and not self._is_grounded(args[name], scope, self.lineage.revision):
            reason = f"{name!r} isn't named in the request, and doesn't follow from what is"
            return Verdict(action=Action.ASK, rule=UNNAMED, reason=reason)
        return _ALLOWED


_ALLOWED = Verdict(action=Action.ALLOW, rule="flow")


def _of_decision(rules: FlowRules, found: Provenance) -> Verdict:
    """What is said of what decides whether a call is made, or how often; no column of the scope opens that."""
    if rules.effect is not Effect.CONSEQUENTIAL or found.trusted:
        return _ALLOWED
    revised = not any(_is_others(source) for source in found.sources)
    what = "whether it is done" if found.argument == WHEN else "how often it is done"
    return Verdict(action=Action.ASK, rule=REVISED if revised else UNTRUSTED, reason=f"text of others decides {what}")


def _is_others(source: Source) -> bool:
    """Whether it is text of others itself, not just a plan made after reading some."""
    return not source.trusted and source.origin is not Origin.REVISION


def _shortened(sources: Sequence[Source]) -> list[Source]:
    """The untrusted ones first; without the literals, which the argument shows anyway."""
    literal = (Origin.PLAN, Origin.REVISION)
    told = [each.model_copy(update={"path": ""}) if each.origin in literal else each for each in sources]
    return list(dict.fromkeys(sorted(told, key=lambda source: source.trusted)))[:SHOWN]
