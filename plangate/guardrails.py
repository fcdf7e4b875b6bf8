"""What a scope file says about guardrails: the table of its section `Guardrails`, read by `plangate.guardrail_rows`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class TooLong(StrEnum):
    """What becomes of a request that is too long."""

    REFUSED = "refused"
    CUT = "cut off"


class PersonalData(StrEnum):
    """What becomes of an answer with personal data that the person who asks isn't entitled to."""

    REDACTED = "redacted"
    REFUSED = "refused"
    ALLOWED = "allowed"
    """Secrets and card numbers are taken out all the same."""


class PersonalKind(StrEnum):
    """Kinds of personal data, as a scope file names them."""

    SECRET = "secrets"  # noqa: S105 - a name, not one
    CARD = "cards"
    IBAN = "ibans"
    EMAIL = "e-mails"
    PHONE = "phones"
    NATIONAL_ID = "national ids"
    BIRTH_DATE = "dates of birth"
    IP = "ip addresses"
    ADDRESS = "postal addresses"


ALWAYS = frozenset({PersonalKind.SECRET, PersonalKind.CARD})
"""Nobody reads these in an answer, whoever they belong to."""

OWN_ENTITIES = {
    "CREDIT_CARD": PersonalKind.CARD,
    "EMAIL_ADDRESS": PersonalKind.EMAIL,
    "IBAN_CODE": PersonalKind.IBAN,
    "IP_ADDRESS": PersonalKind.IP,
    "PHONE_NUMBER": PersonalKind.PHONE,
}
"""Presidio's names for what our own detectors look for: these aren't left to it."""


class Unsupported(StrEnum):
    """What becomes of an answer with facts that nothing supports."""

    FLAGGED = "flagged"
    """It goes out, and its confidence falls."""
    REMOVED = "removed"
    """Without the sentences in which they stand."""
    REFUSED = "refused"
    """The plain answer goes out instead."""


class Claims(StrEnum):
    """What becomes of an answer that says that something was done which wasn't."""

    REPLACED = "replaced"
    """The plain answer goes out instead."""
    REMOVED = "removed"
    """The sentence is taken out."""


class Tone(StrEnum):
    """How answers sound; rude words are taken out whatever it is."""

    NO_EMOJIS = "no emojis"
    NO_SHOUTING = "no shouting"
    NO_EXCLAMATION_MARKS = "no exclamation marks"
    WE = "we, not I"
    """Flagged: it can't be made right word by word."""


class GuardrailSettings(BaseModel):
    """The bounds and choices of guardrails; all have safe defaults."""

    model_config = ConfigDict(frozen=True)

    off: frozenset[str] = frozenset()
    """Names of guardrails that the owner switched off in so many words."""
    request_bytes: int = Field(default=64_000, ge=1, le=1_000_000)
    request_tokens: int = Field(default=8_000, ge=1, le=200_000)
    too_long: TooLong = TooLong.REFUSED
    injection_points: int = Field(default=5, ge=1, le=100)
    """Points of suspicion at which a request is refused; docs/guardrails.md has the rules with theirs."""
    forecast_usd: float | None = Field(default=None, gt=0, le=10_000)
    """A run that is forecast to cost more isn't begun."""
    alert_factor: float | None = Field(default=2.0, ge=1.1, le=100)
    """A run or a day that costs more than so many times the usual is told of; None says none is."""
    personal_data: PersonalData = PersonalData.REDACTED
    personal_kinds: frozenset[PersonalKind] = frozenset(PersonalKind)
    """Which kinds are looked for in answers, besides `ALWAYS`."""
    phone_regions: tuple[str, ...] = ("GB",)
    """Countries (ISO codes) whose phone numbers are found in national form too."""
    presidio_entities: tuple[str, ...] = ()
    """What Presidio looks for besides, by its own names such as `PERSON`; the models are in `agent.yaml`."""
    presidio_line: int = 0
    """The line that says so, for mistakes that only show with the models."""
    unsupported: Unsupported = Unsupported.FLAGGED
    claims: Claims = Claims.REPLACED
    tone: tuple[Tone, ...] = ()
    never_says: tuple[str, ...] = ()
    """Phrases that no answer has."""
    promises: tuple[str, ...] = ()
    """Things that no answer promises."""
    link_domains: tuple[str, ...] | None = None
    """Domains, with what is under them, that links of answers lead to; None for any, an empty list for none."""
    answer_characters: int | None = Field(default=None, ge=50, le=60_000)
    confidence_under: float | None = Field(default=None, gt=0, le=1)
    """A person takes over when an answer is less certain than this."""


SWITCHES = {
    "Normalisation": "input.normalise",
    "Injection screening": "input.injection",
    "Facts that nothing supports": "output.grounding",
}
"""How a scope file names the guardrails that it can switch off, and their names; all others can't be switched off."""
