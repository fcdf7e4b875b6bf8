"""The local activity `admit`: may this request start at all, and within which bounds?"""

from __future__ import annotations

from datetime import UTC, datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.catalogue import Catalogue, LoadedAgent
from activities.guardrails.contracts import Asked
from activities.guardrails.forecasting import Forecasts
from activities.guardrails.judging import judge_text, strictest
from activities.guardrails.refusing import refusal
from activities.guardrails.registry import INPUT
from activities.storage.store import Store
from plangate.agents import Admission
from plangate.errors import ErrorPayload, ErrorType, PlangateError
from plangate.forecasts import Forecast
from plangate.policy import Action
from plangate.preflight import PreflightWhen
from plangate.runs import RunRequest
from plangate.validation import validate_plan


class AdmissionActivities:
    """Admission of requests.

    Args:
        catalogue: The agents that this worker serves.
        store: The project's database.
        forecasts: Tokens and cost of runs to come; None forecasts nothing.
    """

    def __init__(self, catalogue: Catalogue, store: Store, forecasts: Forecasts | None = None) -> None:
        self._catalogue, self._store, self._forecasts = catalogue, store, forecasts

    @activity.defn(name="admit")
    async def admit(self, request: RunRequest) -> Admission:
        """Check a request and note its run.

        Raises:
            ApplicationError: Non-retryable: unknown or broken agent, or a caller's plan with mistakes (all of them).
        """
        try:
            agent = self._agent(request.agent)
            admission = self._check(agent, request)
        except PlangateError as error:
            details = ErrorPayload(
                type=error.type, message=error.message, attempted="admit", details=error.details, next="the run ends"
            )
            raise ApplicationError(error.message, details, type=error.type.value, non_retryable=True) from None
        run = activity.info().workflow_id or ""
        await self._store.open_run(run, request, agent_version=agent.version, at=datetime.now(UTC))
        return admission

    def _agent(self, name: str) -> LoadedAgent:
        if not name:
            known = ", ".join(sorted(self._catalogue.agents)) or "none"
            raise PlangateError(f"the request names no agent; `agent` is one of {known}", type=ErrorType.UNKNOWN_AGENT)
        return self._catalogue.get(name)

    def _forecast(self, agent: LoadedAgent, request: RunRequest, text: str) -> Forecast | None:
        if self._forecasts is None:
            return None
        return self._forecasts.forecast(agent, request.model_copy(update={"request": text}))

    def _check(self, agent: LoadedAgent, request: RunRequest) -> Admission:
        judged = judge_text(Asked(agent, request.request, request, self._forecasts), INPUT)
        verdict = strictest(judged.verdicts)
        admission = Admission(
            agent=agent.name,
            agent_version=agent.version,
            in_turn=True,
            limits=agent.scope.limits,
            preflight=None if agent.settings.preflight.when is PreflightWhen.NEVER else agent.settings.preflight,
            verdict=verdict,
            message=refusal(agent, verdict) if verdict.action is Action.BLOCK else "",
            verdicts=list(judged.verdicts),
            doubts=list(judged.doubts),
            answers=agent.scope.answers,
            request=judged.text if judged.text != request.request else "",
            forecast=None if verdict.action is Action.BLOCK else self._forecast(agent, request, judged.text),
        )
        if request.plan is None or verdict.action is Action.BLOCK:
            return admission
        plan, problems = validate_plan(
            request.plan,
            tools=agent.policies,
            schemas=agent.schemas,
            limits=agent.scope.limits,
            results=agent.results,
        )
        if plan is None or problems:
            lines = [str(problem) for problem in problems]
            many = f"{len(lines)} mistake{'s' * (len(lines) != 1)}"
            raise PlangateError(
                f"the plan has {many}: {'; '.join(lines[:5])}{'; …' if len(lines) > 5 else ''}",
                type=ErrorType.INVALID_PLAN,
                details=lines,
            )
        used = {step.tool for step in plan.steps}
        used |= {step.fallback.tool for step in plan.steps if step.fallback and step.fallback.tool}
        used |= {undo.tool for name in used if (undo := agent.policies[name].compensation)}
        return admission.model_copy(update={"plan": plan, "tools": {name: agent.policies[name] for name in used}})
