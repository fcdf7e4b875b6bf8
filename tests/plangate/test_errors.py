from __future__ import annotations

import pytest

from plangate.errors import ErrorKind, ErrorPayload, ErrorType, InvalidInput, PlangateError, error_type


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        (ErrorKind.TRANSIENT, {"RateLimited", "Unavailable", "Timeout", "Network"}),
        (ErrorKind.BUSINESS, {"Business"}),
        (ErrorKind.POLICY, {"Rejected", "Expired", "NotApproved", "Blocked", "LimitReached", "DependencyDown"}),
        (ErrorKind.BUG, {"Bug"}),
    ],
)
def test_each_type_has_one_kind_and_all_others_are_permanent(kind: ErrorKind, types: set[str]) -> None:
    assert {each.value for each in ErrorType if each.kind is kind} == types


def test_what_may_have_happened_is_never_tried_again() -> None:
    for each in (ErrorType.OUTCOME_UNKNOWN, ErrorType.IDEMPOTENCY_CONFLICT, ErrorType.INVALID_RESULT):
        assert each.kind is ErrorKind.PERMANENT


@pytest.mark.parametrize("name", [None, "", "ValueError", "timeout"])
def test_a_type_from_elsewhere_is_permanent(name: str | None) -> None:
    assert error_type(name) is ErrorType.PERMANENT


def test_every_type_is_found_by_its_name() -> None:
    assert [error_type(each.value) for each in ErrorType] == list(ErrorType)


def test_an_error_carries_its_message_type_and_details() -> None:
    error = InvalidInput("no file 'x'; give one", details=["a", "b"])
    assert (str(error), error.type, error.details) == ("no file 'x'; give one", ErrorType.INVALID_INPUT, ["a", "b"])
    assert PlangateError("x").type is ErrorType.PERMANENT


def test_a_payload_survives_json() -> None:
    payload = ErrorPayload(type=ErrorType.TIMEOUT, message="m", input={"a": [1]}, attempts=3, details=["d"])
    assert ErrorPayload.model_validate_json(payload.model_dump_json()) == payload
