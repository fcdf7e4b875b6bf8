"""Rules about texts that pass themselves off as something else: marks, turns, tool calls, those who run the agent."""

from __future__ import annotations

import re
from collections.abc import Collection

from activities.guardrails.injection.phrases import Phrases
from activities.guardrails.injection.reading import Reading
from activities.guardrails.injection.rule import Hit

_MARKS = re.compile(
    r"<\|[a-z_]{2,20}\|>|\[/?inst\]|<</?sys>>|</?s>\s?\["
    r"|<\s?/?\s?(?:system|instructions?|context|request|progress|results|assistant|admin|developer|prompt|untrusted|data)"
    r"(?:\s[^<>\n]{0,60})?>|```\s?(?:system|instructions?|prompt)\b"
    r"|\{\{\s?#?(?:system|user|assistant)|</?(?:tool_call|function_call|tool_response|function_results)>"
)
_HEADINGS = Phrases(
    "system* developer* admin* instruction instructions response assistant",
    r"^[ \t]{0,4}#{1,4}[ \t]{0,4}(?:system|instructions?|new instructions?|response|assistant)[ \t]?:?[ \t]?$"
    r"|^[ \t]{0,4}\[(?:system|developer|admin)[^\]\n]{0,40}\]",
    reach=60,
    signs="#[",
)
_BOUNDS = Phrases(
    "begin start end human assistant",
    r"^[ \t\-=_*#\[({]{0,20}(?:end|begin|start) of (?:the )?"
    r"(?:user|customer|system|request|input|prompt|instructions?|message|conversation|context|data)\b"
    r"|\bbegin (?:system|admin)\b|\n\n(?:human|assistant):",
    reach=60,
)
_RULERS = Phrases(
    "system instruction instructions begin end",
    r"[-=#*](?:(?<=#)(?<!##)#{1,3}\s?(?:system|instructions?)\s?:|(?<![-=#*].)[-=#*]{2,39}\s?(?:end|begin) of\b)",
    reach=60,
    signs="#-=*",
)
_TITLES = Phrases("system developer", r"(?:^|(?<=[.,!?]\s))(?:system|developer)\s?:\s\w+ \w+ \w", signs=":")
_TURNS = Phrases(
    "system assistant human ai user model developer",
    r"(?<![^\W_])(system|assistant|human|ai|user|model|developer)[*_]{0,2}[ \t]?[:>][^/]",
    signs=":>",
)


