"""The one Temporal plugin: data converter and sandbox, shared by client, worker, replayer and tests.

Search attributes and memo fields that runs carry are named here as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.common import SearchAttributeKey
from temporalio.plugin import SimplePlugin
from temporalio.worker import Interceptor, WorkflowRunner
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

PASSED_THROUGH = (
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
"""Packages that the sandbox doesn't import again: they are pure, or not run in workflows."""


def _runner(existing: WorkflowRunner | None) -> WorkflowRunner:
    if existing is not None and not isinstance(existing, SandboxedWorkflowRunner):
        return existing
    restrictions = existing.restrictions if existing is not None else SandboxRestrictions.default
    return SandboxedWorkflowRunner(restrictions=restrictions.with_passthrough_modules(*PASSED_THROUGH))


class PlangatePlugin(SimplePlugin):
    """Give it to `Client.connect(plugins=[…])`; workers take it over from their client."""

    def __init__(self, interceptors: Sequence[Interceptor] = ()) -> None:
        super().__init__(
            "plangate", data_converter=DATA_CONVERTER, workflow_runner=_runner, interceptors=list(interceptors)
        )
