"""Connecting to Temporal from worker processes: Temporal's own configuration first, then the embedded system's.

The order: `TEMPORAL_*` and the profile of Temporal's TOML file, then `system.json` in the data folder, then
`localhost:7233`, but not when a data folder was named: then that system is meant and no other.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client, Plugin
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import RetryConfig

from plangate.errors import ErrorType, InvalidInput, PlangateError

DEFAULT_ADDRESS = "localhost:7233"
DATA_VARIABLE = "PLANGATE_DATA"
DATA_DEFAULT = ".plangate"
CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Target:
    """A Temporal server and namespace, and where we have them from."""

    address: str
    namespace: str
    source: str
    """For people."""
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    """TLS, API key and the like, for `Client.connect`."""


def data_folder(data: str | Path | None = None) -> Path:
    """The data folder: the given one, else `PLANGATE_DATA`, else `./.plangate`."""
    return Path(data or os.environ.get(DATA_VARIABLE) or DATA_DEFAULT)


def read_system(folder: Path) -> dict[str, Any]:
    """What `plangate up` wrote about the system that runs on this folder; empty when there is none."""
    try:
        found = json.loads((folder / "system.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def configured_target() -> Target | None:
    """The server that Temporal's own configuration names, or None when it names none.

    Raises:
        InvalidInput: The configuration can't be read.
    """
    try:
        profile = ClientConfigProfile.load()
        settings: dict[str, Any] = dict(profile.to_client_connect_config())
    except (RuntimeError, ValueError, OSError) as error:
        raise InvalidInput(
            f"Temporal's configuration can't be used: {error}. Check TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE and the "
            "file that they name."
        ) from error
    if not profile.address:
        return None
    source = (
        "TEMPORAL_ADDRESS" if os.environ.get("TEMPORAL_ADDRESS") else "the profile in Temporal's configuration file"
    )
    return Target(profile.address, profile.namespace or "default", source, settings)


def find_target(data: str | Path | None = None) -> Target:
    """The server to talk to.

    Raises:
        InvalidInput: Temporal's configuration can't be read.
        PlangateError: With type `Unavailable`: a data folder was named and nothing runs there.
    """
    if (target := configured_target()) is not None:
        return target
    folder = data_folder(data)
    namespace = os.environ.get("TEMPORAL_NAMESPACE")
    system = read_system(folder)
    if isinstance(system.get("address"), str):
        return Target(
            system["address"], namespace or str(system.get("namespace") or "default"), str(folder / "system.json")
        )
    if _named(data):
        raise PlangateError(
            f"nothing runs on the data folder {str(folder)!r}: no `plangate up` has left its address there. Start it "
            f"with `plangate up --data {shlex.quote(str(folder))}`, name another folder (--data, {DATA_VARIABLE}), or "
            f"set TEMPORAL_ADDRESS to the server that is meant, for example TEMPORAL_ADDRESS={DEFAULT_ADDRESS}.",
            type=ErrorType.UNAVAILABLE,
        )
    return Target(DEFAULT_ADDRESS, namespace or "default", "the default, since nothing is configured")


def _named(data: str | Path | None) -> bool:
    """Whether somebody chose the data folder; settings pass on the default one too."""
    return bool(os.environ.get(DATA_VARIABLE)) or (data is not None and Path(data) != Path(DATA_DEFAULT))


async def connect(
    target: Target, *, plugins: Sequence[Plugin] = (), timeout_seconds: float = CONNECT_SECONDS
) -> Client:
    """Connect to the server.

    Raises:
        PlangateError: With type `Unavailable`: nobody answers there, or lets us in; says what was tried.
    """
    settings = {**target.settings, "target_host": target.address, "namespace": target.namespace}
    retries = RetryConfig(initial_interval_millis=50, max_elapsed_time_millis=2000, max_retries=5)
    try:
        async with asyncio.timeout(timeout_seconds):
            return await Client.connect(**settings, plugins=plugins, retry_config=retries)
    except (RuntimeError, OSError, ValueError, TimeoutError) as error:
        raise PlangateError(
            f"no Temporal server answers at {target.address} (from {target.source}): {_reason(error)}. "
            "Start everything here with `plangate up`, or set TEMPORAL_ADDRESS.",
            type=ErrorType.UNAVAILABLE,
        ) from error


_REASONS = {
    "Connection refused": "connection refused",
    "dns error": "the host's name is not known",
    "status code 404": "something else listens there (an HTTP server)",
    "certificate": "the TLS certificate was refused",
    "Unauthenticated": "the credentials were refused",
    "PermissionDenied": "the credentials were refused",
}
"""What the SDK's connection errors mean, by a part of their text: they have no types."""


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    for mark, words in _REASONS.items():
        if mark in text:
            return words
    return text.splitlines()[0][:300] if text else "no answer in time"
