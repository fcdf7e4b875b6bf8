"""The example agent, made fit for many deaths: more orders, short silences, a far side that can be told to misbehave.

The agent's tools, rules and prompts are those that ship. What is changed in the copy, and why:

- more orders, since each run has three of its own
- tools count as dead after 2 s of silence, not 10, and may be tried 26 times: a storm kills an attempt again and again
- the far side takes its time to answer, since the moment between an effect and its answer is the dangerous one
- words in a refund's reason or an e-mail's subject tell it what to do: see `MISBEHAVIOUR`
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

AGENTS = Path(__file__).parents[2] / "agents"
ORDERS = 1500
HEARTBEAT_SECONDS = 2
MISBEHAVIOUR = {
    "[late-once]": "takes the first request, answers after the caller has given up",
    "[late-always]": "takes every request, never answers in time",
    "[twice]": "gets every request twice (payment service only: a mail server that does is beyond anybody's help)",
    "[reordered]": "gets the first request after the second one (payment service only)",
    "[lost-once]": "takes the first request, and the connection breaks before the answer",
}

SERVICES = '''
import asyncio
import contextlib
import json
import random
from collections import Counter

import mail_sink
import shop_services as services

dice = random.Random()
seen = Counter()


def told(text):
    """What to do with a request, and how often it was heard."""
    for word in ("late-once", "late-always", "twice", "reordered", "lost-once"):
        if f"[{word}]" in text:
            return word
    return ""


class Late:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        post = scope["method"] == "POST"

        async def later(message):
            if message["type"] == "http.response.start":
                await asyncio.sleep(dice.uniform(EARLIEST, LATEST) / (1 if post else 4))
            await send(message)

        if not post:
            return await self.app(scope, receive, later)
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)

        def again():
            parts = [{"type": "http.request", "body": body, "more_body": False}]

            async def give():
                return parts.pop(0) if parts else {"type": "http.disconnect"}

            return give

        async def nobody(message):
            pass

        word = told(body.decode("utf-8", "replace"))
        key = dict(scope["headers"]).get(b"idempotency-key", b"")
        seen[key] += 1
        if word == "twice":
            await self.app(scope, again(), nobody)
        if word == "reordered" and seen[key] == 1:
            await asyncio.sleep(TOO_LATE)
            return await self.app(scope, again(), nobody)
        if word == "late-always" or (word == "late-once" and seen[key] == 1):
            await self.app(scope, again(), nobody)
            await asyncio.sleep(TOO_LATE)
        if word == "lost-once" and seen[key] == 1:
            await self.app(scope, again(), nobody)
            raise ConnectionResetError("told to")
        await self.app(scope, again(), later)


class LateSink(mail_sink.SinkHandler):
    async def handle_DATA(self, server, session, envelope):
        head = (envelope.content or b"").decode("utf-8", "replace")
        word, key = told(head), head.lower().partition("message-id:")[2][:200].split()[0]
        seen[key] += 1
        said = await super().handle_DATA(server, session, envelope)
        if word == "late-always" or (word == "late-once" and seen[key] == 1):
            await asyncio.sleep(TOO_LATE)
        if word == "lost-once" and seen[key] == 1:
            server.transport.abort()
        await asyncio.sleep(dice.uniform(EARLIEST, LATEST))
        return said


starlette = services.Starlette
services.Starlette = lambda **settings: Late(starlette(**settings))
mail_sink.SinkHandler = LateSink

if __name__ == "__main__":
    raise SystemExit(services.main())
'''


EXTRA_TOOLS = '''


@tool(effect="read", heartbeat=2, retries=25, retry_initial=0.2, retry_max=3, summary="Count to {size}")
async def count_up(ctx: ToolContext, size: int) -> list[int]:
    """Numbers from 0 up to a size."""
    return list(range(size))


@tool(effect="read", heartbeat=2, retries=25, retry_initial=0.2, retry_max=3, summary="Tick")
async def tick(ctx: ToolContext, number: int, bytes: int = 0) -> dict[str, str]:
    """A text of so many bytes."""
    return {"number": str(number), "text": "x" * bytes}
'''
EXTRA_RULES = "| count_up | Counts | by itself |  |\n| tick | Ticks | by itself |  |\n"


def make_agents(
    folder: Path,
    *,
    late: tuple[float, float] = (0.0, 0.1),
    decide: str = "24 hours",
    retries: int = 25,
    extra_tools: bool = False,
) -> Path:
    """A folder of agents with the changed `support` in it.

    Args:
        folder: Where; it is made.
        late: Seconds from an effect to its answer, at least and at most.
        decide: The scope's time to decide.
        retries: How often a consequential call is tried again.
        extra_tools: Two tools more, for large results and long runs, and limits that let them.
    """
    agents = folder / "agents"
    support = agents / "support"
    shutil.copytree(AGENTS / "support", support, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    (support / "services.py").rename(support / "shop_services.py")
    numbers = f"EARLIEST, LATEST = {late!r}\nTOO_LATE = 12.0\n"
    (support / "services.py").write_text(numbers + SERVICES, encoding="utf-8")
    change(support / "data.py", r"^ORDERS = 320$", f"ORDERS = {ORDERS}")
    change(support / "data.py", r"placed = dice\.randint\(0, 120\)", "placed = dice.choice((1, 1, 4, 40))")
    change(support / "payments.py", r"^TOTAL_SECONDS = [\d.]+$", "TOTAL_SECONDS = 3.0")
    change(support / "scope.md", r"\| Time to decide \| 24 hours \|", f"| Time to decide | {decide} |")
    # A storm has many runs, and models that say megabytes.
    change(support / "scope.md", r"^(\| refund_payment amount \| per (?:user and )?day \|) £[\d,]+", r"\1 £1,000,000")
    change(support / "scope.md", r"^(\| models \| per [a-z ]+ \|) [\d,]+ tokens", r"\1 1,000,000,000 tokens")
    change(support / "mail.py", r"^SMTP_SECONDS = [\d.]+$", "SMTP_SECONDS = 1.5")
    change(support / "tools.py", r'    timeout=\d+,\n    dependency="mail"', '    timeout=8,\n    dependency="mail"')
    patience = f"effect=\\1,\n    heartbeat={HEARTBEAT_SECONDS},\n    retries={retries},\n    retry_initial=0.2,"
    change(support / "tools.py", r"(?<=\n)    retries=5,\n    retry_max=30,\n", "    retry_max=3,\n")
    change(support / "tools.py", r'    idempotency="(ledger|check)",', '    idempotency="\\1",\n    retry_max=3,')
    change(support / "tools.py", r'effect=("consequential"),', patience)
    reads = (f"heartbeat={HEARTBEAT_SECONDS}", "retries=25", "retry_initial=0.2", "retry_max=3")
    lines = "".join(f"    {setting},\n" for setting in reads)
    change(support / "tools.py", r'(    effect="read",\n    timeout=10,\n)    retries=2,\n', f"\\1{lines}")
    if extra_tools:
        with (support / "tools.py").open("a", encoding="utf-8") as tools:
            tools.write(EXTRA_TOOLS)
        change(support / "scope.md", r"(?=^\| change_address \| Changes)", EXTRA_RULES)
        for limit, value in (
            ("Tool calls in a run", "100,000"),
            ("Items in a list step", "10,000"),
            ("Steps in a plan", "100"),
        ):
            change(support / "scope.md", rf"^\| {limit} \| [\d,]+", f"| {limit} | {value}")
    return agents


def change(file: Path, pattern: str, becomes: str) -> None:
    """Replace what a pattern finds; when it finds nothing the agent has changed, and this has to change with it."""
    text, times = re.subn(pattern, becomes, file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert times, f"{file.name} has no {pattern!r} any more"
    file.write_text(text, encoding="utf-8")
