"""Dates of birth by their label, and postal addresses as well as patterns can tell them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from activities.guardrails.pii.found import Found, bare
from plangate.guardrails import PersonalKind

_MONTHS = {
    name: number
    for number, names in enumerate(
        ["jan january januar janvier enero gennaio januari", "feb february februar février febrero febbraio februari", "mar march märz mars marzo maart", "apr april avril abril aprile", "may mai mayo maggio mei", "jun june juni juin junio giugno", "jul july juli juillet julio luglio", "aug august août agosto augustus", "sep sept september septembre septiembre settembre", "oct october oktober octobre octubre ottobre okt", "nov november novembre noviembre", "dec december dezember décembre diciembre dicembre dez"], start=1,
    )
    for name in names.split()
}  # fmt: skip
_NAMES = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE = (
    rf"(?:\d{{4}}-\d\d-\d\d|\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}}|\d{{1,2}}(?:st|nd|rd|th|\.)?(?: de| of)? (?:{_NAMES})\.?,?(?: de)? \d{{4}}"
    rf"|(?:{_NAMES})\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})(?!\d)"
)
_BORN = re.compile(
    r"(?:date of birth|birth ?date|\bd\.?o\.?b\.?|\bborn(?: on)?|birthday|geburtsdatum|geburtstag|geboren(?: am)?|date de naissance|"
    r"\bnée? le|fecha de nacimiento|nacid[oa] el|data di nascita|\bnat[oa] il|geboortedatum|geboren op|data de nascimento|"
    rf"data urodzenia)\W{{0,4}}(?:\w{{2,8}}\W{{1,2}}){{0,2}}?({_DATE})",
    re.IGNORECASE,
)
_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
_CAP = r"[A-ZÄÖÜÉ](?:[^\W\d_]|['’-])+\b"
_ADDRESS = re.compile(
    rf"\b(?:Flat \w{{1,4}},? )?\d{{1,4}}[A-Za-z]? (?:{_CAP} ){{1,3}}(?:Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Close|Drive|Dr|Way|Court|Terrace|"
    rf"Crescent|Gardens|Grove|Square|Hill|Row|Mews|Boulevard|Blvd|Place)\b\.?(?:,? {_CAP}(?: {_CAP})?){{0,2}}(?:,? (?:{_POSTCODE}|[A-Z]{{2}} \d{{5}}(?:-\d{{4}})?)\b)?"
    rf"|\b[A-ZÄÖÜ][^\W\d_]*(?:straße|strasse|str\.|weg|platz|allee|gasse|straat|laan)(?: \w+)? ?\d{{1,4}} ?[a-z]?\b(?:, ?(?:\d{{5}}|\d{{4}} ?[A-Z]{{2}}) {_CAP}(?: {_CAP})?)?"
    rf"|\b\d{{1,4}}(?: bis| ter)?,? (?:rue|avenue|boulevard|place|chemin|impasse|allée) (?:\w+['’ ]){{0,3}}?{_CAP}(?: {_CAP})?(?:,? \d{{5}} {_CAP})?"
    rf"|\b(?:Calle|Via|Viale|Piazza|Avenida|Rua|Plaza) (?:\w+ ){{0,3}}?{_CAP},? \d{{1,4}}\b(?:,? \d{{4,5}}(?:-\d{{3}})? {_CAP})?"
)
_STEMS = ("birth", "dob", "d.o.b", "born", "gebor", "geburts", "naissance", "né", "nac", "nasc", "nat", "urodzenia")
"""One of these is in every label: most texts have none, and aren't searched."""
_WORD = re.compile(r"[^\W\d_]+")


def birth_dates(text: str) -> Iterator[Found]:
    """Dates that a label says to be somebody's birth; the label stays."""
    lower = text.casefold()
    if not any(each in lower for each in _STEMS):
        return
    for match in _BORN.finditer(text):
        yield Found(PersonalKind.BIRTH_DATE, match.start(1), match.end(1), _iso(match[1]))


def postal_addresses(text: str) -> Iterator[Found]:
    """Street and number, with the town and postcode that follow; best effort, of some countries in Europe and the USA."""
    for match in _ADDRESS.finditer(text):
        yield Found(
            PersonalKind.ADDRESS, match.start(), match.end(), " ".join(re.findall(r"\w+", match.group().casefold()))
        )


def _iso(written: str) -> str:
    """The date in one spelling."""
    numbers = [int(each) for each in re.findall(r"\d+", written)]
    word = next((_MONTHS[each] for each in _WORD.findall(written.casefold()) if each in _MONTHS), None)
    if word and len(numbers) == 2:
        return f"{numbers[1]:04}-{word:02}-{numbers[0]:02}"
    if len(numbers) == 3:
        year, month, day = numbers if numbers[0] > 31 else reversed(numbers)
        return f"{year:04}-{month:02}-{day:02}"
    return bare(written)
