"""The store's upserts, built once for a database's dialect, and the rows that go into them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Executable, Table, and_, bindparam, not_, or_, update
from sqlalchemy.dialects import sqlite

from activities.storage import tables
from plangate.approvals import ApprovalRequest, GateStatus, Receipt, ReceiptStatus
from plangate.dead_letters import DeadLetter, DeadLetterCause, DeadLetterState, Deed
from plangate.run_status import RunResult
from plangate.runs import Phase
from plangate.strictjson import canonical

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


RECOVERED_MARK = '{"action":"recovered",'
"""In a letter's history: its run went on by itself."""
_BY_PEOPLE = ('{"action":"resolved",', '{"action":"resumed",', '{"action":"discarded",')
"""In a letter's history: a person did something about it."""


@dataclass(frozen=True)
class Statements:
    """What the store writes, for one dialect."""

    open_run: Executable
    end_run: Executable
    open_gate: Executable
    settle_gate: Executable
    add_decision: Executable
    add_usage: Executable
    save_result: Executable
    add_dead_letter: Executable
    doubt_effects: Executable
    add_verdict: Executable


def statements(dialect: str) -> Statements:
    """The statements for `sqlite` or `postgresql`."""
    approvals, results = tables.approvals, tables.results
    gate, decision = insert_into(dialect, approvals), insert_into(dialect, tables.decisions)
    run = insert_into(dialect, tables.runs)
    result = insert_into(dialect, results)
    letters = tables.dead_letters
    letter = insert_into(dialect, letters)
    return Statements(
        open_run=insert_into(dialect, tables.runs).on_conflict_do_nothing(index_elements=["run"]),
        end_run=run.on_conflict_do_update(index_elements=["run"], set_=_new(run, tables.runs, but=("started_at",))),
        open_gate=insert_into(dialect, approvals).on_conflict_do_nothing(index_elements=["id"]),
        settle_gate=gate.on_conflict_do_update(
            index_elements=["id"],
            set_=_new(gate, approvals),
            # An old attempt of a local activity must not open again what was settled meanwhile.
            where=or_(
                approvals.c.status == GateStatus.PENDING.value,
                gate.excluded.decided_at > approvals.c.decided_at,
            ),
        ),
        add_decision=decision.on_conflict_do_update(
            index_elements=["dedupe"],
            set_=_new(decision, tables.decisions, but=("id", "dedupe")),
            where=decision.excluded.at > tables.decisions.c.at,
        ),
        add_usage=insert_into(dialect, tables.usage).on_conflict_do_nothing(index_elements=["id"]),
        save_result=result.on_conflict_do_update(index_elements=["key"], set_=_new(result, results)),
        add_dead_letter=letter.on_conflict_do_update(
            index_elements=["run"],
            set_=_new(letter, letters, but=("history_json",)),
            # What a person did about it stands, also when the same end is written once more after it; what was known by
            # hearsay gives way to the run's own word. So does that a run went on by itself: it may end badly.
            where=and_(
                or_(
                    letters.c.state == DeadLetterState.OPEN.value,
                    and_(
                        letters.c.cause == DeadLetterCause.STUCK.value,
                        letters.c.state == DeadLetterState.DISCARDED.value,
                    ),
                    letters.c.history_json.contains(RECOVERED_MARK, autoescape=True),
                ),
                or_(
                    letter.excluded.failed_at > letters.c.failed_at,
                    and_(*(not_(letters.c.history_json.contains(deed, autoescape=True)) for deed in _BY_PEOPLE)),
                ),
            ),
        ),
        doubt_effects=update(tables.ledger)
        .where(tables.ledger.c.run == bindparam("of_run"), tables.ledger.c.state == "intended")
        .values(state="unknown", finished_at=bindparam("at")),
        add_verdict=insert_into(dialect, tables.verdicts).on_conflict_do_nothing(index_elements=["id"]),
    )


