"""A person at a terminal: the gate asks right there."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from client.runs import new_run_id
from plangate.approvals import ApprovalDecision
from plangate.runs import Outcome
from tests.client.conftest import Shop, cli_environment


class Terminal:
    """`plangate` in a pseudo-terminal of 80 columns."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self._master = master
        self._seen = ""
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self._seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace"))
        self._more.set()

    async def until(self, text: str) -> str:
        """Wait for a text; return all that was shown up to it, and forget it."""
        async with asyncio.timeout(30):
            while text not in self._seen:
                self._more.clear()
                await self._more.wait()
        shown, _, self._seen = self._seen.partition(text)
        return shown + text

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, line.encode() + b"\n")


def _as_in_a_terminal() -> None:
    """Who runs the tests in the background of a shell has Ctrl-C ignored, and what they start inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def terminal(shop: Shop, *args: str) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "plangate"),
        *args,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=cli_environment({"TEMPORAL_ADDRESS": shop.address, "TERM": "xterm"}),
        start_new_session=True,
        preexec_fn=_as_in_a_terminal,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
        async with asyncio.timeout(30):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)


async def test_a_gate_is_edited_at_the_terminal_and_a_wrong_edit_is_asked_again(shop: Shop) -> None:
    async with terminal(shop, "run", "support", "refund it", "--as", "ada") as screen:
        shown = await screen.until("  > ")
        assert "Approval needed" in shown
        assert "Money leaves the shop's account." in shown
        screen.type("")  # Enter alone decides nothing
        await screen.until("  > ")
        for amount, answer in (("-5", "-5 is not an amount"), ("60", "Approved with changes by ada")):
            screen.type("e")
            await screen.until("order_id [1042]: ")
            screen.type("")
            await screen.until("amount [62.0]: ")
            screen.type(amount)
            await screen.until(answer)
        await screen.until("Your refund of 62.00 is on its way.")
    assert screen.process.returncode == 0
    assert shop.script.refunds == [{"order_id": "1042", "amount": 60}]


async def test_a_rejection_and_an_answer_in_the_tools_place(shop: Shop) -> None:
    async with terminal(shop, "run", "support", "two") as screen:
        await screen.until("  > ")
        screen.type("r")
        await screen.until("Why? (may be empty) ")
        screen.type("too much")
        await screen.until("Rejected")
        await screen.until("  > ")
        screen.type("t")
        await screen.until("Result: ")
        screen.type("paid by hand")
        await screen.until("Rejected by a person")
    assert screen.process.returncode == 11
    assert shop.script.refunds == []


async def test_what_is_left_waiting_is_decided_elsewhere(shop: Shop) -> None:
    run = new_run_id("support")
    async with terminal(shop, "run", "support", "two", "--id", run) as screen:
        await screen.until("  > ")
        screen.type("l")
        await screen.until("Left waiting. Later: plangate approve")
        await screen.until("  > ")  # the second gate, which is being thought about while somebody else decides it
        for gate in await shop.plangate.pending(run):
            await shop.plangate.decide(run, ApprovalDecision(approval=gate.id, digest=gate.digest, by="bob"))
        await screen.until("Decided elsewhere meanwhile.")
        await screen.until("Completed")
    assert (await shop.plangate.result(run)).outcome is Outcome.COMPLETED


async def test_ctrl_c_at_the_question_leaves_it_on_a_line_of_its_own_and_attaching_shows_what_was_asked(
    shop: Shop,
) -> None:
    run = new_run_id("support")
    async with terminal(shop, "run", "support", "refund it", "--id", run) as screen:
        await screen.until("  > ")
        os.killpg(screen.process.pid, signal.SIGINT)
        shown = await screen.until("The run goes on.")
        assert shown.rpartition("\n")[2] == "The run goes on."
    async with terminal(shop, "run", "support", "something else", "--id", run) as screen:
        shown = await screen.until("  > ")
        assert "refund it" in shown
        assert "something else" not in shown
        screen.type("a")
        await screen.until("Completed")
    assert len(shop.script.refunds) == 1


async def test_ctrl_c_ends_the_watching_not_the_run(shop: Shop) -> None:
    run = new_run_id("support")
    async with terminal(shop, "run", "support", "refund it", "--no-ask", "--id", run) as screen:
        await screen.until("plangate approve")
        os.killpg(screen.process.pid, signal.SIGINT)
        await screen.until(f"Come back with `plangate show {run}`")
    assert screen.process.returncode == 130
    assert not await shop.plangate.has_ended(run)
