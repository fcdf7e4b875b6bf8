"""Answers out of rules: the lines that hold, filled with the results' facts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from workers.offline_model.expressions import fill_text, holds, quiet_value
from workers.offline_model.prompts import Prompt
from workers.offline_model.proposing import what_happened
from workers.offline_model.reading import understand
from workers.offline_model.rules import Line, Rules

_OUTCOMES = {
    "completed": "Everything that you asked for is done.",
    "degraded": "Most of what you asked for is done, but something is missing.",
    "rejected": "A person had to agree to this and didn't, so it wasn't done.",
    "escalated": "A person takes over from here.",
    "declined": "I can't help with that.",
    "failed": "I couldn't do what you asked for.",
    "cancelled": "The work was cancelled before it was finished.",
}


def answer(rules: Rules, prompt: Prompt) -> str:
    """The answer to a request: the intent's lines, framed by the file's."""
    intent, entities = understand(rules, prompt)
    scope = {**entities, **what_happened(prompt.results)}
    before, ended = _say(rules.answer.before, scope)
    own: list[str] = []
    if not ended:
        own, _ = _say(rules.intents[intent].answer if intent else [], scope)
        if not any(own):
            own, _ = _say(rules.answer.otherwise, scope)
        if not any(own):
            own = [plain_answer(prompt.results)]
    after, _ = _say(rules.answer.after, scope)
    return _joined([*before, *own, *after])


def plain_answer(results: Mapping[str, Any]) -> str:
    """An answer without rules: the outcome in a sentence, each step with its result or why there is none, the gaps."""
    lines = [_OUTCOMES.get(str(results.get("outcome")), "Here is what I found.")]
    for step in results.get("steps") or []:
        if isinstance(step, dict):
            lines.append(_plain_step(step))
    lines += [f"Missing: {gap}" for gap in results.get("gaps") or []]
    return "\n".join(lines)


def _plain_step(step: Mapping[str, Any]) -> str:
    title = step.get("summary") or step.get("title") or step.get("tool") or step.get("id")
    result, reason = step.get("result"), step.get("reason")
    if result is None:
        return f"- {title}: {step.get('status', 'not done')}{f' ({reason})' if reason else ''}"
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return f"- {title}: {text if len(text) <= 300 else text[:300] + ' …'}"


def _say(lines: Iterable[Line], scope: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The texts of the lines that hold and find all that they speak of, and whether one of them was the last.

    An empty text begins a paragraph.
    """
    texts: list[str] = []
    for line in lines:
        if not holds(line.when, scope):
            continue
        found = [fill_text(line.say, inner) for inner in _scopes(line, scope)]
        texts += [text.strip() for text in found if text is not None]
        if line.last and any(found):
            return texts, True
    return texts, False


def _scopes(line: Line, scope: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if line.for_each is None:
        return [scope]
    items = quiet_value(line.for_each, scope)
    return [{**scope, "item": item} for item in items if item is not None] if isinstance(items, list) else []


def _joined(texts: Iterable[str]) -> str:
    """Sentences joined to paragraphs; a text that starts with `- ` gets a line of its own."""
    text, pending = "", ""
    for part in texts:
        if not part:
            pending = "\n\n" if text else ""
            continue
        if part.startswith("- "):
            separator = pending or ("\n" if text else "")
            pending = ""
        else:
            after_list = text.rpartition("\n")[2].startswith("- ")
            separator = pending or ("\n\n" if after_list else " " if text else "")
            pending = ""
        text += separator + part
    return text
