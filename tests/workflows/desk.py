"""A whole small system for workflow tests: real server, real database, real HTTP to a scripted model."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.breakers import Breakers
from activities.catalogue import Catalogue
from activities.injection.injector import Injector
from activities.models import ModelAccessSettings, ModelClient
from activities.storage.store import Store
from plangate.approvals import ApprovalRequest
from plangate.run_status import RunResult, RunStatus
from plangate.runs import WORKFLOW
from plangate.temporal import SEARCH_ATTRIBUTES, PlangatePlugin
from tests.fake_model import FakeModel
from workers.settings import Settings
from workers.worker import make_pacing, make_worker, prepare_agents

AGENTS = Path(__file__).parent / "agents"
TEMPORAL = Path(sys.executable).parent / "temporal"


@asynccontextmanager
async def local_server(**dynamic_config: str) -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server of the test's own, in memory, with Plangate's search attributes.

    Args:
        dynamic_config: Further settings of the server, with `__` for the dots of their names.
    """
    extra = [part for name, kind in SEARCH_ATTRIBUTES.items() for part in ("--search-attribute", f"{name}={kind}")]
    for shard in ("transfer", "timer", "visibility"):
        extra += ["--dynamic-config-value", f"history.{shard}ProcessorMaxPollRPS=5000"]
    for name, value in dynamic_config.items():
        extra += ["--dynamic-config-value", f"{name.replace('__', '.')}={value}"]
    path = TEMPORAL if TEMPORAL.exists() else shutil.which("temporal")
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(path), dev_server_extra_args=extra, plugins=[PlangatePlugin(strict=True)]
    )
    async with environment:
        yield environment


@dataclass
class Desk:
    """A system that serves the agent `desk`."""

    client: Client
    store: Store
    model: FakeModel
    effects_file: Path
    task_queue: str

    async def start(
        self, request: str = "please", *, plan: dict[str, Any] | None = None, id: str | None = None, **fields: Any
    ) -> WorkflowHandle[Any, RunResult]:
        """Start a run."""
        input = {"agent": "desk", "request": request, "plan": plan, **fields}
        return await self.client.start_workflow(
            WORKFLOW,
            input,
            id=id or f"desk-{uuid.uuid4().hex[:8]}",
            task_queue=self.task_queue,
            result_type=RunResult,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    async def run(self, *args: Any, **fields: Any) -> RunResult:
        """Start a run and wait for its result, whatever its outcome."""
        return await result_of(await self.start(*args, **fields))

    def say(self, word: str) -> None:
        """Let the tool `wait_for` go on."""
        self.effects_file.with_suffix(".said").write_text(word)

    def effects(self, **wanted: Any) -> list[dict[str, Any]]:
        """Effects that tools had, filtered by their fields."""
        if not self.effects_file.exists():
            return []
        lines = [json.loads(line) for line in self.effects_file.read_text().splitlines()]
        return [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]


async def result_of(handle: WorkflowHandle[Any, RunResult]) -> RunResult:
    """A run's result, of a failed run too."""
    try:
        return await asyncio.wait_for(handle.result(), 60)
    except WorkflowFailureError as failure:
        cause = failure.cause
        if isinstance(cause, ApplicationError) and cause.details:
            return RunResult.model_validate(cause.details[0])
        raise


async def eventually(check: Callable[[], Awaitable[Any]], *, seconds: float = 30.0) -> Any:
    """Wait until a check gives something true, and return it."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await check():
                return found
            await asyncio.sleep(0.02)


async def status_of(handle: WorkflowHandle[Any, Any]) -> RunStatus:
    """The query `status`."""
    return await handle.query("status", result_type=RunStatus)


async def pending(handle: WorkflowHandle[Any, Any], count: int = 1) -> list[ApprovalRequest]:
    """Wait until so many gates are open."""

    async def check() -> list[ApprovalRequest] | None:
        found = await handle.query("pending_approvals", result_type=list[ApprovalRequest])
        return found if len(found) == count else None

    return list(await eventually(check))


@asynccontextmanager
async def desk(
    client: Client,
    folder: Path,
    *,
    agents: Path = AGENTS,
    database_url: str | None = None,
    injector: Injector | None = None,
    **settings: Any,
) -> AsyncIterator[Desk]:
    """A worker, its database and its model, for one test."""
    effects = folder / "effects.jsonl"
    queue = f"queue-{uuid.uuid4().hex[:8]}"
    url = database_url or f"sqlite:///{folder / 'plangate.db'}"
    catalogue = Catalogue.load([agents])
    assert not catalogue.broken, catalogue.broken
    with FakeModel() as model:
        access = ModelAccessSettings(api_key=SecretStr("test"), base_url=model.base_url, timeout_seconds=10)
        worker_settings = Settings(database_url=url, **settings)
        async with (
            await Store.open(url, upgrade=True) as store,
            ModelClient(
                access,
                usage=store,
                breakers=(breakers := Breakers(store, worker_settings.breaker_rules)),
                pacing=(pacing := make_pacing(store, catalogue, worker_settings)),
            ) as models,
        ):
            await pacing.announce(models.dependency)
            await prepare_agents(catalogue, store)
            worker = make_worker(
                client,
                catalogue=catalogue,
                store=store,
                models=models,
                settings=worker_settings,
                task_queue=queue,
                environ={"PLANGATE_DESK_EFFECTS_FILE": str(effects)},
                breakers=breakers,
                pacing=pacing,
                injector=injector,
            )
            async with worker:
                yield Desk(client, store, model, effects, queue)
