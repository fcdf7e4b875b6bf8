"""What the error of a call says besides what went wrong: which call, with what input, what happens next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plangate.errors import ErrorPayload, ErrorType
from plangate.plans import Step
from plangate.redaction import small

FALLBACK = "its fallback takes over"
LEFT_OUT = "the run goes on without it"
REVISED = "the plan is revised"


def of_call(error: ErrorPayload, *, tool: str, step: str, given: Mapping[str, Any]) -> ErrorPayload:
    """The error of a call, whole: what it doesn't say itself is added.

    Args:
        error: What went wrong, wherever that was found.
        tool: The tool that was to be called.
        step: The step's id.
        given: The arguments: as bound, or where it didn't come to that as the plan writes them.
    """
    return error.model_copy(
        update={
            "attempted": error.attempted or tool,
            "step": error.step or step,
            "input": small(dict(given)) if error.input is None else error.input,
        }
    )


def then(error: ErrorPayload, step: Step, *, fallback: bool) -> ErrorPayload:
    """The error with what happens next, as far as the step says it.

    Args:
        error: What went wrong.
        step: The step.
        fallback: Whether its fallback takes over.
    """
    if fallback:
        return error.model_copy(update={"next": FALLBACK})
    if step.optional and error.type is not ErrorType.OUTCOME_UNKNOWN:
        return error.model_copy(update={"next": LEFT_OUT})
    return error
