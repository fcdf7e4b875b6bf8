"""The kinds of acts that an answer may claim, and how it says so: in English, and plainly in five other languages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache


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
        elsewhere: Past participles in German, French, Spanish, Italian and Dutch, as a pattern.
        says: What a field or status of a result is called that says that it was done, where that isn't `done`.
    """

    name: str
    done: str
    past: str = ""
    nouns: str = ""
    tools: frozenset[str] = frozenset()
    passive: bool = False
    says: str = ""
    elsewhere: str = ""


KINDS = (
    Kind(
        "refund",
        r"refunded|reimbursed|credited|repaid|paid back|given back|paid (?:you|it|that|the money|£\S+) back",
        r"gave (?:you )?(?:\S+ ){0,3}back",
        r"refund|reimbursement|money back|credit note",
        frozenset({"refund", "reimburse", "repay", "credit", "payout"}),
        passive=True,
        elsewhere=r"erstattet|zurückgezahlt|zurücküberwiesen|gutgeschrieben|remboursée?s?|recréditée?s?|reembolsad[oa]s?|devuelt[oa]s?"
        r"|abonad[oa]s?|rimborsat[oaie]|terugbetaald|teruggestort",
    ),
    Kind(
        "cancel",
        r"cancell?ed|called off|revoked",
        nouns=r"cancell?ation",
        tools=frozenset({"cancel", "revoke", "withdraw"}),
        passive=True,
        elsewhere=r"storniert|abgebrochen|annulée?s?|cancelad[oa]s?|anulad[oa]s?|annullat[oaie]|cancellat[oaie]|geannuleerd",
    ),
    Kind(
        "send",
        r"sent|e-?mailed|mailed|texted|notified|written to|forwarded",
        r"wrote to",
        r"e-?mail|confirmation|message|letter",
        frozenset({"send", "email", "mail", "sms", "message", "notify", "notification", "write", "forward", "post"}),
        says=r"sent|shipped|dispatched|posted|mailed",
        elsewhere=r"gesendet|geschickt|verschickt|benachrichtigt|envoyée?s?|enviad[oa]s?|inviat[oaie]|spedit[oaie]|verstuurd|gestuurd",
    ),
    Kind(
        "change",
        r"changed|updated|corrected|amended|modified|redirected|rerouted|moved|rescheduled|replaced by",
        nouns=r"(?:address )?(?:change|update|correction)",
        tools=frozenset(
            {"change", "update", "set", "edit", "correct", "amend", "modify", "redirect", "move", "reschedule", "write"}
        ),
        passive=True,
        elsewhere=r"geändert|aktualisiert|umgeleitet|modifiée?s?|changée?s?|cambiad[oa]s?|modificad[oa]s?|actualizad[oa]s?"
        r"|modificat[oaie]|aggiornat[oaie]|gewijzigd|aangepast",
    ),
    Kind(
        "book",
        r"booked|reserved|ordered|reordered|scheduled|arranged",
        nouns=r"booking|reservation|appointment|replacement",
        tools=frozenset({"book", "reserve", "order", "schedule", "arrange", "place", "create", "replace"}),
        elsewhere=r"gebucht|reserviert|nachbestellt|réservée?s?|reservad[oa]s?|prenotat[oaie]|gereserveerd",
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
        elsewhere=r"gelöscht|supprimée?s?|eliminad[oa]s?|borrad[oa]s?|eliminat[oaie]|verwijderd",
    ),
    Kind("pay", r"paid|transferred|wired", tools=frozenset({"pay", "transfer", "wire", "refund", "payment", "payout"})),
    Kind("charge", r"charged|debited|billed", tools=frozenset({"charge", "debit", "bill", "pay", "collect"})),
    Kind("approve", r"approved|authori[sz]ed", tools=frozenset({"approve", "authorise", "authorize"})),
)
"""In the order in which a sentence is read."""

_ADVERB = r"(?:(?:already|now|just|also|today|successfully|all|both|since|therefore|gladly|indeed|then|hereby|fully|each)\s+){0,3}"  # noqa: E501
_HAVE = r"(?:have|has|'ve|’ve|had)"
_NOT = re.compile(
    r"\b(?:not|n[o']t|never|nothing|none|no|neither|nor|without|cannot|unable)\b|n['’]t\b"
    r"|\b(?:nichts?|niemand\w*|kein\w*|nie|ne|pas|rien|aucune?|jamais|nada|nunca|nulla|non|niets|niet|geen)\b"
    r"|\bn['’](?=[aeêi])",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:if|unless|once|until|when|whenever|after|before|as soon as|as long as|while|will|would|can|could|may|might|shall"  # noqa: E501
    r"|should|must|to be|being|want|like us to|wenn|sobald|falls|wird|würde|kann|können|soll|sollen|si|dès"
    r"|lorsque|sera|seront|peut|cuando|será|puede|verrà|può"
    r"|als|zodra|wordt|zullen|kan|asked|ask|request(?:ed)?|decided against)\b",
    re.IGNORECASE,
)
_ELSEWHERE = (
    r"\b(?:habe|haben|wurde|wurden|ist|sind|heb|hebben|is|zijn|werd|werden)\b[^.?!]{{0,80}}?\b(?:{done})\b",
    r"\b(?:ai|avons|a|ont|he|hemos|ha|han|ho|abbiamo|è|sono|e)\s(?:été\s|sido\s|stat[oaie]\s)?"
    r"(?:[^\W\d_]+\s){{0,2}}?(?:{done})\b",
)
"""Its participle at the end (German, Dutch), or right after its auxiliary (French, Spanish, Italian)."""
_MONEY_BACK = (
    r"(?:\b(?:is|are|was|were|has been|have been|went)|['’]s)\b[^.?!]{0,20}?"
    r"\b(?:on (?:its|their|the) way back|returned to your|back (?:to|in|on|into|with) you)"
)
_ACTED = r"(?:made|issued|processed|completed|done|sent|initiated|arranged|confirmed|gone out|gone through|on its way)"
_DID = r"(?:made|issued|processed|completed|initiated|arranged|done|given you|took care of|taken care of|sorted(?: out)?|handled)"  # noqa: E501
_PARTICULAR = re.compile(r"\b(?:your|now|already|hereby|it|this|that)\b|\d|£", re.IGNORECASE)


@lru_cache(maxsize=64)
def stems_of(kinds: tuple[Kind, ...]) -> re.Pattern[str]:
    """What every claim has a word of: most sentences have none, and are done with."""
    words = [
        f"{kind.done}|{kind.past or kind.done}|{kind.nouns or kind.done}|{kind.elsewhere or kind.done}"
        for kind in kinds
    ]
    return re.compile(rf"\b(?:{'|'.join(words)}|back|returned)", re.IGNORECASE)


@cache
def patterns(kind: Kind) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
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
    if kind.elsewhere:
        forms += [form.format(done=kind.elsewhere) for form in _ELSEWHERE]
    return re.compile("|".join(forms), re.IGNORECASE), re.compile(state, re.IGNORECASE) if state else None


def is_claimed(kind: Kind, clause: str, sentence: str) -> bool:
    """Whether a clause says that an act of this kind was done."""
    past, present = patterns(kind)
    match = past.search(clause)
    if match is None:
        match = present.search(clause) if present else None
        # "The fee is refunded when it is late" is a rule; "order 1051 is cancelled" is a claim.
        if match is None or _OPEN.search(sentence) or not _PARTICULAR.search(clause):
            return False
    before = clause[: match.end()]
    return not _NOT.search(before) and not _OPEN.search(before)


@cache
def own_kind(tool: str) -> Kind | None:
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
