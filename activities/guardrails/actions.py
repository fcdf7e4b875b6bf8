"""The guardrails of actions: what a call may be made with, how often, for how much, and with whose words.

Each is asked when a call's arguments are bound, and again in the tool's activity about what is about to be done. Their
rules are pure and live in `plangate` (`policy`, `action_limits`, `spending`, `flow`); here is what asks them.
"""

from __future__ import annotations

from activities.guardrails.contracts import Called
from plangate.action_limits import LimitOf
from plangate.policy import Action, Verdict
from plangate.tasks import BindTask, ToolCall
from plangate.tool_policy import Effect


def arguments(called: Called) -> Verdict | None:
    """Refuse arguments that the tool's types and bounds don't take."""
    if called.mistakes is None:
        return None
    return Verdict(action=Action.BLOCK, rule=f"arguments.{called.tool.name}", reason=called.mistakes.message)


def allowlist(called: Called) -> Verdict | None:
    """Refuse a tool that the scope doesn't name."""
    name = called.tool.name
    if name in called.agent.scope.tools:
        return None
    reason = f"the scope of {called.agent.name} has no tool {name!r}"
    return Verdict(action=Action.BLOCK, rule="scope.tools", reason=reason)


def rule(called: Called) -> Verdict | None:
    """What the scope's table of tools says: by itself, asks first, drafts it, never."""
    entry = called.agent.scope.tools.get(called.tool.name)
    return entry.rule.verdict(called.tool.name, called.args) if entry else None


def limits(called: Called) -> list[Verdict]:
    """Limits of arguments: amounts, recipients, choices, lengths, rows."""
    found = called.agent.scope.actions_of(called.tool.name)
    said = [each.verdict(called.args, user=called.user) for each in found if each.of is not LimitOf.CALLS]
    return [verdict for verdict in said if verdict is not None]


def calls(called: Called) -> list[Verdict]:
    """Limits of how often a run calls the tool."""
    found = called.agent.scope.actions_of(called.tool.name)
    said = [each.verdict(called.args, nth=called.nth) for each in found if each.of is LimitOf.CALLS]
    return [verdict for verdict in said if verdict is not None]


async def spending(called: Called) -> Verdict | None:
    """What budgets say by what is spent now. The ledger's claim reserves, so that calls at once can't overspend."""
    if called.spending is None or not isinstance(called.task, BindTask):
        return None
    if called.tool.settings.effect is not Effect.CONSEQUENTIAL:
        return None
    return await called.spending.look(called.agent, called.task, called.args)


def flow(called: Called) -> Verdict | None:
    """Whose words fill the arguments; again in the tool's activity by what binding found, and the scope of then."""
    if not isinstance(called.task, ToolCall):
        return called.flowing[0]
    rules, untrusted = called.agent.flow_rules[called.tool.name], set(called.task.untrusted)
    if closed := sorted(rules.never & untrusted):
        return Verdict(
            action=Action.BLOCK, rule="flow.untrusted-argument", reason=f"{closed[0]!r} may never hold text of others"
        )
    asked = sorted(untrusted - rules.accepts)
    if not asked or rules.effect is not Effect.CONSEQUENTIAL:
        return None
    reason = f"{asked[0]!r} holds text of others"
    return Verdict(action=Action.ASK, rule="flow.untrusted-argument", reason=reason)
