"""When a run goes on in a new history, and what it takes along: all of its state, packed."""

from __future__ import annotations

from temporalio import workflow

from workflows import activities
from workflows.gates import Gates

with workflow.unsafe.imports_passed_through():
    from plangate import strictjson
    from plangate.carrying import lists_with_args, pack
    from plangate.resuming import compact
    from plangate.runs import RunInput, RunState
    from plangate.tasks import EvaluateTask, ScopeEntry

MAX_HISTORY_EVENTS = 20_000
MAX_HISTORY_BYTES = 8 * 1024 * 1024
MAX_DECISIONS = 2_000
"""Signals of one execution after which it continues as new. The server takes 10,000; more keep coming in while what is
under way ends."""
_MAX_DECISIONS_BEFORE = 5_000
"""The same for executions that began with an older version."""
_UPDATE = 4
"""Signals that an update counts as: the server takes 2,000."""


class History:
    """How full a run's history is."""

    def __init__(self) -> None:
        self._decisions = 0

    def decision_arrived(self, *, update: bool) -> None:
        """Count a signal or update."""
        self._decisions += _UPDATE if update else 1

    @property
    def full(self) -> bool:
        """Whether it is long enough to continue as new."""
        info = workflow.info()
        return (
            info.is_continue_as_new_suggested()
            or info.get_current_history_length() > MAX_HISTORY_EVENTS
            or info.get_current_history_size() > MAX_HISTORY_BYTES
            or self._decisions > _MAX_DECISIONS_BEFORE
            or (self._decisions > MAX_DECISIONS and workflow.patched("sooner-as-new"))
        )


async def continue_as_new(state: RunState, gates: Gates) -> None:
    """Begin a new history with the same state.

    Decisions that aren't judged yet come along: who waits until there are none may wait for ever in a flood, and the
    server's limit of signals would be reached meanwhile.
    """
    packed = workflow.patched("carried-inbox")
    if packed:
        await _put_arguments_away(state)
        await gates.hand_over()
        await workflow.wait_condition(lambda: gates.at_rest and workflow.all_handlers_finished())
    else:
        await workflow.wait_condition(lambda: not state.inbox and workflow.all_handlers_finished())
    state.generation += 1
    request = state.request.model_dump()
    carried = (
        pack(state, namespace=workflow.info().namespace) if packed else compact(state)
    )  # as older versions carried it
    workflow.continue_as_new(RunInput(**request, carried=carried))


async def _put_arguments_away(state: RunState) -> None:
    """Store the arguments that undoing a long list's items may need, and carry only where they are.

    When the database isn't to be had, they are carried as they are.
    """
    lists = lists_with_args(state)
    if not lists or not workflow.patched("carried-arguments"):
        return
    run = workflow.info().workflow_id
    for step, calls in lists:
        values = [call.args for call in calls]
        key = f"{state.effect_identity or run}:{step.id}:args:{strictjson.digest(values)[:16]}"
        scope = {"args": ScopeEntry(value=values)}
        try:
            await activities.evaluate(
                EvaluateTask(run=run, step=step.id, expression="args", scope=scope, key=key, keep=True)
            )
        except activities.FAILURES:
            return
        for index, call in enumerate(calls):
            call.args, call.args_key, call.args_index = None, key, index
