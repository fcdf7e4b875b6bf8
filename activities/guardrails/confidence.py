"""How far an answer can be relied on: 1, less what the run gives reason to doubt.

| Reason | Less |
|---|---|
| a fact that nothing supports | 0.2 each, at most 0.6 |
| the answer, or a sentence of it, claimed what was not done | 0.5 |
| another sentence was taken out | 0.1 each, at most 0.3 |
| something is missing (a gap), other than by a person's no | 0.15 each, at most 0.45 |
| the plan was sent back with mistakes | 0.1 each time, at most 0.2 |
| the plan was revised more than once (looking first is usual) | 0.1 each time, at most 0.2 |
| a doubt or change of an input guardrail | 0.1 each, at most 0.2 |

The weights are a choice, not a measurement: they order answers, they are no probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence

from plangate.policy import Action, Verdict
from plangate.runs import Outcome
from plangate.tasks import Answer, RespondTask


def confidence(task: RespondTask, verdicts: Sequence[Verdict], doubts: Sequence[str]) -> tuple[float, list[str]]:
    """The confidence, 0 to 1 with two decimals, and why it isn't 1.

    Args:
        task: What the answer was written from.
        verdicts: What output guardrails said other than allow.
        doubts: What they doubt.
    """
    facts = [verdict for verdict in verdicts if verdict.rule.startswith("grounding.")]
    claims = any(verdict.rule.startswith("claims.") for verdict in verdicts)
    revised = max((step.revision for step in task.steps), default=0) - 1
    facts_told = ", ".join(dict.fromkeys(verdict.detail for verdict in facts))
    # A sentence that was taken out for its facts or claims counts as that.
    taken = [doubt for doubt in doubts if "a sentence" not in doubt]
    gaps = [] if task.outcome is Outcome.REJECTED else task.gaps
    reasons = [
        (len(facts), 0.2, 0.6, f"nothing supports {facts_told}"),
        (int(claims), 0.5, 0.5, "the model said that something was done which was not"),
        (len(taken), 0.1, 0.3, "; ".join(taken)),
        (len(gaps), 0.15, 0.45, f"something is missing: {'; '.join(gaps)[:300]}"),
        (task.repairs, 0.1, 0.2, f"the plan was sent back {_times(task.repairs)}"),
        (max(revised, 0), 0.1, 0.2, f"the plan was revised {_times(revised + 1)}"),
        (len(task.doubts), 0.1, 0.2, "; ".join(task.doubts)),
    ]
    told = [(min(count * each, most), words) for count, each, most, words in reasons if count > 0]
    return round(max(0.0, 1.0 - sum(less for less, _ in told)), 2), [words for _, words in told]


def weighed(answer: Answer, task: RespondTask, least: float | None) -> Answer:
    """The answer with its confidence; held back for a person when that is less than its scope wants.

    Args:
        answer: As the output guardrails left it.
        task: What it was written from.
        least: The scope's row `Confidence under`; None for none.
    """
    found, doubts = confidence(task, answer.verdicts, answer.doubts)
    known = {"confidence": found, "doubts": doubts}
    if least is None or found >= least:
        return answer.model_copy(update=known)
    low = Verdict(
        action=Action.BLOCK,
        rule="confidence.low",
        guard="run.confidence",
        reason="The answer is not certain enough to be sent.",
        detail=f"confidence {found:.2f}; at least {least:.2f}",
    )
    held = {"text": "", "verdict": low, "verdicts": [*answer.verdicts, low], "hand_over": True}
    return answer.model_copy(update={**known, **held})


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
