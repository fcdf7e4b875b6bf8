"""The model client over real HTTP: both APIs, usage and prices, bounds, and every row of the error taxonomy."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from activities.models import (
    Completion,
    Message,
    ModelAccessSettings,
    ModelCall,
    ModelClient,
    ModelPrice,
    OutputSchema,
    Purpose,
    Role,
    bounded,
)
from activities.models.settings import DEFAULT_MODELS
from plangate.agents import ModelSettings
from plangate.errors import ErrorType, InvalidInput
from tests import fake_model
from tests.activities.model_fixtures import KEY, MemoryStore, failure_of, settings_for
from tests.fake_model import FakeModel, Reply

KNOWN = DEFAULT_MODELS[Role.ANSWER]
CALL = ModelCall(
    purpose=Purpose(run="run-1", agent="shop", task="plan"),
    model=KNOWN,
    instructions="Be brief.",
    messages=(Message("user", "Hello"),),
    max_bytes=10_000,
)
APIS = pytest.mark.parametrize("api", ["responses", "chat"])
STREAMED = pytest.mark.parametrize("streamed", [False, True])


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as fake:
        yield fake


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def ask(
    model: FakeModel, store: MemoryStore, call: ModelCall = CALL, *, streamed: bool = False, **changes: Any
) -> Completion:
    async with ModelClient(settings_for(model, **changes), store) as client:
        return await client.complete(call, (lambda _: None) if streamed else None)


@APIS
@STREAMED
async def test_text_and_usage(model: FakeModel, store: MemoryStore, api: str, streamed: bool) -> None:
    model.script(Reply("Hello, Ann.", usage=(1000, 400, 50)))
    completion = await ask(model, store, api=api, streamed=streamed)
    assert (completion.text, completion.problem) == ("Hello, Ann.", None)
    usage = completion.usage
    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.models) == (1, 1000, 50, [KNOWN])
    row = store.usage[0]
    assert (row.input_tokens, row.cached_tokens, row.output_tokens, row.model) == (1000, 400, 50, KNOWN)
    assert row.cost_usd == usage.cost_usd > 0


async def test_the_request_of_the_responses_api(model: FakeModel, store: MemoryStore) -> None:
    model.script("x")
    schema = OutputSchema("thing", {"type": "object"})
    call = CALL.__class__(**{**CALL.__dict__, "schema": schema, "temperature": 0.3})
    await ask(model, store, call, output_tokens=77)
    request = model.requests[0]
    assert request.path == "/v1/responses"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {
        "model": KNOWN,
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": "Hello"}],
        "max_output_tokens": 77,
        "store": False,
        "temperature": 0.3,
        "text": {"format": {"type": "json_schema", "name": "thing", "schema": {"type": "object"}, "strict": False}},
    }


async def test_the_request_of_chat_completions(model: FakeModel, store: MemoryStore) -> None:
    model.script("x")
    call = CALL.__class__(**{**CALL.__dict__, "schema": OutputSchema("thing", {"type": "object"})})
    await ask(model, store, call, output_tokens=77, api="chat")
    assert model.requests[0].path == "/v1/chat/completions"
    assert model.requests[0].json == {
        "model": KNOWN,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "max_completion_tokens": 77,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "thing", "schema": {"type": "object"}, "strict": False},
        },
    }


# --- prices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEFAULT_MODELS.values())
async def test_the_default_models_are_dated_and_priced(model: FakeModel, store: MemoryStore, name: str) -> None:
    model.script(Reply("x", usage=(1000, 0, 100)))
    usage = (await ask(model, store, CALL.__class__(**{**CALL.__dict__, "model": name}))).usage
    assert name[-10:].replace("-", "").isdigit()
    assert usage.unpriced_calls == 0
    assert usage.cost_usd > 0


async def test_cached_tokens_are_cheaper(model: FakeModel, store: MemoryStore) -> None:
    model.script(Reply("x", usage=(100_000, 0, 1)), Reply("x", usage=(100_000, 90_000, 1)))
    full, cached = (await ask(model, store)).usage, (await ask(model, store)).usage
    assert cached.cost_usd < full.cost_usd / 2


async def test_an_unknown_model_is_reported_as_unpriced(model: FakeModel, store: MemoryStore) -> None:
    model.script(Reply("x", usage=(1000, 0, 100)))
    usage = (await ask(model, store, CALL.__class__(**{**CALL.__dict__, "model": "in-house-9"}))).usage
    assert (usage.calls, usage.unpriced_calls, usage.input_tokens) == (1, 1, 1000)
    assert store.usage[0].cost_usd is None, "unknown, not zero"


@pytest.mark.parametrize(("cached_price", "cost"), [(0.5, 0.00295), (None, 0.0034)])
async def test_a_price_from_the_settings(
    model: FakeModel, store: MemoryStore, cached_price: float | None, cost: float
) -> None:
    prices = {"in-house-9": ModelPrice(input=2.0, output=14.0, cached=cached_price)}
    model.script(Reply("x", usage=(1000, 300, 100)))
    call = CALL.__class__(**{**CALL.__dict__, "model": "in-house-9"})
    usage = (await ask(model, store, call, prices=prices)).usage
    assert usage.cost_usd == pytest.approx(cost)
    assert usage.unpriced_calls == 0


@APIS
@STREAMED
async def test_usage_that_isnt_told_is_unpriced(model: FakeModel, store: MemoryStore, api: str, streamed: bool) -> None:
    model.script(Reply("x", no_usage=True))
    usage = (await ask(model, store, api=api, streamed=streamed)).usage
    assert (usage.calls, usage.unpriced_calls, usage.cost_usd) == (1, 1, 0.0)


async def test_an_answer_isnt_lost_when_its_usage_cant_be_recorded(model: FakeModel, store: MemoryStore) -> None:
    store.broken = True
    model.script("Hello")
    assert (await ask(model, store)).text == "Hello"


# --- errors -----------------------------------------------------------------------------------------------------

T, P = True, False
TAXONOMY: list[tuple[str, Reply, ErrorType, bool]] = [
    ("429", fake_model.rate_limited(), ErrorType.RATE_LIMITED, T),
    ("quota", fake_model.quota_exhausted(), ErrorType.QUOTA_EXHAUSTED, P),
    ("402", fake_model.failure(402), ErrorType.QUOTA_EXHAUSTED, P),
    ("401", fake_model.failure(401), ErrorType.AUTHENTICATION, P),
    ("403", fake_model.failure(403), ErrorType.AUTHENTICATION, P),
    ("400", fake_model.failure(400), ErrorType.INVALID_INPUT, P),
    ("404", fake_model.failure(404, "no such model", code="model_not_found"), ErrorType.INVALID_INPUT, P),
    ("413", fake_model.failure(413), ErrorType.INVALID_INPUT, P),
    ("422", fake_model.failure(422), ErrorType.INVALID_INPUT, P),
    ("408", fake_model.failure(408), ErrorType.TIMEOUT, T),
    ("409", fake_model.failure(409), ErrorType.UNAVAILABLE, T),
    ("500", fake_model.server_error(), ErrorType.UNAVAILABLE, T),
    ("502", Reply(status=502, raw=b"<html>bad gateway</html>"), ErrorType.UNAVAILABLE, T),
    ("503", fake_model.failure(503), ErrorType.UNAVAILABLE, T),
    ("504", fake_model.failure(504), ErrorType.TIMEOUT, T),
    ("400 that may be retried", fake_model.failure(400, x_should_retry="true"), ErrorType.UNAVAILABLE, T),
    ("503 that may not", fake_model.failure(503, x_should_retry="false"), ErrorType.UNAVAILABLE, P),
    ("429 that may not", fake_model.rate_limited({"x-should-retry": "false"}), ErrorType.RATE_LIMITED, P),
    ("cut", fake_model.cut(), ErrorType.NETWORK, T),
]


@APIS
@STREAMED
@pytest.mark.parametrize(("reply", "type_", "retried"), [row[1:] for row in TAXONOMY], ids=[r[0] for r in TAXONOMY])
async def test_taxonomy(
    model: FakeModel, store: MemoryStore, reply: Reply, type_: ErrorType, retried: bool, api: str, streamed: bool
) -> None:
    model.script(reply)
    error, payload = await failure_of(ask(model, store, api=api, streamed=streamed))
    assert payload.type is type_
    assert error.non_retryable is not retried
    assert (error.next_retry_delay is not None) is retried
    assert len(model.requests) == 1, "the client itself never retries"
    assert KNOWN in payload.message
    assert store.usage == []


@APIS
async def test_a_body_that_isnt_json(model: FakeModel, store: MemoryStore, api: str) -> None:
    model.script(fake_model.broken_body())
    error, payload = await failure_of(ask(model, store, api=api))
    assert (payload.type, error.non_retryable) == (ErrorType.UNAVAILABLE, False)
    assert "OPENAI_BASE_URL" in payload.message


@APIS
@pytest.mark.parametrize("body", [b"[]", b'{"output": 5, "choices": 5}', b'{"output": ["x"], "choices": ["x"]}'])
async def test_a_body_of_another_form(model: FakeModel, store: MemoryStore, api: str, body: bytes) -> None:
    model.script(Reply(raw=body))
    error, payload = await failure_of(ask(model, store, api=api))
    assert (payload.type, error.non_retryable) == (ErrorType.UNAVAILABLE, False)


@pytest.mark.parametrize(
    ("code", "type_"),
    [
        ("rate_limit_exceeded", ErrorType.RATE_LIMITED),
        ("insufficient_quota", ErrorType.QUOTA_EXHAUSTED),
        ("server_error", ErrorType.UNAVAILABLE),
    ],
)
@STREAMED
async def test_a_failure_inside_a_reply(
    model: FakeModel, store: MemoryStore, code: str, type_: ErrorType, streamed: bool
) -> None:
    failed = {"id": "resp_1", "status": "failed", "error": {"code": code, "message": "Sorry"}, "output": []}
    raw = json.dumps(failed).encode()
    if streamed:
        event = json.dumps({"type": "error", "code": code, "message": "Sorry", "sequence_number": 0})
        raw = f"event: error\ndata: {event}\n\n".encode()
    model.script(Reply(raw=raw))
    _, payload = await failure_of(ask(model, store, streamed=streamed))
    assert payload.type is type_
    assert "Sorry" in payload.message


async def test_the_time_out_covers_the_whole_call(model: FakeModel, store: MemoryStore) -> None:
    model.script(fake_model.hang())
    error, payload = await failure_of(ask(model, store, timeout_seconds=0.1))
    assert (payload.type, error.non_retryable) == (ErrorType.TIMEOUT, False)


async def test_the_time_out_covers_a_stream_that_stalls(model: FakeModel, store: MemoryStore) -> None:
    model.script(Reply("Hello, Ann.", pause_after=2))
    error, payload = await failure_of(ask(model, store, streamed=True, timeout_seconds=0.2))
    assert (payload.type, error.non_retryable) == (ErrorType.TIMEOUT, False)


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = ModelAccessSettings(
            api_key=SecretStr(KEY), base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1", timeout_seconds=5
        )
        async with ModelClient(settings) as client:
            error, payload = await failure_of(client.complete(CALL))
    assert (payload.type, error.non_retryable) == (ErrorType.NETWORK, False)


async def test_openai_without_a_key_isnt_even_asked() -> None:
    async with ModelClient(ModelAccessSettings(api_key=None, base_url="https://api.openai.com/v1")) as client:
        error, payload = await failure_of(client.complete(CALL))
    assert (payload.type, error.non_retryable) == (ErrorType.AUTHENTICATION, True)
    assert "OPENAI_API_KEY" in payload.message


async def test_the_key_is_in_no_message_and_no_log(model: FakeModel, store: MemoryStore) -> None:
    model.script(fake_model.failure(401, f"Incorrect API key provided: {KEY}"), "Hello")
    with capture_logs() as logs:
        error, payload = await failure_of(ask(model, store))
        await ask(model, store)
    assert KEY not in f"{error} {payload} {error.__cause__} {logs} {settings_for(model)!r}"
    assert "[key]" in payload.message
    line = logs[-1]
    assert (line["event"], line["model"], line["run"]) == ("model call", KNOWN, "run-1")
    assert {"input_tokens", "output_tokens", "latency_ms", "cost_usd"} <= set(line)


# --- bounds -----------------------------------------------------------------------------------------------------


@APIS
@STREAMED
async def test_text_is_bounded(model: FakeModel, store: MemoryStore, api: str, streamed: bool) -> None:
    model.script("é" * 5001)
    completion = await ask(model, store, api=api, streamed=streamed)
    assert (completion.problem, completion.text) == (ErrorType.MODEL_MALFORMED, "")
    assert "10,000 bytes" in completion.explanation


@APIS
@STREAMED
async def test_a_reply_is_bounded_before_it_is_read(
    model: FakeModel, store: MemoryStore, api: str, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MAX_REPLY_BYTES", 100_000)
    model.script(Reply("x" * 200_000, pieces=1))
    error, payload = await failure_of(ask(model, store, api=api, streamed=streamed))
    assert (payload.type, error.non_retryable) == (ErrorType.MODEL_MALFORMED, True)


async def test_one_pool_serves_calls_at_the_same_time(model: FakeModel, store: MemoryStore) -> None:
    model.script(lambda _: "Hello")
    async with ModelClient(settings_for(model), store) as client:
        answers = await asyncio.gather(*(client.complete(CALL) for _ in range(30)))
    assert {answer.text for answer in answers} == {"Hello"}


# --- settings ---------------------------------------------------------------------------------------------------


def test_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    monkeypatch.setenv("PLANGATE_MODEL_API", "chat")
    monkeypatch.setenv("PLANGATE_PLAN_MODEL", "p-1")
    monkeypatch.setenv("PLANGATE_ANSWER_MODEL", "")
    monkeypatch.setenv("PLANGATE_MODEL_PRICES", '{"p-1": {"input": 1, "output": 2}}')
    monkeypatch.setenv("PLANGATE_MODEL_TIMEOUT_SECONDS", "7.5")
    settings = ModelAccessSettings()
    assert (settings.api, settings.timeout_seconds, settings.base_url) == ("chat", 7.5, "http://localhost:1/v1")
    assert settings.prices == {"p-1": ModelPrice(input=1, output=2)}
    assert KEY not in repr(settings)
    agent = ModelSettings(plan="agents-planner", answer="agents-answerer")
    assert settings.model_for(Role.PLAN, agent) == "p-1", "the environment wins"
    assert settings.model_for(Role.ANSWER, agent) == "agents-answerer", "an empty variable is none"
    assert settings.model_for(Role.SCREEN, agent) == DEFAULT_MODELS[Role.SCREEN]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLANGATE_MODEL_API", "soap"),
        ("OPENAI_BASE_URL", "localhost:8080"),
        ("PLANGATE_MODEL_TIMEOUT_SECONDS", "0"),
        ("PLANGATE_MODEL_PRICES", '{"p-1": {"input": -1, "output": 2}}'),
        ("PLANGATE_MODEL_PRICES", "cheap"),
    ],
)
def test_wrong_settings_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput, match=name):
        ModelAccessSettings.load()
