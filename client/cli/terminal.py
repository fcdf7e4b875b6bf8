"""Lines from a person, read without blocking: the run goes on being watched while they think."""

from __future__ import annotations

import asyncio
import os
import sys


class Keyboard:
    """Standard input, line by line, on the event loop."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._rest = b""

    async def line(self, prompt: str) -> str:
        """Show a prompt and wait for a line.

        Raises:
            EOFError: When the input has ended.
        """
        sys.stdout.write(prompt)
        sys.stdout.flush()
        if self._waiting:
            return self._waiting.pop(0)
        loop = asyncio.get_running_loop()
        try:
            return await self._read(loop)
        except (NotImplementedError, PermissionError):  # no readiness of files: Windows, or input from a file
            return await asyncio.to_thread(sys.stdin.readline)

    async def _read(self, loop: asyncio.AbstractEventLoop) -> str:
        arrived: asyncio.Future[bytes] = loop.create_future()
        descriptor = sys.stdin.fileno()

        def ready() -> None:
            if not arrived.done():
                arrived.set_result(os.read(descriptor, 65536))

        while True:
            loop.add_reader(descriptor, ready)
            try:
                data = await arrived
            finally:
                loop.remove_reader(descriptor)
            if not data:
                raise EOFError
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._waiting += [line.decode(errors="replace").rstrip("\r") for line in lines]
            if self._waiting:
                return self._waiting.pop(0)
            arrived = loop.create_future()
