"""What happens on a game day, in words: one line each."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.render.text import ascii_only, clean, short
from client.storm.happenings import Happening, Kind
from plangate.faultplan import FaultPlan, FaultRule

WHO_WIDTH = 15
_SIGNS = {
    Kind.BROKE: ("✘", "!", "bold red"),
    Kind.COPED: ("↻", "+", "bold cyan"),
    Kind.WENT_ON: ("·", ".", "dim"),
}
_EVENT_SIGNS = {
    "done": ("✔", "x", "green"),
    "asked": ("◆", "?", "yellow"),
    "decided": ("✔", "x", "yellow"),
    "failed": ("✘", "!", "red"),
}
_MOMENTS = {
    "after-intent": "when the ledger had the intent and nothing was sent again",
    "after-effect": "when the money was out and the ledger didn't know",
    "after-commit": "when the ledger said done and Temporal didn't know",
    "before-completion": "when it was about to report the refund",
}
_SAFELY = {"refund_payment": ", under the same key", "send_email": ", after a look into the mailbox"}
"""How the tools of the example are tried again: by what they declare, `key` and `check`."""
_PREFIXES = (r"^asking the model .*? failed: ", r"^\w+ failed: ", r"^(e-mail to|refund of order) '[^']*': ")
"""What a line says already."""


def tell(out: Console, happening: Happening, began: datetime, plan: FaultPlan) -> None:
    """Print one line.

    Args:
        out: Where.
        happening: What happened.
        began: When the run began.
        plan: The storm.
    """
    pretty, plain, style = _SIGNS[happening.kind]
    if happening.kind is Kind.WENT_ON:
        pretty, plain, style = _EVENT_SIGNS.get(happening.who, (pretty, plain, style))
    who, words = in_words(happening, plan)
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(width=8, justify="right", style="dim", no_wrap=True)
    line.add_column(width=1)
    line.add_column(width=WHO_WIDTH, no_wrap=True, overflow="ellipsis")
    line.add_column(overflow="fold")
    seconds = max(0.0, (happening.at - began).total_seconds())
    quiet = "dim" if happening.kind is Kind.WENT_ON and style == "dim" else ""
    line.add_row(
        f"{seconds:.1f} s",
        Text(plain if ascii_only(out) else pretty, style=style),
        Text(clean(who), style=quiet or ("bold" if happening.kind is Kind.BROKE else "")),
        Text(clean(words), style="red" if happening.kind is Kind.BROKE else quiet),
    )
    out.print(line)


def in_words(happening: Happening, plan: FaultPlan) -> tuple[str, str]:
    """Who it was, and what happened."""
    about = happening.about
    if happening.kind is Kind.BROKE:
        rule = plan.faults[about["rule"]] if "rule" in about else None
        return _NAMES.get(happening.who, happening.who), _broke(happening.who, about, rule)
    if about.get("back"):
        return _NAMES[happening.who], _back(happening.who, about["seconds"])
    if "attempt" in about:
        return happening.who, _again(happening.who, about)
    return about["step"] or "run", _event(happening.who, about["text"])


_NAMES = {
    "model": "model",
    "payments": "payment service",
    "mail": "mail server",
    "worker": "worker",
    "temporal": "Temporal",
}


def _broke(who: str, about: dict[str, Any], rule: FaultRule | None) -> str:
    call = about.get("call")
    match about["fault"]:
        case "rate_limited":
            wanted = rule.retry_after if rule and rule.retry_after else ""
            kind, _, seconds = wanted.partition(":")
            when = f"in {seconds} s (an HTTP date)" if kind == "date" else f"in {wanted} s"
            return f"says 429, come back {when}"
        case "server_error":
            return f"says 500 to its {call}"
        case "effect_then_timeout":
            return "makes the refund, and never answers"
        case "dead":
            seconds = f"{rule.delay:g} s" if rule else "a while"
            return f"hangs up, and is dead for {seconds}"
        case "kill" if who == "worker":
            return f"is killed, {_MOMENTS.get(str(call), call)}"
        case "kill":
            return "the server is killed"
    return f"{about['fault'].replace('_', ' ')} ({call})"


def _back(who: str, seconds: float | None) -> str:
    after = f" after {seconds:.1f} s" if seconds is not None else ""
    if who == "worker":
        return f"a new one is up{after} and replays the run"
    return f"is up again{after}; the run is where it was"


def _again(tool: str, about: dict[str, Any]) -> str:
    number, how = about["attempt"], _SAFELY.get(tool, "")
    if about["silent"]:
        return f"attempt {number}{how}: its worker has no heartbeat any more"
    why = about["message"].replace("(injected fault)", "").strip()
    for known in _PREFIXES:
        why = re.sub(known, "", why)
    return f"attempt {number} in {about['wait']:.1f} s{how}: {short(why, 90)}"


def _event(kind: str, text: str) -> str:
    return f"outcome: {text}" if kind == "ended" else short(text, 200)
