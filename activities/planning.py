"""The activity `make_plan`: a model proposes a plan, which leaves here only when it is valid."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError
from temporalio import activity

from activities.guardrails.parting import parted
from activities.guardrails.refusing import refusal
from activities.model_judge import judge_request
from activities.models import Completion, Message, ModelCall, ModelClient, Purpose, Role
from activities.models.beats import Beats
from activities.models.budgeting import BudgetUsedUp
from activities.models.errors import application_error
from activities.models.falling_back import ModelsInOrder
from activities.models.turns import Early
from activities.pacing import PATIENCE
from activities.prompts.excerpts import fitting
from activities.prompts.planner import Agent, PlannerPrompt, mistakes_message, planner_message, proposal_schema
from activities.prompts.results import Results, load_by_step
from plangate.errors import ErrorType, PlangateError
from plangate.plans import Plan, PlanProposal, Step
from plangate.runs import StepStatus, Usage
from plangate.strictjson import MAX_BYTES, parse
from plangate.tasks import PlanOutcome, PlanTask
from plangate.tool_policy import ToolPolicy
from plangate.validation import validate_plan

MAX_REPAIRS = 2
"""How often a malformed or invalid plan is sent back to the model, with its mistakes."""
_ECHO = 4000
"""Characters of a malformed answer that the model is shown again."""
_MAX_MISTAKES = 50
_REPAIR_PATIENCE = 240.0
"""Half of it, or of the time that is left, may a repair wait for its turn here: the question before it is paid for."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Agents(Protocol):
    """Where agents come from; `activities.catalogue.Catalogue` is one."""

    def get(self, name: str) -> Agent:
        """An agent; raises `PlangateError` when there is none, or it is broken."""


@dataclass(frozen=True)
class _Attempt:
    """What one answer of the model came to: a usable proposal, or mistakes."""

    proposal: PlanProposal | None = None
    mistakes: tuple[str, ...] = ()
    type: ErrorType = ErrorType.MODEL_MALFORMED


