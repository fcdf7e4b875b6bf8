"""Asking the person at the terminal to decide a gate."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from client.cli.answering import json_or_text
from client.cli.terminal import Keyboard
from client.errors import ClientError, Unanswered
from client.render.gates import gate_box
from client.render.text import clean, show_value
from plangate.approvals import ApprovalDecision, ApprovalRequest, DecisionAction, differences

if TYPE_CHECKING:
    from client.runs import Plangate

RECHECK_SECONDS = 1.0
"""How often we look whether somebody else has decided meanwhile."""
_CHOICES = {
    "a": DecisionAction.APPROVE,
    "r": DecisionAction.REJECT,
    "e": DecisionAction.EDIT,
    "t": DecisionAction.RESPOND,
}
_DONE = {
    DecisionAction.APPROVE: ("✔ Approved", "green"),
    DecisionAction.REJECT: ("✘ Rejected", "red"),
    DecisionAction.EDIT: ("✔ Approved with changes", "green"),
    DecisionAction.RESPOND: ("✔ Answered in its place", "green"),
}


class Asker:
    """Shows gates to the person at the terminal and sends what they decide.

    Args:
        plangate: Where the runs are.
        console: The person's terminal.
        by: The person's name.
    """

    def __init__(self, plangate: Plangate, console: Console, by: str) -> None:
        self._plangate = plangate
        self._console = console
        self._by = by
        self._keyboard = Keyboard()
        self._sent: ApprovalDecision | None = None

    async def ask(self, gate: ApprovalRequest) -> bool:
        """Ask until the gate is decided, here or elsewhere.

        Returns:
            False when the person leaves it waiting.
        """
        self._sent = None
        self._console.print(gate_box(gate))
        choosing = asyncio.create_task(self._until_answered(gate))
        elsewhere = asyncio.create_task(self._until_settled(gate))
        try:
            await asyncio.wait({choosing, elsewhere}, return_when=asyncio.FIRST_COMPLETED)
            if choosing.done():
                return choosing.result()
            self._console.print()
            await self._tell_settled(gate, ended=elsewhere.result())
            return True
        except asyncio.CancelledError:  # Ctrl-C: what is said next begins on a line of its own
            self._console.print()
            raise
        finally:
            for task in (choosing, elsewhere):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ClientError, EOFError):
                await asyncio.gather(choosing, elsewhere)

    async def _until_settled(self, gate: ApprovalRequest) -> bool:
        """Wait until the gate is decided, or (True) until its run was ended from outside without a decision."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                waiting = await self._plangate.pending(gate.run)
                if gate.call not in [one.call for one in waiting]:
                    return False
                if await self._plangate.has_ended(gate.run):
                    return True
            except ClientError:
                continue

    async def _tell_settled(self, gate: ApprovalRequest, *, ended: bool) -> None:
        """Say who decided: a decision sent from here that nobody confirmed then may have been the one."""
        if self._sent is None:
            words = "The run has ended meanwhile." if ended else "Decided elsewhere meanwhile."
            self._console.print(Text(words, style="yellow"))
            return
        try:
            await self._plangate.decide(gate.run, self._sent)  # the same id: its receipt, not a second decision
        except ClientError:
            self._console.print(Text(f"It is decided now: `plangate show {gate.run}` tells how.", style="yellow"))
        else:
            self._tell_done(self._sent)

    async def _until_answered(self, gate: ApprovalRequest) -> bool:
        while True:
            try:
                decision = await self._choose(gate)
            except EOFError:
                return False
            if decision is None:
                return False
            if await self._send(gate, decision):
                return True

    async def _choose(self, gate: ApprovalRequest) -> ApprovalDecision | None:
        keys = Text("  ")
        words = {"a": "pprove", "r": "eject", "e": "dit", "t": "ake over", "l": "eave it"}
        if gate.draft:  # the agent never makes this call, so there is nothing to approve
            words = {"t": "ell what you did", "r": "eject", "l": "eave it"}
        for key, word in words.items():
            keys.append(f"[{key}]", style="bold").append(f"{word}   ")
        self._console.print(keys)
        while True:
            answer = (await self._keyboard.line("  > ")).strip().lower()[:1]
            if answer == "l":
                return None
            if answer in _CHOICES and answer in words:
                return await self._complete(gate, _CHOICES[answer])

    async def _complete(self, gate: ApprovalRequest, action: DecisionAction) -> ApprovalDecision:
        values: dict[str, Any] = {}
        if action is DecisionAction.REJECT:
            values["reason"] = (await self._keyboard.line("  Why? (may be empty) ")).strip()
        if action is DecisionAction.EDIT:
            values["args"] = await self._edited(gate)
        if action is DecisionAction.RESPOND:
            self._console.print("  The tool isn't called; what you type is this step's result.", style="dim")
            values["response"] = json_or_text((await self._keyboard.line("  Result: ")).strip())
        return ApprovalDecision(
            approval=gate.id, action=action, digest=gate.digest, by=self._by, id=uuid.uuid4().hex, **values
        )

    async def _edited(self, gate: ApprovalRequest) -> dict[str, Any]:
        self._console.print("  Enter keeps a value.", style="dim")
        args = dict(gate.args)
        for name, value in gate.args.items():
            text = (await self._keyboard.line(f"  {clean(name)} [{show_value(value)}]: ")).strip()
            if text:
                args[name] = text if isinstance(value, str) else json_or_text(text)
        for line in differences(gate.args, args):
            self._console.print(Text(f"  {clean(line)}", style="yellow"))
        return args

    async def _send(self, gate: ApprovalRequest, decision: ApprovalDecision) -> bool:
        self._sent = decision
        try:
            await self._plangate.decide(gate.run, decision)
        except Unanswered as error:
            await self._leave_on_its_way(gate, decision, error)
            return True
        except ClientError as error:
            self._sent = None
            for line in (error.message, *(f"- {problem}" for problem in error.details)):
                self._say(line, "red")
            return False
        self._tell_done(decision)
        return True

    async def _leave_on_its_way(self, gate: ApprovalRequest, decision: ApprovalDecision, error: Unanswered) -> None:
        """The server hands an update to the next worker; a signal it keeps for sure. Same id: it counts once."""
        self._say(error.message, "yellow")
        try:
            await self._plangate.signal(gate.run, decision)
        except ClientError:
            told = f"`plangate show {gate.run}` tells what became of it."
        else:
            told = f"It was sent as a signal too, which the server keeps. `plangate show {gate.run}` tells more."
        self._say(told, "yellow")
        self._console.print()

    def _say(self, words: str, style: str) -> None:
        self._console.print(Padding(Text(clean(words), style=style), (0, 0, 0, 2), expand=False))

    def _tell_done(self, decision: ApprovalDecision) -> None:
        words, style = _DONE[decision.action]
        self._console.print(Text(f"  {words}", style=style).append(f" by {clean(self._by)}", style="dim"))
        self._console.print()
