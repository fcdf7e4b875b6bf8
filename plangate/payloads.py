"""Payloads in Temporal history: plain JSON through pydantic, without fields that have their default.

History stays small and readable. The other side of it: a contract's default, once released, never changes, since old
histories are read with today's defaults (design, invariant 7; ADR 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)

from plangate import strictjson
from plangate.errors import PlangateError

_METADATA = {"encoding": b"json/plain"}


class CompactJsonConverter(PydanticJSONPlainPayloadConverter):
    """Leaves out what a contract says anyway."""

    def to_payload(self, value: Any) -> Payload | None:
        """Encode; other values than models are encoded as they are."""
        if isinstance(value, BaseModel):
            data = value.__pydantic_serializer__.to_json(value, exclude_defaults=True)
            return Payload(metadata=_METADATA, data=data)
        return super().to_payload(value)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """Decode. What comes from outside untyped always decodes, or a single bad payload would wedge a workflow."""
        try:
            return super().from_payload(payload, type_hint)
        except ValidationError:
            if type_hint not in (None, Any):
                raise
        try:
            return strictjson.parse(payload.data.decode("utf-8", "replace"))
        except PlangateError as error:
            return Undecodable(error.message)


@dataclass(frozen=True)
class Undecodable:
    """Stands for a payload that can't be decoded."""

    problem: str


class PlangatePayloadConverter(CompositePayloadConverter):
    """Temporal's converters, with `CompactJsonConverter` for JSON."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


_CONVERTERS = tuple(
    CompactJsonConverter() if isinstance(converter, JSONPlainPayloadConverter) else converter
    for converter in DefaultPayloadConverter.default_encoding_payload_converters
)
"""Shared: the SDK makes a payload converter for each activation, and each would know no contract yet."""


DATA_CONVERTER = DataConverter(payload_converter_class=PlangatePayloadConverter)
"""Of client, worker, replayer and tests."""