class PlanningActivities:
    """Planning with a model.

    Args:
        agents: The catalogue.
        models: The worker's model client.
        results: The store that results are loaded from for a revision.
    """

    def __init__(self, agents: Agents, models: ModelClient, results: Results) -> None:
        self._agents = agents
        self._models = models
        self._results = results
        self._prompts: dict[str, tuple[str, PlannerPrompt]] = {}

    @activity.defn(name="make_plan")
    async def make_plan(self, task: PlanTask) -> PlanOutcome:
        """Ask the planner model for a plan and validate it; send it back with its mistakes at most `MAX_REPAIRS` times.

        Raises:
            ApplicationError: Retryable when the endpoint failed for now; else with type `ModelMalformed`, `ModelEmpty`,
                `ModelRefused` or `InvalidPlan` and every mistake in the payload's `details`.
        """
        agent = find_agent(self._agents, task.agent)
        with Beats(task.failed) as beats:
            usage = Usage()
            try:
                judged = await judge_request(self._models, agent, task, beats)
            except Early as early:
                return PlanOutcome(action="wait", early=early.wait)
            except BudgetUsedUp as spent:
                return _over_budget(spent, agent, task, usage)
            usage = usage.plus(judged.usage)
            if (verdict := judged.verdict) is not None:
                return PlanOutcome(action="decline", message=refusal(agent, verdict), usage=usage, verdict=verdict)
            messages = [Message("user", await self._message(agent, task))]
            names = self._models.settings.models_for(Role.PLAN, agent.settings.models)
            models = ModelsInOrder(self._models, names, beats.seconds)
            for repair in range(MAX_REPAIRS + 1):
                call = self._call(agent, task, messages, beats, repair)
                try:
                    completion = await models.complete(call)
                except Early as early:
                    return PlanOutcome(action="wait", usage=usage, early=early.wait)
                except BudgetUsedUp as spent:
                    return _over_budget(spent, agent, task, usage)
                usage = usage.plus(completion.usage)
                attempt = _read(completion, agent, task)
                if attempt.proposal is not None:
                    await models.remember(call, completion)
                    outcome = _outcome(attempt.proposal, agent, usage, repair)
                    if outcome.plan is None:
                        outcome = await parted(agent, task, outcome, self._results)
                    return outcome.model_copy(update={"fell_back": models.told})
                if completion.usage.cached_calls:
                    await models.forget(call)  # a broken row: the model never said it, so it isn't told its mistakes
                    continue
                if attempt.type is ErrorType.MODEL_REFUSED:
                    break
                if completion.text:
                    messages.append(Message("assistant", completion.text[:_ECHO]))
                messages.append(Message("user", mistakes_message(list(attempt.mistakes))))
        raise application_error(
            attempt.type,
            f"planning failed: after {repair} repairs the model {completion.usage.models[0]!r} gave no usable plan: "
            f"{'; '.join(attempt.mistakes[:5])}",
            attempt=beats.attempt,
            details=list(attempt.mistakes),
        )

    def _prompt(self, agent: Agent) -> PlannerPrompt:
        known = self._prompts.get(agent.name)
        if known is None or known[0] != agent.version:
            known = self._prompts[agent.name] = (agent.version, PlannerPrompt.of(agent))
        return known[1]

    async def _message(self, agent: Agent, task: PlanTask) -> str:
        prompt = self._prompt(agent)
        lists = {step.id for step in task.plan.steps if step.for_each} if task.plan else set()
        results = await load_by_step(self._results, task.results, lists=lists)
        return fitting(
            lambda shortened: planner_message(task, shortened, agent.tools),
            results,
            used=prompt.revise if task.revision else prompt.plan,
            tokens=self._models.settings.prompt_tokens,
        )

    def _call(self, agent: Agent, task: PlanTask, messages: list[Message], beats: Beats, repair: int) -> ModelCall:
        prompt = self._prompt(agent)
        settings = self._models.settings
        purpose = Purpose(
            run=task.run,
            agent=agent.name,
            version=agent.version,
            task="revise" if task.revision else "plan",
            revision=task.revision,
            attempt=beats.attempt,
            max_attempts=beats.max_attempts,
            repair=repair,
            user=task.user,
            session=task.session,
            rounds=task.rounds,
        )
        patience = PATIENCE if not repair else max(beats.seconds(_REPAIR_PATIENCE) / 2, PATIENCE)
        return ModelCall(
            purpose=purpose,
            model=settings.model_for(Role.PLAN, agent.settings.models),
            instructions=prompt.revise if task.revision else prompt.plan,
            messages=tuple(messages),
            max_bytes=MAX_BYTES,
            schema=proposal_schema(),
            temperature=agent.settings.temperature,
            timeout_seconds=beats.seconds(settings.timeout_seconds),
            patience_seconds=patience,
            cache_seconds=0 if task.revision else agent.settings.cache.plan,
            shared=agent.settings.cache.shared,
        )


def _over_budget(spent: BudgetUsedUp, agent: Agent, task: PlanTask, usage: Usage) -> PlanOutcome:
    """Nothing is asked: the request is declined in friendly words, or a person takes over."""
    if task.revision:
        message = f"{spent.words} What was done until then is kept; a person takes over."
        return PlanOutcome(action="hand_over", message=message, usage=usage, verdict=spent.verdict)
    if spent.hands_over:
        message = f"{spent.words} A person will take over."
        return PlanOutcome(action="hand_over", message=message, usage=usage, verdict=spent.verdict)
    return PlanOutcome(action="decline", message=spent.words, usage=usage, verdict=spent.verdict)


def find_agent(agents: Agents, name: str) -> Agent:
    """The agent, or a failure that isn't retried.

    Raises:
        ApplicationError: With type `UnknownAgent` or `BrokenAgent`.
    """
    try:
        return agents.get(name)
    except PlangateError as error:
        raise application_error(error.type, error.message, details=error.details) from None


