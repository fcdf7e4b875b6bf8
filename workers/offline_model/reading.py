"""From a request to what is meant: entities, scores, intent."""

from __future__ import annotations

import re
from typing import Any

from workers.offline_model.expressions import ExpressionError, holds, value_of
from workers.offline_model.prompts import Prompt
from workers.offline_model.rules import Entity, Rules
from workers.offline_model.wording import normalise, says


def read_entities(rules: Rules, prompt: Prompt) -> dict[str, Any]:
    """What the rules find in a request: name → value, None when it isn't there.

    Entities come in the order of the file, and a later `value` may use earlier ones, besides `user`, `today`,
    `input` and `request`.
    """
    found: dict[str, Any] = {
        "user": prompt.context.get("user"),
        "today": prompt.context.get("today"),
        "input": prompt.context.get("input") or {},
        "request": prompt.request,
    }
    for name, entity in rules.entities.items():
        if entity.value is None:
            found[name] = _find(entity, prompt.request)
            continue
        try:
            found[name] = value_of(entity.value, found)
        except ExpressionError:
            found[name] = None
    return found


def _find(entity: Entity, text: str) -> Any:
    values: list[Any] = []
    for pattern in entity.patterns:
        for match in re.finditer(pattern, text, re.IGNORECASE | re.MULTILINE):
            value = _value(entity, match)
            if value is not None and value not in values:
                values.append(value)
            if values and not entity.all:
                return values[0]
    return values or None


def _value(entity: Entity, match: re.Match[str]) -> Any:
    if entity.fields:
        groups = {name: (match.group(number) or "").strip() for name, number in entity.fields.items()}
        return {name: text for name, text in groups.items() if text}
    text = next((group for group in match.groups() if group), match.group(0)).strip()
    if not entity.number:
        return text
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def find_intent(rules: Rules, request: str, entities: dict[str, Any]) -> str | None:
    """The name of the intent with the highest score, or None when none reaches its threshold."""
    best, best_score = None, 0.0
    for name, score in scores(rules, request, entities).items():
        if score >= rules.intents[name].at_least and score > best_score:
            best, best_score = name, score
    return best


def scores(rules: Rules, request: str, entities: dict[str, Any]) -> dict[str, float]:
    """The score of every intent whose condition holds; for `--explain` and tests too."""
    text = normalise(request)
    said = {name for name, wordings in rules.words.items() if any(says(text, wording) for wording in wordings)}
    said |= {name for name in rules.entities if entities.get(name)}
    scope = {**entities, "said": sorted(said)}
    return {
        name: sum(weight for word, weight in intent.match.items() if word in said)
        for name, intent in rules.intents.items()
        if holds(intent.when, scope)
    }
