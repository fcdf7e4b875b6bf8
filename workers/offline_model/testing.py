"""The offline model inside a test's process: real HTTP, no process to start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from workers.offline_model.server import Server, ServerSettings


@contextmanager
def serving(settings: ServerSettings) -> Iterator[str]:
    """Serve in a thread while the block runs.

    Yields:
        The base URL for the `openai` client, for example `http://127.0.0.1:40123/v1`.

    Raises:
        OSError: When it can't listen.
    """
    told: SimpleQueue[str | OSError] = SimpleQueue()
    server = Server(settings, told.put)

    def run() -> None:
        try:
            server.run()
        except OSError as error:
            told.put(error)

    thread = threading.Thread(target=run, name="offline-model", daemon=True)
    thread.start()
    first = told.get()
    if isinstance(first, OSError):
        thread.join()
        raise first
    try:
        yield first
    finally:
        server.should_exit = True
        thread.join()
