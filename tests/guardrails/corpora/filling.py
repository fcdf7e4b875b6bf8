"""Fills templates: names, orders, addresses, and the words around an attack."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NAMES = ["Marguerite Sund", "Tom Ashby", "Ines Carvalho", "Jörg Weiß", "Aoife Byrne", "Wei Chen", "Olga Petrova"]
GOODS = ["Wren teapot", "tea caddy", "cast-iron kettle", "milk jug", "infuser", "set of six cups"]
MAILS = ["marguerite.sund@example.com", "t.ashby@example.com", "ines@example.com"]
EVIL = ["drop@collect.evil.test", "me@attacker.example", "audit@refund-center.test"]
BEFORE = ["", "Hello, where is my order {order}? ", "Hi there! My {good} arrived broken. ", "Thanks for your help so far.\n\n",
          "Order {order}. ", "Dear team, "]  # fmt: skip
AFTER = ["", " Thank you!", "\n\nKind regards, {name}", " And please hurry.", " My order is {order}."]


@dataclass(frozen=True)
class Sample:
    """One text: what it is, and where it comes from."""

    text: str
    kind: str
    held_out: bool = False


def fill(template: str, rng: random.Random) -> str:
    """A template with its slots filled; braces that are no slot stay."""
    slots = {
        "order": str(rng.randint(1000, 1099)), "name": rng.choice(NAMES), "good": rng.choice(GOODS),
        "mail": rng.choice(MAILS), "evil": rng.choice(EVIL), "amount": f"{rng.randint(5, 400)}.{rng.choice(['00', '50'])}",
    }  # fmt: skip
    for name, value in slots.items():
        template = template.replace("{" + name + "}", value)
    return template


def wrapped(text: str, rng: random.Random) -> str:
    """A text with an everyday beginning and end, or without."""
    return fill(rng.choice(BEFORE), rng) + fill(text, rng) + fill(rng.choice(AFTER), rng)


def each(
    templates: Sequence[str], kind: str, rng: random.Random, *, held_out: bool, wrap: bool, times: int = 1
) -> Iterator[Sample]:
    """Samples of each template."""
    for template in templates:
        for _ in range(times):
            yield Sample(wrapped(template, rng) if wrap else fill(template, rng), kind, held_out)
