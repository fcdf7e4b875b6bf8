"""The typed client against the real workflow."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from client.errors import ClientError, ExitCode, Unanswered
from client.listing import STATUSES
from client.runs import Plangate, new_run_id
from plangate.approvals import ApprovalDecision, DecisionAction, ReceiptStatus
from plangate.errors import ErrorType
from plangate.runs import Outcome, Phase, RunRequest
from tests.client.conftest import Shop, until
from tests.client.scripted import HALF, WHOLE, Script, scripted_worker


async def start(shop: Shop, request: str = "refund it", **fields: str) -> str:
    started = await shop.plangate.start(RunRequest(agent="support", request=request, **fields))
    return started.run


async def test_a_run_is_started_watched_approved_and_ends_with_its_result(shop: Shop) -> None:
    run = await start(shop, user="rosa@example.com")
    phases = []
    async for view in shop.plangate.watch(run):
        assert view.status is not None
        phases.append(view.status.phase)
        for gate in view.status.pending:
            decision = ApprovalDecision(approval=gate.id, digest=gate.digest, by="ada", id="one")
            receipt = await shop.plangate.decide(run, decision)
            assert receipt.status is ReceiptStatus.APPLIED
    result = await shop.plangate.result(run)
    assert (result.outcome, result.answer) == (Outcome.COMPLETED, WHOLE)
    assert phases[-1] is Phase.ENDED
    assert shop.script.refunds == [{"order_id": "1042", "amount": 62.0}]
    kinds = [event.kind for event in await shop.plangate.timeline(run)]
    assert kinds[0] == "admitted"
    assert await shop.plangate.timeline(run, since=len(kinds)) == []


async def test_the_same_id_twice_is_the_same_run_while_it_runs_and_afterwards(shop: Shop) -> None:
    run = new_run_id("support")
    request = RunRequest(agent="support", request="no")
    first = await shop.plangate.start(request, id=run)
    again = await shop.plangate.start(request, id=run)
    await shop.plangate.result(run)
    later = await shop.plangate.start(request, id=run)
    assert [first.created, again.created, later.created] == [True, False, False]
    assert {first.run, again.run, later.run} == {run}


async def test_decisions_that_change_nothing_are_refused_with_the_reason(shop: Shop) -> None:
    run = await start(shop)
    await shop.waiting(run)
    (gate,) = await shop.plangate.pending(run)
    cases = {
        "here is no approval": ApprovalDecision(approval=f"{run}/nope", digest=gate.digest),
        "other arguments": ApprovalDecision(approval=gate.id, digest="0" * 64),
        "names the digest": ApprovalDecision(approval=gate.id),
        "amount: -1 is not an amount": ApprovalDecision(
            approval=gate.id, digest=gate.digest, action=DecisionAction.EDIT, args={"order_id": "1042", "amount": -1}
        ),
    }
    for words, decision in cases.items():
        with pytest.raises(ClientError) as refused:
            await shop.plangate.decide(run, decision)
        assert refused.value.code is ExitCode.REFUSED
        assert words in f"{refused.value.message} {refused.value.details}"
    assert [one.digest for one in await shop.plangate.pending(run)] == [gate.digest]
    approve = ApprovalDecision(approval=gate.id, digest=gate.digest, by="ada")
    await shop.plangate.decide(run, approve)
    with pytest.raises(ClientError, match=r"nothing was changed|has ended"):
        await shop.plangate.decide(run, approve.model_copy(update={"by": "bob"}))
    assert len(shop.script.refunds) <= 1


async def test_every_end_of_a_run_has_a_result(shop: Shop) -> None:
    declined = await shop.plangate.result(await start(shop, "no"))
    assert (declined.outcome, declined.answer) == (Outcome.DECLINED, "I can only help with orders.")

    failed = await shop.plangate.result(await start(shop, "break"))
    assert failed.outcome is Outcome.FAILED
    assert failed.error is not None
    assert failed.error.message == "the planner wrote no plan, three times"

    run = await start(shop)
    await shop.waiting(run)
    await shop.plangate.cancel(run)
    cancelled = await shop.plangate.result(run)
    assert (cancelled.outcome, cancelled.agent) == (Outcome.CANCELLED, "support")
    with pytest.raises(ClientError, match="has ended"):
        await shop.plangate.cancel(run)

    run = await start(shop)
    await shop.waiting(run)
    await shop.plangate.handle(run).terminate(reason="the operator's reason")
    terminated = await shop.plangate.result(run)
    assert terminated.outcome is Outcome.FAILED
    assert terminated.error is not None
    assert terminated.error.message.startswith("The run was terminated by ")
    assert terminated.error.message.endswith(": the operator's reason")
    assert terminated.ended_at is not None
    shown = await shop.cli("show", run)
    assert (shown.code, "Approval needed" in shown.out, "plangate approve" in shown.out) == (0, False, False)
    assert "the operator's reason" in shown.out
    told = (await shop.cli("show", run, "--json")).json
    assert (told["status"]["phase"], told["status"]["pending"]) == ("ended", [])
    again = await shop.cli("run", "support", "refund it", "--id", run, "--json")
    assert (again.code, again.json["error"]["type"]) == (13, "Cancelled")
    listed = await until(lambda: shop.plangate.runs(status="terminated"))
    assert run in [line.run for line in listed]
    assert run not in [line.run for line in await shop.plangate.runs(status="waiting", limit=1000)]


async def test_a_run_that_took_too_long_for_the_server_says_so(shop: Shop) -> None:
    run = new_run_id("support")
    request = RunRequest(agent="support", request="refund it")
    limit = timedelta(seconds=1)
    await shop.plangate.client.start_workflow(
        "AgentRun", request, id=run, task_queue="plangate", execution_timeout=limit
    )
    result = await shop.plangate.result(run)
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert (result.error.type, "timed out" in result.error.message) == (ErrorType.TIMEOUT, True)
    assert "Approval needed" not in (await shop.cli("show", run)).out


async def test_a_run_whose_input_is_not_right_ends_and_says_why(shop: Shop) -> None:
    run = new_run_id("support")
    await shop.plangate.client.start_workflow("AgentRun", {"agent": 5}, id=run, task_queue="plangate")
    async with asyncio.timeout(20):
        views = [view async for view in shop.plangate.watch(run)]
    assert views[-1].closed
    result = await shop.plangate.result(run)
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert "the input of AgentRun is not right" in result.error.message
    shown = await shop.cli("show", run)
    assert (shown.code, "the input of AgentRun is not right" in " ".join(shown.out.split())) == (0, True)


async def test_the_answer_is_streamed_while_it_is_written(shop: Shop) -> None:
    started = await shop.plangate.start(RunRequest(agent="support", request="slow answer", stream=True))
    texts = []
    async for view in shop.plangate.watch(started.run):
        for gate in view.status.pending if view.status else []:
            await shop.plangate.decide(started.run, ApprovalDecision(approval=gate.id, digest=gate.digest))
        if view.text:
            texts.append(view.text)
            shop.script.may_finish.set()
    assert texts[0] == HALF
    assert texts[-1] == WHOLE


async def test_lists_come_from_the_visibility_store(shop: Shop) -> None:
    user = f"{new_run_id('user')}@example.com"
    run = await start(shop, user=user)
    await shop.waiting(run)
    lines = await until(lambda: shop.plangate.runs(user=user, status="waiting"))
    assert [(line.run, line.agent, line.pending) for line in lines] == [(run, "support", 1)]
    assert lines[0].ui == f"http://ui.example/namespaces/default/workflows/{run}"
    assert await shop.plangate.runs(agent='it\'s "quoted" \\ text') == []
    gates = [gate for gate in await shop.plangate.inbox() if gate.run == run]
    assert [(gate.call, gate.args) for gate in gates] == [("refund", {"order_id": "1042", "amount": 62.0})]


async def test_an_unknown_run_is_said_to_be_unknown(shop: Shop) -> None:
    for question in (
        shop.plangate.status("nope"),
        shop.plangate.result("nope"),
        shop.plangate.cancel("nope"),
        shop.plangate.steer("nope", "pause"),
        shop.plangate.decide("nope", ApprovalDecision(approval="nope/x")),
    ):
        with pytest.raises(ClientError) as missing:
            await question
        assert missing.value.code is ExitCode.NOT_FOUND
    with pytest.raises(ClientError):
        _ = [view async for view in shop.plangate.watch("nope")]


async def test_a_status_that_does_not_exist_is_refused_with_those_that_do(shop: Shop) -> None:
    ended = await shop.cli("runs", "--status", "nonsense")
    assert (ended.code, ended.out) == (2, "")
    for word in STATUSES:
        assert word in ended.err
        await shop.plangate.runs(status=word)
    run = await start(shop)
    await shop.waiting(run)
    lines = await until(lambda: shop.plangate.runs(status="waiting for approval"))
    assert run in [line.run for line in lines]
    assert run not in [line.run for line in await shop.plangate.runs(status="running")]


async def test_a_decision_that_nobody_confirms_is_said_to_be_sent_and_counts_once_a_worker_is_back(
    address: str, plangate: Plangate, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = new_run_id("queue")
    monkeypatch.setenv("PLANGATE_TASK_QUEUE", queue)
    script = Script()
    async with scripted_worker(plangate.client, script, task_queue=queue):
        started = await plangate.start(RunRequest(agent="support", request="refund it"))
        (gate,) = await until(lambda: plangate.pending(started.run))
    monkeypatch.setattr("client.decisions.CONFIRM_SECONDS", 1.0)
    decision = ApprovalDecision(approval=gate.id, digest=gate.digest, by="ada", id="one")
    with pytest.raises(Unanswered, match=r"was sent.*may still count") as unsure:
        await plangate.decide(started.run, decision)
    assert "not made" not in unsure.value.message
    assert f"plangate show {started.run}" in unsure.value.hint
    async with scripted_worker(plangate.client, script, task_queue=queue):
        assert (await plangate.result(started.run)).outcome is Outcome.COMPLETED
    assert len(script.refunds) == 1


async def test_without_a_worker_watching_says_so_and_goes_on_when_there_is_one(
    address: str, plangate: Plangate, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = new_run_id("queue")
    monkeypatch.setenv("PLANGATE_TASK_QUEUE", queue)
    monkeypatch.setattr("client.watching.QUERY_SECONDS", 0.3)
    started = await plangate.start(RunRequest(agent="support", request="no"))
    views = plangate.watch(started.run)
    view = await anext(views)
    assert (view.status, view.closed) == (None, False)
    assert "the run is safe" in view.trouble
    async with scripted_worker(plangate.client, Script(), task_queue=queue):
        view = [view async for view in views][-1]
    assert view.closed
    assert not view.trouble
