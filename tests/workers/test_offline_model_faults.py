"""Every kind of fault, as the real `openai` client sees it, and the plans that say when."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from activities.injection.enabling import load_fault_plan
from activities.injection.injector import Injector
from plangate import strictjson
from plangate.errors import InvalidInput, PlangateError
from plangate.faultplan_file import parse_fault_plan
from plangate.faults import Fault
from plangate.plans import PlanProposal
from workers.offline_model.faults import pick
from workers.offline_model.prompts import Message, Prompt
from workers.offline_model.server import ServerSettings
from workers.offline_model.testing import serving

AGENTS = Path(__file__).parents[2] / "agents"
ASK = {
    "model": "offline-1",
    "instructions": "Agent: support\nTask: plan",
    "input": "<context>\n{}\n</context>\n<request>\nWhere is order 1060?\n</request>",
}
CHAT = {
    "model": "offline-1",
    "messages": [{"role": "system", "content": ASK["instructions"]}, {"role": "user", "content": ASK["input"]}],
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(ServerSettings(agents=(AGENTS,), allow_fault_requests=True)) as url:
        yield url


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=server, api_key="none", max_retries=0, timeout=10) as client:
        yield client


def set_fault(server: str, kind: str, **options: Any) -> None:
    plan = {"faults": [{"fault": kind, **options}]}
    reply = httpx2.post(server.removesuffix("/v1") + "/faults", json=plan)
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("rate_limited", 429, "rate_limit_exceeded"),
        ("quota_exhausted", 429, "insufficient_quota"),
        ("unauthorized", 401, "invalid_api_key"),
        ("server_error", 500, None),
        ("unavailable", 503, None),
    ],
)
def test_http_errors(server: str, client: OpenAI, kind: str, status: int, code: str | None) -> None:
    set_fault(server, kind)
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(**ASK)
    assert caught.value.status_code == status
    assert caught.value.code == code


@pytest.mark.parametrize("wanted", ["7", "0.5", "-3", "999999999", "soon"])
def test_retry_after_as_it_is_given(server: str, client: OpenAI, wanted: str) -> None:
    set_fault(server, "rate_limited", retry_after=wanted)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**CHAT)
    assert caught.value.response.headers["retry-after"] == wanted


@pytest.mark.parametrize("seconds", [30, -30])
def test_retry_after_as_a_date(server: str, client: OpenAI, seconds: int) -> None:
    set_fault(server, "unavailable", retry_after=f"date:{seconds}")
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(**CHAT)
    date = parsedate_to_datetime(caught.value.response.headers["retry-after"])
    assert abs(date.timestamp() - time.time() - seconds) < 5


def test_no_retry_after(server: str, client: OpenAI) -> None:
    set_fault(server, "rate_limited")
    with pytest.raises(openai.RateLimitError) as caught:
        client.responses.create(**ASK)
    assert "retry-after" not in caught.value.response.headers


def test_hang_until_the_client_gives_up(server: str, client: OpenAI) -> None:
    set_fault(server, "hang")
    with pytest.raises(openai.APITimeoutError):
        client.responses.create(**ASK, timeout=0.2)


def test_hang_ends_with_a_closed_connection(server: str, client: OpenAI) -> None:
    set_fault(server, "hang", seconds=0.05)
    with pytest.raises(openai.APIConnectionError):
        client.responses.create(**ASK)


def test_slow(server: str, client: OpenAI) -> None:
    set_fault(server, "slow", seconds=0.2)
    started = time.monotonic()
    assert client.responses.create(**ASK).output_text
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", ["responses", "chat"])
def test_cut(server: str, client: OpenAI, api: str, stream: bool) -> None:
    set_fault(server, "cut")
    create: Any = client.responses.create if api == "responses" else client.chat.completions.create

    def ask() -> None:
        reply = create(**(ASK if api == "responses" else CHAT), stream=stream)
        if stream:
            list(reply)

    with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):  # a cut stream isn't wrapped by the client
        ask()


def test_not_json(server: str) -> None:
    set_fault(server, "not_json")
    reply = httpx2.post(f"{server}/responses", json=ASK)
    assert reply.status_code == 200
    with pytest.raises(ValueError, match="Expecting"):
        reply.json()


@pytest.mark.parametrize("kind", ["malformed_json", "prose", "not_finite", "duplicate_keys", "deep"])
def test_output_that_a_strict_parser_refuses(server: str, client: OpenAI, kind: str) -> None:
    set_fault(server, kind)
    for text in (
        client.responses.create(**ASK).output_text,
        client.chat.completions.create(**CHAT).choices[0].message.content or "",
    ):
        assert text
        with pytest.raises(PlangateError):
            strictjson.parse(text)


def test_wrong_schema(server: str, client: OpenAI) -> None:
    set_fault(server, "wrong_schema")
    value = strictjson.parse(client.responses.create(**ASK).output_text)
    with pytest.raises(ValueError, match="action"):
        PlanProposal.model_validate(value)


def test_unknown_tool(server: str, client: OpenAI) -> None:
    set_fault(server, "unknown_tool")
    proposal = PlanProposal.model_validate_json(client.responses.create(**ASK).output_text)
    assert proposal.plan is not None
    assert proposal.plan.steps[0].tool == "launch_rocket"


def test_refusal(server: str, client: OpenAI) -> None:
    set_fault(server, "refusal")
    part = client.responses.create(**ASK).output[0].content[0]  # type: ignore[union-attr]
    assert (part.type, part.refusal) == ("refusal", "I'm sorry, but I can't help with that.")  # type: ignore[union-attr]
    message = client.chat.completions.create(**CHAT).choices[0].message
    assert (message.content, message.refusal) == (None, "I'm sorry, but I can't help with that.")
    kinds = [event.type for event in client.responses.create(**ASK, stream=True)]
    assert "response.refusal.delta" in kinds
    assert "response.refusal.done" in kinds
    chunks = list(client.chat.completions.create(**CHAT, stream=True))
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks) == message.refusal


def test_empty(server: str, client: OpenAI) -> None:
    set_fault(server, "empty")
    assert client.responses.create(**ASK).output == []
    assert client.chat.completions.create(**CHAT).choices[0].message.content == ""
    assert [event.type for event in client.responses.create(**ASK, stream=True)][-1] == "response.completed"


@pytest.mark.parametrize("stream", [False, True])
def test_megabytes(server: str, client: OpenAI, stream: bool) -> None:
    set_fault(server, "megabytes", megabytes=2)
    if stream:
        events = client.responses.create(**ASK, stream=True)
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    else:
        text = client.responses.create(**ASK).output_text
    assert len(text) > 2_000_000
    assert json.loads(text)["action"] == "plan"


def test_counts_are_shown_and_the_plan_can_be_emptied(server: str, client: OpenAI) -> None:
    url = server.removesuffix("/v1") + "/faults"
    set_fault(server, "server_error", times=1)
    with pytest.raises(openai.InternalServerError):
        client.responses.create(**ASK)
    assert client.responses.create(**ASK).output_text
    assert httpx2.get(url).json()["injected"] == [1]
    assert httpx2.delete(url).json()["plan"] == {}


def test_a_wrong_plan_changes_nothing(server: str) -> None:
    set_fault(server, "slow", seconds=0)
    url = server.removesuffix("/v1") + "/faults"
    reply = httpx2.post(url, json={"faults": [{"fault": "explode"}, {"fault": "cut", "time": 1}]})
    assert reply.status_code == 400
    assert "faults.0.fault" in reply.json()["error"]["message"]
    assert "faults.1.time" in reply.json()["error"]["message"]
    assert httpx2.post(url, content=b"{").status_code == 400
    assert httpx2.get(url).json()["plan"]["faults"][0]["fault"] == "slow"


def prompt(task: str = "plan", **values: Any) -> Prompt:
    return Prompt("responses", "m", (Message("user", "Where is order 1060?"),), task=task, **values)


def injector_of(plan: dict[str, Any]) -> Injector:
    return Injector(parse_fault_plan(json.dumps(plan), source="test"))


def picks(injector: Injector, count: int, **values: Any) -> list[Fault | None]:
    found = [pick(injector, prompt(**values)) for _ in range(count)]
    return [rule.fault if rule else None for rule in found]


def test_skip_and_times() -> None:
    injector = injector_of({"faults": [{"fault": "cut", "skip": 1, "times": 2}]})
    assert picks(injector, 5) == [None, Fault.CUT, Fault.CUT, None, None]


@pytest.mark.parametrize(
    ("match", "fits", "fits_not"),
    [
        ({"task": "answer"}, {"task": "answer"}, {"task": "plan"}),
        ({"agent": "support"}, {"agent": "support"}, {"agent": "other"}),
        ({"stream": True}, {"stream": True}, {"stream": False}),
        ({"repair": False}, {"repair": 0}, {"repair": 1}),
        ({"repair": True}, {"repair": 2}, {"repair": 0}),
    ],
)
def test_match(match: dict[str, Any], fits: dict[str, Any], fits_not: dict[str, Any]) -> None:
    injector = injector_of({"faults": [{"fault": "empty", "match": match}]})
    assert picks(injector, 1, **fits_not) == [None]
    assert picks(injector, 1, **fits) == [Fault.EMPTY]


def test_match_by_content_and_model() -> None:
    rules = [
        {"fault": "empty", "match": {"contains": "1061"}},
        {"fault": "cut", "match": {"model": "x"}},
        {"fault": "deep", "match": {"contains": "1060", "model": "m", "api": "responses"}},
    ]
    assert picks(injector_of({"faults": rules}), 1) == [Fault.DEEP]


def test_a_seed_repeats_a_storm() -> None:
    def storm(seed: int) -> list[Fault | None]:
        rules = [{"fault": "server_error", "probability": 0.3}, {"fault": "rate_limited", "probability": 0.3}]
        return picks(injector_of({"seed": seed, "faults": rules}), 40)

    assert storm(1) == storm(1)
    assert storm(1) != storm(2)
    assert {None, Fault.SERVER_ERROR, Fault.RATE_LIMITED} == set(storm(1))


def test_plan_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(
        "seed: 3\nfaults:\n  - fault: rate_limited\n    match: {task: plan}\n    retry_after: 2\n    times: 1\n"
    )
    plan = load_fault_plan(path)
    assert (plan.seed, plan.faults[0].retry_after, plan.faults[0].times) == (3, "2", 1)
    path.write_text("faults: [")
    with pytest.raises(InvalidInput, match="not YAML"):
        load_fault_plan(path)
