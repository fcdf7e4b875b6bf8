"""The one Temporal plugin: data converter and sandbox, shared by client, worker, replayer and tests.

Search attributes and memo fields that runs carry are named here as well.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from plangate.errors import ErrorType
from plangate.runs import RunInput

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


class PlangatePayloadConverter(PydanticPayloadConverter):
    """Plain JSON through pydantic; a run's input that doesn't decode fails the run instead of wedging its task."""

    def from_payloads(self, payloads: Any, type_hints: list[type] | None = None) -> list[Any]:
        """Decode; see the class."""
        try:
            return super().from_payloads(payloads, type_hints)
        except (ValidationError, RuntimeError) as error:
            if type_hints and type_hints[0] is RunInput:
                raise ApplicationError(
                    f"the input of AgentRun is not right: {_problems(error, payloads)}. It is one JSON object with at "
                    'least "agent" and "request", for example {"agent": "support", "request": "Where is order 1042?"}',
                    type=ErrorType.INVALID_INPUT.value,
                    non_retryable=True,
                ) from None
            raise


def _problems(error: Exception, payloads: list[Payload]) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ValidationError):
        cause = cause.__cause__
    if cause is None:
        return str(error)
    issues = cause.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, issue['loc'])) or 'input'}: {issue['msg']}" for issue in issues[:10])


DATA_CONVERTER = DataConverter(payload_converter_class=PlangatePayloadConverter)


def _runner(existing: WorkflowRunner | None) -> WorkflowRunner:
    if existing is not None and not isinstance(existing, SandboxedWorkflowRunner):
        return existing
    restrictions = existing.restrictions if existing is not None else SandboxRestrictions.default
    return SandboxedWorkflowRunner(restrictions=restrictions.with_passthrough_modules(*PASSED_THROUGH))


class PlangatePlugin(SimplePlugin):
    """Give it to `Client.connect(plugins=[…])`; workers take it over from their client."""

    def __init__(self) -> None:
        super().__init__("plangate", data_converter=DATA_CONVERTER, workflow_runner=_runner)
