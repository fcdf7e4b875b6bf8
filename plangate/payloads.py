"""Payloads in Temporal history: plain JSON through pydantic, without fields that have their default.

History stays small and readable. The other side of it: a contract's default, once released, never changes, since old
histories are read with today's defaults (design, invariant 7; ADR 3).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)

_METADATA = {"encoding": b"json/plain"}


class CompactJsonConverter(PydanticJSONPlainPayloadConverter):
    """Leaves out what a contract says anyway."""

    def to_payload(self, value: Any) -> Payload | None:
        """Encode; other values than models are encoded as they are."""
        if isinstance(value, BaseModel):
            data = value.__pydantic_serializer__.to_json(value, exclude_defaults=True)
            return Payload(metadata=_METADATA, data=data)
        return super().to_payload(value)


class PlangatePayloadConverter(CompositePayloadConverter):
    """Temporal's converters, with `CompactJsonConverter` for JSON."""

    def __init__(self) -> None:
        json = CompactJsonConverter()
        super().__init__(
            *(
                json if isinstance(converter, JSONPlainPayloadConverter) else converter
                for converter in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )


DATA_CONVERTER = DataConverter(payload_converter_class=PlangatePayloadConverter)
"""Of client, worker, replayer and tests."""
