"""Tools for tests. Effects are lines in a file, so that tests can count them."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import text

from plangate import Compensation, ErrorType, ToolContext, ToolError, health, tool


def _note(ctx: ToolContext, **fields: Any) -> None:
    """Append one line for one effect, with the key that a real far side would get."""
    known = {"key": ctx.idempotency_key, "run": ctx.run, "call": ctx.step, "attempt": ctx.attempt, "at": time.time()}
    line = json.dumps({**known, **fields})
    with Path(ctx.settings["effects_file"]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


@tool(effect="read", summary="Look at {value}")
async def look(ctx: ToolContext, value: Annotated[Any, Field(description="What to return")] = None) -> Any:
    """Return a value, and note that it was looked at."""
    _note(ctx, tool="look")
    return value


@tool(effect="read")
def large(size: Annotated[int, Field(description="Characters", ge=0)]) -> dict[str, Any]:
    """Return a text of a size."""
    return {"text": "x" * size, "items": [{"id": n} for n in range(3)], "size": size}


@tool(effect="read")
def numbers(count: Annotated[int, Field(description="How many", ge=0)]) -> list[dict[str, int]]:
    """Return a list as long as one likes."""
    return [{"n": n} for n in range(count)]


@tool(effect="consequential", idempotency="key", summary="Pay {amount} to {to}", risk="Money leaves the account.")
async def pay(
    ctx: ToolContext, to: str, amount: Annotated[float, Field(gt=0, le=1000)], note: str = "none"
) -> dict[str, Any]:
    """Pay an amount."""
    _note(ctx, tool="pay", to=to, amount=amount)
    return {"paid": amount, "to": to, "note": note}


@tool(effect="consequential", idempotency="key", summary="Erase {thing}")
async def erase(ctx: ToolContext, thing: str) -> dict[str, str]:
    """Delete a thing."""
    _note(ctx, tool="erase", thing=thing)
    return {"erased": thing}


@tool(effect="read", retries=2, retry_initial=0.01, retry_max=0.02)
async def fail(ctx: ToolContext, how: str, times: int = 99) -> str:
    """Fail: business, transient, permanent, bug; after `times` attempts succeed."""
    _note(ctx, tool="fail", how=how)
    if ctx.attempt > times:
        return f"ok after {ctx.attempt}"
    if how == "business":
        raise ToolError("the far side said no")
    if how == "transient":
        raise ToolError("busy", transient=True)
    if how == "permanent":
        raise ToolError("gone for good", permanent=True)
    if how == "unknown":
        raise ToolError("who knows", permanent=True, type=ErrorType.OUTCOME_UNKNOWN)
    raise KeyError(how)


@tool(effect="read", timeout=0.3, retries=1, retry_initial=0.01)
async def slow(seconds: float) -> str:
    """Take some time."""
    await asyncio.sleep(seconds)
    return "done"


@tool(effect="read")
async def wait_for(ctx: ToolContext, word: str) -> str:
    """Wait until a test says a word, in a file beside the one for effects."""
    _note(ctx, tool="wait_for")
    said = Path(ctx.settings["effects_file"]).with_suffix(".said")
    while not (said.exists() and word in said.read_text()):  # noqa: ASYNC110 - the test is another process
        await asyncio.sleep(0.01)
    return word


@tool(effect="consequential", idempotency="key", summary="Deliver {what}")
async def deliver(ctx: ToolContext, what: str) -> str:
    """Deliver a thing once a test has said its name."""
    said = Path(ctx.settings["effects_file"]).with_suffix(".said")
    while not (said.exists() and what in said.read_text()):  # noqa: ASYNC110 - the test is another process
        await asyncio.sleep(0.01)
    _note(ctx, tool="deliver", what=what)
    return f"delivered {what}"


@tool(effect="read")
async def wrong() -> dict[str, int]:
    """Return what the type forbids."""
    return {"count": "many"}  # type: ignore[dict-item]


@tool(effect="consequential", idempotency="ledger", summary="Book {what}")
async def book(ctx: ToolContext, what: str, fault: str = "") -> dict[str, str]:
    """Book in the project's database."""
    assert ctx.database is not None
    await ctx.database.execute(text("INSERT INTO bookings (what) VALUES (:what)"), {"what": what})
    if fault == "business":
        raise ToolError("fully booked")
    if fault == "once" and ctx.attempt == 1:
        raise ToolError("try again", transient=True)
    return {"booked": what}


@tool(effect="consequential", idempotency="key")
async def forbidden(ctx: ToolContext) -> str:
    """Never to be used."""
    _note(ctx, tool="forbidden")
    return "no"


@tool(effect="consequential", idempotency="key", retries=0, summary="Waver over {what}")
def waver(ctx: ToolContext, what: str) -> dict[str, str]:
    """Take effect; the first time without an answer."""
    before = Path(ctx.settings["effects_file"])
    first = not before.exists() or '"waver"' not in before.read_text(encoding="utf-8")
    _note(ctx, tool="waver", what=what)
    if first and what == "no":
        raise ToolError("refused", permanent=True)
    if first:
        raise TimeoutError("no answer")
    return {"wavered": what}


