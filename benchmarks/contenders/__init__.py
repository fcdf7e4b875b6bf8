"""The contenders: what each one's worker is, and how one run of it is started.

This module is data only, so that the driver never imports a contender's libraries: each contender's code is loaded by
its own worker process, and its workflow is started by name with a plain JSON payload.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.records import ANSWER_FIELD, REQUEST_TEXT


def _request_payload(run_id: str, text: str) -> Any:
    return {"text": text}


def _text_payload(run_id: str, text: str) -> Any:
    return text


def _answer_text(result: Any) -> str:
    return str(result[ANSWER_FIELD]) if isinstance(result, dict) else str(result)


@dataclass(frozen=True)
class Contender:
    """One way to run a request with five tool calls on Temporal.

    Attributes:
        key: Short stable name, used in results and by `--only`.
        title: What it is, for people.
        packages: Distributions whose versions the report names.
        worker: Arguments after the Python executable that start its worker process.
        workflow: Workflow type name.
        task_queue: Queue that its worker polls.
        payload: Makes the workflow's only argument (JSON) from the run's id and the request's text.
        answer: Takes the answer's text out of the workflow's result.
        env: Further environment variables of the worker; `{folder}`, `{root}`, `{address}` and `{model_url}` are
            filled in.
        role: `floor`, `peer` or `product`: decides which targets apply.
    """

    key: str
    title: str
    packages: tuple[str, ...]
    worker: tuple[str, ...]
    workflow: str
    task_queue: str
    payload: Callable[[str, str], Any] = _request_payload
    answer: Callable[[Any], str] = _answer_text
    env: Mapping[str, str] = field(default_factory=dict)
    role: str = "peer"

    def start_arguments(self, run_id: str, text: str = REQUEST_TEXT) -> dict[str, Any]:
        """Arguments of `Client.start_workflow` for one run."""
        return {
            "workflow": self.workflow,
            "arg": self.payload(run_id, text),
            "id": run_id,
            "task_queue": self.task_queue,
        }


PLAIN = Contender(
    key="plain",
    title="plain Temporal workflow",
    packages=("temporalio", "openai"),
    worker=("-m", "benchmarks.contenders.plain.worker"),
    workflow="PlainRun",
    task_queue="bench-plain",
    role="floor",
)

OPENAI_AGENTS = Contender(
    key="openai-agents",
    title="OpenAI Agents SDK on Temporal",
    packages=("temporalio-openai-agents", "openai-agents"),
    worker=("-m", "benchmarks.contenders.openai_agents.worker"),
    workflow="OpenAIAgentsRun",
    task_queue="bench-openai-agents",
    payload=_text_payload,
    # Its trace exporter would call out to the vendor's host; without tracing it is also faster.
    env={"OPENAI_AGENTS_DISABLE_TRACING": "1"},
)

PYDANTIC_AI = Contender(
    key="pydantic-ai",
    title="pydantic-ai on Temporal",
    packages=("pydantic-ai-slim",),
    worker=("-m", "benchmarks.contenders.pydantic_ai.worker"),
    workflow="PydanticAIRun",
    task_queue="bench-pydantic-ai",
    payload=_text_payload,
)

CONTENDERS: tuple[Contender, ...] = (PLAIN, OPENAI_AGENTS, PYDANTIC_AI)
