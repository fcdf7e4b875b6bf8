"""Every guardrail: one line each, in the order in which they are asked. docs/guardrails.md shows how to add one."""

from __future__ import annotations

from activities.guardrails import actions
from activities.guardrails.affording import affordable
from activities.guardrails.claims import claimed
from activities.guardrails.contracts import Answered, Asked, Called, Guardrail
from activities.guardrails.grounding import grounded
from activities.guardrails.injection.screening import screen
from activities.guardrails.normalising import normalise
from activities.guardrails.pii.redacting import protect
from activities.guardrails.reading import readable, within_size
from activities.guardrails.scoping import in_scope
from activities.guardrails.shaping import shaped
from activities.guardrails.tone import toned
from activities.guardrails.wording import worded

INPUT: tuple[Guardrail[Asked], ...] = (
    Guardrail("input.text", readable, ("text.",), "Refuses what is no text: empty, binary, broken encodings."),
    Guardrail(
        "input.normalise",
        normalise,
        ("normalise.",),
        "Removes invisible and look-alike characters.",
    ),
    Guardrail("input.size", within_size, ("size.",), "Holds requests to their limits of characters, bytes and tokens."),
    Guardrail(
        "input.injection",
        screen,
        ("injection.",),
        "Refuses what reads like instructions to the machine; the outer fence.",
    ),
    Guardrail("input.scope", in_scope, ("scope.",), "Declines what the scope file declines in so many words."),
    Guardrail("input.forecast", affordable, ("forecast.",), "Refuses what can't fit or would cost too much."),
)
"""About a request, before any model call."""

ACTION: tuple[Guardrail[Called], ...] = (
    Guardrail(
        "action.arguments",
        actions.arguments,
        ("arguments.",),
        "Refuses arguments of the wrong type or out of the tool's bounds.",
        alone=True,
    ),
    Guardrail("action.allowlist", actions.allowlist, ("scope.tools",), "Refuses tools that the scope doesn't name."),
    Guardrail("action.rule", actions.rule, ("scope.tools.",), "Asks, drafts or refuses as the scope's table says."),
    Guardrail("action.limits", actions.limits, ("scope.actions.",), "Holds arguments to the scope's limits."),
    Guardrail("action.calls", actions.calls, ("scope.actions.",), "Holds a run to its calls of a tool."),
    Guardrail("action.spending", actions.spending, ("scope.spending.", "budget."), "Holds calls to budgets."),
    Guardrail("action.flow", actions.flow, ("flow.",), "Asks where text of others reaches something consequential."),
)
"""About a call with its bound arguments: when they are bound, and again before the tool is called."""

OUTPUT: tuple[Guardrail[Answered], ...] = (
    Guardrail(
        "output.personal",
        protect,
        ("pii.",),
        "Takes secrets, card numbers and other people's personal data out of answers.",
        beginnings=True,
    ),
    Guardrail(
        "output.claims",
        claimed,
        ("claims.",),
        "Holds answers to what steps did: nothing counts as done that wasn't.",
        beginnings=True,
    ),
    Guardrail(
        "output.wording",
        worded,
        ("wording.",),
        "Takes out what the owner never wants said or promised, links elsewhere, and what is too long.",
        beginnings=True,
    ),
    Guardrail(
        "output.tone",
        toned,
        ("tone.",),
        "Holds answers to the owner's tone, and takes rude words out.",
        beginnings=True,
    ),
    Guardrail(
        "output.grounding",
        grounded,
        ("grounding.",),
        "Finds amounts, dates, numbers, ids, names and states that nothing supports, and facts of other records.",
        beginnings=True,
    ),
    Guardrail(
        "output.schema",
        shaped,
        ("schema.",),
        "Holds answers to the JSON schema of agent.yaml, where there is one.",
        beginnings=True,
    ),
)
"""About an answer, before anybody reads it. Personal data go first, so that no other verdict can name them."""

PLAIN: tuple[Guardrail[Answered], ...] = tuple(guard for guard in OUTPUT if guard.name == "output.personal")
"""About an answer that no model wrote: it says what steps did and how they failed, and claims nothing of its own."""
