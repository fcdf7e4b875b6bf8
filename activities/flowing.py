"""Information flow where arguments are bound: what `plangate.flow` says of a call, with excerpts of others' text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plangate import expressions, strictjson
from plangate.errors import PlangateError
from plangate.flow import Flow
from plangate.policy import Action, Verdict
from plangate.provenance import Lineage, Provenance, Source
from plangate.visible import excerpt

if TYPE_CHECKING:
    from activities.catalogue import LoadedAgent


def judge_flow(
    agent: LoadedAgent, tool: str, args: Mapping[str, Any], lineage: Lineage, scope: Mapping[str, Any]
) -> tuple[Verdict, list[Provenance]]:
    """What the rules of information flow say of a call, and where its arguments come from.

    Args:
        agent: The agent.
        tool: The tool that is called.
        args: The arguments as the plan writes them.
        lineage: What lies behind them.
        scope: The values that their references find, for excerpts.
    """
    verdict, found = Flow(agent.flow_rules, lineage).judge(tool, args)
    return verdict, [_with_excerpts(each, args.get(each.argument), scope) for each in found]


def stricter(rule: Verdict, flow: Verdict) -> Verdict:
    """Both verdicts in one: the stricter action, and if both ask, the scope's rule with both reasons."""
    if flow.action is Action.ALLOW:
        return rule
    if rule.action is Action.ALLOW or flow.action.strictness > rule.action.strictness:
        return flow
    if rule.action is Action.BLOCK:
        return rule
    return rule.model_copy(update={"reason": f"{rule.reason}; {flow.reason} ({flow.rule})"})


def _with_excerpts(found: Provenance, written: Any, scope: Mapping[str, Any]) -> Provenance:
    if found.trusted:
        return found
    sources = [each if each.trusted else _with_excerpt(each, written, scope) for each in found.sources]
    return found.model_copy(update={"sources": sources})


def _with_excerpt(source: Source, written: Any, scope: Mapping[str, Any]) -> Source:
    value = _found(source.path, scope)
    if value is None:  # it comes through another step: show what arrives
        try:
            value = expressions.resolve(written, scope)
        except PlangateError:
            return source
    if value is None:
        return source
    texts = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    text = " | ".join(texts) if texts else value if isinstance(value, str) else strictjson.canonical(value)
    return source.model_copy(update={"text": excerpt(text)})


def _found(path: str, scope: Mapping[str, Any]) -> Any:
    if not path or expressions.check(path):
        return None
    try:
        return expressions.evaluate(path, scope)
    except PlangateError:
        return None