def insert_into(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An `INSERT` that knows `ON CONFLICT`, in the words of a dialect."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # 4 MiB that a worker on SQLite doesn't need

        return postgresql.insert(table)
    return sqlite.insert(table)


def _new(insert: sqlite.Insert | postgresql.Insert, table: Table, *, but: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        column.name: insert.excluded[column.name]
        for column in table.columns
        if not column.primary_key and column.name not in but
    }


def run_row(result: RunResult, *, now: datetime) -> dict[str, Any]:
    """A run's row at its end."""
    used = result.usage
    return {
        "run": result.run,
        "agent": result.agent,
        "agent_version": result.agent_version,
        "user": result.user,
        "session": result.session,
        "request": result.request,
        "phase": Phase.ENDED.value,
        "outcome": result.outcome.value,
        "answer": result.answer,
        "summary": result.summary,
        "cost_usd": None if used.calls and used.unpriced_calls == used.calls else used.cost_usd,
        "unpriced_calls": used.unpriced_calls,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "started_at": result.started_at or result.ended_at or now,
        "ended_at": result.ended_at or now,
        "result_json": result.model_dump_json(),
    }


def verdict_rows(result: RunResult, *, now: datetime) -> list[dict[str, Any]]:
    """A row for each verdict of a run; the same list again gives the same ids."""
    return [
        {
            "id": f"{result.run}:{number}",
            "run": result.run,
            "agent": result.agent,
            "guard": verdict.guard,
            "rule": verdict.rule[:200],
            "action": verdict.action.value,
            "reason": verdict.reason,
            "detail": verdict.detail,
            "call": verdict.call,
            "at": result.ended_at or now,
        }
        for number, verdict in enumerate(result.verdicts)
    ]


def gate_row(gate: ApprovalRequest) -> dict[str, Any]:
    """A gate's row."""
    decision = gate.decision
    return {
        "id": gate.id,
        "run": gate.run,
        "call": gate.call,
        "step": gate.step,
        "tool": gate.tool,
        "digest": gate.digest,
        "args_json": canonical(gate.args),
        "status": gate.status.value,
        "opened_at": gate.opened_at,
        "deadline": gate.deadline,
        "decided_at": gate.decided_at,
        "decided_by": decision.by if decision else None,
        "action": decision.action.value if decision else None,
        "reason": decision.reason if decision else None,
        "request_json": gate.model_dump_json(),
    }


def decision_rows(run: str, receipts: Sequence[Receipt]) -> list[dict[str, Any]]:
    """A row for each receipt. Recording the same list again gives the same `dedupe` keys.

    Equal decisions are told apart by their number. Their moment can't do that: a worker that dies after it has written
    a receipt leaves the decision to another one, which judges it again, a little later by workflow time. Only one is
    applied to a gate: the last that was judged so, since an update that a dead worker had taken never came to be.
    Receipts of older runs have no number; there it is the moment, and within one list the position among their equals.
    """
    rows = []
    seen: Counter[str] = Counter()
    for receipt in receipts:
        decision = receipt.decision
        if receipt.number and receipt.status is ReceiptStatus.APPLIED:
            text = f"{receipt.status.value}\x1f{receipt.approval.removeprefix(f'{run}/')}"
        elif receipt.number:
            text = f"{receipt.status.value}\x1f{receipt.number}\x1f{receipt.approval}\x1f{decision.model_dump_json()}"
        else:
            text = receipt.model_dump_json()
        rows.append(
            {
                "approval": receipt.approval or decision.approval,
                "run": run,
                "action": decision.action.value,
                "by": decision.by,
                "reason": decision.reason,
                "digest": decision.digest,
                "status": receipt.status.value,
                "message": receipt.message,
                "at": receipt.at,
                "dedupe": hashlib.sha256(f"{run}\x1f{text}\x1f{seen[text]}".encode()).hexdigest(),
            }
        )
        seen[text] += 1
    return rows


def dead_letter_row(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter's row."""
    state = letter.run_state
    return {
        "run": letter.run,
        "agent": letter.agent,
        "agent_version": letter.agent_version,
        "user": letter.user,
        "session": letter.session,
        "request": letter.request,
        "state": letter.state.value,
        "cause": letter.cause.value,
        "type": letter.error.type.value,
        "reason": letter.error.message,
        "step": letter.error.step,
        "attempts": letter.error.attempts,
        "trace_id": letter.trace_id,
        "failed_at": letter.failed_at,
        "state_json": state.model_dump_json(exclude_defaults=True) if state is not None else "",
        "error_json": letter.error.model_dump_json(exclude_defaults=True),
        "history_json": history_json(letter.history),
    }


def history_json(history: Sequence[Deed]) -> str:
    """What people did, as stored."""
    return canonical([deed.model_dump(mode="json") for deed in history])


def result_row(*, key: str, run: str, step: str, call: str, value_json: str) -> dict[str, Any]:
    """A stored result's row."""
    return {
        "key": key,
        "run": run,
        "step": step,
        "call": call,
        "size": len(value_json.encode("utf-8", "backslashreplace")),
        "value_json": value_json,
        "at": datetime.now(UTC),
    }
