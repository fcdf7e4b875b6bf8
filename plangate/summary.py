"""A run in words: step reports, gaps, the checklist for the Temporal UI and the summary in plain words."""

from __future__ import annotations

import shlex
import string
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from plangate.approvals import ApprovalRequest, GateStatus
from plangate.handover import handover_lines
from plangate.plans import Step
from plangate.policy import Action, Verdict
from plangate.run_status import StepReport
from plangate.runs import CallState, CallStatus, Outcome, RunState, StepState, StepStatus, Usage

_MARKS = {
    StepStatus.PENDING: "☐",
    StepStatus.RUNNING: "▶",
    StepStatus.WAITING: "◆",
    StepStatus.DONE: "☑",
    StepStatus.SKIPPED: "–",
    StepStatus.FAILED: "✗",
    StepStatus.REJECTED: "✗",
    StepStatus.CANCELLED: "✗",
}
MAX_LINES = 60
"""Lines of a checklist shown at most."""
MAX_VERDICTS = 20
"""Verdicts named in a summary at most."""
MAX_VALUE, MAX_WORDS = 1000, 120
"""Characters of an argument's value shown in a checklist, and of a call in words."""


class _Lenient(string.Formatter):
    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(key, f"{{{key}}}") if isinstance(key, str) else ""

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        try:
            found: Any = kwargs
            for part in field_name.split("."):
                found = found[part]
            return found, field_name
        except (KeyError, TypeError, IndexError):
            return "…", field_name

    def format_field(self, value: Any, format_spec: str) -> Any:
        try:
            return super().format_field(value, format_spec)
        except (ValueError, TypeError):
            return str(value)


def in_words(template: str, tool: str, args: Mapping[str, Any]) -> str:
    """A call in words, by the tool's summary template; on one line of at most `MAX_WORDS` characters.

    Only names and their fields are looked up, never attributes, so arguments can't reach into objects.
    """
    text = _Lenient().vformat(template, (), args) if template else tool.replace("_", " ")
    return " ".join(text.split())[:MAX_WORDS]


def report(step: Step, state: StepState) -> StepReport:
    """A step for people and programs outside."""
    done, began, ended = 0, None, None
    for call in state.calls:  # once through: there may be thousands
        done += call.status is CallStatus.DONE
        if call.started_at is not None and (began is None or call.started_at < began):
            began = call.started_at
        if call.ended_at is not None and (ended is None or call.ended_at > ended):
            ended = call.ended_at
    for packed in state.packed:
        done += packed.count
        began = min(filter(None, (began, packed.started_at)), default=None)
        ended = max(filter(None, (ended, packed.last_end)), default=None)
    shown: CallState | None = state.calls[-1] if state.calls else None
    return StepReport(
        id=step.id,
        title=step.title or step.tool.replace("_", " "),
        tool=step.tool,
        status=state.status,
        summary=shown.summary if shown and state.items is None else "",
        optional=step.optional,
        calls=state.items if state.items is not None else len(state.calls),
        done_calls=done,
        reason=state.reason,
        when=step.when or "",
        revision=state.revision,
        error=state.error,
        started_at=began,
        ended_at=ended if state.status.ended else None,
    )


def reports(state: RunState, *, times: bool = True) -> list[StepReport]:
    """All steps of the current plan, in its order.

    Args:
        state: The run's state.
        times: Whether to say when steps began and ended; models don't need it.
    """
    steps = state.plan.steps if state.plan else []
    found = [report(step, state.steps.get(step.id) or StepState(id=step.id)) for step in steps]
    return found if times else [each.model_copy(update={"started_at": None, "ended_at": None}) for each in found]


def gaps(state: RunState) -> list[str]:
    """What is missing from the answer, one line a step; once the run is over, what it didn't come to as well."""
    lines = []
    for item in reports(state):
        step, pending = state.steps.get(item.id) or StepState(id=item.id), item.status is StepStatus.PENDING
        if state.outcome is not None and not item.status.ended:
            lines.append(f"{item.title}: {'not begun' if pending else 'not finished'}")
        elif item.status in (StepStatus.FAILED, StepStatus.REJECTED, StepStatus.CANCELLED):
            lines.append(f"{item.title}: {item.status.value}{f' ({item.reason})' if item.reason else ''}")
        elif step.gap:
            lines.append(f"{item.title}: left out ({item.reason})")
        elif item.status is StepStatus.DONE and item.calls > item.done_calls and step.items is not None:
            lines.append(f"{item.title}: {item.calls - item.done_calls} of {item.calls} items failed")
    return lines


