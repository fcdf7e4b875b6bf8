"""What `offline.yaml` may contain: the rules of the offline model for one agent. See docs/offline-model.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from plangate.plans import Step
from workers.offline_model.expressions import placeholders, problem_of
from workers.offline_model.wording import pattern_problem, regex_problem


def _one_or_many(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else [value]


def _expression(value: str) -> str:
    if problem := problem_of(value):
        raise ValueError(problem)
    return value


def _text(value: str) -> str:
    for expression in placeholders(value):
        if problem := problem_of(expression):
            raise ValueError(f"the placeholder {problem}")
    return value


def _regex(value: str) -> str:
    if problem := regex_problem(value):
        raise ValueError(problem)
    return value


def _wording(value: str) -> str:
    if problem := pattern_problem(value):
        raise ValueError(problem)
    return value


Expression = Annotated[str, Field(strict=True), BeforeValidator(lambda v: _expression(v) if isinstance(v, str) else v)]
Text = Annotated[str, Field(strict=True), BeforeValidator(lambda v: _text(v) if isinstance(v, str) else v)]
Regex = Annotated[str, Field(strict=True), BeforeValidator(lambda v: _regex(v) if isinstance(v, str) else v)]
Wording = Annotated[str, Field(strict=True), BeforeValidator(lambda v: _wording(v) if isinstance(v, str) else v)]


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entity(_Rule):
    """Something to find in the request (`patterns`) or to work out from what was found before (`value`)."""

    patterns: Annotated[list[Regex], BeforeValidator(_one_or_many)] = Field(default_factory=list)
    """Regexes tried in this order, upper and lower case alike; the first group counts, else the whole match."""
    all: bool = False
    """Make a list of all different matches of all patterns instead of taking the first match."""
    number: bool = False
    """Make it a number; thousands separators are dropped."""
    fields: dict[str, int] = Field(default_factory=dict)
    """Make it an object: field → number of the group in the pattern."""
    value: Expression | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        if bool(self.patterns) == (self.value is not None):
            raise ValueError("an entity has either `patterns` or a `value`")
        return self


class StepRule(_Rule):
    """A step of the plan language, with placeholders; `if` says whether it is in the plan at all."""

    use: str | None = None
    """A step of the file's `steps:` to start from; the other fields replace its."""
    only_if: Expression | None = Field(default=None, alias="if")
    fields: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _sorted(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"use": data}
        if not isinstance(data, dict):
            raise ValueError("a step is the name of one of `steps:`, or an object")  # noqa: TRY004 - pydantic's
        own = {key: value for key, value in data.items() if key in ("use", "if")}
        fields = {key: value for key, value in data.items() if key not in own}
        for key in fields:
            if key not in Step.model_fields:
                raise ValueError(f"a step has no field {key!r}; it has {', '.join(Step.model_fields)}, `use` and `if`")
        if problem := next(_problems(fields), None):
            raise ValueError(problem)
        return {**own, "fields": fields}


def _problems(value: Any) -> Any:
    """Placeholders inside a step that aren't expressions."""
    if isinstance(value, str):
        for expression in placeholders(value):
            if problem := problem_of(expression):
                yield f"the placeholder {problem}"
    elif isinstance(value, dict):
        for child in value.values():
            yield from _problems(child)
    elif isinstance(value, list):
        for child in value:
            yield from _problems(child)


class Situation(_Rule):
    """What to propose when a condition holds: a plan, to decline, or to hand over."""

    when: Expression | None = None
    let: dict[str, Expression] = Field(default_factory=dict)
    """Values for this situation's templates, in their order: name → expression."""
    goal: Text = ""
    needs: Literal["nothing", "look first"] = "nothing"
    steps: list[StepRule] | None = None
    decline: Text | None = None
    hand_over: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.steps, self.decline, self.hand_over)) != 1:
            raise ValueError("give one of `steps` (may be empty), `decline` or `hand_over`")
        return self


class Line(_Rule):
    """One sentence of an answer; left out when its condition is false or a placeholder finds nothing."""

    say: Text
    when: Expression | None = None
    for_each: Expression | None = None
    """Say it once for each `item` of this list."""
    last: bool = False
    """If it is said, the intent's other lines aren't."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"say": data} if isinstance(data, str) else data


class Intent(_Rule):
    """Something that customers ask for."""

    match: dict[str, float]
    """Name of a word list or an entity → weight; the sum is the score."""
    at_least: float = 3.0
    when: Expression | None = None
    """Over the entities: only then is this intent considered."""
    plan: Annotated[list[Situation], BeforeValidator(_one_or_many), Field(min_length=1)]
    """The first whose condition holds."""
    revise: Annotated[list[Situation], BeforeValidator(_one_or_many)] = Field(default_factory=list)
    """The same after a look or a failure, over the results so far as well."""
    answer: Annotated[list[Line], BeforeValidator(_one_or_many)] = Field(default_factory=list)


class Frame(_Rule):
    """What every answer begins and ends with, and what to say when an intent has no words for the outcome."""

    before: Annotated[list[Line], BeforeValidator(_one_or_many)] = Field(default_factory=list)
    otherwise: Annotated[list[Line], BeforeValidator(_one_or_many)] = Field(default_factory=list)
    after: Annotated[list[Line], BeforeValidator(_one_or_many)] = Field(default_factory=list)


class Rules(_Rule):
    """A whole `offline.yaml`."""

    words: dict[str, list[Wording]] = Field(default_factory=dict)
    entities: dict[str, Entity] = Field(default_factory=dict)
    steps: dict[str, StepRule] = Field(default_factory=dict)
    intents: dict[str, Intent]
    """In the order of the file: with equal scores the first wins."""
    decline: Text
    """What to say to everything else."""
    answer: Frame = Frame()
