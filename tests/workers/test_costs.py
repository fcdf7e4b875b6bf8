"""`plangate cost` and `plangate budget`: what they show, and what they refuse."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.storage.engine import sqlite_url
from activities.storage.migrate import migrate
from activities.storage.store import Store, UsageRow
from workers.costs.commands import main
from workers.costs.pages import bar


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLANGATE_DATA", str(tmp_path))
    monkeypatch.delenv("PLANGATE_DATABASE_URL", raising=False)

    async def fill() -> None:
        url = sqlite_url(tmp_path)
        await migrate(url)
        async with await Store.open(url) as store:
            now = datetime.now(UTC)
            for n, (cost, cached) in enumerate([(0.5, 0), (None, 0), (0.0, 1), (0.25, 0)]):
                row = UsageRow(
                    id=str(n), run=f"r{n}", agent="support" if n else "other", model="m", task="plan", user="ada",
                    input_tokens=0 if cached else 90, output_tokens=0 if cached else 10, cost_usd=cost,
                    cached_calls=cached, forecast_tokens=None if cached else 120, at=now - timedelta(days=n // 3),
                )  # fmt: skip
                await store.add_usage(row)

    asyncio.run(fill())
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    assert main([*args, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_costs_are_summed_up_and_unknown_ones_counted(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    days = said(capsys, "cost", "--by", "day")["rows"]
    assert [(row["cost_usd"], row["calls"], row["unpriced_calls"], row["cached_calls"]) for row in days] == [
        (0.25, 1, 0, 0), (0.5, 3, 1, 1),
    ]  # fmt: skip
    assert (days[1]["forecast_tokens"], days[1]["compared_tokens"], days[1]["forecast_error"]) == (240, 200, 0.2)
    runs = said(capsys, "cost", "--by", "run", "--agent", "support", "--since", "12h")["rows"]
    assert {row["name"]: row["cost_usd"] for row in runs} == {"r1": None, "r2": 0}
    assert {row["name"]: row["forecast_error"] for row in runs} == {"r1": 0.2, "r2": None}, "cached calls have none"
    assert main(["cost", "--by", "user"]) == 0
    shown = capsys.readouterr().out
    assert "█" in shown
    assert "1 unknown" in shown
    assert "tokens +20%" in shown
    assert "+20%" in shown


def test_a_budget_is_set_shown_and_removed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = said(capsys, "budget", "set", "20 USD", "--per", "day", "--agent", "support", "--as", "kim")
    assert (made["amount"], made["source"]) == (20, "kim")
    mine = [line for line in said(capsys, "budget", "show")["budgets"] if line["source"] == "kim"]
    assert [(line["per"], line["unit"], line["left"], line["then"]) for line in mine] == [("day", "USD", 20, "decline")]
    assert said(capsys, "budget", "set", "none", "--per", "day", "--agent", "support", "--as", "kim")["removed"]
    said(capsys, "budget", "set", "none", "--per", "day", "--agent", "support", "--as", "kim", code=4)


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["budget", "set", "-5 USD", "--per", "day"], "below zero"),
        (["budget", "set", "lots", "--per", "day"], "isn't a number"),
        (["budget", "set", "5 GBP", "--per", "day"], "counted in USD or tokens, not in 'GBP'"),
        (["budget", "set", "5 USD", "--per", "week"], "--per is one of"),
        (["budget", "set", "5 USD", "--per", "day", "--then", "ask"], "--then is decline or hand-over"),
        (["budget", "set", "5 USD", "--per", "day", "--of", "refund"], "TOOL.ARGUMENT"),
        (["budget", "set", "5 EUR", "--per", "day", "--of", "refund_payment.amount"], "an amount in GBP, not in EUR"),
        (["budget", "set", "5 zł", "--per", "day", "--of", "refund_payment.amount"], "is no currency"),
        (["budget", "set", "5 GBP", "--per", "day", "--of", "refund_paymnt.amount"], "did you mean 'refund_payment'"),
        (["budget", "set", "5 GBP", "--per", "day", "--of", "refund_payment.amout"], "did you mean 'amount'"),
        (["budget", "set", "5 GBP", "--per", "day", "--of", "get_order.order_id"], "only consequential tools"),
        (["budget", "set", "5 USD", "--per", "day", "--agent", "suport"], "did you mean 'support'"),
        (["cost", "--by", "moon"], "--by is one of"),
        (["cost", "--since", "ever"], "--since is for example"),
    ],
)
def test_bad_input(data: Path, capsys: pytest.CaptureFixture[str], args: list[str], problem: str) -> None:
    assert (
        problem in said(capsys, *args, "--as" if args[0] == "budget" else "--agent", "kim", code=2)["error"]["message"]
    )


def test_a_bar_is_as_long_as_its_share() -> None:
    assert (bar(1, 1, 30), bar(0, 1), bar(0, 0)) == ("█" * 30, "", "")
    assert bar(1, 16, 30) == "█▉"
    assert (bar(1, 2, 10, plain=True), bar(1, 999, 10, plain=True)) == ("#####", "#")


@pytest.mark.parametrize("what", [["cost", "--by", "user"], ["cost", "--by", "day"], ["budget", "show"]])
def test_nothing_is_cut_off_on_a_narrow_terminal(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(what) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if "…" in line or len(line) > 80 or line != line.rstrip()]


def test_what_is_left_counts_what_was_used_before(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "budget", "set", "20 USD", "--per", "day", "--agent", "other", "--as", "kim")
    (mine,) = [line for line in said(capsys, "budget", "show")["budgets"] if line["source"] == "kim"]
    assert (mine["used"], mine["left"]) == (0.5, 19.5)