def approve_command(gate: ApprovalRequest) -> str:
    """The command that approves a gate, or says what a person did in place of a draft."""
    if gate.draft:
        return f"plangate respond {shlex.quote(gate.id)} --response 'WHAT CAME OF IT'"
    return f"plangate approve {shlex.quote(gate.id)}"


def signal_command(gate: ApprovalRequest) -> str:
    """The same with nothing but the `temporal` CLI."""
    extra = ',"response":"WHAT CAME OF IT"' if gate.draft else ""
    payload = f'{{"approval":"{gate.call}","digest":"{gate.digest[:16]}","by":"YOUR NAME"{extra}}}'
    name = "respond" if gate.draft else "approve"
    return f"temporal workflow signal -w {shlex.quote(gate.run)} --name {name} \\\n  --input '{payload}'"


def checklist(state: RunState) -> str:
    """The run's current details in the Temporal UI: the plan as a checklist, and what waits for whom (Markdown)."""
    lines = [f"**{state.phase.value.capitalize()}**" + (f" · plan revision {state.revision}" if state.revision else "")]
    if state.plan and state.plan.goal:
        lines += ["", f"Goal: {_line(state.plan.goal)}"]
    if state.waits:
        lines += ["", _line(state.waits)]
    items = reports(state)
    if items:
        lines.append("")
    for item in items[:MAX_LINES]:
        words = f": {item.summary}" if item.summary and item.summary != item.title else ""
        many = f" ({item.done_calls}/{item.calls})" if state.steps[item.id].items is not None else ""
        why = f" — {_line(item.reason)}" if item.reason else ""
        lines.append(f"- {_MARKS[item.status]} **{_line(item.title)}**{words}{many}{why}")
    if len(items) > MAX_LINES:
        lines.append(f"- … and {len(items) - MAX_LINES} more steps")
    for gate in [g for g in state.gates.values() if not g.settled][:20]:
        waits = "Waits for a person to do it" if gate.draft else "Waits for approval"
        lines += ["", f"### {waits}: {_line(gate.title)}", ""]
        lines += [f"- `{name}`: `{_inline(value)}`" for name, value in gate.args.items()]
        lines += _origins(gate)
        lines += ["", f"Why: {_line(gate.reason)}" + (f"\nRisk: {_line(gate.risk)}" if gate.risk else "")]
        ask = "It is a draft: do it, and say what came of it" if gate.draft else "Approve it"
        lines += ["", f"{ask} until {_time(gate.deadline)}:", "", "```", approve_command(gate)]
        lines += ["# or with Temporal's command line alone:", signal_command(gate), "```"]
    return "\n".join(lines)


def _origins(gate: ApprovalRequest) -> list[str]:
    """Where a gate's arguments come from, first those that are asked for and those with text of others; what others
    wrote is code, which can't look like the page, and isn't said again when it is an argument as it stands above.
    """
    lines = ["", "Where it comes from:", ""] if gate.provenance else []
    told = {" ".join(value.split()) for value in gate.args.values() if isinstance(value, str)}
    for each in sorted(gate.provenance, key=lambda one: (not one.rule, one.trusted)):
        mark = "⚠ " if each.rule or not each.trusted else ""
        others = "" if each.trusted else "text of others: "
        says = "".join(f" — it says: `{_inline(text)}`" for text in each.excerpts if text not in told)
        lines.append(f"- `{_inline(each.argument)}`: {mark}{others}`{_inline(each.brief)}`{says}")
    return lines


def _line(text: str) -> str:
    """Text on one line: a plan's words can't look like another part of the page."""
    return " ".join(text.split())


def _unended(text: str) -> str:
    """A sentence on one line without its full stop, for what is put into a sentence or goes on."""
    return _line(text).rstrip(".")


def _inline(value: Any) -> str:
    """A value on one line of Markdown code: what stands in it can't look like another part of the page."""
    text = value if isinstance(value, str) else repr(value)
    plain = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:MAX_VALUE]).replace("`", "'")
    return plain + (f"… ({len(text):,} characters)" if len(text) > MAX_VALUE else "")


