"""The plan language: a plan is data that a model proposes and a workflow carries out.

Arguments can refer to earlier results: `{"$ref": "find_order.items[0].id"}` is a JMESPath expression over
`{input, <step id>: result, item}`. Conditions (`when`) and lists (`for_each`) are JMESPath as well.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

STEP_ID_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"
MAX_STEPS = 1000
"""Steps of a plan at most, whatever an agent's own limit says."""
RESERVED_NAMES = frozenset({"input", "item"})
"""Names in a reference's scope that aren't steps."""


class Fallback(BaseModel):
    """What takes a step's place when it fails for good: another tool, or a fixed answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str | None = Field(default=None, description="The tool to call instead.")
    args: dict[str, Any] = Field(default_factory=dict, description="Its arguments; references are allowed.")
    value: Any = Field(default=None, description="Without a tool: the result to go on with.")


class Step(BaseModel):
    """One step of a plan: it calls one tool with arguments that may refer to earlier results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=STEP_ID_PATTERN, description="Unique in the plan: a-z, 0-9 and _.")]
    title: str = Field(default="", max_length=200, description="What this step does, in a few words, for people.")
    tool: str = Field(min_length=1, max_length=100, description="The tool to call.")
    args: dict[str, Any] = Field(
        default_factory=dict,
        description='Arguments; a value from an earlier result is {"$ref": "<JMESPath over step results>"}.',
    )
    after: list[str] = Field(default_factory=list, description="Ids of steps to wait for besides those referred to.")
    when: str | None = Field(default=None, max_length=2000, description="JMESPath condition; false skips the step.")
    for_each: str | None = Field(
        default=None, max_length=2000, description="JMESPath list; the step runs once for each `item` of it."
    )
    optional: bool = Field(default=False, description="If it fails the run goes on without it and says so.")
    risk: str = Field(default="", max_length=500, description="What could go wrong, for the person who approves.")
    fallback: Fallback | None = Field(default=None, description="What to do instead when the step fails for good.")

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, data: Any) -> Any:
        """`after: find` is `after: [find]`."""
        if isinstance(data, dict) and isinstance(data.get("after"), str):
            data = {**data, "after": [data["after"]]}
        return data


class Plan(BaseModel):
    """A DAG of steps. Dependencies are what references name, plus `after`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    goal: str = Field(default="", max_length=500, description="What the plan achieves, in one sentence.")
    steps: list[Step] = Field(default_factory=list, max_length=MAX_STEPS)
    needs: Literal["nothing", "look first"] = Field(
        default="nothing",
        description="'look first': these steps only look; plan the rest when their results are known.",
    )


class PlanProposal(BaseModel):
    """What the planner answers: a plan, or why there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["plan", "decline", "hand_over"] = Field(
        description="'plan' to act; 'decline' what is out of scope; 'hand_over' what a person must take over."
    )
    message: str = Field(
        default="", max_length=4000, description="For 'decline' and 'hand_over': what to tell the user."
    )
    plan: Plan | None = Field(default=None, description="For 'plan': the steps. May be empty if none is needed.")


class PlanProblem(BaseModel):
    """One mistake of a plan."""

    model_config = ConfigDict(frozen=True)

    step: str | None = None
    """The step's id, or its position as `#3` when it has none."""
    where: str = ""
    """The field, for example `args.order_id`."""
    problem: str = ""
    """What is wrong and what would be right."""

    def __str__(self) -> str:
        place = f"step {self.step!r}" if self.step else "plan"
        return f"{place}{', ' + self.where if self.where else ''}: {self.problem}"
