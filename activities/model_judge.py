"""The guardrail `input.judge`: a model says whether a request attacks the agent. Only where `agent.yaml` names one.

It is asked in `make_plan`, before the planner: what the rules of `input.injection` refuse has cost nothing by then. It
fails closed. An endpoint that is away is waited for as for a plan; a judgement that can't be read, twice, refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import structlog

from activities.guardrails.injection.screening import REASON
from activities.guardrails.judging import FAILED
from activities.models import Completion, Message, ModelCall, ModelClient, OutputSchema, Purpose, Role
from activities.models.beats import Beats
from activities.models.falling_back import ModelsInOrder
from activities.prompts.planner import Agent
from activities.prompts.sections import fixed_text, instructions, text_section
from plangate.errors import PlangateError
from plangate.policy import Action, Verdict
from plangate.runs import Usage
from plangate.strictjson import parse
from plangate.tasks import PlanTask

GUARD = "input.judge"
ATTACK = "judge.attack"
TASK = "screen"
_TRIES = 2
_REASON_CHARACTERS = 300
_OUTPUT_TOKENS = 2_000
_MAX_BYTES = 16_000
_SCHEMA = OutputSchema(
    "judgement",
    {
        "type": "object",
        "properties": {"attack": {"type": "boolean"}, "reason": {"type": "string"}},
        "required": ["attack", "reason"],
        "additionalProperties": False,
    },
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Judgement:
    """What the judge said.

    Attributes:
        verdict: Why the request is refused; None when it isn't.
        usage: What asking took.
    """

    verdict: Verdict | None = None
    usage: Usage = field(default_factory=Usage)


async def judge_request(models: ModelClient, agent: Agent, task: PlanTask, beats: Beats) -> Judgement:
    """Ask the agent's judge about a request, if it has one.

    Raises:
        ApplicationError: The endpoint failed.
        Early: It isn't the call's turn for a while.
        BudgetUsedUp: There is no room for the question.
    """
    if not agent.settings.models.screen or task.revision:
        return Judgement()
    names = models.settings.models_for(Role.SCREEN, agent.settings.models)
    order = ModelsInOrder(models, names, beats.seconds)
    usage = Usage()
    for attempt in range(_TRIES):
        call = _call(models, agent, task, beats, attempt)
        completion = await order.complete(call)
        usage = usage.plus(completion.usage)
        said = _read(completion)
        if said is None:
            if completion.usage.cached_calls:
                await order.forget(call)
            continue
        await order.remember(call, completion)
        attack, reason = said
        _log.info("request judged", run=task.run, agent=agent.name, attack=attack, reason=reason)
        return Judgement(_refused(ATTACK, REASON, reason) if attack else None, usage)
    detail = f"the guardrail {GUARD!r} failed: the model {names[0]!r} gave no judgement"
    return Judgement(_refused(f"{GUARD}.failed", FAILED, detail), usage)


def _call(models: ModelClient, agent: Agent, task: PlanTask, beats: Beats, repair: int) -> ModelCall:
    settings = models.settings
    return ModelCall(
        purpose=Purpose(
            run=task.run,
            agent=agent.name,
            version=agent.version,
            task=TASK,
            attempt=beats.attempt,
            max_attempts=beats.max_attempts,
            repair=repair,
            user=task.user,
            session=task.session,
            rounds=task.rounds,
        ),
        model=settings.model_for(Role.SCREEN, agent.settings.models),
        instructions=instructions(agent.name, TASK, fixed_text("screen.md")),
        messages=(Message("user", text_section("request", task.request)),),
        max_bytes=_MAX_BYTES,
        schema=_SCHEMA,
        timeout_seconds=beats.seconds(settings.timeout_seconds),
        output_tokens=_OUTPUT_TOKENS,
        cache_seconds=agent.settings.cache.plan,
        shared=agent.settings.cache.shared,
    )


def _read(completion: Completion) -> tuple[bool, str] | None:
    """Whether it is an attack, and why; None when that isn't what was answered."""
    if completion.problem is not None:
        return None
    try:
        data: Any = parse(completion.text)
    except PlangateError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("attack"), bool):
        return None
    return data["attack"], str(data.get("reason", ""))[:_REASON_CHARACTERS]


def _refused(rule: str, reason: str, detail: str) -> Verdict:
    return Verdict(action=Action.BLOCK, rule=rule, guard=GUARD, reason=reason, detail=detail)
