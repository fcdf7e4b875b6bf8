"""Undoing effects: what a tool declares about it, and what a run reports of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from plangate import expressions

UNDO = "-undo"
"""What a step's undoing is called: its id and this. No plan can name a step so."""


class Compensation(BaseModel):
    """How a tool's effect is undone: by another call, whose arguments come from the first one's.

    `Compensation(tool="reopen_order", args={"order_id": "args.order_id", "version": "result.version"})`
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    """The tool that undoes it; of the same agent, under the rule that the scope has for it."""
    args: dict[str, str] = Field(default_factory=dict)
    """Its arguments: JMESPath over `args` (the bound arguments of the call) and `result`."""

    def problems(self) -> list[str]:
        """What is wrong with the expressions."""
        found = []
        for name, expression in self.args.items():
            problem = expressions.check(expression)
            if problem is None and (other := sorted(expressions.roots(expression) - {"args", "result"})):
                problem = f"about {other[0]!r}; it knows `args` and `result`"
            if problem:
                found.append(f"its compensation's argument {name!r} is {problem}")
        return found

    def references(self) -> dict[str, dict[str, str]]:
        """The arguments as a plan would write them."""
        return {name: {expressions.REF: expression} for name, expression in self.args.items()}


class Compensated(BaseModel):
    """What became of one effect of a run that failed or was cancelled."""

    call: str
    step: str
    tool: str
    summary: str = ""
    """The effect in words."""
    undone: bool = False
    by: str = ""
    """The tool that undid it."""
    reason: str = ""
    """Why it was not undone."""
    unclear: bool = False
    """Whether it was undone is not known."""
