"""The settings of model access, from the environment. Built in `main`, passed in; nothing is read at import."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from plangate.agents import ModelSettings
from plangate.errors import InvalidInput

OPENAI = "https://api.openai.com/v1"


class Role(StrEnum):
    """What a model is asked for."""

    PLAN = "plan"
    ANSWER = "answer"
    SCREEN = "screen"


DEFAULT_MODELS: dict[Role, str] = {
    Role.PLAN: "gpt-5.4-2026-03-05",
    Role.ANSWER: "gpt-5.4-mini-2026-03-17",
    Role.SCREEN: "gpt-5.4-nano-2026-03-17",
}
"""Dated versions, so that a provider's update changes nothing unseen. `genai-prices` knows their prices."""


class ModelPrice(BaseModel):
    """The price of a model, in USD per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    """Of input tokens from the provider's cache; like `input` when not given."""


class ModelAccessSettings(BaseSettings):
    """How models are reached.

    Which model a role gets: `PLANGATE_<ROLE>_MODEL`, else the agent's `models` in `agent.yaml`, else
    `DEFAULT_MODELS`. Several names, by commas or as a list, are fallbacks in their order. The environment wins since
    the person who runs the worker knows what the endpoint serves.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True)

    api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    base_url: str = Field(default=OPENAI, validation_alias="OPENAI_BASE_URL")
    api: Literal["responses", "chat"] = Field(default="responses", validation_alias="PLANGATE_MODEL_API")
    plan_model: str = Field(default="", validation_alias="PLANGATE_PLAN_MODEL")
    answer_model: str = Field(default="", validation_alias="PLANGATE_ANSWER_MODEL")
    screen_model: str = Field(default="", validation_alias="PLANGATE_SCREEN_MODEL")
    prices: dict[str, ModelPrice] = Field(default_factory=dict, validation_alias="PLANGATE_MODEL_PRICES")
    timeout_seconds: float = Field(default=120.0, gt=0, le=3600, validation_alias="PLANGATE_MODEL_TIMEOUT_SECONDS")
    """One call in all: connecting, waiting, reading."""
    connect_timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, validation_alias="PLANGATE_MODEL_CONNECT_TIMEOUT_SECONDS"
    )
    prompt_tokens: int = Field(default=60_000, ge=1000, validation_alias="PLANGATE_MODEL_PROMPT_TOKENS")
    """Tokens of a prompt at most; results of steps are shortened to fit."""
    output_tokens: int = Field(default=16_000, ge=16, validation_alias="PLANGATE_MODEL_OUTPUT_TOKENS")
    """Tokens that a model may produce in one call, reasoning included."""

    @classmethod
    def load(cls) -> ModelAccessSettings:
        """Read the environment.

        Raises:
            InvalidInput: Names every variable that is wrong, and why.
        """
        try:
            return cls()
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)]
        except SettingsError as error:  # JSON that can't be read; the text names the field
            problems = [f"PLANGATE_MODEL_PRICES is not JSON: {error.__cause__ or error}"]
        raise InvalidInput(f"the settings of model access are wrong: {'; '.join(problems)}", details=problems)

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError(f"OPENAI_BASE_URL is a URL like {OPENAI!r}, not {value!r}")
        return value

    def models_for(self, role: Role, agent: ModelSettings | None = None) -> list[str]:
        """The models of a role in their order: the environment's, else the agent's, else the default."""
        given: str = getattr(self, f"{role.value}_model")
        chosen = [name for each in given.split(",") if (name := each.strip())]
        own: str | list[str] = getattr(agent, role.value) if agent else ""
        return chosen or ([own] if isinstance(own, str) and own else list(own)) or [DEFAULT_MODELS[role]]

    def model_for(self, role: Role, agent: ModelSettings | None = None) -> str:
        """The first model of a role."""
        return self.models_for(role, agent)[0]
