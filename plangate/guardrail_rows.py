"""Reads the rows of a scope file's section `Guardrails`.

    | Guardrail | Setting |
    |---|---|
    | Injection screening | 6 points |
    | Forecast cost of a run | $0.50 |

What isn't named keeps its default, which is the safe choice; only the word `off` switches something off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from plangate.guardrails import (
    SWITCHES,
    Claims,
    GuardrailSettings,
    PersonalData,
    PersonalKind,
    Tone,
    TooLong,
    Unsupported,
)

_NUMBER = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)\s*([a-z ]*)", re.IGNORECASE)
_ENTITY = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_MONEY = re.compile(r"(?:\$|US\$|USD)\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:USD|US dollars|dollars)", re.IGNORECASE)


@dataclass(frozen=True)
class _Row:
    """One row that may stand in the table: the field it sets, how its setting is read, and what is allowed there."""

    field: str
    read: Callable[[str], Any]
    allowed: str


def _count(unit: str, least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        found = _NUMBER.fullmatch(text.strip())
        if found is None or found[2].strip().casefold().removesuffix("s") != unit:
            raise ValueError
        number = int(found[1].replace(",", ""))
        if not least <= number <= most:
            raise ValueError
        return number

    return read


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        plain = " ".join(text.replace("’", "'").split()).casefold()
        if plain not in choices:
            raise ValueError
        return plain

    return read


def _money(text: str) -> float:
    found = _MONEY.fullmatch(text.strip())
    amount = float(found[1] or found[2]) if found else 0.0
    if not 0 < amount <= 10_000:
        raise ValueError
    return amount


def _kinds(text: str) -> frozenset[PersonalKind]:
    if text.strip().casefold() == "all":
        return frozenset(PersonalKind)
    return frozenset(PersonalKind(" ".join(each.split()).casefold()) for each in text.split(","))


def _regions(text: str) -> tuple[str, ...]:
    codes = [each.strip().upper() for each in text.split(",")]
    if len(codes) > 20 or not all(len(code) == 2 and code.isascii() and code.isalpha() for code in codes):
        raise ValueError
    return tuple(dict.fromkeys(codes))


def _entities(text: str) -> tuple[str, ...]:
    names = ["_".join(each.replace("_", " ").upper().split()) for each in text.split(",")]
    if len(names) > 100 or not all(len(name) <= 64 and _ENTITY.fullmatch(name) for name in names):
        raise ValueError
    return tuple(dict.fromkeys(names))


def _factor(text: str) -> float | None:
    plain = " ".join(text.split()).casefold()
    if plain == "off":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) times(?: the usual)?", plain)
    number = float(found[1]) if found else 0.0
    if not 1.1 <= number <= 100:
        raise ValueError
    return number


def _phrases(text: str) -> tuple[str, ...]:
    found = tuple(part.strip(" \"'“”‘’") for part in text.split(";"))
    if not all(found) or any(len(part) > 200 for part in found):
        raise ValueError
    return found


def _tones(text: str) -> tuple[Tone, ...]:
    return tuple(dict.fromkeys(Tone(" ".join(part.split())) for part in text.replace("’", "'").split(";")))


def _domains(text: str) -> tuple[str, ...]:
    if text.strip().casefold() == "none":
        return ()
    found = tuple(part for part in re.split(r"[;,\s]+", text.strip().casefold()) if part)
    if not found or not all(_DOMAIN.fullmatch(part) for part in found):
        raise ValueError
    return found


def _share(text: str) -> float:
    found = float(text)
    if not 0 < found <= 1:
        raise ValueError
    return found


def _nothing(text: str) -> None:
    raise ValueError


_ON = "'on' or 'off'"
PRESIDIO = "Found by Presidio"
ROWS = {
    "Normalisation": _Row("", _nothing, _ON),
    "Injection screening": _Row(
        "injection_points", _count("point", 1, 100), "'on', 'off', or from 1 to 100 points, for example '5 points'"
    ),
    "Request in bytes": _Row(
        "request_bytes", _count("byte", 1, 1_000_000), "1 to 1,000,000 bytes, for example '64,000 bytes'"
    ),
    "Request in tokens": _Row(
        "request_tokens", _count("token", 1, 200_000), "1 to 200,000 tokens, for example '8,000 tokens'"
    ),
    "A request that is too long": _Row("too_long", _one_of(*TooLong), "'refused' or 'cut off'"),
    "Forecast cost of a run": _Row(
        "forecast_usd", _money, "an amount in US dollars above 0 and up to 10,000, for example '$0.50'"
    ),
    "Alert about cost": _Row(
        "alert_factor", _factor, "'off', or from 1.1 to 100 times, for example '2 times the usual'"
    ),
    "Personal data in answers": _Row("personal_data", _one_of(*PersonalData), "'redacted', 'refused' or 'allowed'"),
    "Kinds of personal data": _Row(
        "personal_kinds", _kinds, f"'all' or, with commas between them, some of {', '.join(PersonalKind)}"
    ),
    "Phone numbers of": _Row(
        "phone_regions", _regions, "up to 20 codes of countries with two letters, for example 'GB, DE'"
    ),
    PRESIDIO: _Row("presidio_entities", _entities, "names of Presidio's, for example 'PERSON, LOCATION, US_SSN'"),
    "Facts that nothing supports": _Row(
        "unsupported", _one_of(*Unsupported), "'flagged', 'removed', 'refused', 'on' or 'off'"
    ),
    "Claims of what wasn't done": _Row("claims", _one_of(*Claims), "'replaced' or 'removed'"),
    "Tone": _Row("tone", _tones, f"with semicolons, some of: {'; '.join(Tone)}"),
    "Never says": _Row("never_says", _phrases, "phrases with semicolons between them, for example 'no problem; dear'"),
    "Promises": _Row("promises", _phrases, "what it never promises, with semicolons, for example 'discount; gift'"),
    "Links in answers": _Row("link_domains", _domains, "domains such as 'example.com, example.org', or 'none'"),
    "Length of an answer": _Row(
        "answer_characters", _count("character", 50, 60_000), "50 to 60,000 characters, for example '2,000 characters'"
    ),
    "Confidence under": _Row("confidence_under", _share, "a number above 0 and up to 1, for example '0.5'"),
}
"""The rows by name."""


def read_guardrails(
    rows: Iterable[tuple[int, dict[str, str]]], hint: Callable[[str, Sequence[str]], str]
) -> tuple[GuardrailSettings, list[tuple[int, str]]]:
    """Read the rows.

    Args:
        rows: Line, and cells by column name in lower case.
        hint: Says which known name a mistaken one is nearest to, if any.

    Returns:
        The settings, and each mistake with its line.
    """
    values: dict[str, Any] = {}
    off: set[str] = set()
    lines: dict[str, int] = {}
    problems: list[tuple[int, str]] = []
    known = {name.casefold(): name for name in ROWS}
    for line, row in rows:
        if "guardrail" not in row or "setting" not in row:
            continue
        given, setting = row["guardrail"], row["setting"].strip()
        name = known.get(given.casefold())
        if name is None:
            listed = ", ".join(repr(each) for each in ROWS)
            problems.append((line, f"unknown guardrail {given!r}{hint(given, list(ROWS)) or '.'} They are {listed}"))
        elif name in lines:
            problems.append((line, f"the guardrail {name!r} stands twice; first in line {lines[name]}"))
        else:
            lines[name] = line
            if problem := _read(name, setting, values, off):
                problems.append((line, problem))
    if values.get("presidio_entities"):
        values["presidio_line"] = lines[PRESIDIO]
        if values.get("personal_data") == PersonalData.ALLOWED:
            also = f"line {lines['Personal data in answers']} allows all personal data but secrets and cards"
            problems.append((lines[PRESIDIO], f"{PRESIDIO!r} takes nothing out, since {also}: take one of them away"))
    return GuardrailSettings(off=frozenset(off), **values), problems


def _read(name: str, setting: str, values: dict[str, Any], off: set[str]) -> str:
    """Take a row's setting; returns what is wrong with it, or nothing."""
    row = ROWS[name]
    if name in SWITCHES and setting.casefold() in ("on", "off"):
        if setting.casefold() == "off":
            off.add(SWITCHES[name])
        return ""
    try:
        values[row.field] = row.read(setting)
    except ValueError:
        return f"{name!r} is {setting!r}; allowed is {row.allowed}"
    return ""
