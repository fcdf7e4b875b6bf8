"""The worker process: `python -m workers.worker`, which is `plangate worker`.

Connects to Temporal (by `temporalio.envconfig`) and to the project's database, loads the agents, and serves the task
queue until it is told to stop. Prints one line of JSON when it polls: `{"ready": true, …}`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from activities.admission import AdmissionActivities
from activities.alerting import CostAlerts
from activities.binding import BindingActivities
from activities.breakers import Breakers
from activities.catalogue import Catalogue, agents_folder
from activities.credentials.cipher import cipher_of
from activities.credentials.keeper import Credentials
from activities.credentials.masking import KNOWN
from activities.freeing import FreeingActivities
from activities.guardrails.forecasting import Forecasts
from activities.injection.enabling import banner, find_injector
from activities.injection.injector import Injector
from activities.injection.tools import NO_FAULTS, ToolFaults
from activities.looking_up import LookingUpActivities
from activities.models import ModelAccessSettings, ModelClient, Role
from activities.models.budgeting import ModelBudgets
from activities.models.caching import ModelCache
from activities.models.prices import load_prices
from activities.pacing import Pacing
from activities.planning import PlanningActivities
from activities.preflight import PreflightActivities
from activities.recording import RecordingActivities
from activities.responding import RespondingActivities
from activities.spending import Spending
from activities.storage.store import Store
from activities.tool_calls import ToolActivities
from plangate.dependency_limits import put_together
from plangate.errors import ErrorType, InvalidInput, PlangateError
from plangate.exits import exit_with
from plangate.runs import TASK_QUEUE
from plangate.temporal import PlangatePlugin
from workers.connection import connect, find_target
from workers.health import serve_health
from workers.injection import FaultyWorkflows, known_names
from workers.logs import configure_logs
from workers.settings import Settings
from workers.setup import missing_attributes
from workers.sweeper import sweeping
from workers.telemetry import tracing
from workflows.agent_run import AgentRun

log = structlog.get_logger("plangate.worker")


def make_worker(
    client: Client,
    *,
    catalogue: Catalogue,
    store: Store,
    models: ModelClient,
    settings: Settings,
    task_queue: str = TASK_QUEUE,
    environ: Mapping[str, str] | None = None,
    breakers: Breakers | None = None,
    injector: Injector | None = None,
    pacing: Pacing | None = None,
) -> Worker:
    """A worker with everything that runs need.

    Args:
        client: Connected with `PlangatePlugin`.
        catalogue: The agents to serve.
        store: The project's database.
        models: Access to models.
        settings: Bounds of this process.
        task_queue: Where to poll.
        environ: Where agents' settings may be overridden; the process's environment by default.
        breakers: What is known of dependencies; share it with `models`.
        injector: Faults on purpose; none by default.
        pacing: Whose turn it is; share it with `models`.
    """
    breakers = breakers or Breakers(store, settings.breaker_rules)
    pacing = pacing or make_pacing(store, catalogue, settings)
    executor = ThreadPoolExecutor(max_workers=settings.tool_threads, thread_name_prefix="tool")
    admission = AdmissionActivities(catalogue, store, Forecasts(models.settings))
    spending = Spending(store)
    models.hold_to(ModelBudgets(store, spending, catalogue))
    models.cache_in(ModelCache(store))
    binding = BindingActivities(catalogue, store, spending)
    planning = PlanningActivities(catalogue, models, store)
    responding = RespondingActivities(catalogue, models, store)
    recording = RecordingActivities(store, pacing, CostAlerts(store, catalogue.cost_factor))
    freeing = FreeingActivities(pacing)
    preflight = PreflightActivities(catalogue, store, breakers, environ=environ)
    tools = ToolActivities(
        catalogue,
        store,
        environ=environ,
        executor=executor,
        breakers=breakers,
        pacing=pacing,
        spending=spending,
        injected=ToolFaults(injector) if injector else NO_FAULTS,
        credentials=Credentials(store, cipher=cipher_of(settings.credentials_key), worker=client.identity),
    )
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[AgentRun],
        activities=[
            admission.admit,
            binding.bind_call,
            binding.evaluate,
            planning.make_plan,
            responding.respond,
            responding.judge_plain,
            recording.record,
            freeing.free_places,
            LookingUpActivities(store).find_effects,
            preflight.preflight,
            tools.call_tool,
        ],
        max_cached_workflows=settings.cached_workflows,
        max_concurrent_activities=settings.concurrent_activities,
        max_heartbeat_throttle_interval=timedelta(seconds=0.2),
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_seconds),
        build_id=build_id(),
        plugins=[FaultyWorkflows(injector)] if injector else [],
    )


def build_id() -> str:
    """What the server is told about this worker's code: the version that is installed.

    Temporal's own answer is a hash of all code that is loaded, which takes a second or two at each start: time that
    runs stand still when a worker has died.
    """
    try:
        return f"plangate-{version('plangate')}"
    except PackageNotFoundError:
        return "plangate"


def make_pacing(store: Store, catalogue: Catalogue, settings: Settings) -> Pacing:
    """The lines of the dependencies that these agents and settings limit.

    Raises:
        InvalidInput: Settings and agents together make no sense.
    """
    try:
        agents = {name: agent.settings for name, agent in catalogue.agents.items()}
        return Pacing(store, put_together(agents, settings.limits))
    except ValueError as error:
        raise InvalidInput(f"PLANGATE_LIMITS: {error}") from None


def models_in_use(settings: ModelAccessSettings, catalogue: Catalogue) -> set[str]:
    """The models that runs of these agents ask, except those that the operator gave a price."""
    agents = catalogue.agents.values()
    names = {name for agent in agents for role in Role for name in settings.models_for(role, agent.settings.models)}
    return names - settings.prices.keys()


def rarer_collections() -> None:
    """What was loaded at the start stays: the garbage collector needn't look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def check_namespace(client: Client) -> None:
    """Runs set search attributes; a server that doesn't know them would refuse every workflow task.

    Raises:
        PlangateError: They are missing. Where the connection may not look them up, a warning is logged instead.
    """
    try:
        missing = await missing_attributes(client)
    except PlangateError as error:
        if error.type is not ErrorType.AUTHENTICATION:
            raise
        log.warning("search attributes not checked", reason=error.message)
        return
    if missing:
        raise PlangateError(
            f"the namespace {client.namespace!r} lacks the search attributes {', '.join(missing)}: "
            "run `plangate setup` once"
        )


