"""The agent's tools: one that reads, one that writes, one that does something that can't be taken back.

See docs/write-a-tool.md. A tool is a typed function; the planner reads its docstring and its arguments' descriptions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import insert

from plangate import ToolContext, ToolError, tool

from .tables import outbox

NOTES = Path(__file__).parent / "knowledge"
MAX_PASSAGES = 5

Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", description="E-mail address of the recipient.")]
Subject = Annotated[str, Field(min_length=1, max_length=150, pattern=r"^[^\r\n]+$", description="Subject, one line.")]


class Passage(BaseModel):
    """A paragraph of a note."""

    note: str
    text: str


class Draft(BaseModel):
    """A message that hasn't been sent."""

    subject: str
    body: str


class SentMessage(BaseModel):
    """A message in the outbox."""

    id: int
    to: str
    subject: str


@tool(effect="read", timeout=10, summary="Look up {topic}")
def look_up(
    topic: Annotated[str, Field(min_length=1, max_length=200, description="What to look for.")],
) -> list[Passage]:
    """Find the paragraphs of our notes about a topic; the best first, none when there is nothing."""
    words = set(re.findall(r"\w{3,}", topic.lower()))
    scored: list[tuple[int, Passage]] = []
    for note in sorted(NOTES.glob("*.md")):
        title, _, text = note.read_text(encoding="utf-8").partition("\n")
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            hits = len(words & set(re.findall(r"\w{3,}", f"{title} {paragraph}".lower())))
            if hits:
                scored.append((hits, Passage(note=note.stem, text=" ".join(paragraph.split()))))
    scored.sort(key=lambda pair: -pair[0])
    return [passage for _, passage in scored[:MAX_PASSAGES]]


@tool(effect="write", timeout=10, summary="Draft a message: {subject}")
def draft_message(
    ctx: ToolContext,
    subject: Subject,
    points: Annotated[list[str], Field(min_length=1, max_length=20, description="What to say, a sentence each.")],
) -> Draft:
    """Write a message without sending it."""
    signature = ctx.settings.get("signature", "")
    return Draft(subject=subject, body="\n\n".join([*points, signature]).strip())


@tool(
    effect="consequential",
    idempotency="ledger",
    timeout=15,
    summary="Send {to} a message: {subject}",
    risk="The recipient reads it; it can't be called back.",
)
async def send_message(
    ctx: ToolContext,
    to: Address,
    subject: Subject,
    body: Annotated[str, Field(min_length=1, max_length=5000, description="The text.")],
) -> SentMessage:
    """Send a message to one person."""
    if ctx.database is None:
        raise ToolError("send_message was called without a connection to the project's database", permanent=True)
    if to.lower().endswith("@invalid.example"):
        raise ToolError(f"{to} doesn't take messages")  # the far side says no: the planner sees it and can react
    done = await ctx.database.execute(insert(outbox).values(to=to, subject=subject, body=body).returning(outbox.c.id))
    return SentMessage(id=done.scalar_one(), to=to, subject=subject)
