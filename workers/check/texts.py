"""What `plangate check TEXT` finds: what each input guardrail says of a request, and its forecast. Runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from activities.catalogue import LoadedAgent
from activities.guardrails.contracts import Asked
from activities.guardrails.forecasting import Forecasts
from activities.guardrails.injection.screening import in_words, score_of
from activities.guardrails.judging import judge_text, strictest
from activities.guardrails.refusing import refusal
from activities.guardrails.registry import INPUT
from activities.models.settings import ModelAccessSettings
from plangate.forecasts import Forecast
from plangate.policy import Action, Verdict
from plangate.runs import RunRequest


@dataclass(frozen=True)
class TextCheck:
    """What the guardrails say of a text.

    Attributes:
        agent: The agent's name.
        text: The text that a run would go on with.
        changed: Whether that is another one than was given.
        says: Of each guardrail its name, what it is for, whether it is on, and what it says; none is allow.
        suspicion: The points of injection screening, and for what.
        forecast: Of a run with it; None when it would be refused.
        answer: What the person would be told when it is refused.
    """

    agent: str
    text: str
    changed: bool
    says: list[tuple[str, str, bool, list[Verdict]]]
    suspicion: str
    forecast: Forecast | None
    answer: str

    @property
    def refused(self) -> bool:
        """Whether the run would end here."""
        return bool(self.answer)

    def data(self) -> dict[str, Any]:
        """For `--json`."""
        guardrails = [
            {"guardrail": name, "about": about, "on": on, "verdicts": [each.model_dump(mode="json") for each in said]}
            for name, about, on, said in self.says
        ]
        return {
            "agent": self.agent,
            "refused": self.refused,
            "text": self.text if self.changed else None,
            "guardrails": guardrails,
            "suspicion": self.suspicion,
            "forecast": self.forecast.model_dump(mode="json") if self.forecast else None,
            "answer": self.answer or None,
        }


def check_text(text: str, agent: LoadedAgent, models: ModelAccessSettings) -> TextCheck:
    """Ask every input guardrail about a text, those after a refusal too."""
    request = RunRequest(agent=agent.name, request=text)
    forecasts = Forecasts(models)
    judged = judge_text(Asked(agent, text, request, forecasts), INPUT, to_the_end=True)
    verdict = strictest(judged.verdicts)
    refused = verdict.action is Action.BLOCK
    off = agent.scope.guardrails.off
    return TextCheck(
        agent=agent.name,
        text=judged.text,
        changed=judged.text != text,
        says=[
            (guard.name, guard.about, guard.name not in off, [v for v in judged.verdicts if v.guard == guard.name])
            for guard in INPUT
        ],
        suspicion=in_words(score_of(judged.text, agent.tools)),
        forecast=None if refused else forecasts.forecast(agent, request.model_copy(update={"request": judged.text})),
        answer=refusal(agent, verdict) if refused else "",
    )
