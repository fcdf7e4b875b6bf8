"""Texts with personal data in them, labelled, and texts with what only looks like it. Generated from a seed."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable
from dataclasses import dataclass

from plangate.guardrails import PersonalKind

Rng = random.Random
_ANY = string.ascii_letters + string.digits
_SENTENCES = [
    "We have noted {} for you.", "Wir haben {} notiert.", "Nous avons noté {} pour vous.", "Hemos anotado {}.",
    "Abbiamo annotato {}.", "Anotámos {}.", "We hebben {} genoteerd.", "Zanotowaliśmy {}.", "Мы записали {}.", "記録しました: {} 。",
    "- {}\n- done", "| what | {} |", "({})", '{{"value": "{}"}}', "Order 1042: {}, thanks!", "**{}**", "{}",
]  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """One text; `value` is what has to be found in it, nothing when there is nothing to find."""

    text: str
    kind: PersonalKind | None
    value: str = ""


def _digits(rng: Rng, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def _chars(rng: Rng, count: int, of: str = _ANY) -> str:
    return "".join(rng.choice(of) for _ in range(count))


def card(rng: Rng) -> str:
    first, length = rng.choice(
        [
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("37", 15),
            ("6011", 16),
            ("36", 14),
            ("3530", 16),
            ("4", 13),
            ("62", 19),
        ]
    )
    body = first + _digits(rng, length - len(first) - 1)
    total = sum(int(d) if at % 2 else sum(divmod(int(d) * 2, 10)) for at, d in enumerate(reversed(body)))
    number = body + str(-total % 10)
    gap = rng.choice(["", " ", "-", "\u00a0", "."])
    return gap.join(
        [number[:4], number[4:10], number[10:]] if length < 16 else [number[at : at + 4] for at in range(0, length, 4)]
    )


def iban(rng: Rng) -> str:
    country, body = rng.choice([
        ("DE", "n" * 18), ("GB", "aaaa" + "n" * 14), ("FR", "n" * 10 + "c" * 11 + "nn"), ("NL", "aaaa" + "n" * 10), ("ES", "n" * 20),
        ("IT", "a" + "n" * 10 + "c" * 12), ("PL", "n" * 24), ("NO", "n" * 11), ("CH", "nnnnn" + "c" * 12), ("MT", "aaaannnnn" + "c" * 18),
    ])  # fmt: skip
    of = {"n": string.digits, "a": string.ascii_uppercase, "c": string.ascii_uppercase + string.digits}
    account = "".join(rng.choice(of[each]) for each in body)
    check = 98 - int("".join(str(int(char, 36)) for char in f"{account}{country}00")) % 97
    whole = f"{country}{check:02}{account}"
    whole = whole.lower() if rng.random() < 0.1 else whole
    return rng.choice(["", " "]).join(whole[at : at + 4] for at in range(0, len(whole), 4))


def email(rng: Rng) -> str:
    name = rng.choice(["rosa", "j.weiss", "o'brien", "müller", "wei_chen", "t-ashby", "anna.maria.k", "x"]) + _digits(
        rng, rng.randint(0, 3)
    )
    name += rng.choice(["", "", "+shop"])
    host, end = (
        rng.choice(["example", "mail.example", "thistle-spout", "münchen-tee"]),
        rng.choice(["com", "org", "co.uk", "de", "museum"]),
    )
    form = rng.choice(["{}@{}.{}", "{}@{}.{}", "{}@{}.{}", "{} (at) {}.{}", "{} [at] {} [dot] {}"])
    written = form.format(name, host, end)
    return written.upper() if rng.random() < 0.1 and "@" in form else written


def phone(rng: Rng) -> str:
    uk = rng.choice(["7400", "7520", "7856", "7980"]) + _digits(rng, 6)
    return rng.choice([
        f"+44 {uk[:4]} {uk[4:]}", f"0{uk}", f"0{uk[:4]} {uk[4:]}", f"+44{uk}", f"0044 {uk}", f"+44 (0){uk[:4]} {uk[4:7]}-{uk[7:]}",
        f"020 7946 {_digits(rng, 4)}", f"(020) 7946 {_digits(rng, 4)}", f"+49 30 {rng.randint(2, 9)}{_digits(rng, 6)}", f"+49 (0)151 {rng.randint(1, 9)}{_digits(rng, 7)}",
        f"0033 6 {rng.randint(10, 37)} {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)}", f"+33 6.{rng.randint(10, 37)}.{_digits(rng, 2)}.{_digits(rng, 2)}.{_digits(rng, 2)}",
        f"+34 612 {_digits(rng, 3)} {_digits(rng, 3)}", f"+39 347 {rng.randint(1, 9)}{_digits(rng, 6)}", f"+1 (415) 555-{rng.randint(2000, 9999)}",
        f"+1-212-555-{rng.randint(2000, 9999)}", f"+48 601 {_digits(rng, 3)} {_digits(rng, 3)}", f"+31 6 {rng.randint(1, 5)}{_digits(rng, 7)}", f"+81 90-{rng.randint(1000, 9999)}-{_digits(rng, 4)}",
    ])  # fmt: skip


def secret(rng: Rng) -> str:
    def jwt() -> str:
        parts = ['{"alg":"HS256"}', f'{{"sub":"{_digits(rng, 8)}"}}', _chars(rng, 20)]
        return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)

    made: list[Callable[[], str]] = [
        lambda: "sk-" + rng.choice(["", "proj-", "ant-"]) + _chars(rng, 32), lambda: "gh" + rng.choice("pousr") + "_" + _chars(rng, 36),
        lambda: "AKIA" + _chars(rng, 16, string.ascii_uppercase + string.digits), lambda: f"xoxb-{_digits(rng, 11)}-{_chars(rng, 24)}",
        lambda: "AIza" + _chars(rng, 35), lambda: "glpat-" + _chars(rng, 20), lambda: "sk_live_" + _chars(rng, 24), lambda: "npm_" + _chars(rng, 36),
        lambda: "hf_" + _chars(rng, 34), lambda: f"SG.{_chars(rng, 22)}.{_chars(rng, 43)}", jwt, lambda: "a1B" + _chars(rng, 41),
        lambda: f"-----BEGIN PRIVATE KEY-----\n{_chars(rng, 64)}\n{_chars(rng, 40)}\n-----END PRIVATE KEY-----",
    ]  # fmt: skip
    return rng.choice(made)()


def password(rng: Rng) -> tuple[str, str]:
    value = rng.choice(["Tulpe", "kettle", "Wren", "p"]) + _digits(rng, 3) + rng.choice(["", "!", "#x", "&Z"]) + "q"
    label = rng.choice(["password: {}", "Passwort: {}", "mot de passe : {}", "contraseña: {}", "Your password is {}", "Das Passwort lautet {}",
                        "PASSWORD={}", "api_key={}", "пароль: {}", "パスワード：{}", "postgres://shop:{}@db.example/main", "wachtwoord: {}"])  # fmt: skip
    return label.format(value), value


def national_id(rng: Rng) -> str:
    dni = rng.randint(10_000_000, 99_999_999)
    nir = rng.choice("12") + f"{rng.randint(10, 99)}{rng.randint(1, 12):02}{rng.randint(1, 95):02}" + _digits(rng, 6)
    return rng.choice([
        f"{rng.choice(['AB', 'CE', 'JW', 'PX'])} {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)} {rng.choice('ABCD')}",
        f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}", f"{dni}{'TRWAGMYFPDXBNJZSQVHLCKE'[dni % 23]}",
        f"{nir}{97 - int(nir) % 97:02}", "RSSMRA85T10A562S", "86 095 742 719".join(["Steuer-ID ", ""]), "BSN 111222333",
    ])  # fmt: skip


def birth_date(rng: Rng) -> tuple[str, str]:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1940, 2005)
    value = rng.choice(
        [
            f"{day:02}.{month:02}.{year}",
            f"{year}-{month:02}-{day:02}",
            f"{day}/{month}/{year}",
            f"{day} May {year}",
            f"May {day}, {year}",
        ]
    )
    label = rng.choice(
        [
            "date of birth: {}",
            "DOB {}",
            "born on {}",
            "geboren am {}",
            "Geburtsdatum: {}",
            "née le {}",
            "fecha de nacimiento: {}",
            "nato il {}",
            "geboren op {}",
        ]
    )
    return label.format(value), value


def address(rng: Rng) -> str:
    n = rng.randint(1, 199)
    return rng.choice([
        f"{n} Mill Lane, Bath, BA1 {rng.randint(1, 9)}AA", f"{n} Great Portland Street, London W1W 7LT", f"Hauptstraße {n}, {rng.randint(10000, 99999)} Berlin",
        f"{n} rue de la Paix, 75002 Paris", f"Calle Mayor, {n}", f"Lindenweg {n}", f"{n} Maple Avenue, Springfield, IL 62704", f"Via Roma {n}, 20121 Milano",
    ])  # fmt: skip


def ip(rng: Rng) -> str:
    four = ".".join(str(rng.randint(1, 254)) for _ in range(4))
    return rng.choice(
        [four, four, f"2001:db8::{rng.randint(1, 9999):x}", "fe80:0:0:0:1:2:3:" + f"{rng.randint(1, 9999):x}"]
    )


def harmless(rng: Rng) -> str:
    def unlucky() -> str:
        """Sixteen digits like a card's, with a check digit that is wrong."""
        number = card(rng)
        return number[:-1] + str((int(number[-1]) + rng.randint(1, 9)) % 10)

    def wrong_iban() -> str:
        number = iban(rng).upper()
        return number[:-1] + (
            str((int(number[-1]) + 1) % 10) if number[-1].isdigit() else "A" if number[-1] != "A" else "B"
        )

    made: list[Callable[[], str]] = [
        lambda: f"order {_digits(rng, rng.randint(4, 10))}", lambda: f"#{rng.randint(1000, 99999)}", lambda: f"TS{_digits(rng, 9)}GB", lambda: f"1Z{_chars(rng, 16, string.ascii_uppercase + string.digits)}",
        lambda: f"00340{_digits(rng, 15)}", lambda: f"parcel {_digits(rng, 14)}", lambda: f"£{rng.randint(1, 9)},{_digits(rng, 3)},{_digits(rng, 3)}.00", lambda: f"{rng.randint(1, 900)}.50 EUR",
        lambda: f"2026-0{rng.randint(1, 9)}-{rng.randint(10, 28)}", lambda: f"0{rng.randint(1, 9)}.0{rng.randint(1, 9)}.2026 {rng.randint(10, 23)}:30", lambda: f"{rng.randint(1, 28)}/0{rng.randint(1, 9)}/2026",
        lambda: f"SKU TP-{_digits(rng, 4)}-{_chars(rng, 3, string.ascii_uppercase)}", lambda: f"version {rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}.{rng.randint(0, 9)}", lambda: f"v{rng.randint(1, 9)}.2.{rng.randint(0, 30)}",
        unlucky, wrong_iban, lambda: f"ISBN 978-{rng.randint(0, 9)}-{_digits(rng, 3)}-{_digits(rng, 5)}-{_digits(rng, 1)}", lambda: f"EAN 50{_digits(rng, 11)}",
        lambda: f"{rng.randint(10, 23)}:{rng.randint(10, 59)}:{rng.randint(10, 59)}", lambda: f"logo@{rng.randint(2, 3)}x.png", lambda: f"package@{rng.randint(1, 9)}.2.3", lambda: "@thistleandspout on social media",
        lambda: "Password: see the e-mail that we sent you", lambda: "your password is safe with us", lambda: "a token of our thanks", lambda: "the key is under the mat", lambda: "pin: required",
        lambda: f"{_chars(rng, 40, '0123456789abcdef')}", lambda: f"https://shop.example/teapots/the-cast-iron-kettle-with-lid-{rng.randint(1, 99)}", lambda: f"{rng.randint(10, 60)} x {rng.randint(10, 60)} x {rng.randint(10, 60)} cm",
        lambda: f"{rng.randint(2, 5)} to {rng.randint(6, 9)} working days", lambda: f"room {rng.randint(1, 400)}, level {rng.randint(1, 9)}", lambda: f"the shop was founded on 4 May {rng.randint(1900, 2010)}", lambda: "arrives at example or later",
        lambda: f"ending in {_digits(rng, 4)}", lambda: f"ticket-{_digits(rng, 8)}",
    ]  # fmt: skip
    return rng.choice(made)()


