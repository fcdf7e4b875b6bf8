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
from functools import cache
from typing import Any

from activities.guardrails.contracts import Answered, Changed
from activities.guardrails.facts import Sort, facts_in, sentences
from activities.guardrails.grounding import without
from activities.guardrails.supporting import Support
from activities.prompts.planner import Agent
from plangate.guardrails import Claims
from plangate.policy import Action, Verdict
from plangate.runs import StepReport, StepStatus
from plangate.toolkit import Effect


@dataclass(frozen=True)
class Kind:
    """One kind of act.

    Attributes:
        name: For people.
        done: Past participles, as a pattern.
        past: Simple past, where it isn't the participle, as a pattern.
        nouns: What it is about (`your refund has been made`), as a pattern.
        tools: Words in the name of a tool that does it.
        passive: Whether `it was done` says that we did it; `you were charged` or `it was ordered` doesn't.
        says: What a field or status of a result is called that says that it was done, where that isn't `done`.
    """

    name: str
    done: str
    past: str = ""
    nouns: str = ""
    tools: frozenset[str] = frozenset()
    passive: bool = False
    says: str = ""


KINDS = (
    Kind(
        "refund",
        r"refunded|reimbursed|credited|repaid|paid back|given back|paid (?:you|it|that|the money|£\S+) back",
        r"gave (?:you )?(?:\S+ ){0,3}back",
        r"refund|reimbursement|money back|credit note",
        frozenset({"refund", "reimburse", "repay", "credit", "payout"}),
        passive=True,
    ),
    Kind(
        "cancel",
        r"cancell?ed|called off|revoked",
        nouns=r"cancell?ation",
        tools=frozenset({"cancel", "revoke", "withdraw"}),
        passive=True,
    ),
    Kind(
        "send",
        r"sent|e-?mailed|mailed|texted|notified|written to|forwarded",
        r"wrote to",
        r"e-?mail|confirmation|message|letter",
        frozenset({"send", "email", "mail", "sms", "message", "notify", "notification", "write", "forward", "post"}),
        says=r"sent|shipped|dispatched|posted|mailed",
    ),
    Kind(
        "change",
        r"changed|updated|corrected|amended|modified|redirected|rerouted|moved|rescheduled|replaced by",
        nouns=r"(?:address )?(?:change|update|correction)",
        tools=frozenset(
            {"change", "update", "set", "edit", "correct", "amend", "modify", "redirect", "move", "reschedule", "write"}
        ),
        passive=True,
    ),
    Kind(
        "book",
        r"booked|reserved|ordered|reordered|scheduled|arranged",
        nouns=r"booking|reservation|appointment|replacement",
        tools=frozenset({"book", "reserve", "order", "schedule", "arrange", "place", "create", "replace"}),
    ),
    Kind(
        "create",
        r"created|opened|registered|issued|activated|set up|signed up",
        nouns=r"ticket|account|voucher|invoice",
        tools=frozenset({"create", "open", "register", "issue", "activate", "add", "setup", "make", "start", "sign"}),
    ),
    Kind(
        "delete",
        r"deleted|erased|removed|closed|deactivated|blocked",
        nouns=r"deletion|removal",
        tools=frozenset({"delete", "erase", "remove", "close", "deactivate", "block", "drop", "purge"}),
        passive=True,
    ),
    Kind("pay", r"paid|transferred|wired", tools=frozenset({"pay", "transfer", "wire", "refund", "payment", "payout"})),
    Kind("charge", r"charged|debited|billed", tools=frozenset({"charge", "debit", "bill", "pay", "collect"})),
    Kind("approve", r"approved|authori[sz]ed", tools=frozenset({"approve", "authorise", "authorize"})),
)
"""In the order in which a sentence is read."""

_ADVERB = r"(?:(?:already|now|just|also|today|successfully|all|both|since|therefore|gladly|indeed|then|hereby|fully|each)\s+){0,3}"  # noqa: E501
_HAVE = r"(?:have|has|'ve|’ve|had)"
_NOT = re.compile(
    r"\b(?:not|n[o']t|never|nothing|none|no|neither|nor|without|cannot|unable)\b|n['’]t\b|\b(?:couldn|haven|hasn|wasn|weren|isn|didn)\b",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:if|unless|once|until|when|whenever|after|before|as soon as|as long as|while|will|would|can|could|may|might|shall"  # noqa: E501
    r"|should|must|to be|being|want|like us to|asked|ask|request(?:ed)?|decided against)\b",
    re.IGNORECASE,
)
_MONEY_BACK = (
    r"(?:\b(?:is|are|was|were|has been|have been|went)|['’]s)\b[^.?!]{0,20}?"
    r"\b(?:on (?:its|their|the) way back|returned to your|back (?:to|in|on|into|with) you)"
)
_ACTED = r"(?:made|issued|processed|completed|done|sent|initiated|arranged|confirmed|gone out|gone through|on its way)"
_DID = r"(?:made|issued|processed|completed|initiated|arranged|done|given you|took care of|taken care of|sorted(?: out)?|handled)"  # noqa: E501
_PARTICULAR = re.compile(r"\b(?:your|now|already|hereby|it|this|that)\b|\d|£", re.IGNORECASE)


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
    found = []
    for start, end in sentences(text):
        sentence = text[start:end]
        plain = " ".join(sentence.split())
        if plain.endswith("?") or (len(plain) > 20 and any(plain in each for each in quoted)):
            continue
        for clause in re.split(r"[;:,]\s+|\s(?:but|and|so|although|however)\s", _unquoted(sentence)):
            kind = next((kind for kind in kinds if _claims(kind, clause, sentence)), None)
            if kind is not None:
                found.append(Claim(kind, start, sentence))
    return found


