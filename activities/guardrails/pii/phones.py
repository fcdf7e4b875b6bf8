"""Phone numbers: candidates by a pattern of our own, judged by `phonenumbers`, which is loaded for the first of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from activities.guardrails.pii.found import Found
from plangate.guardrails import PersonalKind

_CANDIDATE = re.compile(
    r"(?<![\w.,@#/-])(?:\+|00|\(\+?)?\(?\d(?:[ \u00a0\u202f()./‐‑–-]{0,3}\d){6,16}(?![\w@]|[.,-]\d)"
)
_DATE = re.compile(r"(?<!\d)(?:[0-3]?\d([./-])[0-3]?\d\1(?:\d{4}|\d\d(?!\d))|\d{4}-\d\d-\d\d)(?!\d)")
_LABEL = re.compile(
    r"(?:\b(?:tel|fon|phone|telephone|mobile|mob|cell|call|ring|fax|whatsapp|sms|text|telefon\w*|handy|rufnummer|"
    r"tél|téléphone|portable|teléfono|móvil|telefono|cellulare|telemóvel|telefone|telefoon|mobiel|telefonnummer|"
    r"numer|komórka|телефон|тел)\b|电话|電話)[^\d\n+(]{0,20}$",
    re.IGNORECASE,
)


def phones(text: str, *, regions: Sequence[str] = ("GB",)) -> Iterator[Found]:
    """Numbers in international form of any country, and in national form of these.

    A national number without its leading nought (or brackets) counts only after a word such as "phone": a number of
    an order may look the same.
    """
    for match in _CANDIDATE.finditer(text):
        written, start = match.group(), match.start()
        if written.startswith("(") and ")" not in written:  # the bracket is the sentence's
            written, start = written[1:], start + 1
        if not written.startswith(("+", "(+")) and _DATE.search(written):
            continue
        digits = sum(char.isdecimal() for char in written)
        if written.startswith(("+", "(+", "00")):
            key = _number(written.lstrip("("), None)
            if key:
                yield Found(PersonalKind.PHONE, start, match.end(), key)
                continue
        if digits > 12 or written.startswith(("+", "(+")):
            continue
        labelled = bool(_LABEL.search(text, max(0, match.start() - 40), match.start()))
        for region in regions:
            national = written.startswith(("0", "(")) or (region in _BARE and digits == 10 and digits != len(written))
            if (labelled or national) and (key := _number(written, region)):
                yield Found(PersonalKind.PHONE, start, match.end(), key)
                break


_BARE = frozenset({"US", "CA"})
"""Their national numbers have no leading nought; with separators they count all the same."""


@lru_cache(maxsize=4096)
def _number(written: str, region: str | None) -> str:
    """The number in its one international form; nothing when there can be no such number.

    After a plus its length is enough; without one it has to be in a range that is in use.
    """
    import phonenumbers

    try:
        plus = f"+{written[2:]}" if region is None and written.startswith("00") else written
        number = phonenumbers.parse(plus, region)
    except phonenumbers.NumberParseException:
        return ""
    possible = region is None and written.startswith("+") and phonenumbers.is_possible_number(number)
    if not possible and not phonenumbers.is_valid_number(number):
        return ""
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