def _time(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "?"


def cost(usage: Usage) -> str:
    """Tokens and cost in words; a cost that isn't known is never shown as zero."""
    tokens = (
        f"{usage.input_tokens + usage.output_tokens:,} tokens in {usage.calls} model call{'s' * (usage.calls != 1)}"
    )
    if usage.cached_calls:
        tokens += f" ({usage.cached_calls} from the cache)"
    if usage.unpriced_calls:
        known = f"${usage.cost_usd:.4f} plus " if usage.cost_usd else ""
        return f"{tokens}, cost {known}unknown ({usage.unpriced_calls} without a price)"
    return f"{tokens}, ${usage.cost_usd:.4f}" if usage.cost_usd else f"{tokens}, no cost"


_OUTCOMES = {
    Outcome.COMPLETED: "It was completed.",
    Outcome.DEGRADED: "It was completed with gaps.",
    Outcome.DECLINED: "It was declined; nothing was done.",
    Outcome.REJECTED: "A person said no to a part of it, or nobody decided in time.",
    Outcome.ESCALATED: "It was handed over to a person.",
    Outcome.FAILED: "It failed.",
    Outcome.CANCELLED: "It was cancelled.",
}


def in_plain_words(state: RunState, *, ended_at: datetime) -> str:
    """The summary of a run (Markdown): asked, planned, done, decided by whom, failed, cost."""
    request = state.request
    who = request.user or "Somebody"
    lines = [f"{who} asked the agent {request.agent!r}: “{' '.join(request.request.split())[:300]}”"]
    outcome = _OUTCOMES.get(state.outcome or Outcome.FAILED, "")
    seconds = (ended_at - state.started_at).total_seconds()
    lines.append(f"{outcome} It took {seconds:.1f} s.")
    items = reports(state)
    if items:
        source = "The caller's plan" if request.plan is not None else "The plan"
        revised = f", revised {state.revision} time{'s' * (state.revision != 1)}" if state.revision else ""
        lines += ["", f"{source} had {len(items)} step{'s' * (len(items) != 1)}{revised}:", ""]
    for item in items[:MAX_LINES]:
        lines.append(f"- {_MARKS[item.status]} {_line(item.summary or item.title)} — {_line(_ending(item))}")
    if len(items) > MAX_LINES:
        lines.append(f"- … and {len(items) - MAX_LINES} more")
    lines += _decisions(state)
    lines += _compensations(state)
    lines += guardrail_lines(state.verdicts, state.confidence, state.doubts)
    lines += handover_lines(state)
    if state.error is not None:
        lines += ["", f"What went wrong: {state.error.message} ({state.error.type.value})"]
    lines += ["", f"It used {cost(state.usage)}." if state.usage.calls else "No model was asked."]
    return "\n".join(lines)


def _compensations(state: RunState) -> list[str]:
    lines = ["", "Effects:", ""] if state.compensations else []
    for each in sorted(state.compensations, key=lambda each: each.undone)[:MAX_LINES]:  # first what is left to do
        lines.append(f"- {each.summary} — {'undone' if each.undone else f'not undone: {each.reason}'}")
    if (more := len(state.compensations) - MAX_LINES) > 0:
        lines.append(f"- … and {more:,} more; {sum(each.undone for each in state.compensations):,} in all were undone")
    return lines


def guardrail_lines(verdicts: Sequence[Verdict], confidence: float | None, doubts: Sequence[str]) -> list[str]:
    """What guardrails said other than allow, and how far the answer can be relied on (Markdown)."""
    lines = ["", "Guardrails:", ""] if verdicts else []
    for verdict in verdicts[:MAX_VERDICTS]:
        about = f" on {verdict.call}" if verdict.call else ""
        detail = f" ({_unended(verdict.detail)})" if verdict.detail else ""
        word = {Action.BLOCK: "refused", Action.CHANGE: "noted"}.get(verdict.action, verdict.action.value)
        lines.append(f"- {word}{about} by {verdict.rule or verdict.guard}: {_unended(verdict.reason)}{detail}")
    if len(verdicts) > MAX_VERDICTS:
        lines.append(f"- … and {len(verdicts) - MAX_VERDICTS} more")
    if confidence is not None and doubts:
        lines += ["", f"Confidence in the answer: {confidence:.2f}: {'; '.join(map(_unended, doubts))}."]
    return lines


def _ending(item: StepReport) -> str:
    count = f" ({item.done_calls} of {item.calls})" if item.calls > 1 else ""
    if item.reason.startswith(item.status.value):  # "rejected by ada" says it already
        return f"{item.reason}{count}"
    word = "not begun" if item.status is StepStatus.PENDING else item.status.value  # the run is over: it won't be
    return f"{word}{count}{f': {item.reason}' if item.reason else ''}"


def _decisions(state: RunState) -> list[str]:
    lines = ["", "Decisions:", ""] if state.gates else []
    for gate in state.gates.values():
        if gate.decision is not None:
            by = gate.decision.by or "somebody who gave no name"
            why = f" ({gate.decision.reason})" if gate.decision.reason else ""
            changed = f", changing {'; '.join(gate.edits)}" if gate.edits else ""
            lines.append(f"- {gate.title}: {gate.status.value} by {by}{why}{changed}")
        elif gate.status is not GateStatus.PENDING:
            lines.append(f"- {gate.title}: {gate.status.value}; nobody decided")
    if state.gates_left:
        lines.append(f"- {state.gates_left:,} earlier ones are in the database only")
    return lines