def _unquoted(sentence: str) -> str:
    """What is quoted is somebody else's, like the title of a step."""
    return re.sub(r"[\"“][^\"”]{0,500}[\"”]", " ", sentence)


@cache
def _patterns(kind: Kind) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    """What claims that it was done; and what does so in the present tense, which may also be a rule."""
    done = rf"(?:{kind.done})"
    past = rf"(?:{kind.done}{'|' + kind.past if kind.past else ''})"
    forms = [
        rf"\b(?:I|we)\s?{_HAVE}\s+{_ADVERB}(?:gone ahead and )?{done}\b",
        rf"\b(?:I|we)\s+{_ADVERB}(?:went ahead and )?{past}\b",
        rf"^\W*(?:done\W+)?(?:successfully\s+)?{done}\b",
    ]
    if kind.passive:
        forms.append(rf"(?:\b(?:has|have|had)|['’](?:s|ve))\s+{_ADVERB}been\s+{_ADVERB}{done}\b")
        forms.append(rf"\b(?:was|were|got)\s+{_ADVERB}{done}\b")
    if kind.nouns:
        noun, gap = rf"(?:{kind.nouns})s?", r"(?:[^.?!]|\.(?=\d)){0,60}?"
        forms.append(rf"\b{noun}\b{gap}(?:\b(?:is|was|has|have)|['’]s)\s+{_ADVERB}(?:been\s+)?{_ADVERB}{_ACTED}\b")
        forms.append(rf"\b(?:I|we)\s?(?:{_HAVE}\s+)?{_ADVERB}{_DID}\b{gap}\b{noun}\b")
    if kind.name == "refund":
        forms.append(_MONEY_BACK)
    state = rf"\b(?:is|are)\s+{_ADVERB}{done}\b" if kind.passive else None
    return re.compile("|".join(forms), re.IGNORECASE), re.compile(state, re.IGNORECASE) if state else None


def _claims(kind: Kind, clause: str, sentence: str) -> bool:
    past, present = _patterns(kind)
    match = past.search(clause)
    if match is None:
        match = present.search(clause) if present else None
        # "The fee is refunded when it is late" is a rule; "order 1051 is cancelled" is a claim.
        if match is None or _OPEN.search(sentence) or not _PARTICULAR.search(clause):
            return False
    before = clause[: match.end()]
    return not _NOT.search(before) and not _OPEN.search(before)


@cache
def _own_kind(tool: str) -> Kind | None:
    """The kind of act that a tool's name speaks of when none of `KINDS` does: `release_stock` is `released`."""
    verb = re.split(r"[_\W]+", tool.casefold())[0]
    if len(verb) < 3 or any(verb in kind.tools for kind in KINDS):
        return None
    done = (
        f"{verb}d"
        if verb.endswith("e")
        else f"{verb[:-1]}ied"
        if re.search(r"[^aeiou]y$", verb)
        else f"{verb}{verb[-1]}?ed"
    )
    return Kind(verb, re.escape(done).replace(r"\?", "?"), tools=frozenset({verb}))


def kinds_of(agent: Agent) -> list[Kind]:
    """The kinds of acts, and those that only this agent's tools do."""
    does = [name for name, tool in agent.tools.items() if tool.settings.effect is Effect.CONSEQUENTIAL]
    return [*KINDS, *(kind for name in does if (kind := _own_kind(name)))]


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
    said = list(_saying(dict(answered.results), claim.kind))
    if not done and not said:
        return "not-done"
    support = Support()
    for report in done:
        support.add_text(report.summary)
        support.add(answered.results.get(report.id))
    for row in said:
        support.add(row)
    amounts = [fact for fact in facts_in(claim.sentence) if fact.sort is Sort.AMOUNT]
    if amounts and support.amounts and claim.kind.name in ("refund", "charge"):
        support.derive()
        if not any(abs(fact.value - known) < Decimal("0.01") for fact in amounts for known in support.amounts):
            return "other-amount"
    ids = [fact for fact in facts_in(claim.sentence) if fact.sort is Sort.ID]
    if ids and any(len(each) >= 4 for each in support.ids) and not any(support.holds(fact) for fact in ids):
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


def _saying(value: Any, kind: Kind, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The objects in results that say themselves that it was done: `refunded: 62.0`, `status: cancelled`, `sent_on`."""
    if depth > 20:
        return
    if isinstance(value, Mapping):
        for name, each in value.items():
            stem = re.sub(r"_(?:on|at|date|by)$", "", str(name)).replace("_", " ")
            says = kind.says or kind.done
            named = re.fullmatch(says, stem, re.IGNORECASE) and each not in (None, False, "", 0, 0.0)
            states = isinstance(each, str) and re.fullmatch(says, each.strip(), re.IGNORECASE)
            if named or states:
                yield value
                break
        for each in value.values():
            yield from _saying(each, kind, depth + 1)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _saying(each, kind, depth + 1)
