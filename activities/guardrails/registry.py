"""Every guardrail: one line each, in the order in which they are asked. docs/guardrails.md shows how to add one."""

from __future__ import annotations

from typing import Any

from activities.guardrails.contracts import Answered, Asked, Called, Guardrail
from activities.guardrails.normalising import normalise
from activities.guardrails.reading import readable, within_size

INPUT: tuple[Guardrail[Asked], ...] = (
    Guardrail("input.text", readable, ("text.",), "Refuses what is no text: empty, binary, broken encodings."),
    Guardrail(
        "input.normalise",
        normalise,
        ("normalise.",),
        "Removes invisible and look-alike characters.",
        switch="Normalisation",
    ),
    Guardrail("input.size", within_size, ("size.",), "Holds requests to their limits of characters, bytes and tokens."),
)
"""About a request, before any model call."""

ACTION: tuple[Guardrail[Called], ...] = ()
"""About a call with its bound arguments."""

OUTPUT: tuple[Guardrail[Answered], ...] = ()
"""About an answer, before anybody reads it."""


def switches() -> dict[str, str]:
    """How a scope file names the guardrails that can be switched off, and their names."""
    guards: list[Guardrail[Any]] = [*INPUT, *ACTION, *OUTPUT]
    return {guard.switch: guard.name for guard in guards if guard.switch}
