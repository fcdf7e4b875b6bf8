"""Ways to write an amount, a day or a number of days, by language; one is drawn for each place of a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from random import Random

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
}
_DAYS = {
    "en": "days",
    "de": "Tage",
    "fr": "jours",
    "es": "días",
    "it": "giorni",
    "nl": "dagen",
    "pt": "dias",
    "pl": "dni",
}
_SMALL = {
    "en": "six seven eight nine ten eleven twelve",
    "de": "sechs sieben acht neun zehn elf zwölf",
    "fr": "six sept huit neuf dix onze douze",
    "es": "seis siete ocho nueve diez once doce",
    "it": "sei sette otto nove dieci undici dodici",
    "nl": "zes zeven acht negen tien elf twaalf",
    "pt": "seis sete oito nove dez onze doze",
    "pl": "sześć siedem osiem dziewięć dziesięć jedenaście dwanaście",
}
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905 - easier to read
_ONES = "one two three four five six seven eight nine".split()  # noqa: SIM905
Amounts = Sequence[Callable[[float], str]]
Dates = Sequence[Callable[[date], str]]


def in_words(value: float) -> str:
    """Whole pounds from 20 to 99 in words; others in digits."""
    if not 20 <= value <= 99 or value != int(value):
        return f"£{value:,.2f}"
    tens, ones = divmod(int(value), 10)
    return f"{_TENS[tens - 2]}{f'-{_ONES[ones - 1]}' if ones else ''} pounds"


def short(value: float) -> str:
    """`62`, or `62.50` where there are pence."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _continental(value: float, thousands: str) -> str:
    return f"{value:,.2f}".replace(",", "_").replace(".", ",").replace("_", thousands)


AMOUNTS: dict[str, Amounts] = {
    "en": [
        lambda v: f"£{v:,.2f}", lambda v: f"£{short(v)}", lambda v: f"GBP {v:,.2f}", lambda v: f"{short(v)} pounds", in_words,
        lambda v: f"£{v:.2f}",
    ],
    "de": [lambda v: f"{_continental(v, '.')} £", lambda v: f"{_continental(v, '.')} GBP"],
    "fr": [lambda v: f"{_continental(v, ' ')} £", lambda v: f"{_continental(v, chr(0x202F))} livres"],
    "es": [lambda v: f"{_continental(v, '.')} libras"],
    "it": [lambda v: f"{_continental(v, '.')} sterline"],
    "nl": [lambda v: f"£ {_continental(v, '.')}"],
    "pt": [lambda v: f"{_continental(v, '.')} libras"],
    "pl": [lambda v: f"{_continental(v, ' ')} GBP"],
}  # fmt: skip
HELD_OUT_AMOUNTS: Amounts = [
    lambda v: f"{v:,.2f} GBP", lambda v: f"£ {v:,.2f}", lambda v: f"a total of {short(v)} pounds", lambda v: f"£{v:,.2f}-",
]  # fmt: skip


def month(day: date, language: str) -> str:
    """Its name."""
    return _MONTHS[language].split()[day.month - 1]


def _ending(number: int) -> str:
    return "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def written_date(day: date, language: str, random: Random, *, held_out: bool) -> str:
    """A day in one of the ways of a language."""
    name = month(day, language)
    if language != "en":
        of = " de" if language in ("es", "pt") else ""
        dot = "." if language == "de" else ""
        return random.choice(
            [f"{day.day}{dot}{of} {name}{of} {day.year}", f"{day.day}{dot}{of} {name}", f"{day:%d.%m.%Y}"]
        )
    if held_out:
        return random.choice([
            f"{name} the {day.day}{_ending(day.day)}", f"{day.day}-{name[:3]}-{day.year}", f"{day:%d/%m/%y}", f"{name[:3]} {day.day}",
            f"{day:%A} {day.day} {name}",
        ])  # fmt: skip
    return random.choice([
        f"{day.day} {name} {day.year}", f"{day.day} {name}", f"{name} {day.day}", f"{name} {day.day}, {day.year}", day.isoformat(),
        f"{day:%d/%m/%Y}", f"{day.day}{_ending(day.day)} of {name}", f"{day:%A}, {day.day} {name}",
    ])  # fmt: skip


def written_days(count: int, language: str, random: Random) -> str:
    """A number of days, in words where it is small."""
    words = _SMALL[language].split()
    number = words[count - 6] if 6 <= count <= 12 and random.random() < 0.5 else str(count)
    return f"{number} {_DAYS[language]}"
