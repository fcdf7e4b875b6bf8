"""The guardrail `output.claims`: an answer says that something was done only when a step did it.

A claim is a sentence in the past about one of the kinds of acts below (`we have refunded …`, `your order is cancelled`,
`the money is on its way back`). It is true when a step of that kind is done, or when a result says so itself (a field
`refunded` above 0, a status `cancelled`); and when it names amounts or ids, one of them must be that step's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from activities.guardrails.acts import KINDS, Kind, is_claimed, own_kind, stems_of
from activities.guardrails.belonging import ids_of
from activities.guardrails.contracts import Answered, Changed
from activities.guardrails.facts import Sort, facts_in, sentences
from activities.guardrails.grounding import without
from activities.guardrails.supporting import Support
from activities.prompts.planner import Agent
from plangate.guardrails import Claims
from plangate.policy import Action, Verdict
from plangate.run_status import StepReport
from plangate.runs import StepStatus
from plangate.tool_policy import Effect


@dataclass(frozen=True)
class Claim:
    """A sentence that says that something was done.

    Attributes:
        kind: What.
        start: Where the sentence begins.
        sentence: It.
    """

    kind: Kind
    start: int
    sentence: str


def claims_in(text: str, kinds: Sequence[Kind] = KINDS, quoted: Sequence[str] = ()) -> list[Claim]:
    """The claims of a text, one at most in each clause. Questions, conditions and what wasn't done are none.

    Args:
        text: The answer.
        kinds: What is looked for.
        quoted: Texts of documents: a sentence that stands in one of them speaks of the rule, not of what was done.
    """
    found, stems = [], stems_of(tuple(kinds))
    for start, end in sentences(text):
        sentence = text[start:end]
        plain = " ".join(sentence.split())
        if plain.endswith("?") or (len(plain) > 20 and any(plain in each for each in quoted)):
            continue
        if not stems.search(sentence):
            continue
        for clause in re.split(r"[;:,]\s+|\s(?:but|and|so|although|however)\s", _unquoted(sentence)):
            kind = next((kind for kind in kinds if is_claimed(kind, clause, sentence)), None)
            if kind is not None:
                found.append(Claim(kind, start, sentence))
    return found


def _unquoted(sentence: str) -> str:
    """What is quoted is somebody else's, like the title of a step."""
    return re.sub(r"[\"“][^\"”]{0,500}[\"”]", " ", sentence)


def kinds_of(agent: Agent) -> list[Kind]:
    """The kinds of acts, and those that only this agent's tools do."""
    does = [name for name, tool in agent.tools.items() if tool.settings.effect is Effect.CONSEQUENTIAL]
    return [*KINDS, *(kind for name in does if (kind := own_kind(name)))]


def claimed(answered: Answered) -> Changed | list[Verdict] | None:
    """Refuse an answer (the plain one takes its place), or take the sentence out, when it claims what no step did."""
    quoted = [" ".join(value.split()) for _, value in answered.evidence.passages] if answered.evidence else []
    claims = claims_in(answered.text, kinds_of(answered.agent), quoted)
    wrong = [(claim, rule) for claim in claims if (rule := _wrong(claim, answered))]
    if not wrong:
        return None
    told = {
        (claim.kind.name, rule): Verdict(
            action=Action.BLOCK,
            rule=f"claims.{rule}",
            reason="The answer spoke of something as done which was not. This is what was done.",
            detail=f"says that it did: {claim.kind.name}",
        )
        for claim, rule in wrong
    }
    if answered.agent.scope.guardrails.claims is Claims.REPLACED:
        return list(told.values())
    text = without(answered.text, [claim.start for claim, _ in wrong])
    first = next(iter(told.values())).model_copy(
        update={
            "action": Action.CHANGE,
            "reason": "A sentence was taken out: it said that something was done which was not.",
        }
    )
    return Changed(text, first, ("a sentence was taken out that claimed what was not done",))


def _wrong(claim: Claim, answered: Answered) -> str:
    """The end of the rule's id that a claim breaks; nothing when it is true."""
    done = [
        report
        for report in answered.task.steps
        if report.status is StepStatus.DONE and _does(report, claim.kind, answered)
    ]
    said = _said(answered, claim.kind)
    if not done and not said:
        return "not-done"
    support, whose = Support(), Support()
    for report in done:
        support.add_text(report.summary)
        support.add(answered.results.get(report.id))
    for row, owner in said:
        support.add(row)
        whose.add(owner)
    facts = facts_in(claim.sentence)
    amounts = [fact for fact in facts if fact.sort is Sort.AMOUNT]
    if amounts and support.amounts and claim.kind.name in ("refund", "charge"):
        support.derive()
        if not any(abs(fact.value - known) < Decimal("0.01") for fact in amounts for known in support.amounts):
            return "other-amount"
    ids = [fact for fact in facts if fact.sort is Sort.ID]
    known = {each for each in support.ids | whose.ids if len(each) >= 4 and any(char.isdigit() for char in each)}
    if ids and known and not any(support.holds(fact) or whose.holds(fact) for fact in ids):
        return "other-object"
    return ""


def _does(report: StepReport, kind: Kind, answered: Answered) -> bool:
    """Whether a step's tool does things of this kind. What a person answered in a step's place counts as done."""
    tool = answered.agent.tools.get(report.tool)
    if tool is not None and tool.settings.effect is not Effect.CONSEQUENTIAL:
        return False
    words = set(re.split(r"[_\W]+", report.tool.casefold()))
    if tool is not None:
        words |= set(re.split(r"\W+", tool.description.partition(".")[0].casefold())[:1])
    return bool(words & kind.tools)


_WHEN = re.compile(r"_(?:on|at|date|by)$")


_Row = Mapping[str, Any]


def _said(answered: Answered, kind: Kind) -> list[tuple[_Row, _Row]]:
    """The objects in results that say that an act of this kind was done, each with the record that it belongs to."""
    memo = answered.evidence.memo if answered.evidence is not None else {}
    name = f"said {kind.name}"
    if name not in memo:
        memo[name] = list(_saying(dict(answered.results), re.compile(kind.says or kind.done, re.IGNORECASE)))
    found: list[tuple[_Row, _Row]] = memo[name]
    return found


def _saying(
    value: Any, says: re.Pattern[str], owner: _Row | None = None, depth: int = 0
) -> Iterator[tuple[_Row, _Row]]:
    """Objects that say themselves that it was done: `refunded: 62.0`, `status: cancelled`, `sent_on`.

    The payment in an order has no id of its own: what it says is said of the order.
    """
    if depth > 20:
        return
    if isinstance(value, Mapping):
        owner = value if owner is None or any(ids_of(value)) else owner
        for name, each in value.items():
            stem = _WHEN.sub("", str(name)).replace("_", " ")
            named = says.fullmatch(stem) and each not in (None, False, "", 0, 0.0)
            states = isinstance(each, str) and says.fullmatch(each.strip())
            if named or states:
                yield value, owner
                break
        for each in value.values():
            yield from _saying(each, says, owner, depth + 1)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _saying(each, says, owner, depth + 1)
