"""The guardrail `output.tone`: how an answer sounds. What the scope's row `Tone` names, and rude words always."""

from __future__ import annotations

import re
from collections.abc import Callable

from activities.guardrails.contracts import Answered, Changed
from activities.guardrails.facts import sentences
from activities.guardrails.grounding import without
from plangate.guardrails import Tone
from plangate.policy import Action, Verdict

_RUDE = re.compile(
    r"\b(?:idiots?|idiotic|stupid(?:ity|ly)?|morons?|imbeciles?|shut up|damn(?:ed|it)?|bastards?|bitch(?:es)?|crap"
    r"|(?:bull)?shit(?:ty|s)?|fuck\w*|arse(?:hole)?s?|assholes?|wank(?:er|ers|ing)|cunts?|dickheads?|piss(?:ed)? off"
    r"|go to hell|retarded|whores?|sluts?|kill yourself|hate you|scheiße?|arschloch|blödmann|merde|connard|putain"
    r"|mierda|gilipollas|cabrón|stronz[oi]|vaffanculo|cazzo|klootzak|caralho|kurwa)\b",
    re.IGNORECASE,
)
"""Short on purpose: words that no shop, bank or council writes to people, in eight languages."""
_EMOJI = re.compile("[\U0001f1e6-\U0001faff\u2600-\u27bf\ufe0f\u200d]+ ?")
_SHOUT = re.compile(r"(?:\b[A-Z]{3,}\b[ ,!]*){3,}")
_I = re.compile(r"\b(?:I|I['’](?:m|ve|ll|d)|me|my|mine|myself)\b")


def toned(answered: Answered) -> Changed | None:
    """Make small things right where they stand, and take out sentences that can't be said so."""
    text, wanted = answered.text, answered.agent.scope.guardrails.tone
    broken: list[str] = []
    for tone, mend in _MENDED.items():
        if tone in wanted and (mended := mend(text)) != text:
            text, broken = mended, [*broken, tone.value]
    places = []
    for start, end in sentences(text):
        sentence = text[start:end]
        rules = [
            *(["rude"] if _RUDE.search(_unquoted(sentence)) else []),
            *(["first person"] if Tone.WE in wanted and _I.search(_unquoted(sentence)) else []),
        ]
        if "rude" in rules:
            places.append(start)
        broken += rules
    text = without(text, places) if places else text
    if not broken:
        return None
    names = list(dict.fromkeys(broken))
    verdict = Verdict(
        action=Action.CHANGE,
        rule=f"tone.{'rude' if 'rude' in names else names[0].replace(' ', '-')}",
        reason="The answer did not sound as it should, and was changed."
        if text != answered.text
        else "The answer does not sound as it should.",
        detail="; ".join(names),
    )
    return Changed(text, verdict, ("a part of the answer was taken out for its tone",) if places else ())


def _unquoted(sentence: str) -> str:
    return re.sub(r"[\"“][^\"”]{0,500}[\"”]", " ", sentence)


def _calm(text: str) -> str:
    return re.sub(r"\?*!+[!?]*", lambda found: "?" if "?" in found.group() else ".", text)


def _quiet(text: str) -> str:
    """Three and more words in capitals in a row are shouted; a single one is an abbreviation."""
    return _SHOUT.sub(lambda found: found.group().capitalize() if found.start() == 0 else found.group().lower(), text)


_MENDED: dict[Tone, Callable[[str], str]] = {
    Tone.NO_EMOJIS: lambda text: _EMOJI.sub("", text),
    Tone.NO_SHOUTING: _quiet,
    Tone.NO_EXCLAMATION_MARKS: _calm,
}
