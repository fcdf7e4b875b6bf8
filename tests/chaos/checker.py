"""The checker: counts effects and finds what must never happen. It believes nobody but the far sides' own records.

doubles      an effect that happened twice, or was asked for twice under different keys
lost         a run that didn't end as it should, or an effect or a record that is missing
unapproved   a refund without one valid approval of exactly these arguments, given before it, used once
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.cases import Case
from tests.chaos.records import Records, Row

KINDS = ("doubles", "lost", "unapproved")


@dataclass(frozen=True)
class Violation:
    """Something that must not be."""

    kind: str
    run: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.run}: {self.text}"


def check(cases: Sequence[Case], records: Records) -> list[Violation]:
    """Everything that is wrong with these runs."""
    found = [Violation(kind, case.run, text) for case in cases for kind, text in _check_run(case, records)]
    return found + [Violation(kind, "-", text) for kind, text in _check_all(cases, records)]


def _check_run(case: Case, records: Records) -> Iterator[tuple[str, str]]:
    yield from _outcome(case, records)
    yield from _refund(case, records)
    yield from _mail(case, records)
    yield from _ledger(case, records)
    yield from _approval(case, records)


def _outcome(case: Case, records: Records) -> Iterator[tuple[str, str]]:
    happened = records.histories.get(case.run)
    if happened is None:
        yield "lost", "Temporal doesn't know the run"
        return
    outcome = happened.result.get("outcome", "none")
    if happened.status != "WORKFLOW_EXECUTION_COMPLETED" or outcome != "completed":
        yield "lost", f"it ended as {happened.status}, outcome {outcome}, gaps {happened.result.get('gaps')}"
    rows = _of(records.runs, run=case.run)
    if [(row["outcome"], row["ended_at"] is not None) for row in rows] != [("completed", True)]:
        yield "lost", f"its row in the table of runs says {[(row['outcome'], row['ended_at']) for row in rows]}"


def _refund(case: Case, records: Records) -> Iterator[tuple[str, str]]:
    made = _of(records.refunds, order_id=case.order)
    keys = {row["idempotency_key"] for row in _of(records.attempts, order_id=case.order)}
    if len(made) > 1:
        yield "doubles", f"{len(made)} refunds of order {case.order}: {[row['amount_pence'] for row in made]}"
    if len(keys) > 1:
        yield "doubles", f"the refund of order {case.order} was asked for under {len(keys)} keys"
    if not made:
        yield "lost", f"order {case.order} wasn't refunded"
    yield from (
        ("unapproved", f"{row['amount_pence']} pence instead of {case.pence} were refunded for order {case.order}")
        for row in made
        if row["amount_pence"] != case.pence
    )


def _mail(case: Case, records: Records) -> Iterator[tuple[str, str]]:
    sent = [mail for mail in records.mails if mail["to"] == case.customer and case.order in mail["subject"]]
    if len(sent) > 1:
        yield "doubles", f"{len(sent)} e-mails to {case.customer} about order {case.order}"
    if not sent:
        yield "lost", f"no e-mail to {case.customer} about order {case.order}"


def _ledger(case: Case, records: Records) -> Iterator[tuple[str, str]]:
    rows = _of(records.ledger, run=case.run)
    states = sorted((row["tool"], row["state"]) for row in rows)
    if states != [("refund_payment", "done"), ("send_email", "done")]:
        yield "lost", f"the ledger says {states}"
    sent = {row["idempotency_key"] for row in _of(records.refunds, order_id=case.order)}
    noted = {row["key"] for row in rows if row["tool"] == "refund_payment"}
    if sent - noted:
        yield "doubles", f"the payment service has keys that the ledger doesn't know: {sent - noted}"


def _approval(case: Case, records: Records) -> Iterator[tuple[str, str]]:
    approvals = [row for row in _of(records.approvals, run=case.run) if row["tool"] == "refund_payment"]
    if [row["status"] for row in approvals] != ["approved"]:
        yield "unapproved", f"the approvals of its refund are {[row['status'] for row in approvals]}"
        return
    (approval,) = approvals
    used = [row for row in records.ledger if row["approval_id"] == approval["id"]]
    if [(row["run"], row["digest"]) for row in used] != [(case.run, approval["digest"])]:
        yield "unapproved", f"its approval was used by {[(row['run'], row['call']) for row in used]}"
    applied = [row for row in _of(records.decisions, approval=approval["id"]) if row["status"] == "applied"]
    if len(applied) != 1:
        yield "unapproved", f"{len(applied)} decisions were applied to {approval['id']}"
    yield from _order_of_events(case, approval, records)


def _order_of_events(case: Case, approval: Row, records: Records) -> Iterator[tuple[str, str]]:
    """In Temporal's history: one refund was scheduled, after a signal that approves exactly its arguments."""
    happened = records.histories.get(case.run)
    events = happened.events if happened else []
    scheduled = [event for event in events if (event["kind"], event["name"]) == ("scheduled", "refund_payment")]
    if len(scheduled) != 1:
        yield "doubles" if scheduled else "lost", f"its refund was scheduled {len(scheduled)} times"
        return
    call = scheduled[0]["input"]
    if (call["args"]["order_id"], round(call["args"]["amount"] * 100)) != (case.order, case.pence):
        yield "unapproved", f"its refund was scheduled with {call['args']}"
    agreed = [
        event["id"]
        for event in events
        if (event["kind"], event["name"]) == ("signal", "approve")
        and event["input"]["approval"] == approval["id"]
        and event["input"]["digest"] == call["digest"] == approval["digest"]
    ]
    if not agreed or agreed[0] > scheduled[0]["id"]:
        yield "unapproved", "no signal before the refund approves its arguments"


def _check_all(cases: Sequence[Case], records: Records) -> Iterator[tuple[str, str]]:
    """What nobody asked for."""
    orders, customers = {case.order for case in cases}, {case.customer for case in cases}
    for row in records.refunds:
        if row["order_id"] not in orders:
            yield "unapproved", f"order {row['order_id']} was refunded and nobody asked for it"
    for mail in records.mails:
        if mail["to"] not in customers:
            yield "unapproved", f"{mail['to']} got an e-mail and nobody asked for it"
    uses = Counter(row["approval_id"] for row in records.ledger if row["approval_id"])
    for approval, times in uses.items():
        if times > 1:
            yield "unapproved", f"the approval {approval} was used {times} times"
    if len(records.mails) > len(cases):
        yield "doubles", f"{len(records.mails)} e-mails for {len(cases)} runs"


def _of(rows: Sequence[Row], **wanted: object) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]
