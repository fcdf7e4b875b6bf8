"""The end of a run: the answer, what was done in plain words, what it cost, where to look."""

from __future__ import annotations

import re

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from client.render.checklist import WHY
from client.render.text import clean, since, tokens
from plangate.run_status import RunResult
from plangate.runs import Outcome

_PLAN_HAD = re.compile(r"The (?:caller's )?plan had \d+ steps?\b.*:\n\n- ")
_STYLES = {
    Outcome.COMPLETED: ("✔", "bold green", "Completed"),
    Outcome.DEGRADED: ("✔", "bold yellow", "Completed with gaps"),
    Outcome.DECLINED: ("–", "bold yellow", "Declined"),
    Outcome.REJECTED: ("✘", "bold yellow", "Rejected by a person"),
    Outcome.ESCALATED: ("→", "bold yellow", "Handed over to a person"),
    Outcome.FAILED: ("✘", "bold red", "Failed"),
    Outcome.CANCELLED: ("■", "bold red", "Cancelled"),
}


def print_result(
    console: Console, result: RunResult, *, url: str = "", answer: bool = True, below_plan: bool = False
) -> None:
    """Print how a run ended.

    Args:
        console: Where to.
        result: The run's result.
        url: Its page in the Temporal UI.
        answer: Whether to print the answer.
        below_plan: Its request and its plan's steps stand above already; of the summary only the rest is printed.
    """
    mark, style, word = _STYLES[result.outcome]
    took = since(result.started_at, result.ended_at) if result.started_at and result.ended_at else ""
    if answer and result.answer:
        console.print(Text("Answer", style="bold"))
        console.print(Padding(Text(clean(result.answer)), (0, 0, 1, 2), expand=False))
    headline = Text(f"{mark} {word}", style=style)
    headline.append(f"  {result.run}" + (f" · {took}" if took else ""), style="not bold dim")
    console.print(headline)
    told = _rest(result) if below_plan else result.summary
    if told:
        print_summary(console, told)
    if result.error:
        if result.error.message not in told and not (below_plan and _a_step_says_why(result)):
            console.print(Padding(Text(clean(result.error.message), style="red"), (0, 0, 0, 2), expand=False))
        for line in result.error.details:
            console.print(Padding(_item("-", Text(clean(line), style="red")), (0, 0, 0, 4), expand=False))
    if result.confidence is not None and not result.doubts:  # else the summary says it, with the reasons
        console.print(Text(f"  Confidence in the answer: {result.confidence:.2f}", style="dim"))
    if result.usage.calls and not result.summary:  # the summary says it already
        console.print(Text(f"  {tokens(result.usage)}", style="dim"))
    if url:
        console.print(Text(f"  {url}", style="cyan"), soft_wrap=True)


def _rest(result: RunResult) -> str:
    """A run's summary without what stands above it (`plangate.summary.in_plain_words`): who asked what, how and when it
    ended, the plan's steps, and the error if a step says it.
    """
    _, _, rest = result.summary.partition("\n\n")
    if _PLAN_HAD.match(rest):
        _, _, steps = rest.partition("\n\n")
        _, _, rest = steps.partition("\n\n")
    if result.error and _a_step_says_why(result):
        before, _, after = f"\n\n{rest}".partition(f"\n\nWhat went wrong: {result.error.message}")
        rest = before + after.partition("\n\n")[1] + after.partition("\n\n")[2]
    return rest


def _a_step_says_why(result: RunResult) -> bool:
    wrong = result.error.message if result.error else ""
    return bool(wrong) and len(wrong) <= WHY and any(step.reason == wrong for step in result.steps)


def print_summary(console: Console, markdown: str) -> None:
    """Print the Markdown of a run's summary as a terminal shows it best: few signs, same words."""
    for raw in clean(markdown).splitlines():
        line = raw.rstrip()
        if line.lstrip().startswith("#"):
            console.print(Text(f"  {line.lstrip('# ')}", style="bold"))
            continue
        body = line.lstrip()
        indent = 2 + len(line) - len(body)
        if body.startswith(("- ", "* ")):
            console.print(Padding(_item("•", _inline(body[2:])), (0, 0, 0, indent), expand=False))
        elif body:
            console.print(Padding(_inline(body), (0, 0, 0, indent), expand=False))


def _item(mark: str, text: Text) -> Table:
    """An item of a list; its further lines begin below its first word."""
    item = Table.grid(padding=(0, 1, 0, 0))
    item.add_row(Text(mark, style=text.style), text)
    return item


def _inline(line: str) -> Text:
    """One line with its bold words; code keeps its backticks, which show where a command begins and ends."""
    text = Text()
    for place, part in enumerate(line.split("**")):
        text.append(part, style="bold" if place % 2 else "")
    return text
