"""Where a value comes from, and whether it may be trusted: contracts only; the rules are in `plangate.flow`.

Trusted are the person's request, the caller's input, what a plan says that was made before anything untrusted was read,
and those fields of a tool's result for which its author vouches. Everything else is somebody else's text.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from plangate.plans import Step


class Trust(StrEnum):
    """What a tool's author says of what it returns."""

    TRUSTED = "trusted"
    """Numbers, booleans, choices, dates and texts of a fixed pattern come from us; free text stays untrusted."""
    UNTRUSTED = "untrusted"
    """Anybody may have written it."""
    DOCUMENT = "document"
    """Passages of documents: untrusted."""
    WEB = "web"
    """From the web: untrusted."""


class Origin(StrEnum):
    """Where a value comes from."""

    INPUT = "input"
    """The caller's structured input."""
    PLAN = "plan"
    """A literal of a plan that was made before anything untrusted was read."""
    REVISION = "revision"
    """A literal of a plan that was revised after untrusted text was read."""
    TOOL = "tool"
    DOCUMENT = "document"
    WEB = "web"
    UNKNOWN = "unknown"
    """It can't be followed to its source; counts as untrusted."""


class Source(BaseModel):
    """One place that a value comes from."""

    model_config = ConfigDict(frozen=True)

    origin: Origin
    trusted: bool = True
    tool: str = ""
    path: str = ""
    """A JMESPath expression over the results: `order.customer_name`."""
    named: bool = False
    """The person's request or input names it."""
    decides: bool = False
    """It isn't part of the value; a filter or condition over it chose the value."""
    text: str = ""
    """With untrusted text, where it is known: an excerpt, with invisible characters made visible."""

    @property
    def words(self) -> str:
        """For people: `order.customer_name, which get_order returned`."""
        if self.origin is Origin.INPUT:
            return f"the caller's {self.path}"
        if self.origin is Origin.PLAN:
            return "the plan; the request names it" if self.named else "the plan"
        if self.origin is Origin.REVISION:
            return "a revision of the plan, written after text of others was read"
        if self.origin is Origin.UNKNOWN:
            return f"{self.path or 'a source'} that can't be followed"
        what = {Origin.DOCUMENT: "a document from ", Origin.WEB: "the web, by "}.get(self.origin, "")
        return f"{self.path} ({what}{self.tool}{', chooses' if self.decides else ''})"


class Provenance(BaseModel):
    """One argument of a call, and where its value comes from."""

    model_config = ConfigDict(frozen=True)

    argument: str
    """Its name; `when` and `for_each` for what decides whether and how often the call is made."""
    sources: list[Source] = Field(default_factory=list)
    rule: str = ""
    """The rule that asks because of it."""

    @property
    def trusted(self) -> bool:
        """Whether all of it can be trusted."""
        return all(source.trusted for source in self.sources)

    @property
    def words(self) -> str:
        """For people: its sources, the untrusted ones first."""
        ordered = sorted(self.sources, key=lambda source: source.trusted)
        return "; ".join(dict.fromkeys(source.words for source in ordered)) or "the plan"

    @property
    def brief(self) -> str:
        """For people who decide: whose text it holds if it holds any, else where it comes from; two places at most."""
        told = [source for source in self.sources if not source.trusted] or self.sources
        words = list(dict.fromkeys(source.words for source in told)) or ["the plan"]
        return "; ".join(words[:2]) + (f"; and {len(words) - 2} more" if len(words) > 2 else "")

    @property
    def excerpts(self) -> list[str]:
        """The text of others that it holds, where it is known; two at most."""
        texts = [source.text for source in self.sources if source.text and not source.trusted]
        return list(dict.fromkeys(texts))[:2]


class Lineage(BaseModel):
    """What has to be known of a run to say where the arguments of one of its calls come from."""

    model_config = ConfigDict(frozen=True)

    steps: list[Step] = Field(default_factory=list)
    """The steps that the call's references lead to, directly or through others."""
    born: dict[str, int] = Field(default_factory=dict)
    """Step id → the plan revision in which it was planned; 0 for steps that aren't listed."""
    approved: list[str] = Field(default_factory=list)
    """Steps whose calls a person approved, argument by argument."""
    decided: list[str] = Field(default_factory=list)
    """These, and steps whose calls a person answered in the tool's place: what decides about them was seen."""
    revision: int = 0
    """The plan revision in which the call itself was planned."""
    read: list[str] = Field(default_factory=list)
    """Tools whose results or errors the planner had read before that revision."""
    faults: bool = False
    """Whether an error of a tool was among them."""
    first_tools: list[str] = Field(default_factory=list)
    """With a revision: tools of the first plan."""
    first: Step | None = None
    """With a revision: the first plan's step whose place the call takes."""
    named: list[str] = Field(default_factory=list)
    """Literals of these steps and of the call that the person's request or input names, as JSON."""
    person: list[str] = Field(default_factory=list)
    """Those of them that nothing but the name of the person who asks has."""
    when: str | None = None
    for_each: str | None = None
    guards: list[str] = Field(default_factory=list)
    """Other steps whose conditions decide whether the call is made; `*` for too many to tell."""
    instead_of: dict[str, Any] | None = None
    """With a fallback: the arguments of the call that has to fail first."""
    complete: bool = True
    """False when there were too many steps to follow; what is missing counts as untrusted."""