def _read(completion: Completion, agent: Agent, task: PlanTask) -> _Attempt:
    if completion.problem is not None:
        return _Attempt(mistakes=(completion.explanation,), type=completion.problem)
    try:
        data = parse(_without_fence(completion.text))
    except PlangateError as error:
        return _Attempt(mistakes=(error.message,))
    if _has_half_characters(completion.text, data):
        return _Attempt(mistakes=("a text has half a surrogate pair (\\ud800 to \\udfff), which is no character",))
    if not isinstance(data, dict):
        return _Attempt(mistakes=(f"the answer is an object with `action`, not a {type(data).__name__}",))
    mistakes = _envelope_mistakes(data)
    if mistakes:
        return _Attempt(mistakes=mistakes)
    if data["action"] != "plan":
        return _Attempt(PlanProposal(action=data["action"], message=data["message"]))
    return _read_plan(data, agent, task)


def _read_plan(data: dict[str, Any], agent: Agent, task: PlanTask) -> _Attempt:
    ended = {report.id for report in task.steps if report.status.ended}
    done = {report.id for report in task.steps if report.status is StepStatus.DONE} | (ended & set(task.results))
    plan, problems = validate_plan(
        data["plan"],
        tools=agent.policies,
        schemas=agent.schemas,
        limits=agent.scope.limits,
        results=agent.results,
        known=done,
        taken=ended,
        earlier=_returned(task),
    )
    if problems or plan is None:
        lines = [str(problem) for problem in problems]
        if len(lines) > _MAX_MISTAKES:
            lines = [*lines[:_MAX_MISTAKES], f"and {len(lines) - _MAX_MISTAKES} more"]
        return _Attempt(mistakes=tuple(lines), type=ErrorType.INVALID_PLAN)
    return _Attempt(PlanProposal(action="plan", message=data.get("message") or "", plan=plan))


def _returned(task: PlanTask) -> list[Step]:
    """Earlier steps whose result is what a tool returned, and not what a person answered in its place."""
    steps = task.plan.steps if task.plan else []
    return [step for step in steps if step.id in task.results and step.for_each is None]


def _envelope_mistakes(data: dict[str, Any]) -> tuple[str, ...]:
    """Mistakes of the proposal around the plan; the plan itself is checked by `validate_plan`."""
    try:
        envelope = PlanProposal.model_validate({**data, "plan": None})
    except ValidationError as error:
        return tuple(f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in error.errors())[:_MAX_MISTAKES]
    if envelope.action == "plan":
        return () if data.get("plan") is not None else ("plan: with the action 'plan' there is a plan",)
    if not envelope.message.strip():
        return (f"message: with the action {envelope.action!r} it says what to tell the user",)
    return ()


def _without_fence(text: str) -> str:
    """The text inside a Markdown code fence, which some models put around JSON."""
    plain = text.strip()
    if plain.startswith("```") and plain.endswith("```") and "\n" in plain:
        return plain.split("\n", 1)[1][:-3]
    return plain


def _has_half_characters(text: str, data: Any) -> bool:
    """Whether there is a lone surrogate, which JSON can spell and nothing can store."""
    if not _SURROGATE.search(text):
        return False
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _outcome(proposal: PlanProposal, agent: Agent, usage: Usage, repairs: int) -> PlanOutcome:
    plan = proposal.plan
    return PlanOutcome(
        action=proposal.action,
        message=proposal.message,
        plan=plan,
        tools=_policies(plan, agent) if plan else {},
        usage=usage,
        repairs=repairs,
    )


def _policies(plan: Plan, agent: Agent) -> dict[str, ToolPolicy]:
    used = {name: agent.policies[name] for step in plan.steps for name in _tools_of(step)}
    undo = {policy.compensation.tool for policy in used.values() if policy.compensation}
    return used | {name: agent.policies[name] for name in sorted(undo)}


def _tools_of(step: Step) -> list[str]:
    return [step.tool, step.fallback.tool] if step.fallback and step.fallback.tool else [step.tool]
