"""Calling a tool's function: with its time limit, in a thread if it is sync, and with a checked result."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.credentials.masking import KNOWN
from activities.fencing import GaveUp, StillRunning, Window
from activities.storage.store import Store
from plangate.errors import ErrorType, PlangateError
from plangate.runs import INLINE_BYTES, Result
from plangate.tool_context import ToolContext
from plangate.toolkit import Tool

MAX_RESULT_BYTES = 64 * 1024 * 1024
"""Bytes of a result's JSON at most."""
PREVIEW = 200
_MANY_DIGITS = re.compile(rb"[0-9]{4000}")


class LazyConnection:
    """`ctx.database` of a tool that needs no transaction of its own: connects on first use.

    Stands in for `AsyncConnection`: its coroutine methods (`execute`, `scalar`, `scalars`, …) and `dialect`.
    """

    def __init__(self, store: Store, *, write: bool) -> None:
        self._context = store.transaction() if write else store.reading()
        self._dialect = store.engine_dialect
        self._connection: AsyncConnection | None = None

    @property
    def dialect(self) -> Any:
        """The database's dialect."""
        return self._dialect

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def method(*args: Any, **options: Any) -> Any:
            if self._connection is None:
                self._connection = await self._context.__aenter__()
            return await getattr(self._connection, name)(*args, **options)

        return method

    async def close(self, error: BaseException | None = None) -> None:
        """Commit (or on an error roll back) and give the connection back."""
        if self._connection is not None:
            self._connection = None
            await self._context.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)


async def invoke(
    function: Callable[..., Any],
    tool: Tool,
    args: BaseModel,
    context: ToolContext,
    *,
    executor: Executor,
    is_async: bool,
    window: Window,
) -> Any:
    """Call a tool's function, unless the attempt's time is over.

    Args:
        function: The tool's function or its read-back.
        tool: The tool.
        args: Its bound arguments.
        context: What it may know.
        executor: Where sync functions run.
        is_async: Whether the function is a coroutine function.
        window: The attempt's time.

    Raises:
        GaveUp: The attempt's time was over before the function was called.
        TimeoutError: The function takes longer than what is left. A sync function's thread can't be stopped:
            `StillRunning` when it goes on.
    """
    values = {name: getattr(args, name) for name in type(args).model_fields}
    if tool.context_parameter is not None:
        values[tool.context_parameter] = context
    too_long = f"it took longer than its limit of {window.limit:g} s"
    window.check()
    thread: Future[Any] | None = None
    try:
        async with asyncio.timeout(window.left):
            if is_async:
                return await function(**values)
            run = functools.partial(contextvars.copy_context().run, functools.partial(function, **values))
            thread = executor.submit(_in_time, run, window)
            return await asyncio.wrap_future(thread)
    except TimeoutError as error:
        if thread is not None and thread.cancel():
            raise GaveUp("no thread was free to run it within its time") from None
        if thread is not None and not thread.done():
            raise StillRunning(too_long, thread) from error
        raise TimeoutError(str(error) or too_long) from error


def _in_time(function: Callable[[], Any], window: Window) -> Any:
    """In its thread, which may have come late: the last look before the effect."""
    window.check()
    return function()


def encode(tool: Tool, value: Any) -> str:
    """A tool's result as JSON text, checked against its return type and without credentials.

    Raises:
        PlangateError: `InvalidResult` naming the field, or `ResultTooLarge`. Neither is tried again.
    """
    try:
        raw = tool.returns.dump_json(tool.returns.validate_python(value), warnings="error")
        text = KNOWN.mask_json(raw.decode())
        if _MANY_DIGITS.search(raw):
            json.loads(text)  # a number of more digits than Python reads back
    except ValidationError as error:
        issues = error.errors(include_url=False)
        lines = [f"{'.'.join(map(str, issue['loc'])) or 'result'}: {issue['msg']}" for issue in issues]
        raise PlangateError(
            f"it returned what its type forbids: {'; '.join(lines[:5])}", type=ErrorType.INVALID_RESULT, details=lines
        ) from None
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise PlangateError(f"its result can't be written as JSON: {error}", type=ErrorType.INVALID_RESULT) from None
    if len(raw) > MAX_RESULT_BYTES:
        raise PlangateError(
            f"its result has {len(raw):,} bytes of JSON, more than the {MAX_RESULT_BYTES:,} that can be stored",
            type=ErrorType.RESULT_TOO_LARGE,
        )
    return text


def as_result(key: str, text: str) -> Result:
    """What goes into history: the value when it is small, else a preview and the key under which it is stored."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size <= INLINE_BYTES:
        return Result(key=key, size=size, value=json.loads(text))
    return Result(key=key, size=size, inline=False, preview=text[:PREVIEW])
