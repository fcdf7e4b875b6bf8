"""Numbers, months, currencies and units as people write them: in digits, and in words of eight languages.

English number words count anywhere; those of other languages only before a unit, a currency or "per cent", since many
of them are words of something else as well (`once` is eleven in Spanish, `neuf` is new in French).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation


def _words(text: str) -> list[str]:
    return text.split()


MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar januari janvier enero gennaio janeiro stycznia",
            "february feb februar februari février fevrier febrero febbraio fevereiro lutego",
            "march mar märz maart mars marzo março marca",
            "april apr avril abril aprile kwietnia",
            "may mai mei mayo maggio maio maja",
            "june jun juni juin junio giugno junho czerwca",
            "july jul juli juillet julio luglio julho lipca",
            "august aug augustus août aout agosto sierpnia",
            "september sep sept septembre septiembre settembre setembro września",
            "october oct oktober octobre octubre ottobre outubro października",
            "november nov novembre noviembre novembro listopada",
            "december dec dezember décembre decembre diciembre dicembre dezembro grudnia",
        ),
        1,
    )
    for name in names.split()
}
WEEKDAYS = {day: at for at, day in enumerate(_words("monday tuesday wednesday thursday friday saturday sunday"))}
CURRENCIES = {
    **dict.fromkeys(("£", "gbp", "pound", "pounds", "quid", "pfund", "livres", "libras", "sterline", "pond"), "GBP"),
    **dict.fromkeys(("€", "eur", "euro", "euros"), "EUR"),
    **dict.fromkeys(("$", "us$", "usd", "dollar", "dollars"), "USD"),
    **dict.fromkeys(("chf", "francs", "franken"), "CHF"),
    **dict.fromkeys(("¥", "jpy", "yen"), "JPY"),
    **dict.fromkeys(("pln", "zł", "złotych", "złote"), "PLN"),
    **dict.fromkeys(("₹", "inr", "rupees"), "INR"),
    "cad": "CAD",
    "aud": "AUD",
}
UNITS = {
    word: unit
    for unit, words in {
        "minute": "minute minutes min mins minuten minutos minuti minut",
        "hour": "hour hours hrs stunde stunden heure heures horas ore uren godzin",
        "day": "day days tag tage tagen werktage werktagen arbeitstage arbeitstagen jour jours día días dia dias giorno"
        " giorni dag dagen werkdagen dni",
        "week": "week weeks woche wochen semaine semaines semana semanas settimana settimane weken tygodni tygodnie",
        "month": "month months monat monate monaten mois mes meses mese mesi maand maanden miesięcy miesiące",
        "year": "year years jahr jahre jahren ans année années año años anno anni ano anos jaar lat lata",
    }.items()
    for word in words.split()
}
PERCENT_WORDS = ("percent", "per cent", "prozent", "pour cent", "por ciento", "por cento", "per cento", "procent")
_BEFORE_WHAT = {*UNITS, *(word for word in CURRENCIES if word.isalpha() and len(word) > 3)} | {
    "percent", "prozent", "procent", "per", "pour", "por",
}  # fmt: skip
_BETWEEN = frozenset(_words("bis oder und à ou et a o e y i tot of en do lub full working business"))

ONES = {
    word: value
    for value, word in enumerate(
        _words(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
            " seventeen eighteen nineteen"
        )
    )
}
TENS = {word: 10 * n for n, word in enumerate(_words("twenty thirty forty fifty sixty seventy eighty ninety"), 2)}
_BEGINS = frozenset((*ONES, *TENS, "a"))
_LARGE = {"hundred": 100, "thousand": 1000}
_ORDINALS = frozenset(_words("first second third fourth fifth sixth seventh eighth ninth"))


def _foreign() -> dict[str, int]:
    """Number words of seven languages from 2 to 99 (Polish to 20), spaces for hyphens."""
    found: dict[str, int] = {}
    small = {
        "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn"
        " achtzehn neunzehn",
        "nl": "twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien"
        " achttien negentien",
        "fr": "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix_sept dix_huit"
        " dix_neuf",
        "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete"
        " dieciocho diecinueve",
        "it": "due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici"
        " diciassette diciotto diciannove",
        "pt": "dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezasseis dezassete"
        " dezoito dezanove",
        "pl": "dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście trzynaście czternaście"
        " piętnaście szesnaście siedemnaście osiemnaście dziewiętnaście dwadzieścia",
    }
    tens = {
        "de": ("zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig", "{one}und{ten}"),
        "nl": ("twintig dertig veertig vijftig zestig zeventig tachtig negentig", "{one}en{ten}"),
        "fr": ("vingt trente quarante cinquante soixante", "{ten} {one}"),
        "es": ("veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa", "{ten} y {one}"),
        "it": ("venti trenta quaranta cinquanta sessanta settanta ottanta novanta", "{ten}{one}"),
        "pt": ("vinte trinta quarenta cinquenta sessenta setenta oitenta noventa", "{ten} e {one}"),
    }
    for language, words in small.items():
        ones = {value: word.replace("_", " ") for value, word in enumerate(words.split(), 2)}
        found |= {word: value for value, word in ones.items()}
        names, form = tens.get(language, ("", ""))
        for ten, name in enumerate(names.split(), 2):
            found[name] = 10 * ten
            for one in range(2, 10):
                found[form.format(one=ones[one], ten=name)] = 10 * ten + one
    found |= {f"veinti{word}": 20 + value for word, value in (("dós", 2), ("trés", 3), ("cuatro", 4), ("cinco", 5))}
    found |= {"twee" + "ëntwintig": 22, "drieëntwintig": 23, "soixante dix": 70, "quatre vingts": 80}
    return found


FOREIGN = _foreign()
_FIRST = frozenset(words.split()[0] for words in FOREIGN)
# Every repetition has a bound: an answer may be 64 KiB of anything, and is read again while it streams.
DIGITS = r"(?<!\d)(?:\d{1,3}(?:[,.’' \u00a0\u202f]\d{3}){1,6}(?:[.,]\d{1,2})?(?!\d)|\d{1,24}(?:[.,]\d{1,12})?(?!\d))"
_WORD = re.compile(r"[^\W\d_]{1,30}")


@dataclass(frozen=True)
class Spelled:
    """A number in words: where it stands, and what it says."""

    start: int
    end: int
    value: int


def spelled(text: str) -> Iterator[Spelled]:
    """The numbers in words of a text. `One` counts only before a unit or currency: "one of them" counts nothing."""
    words = [(*match.span(), match.group().casefold()) for match in _WORD.finditer(text)]
    at = 0
    while at < len(words):
        start, _, word = words[at]
        length, value = _english(text, words, at) if word in _BEGINS else (0, 0)
        if not length:
            length, value = _elsewhere(words, at) if word in _FIRST else (0, 0)
        if not length:
            at += 1
            continue
        yield Spelled(start, words[at + length - 1][1], value)
        at += length


def _english(text: str, words: list[tuple[int, int, str]], at: int) -> tuple[int, int]:
    """How many words from here make an English number, and which."""
    taken = [words[at][2]]
    while at + len(taken) < len(words) and len(taken) < 8:
        end, (start, _, word) = words[at + len(taken) - 1][1], words[at + len(taken)]
        if text[end:start] not in (" ", "-"):
            break
        last, large = taken[-1], any(word in _LARGE for word in taken)
        joined = (
            word in _LARGE
            or (last in TENS and 0 < ONES.get(word, 99) < 10)
            or (last in _LARGE and (word in ONES or word in TENS or word == "and"))
            or (last == "and" and large and (word in ONES or word in TENS))
        )
        if not joined:
            if last in TENS and word in _ORDINALS and text[end:start] == "-":
                return 0, 0
            break
        taken.append(word)
    while taken and taken[-1] == "and":
        taken.pop()
    if taken == ["a"] or not taken:
        return 0, 0
    following = words[at + len(taken)][2] if at + len(taken) < len(words) else ""
    if taken in (["one"], ["zero"]) and following not in _BEFORE_WHAT | {"working", "business", "full", "whole"}:
        return 0, 0
    value = number(" ".join(taken))
    return (len(taken), int(value)) if value is not None else (0, 0)


def _elsewhere(words: list[tuple[int, int, str]], at: int) -> tuple[int, int]:
    """The same in other languages, if what follows is counted: `drei bis fünf Tage`, `dix jours`."""
    for length in (3, 2, 1):
        name = " ".join(word for _, _, word in words[at : at + length])
        if name in FOREIGN:
            for _, _, word in words[at + length : at + length + 4]:
                if word in _BEFORE_WHAT:
                    return length, FOREIGN[name]
                if word not in _BETWEEN and word not in FOREIGN:
                    break
    return 0, 0


def number(text: str) -> Decimal | None:
    """The number that digits or English words say: `1,000`, `62.0`, `62,00`, `sixty-two`; None when they say none."""
    plain = text.strip().casefold()
    if plain[:1].isdigit():
        plain = re.sub(r"[’' \u00a0\u202f]", "", plain)
        if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d+,\d{1,2}", plain):
            plain = plain.replace(".", "").replace(",", ".")
        try:
            return Decimal(plain.replace(",", ""))
        except InvalidOperation:
            return None
    total, part = 0, 0
    for word in re.split(r"[-\s,]+", plain):
        if word in ONES:
            part += ONES[word]
        elif word in TENS:
            part += TENS[word]
        elif word == "a":
            part += 1
        elif word == "hundred":
            part *= 100
        elif word == "thousand":
            total, part = total + part * 1000, 0
        elif word != "and":
            return None
    return Decimal(total + part)
