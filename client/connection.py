"""Which Temporal server to talk to, and connecting to it.

The order: Temporal's own configuration (`TEMPORAL_*`, the profile of its TOML file), then the embedded system whose
`system.json` lies in the data folder, then `localhost:7233`, but not when a data folder was named: then that system is
meant and no other.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from client.errors import ClientError, ExitCode

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.envconfig import ClientConfigProfile

CONNECT_SECONDS = 4.0
"""Longest wait for a server that doesn't answer."""
DEFAULT_ADDRESS = "localhost:7233"
DEFAULT_DATA = ".plangate"


@dataclass(frozen=True)
class Target:
    """A Temporal server and namespace, and where we have them from."""

    address: str
    namespace: str
    source: str
    """For people: "TEMPORAL_ADDRESS or a profile", ".plangate/system.json", "the default"."""
    ui: str = ""
    """Address of Temporal's UI, when it is known."""

    def run_url(self, run: str) -> str:
        """The run's page in the Temporal UI; empty when there is no known UI."""
        if not self.ui:
            return ""
        return f"{self.ui.rstrip('/')}/namespaces/{quote(self.namespace, safe='')}/workflows/{quote(run, safe='')}"


def data_folder(data: str | Path | None = None) -> Path:
    """The data folder: the given one, else `PLANGATE_DATA`, else `./.plangate`."""
    return Path(data or os.environ.get("PLANGATE_DATA") or DEFAULT_DATA)


def read_system(folder: Path) -> dict[str, Any]:
    """What `plangate up` wrote about the system that runs on this folder; empty when there is none."""
    try:
        found = json.loads((folder / "system.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def find_target(data: str | Path | None = None) -> tuple[Target, dict[str, Any]]:
    """The server to talk to, and the settings for `Client.connect`.

    Raises:
        ClientError: When Temporal's configuration can't be read; or when a data folder was named, by argument or
            `PLANGATE_DATA`, and nothing runs there.
    """
    profile = _profile()
    config: dict[str, Any] = dict(profile.to_client_connect_config())
    folder = data_folder(data)
    system = read_system(folder)
    address, namespace, source = profile.address, profile.namespace, "TEMPORAL_ADDRESS or Temporal's profile"
    if not address and isinstance(system.get("address"), str):
        address, source = system["address"], str(folder / "system.json")
        namespace = namespace or system.get("namespace")
    if not address and (data or os.environ.get("PLANGATE_DATA")):
        raise _nothing_there(folder)
    if not address:
        address, source = DEFAULT_ADDRESS, "the default, since nothing is configured"
    target = Target(address, str(namespace or "default"), source, _ui(address, system))
    return target, {**config, "target_host": target.address, "namespace": target.namespace}


async def connect(data: str | Path | None = None) -> tuple[Client, Target]:
    """Connect to the server.

    Args:
        data: The data folder of an embedded system; see `data_folder`.

    Raises:
        ClientError: When no server answers within `CONNECT_SECONDS`; says what was tried and what to do.
    """
    from temporalio.client import Client

    target, config = find_target(data)
    try:
        client = await asyncio.wait_for(
            Client.connect(**config, data_converter=_data_converter(), retry_config=_retries()), CONNECT_SECONDS
        )
    except (RuntimeError, OSError, ValueError, TimeoutError) as error:
        raise _no_server(target, error, data_folder(data)) from error
    return client, target


def quiet() -> None:
    """Keep the SDK's own log lines, about calls that it tries again, out of a person's terminal."""
    from temporalio.runtime import Runtime, TelemetryConfig

    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)), error_if_already_set=False)


def _profile() -> ClientConfigProfile:
    from temporalio.envconfig import ClientConfigProfile

    try:
        return ClientConfigProfile.load()
    except Exception as error:
        raise ClientError(
            f"Temporal's configuration can't be used: {error}",
            hint="Check TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE and the file that they name.",
            code=ExitCode.USAGE,
        ) from error


def _data_converter() -> Any:
    """The one converter; `plangate.temporal` would load the SDK's worker too, which doubles the start-up time."""
    from plangate.payloads import DATA_CONVERTER

    return DATA_CONVERTER


def _retries() -> Any:
    from temporalio.client import RetryConfig

    return RetryConfig(initial_interval_millis=50, max_elapsed_time_millis=2000, max_retries=5)


def _ui(address: str, system: dict[str, Any]) -> str:
    configured = os.environ.get("PLANGATE_TEMPORAL_UI", "")
    if configured:
        return configured
    if system.get("address") == address and isinstance(system.get("ui"), str):
        return str(system["ui"])
    if address in (DEFAULT_ADDRESS, "127.0.0.1:7233"):
        return "http://localhost:8233"
    return ""


def _no_server(target: Target, error: BaseException, folder: Path) -> ClientError:
    reason = _reason(error)
    return ClientError(
        f"No Temporal server answers at {target.address} (from {target.source}): {reason}.",
        hint=(
            "Start everything here with `plangate up`, or point TEMPORAL_ADDRESS at your server.\n"
            f"Looked at: TEMPORAL_ADDRESS and Temporal's profile, {folder / 'system.json'}, {DEFAULT_ADDRESS}.\n"
            "`plangate doctor` says what is reachable and what is missing."
        ),
        code=ExitCode.NO_SERVER,
    )


def _nothing_there(folder: Path) -> ClientError:
    """A folder was named, so no other server is meant: not even one that happens to listen on the usual port."""
    return ClientError(
        f"Nothing runs on the data folder {str(folder)!r}: no `plangate up` has left its address there.",
        hint=(
            f"Start it with `plangate up --data {shlex.quote(str(folder))}`, name another folder (--data, "
            "PLANGATE_DATA),\nor set TEMPORAL_ADDRESS to the server that is meant, "
            f"for example TEMPORAL_ADDRESS={DEFAULT_ADDRESS}."
        ),
        code=ExitCode.NO_SERVER,
    )


def _reason(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:g} seconds"
    for mark, words in {
        "Connection refused": "connection refused",
        "dns error": "the host's name is not known",
        "status code 404": "something else listens there (an HTTP server)",
        "certificate": "the TLS certificate was refused",
    }.items():
        if mark in text:
            return words
    return text.replace("Failed client connect: ", "").splitlines()[0][:200] if text else type(error).__name__