def delimiters(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Marks between instructions and a request, or turns of a conversation."""
    if found := _MARKS.search(reading.text) or _HEADINGS.search(reading) or _BOUNDS.search(reading):
        return Hit(5, f"imitates the marks between its instructions and the request ({found[0].strip()[:20]!r})")
    if _RULERS.search(reading) or _TITLES.search(reading):
        return Hit(5, "speaks as the system")
    turns = [found[1] for found in _TURNS.matches(reading) if _begins_a_line(reading.text, found.start())]
    if len(turns) > 1 and len(set(turns)) > 1:
        return Hit(5, "imitates turns of a conversation")
    if turns and turns[0] in ("system", "developer"):
        return Hit(4, "speaks as the system")
    return Hit(2, "names a speaker") if turns else None


def _begins_a_line(text: str, at: int) -> bool:
    """Whether up to six spaces, stars and underscores are all that stands before it."""
    before = text[max(0, at - 7) : at].rstrip(" \t*_")
    return before.endswith("\n") or (not before and at < 7)


_CALL_JSON = re.compile(
    r"\{[^{}]{0,60}?[\"'](?:tool|tool_calls?|function(?:_call)?|action|steps|plan|arguments|args|\$ref|tool_name|recipient_name)[\"']\s*:",
)
_CALL_WORDS = Phrases(
    "tool function functions",
    r"\btool_calls?\b|\bfunction_call\b|\bfunctions\.\w|(?<=\bto=)functions\b",
    signs="_.=",
)


def tool_calls(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Tool calls, plans, or names of the agent's tools."""
    text = reading.text
    if "{" in text and _CALL_JSON.search(text):
        return Hit(5, "writes a tool call or a plan")
    best = 4 if _CALL_WORDS.search(reading) else 0
    for name in tools:
        if "_" not in name or name.lower() not in text:
            continue
        call = re.search(rf"\b{re.escape(name.lower())}\b\s*(\(|[\"']?\s*:|\s+(?:with|for|tool|on|to)\b)?", text)
        if call:
            best = max(best, 5 if call[1] or "C" in reading.codes or "F" in reading.codes else 4)
    return Hit(best, "names one of its tools") if best else None


_TO_MACHINES = Phrases(
    "ai ais aiagent aiagents a.i.* llm llms bot bots chatbot chatbots model models agent assistant assistants automated"
    " ki sprachmodell sprachmodelle ia lia artificiale",
    r"\b(?:note|attention|message|memo|instructions?|notice|hint|reminder|important)s?\b[^.!?\n]{0,20}?\b(?:to|for)[: ]{1,8}(?:the |any |all |every )?"
    r"(?:ai|a\.i\.|llm|language model|large language model|chatbot|bot|ai[ -]?agent|automated (?:agent|system|assistant))s?\b"
    r"|\b(?:attention|dear|hey) (?:ai|llm|language model|ai agent|chatbot|bot)\b"
    r"|\bif (?:you are|you're|this is (?:read|processed) by) an? (?:(?:ai|llm|language model|large language model|ai ?agent|bot|chatbot|assistant)s?|automated)\b"
    r"|\b(?:as|since you are|because you are) an? (?:ai|large) (?:language )?model\b"
    r"|\bthe (?:ai|llm|model|agent|chatbot|ai assistant) (?:must|should|shall|will|has to) (?!not be able)"
    r"|\bai (?:assistants?|agents?|models?)\b[^.!?\n]{0,20}\b(?:must|should|shall|are (?:instructed|required|to)|please)\b"
    r"|\bwhen(?:ever)? (?:an? |the )?(?:ai|llm|language model|assistant|agent|model)\b[^.!?\n]{0,15}\b(?:(?:reads?|sees?)\b|process|summari[sz]e)"
    r"|\b(?:hinweis|anweisung|achtung)[^.!?\n]{0,20}\b(?:ki|ki-assistenten?|sprachmodelle?)\b|\bnote (?:pour|à) l'?(?:ia|assistant ia)\b"
    r"|\bnota para (?:la ia|o assistente de ia|a ia|el asistente de ia)\b|\bnota per l'?(?:ia|intelligenza artificiale)\b",
    reach=90,
    # Not `ai助手`: no alternative begins with letters that most texts have.
    foreign=r"给(?:人工智能|ai)|致(?:人工智能|ai)|アシスタント(?<=ai.{6})|助手(?<=ai..)|へ(?<=ai.)|에게(?<=ai..)|인공지능에게",
)


def indirect(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Words to machines that read a text."""
    return Hit(5, "speaks to machines, not to people") if _TO_MACHINES.search(reading) else None


_AUTHORITY = Phrases(
    "developer developers creator creators administrator administrators admin admins maintainer maintainers operator operators"
    " engineer engineers owner owners programmer openai anthropic override authorization authorisation update notice alert",
    r"\b(?:i am|i'm|this is|as|speaking as|we are|it's) (?:the |your |an? )?(?:developer|creator|administrator|admin|maintainer|operator|engineer|owner)s?"
    r"(?: of| behind| for)? (?:this|the|your) (?:system|bot|ai|agent|chatbot|assistant|model|platform)\b"
    r"|\b(?:i am|i'm|this is|we are|message from|notice from) (?:your (?:developer|creator|administrator|admin|programmer|operator)|openai|anthropic|the system administrator)\b"
    r"|\b(?:system|admin|administrator|security|emergency|developer) override\b|\boverride (?:code|token|password|mode|protocol)\b"
    r"|\bauthori[sz]ation code\b[^.!?\n]{0,20}\b(?:override|admin|alpha|omega)\b|\bsystem (?:update|notice|alert)\s{0,20}:",
    reach=80,
    foreign=r"я (?:твой|ваш) (?:разработчик|администратор|создатель)|我是你的(?:开发者|管理员|主人)"
    r"|私はあなたの(?:開発者|管理者)|나는 (?:너의|당신의) (?:개발자|관리자)|أنا (?:مطورك|المطور)",
)
_AUTHORITY_ELSEWHERE = Phrases(
    "bin suis soy sono sou ben jestem",
    r"\b(?:ich bin|je suis|soy|sono|sou|ik ben|jestem) (?:dein|deine|ihr|votre|ton|tu|il tuo|o seu|je|uw|twoim) "
    r"(?:entwickler|administrator|d[ée]veloppeur|administrateur|desarrollador|administrador|sviluppatore|amministratore|desenvolvedor|ontwikkelaar|beheerder|programist)",
    reach=40,
)


def authority(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Claims to be those who run the agent."""
    claimed = _AUTHORITY.search(reading) or _AUTHORITY_ELSEWHERE.search(reading)
    return Hit(5, "claims to be those who run it") if claimed else None


_DICTATES = Phrases(
    "only just exactly nothing begin start end task output response reply answer",
    r"\b(?:respond|reply|answer|output|say|print|write)(?: to (?:this|everything|me))? (?:only|just|exactly|nothing but|with only)\b"
    r"|\b(?:begin|start|end) (?:your|every|each) (?:answer|reply|response|message)s? with\b"
    r"|\b(?:your|the) (?:only|next|first) (?:task|output|response|reply|answer) (?:is|must|should|will)\b",
    reach=40,
)
_SPOILS = Phrases(
    "pwned hacked compromised hijacked", r"\b(?:pwned|hacked)\b|(?<=\bi have been )(?:compromised|hijacked)\b"
)
_LAUGHS = re.compile(r"^(?>.*?\bhaha\b).*\bowned\b", re.MULTILINE)


def dictation(reading: Reading, tools: Collection[str]) -> Hit | None:
    """Orders what the answer has to be."""
    if _DICTATES.search(reading):
        spoils = _SPOILS.search(reading) or (reading.words >= {"haha", "owned"} and _LAUGHS.search(reading.text))
        return Hit(5 if spoils else 2, "dictates the answer")
    return None
