"""Faults of a mail server: what its handler says and does when a message has come in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from activities.injection.answers import INJECTED
from activities.injection.far_side import Door, reset
from activities.injection.injector import Injector
from plangate.faults import Fault

Keep = Callable[[], Awaitable[str]]
_SAYS = {
    Fault.RATE_LIMITED: f"450 4.7.1 Too many messages, come back later ({INJECTED})",
    Fault.SERVER_ERROR: f"451 4.3.0 Local error ({INJECTED})",
    Fault.UNAVAILABLE: f"421 4.3.2 Service not available ({INJECTED})",
    Fault.REJECTED: f"550 5.7.1 Refused ({INJECTED})",
    Fault.EFFECT_THEN_ERROR: f"451 4.3.0 Local error ({INJECTED})",
}
_KEPT_FIRST = frozenset({Fault.EFFECT_THEN_ERROR, Fault.EFFECT_THEN_RESET, Fault.EFFECT_THEN_TIMEOUT, Fault.DUPLICATE})


class FaultyMail:
    """Goes between a mail server and its mailbox.

    Args:
        injector: The plan in force.
        door: The server's listening socket, for `dead`; set before the first message.
    """

    def __init__(self, injector: Injector, door: Door | None = None) -> None:
        self._injector = injector
        self.door = door

    async def deliver(self, keep: Keep, content: bytes, about: dict[str, str], transport: asyncio.Transport) -> str:
        """Take a message, or let it go wrong.

        Args:
            keep: Puts it into the mailbox; returns what the server says.
            content: The message.
            about: What the journal says of it.
            transport: The client's connection.
        """
        text = content.decode("utf-8", "replace")
        rule = self._injector.pick({"mail"}, "send", {"contains": text}, about=about)
        if rule is None:
            return await keep()
        said = await keep() if rule.fault in _KEPT_FIRST else ""
        if rule.fault in _SAYS:
            return _SAYS[rule.fault]
        match rule.fault:
            case Fault.SLOW:
                await asyncio.sleep(rule.delay)
                return await keep()
            case Fault.DUPLICATE:
                await keep()
                return said
            case Fault.HANG | Fault.EFFECT_THEN_TIMEOUT:
                await asyncio.sleep(rule.delay)  # aiosmtpd cancels it when the client leaves
            case Fault.DEAD if self.door is not None:
                await self.door.shut(rule.delay)
        reset(transport)
        return "421 Gone"
