"""The verdict: counts effects at the far sides, and looks for the decision before each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from workers.verdict.records import Records, Row

REFUND, MAIL = "refund_payment", "send_email"
FREE_POUNDS = 25
"""The shop's owner lets smaller refunds go without a person: agents/support/scope.md."""
GOOD = ("completed", "degraded", "declined", "rejected", "escalated")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str

    def as_json(self) -> Row:
        """For `--json`."""
        return asdict(self)


def judge(records: Records) -> list[Finding]:
    """Everything that has to hold of a run, with what was found."""
    return [
        *(finding for call in _calls(records, REFUND) for finding in _refund(records, call)),
        *(finding for call in _calls(records, MAIL) for finding in _mail(records, call)),
        *_nothing_more(records),
        _end(records),
    ]


def _calls(records: Records, tool: str) -> list[Row]:
    """The calls of a tool that the workflow meant, by their keys: one that was scheduled again keeps its key."""
    meant = {
        event["input"]["key"]: {**event["input"], "at": place}
        for place, event in reversed([*enumerate(records.events)])
        if (event["kind"], event["name"]) == ("scheduled", tool)
    }
    return [*meant.values()]


def _refund(records: Records, call: Row) -> Iterator[Finding]:
    args, key = call["args"], call["key"]
    made = [row for row in records.refunds if row["idempotency_key"] == key]
    asked = [row for row in records.attempts if row["idempotency_key"] == key]
    right = [row for row in made if (row["order_id"], row["amount_pence"]) == (args["order_id"], _pence(args))]
    amounts = ", ".join(f"£{row['amount_pence'] / 100:.2f}" for row in made)
    found = f"{_count(len(asked), 'request')} with one key, {_count(len(made), 'refund')}"
    expected, why = _expected(records, key)
    yield Finding(
        f"refund of £{args['amount']:.2f} for order {args['order_id']}, at the payment service",
        len(right) == len(made) and len(made) in expected,
        f"{found} of {amounts}" if made else f"{found} ({why})",
    )
    if made and args["amount"] >= FREE_POUNDS:
        yield _decision(records, call)


def _decision(records: Records, call: Row) -> Finding:
    """One decision, before the call, on exactly these arguments, used once."""
    canonical = json.dumps(call["args"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    gates = [row for row in records.tables["approvals"] if row["call"] == call["call"] and row["tool"] == call["tool"]]
    approved = [row for row in gates if row["status"] == "approved" and row["digest"] == digest]
    ids = {row["id"] for row in approved}
    before = [
        event["input"]
        for event in records.events[: call["at"]]
        if event["kind"] == "decision" and event["name"] in ("approve", "edit") and event["input"]["approval"] in ids
    ]
    fits = [each for each in before if digest.startswith(each.get("digest") or digest)]
    applied = [row for row in records.tables["decisions"] if row["approval"] in ids and row["status"] == "applied"]
    used = [row for row in records.tables["ledger"] if row["approval_id"] in ids]
    counts = (len(approved), len(applied), len(used))
    by = applied[0]["by"] if applied else "nobody"
    found = f"{_count(len(applied), 'decision')} by {by} on exactly these arguments (sha256 {digest[:12]}…), used "
    return Finding("one decision before it", counts == (1, 1, 1) and bool(fits), found + _times(len(used)))


def _mail(records: Records, call: Row) -> Iterator[Finding]:
    args, key = call["args"], call["key"]
    sent = [mail for mail in records.mails if mail["id"].startswith(f"{key}@")]
    right = [mail for mail in sent if (mail["to"], mail["subject"]) == (args["to"], args["subject"])]
    expected, why = _expected(records, key)
    yield Finding(
        f"e-mail to {args['to']}, in the mailbox",
        len(right) == len(sent) and len(sent) in expected,
        _count(len(sent), "message") + ("" if sent else f" ({why})"),
    )


def _expected(records: Records, key: str) -> tuple[tuple[int, ...], str]:
    """How many effects a key may have had: one, or none with a record that says why nobody knows or that it failed."""
    states = [row["state"] for row in records.tables["ledger"] if row["key"] == key]
    if states == ["done"]:
        return (1,), "the ledger says that it was done"
    told = states == ["unknown"] and records.tables["dead_letters"]
    if told:
        return (0, 1), "its outcome is unknown, and a dead letter says so"
    if states in (["failed"], ["resolved"], []):
        return (0,), "it did not happen, and the ledger says so" if states else "it was never begun"
    return (), f"the ledger says {states}"


def _nothing_more(records: Records) -> Iterator[Finding]:
    """Effects that nobody meant: under a key that no call of this run has, on an order or address of this run."""
    refunds, mails = _calls(records, REFUND), _calls(records, MAIL)
    orders, keys = {call["args"]["order_id"] for call in refunds}, {call["key"] for call in refunds}
    known = tuple(f"{call['key']}@" for call in mails)
    others = [row for row in records.refunds if row["order_id"] in orders and row["idempotency_key"] not in keys]
    strangers = [
        mail
        for mail in records.mails
        if any(order in mail["subject"] for order in orders) and not mail["id"].startswith(known)
    ]
    found = (
        f"{_count(len(others), 'other refund')} of these orders, {_count(len(strangers), 'other message')} about them"
    )
    yield Finding("nothing that nobody meant", not others and not strangers, found)


def _end(records: Records) -> Finding:
    """The run has one end, and all say the same of it."""
    rows, letters = records.tables["runs"], records.tables["dead_letters"]
    outcome = records.result.get("outcome", "")
    noted = [row["outcome"] for row in rows if row["ended_at"] is not None]
    completed = records.status == "WORKFLOW_EXECUTION_COMPLETED"
    ok = (outcome in GOOD and not letters) if completed else len(letters) == 1
    found = f"{outcome or records.status.lower()} in Temporal, {', '.join(map(str, noted)) or 'nothing'} in the "
    found += f"database, {_count(len(letters), 'dead letter')}"
    return Finding("the run's end", ok and noted == [outcome], found)


def _pence(args: Row) -> int:
    return round(float(args["amount"]) * 100)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _times(number: int) -> str:
    return {0: "never", 1: "once"}.get(number, f"{number} times")
