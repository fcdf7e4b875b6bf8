"""What resuming a dead letter would do: decided from its state, the ledger and the agent as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from activities.catalogue import LoadedAgent
from activities.ledger import LedgerState
from activities.storage.dead_letters import DeadLetters
from plangate.dead_letters import DeadLetter, DeadLetterCause
from plangate.resuming import OpenCall, open_calls, steps_to_repeat, undoing_calls, undone_calls
from plangate.runs import CallStatus, RunState

UNSURE = frozenset({LedgerState.INTENDED.value, LedgerState.UNKNOWN.value})


@dataclass
class Outlook:
    """What resuming would do."""

    kept: list[str] = field(default_factory=list)
    """Steps that have ended and never run again."""
    repeated: list[str] = field(default_factory=list)
    """Steps that run (again)."""
    unresolved: list[OpenCall] = field(default_factory=list)
    """Calls that a person has to decide about first."""
    failed: list[OpenCall] = field(default_factory=list)
    """Consequential calls that failed for sure: they get a new key."""
    done: list[OpenCall] = field(default_factory=list)
    """Calls that took effect although the run didn't hear of it: their stored result is taken."""
    calls: list[OpenCall] = field(default_factory=list)
    rows: Mapping[str, Row[Any]] = field(default_factory=dict)
    refusal: str = ""
    """Why it can't be resumed at all."""


async def look_ahead(letters: DeadLetters, letter: DeadLetter, *, namespace: str) -> Outlook:
    """What resuming this letter would do now."""
    state = letter.run_state
    if state is None:
        return Outlook(refusal="nothing is known of what it had planned")
    await _hear_of_undoing(letters, state, namespace=namespace)
    if unclear := [each.summary for each in state.compensations if each.unclear]:
        return Outlook(refusal=f"whether {unclear[0]!r} was undone is not known; check it, then start a new run")
    if state.plan is None:
        known = await letters.effects(run=letter.run)
        if known:
            return Outlook(rows=known, refusal=_BLIND.format(count=len(known)))
        return Outlook()
    outlook = Outlook(calls=open_calls(state, namespace=namespace))
    outlook.rows = await letters.effects([call.key for call in outlook.calls])
    again = {step.id for step in steps_to_repeat(state)}
    for step in state.plan.steps:
        (outlook.repeated if step.id in again else outlook.kept).append(step.id)
    for call in outlook.calls:
        row = outlook.rows.get(call.key)
        found = row.state if row is not None else None
        if found in UNSURE:
            outlook.unresolved.append(call)
        elif found == LedgerState.FAILED.value:
            outlook.failed.append(call)
        elif found == LedgerState.DONE.value:
            outlook.done.append(call)
    return outlook


async def _hear_of_undoing(letters: DeadLetters, state: RunState, *, namespace: str) -> None:
    """A run that was terminated or cancelled while it undid an effect: the ledger says what became of that."""
    undoing = undoing_calls(state, namespace=namespace)
    rows = await letters.effects(undoing) if undoing else {}
    for key, row in rows.items():
        known = state.compensations[undoing[key]]
        if row.state in (*UNSURE, LedgerState.DONE.value):
            ended = {"undone": row.state == LedgerState.DONE.value, "unclear": row.state in UNSURE, "by": row.tool}
            state.compensations[undoing[key]] = known.model_copy(update=ended)


_BLIND = (
    "its plan is not known, and the ledger has {count} effect(s) of it: a new plan could repeat them. "
    "Check these effects, then discard it and start a new run"
)


def in_words(letter: DeadLetter, outlook: Outlook) -> list[str]:
    """The same for people."""
    if outlook.refusal:
        return [f"can't be resumed: {outlook.refusal}"]
    if letter.run_state is None or letter.run_state.plan is None:
        return ["starts over: it had not come to a plan, and nothing was done"]
    lines = [f"asks first: did {call.call!r} ({call.tool}) take effect?" for call in outlook.unresolved]
    lines += [f"takes the stored result of {call.call!r}: it took effect" for call in outlook.done]
    lines += [f"makes {call.call!r} ({call.tool}) again: it failed for sure" for call in outlook.failed]
    undone = undone_calls(letter.run_state)
    lines += [f"does {call!r} again: it was undone" for call in sorted(undone)]
    if outlook.kept:
        lines.append(f"keeps {', '.join(outlook.kept)}")
    if outlook.repeated:
        lines.append(f"runs {', '.join(outlook.repeated)}")
    if letter.cause is DeadLetterCause.STUCK:
        lines.append("terminates the stuck run first; after a fix it would go on by itself")
    return lines or ["writes the answer again"]


def outdated(state: RunState, agent: LoadedAgent) -> set[str]:
    """Open calls whose approval was given for another version of the agent or the tool."""
    found = set()
    for step in state.steps.values():
        for call in step.calls:
            gate = state.gates.get(call.id)
            if gate is None or call.status in (CallStatus.DONE, CallStatus.REJECTED):
                continue
            tool = agent.tools.get(gate.tool)
            if gate.agent_version != agent.version or tool is None or gate.tool_version != tool.version:
                found.add(call.id)
    return found
