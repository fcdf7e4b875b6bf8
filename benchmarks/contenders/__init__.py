"""The contenders: what each one's worker is, and how one run of it is started.

This module is data only, so that the driver never imports a contender's libraries: each contender's code is loaded by
its own worker process, and its workflow is started by name with a plain JSON payload.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from benchmarks.records import ANSWER_FIELD, EFFECTS_REQUEST_TEXT, ONE_BY_ONE, REQUEST_TEXT, TOOL_NAMES


def _request_payload(run_id: str, text: str) -> Any:
    return {"text": text}


def _text_payload(run_id: str, text: str) -> Any:
    return text


def _one_by_one_payload(run_id: str, text: str) -> Any:
    return f"{text} {ONE_BY_ONE}"


def _product_payload(run_id: str, text: str) -> Any:
    return {"agent": "bench", "request": text}


def _effects_payload(run_id: str, text: str) -> Any:
    return {"agent": "effects", "request": text}


def _answer_text(result: Any) -> str:
    return str(result[ANSWER_FIELD]) if isinstance(result, dict) else str(result)


def _product_answer(result: Any) -> str:
    """The answer of a run that has done all of its steps; anything else is no finished run.

    Fields that have their default may be missing.
    """
    steps = result.get("steps", [])
    undone = [step["id"] for step in steps if step.get("status") != "done"]
    if result.get("outcome") != "completed" or len(steps) != len(TOOL_NAMES) or undone:
        return f"outcome {result.get('outcome')}, {len(steps)} steps, not done: {undone}, {result.get('error')}"
    return str(result[ANSWER_FIELD])


@dataclass(frozen=True)
class Contender:
    """One way to run a request with five tool calls on Temporal.

    Attributes:
        key: Short stable name, used in results and by `--only`.
        title: What it is, for people.
        packages: Distributions whose versions the report names.
        worker: Arguments after the Python executable that start its worker process; `{bin}` is that one's folder.
        workflow: Workflow type name.
        payload: Makes the workflow's only argument (JSON) from the run's id and the request's text.
        answer: Takes the answer's text out of the workflow's result.
        env: Further environment variables of the worker; `{folder}` (temporary), `{root}` (the repository),
            `{address}` and `{model_url}` are filled in.
        role: `floor`, `peer` or `product`; `guard-floor` for the product without guardrails; `effects` and
            `effects-floor` for runs of five consequential calls, which are compared with each other only.
        request: The text of its measured runs.
        queue: Its task queue, when it can't be told which one to poll.
        search_attributes: What its own client sets at the start.
    """

    key: str
    title: str
    packages: tuple[str, ...]
    worker: tuple[str, ...]
    workflow: str
    payload: Callable[[str, str], Any] = _request_payload
    answer: Callable[[Any], str] = _answer_text
    env: Mapping[str, str] = field(default_factory=dict)
    role: str = "peer"
    request: str = REQUEST_TEXT
    queue: str | None = None
    search_attributes: TypedSearchAttributes | None = None

    @property
    def task_queue(self) -> str:
        """The queue that its worker polls; the worker finds it in `BENCH_TASK_QUEUE`."""
        return self.queue or f"bench-{self.key}"

    def start_arguments(self, run_id: str, text: str = "") -> dict[str, Any]:
        """Arguments of `Client.start_workflow` for one run; of a measured one unless another text is given."""
        return {
            "workflow": self.workflow,
            "arg": self.payload(run_id, text or self.request),
            "id": run_id,
            "task_queue": self.task_queue,
            "search_attributes": self.search_attributes,
        }


_WITHOUT_TRACING = {"OPENAI_AGENTS_DISABLE_TRACING": "1"}
"""The trace exporter would call out to the vendor's host; without tracing that contender is also faster."""

PLAIN = Contender(
    key="plain",
    title="plain Temporal workflow: plan, five calls in parallel, answer",
    packages=("temporalio", "openai"),
    worker=("-m", "benchmarks.contenders.plain.worker"),
    workflow="PlainRun",
    role="floor",
)

