"""The worker's settings, from the environment and its command line. Built once, in `main`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from plangate.breakers import KEPT, BreakerRules
from plangate.errors import InvalidInput
from plangate.paces import ModelPace
from plangate.runs import TASK_QUEUE


class Settings(BaseSettings):
    """Environment variables have the prefix `PLANGATE_`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="PLANGATE_", env_ignore_empty=True)

    agents: str | None = None
    """Folder of agents: `PLANGATE_AGENTS`; by default `./agents`, else those that ship."""
    data: Path = Path(".plangate")
    """Folder of the embedded system."""
    database_url: str = ""
    """`PLANGATE_DATABASE_URL`; by default SQLite in the data folder."""
    task_queue: str = TASK_QUEUE
    migrate: bool = True
    """Bring the database's schema up to date at the start."""
    health_port: int | None = Field(default=None, ge=1, le=65535)
    log_level: str = "info"
    tool_threads: int = Field(default=64, ge=1, le=1000)
    """Sync tools that run at once."""
    cached_workflows: int = Field(default=1000, ge=0)
    """Runs kept in memory; others are replayed when something happens to them."""
    concurrent_activities: int = Field(default=100, ge=1)
    sweep_seconds: float = Field(default=60.0, ge=0)
    """Between two looks for runs that ended without a dead letter; 0 for never."""
    breaker_failures: int = Field(default=3, ge=1)
    """Failures in a row after which a dependency counts as down."""
    breaker_rate: float = Field(default=0.5, gt=0, le=1)
    """Part of its latest calls that failed after which it does, too."""
    breaker_window: int = Field(default=20, ge=1, le=KEPT)
    """How many calls these are."""
    breaker_seconds: float = Field(default=30.0, gt=0)
    """Until one call probes a dependency that is down; doubled each time that the probe fails."""
    breaker_max_seconds: float = Field(default=300.0, gt=0)
    credentials_key: SecretStr = SecretStr("")
    """Fernet keys, with commas between them: the first encrypts what workers share of credentials, all decrypt."""
    limits: dict[str, ModelPace] = Field(default_factory=dict)
    """Limits of dependencies by name, `model` for models' endpoints; each replaces what agents say of it."""
    shutdown_seconds: float = Field(default=10.0, ge=0)
    """Time for calls under way when the worker is told to stop."""

    @property
    def breaker_rules(self) -> BreakerRules:
        """When circuit breakers open, and for how long."""
        return BreakerRules(
            failures=self.breaker_failures,
            rate=self.breaker_rate,
            window=self.breaker_window,
            open_seconds=self.breaker_seconds,
            max_open_seconds=self.breaker_max_seconds,
        )

    @classmethod
    def load(cls, arguments: Sequence[str]) -> Settings:
        """Read the settings.

        Raises:
            InvalidInput: Says which one is wrong and why.
        """
        parser = argparse.ArgumentParser(
            prog="plangate worker", description="Serve runs of an existing Temporal server."
        )
        parser.add_argument("--task-queue", help="task queue to poll (PLANGATE_TASK_QUEUE)")
        parser.add_argument("--agents", help="folder of agents (PLANGATE_AGENTS)")
        parser.add_argument("--data", type=Path, help="folder of the embedded system (PLANGATE_DATA)")
        given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
        try:
            settings = cls(**given)
        except ValidationError as error:
            issues = [_issue(e["loc"], e["msg"]) for e in error.errors(include_url=False)]
            raise InvalidInput("; ".join(issues)) from None
        except SettingsError as error:  # JSON that can't be read
            raise InvalidInput(f"PLANGATE_LIMITS is not JSON: {error.__cause__ or error}; {_LIMITS}") from None
        if settings.database_url:
            return settings
        url = f"sqlite:///{(settings.data / 'plangate.db').resolve()}"
        return settings.model_copy(update={"database_url": url})


_LIMITS = (
    """for example {"payments": {"requests_per_minute": 60, "at_once": 4}, "model": {"tokens_per_minute": 200000}}"""
)


def _issue(where: tuple[int | str, ...], message: str) -> str:
    name, *inside = map(str, where)
    place = f" ({'.'.join(inside)})" if inside else ""
    return f"PLANGATE_{name.upper()}{place}: {message}"
