"""Amounts of money as people write them: £25, 25 EUR, €1,000.50."""

from __future__ import annotations

import re
from decimal import Decimal

SYMBOLS = {"£": "GBP", "$": "USD", "€": "EUR", "¥": "JPY"}
_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG "
    "HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA "
    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD "
    "RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD "
    "UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
)
CODES = frozenset(_CODES.split())
"""ISO 4217."""
NUMBER = r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|-?\.\d+"
_AMOUNT = re.compile(rf"(?P<symbol>[£$€¥])?\s*(?P<number>{NUMBER})\s*(?P<unit>[£$€¥]|[^\W\d_][\w \-]*)?")


def quantity(text: str) -> tuple[Decimal, str]:
    """A number and its unit: an ISO 4217 code for money, else the word as written, or empty.

    Raises:
        ValueError: It isn't a number, or it has two units.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text.strip()!r} isn't a number")
    unit = (match["unit"] or "").strip()
    if match["symbol"] and unit and SYMBOLS.get(unit, unit.upper()) != SYMBOLS[match["symbol"]]:
        raise ValueError(f"{text.strip()!r} has two units")
    unit = match["symbol"] or unit
    code = SYMBOLS.get(unit, unit.upper() if unit.upper() in CODES else unit)
    return Decimal(match["number"].replace(",", "")), code


def shown(amount: Decimal, currency: str) -> str:
    """An amount for people: £25.00, 25.00 CHF, 2,000 tokens."""
    if currency not in CODES:
        return f"{amount:,.0f} {currency}".strip()
    symbol = next((sign for sign, code in SYMBOLS.items() if code == currency), "")
    places = 2 if not amount or abs(amount) >= 1 else 4
    text = f"{abs(amount):,.{places}f}"
    minus = "-" if amount < 0 else ""
    return f"{minus}{symbol}{text}" if symbol else f"{minus}{text} {currency}"
