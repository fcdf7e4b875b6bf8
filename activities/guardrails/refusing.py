"""What a person is told when a guardrail refuses a request: why, and what the agent can do instead."""

from __future__ import annotations

import re

from activities.prompts.planner import Agent
from plangate.declining import list_items
from plangate.policy import Verdict

_MOST = 4
"""Things named that the agent can do."""


def refusal(agent: Agent, verdict: Verdict) -> str:
    """The reason, and what the scope file says the agent accepts."""
    offers = [re.sub(r"[`*_]", "", item).rstrip(".") for item in accepted(agent)][:_MOST]
    if not offers:
        return verdict.reason
    lines = "\n".join(f"- {offer}" for offer in offers)
    return f"{verdict.reason}\n\nWhat I can help with:\n{lines}"


def accepted(agent: Agent) -> list[str]:
    """The list items of the scope's section “What it accepts”, each on one line."""
    return list_items(agent.scope.sections.get("what it accepts", ""))