OPENAI_AGENTS = Contender(
    key="openai-agents",
    title="OpenAI Agents SDK with Temporal's plugin, five calls in one turn",
    packages=("temporalio-openai-agents", "openai-agents"),
    worker=("-m", "benchmarks.contenders.openai_agents.worker"),
    workflow="OpenAIAgentsRun",
    payload=_text_payload,
    env=_WITHOUT_TRACING,
)

PYDANTIC_AI = Contender(
    key="pydantic-ai",
    title="pydantic-ai with its Temporal durability, five calls in one turn",
    packages=("pydantic-ai-slim",),
    worker=("-m", "benchmarks.contenders.pydantic_ai.worker"),
    workflow="PydanticAIRun",
    payload=_text_payload,
)

OPENAI_AGENTS_TURNS = replace(
    OPENAI_AGENTS,
    key="openai-agents-turns",
    title="OpenAI Agents SDK with Temporal's plugin, one call per turn",
    payload=_one_by_one_payload,
)

PYDANTIC_AI_TURNS = replace(
    PYDANTIC_AI,
    key="pydantic-ai-turns",
    title="pydantic-ai with its Temporal durability, one call per turn",
    payload=_one_by_one_payload,
)

_PRODUCT_ATTRIBUTES = TypedSearchAttributes(
    [
        SearchAttributePair(SearchAttributeKey.for_keyword("PlangateAgent"), "bench"),
        SearchAttributePair(SearchAttributeKey.for_keyword("PlangateStatus"), "admitting"),
        SearchAttributePair(SearchAttributeKey.for_int("PlangatePending"), 0),
    ]
)
"""As `plangate run` and `client.runs` start a run."""

PLANGATE = Contender(
    key="plangate",
    title="this product, all of its checks on",
    packages=("plangate",),
    worker=("{bin}/plangate", "worker"),
    workflow="AgentRun",
    payload=_product_payload,
    answer=_product_answer,
    env={
        "PLANGATE_AGENTS": "{root}/benchmarks/agents",
        "PLANGATE_DATABASE_URL": "sqlite:///{folder}/plangate.db",
    },
    role="product",
    queue="plangate",
    search_attributes=_PRODUCT_ATTRIBUTES,
)

UNGUARDED = replace(
    PLANGATE,
    key="unguarded",
    title="this product without its guardrails: what they cost; nobody should run it",
    worker=("-m", "benchmarks.contenders.unguarded"),
    env={
        "PLANGATE_AGENTS": "{root}/benchmarks/agents",
        "PLANGATE_DATABASE_URL": "sqlite:///{folder}/unguarded.db",
        "PLANGATE_TASK_QUEUE": "bench-unguarded",
    },
    role="guard-floor",
    queue=None,
)

EFFECTS = replace(
    PLANGATE,
    key="effects",
    title="this product, five consequential calls by themselves: ledger, circuit breaker and pacing on",
    payload=_effects_payload,
    env={
        "PLANGATE_AGENTS": "{root}/benchmarks/agents",
        "PLANGATE_DATABASE_URL": "sqlite:///{folder}/effects.db",
        "PLANGATE_TASK_QUEUE": "bench-effects",
    },
    role="effects",
    request=EFFECTS_REQUEST_TEXT,
    queue=None,
)

EFFECTS_BARE = replace(
    EFFECTS,
    key="effects-bare",
    title="the same without ledger, circuit breaker and pacing: what they cost; nobody should run it",
    worker=("-m", "benchmarks.contenders.bare"),
    env={
        "PLANGATE_AGENTS": "{root}/benchmarks/agents",
        "PLANGATE_DATABASE_URL": "sqlite:///{folder}/effects-bare.db",
        "PLANGATE_TASK_QUEUE": "bench-effects-bare",
    },
    role="effects-floor",
)

CONTENDERS: tuple[Contender, ...] = (
    PLAIN,
    PLANGATE,
    UNGUARDED,
    EFFECTS_BARE,
    EFFECTS,
    OPENAI_AGENTS,
    PYDANTIC_AI,
    OPENAI_AGENTS_TURNS,
    PYDANTIC_AI_TURNS,
)
"""Every contender. `*-turns` is the same code with a model that asks for one call per turn, as one does whose next
call depends on the last result; the other two get all five calls at once, the best case for an agent loop."""
