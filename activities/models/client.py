"""`ModelClient`: one question, one answer, with its usage recorded. One for a worker, with one pool of connections."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx2
import structlog
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from temporalio.exceptions import ApplicationError

from activities.breakers import Breakers, Permit, Refusal
from activities.models import chat_api, responses_api
from activities.models.bounded import bound_reply, json_of
from activities.models.budgeting import BudgetUsedUp, Hold, ModelBudgets
from activities.models.caching import ModelCache
from activities.models.contracts import Completion, ModelCall, Reading
from activities.models.errors import application_error, fault, patience_of, type_of
from activities.models.expecting import forecast_of
from activities.models.prices import usage_of
from activities.models.replies import OnText
from activities.models.settings import OPENAI, ModelAccessSettings
from activities.models.turns import Early, ModelTurns
from activities.pacing import Pacing
from activities.storage.store import UsageRow
from plangate.errors import ErrorType, error_type
from plangate.pacing import Wait
from plangate.runs import Usage

MAX_WAIT_SECONDS = 300.0
"""For an endpoint that is down, before it is looked at again."""

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("plangate")


class UsageSink(Protocol):
    """Where usage rows go: the `Store`."""

    async def add_usage(self, row: UsageRow) -> None:
        """Note a model call; the same id once more changes nothing."""


class ModelClient:
    """Asks models through the `openai` client, which never retries: Temporal does.

    Args:
        settings: How models are reached.
        usage: Where each call's usage is recorded; None records nothing.
        breakers: Asked before each call whether the endpoint is up; None asks nobody.
        pacing: Asked before each call whether it is its turn; None asks nobody.
    """

    def __init__(
        self,
        settings: ModelAccessSettings,
        usage: UsageSink | None = None,
        breakers: Breakers | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        self.settings = settings
        self._breakers = breakers
        self._turns = ModelTurns(pacing) if pacing is not None else None
        self._budgets: ModelBudgets | None = None
        self._cache: ModelCache | None = None
        self._usage = usage
        self._secret = settings.api_key.get_secret_value() if settings.api_key else ""
        self._host = httpx2.URL(settings.base_url).netloc.decode()  # without a user's name and password
        timeout = httpx2.Timeout(settings.timeout_seconds, connect=settings.connect_timeout_seconds)
        self._openai = AsyncOpenAI(
            api_key=self._secret or "none",
            base_url=settings.base_url,
            max_retries=0,
            timeout=timeout,
            default_headers={"Accept-Encoding": "identity"},  # so that bytes counted are bytes read
            http_client=DefaultAsyncHttpxClient(timeout=timeout, event_hooks={"response": [bound_reply]}),
        )

    @property
    def dependency(self) -> str:
        """The name of the endpoint's circuit breaker and limits."""
        return f"model:{self._host}"

    def hold_to(self, budgets: ModelBudgets) -> None:
        """Reserve what calls may cost before they are made."""
        self._budgets = budgets

    def cache_in(self, cache: ModelCache) -> None:
        """Use answers again where an agent allows it."""
        self._cache = cache

    async def remember(self, call: ModelCall, completion: Completion) -> None:
        """Keep a usable answer for the same question, if its agent allows that."""
        if self._cache is None or not call.cache_seconds or completion.usage.cached_calls:
            return
        try:
            await self._cache.put(call, completion, host=self._host)
        except Exception:  # noqa: BLE001 - the answer is paid for; it is only not kept
            _log.exception("answer not cached", run=call.purpose.run)

    async def forget(self, call: ModelCall) -> None:
        """Don't use an answer of the cache again: it is of no use."""
        if self._cache is None:
            return
        try:
            await self._cache.forget(call, host=self._host)
        except Exception:  # noqa: BLE001 - the model is asked about it as about an answer of its own
            _log.exception("cached answer not forgotten", run=call.purpose.run)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._openai.close()

    async def __aenter__(self) -> ModelClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def complete(self, call: ModelCall, on_text: OnText | None = None) -> Completion:
        """Ask, and record what it cost; one span by OpenTelemetry's GenAI conventions when tracing is on.

        Args:
            call: The question.
            on_text: Ask for a stream, and take the text so far each time that more of it has come.

        Raises:
            ApplicationError: The endpoint gave no answer; retryable or not by its type, see `activities.models.errors`.
            Early: It isn't the call's turn for a while, or the endpoint is down.
        """
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": call.model,
            "plangate.run": call.purpose.run,
        }
        with _tracer.start_as_current_span(f"chat {call.model}", kind=SpanKind.CLIENT, attributes=attributes) as span:
            completion = await self._complete(call, on_text)
            span.set_attribute("gen_ai.usage.input_tokens", completion.usage.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", completion.usage.output_tokens)
            return completion

    async def _complete(self, call: ModelCall, on_text: OnText | None) -> Completion:
        purpose = call.purpose
        attempted = f"asking the model {call.model!r} at {self._host} ({purpose.task})"
        if not self._secret and self.settings.base_url == OPENAI:
            raise application_error(ErrorType.AUTHENTICATION, f"{attempted} failed: OPENAI_API_KEY isn't set")
        if (known := await self._known(call)) is not None:
            if on_text is not None:
                on_text(known.text)
            return known
        permit = await self._permit(call)
        turn, reading, hold = None, None, None
        try:
            if self._turns is not None:
                turn = await self._turns.take(call, permit, seconds=self._seconds(call))
            if (hold := await self._hold(call, attempted)) is not None:
                call = replace(call, output_tokens=hold.output_tokens)
            started = time.perf_counter()
            with permit.watch(type_of, patience_of):
                async with asyncio.timeout(self._seconds(call)):
                    reading = await (self._whole(call) if on_text is None else self._stream(call, on_text))
        except (Early, ApplicationError):
            raise  # it wasn't its turn, or there was no room in a budget: no call was made
        except Exception as error:  # noqa: BLE001 - whatever it is gets its type here
            failure = fault(
                error,
                attempted=attempted,
                attempt=purpose.attempt,
                max_attempts=purpose.max_attempts,
                secret=self._secret,
            )
            _log.warning("model call failed", run=purpose.run, task=purpose.task, model=call.model, error=failure.type)
            await self._give_back(hold, error_type(failure.type))
            raise failure from None
        finally:
            if self._breakers is not None:
                await self._breakers.settle(permit)
            if self._turns is not None and turn is not None:
                await self._turns.leave(turn, call, reading.tokens if reading else None)
        latency_ms = round((time.perf_counter() - started) * 1000)
        usage = usage_of(reading.model or call.model, reading.tokens, self.settings.prices, alias=call.model)
        await self._record(call, reading, usage, latency_ms, hold)
        return Completion(reading.text, usage, reading.problem, reading.explanation)

    def _seconds(self, call: ModelCall) -> float:
        return call.timeout_seconds or self.settings.timeout_seconds

    async def _permit(self, call: ModelCall) -> Permit:
        """Leave to ask the endpoint.

        Raises:
            Early: It is down. The workflow waits, as with a tool: no attempt is used up.
        """
        if self._breakers is None:
            return Permit(self.dependency)
        answer = await self._breakers.ask(self.dependency, seconds=self._seconds(call))
        if isinstance(answer, Refusal):
            delay = min(max((answer.until - datetime.now(UTC)).total_seconds(), 0.25), MAX_WAIT_SECONDS)
            raise Early(
                Wait(
                    dependency=answer.dependency,
                    why=answer.why,
                    turn_seconds=delay,
                    seconds=delay,
                    failed=call.purpose.attempt - 1,
                    down=True,
                )
            )
        return answer

    async def _whole(self, call: ModelCall) -> Reading:
        """Without a stream. The reply is read as plain JSON: cheaper than the client's models, and no less strict."""
        if self.settings.api == "chat":
            raw = await self._openai.chat.completions.with_raw_response.create(**self._request(call))
            return chat_api.read(json_of(raw.http_response), call.max_bytes)
        raw = await self._openai.responses.with_raw_response.create(**self._request(call))
        return responses_api.read(json_of(raw.http_response), call.max_bytes)

    async def _stream(self, call: ModelCall, on_text: OnText) -> Reading:
        arguments = {**self._request(call), "stream": True}
        if self.settings.api == "chat":
            arguments["stream_options"] = {"include_usage": True}
            async with await self._openai.chat.completions.create(**arguments) as events:
                return await chat_api.read_stream(events, call.max_bytes, on_text)
        async with await self._openai.responses.create(**arguments) as events:
            return await responses_api.read_stream(events, call.max_bytes, on_text)

    def _request(self, call: ModelCall) -> dict[str, Any]:
        if self.settings.api == "chat":
            return chat_api.request(call, self.settings.output_tokens)
        return responses_api.request(call, self.settings.output_tokens)

    async def _known(self, call: ModelCall) -> Completion | None:
        """The answer to the same question, when it may be used again; counted, and free."""
        if self._cache is None or not call.cache_seconds:
            return None
        try:
            found = await self._cache.get(call, host=self._host)
        except Exception:  # noqa: BLE001 - the model can still be asked
            _log.exception("cache of model calls not read", run=call.purpose.run)
            return None
        if found is None:
            return None
        usage = Usage(calls=1, models=[found.model], cached_calls=1)
        await self._record(call, Reading(text=found.text, model=found.model), usage, 0, None)
        return Completion(found.text, usage)

    async def _hold(self, call: ModelCall, attempted: str) -> Hold | None:
        """Reserve what the call may cost.

        Raises:
            BudgetUsedUp: There is no room for it.
            ApplicationError: The database can't tell: to be tried again.
        """
        if self._budgets is None:
            return None
        try:
            return await self._budgets.hold(call, self.settings)
        except BudgetUsedUp as spent:
            _log.warning("model call over budget", run=call.purpose.run, rule=spent.limit.rule, reason=str(spent))
            raise
        except Exception as error:  # noqa: BLE001 - without the database nobody knows what is left
            said = getattr(error, "orig", None) or error  # the database's words, without the library's around them
            message = f"{attempted} has to wait: the budgets can't be read: {type(said).__name__}: {said}"
            raise application_error(ErrorType.UNAVAILABLE, message, attempt=call.purpose.attempt, delay=2.0) from None

    async def _give_back(self, hold: Hold | None, type: ErrorType) -> None:
        if hold is not None and self._budgets is not None:
            try:
                await self._budgets.failed(hold, type)
            except Exception:  # noqa: BLE001 - it stays reserved, which is safe
                _log.exception("budget not given back", key=hold.key)

    async def _record(
        self, call: ModelCall, reading: Reading, usage: Usage, latency_ms: int, hold: Hold | None
    ) -> None:
        purpose, tokens = call.purpose, reading.tokens
        cost = None if usage.unpriced_calls else usage.cost_usd
        _log.info(
            "model call",
            run=purpose.run,
            task=purpose.task,
            model=usage.models[0],
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=cost,
            latency_ms=latency_ms,
            problem=reading.problem,
            cached=bool(usage.cached_calls),
        )
        if self._usage is None:
            return
        row = UsageRow(
            id=purpose.id,
            run=purpose.run,
            agent=purpose.agent,
            model=usage.models[0],
            task=purpose.task,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=tokens.cached if tokens else 0,
            cost_usd=cost,
            latency_ms=latency_ms,
            user=purpose.user,
            session=purpose.session,
            at=datetime.now(UTC),
            cached_calls=usage.cached_calls,
            **(forecast_of(call, self.settings) if not usage.cached_calls else {}),
        )
        try:
            if hold is not None and self._budgets is not None:
                await self._budgets.settle(hold, row, tokens_known=tokens is not None)
            else:
                await self._usage.add_usage(row)
        except Exception:  # noqa: BLE001 - the answer is paid for; to fail here would buy it again
            _log.exception("usage not recorded", run=purpose.run, usage=row.id)
