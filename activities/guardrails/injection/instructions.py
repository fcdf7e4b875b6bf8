"""Rules about its instructions: setting them aside, giving it others, giving it a role, asking for them.

Patterns over concepts read the letters of `lexicon`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from activities.guardrails.injection.phrases import Phrases
from activities.guardrails.injection.reading import Reading
from activities.guardrails.injection.rule import Hit

_OVERRIDE = re.compile(r"O([^|]{0,8}?)[RM]([^|]{0,3})")
_OVERRIDE_AFTER = re.compile(r"[PAYSN][^|IH]{0,4}?[RM][^|IUH]{0,6}?O")
_OVERRIDE_ALL = re.compile(r"O[^|IHRM]{0,3}A[^|IH]{0,5}P|O[^|IH]{0,2}A[^|IH]{0,4}U")
_NOT_FOLLOW = re.compile(r"Z[^|IH]{0,3}L[^|IH]{0,5}?[RM]|L[^|IH]{0,4}?[RM][^|IH]{0,3}Z|Z[^|IH]{0,5}?[RM][^|IH]{0,4}L")


def override(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Sets aside what the agent was told."""
    codes = reading.codes
    if "O" not in codes and "Z" not in codes:
        return None
    best = 0
    for match in _OVERRIDE.finditer(codes):
        best = max(best, _override_points(codes[max(0, match.start() - 4) : match.start()], match[1], match[2]))
    if _OVERRIDE_AFTER.search(codes):
        best = 5
    if best < 5:
        for match in _OVERRIDE_ALL.finditer(codes):
            before = codes[max(0, match.start() - 3) : match.start()]
            told = "U" in match[0] and "I" not in codes[match.end() : match.end() + 2].partition("|")[0]
            best = max(best, 1 if "I" in before and "U" not in before else 5 if told else 4)
    if best < 5 and (found := _NOT_FOLLOW.search(codes)):
        own = set(found[0]) & set("YSPA")
        best = max(best, 5 if own & set("YSP") else 3 if own else 1)
    return Hit(best, "asks to set its instructions aside") if best else None


def _override_points(before: str, between: str, after: str) -> int:
    if "I" in between or between.endswith("H") or after.startswith(("H", "I")) or after[1:2] == "I":
        return 1
    subject = before.rpartition("|")[2][-3:]
    if "I" in subject and "U" not in subject and "E" not in subject:
        return 1
    return 5 if set(between + after[:2]) & set("PYSA") else 3


_NEW_RULES = re.compile(r"Y[^|IH]?N[^|IH]{0,2}R|[NW][^|IH]{0,2}R[^|IH]{0,3}(?:Y|U)")
_ANNOUNCED = Phrases(
    "new updated real actual follow following",
    r"\b(?:new|updated|real|actual|follow(?:ing)?) (?:system )?(?:instructions?|rules?|directives?)\s{0,20}:",
    signs=":",
)


def new_rules(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Announces other instructions."""
    if _NEW_RULES.search(reading.codes):
        return Hit(5, "gives it new instructions")
    if _ANNOUNCED.search(reading):
        return Hit(4, "announces new instructions")
    return None


_BECOME = re.compile(
    r"[UY][^|I]{0,3}W[^|I]{0,7}K|W[^|I]{0,3}[UY][^|I]{0,7}K|X[^|I]{0,7}K"
    r"|(?:X|[UY][^|I]{0,3}W|W[^|I]{0,3}[UY])[^|I]{0,8}[TZ][^|IH]{0,4}[JR]"
)
_PERSONAS = Phrases(
    "anything mode jail jailbr* longer character modo entwicklermodus режим modalità modalita ontwikkelaarsmodus tryb trybie",
    r"\bdo anything now\b|\bdan mode\b|\b(?:developer|god|debug|admin|sudo|root|jailbreak|unrestricted) mode\b"
    r"|\bjail ?br(?:ea|o)k|\bno longer (?:bound|restricted|limited|an? (?:ai|assistant))\b|\bstay in character\b"
    r"|\b(?:modo (?:desarrollador|sin restricciones)|entwicklermodus|mode d[ée]veloppeur|режим разработчика"
    r"|modalit[aà] sviluppatore|modo (?:de )?desenvolvedor|ontwikkelaarsmodus|tryb(?:ie)? (?:programisty|dewelopera))\b",
    reach=30,
    foreign=r"开发者模式|開發者模式|開発者モード|デベロッパーモード|개발자 모드|وضع المطور",
)


def role(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Gives it a role without limits."""
    named = "dan" in reading.words and "U" in reading.codes and "W" in reading.codes
    if named or _PERSONAS.search(reading):
        return Hit(5, "gives it a role without limits")
    if _BECOME.search(reading.codes):
        return Hit(5, "gives it another role")
    return None


_LEAK = re.compile(r"V[^|]{0,5}?(?:S[^|H]{0,3}[RM]|R[^|IH]{0,2}S|[YPA][^|IH]{0,3}M(?!H)|[SYP][^|IH]{0,2}S?[RM](?!H))")
_LEAK_AFTER = re.compile(r"(?:S[^|H]{0,2}[RM]|[YP][^|IH]{0,2}M(?!H)|Y[^|IH]{0,2}R)[^|IH]{0,4}V")
_SYSTEM_PROMPT = Phrases(
    "system systemprompt systemmessage systeminstruction systeminstructions systemanweisung* prompt systeemprompt* systemow*",
    r"\bsystem[ -]?(?:prompt|message|instructions?)\b|\bsystem-?anweisung|\bprompt (?:système|del sistema|do sistema|di sistema)"
    r"|\bsysteemprompt|\bprompt\w{0,20} systemow",
    reach=40,
    foreign=r"系统提示|系統提示|システムプロンプト|시스템 프롬프트|موجه النظام|системн\w{1,20} (?:промпт|инструкц|подсказк)",
)
_WORDS_ABOVE = Phrases(
    "above before prior verbatim far",
    r"\b(?:repeat|print|output|copy|write out|translate|show)\b[^.!?\n]{0,30}\b(?:words?|text|everything|all|lines?|content)\b"
    r"[^.!?\n]{0,15}\b(?:above|before this|prior to this|verbatim|so far)\b",
    reach=80,
)


def leak(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Asks for its instructions."""
    what = "asks for its instructions"
    system = _SYSTEM_PROMPT.search(reading) is not None
    if _WORDS_ABOVE.search(reading):
        return Hit(5, what)
    codes = reading.codes
    match = _LEAK.search(codes) or _LEAK_AFTER.search(codes)
    if match:
        around = match[0] + codes[match.end() : match.end() + 2]
        strong = system or "S" in around or "M" in around or ("Y" in around and "P" in around)
        return Hit(5 if strong else 4, what)
    if system:
        return Hit(5 if "V" in codes else 4, "speaks of the system prompt")
    if re.search(r"Y[^|IH]{0,1}[RM](?!H)", reading.codes) and re.match(r"\W*what\b", reading.text):
        return Hit(3, what)
    return None
