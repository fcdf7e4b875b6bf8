"""From a request to what is meant: entities, scores, intent."""

from __future__ import annotations

import re
from typing import Any

from workers.offline_model.expressions import holds, quiet_value
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
        found[name] = _find(entity, prompt.request) if entity.value is None else quiet_value(entity.value, found)
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


def understand(rules: Rules, prompt: Prompt) -> tuple[str | None, dict[str, Any]]:
    """The intent, None when no score reaches its threshold, and the entities, with `said`: what matched."""
    entities = read_entities(rules, prompt)
    entities["said"] = said(rules, prompt.request, entities)
    best, best_score = None, 0.0
    for name, score in scores(rules, entities).items():
        if score >= rules.intents[name].at_least and score > best_score:
            best, best_score = name, score
    return best, {**entities, "intent": best}


def said(rules: Rules, request: str, entities: dict[str, Any]) -> list[str]:
    """The names of the word lists and the entities that a request has something of."""
    text = normalise(request)
    words = [name for name, wordings in rules.words.items() if any(says(text, wording) for wording in wordings)]
    return words + [name for name in rules.entities if entities.get(name)]


def scores(rules: Rules, entities: dict[str, Any]) -> dict[str, float]:
    """The score of every intent whose condition holds."""
    found = entities["said"]
    return {
        name: sum(weight for word, weight in intent.match.items() if word in found)
        for name, intent in rules.intents.items()
        if holds(intent.when, entities)
    }
