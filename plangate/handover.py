"""What the person needs who takes a stopped run over: why it stopped, what was tried, what stays, what is left."""

from __future__ import annotations

from plangate.runs import CallStatus, Outcome, RunState, StepState, StepStatus
from plangate.tool_policy import Effect

MAX_LINES = 20
"""Lines of each kind at most."""
_LEFT = frozenset({StepStatus.PENDING, StepStatus.RUNNING, StepStatus.WAITING, StepStatus.CANCELLED})


def handover_lines(state: RunState) -> list[str]:
    """The part of a run's summary for whoever takes over (Markdown); nothing when nobody has to."""
    stops = [verdict for verdict in state.verdicts if verdict.guard.startswith("run.")]
    if state.outcome is not Outcome.ESCALATED or not stops:
        return []
    lines = ["", "For the person who takes over:", ""]
    lines += [f"- It stopped because {stop.reason} (`{stop.rule}`)" for stop in stops]
    titles = {step.id: step.title or step.tool.replace("_", " ") for step in (state.plan.steps if state.plan else [])}
    named = [(titles[name], step) for name, step in state.steps.items() if name in titles]
    failed = [(title, step) for title, step in named if step.status is StepStatus.FAILED]
    lines += _some([f"- Tried, and it failed: {title}: {step.reason}{_attempts(step)}" for title, step in failed])
    lines += _some([f"- Done, and stays done: {words}" for _, step in named for words in _effects(state, step)])
    left = [title for title, step in named if step.status in _LEFT or step.blocked]
    lines += _some([f"- Left to do: {title}" for title in left])
    return lines


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - MAX_LINES
    return lines if more <= 0 else [*lines[:MAX_LINES], f"- … and {more} more"]


def _attempts(step: StepState) -> str:
    attempts = step.error.attempts if step.error else 1
    return f" ({attempts} attempts)" if attempts > 1 else ""


def _effects(state: RunState, step: StepState) -> list[str]:
    """The effects that a step's calls had outside, in words."""
    found = []
    for call in step.calls:
        policy = state.tools.get(call.tool)
        if call.status is CallStatus.DONE and policy is not None and policy.effect is Effect.CONSEQUENTIAL:
            found.append(call.summary or call.tool)
    for packed in step.packed:
        policy = state.tools.get(packed.tool)
        if policy is not None and policy.effect is Effect.CONSEQUENTIAL:
            found.append(f"{packed.tool.replace('_', ' ')}: {packed.count} items")
    return found
