"""How the workflow calls activities: by name, with typed contracts, time limits and retry policies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import nullcontext
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType, is_cancelled_exception
from temporalio.exceptions import TimeoutError as TemporalTimeout

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from plangate.agents import Admission
    from plangate.errors import ErrorPayload, ErrorType, error_type
    from plangate.preflight import PreflightReport, PreflightTask
    from plangate.runs import RunRequest
    from plangate.tasks import (
        Answer,
        BindTask,
        Bound,
        CallResult,
        EffectsFound,
        EffectsTask,
        Evaluated,
        EvaluateTask,
        FreeTask,
        PlanOutcome,
        PlanTask,
        Recorded,
        RecordTask,
        RespondTask,
        ToolCall,
    )
    from plangate.tool_policy import Effect, Idempotency, ToolPolicy

R = TypeVar("R")
CANCELLED = "cancelled-anywhere"
"""Patch: a run is cancelled also while it plans, answers, or writes something down."""
_BUGS = ["AssertionError", "AttributeError", "IndexError", "KeyError", "TypeError", "ValidationError", "ValueError"]
"""Errors of code, not of the database: trying again can't help."""
_LOCAL_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_interval=timedelta(seconds=10),
    non_retryable_error_types=_BUGS,
)
_MODEL_ATTEMPTS = 6
"""Two more than the activities ask a model: attempts that find its circuit breaker open only wait."""
LOCAL_TIMEOUT = timedelta(minutes=5)
"""All attempts of a local activity together."""
MODEL_TIMEOUT = timedelta(minutes=5)
MODEL_HEARTBEAT = timedelta(seconds=15)
TOOL_HEARTBEAT = timedelta(seconds=10)
"""Silence after which an attempt counts as dead: Plangate beats beside every tool."""


_TURN_SECONDS = 4.0
"""Time for a call to wait for its turn inside its activity; the tool's own time limit begins after that."""


async def admit(request: RunRequest) -> Admission:
    """Check the request and note its run."""
    return await _locally("admit", request, Admission)


async def make_plan(task: PlanTask, *, within: timedelta | None = None) -> PlanOutcome:
    """Let the planner plan, or revise; within what the run's time leaves for it."""
    summary = f"Revise the plan ({task.revision})" if task.revision else "Plan"
    return await _with_a_model("make_plan", task, PlanOutcome, summary, within)


async def bind_call(task: BindTask) -> Bound:
    """Bind a call's arguments and hear what policy says."""
    return await _locally("bind_call", task, Bound)


async def evaluate(task: EvaluateTask) -> Evaluated:
    """Evaluate an expression over results that history doesn't have."""
    return await _locally("evaluate", task, Evaluated)


async def record(task: RecordTask) -> Recorded:
    """Write decisions and the run's end into the database."""
    recorded: Recorded | None = await _locally("record", task, Recorded, in_all=timedelta(hours=1))
    return recorded or Recorded()  # older histories have nothing there


async def find_effects(task: EffectsTask) -> EffectsFound:
    """Ask the ledger what became of calls that were cut off."""
    return await _locally("find_effects", task, EffectsFound)


async def free_places(task: FreeTask) -> None:
    """Let others go first: these calls no longer wait for their turn."""
    await _locally("free_places", task, None)


async def preflight(task: PreflightTask) -> PreflightReport:
    """Look at the dependencies that a plan can't do without."""
    return await _locally("preflight", task, PreflightReport)


async def respond(task: RespondTask, *, within: timedelta | None = None) -> Answer:
    """Let a model write the answer; within what the run's time leaves for it."""
    return await _with_a_model("respond", task, Answer, "Answer", within)


async def judge_plain(task: RespondTask) -> Answer:
    """Have an answer judged that no model wrote."""
    return await _locally("judge_plain", task, Answer)


async def _locally(name: str, task: BaseModel, returns: type[R] | None, in_all: timedelta = LOCAL_TIMEOUT) -> R:
    """A local activity: short, and safe to repeat. They go one at a time: `Admission.in_turn` says why."""
    run = workflow.instance()
    async with run.turn if run.state.in_turn else nullcontext():
        return await _or_cancelled(
            workflow.execute_local_activity(
                name,
                task,
                result_type=returns,
                start_to_close_timeout=timedelta(seconds=20),
                schedule_to_close_timeout=in_all,
                retry_policy=_LOCAL_RETRY,
            )
        )


async def _or_cancelled(activity: Awaitable[R]) -> R:
    """An activity that was cancelled has not failed.

    Raises:
        asyncio.CancelledError: The run, or what waits for the activity, was cancelled.
    """
    try:
        return await activity
    except ActivityError as error:
        if is_cancelled_exception(error) and workflow.patched(CANCELLED):
            raise asyncio.CancelledError from None
        raise


