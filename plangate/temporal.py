"""The one Temporal plugin: data converter and sandbox, shared by client, worker, replayer and tests.

Search attributes and memo fields that runs carry are named here as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.common import SearchAttributeKey
from temporalio.converter import StorageDriverStoreContext
from temporalio.plugin import SimplePlugin
from temporalio.worker import Interceptor, WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from plangate.payloads import DATA_CONVERTER

AGENT = SearchAttributeKey.for_keyword("PlangateAgent")
STATUS = SearchAttributeKey.for_keyword("PlangateStatus")
USER = SearchAttributeKey.for_keyword("PlangateUser")
PENDING = SearchAttributeKey.for_int("PlangatePending")
COST = SearchAttributeKey.for_float("PlangateCostUsd")

SEARCH_ATTRIBUTES: dict[str, str] = {
    "PlangateAgent": "Keyword",
    "PlangateStatus": "Keyword",
    "PlangateUser": "Keyword",
    "PlangatePending": "Int",
    "PlangateCostUsd": "Double",
}
"""Name → type, as Temporal's operator service and `temporal operator search-attribute create` take them."""

MEMO_PENDING = "pending"
"""Memo field: the pending approvals, in brief, so that an inbox is one list call."""

PURE = (
    "plangate",
    "activities",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "typing_extensions",
    "typing_inspection",
    "jmespath",
    "jsonschema",
    "markdown_it",
    "opentelemetry",
    "structlog",
)
"""Packages that the sandbox never imports again: they are pure, or not run in workflows."""


class PlainContexts(WorkflowInstance):
    """A workflow's instance that isn't entered for contexts of payloads.

    The SDK asks for two contexts for each payload, and in the sandbox each question costs more than the payload. Only a
    codec that depends on its context, or external storage, would look at the answers; Plangate has neither.
    """

    def __init__(self, inner: WorkflowInstance) -> None:
        self._inner = inner

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Run what came in."""
        return self._inner.activate(act)

    def get_serialization_context(self, command_info: Any) -> None:
        """None: nobody asks."""

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        """An empty one: nobody asks."""
        return _NO_STORE

    def get_info(self) -> workflow.Info:
        """The workflow's info."""
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        """The thread that it runs on."""
        return self._inner.get_thread_id()


_NO_STORE = StorageDriverStoreContext(target=None)


@dataclass(frozen=True)
class LightSandbox(SandboxedWorkflowRunner):
    """Temporal's sandbox with `PlainContexts`."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """An instance for one run."""
        return PlainContexts(super().create_instance(det))


def sandbox(*, strict: bool = False) -> SandboxedWorkflowRunner:
    """Where workflows run.

    Args:
        strict: Import `workflows` anew for each run, so that the sandbox sees its clocks and random numbers. Tests
            do; a worker passes `workflows` through, which saves a tenth of its time, and can't mix two versions of the
            code when files are replaced under it. Lint bans clocks and random ids there in any case (ADR 11).
    """
    packages = PURE if strict else (*PURE, "workflows")
    return LightSandbox(restrictions=SandboxRestrictions.default.with_passthrough_modules(*packages))


class PlangatePlugin(SimplePlugin):
    """Give it to `Client.connect(plugins=[…])`; workers take it over from their client.

    Args:
        interceptors: For tracing.
        strict: See `sandbox`.
    """

    def __init__(self, interceptors: Sequence[Interceptor] = (), *, strict: bool = False) -> None:
        super().__init__(
            "plangate",
            data_converter=DATA_CONVERTER,
            workflow_runner=sandbox(strict=strict),
            interceptors=list(interceptors),
        )