async def prepare_agents(catalogue: Catalogue, store: Store) -> None:
    """Run each agent's `setup.py` once: its tables, its first data."""
    for agent in catalogue.agents.values():
        module = agent.module("setup")
        if module is not None:
            async with store.transaction() as connection:
                await module.setup(connection, agent.tool_settings(os.environ))


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    cipher_of(settings.credentials_key)  # a key that is none ends the worker here, before it takes work
    catalogue = Catalogue.load([agents_folder(settings.agents)])
    for name, problems in catalogue.broken.items():
        log.error("agent not served", agent=name, problems=[str(problem) for problem in problems])
    injector = find_injector(os.environ, names=known_names(catalogue))
    if injector is not None:
        log.warning(banner(injector))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with tracing() as interceptors:
        client = await connect(find_target(settings.data), plugins=[PlangatePlugin(interceptors)])
        await check_namespace(client)
        await _poll(client, catalogue, settings, stop, injector)


async def _poll(
    client: Client, catalogue: Catalogue, settings: Settings, stop: asyncio.Event, injector: Injector | None
) -> None:
    async with (
        await Store.open(settings.database_url, upgrade=settings.migrate) as store,
        ModelClient(
            ModelAccessSettings.load(),
            usage=store,
            breakers=(breakers := Breakers(store, settings.breaker_rules)),
            pacing=(pacing := make_pacing(store, catalogue, settings)),
        ) as models,
    ):
        await prepare_agents(catalogue, store)
        await pacing.announce(models.dependency)
        await load_prices(models_in_use(models.settings, catalogue))
        worker = make_worker(
            client,
            catalogue=catalogue,
            store=store,
            models=models,
            settings=settings,
            task_queue=settings.task_queue,
            breakers=breakers,
            injector=injector,
            pacing=pacing,
        )
        if injector is not None:
            from activities.storage.faults import inject_into

            inject_into(store.engines, injector)
        sweeper = sweeping(client, store, every_seconds=settings.sweep_seconds)
        async with worker, serve_health(settings.health_port), sweeper:
            broken = {name: len(problems) for name, problems in catalogue.broken.items()}
            ready = {
                "ready": True,
                "task_queue": settings.task_queue,
                "agents": sorted(catalogue.agents),
                "broken": broken,
            }
            print(json.dumps(ready), flush=True)
            rarer_collections()
            await stop.wait()


def main() -> int:
    """The command.

    Returns:
        0 after a stop; 2 for bad settings; 3 when a server or the database can't be reached.
    """
    try:
        settings = Settings.load(sys.argv[1:])
        configure_logs(settings.log_level)
        asyncio.run(serve(settings))
    except InvalidInput as error:
        print(f"plangate worker: {KNOWN.mask(str(error))}", file=sys.stderr)
        return 2
    except (PlangateError, RuntimeError, OSError) as error:
        print(f"plangate worker: {KNOWN.mask(str(error))}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    exit_with(main)
