from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plangate.breakers import (
    Breaker,
    BreakerRules,
    BreakerState,
    Heard,
    after,
    blocked_until,
    closed,
    may_probe,
)
from plangate.errors import ErrorKind, ErrorType

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = BreakerRules()
OK = Heard(latency_ms=10.0)
DOWN = Heard(error=ErrorType.UNAVAILABLE)


def told(*heard: Heard, breaker: Breaker | None = None, rules: BreakerRules = RULES) -> Breaker:
    breaker = breaker or Breaker(name="d")
    for each in heard:
        breaker = after(breaker, each, NOW, rules)
    return breaker


def opened(openings: int = 1) -> Breaker:
    breaker = told(DOWN, DOWN, DOWN)
    for _ in range(openings - 1):
        breaker = probed(breaker, DOWN)
    return breaker


def probed(breaker: Breaker, heard: Heard) -> Breaker:
    lease = {"state": BreakerState.HALF_OPEN, "probe": "t", "probe_until": NOW + timedelta(seconds=40)}
    return after(breaker.model_copy(update=lease), heard.model_copy(update={"probe": "t"}), NOW, RULES)


def seconds_open(breaker: Breaker) -> float:
    assert breaker.retry_at is not None
    return (breaker.retry_at - NOW).total_seconds()


@pytest.mark.parametrize("kind", [ErrorType.TIMEOUT, ErrorType.UNAVAILABLE, ErrorType.NETWORK])
def test_three_failures_in_a_row_open_it(kind: ErrorType) -> None:
    failure = Heard(error=kind)
    assert told(failure, failure).state is BreakerState.CLOSED
    assert told(failure, failure, OK, failure, failure).state is BreakerState.CLOSED
    breaker = told(OK, failure, failure, failure)
    assert (breaker.state, breaker.failures, breaker.last_error) == (BreakerState.OPEN, 3, kind.value)
    assert (breaker.opened_at, seconds_open(breaker)) == (NOW, 30)


def test_half_of_the_last_twenty_calls_open_it() -> None:
    heard = [OK, DOWN] * 10
    assert told(*heard[:19]).state is BreakerState.CLOSED
    assert told(*heard).state is BreakerState.OPEN
    assert told(*([OK] * 11), *([DOWN, OK] * 8), DOWN).state is BreakerState.CLOSED


def test_answers_that_say_no_are_answers() -> None:
    for kind in ErrorType:
        if kind.kind is not ErrorKind.TRANSIENT and kind not in (ErrorType.OUTCOME_UNKNOWN, ErrorType.CANCELLED):
            assert told(DOWN, DOWN, Heard(error=kind), DOWN).state is BreakerState.CLOSED, kind


def test_rate_limits_are_counted_apart() -> None:
    breaker = told(DOWN, DOWN, *([Heard(error=ErrorType.RATE_LIMITED)] * 30))
    assert (breaker.state, breaker.failures, breaker.rate_limited, breaker.calls) == (BreakerState.CLOSED, 2, 30, 32)
    assert probed(opened(), Heard(error=ErrorType.RATE_LIMITED)).state is BreakerState.CLOSED


def test_it_stays_open_twice_as_long_each_time_up_to_five_minutes() -> None:
    assert [seconds_open(opened(times)) for times in range(1, 7)] == [30, 60, 120, 240, 300, 300]
    again = told(DOWN, DOWN, DOWN, breaker=probed(opened(4), OK))
    assert seconds_open(again) == 30


def test_only_the_probe_closes_it() -> None:
    breaker = opened()
    assert told(OK, OK, breaker=breaker).state is BreakerState.OPEN
    half = breaker.model_copy(update={"state": BreakerState.HALF_OPEN, "probe": "t"})
    assert after(half, OK.model_copy(update={"probe": "of another"}), NOW, RULES).state is BreakerState.HALF_OPEN
    assert after(half, DOWN, NOW, RULES).state is BreakerState.HALF_OPEN
    shut = probed(breaker, OK)
    assert (shut.state, shut.failures, shut.window, shut.opened_at, shut.probe) == (
        BreakerState.CLOSED,
        0,
        "",
        None,
        "",
    )
    assert probed(breaker, Heard(error=ErrorType.BUSINESS)).state is BreakerState.CLOSED


def test_a_probe_that_says_nothing_leaves_the_next_one_its_turn() -> None:
    breaker = probed(opened(), Heard(error=ErrorType.CANCELLED))
    assert (breaker.state, breaker.openings) == (BreakerState.OPEN, 1)
    assert may_probe(breaker, NOW)


def test_who_has_to_wait_until_when() -> None:
    breaker = opened()
    retry = NOW + timedelta(seconds=30)
    assert blocked_until(Breaker(name="d"), NOW) is None
    assert blocked_until(breaker, NOW) == retry
    assert blocked_until(breaker, retry) is None
    assert may_probe(breaker, retry)
    lease = {"state": BreakerState.HALF_OPEN, "probe": "t", "probe_until": retry + timedelta(seconds=40)}
    half = breaker.model_copy(update=lease)
    assert blocked_until(half, retry) == retry + timedelta(seconds=2)
    assert not may_probe(half, retry)
    assert may_probe(half, retry + timedelta(seconds=40))


def test_latency_is_a_moving_average() -> None:
    breaker = told(OK, Heard(latency_ms=20.0))
    assert breaker.latency_ms == pytest.approx(12.0)
    assert told(Heard(count=50, latency_ms=100.0), breaker=breaker).latency_ms == pytest.approx(100, rel=0.01)
    assert told(DOWN, breaker=breaker).latency_ms == breaker.latency_ms


HEARD = st.builds(
    Heard,
    error=st.sampled_from([None, None, *ErrorType]),
    count=st.integers(1, 30),
    latency_ms=st.none() | st.floats(0, 1e6),
    probe=st.sampled_from(["", "t"]),
)


@given(st.lists(HEARD, max_size=60), st.integers(1, 30))
def test_laws(heard: list[Heard], window: int) -> None:
    rules = BreakerRules(window=window)
    breaker, now, calls = Breaker(name="d"), NOW, 0
    for each in heard:
        if may_probe(breaker, now):
            until = now + timedelta(seconds=40)
            lease = {"state": BreakerState.HALF_OPEN, "probe": "t", "probe_until": until}
            breaker = breaker.model_copy(update=lease)
        before, breaker = breaker, after(breaker, each, now, rules)
        calls += 0 if each.says_nothing else each.count
        assert (breaker.calls, len(breaker.window) <= window) == (calls, True)
        is_open = breaker.state is not BreakerState.CLOSED
        assert is_open == (breaker.opened_at is not None) == (breaker.openings > 0)
        assert (breaker.state is BreakerState.HALF_OPEN) == bool(breaker.probe)
        if not is_open:
            assert breaker.failures < rules.failures
        if before.state is BreakerState.CLOSED and is_open:
            assert each.is_failure
        if before.state is not BreakerState.CLOSED and not is_open:
            assert each.probe == before.probe != ""
        if breaker.state is BreakerState.OPEN:
            assert breaker.retry_at is not None
            assert breaker.retry_at <= now + timedelta(seconds=rules.max_open_seconds)
        assert Breaker.model_validate(breaker.model_dump()) == breaker
        assert closed(breaker).state is BreakerState.CLOSED
        now += timedelta(seconds=20)