_MAKERS: dict[PersonalKind, Callable[[Rng], str | tuple[str, str]]] = {
    PersonalKind.CARD: card, PersonalKind.IBAN: iban, PersonalKind.EMAIL: email, PersonalKind.PHONE: phone, PersonalKind.NATIONAL_ID: national_id,
    PersonalKind.BIRTH_DATE: birth_date, PersonalKind.IP: ip, PersonalKind.ADDRESS: address,
}  # fmt: skip


def texts(seed: int, each: int = 80) -> list[Labelled]:
    """So many texts of each kind (of secrets twice as many), and three times as many of nothing."""
    rng = random.Random(seed)
    makers: list[tuple[PersonalKind, Callable[[Rng], str | tuple[str, str]]]] = [
        *_MAKERS.items(), (PersonalKind.SECRET, secret), (PersonalKind.SECRET, password),
    ]  # fmt: skip
    found = []
    for kind, make in makers:
        for _ in range(each):
            made = make(rng)
            written, value = made if isinstance(made, tuple) else (made, made)
            sentence = rng.choice(_SENTENCES if "\n" not in written else ["Here:\n{}\nThanks."])
            found.append(Labelled(sentence.format(written), kind, value))
    found += [Labelled(rng.choice(_SENTENCES).format(harmless(rng)), None) for _ in range(3 * each)]
    return found