async def _with_a_model(
    name: str, task: PlanTask | RespondTask, returns: type[R], summary: str, within: timedelta | None
) -> R:
    """An activity that asks a model."""
    in_all = MODEL_TIMEOUT * 3 if within is None else min(MODEL_TIMEOUT * 3, within)
    return await _or_cancelled(
        workflow.execute_activity(
            name,
            task,
            result_type=returns,
            start_to_close_timeout=min(MODEL_TIMEOUT, in_all),
            schedule_to_close_timeout=in_all,
            heartbeat_timeout=min(MODEL_HEARTBEAT, in_all),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=1), maximum_attempts=max(1, _MODEL_ATTEMPTS - task.failed)
            ),
            summary=summary,
        )
    )


async def call_tool(call: ToolCall, policy: ToolPolicy, summary: str) -> CallResult:
    """Run a tool: an activity named after it, with its own time limits and retry policy."""
    retries = policy.retries
    heartbeat = timedelta(seconds=policy.heartbeat_seconds) if policy.heartbeat_seconds else TOOL_HEARTBEAT
    consequential = policy.effect is Effect.CONSEQUENTIAL
    result: CallResult = await workflow.execute_activity(
        policy.name,
        call,
        result_type=CallResult,
        start_to_close_timeout=timedelta(seconds=policy.timeout_seconds + _TURN_SECONDS),
        schedule_to_close_timeout=timedelta(seconds=policy.total_seconds + _TURN_SECONDS),
        heartbeat_timeout=min(heartbeat, timedelta(seconds=policy.timeout_seconds)),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=retries.initial_seconds),
            backoff_coefficient=retries.backoff,
            maximum_interval=timedelta(seconds=max(retries.max_seconds, retries.initial_seconds)),
            maximum_attempts=max(1, retries.max_attempts - call.failed),
        ),
        cancellation_type=(
            workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
            if consequential
            else workflow.ActivityCancellationType.TRY_CANCEL
        ),
        summary=summary,
    )
    return result


_UNSURE = frozenset({ErrorType.TIMEOUT, ErrorType.UNAVAILABLE, ErrorType.BUG})


FAILURES = (ActivityError, ApplicationError)
"""How activities fail; a local activity's own error comes without an `ActivityError` around it."""


def payload_of(
    error: ActivityError | ApplicationError, *, step: str | None = None, policy: ToolPolicy | None = None
) -> ErrorPayload:
    """What went wrong in an activity, in the one shape for errors.

    A consequential call that ended in a time-out, a server error or a bug may have taken effect: its outcome is
    unknown. A `ledger` tool that tells its fault itself has rolled back. An attempt whose ledger row says that an
    earlier one may have taken effect is `unsure`, whatever it failed with itself.
    """
    cause = error.cause if isinstance(error, ActivityError) else error
    attempted = error.activity_type if isinstance(error, ActivityError) else ""
    payload = ErrorPayload(message=str(cause or error), attempted=attempted, step=step)
    if isinstance(cause, ApplicationError):
        payload = _from_details(cause, payload)
    elif isinstance(cause, TemporalTimeout):
        limit = f" (limit {policy.timeout_seconds:g} s an attempt, {policy.total_seconds:g} s in all)" if policy else ""
        attempts = policy.retries.max_attempts if policy and _exhausted(error) else 1
        message = f"{attempted} did not finish in time{limit}"
        payload = payload.model_copy(update={"type": ErrorType.TIMEOUT, "message": message, "attempts": attempts})
    rolled_back = (
        policy is not None and policy.idempotency is Idempotency.LEDGER and isinstance(cause, ApplicationError)
    )
    consequential = policy is not None and policy.effect is Effect.CONSEQUENTIAL
    if consequential and (payload.unsure or (payload.type in _UNSURE and not rolled_back)):
        message = f"{payload.message}. Whether it took effect is not known: check, then decide"
        payload = payload.model_copy(update={"type": ErrorType.OUTCOME_UNKNOWN, "message": message})
    return payload


def ran_out_of_time(error: ActivityError | ApplicationError) -> bool:
    """Whether all attempts together met their limit, or no further one could begin before it."""
    if not isinstance(error, ActivityError):
        return False
    late = isinstance(error.cause, TemporalTimeout) and error.cause.type is not TimeoutType.HEARTBEAT
    return late or (error.retry_state is not None and error.retry_state.name == "TIMEOUT")


def _exhausted(error: ActivityError | ApplicationError) -> bool:
    return (
        isinstance(error, ActivityError)
        and error.retry_state is not None
        and error.retry_state.name == "MAXIMUM_ATTEMPTS_REACHED"
    )


def _from_details(cause: ApplicationError, payload: ErrorPayload) -> ErrorPayload:
    found = cause.details[0] if cause.details else None
    if isinstance(found, dict) and "message" in found:
        given = ErrorPayload.model_validate(found)
        return given.model_copy(update={"step": payload.step, "attempted": given.attempted or payload.attempted})
    return payload.model_copy(update={"type": error_type(cause.type), "message": cause.message})
