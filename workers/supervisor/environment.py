"""What the children are told through their environment: which server, database, model and services to use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plangate.redaction import telling

OFFLINE_MODEL = "offline-1"
OFFLINE_KEY = "offline"
_LOOPBACK = "127.0.0.1,localhost"


def wants_offline_model(environ: Mapping[str, str]) -> bool:
    """Whether no model is configured."""
    return not (environ.get("OPENAI_API_KEY", "").strip() or environ.get("OPENAI_BASE_URL", "").strip())


def offline_settings(base_url: str) -> dict[str, str]:
    """The settings that lead a worker to the offline model, which costs nothing."""
    return {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": OFFLINE_KEY,
        "PLANGATE_PLAN_MODEL": OFFLINE_MODEL,
        "PLANGATE_ANSWER_MODEL": OFFLINE_MODEL,
        "PLANGATE_SCREEN_MODEL": OFFLINE_MODEL,
        "PLANGATE_MODEL_PRICES": json.dumps({OFFLINE_MODEL: {"input": 0, "output": 0}}),
    }


def child_environment(environ: Mapping[str, str], *more: Mapping[str, str]) -> dict[str, str]:
    """A child's environment: the supervisor's, with what is more. Loopback addresses are reached without a proxy."""
    merged = dict(environ)
    for settings in more:
        merged.update(settings)
    for name in ("NO_PROXY", "no_proxy"):
        merged[name] = ",".join(filter(None, (merged.get(name, ""), _LOOPBACK)))
    return {**merged, "PYTHONUNBUFFERED": "1"}


def embedded_server_settings(environ: Mapping[str, str], address: str, namespace: str) -> dict[str, str]:
    """An environment that leads to the embedded server and to no other: no profile, TLS or key of another one."""
    kept = {name: value for name, value in environ.items() if not name.startswith("TEMPORAL_")}
    return {**kept, "TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": namespace}


def announced_settings(line: str) -> dict[str, str] | None:
    """Environment variables in a line of JSON that a companion prints once it is ready; None for any other line."""
    found = _json_object(line)
    if not found or not all(isinstance(value, str) for value in found.values()):
        return None
    return {str(name): value for name, value in found.items()}


def announced_ready(line: str) -> dict[str, Any] | None:
    """The line `{"ready": true, …}` that a worker prints once it polls; None for any other line."""
    found = _json_object(line)
    return found if found and found.get("ready") is True else None


def broken_agents(ready: dict[str, Any]) -> dict[str, int]:
    """The agents that a worker says it doesn't serve, with the number of their mistakes."""
    found = ready.get("broken")
    if not isinstance(found, dict):
        return {}
    return {str(name): count for name, count in found.items() if isinstance(count, int)}


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


@dataclass
class SystemState:
    """What is known about the running system; published as `system.json`."""

    address: str = ""
    namespace: str = "default"
    ui: str = ""
    offline: bool = False
    base_url: str = ""
    database: str = ""
    started_at: str = ""
    broken: dict[str, int] = field(default_factory=dict)
    """Agents that the worker doesn't serve, with the number of their mistakes."""
    faults: str = ""
    """The fault plan in force; empty in the usual case."""
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each companion announced, by its name."""

    def companion_settings(self) -> dict[str, str]:
        """The companions' settings in one."""
        return {name: value for settings in self.settings.values() for name, value in settings.items()}

    def as_json(self, pids: Mapping[str, int]) -> dict[str, Any]:
        """`system.json`; secrets that companions announced are not in it."""
        return {
            "address": self.address,
            "namespace": self.namespace,
            "ui": self.ui,
            "model": {"offline": self.offline, "base_url": self.base_url},
            "database": self.database,
            "pids": dict(pids),
            "settings": {name: value for name, value in self.companion_settings().items() if not telling(name)},
            "broken": self.broken,
            "faults": self.faults,
            "started_at": self.started_at,
        }