@tool(effect="consequential", idempotency="key", retries=0, summary="Hand {what} over")
async def hand_over(ctx: ToolContext, what: str) -> str:
    """Take effect once a test has said the thing's name, and never say so."""
    said = Path(ctx.settings["effects_file"]).with_suffix(".said")
    while not (said.exists() and what in said.read_text()):  # noqa: ASYNC110 - the test is another process
        await asyncio.sleep(0.01)
    _note(ctx, tool="hand_over", what=what)
    raise TimeoutError("no answer")


@tool(
    effect="consequential",
    idempotency="key",
    timeout=1,
    total_timeout=5,
    retries=3,
    retry_initial=0.01,
    retry_max=0.02,
    summary="Lend {what}",
)
async def lend(ctx: ToolContext, what: str, patience: float = 60) -> str:
    """Take effect without an answer, and then be asked for patience, more than there is or not."""
    _note(ctx, tool="lend", what=what)
    if ctx.attempt == 1:
        raise TimeoutError("no answer")
    raise ToolError("not so fast", transient=True, type=ErrorType.RATE_LIMITED, retry_after=patience)


@tool(effect="consequential", idempotency="key", retries=0, summary="Release {what}")
async def release(ctx: ToolContext, what: str, receipt: str) -> str:
    """Undo a reservation."""
    _note(ctx, tool="release", what=what, receipt=receipt)
    said = Path(ctx.settings["effects_file"]).with_suffix(".said")
    while what == "slowly" and not said.exists():  # noqa: ASYNC110 - the test is another process
        await asyncio.sleep(0.01)
    if what == "doubtful":
        raise TimeoutError("no answer")
    if what == "stuck":
        raise ToolError("it can't be released any more")
    return f"released {receipt}"


@tool(
    effect="consequential",
    idempotency="key",
    summary="Reserve {what}",
    compensation=Compensation(tool="release", args={"what": "args.what", "receipt": "result.receipt"}),
)
async def reserve(ctx: ToolContext, what: str) -> dict[str, str]:
    """Reserve a thing."""
    _note(ctx, tool="reserve", what=what)
    return {"receipt": f"r-{what}"}


def _warehouse(ctx: ToolContext, tool: str) -> None:
    """Fail while a test has taken the warehouse down."""
    _note(ctx, tool=tool)
    if Path(ctx.settings["effects_file"]).with_suffix(".down").exists():
        raise ToolError("the warehouse does not answer", transient=True)


@tool(effect="read", dependency="warehouse", retries=5, retry_initial=0.01, retry_max=0.02)
async def stock(ctx: ToolContext) -> str:
    """Ask the warehouse, and wait while it is down."""
    _warehouse(ctx, "stock")
    return "plenty"


@tool(
    effect="read",
    dependency="warehouse",
    timeout=0.5,
    total_timeout=1,
    retries=5,
    retry_initial=0.01,
    retry_max=0.02,
)
async def stock_soon(ctx: ToolContext) -> str:
    """Ask the warehouse, and wait for it a moment."""
    _warehouse(ctx, "stock_soon")
    return "plenty"


@tool(effect="read", dependency="warehouse", on_open="fallback", retries=0)
async def stock_or_not(ctx: ToolContext) -> str:
    """Ask the warehouse, unless it is down."""
    _warehouse(ctx, "stock_or_not")
    return "plenty"


@tool(effect="read", dependency="warehouse", on_open="escalate", retries=0)
async def stock_or_person(ctx: ToolContext) -> str:
    """Ask the warehouse, or a person."""
    _warehouse(ctx, "stock_or_person")
    return "plenty"


@tool(
    effect="consequential",
    idempotency="key",
    dependency="warehouse",
    on_open="fallback",
    retries=5,
    retry_initial=0.01,
    retry_max=0.02,
    summary="Ship {what}",
)
async def ship(ctx: ToolContext, what: str) -> str:
    """Ship a thing; whether it was shipped is not known while the warehouse is down."""
    _warehouse(ctx, "ship")
    return f"shipped {what}"


@tool(effect="read", dependency="warehouse", retries=2, retry_initial=0.01, retry_max=0.02)
async def busy(ctx: ToolContext, seconds: float) -> str:
    """Ask the warehouse, which asks for patience once."""
    _note(ctx, tool="busy")
    if ctx.attempt == 1:
        raise ToolError("not so fast", transient=True, type=ErrorType.RATE_LIMITED, retry_after=seconds)
    return "at last"


@health("warehouse")
async def warehouse_answers(ctx: ToolContext) -> None:
    """The warehouse answers, unless a test has taken it down."""
    _note(ctx, tool="health")
    if Path(ctx.settings["effects_file"]).with_suffix(".down").exists():
        raise ToolError("the warehouse does not answer", transient=True)


@tool(effect="read", dependency="warehouse", timeout=90, retries=0)
async def count_all(ctx: ToolContext) -> str:
    """Count all that is in the warehouse, which may take long."""
    _warehouse(ctx, "count_all")
    return "a lot"
