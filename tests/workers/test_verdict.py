"""The verdict of a game day: right about a good run, and never fooled by a bad one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from workers.verdict.judging import judge
from workers.verdict.records import Records

ARGS = {"order_id": "1042", "amount": 62.0, "reason": "broken"}
DIGEST = hashlib.sha256(json.dumps(ARGS, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
MAIL = {"to": "rosa@example.com", "subject": "Your refund for order 1042", "body": "Done"}


def scheduled(tool: str, key: str, args: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "scheduled", "name": tool, "input": {"key": key, "call": tool, "tool": tool, "args": args}}


APPROVAL = {"kind": "decision", "name": "approve", "input": {"approval": "r/refund", "digest": DIGEST[:16]}}
REFUND = {"order_id": "1042", "amount_pence": 6200, "idempotency_key": "k1"}
GOOD = Records(
    run="r",
    status="WORKFLOW_EXECUTION_COMPLETED",
    result={"outcome": "completed"},
    events=[APPROVAL, scheduled("refund_payment", "k1", ARGS), scheduled("send_email", "k2", MAIL)],
    refunds=[REFUND],
    attempts=[REFUND, REFUND],
    mails=[{"id": "k2@shop.test", "to": MAIL["to"], "subject": MAIL["subject"]}],
    tables={
        "ledger": [
            {"key": "k1", "tool": "refund_payment", "state": "done", "digest": DIGEST, "approval_id": "r/refund"},
            {"key": "k2", "tool": "send_email", "state": "done", "digest": "-", "approval_id": None},
        ],
        "approvals": [
            {
                "id": "r/refund",
                "call": "refund_payment",
                "tool": "refund_payment",
                "digest": DIGEST,
                "status": "approved",
            }
        ],
        "decisions": [{"approval": "r/refund", "digest": DIGEST, "status": "applied", "by": "ada"}],
        "runs": [{"outcome": "completed", "ended_at": "now"}],
        "dead_letters": [],
    },
)


def wrong(records: Records) -> list[str]:
    return [finding.name.split(",")[0] for finding in judge(records) if not finding.ok]


def tables(**changed: Any) -> Records:
    return replace(GOOD, tables={**GOOD.tables, **changed})


def test_a_good_run() -> None:
    assert wrong(GOOD) == []
    assert any("2 requests with one key, 1 refund of £62.00" in finding.found for finding in judge(GOOD))


LEDGER_UNKNOWN = [{**row, "state": "unknown"} for row in GOOD.tables["ledger"]]


@pytest.mark.parametrize(
    ("records", "what"),
    [
        (replace(GOOD, refunds=[REFUND, REFUND]), "refund of £62.00 for order 1042"),
        (replace(GOOD, refunds=[]), "refund of £62.00 for order 1042"),
        (replace(GOOD, refunds=[{**REFUND, "amount_pence": 6300}]), "refund of £62.00 for order 1042"),
        (replace(GOOD, refunds=[REFUND, {**REFUND, "idempotency_key": "k1-2"}]), "nothing that nobody meant"),
        (replace(GOOD, mails=GOOD.mails * 2), "e-mail to rosa@example.com"),
        (replace(GOOD, mails=[*GOOD.mails, {**GOOD.mails[0], "id": "k9@shop.test"}]), "nothing that nobody meant"),
        (replace(GOOD, events=[*GOOD.events[1:], APPROVAL]), "one decision before it"),
        (replace(GOOD, events=GOOD.events[1:]), "one decision before it"),
        (tables(approvals=[{**GOOD.tables["approvals"][0], "digest": "other"}]), "one decision before it"),
        (tables(decisions=GOOD.tables["decisions"] * 2), "one decision before it"),
        (tables(ledger=[GOOD.tables["ledger"][0], *GOOD.tables["ledger"]]), "one decision before it"),
        (tables(runs=[{"outcome": "failed", "ended_at": "now"}]), "the run's end"),
        (tables(dead_letters=[{"state": "open"}]), "the run's end"),
        (replace(GOOD, status="WORKFLOW_EXECUTION_TERMINATED", result={}), "the run's end"),
        (tables(ledger=LEDGER_UNKNOWN), "e-mail to rosa@example.com"),
    ],
)
def test_what_must_not_be(records: Records, what: str) -> None:
    assert what in wrong(records)


def test_an_unknown_outcome_with_a_dead_letter_is_told_and_so_no_lie() -> None:
    unknown = tables(
        ledger=LEDGER_UNKNOWN, dead_letters=[{"state": "open"}], runs=[{"outcome": "failed", "ended_at": "x"}]
    )
    assert wrong(replace(unknown, status="WORKFLOW_EXECUTION_FAILED", result={"outcome": "failed"}, mails=[])) == []


def test_an_email_that_surely_was_not_sent() -> None:
    ledger = [GOOD.tables["ledger"][0], {**GOOD.tables["ledger"][1], "state": "resolved"}]
    assert wrong(replace(tables(ledger=ledger), mails=[])) == []
    assert "e-mail to rosa@example.com" in wrong(tables(ledger=ledger))
