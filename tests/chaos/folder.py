"""The example agent with a far side that does at once what it is asked and says so late.

The time between an effect and its answer is when a crash is dangerous; on a quick machine it is too short to hit.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.chaos.cases import AGENTS

LATE_SERVICES = """
import asyncio
import random

import mail_sink
import shop_services as services

dice = random.Random()


class Late:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def later(message):
            if message["type"] == "http.response.start":
                await asyncio.sleep(dice.uniform(EARLIEST, LATEST) / (1 if scope["method"] == "POST" else 4))
            await send(message)

        await self.app(scope, receive, later)


class LateSink(mail_sink.SinkHandler):
    async def handle_DATA(self, server, session, envelope):
        said = await super().handle_DATA(server, session, envelope)
        await asyncio.sleep(dice.uniform(EARLIEST, LATEST))
        return said


starlette = services.Starlette
services.Starlette = lambda **settings: Late(starlette(**settings))
mail_sink.SinkHandler = LateSink

if __name__ == "__main__":
    raise SystemExit(services.main())
"""

_SABOTAGE = {
    "payments.py": (
        '{"Idempotency-Key": ctx.idempotency_key}',
        '{"Idempotency-Key": f"{ctx.idempotency_key}-{ctx.attempt}"}',
    ),
    "mail.py": ('f"{ctx.idempotency_key}@', 'f"{ctx.idempotency_key}-{ctx.attempt}@'),
}
"""For the test of the test: what makes a repeated call a second effect. A file, what stands there, what it becomes."""


def make_agents(folder: Path, *, late: tuple[float, float] = (0.0, 0.8), sabotage: bool = False) -> Path:
    """A folder of agents with `support` in it.

    Args:
        folder: Where; it is made.
        late: Seconds from an effect to its answer, at least and at most.
        sabotage: Each attempt gets a key of its own, so that repeated calls have a second effect.
    """
    agents = folder / "agents"
    support = agents / "support"
    shutil.copytree(AGENTS / "support", support, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    (support / "services.py").rename(support / "shop_services.py")
    (support / "services.py").write_text(f"EARLIEST, LATEST = {late!r}\n{LATE_SERVICES}", encoding="utf-8")
    if sabotage:
        for name, (old, new) in _SABOTAGE.items():
            text = (support / name).read_text(encoding="utf-8")
            assert old in text, f"{name} has changed; the sabotage has to change with it"
            (support / name).write_text(text.replace(old, new), encoding="utf-8")
    return agents
