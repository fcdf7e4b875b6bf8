"""Lines of dependencies with limits: order, fairness, and that no limit is ever exceeded."""

from __future__ import annotations

import random
from collections import deque
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plangate.paces import ModelPace, Pace, lower
from plangate.pacing import GRACE, NOTICED, RESERVE, Asking, Later, Line, Turn, ask, leave

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def asking(key: str, user: str = "ada", **more: float) -> Asking:
    return Asking(key, user, **more)  # type: ignore[arg-type]


class World:
    """Calls that ask for their turn when they were told to, on a clock of their own."""

    def __init__(self, pace: ModelPace) -> None:
        self.pace, self.line, self.now = pace, Line("d"), NOW
        self.coming: list[tuple[datetime, int, Asking, float]] = []
        self.begun: list[tuple[datetime, str, float]] = []
        self.under_way: list[tuple[datetime, datetime, str]] = []
        self._count = 0

    def come(self, when: datetime, call: Asking, lasts: float = 0.0) -> None:
        self._count += 1
        self.coming.append((when, self._count, call, lasts))

    def run(self, late: random.Random | None = None) -> None:
        """Until nobody waits; `late`: calls come back up to 300 ms after the time that they were told."""
        while self.coming:
            self.coming.sort(key=lambda each: each[:2])
            self.now, _, call, lasts = self.coming.pop(0)
            for entry in [each for each in self.under_way if each[1] <= self.now]:
                self.under_way.remove(entry)
                leave(self.line, self.pace, entry[2], self.now)
            answer = ask(self.line, self.pace, call, self.now, typical=timedelta(seconds=lasts or 1))
            if isinstance(answer, Turn):
                assert NOW <= answer.at <= self.now + RESERVE
                self.begun.append((answer.at, call.key, call.tokens))
                if answer.held:
                    self.under_way.append((answer.at, answer.at + timedelta(seconds=lasts), call.key))
            else:
                jitter = timedelta(seconds=late.uniform(0, 0.3)) if late else timedelta(0)
                self.come(answer.ask_at + jitter, call, lasts)

    @property
    def order(self) -> list[str]:
        return [key for _, key, _ in sorted(self.begun)]

    def most_in_a_minute(self) -> float:
        window: deque[datetime] = deque()
        most = 0
        for begun, _, _ in sorted(self.begun):
            window.append(begun)
            while begun - window[0] >= timedelta(seconds=60):
                window.popleft()
            most = max(most, len(window))
        return most


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(st.tuples(st.floats(0, 90), st.sampled_from("abc")), min_size=1, max_size=60),
    st.integers(),
)
def test_no_minute_has_more_calls_than_the_limit(
    rate: int, burst: int, calls: list[tuple[float, str]], seed: int
) -> None:
    world = World(ModelPace(requests_per_minute=rate, burst=min(burst, rate)))
    for number, (when, user) in enumerate(calls):
        world.come(at(when), asking(f"{number}", user))
    world.run(random.Random(seed))
    assert len(world.begun) == len(calls)
    assert world.most_in_a_minute() <= rate


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 5), st.sampled_from("abc")), min_size=1, max_size=30),
    st.integers(),
)
def test_never_more_at_once_than_the_limit(at_once: int, calls: list[tuple[float, float, str]], seed: int) -> None:
    pace = ModelPace(at_once=at_once)
    world = World(pace)
    for number, (when, lasts, user) in enumerate(calls):
        world.come(at(when), asking(f"{number}", user), lasts)
    world.run(random.Random(seed))
    assert len(world.begun) == len(calls)
    spans = {key: begun for begun, key, _ in world.begun}
    ends = {str(number): spans[str(number)] + timedelta(seconds=lasts) for number, (_, lasts, _) in enumerate(calls)}
    for key, begun in spans.items():
        assert sum(spans[other] <= begun < ends[other] for other in spans) <= at_once, key


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=40), st.integers())
def test_tokens_stay_below_the_limit_and_one_call(tokens: list[int], seed: int) -> None:
    world = World(ModelPace(tokens_per_minute=6000))
    for number, amount in enumerate(tokens):
        world.come(NOW, asking(f"{number}", tokens=amount))
    world.run(random.Random(seed))
    begun = sorted(world.begun)
    assert len(begun) == len(tokens)
    for first in range(len(begun)):
        inside = [each[2] for each in begun[first:] if each[0] - begun[first][0] < timedelta(seconds=60)]
        assert sum(inside[:-1]) <= 6000 + 1e-3


def test_users_take_turns_whatever_the_number_of_their_calls() -> None:
    world = World(ModelPace(requests_per_minute=60))
    for number in range(30):
        world.come(NOW, asking(f"many{number:02}", "many"))
    world.come(at(0.5), asking("one", "one"))
    for number in range(3):
        world.come(at(5.2), asking(f"few{number}", "few"))
    world.run()
    order = world.order
    assert [each for each in order if each.startswith("many")] == [f"many{number:02}" for number in range(30)]
    assert order.index("one") <= 3
    assert [order.index(f"few{number}") for number in range(3)] == [8, 10, 12]


def test_a_quick_user_does_not_starve_a_waiting_one() -> None:
    pace, line = ModelPace(requests_per_minute=60), Line("d")
    waiting = {f"w{number}": at(0) for number in range(20)}
    for key in waiting:
        ask(line, pace, asking(key, "waiting"), NOW)
    served: list[str] = []
    quick = "q"
    for second in range(2, 22):
        for key in (quick, *waiting):
            if isinstance(ask(line, pace, asking(key, "quick" if key == quick else "waiting"), at(second)), Turn):
                served.append(key[0])
                waiting.pop(key, None)
                quick = f"q{second}" if key == quick else quick
    assert abs(served.count("w") - served.count("q")) <= 2
    assert len(served) >= 18


def test_one_users_calls_keep_their_order_and_say_how_many_are_ahead() -> None:
    pace, line = ModelPace(requests_per_minute=6), Line("d")
    answers = [ask(line, pace, asking(f"c{number}"), NOW) for number in range(4)]
    assert isinstance(answers[0], Turn)
    later = [each for each in answers[1:] if isinstance(each, Later)]
    assert [(each.turn_at, each.ahead) for each in later] == [(at(10.1), 0), (at(20.2), 1), (at(30.3), 2)]
    assert [each.ask_at for each in later] == [at(9.1), at(19.2), at(29.3)]
    assert later[0].why == "6 requests a minute"


def test_a_call_that_never_comes_back_holds_the_others_up_only_for_a_moment() -> None:
    pace, line = ModelPace(requests_per_minute=6), Line("d")
    for key in ("first", "dead", "next"):
        ask(line, pace, asking(key), NOW)
    due = line.places["dead"].due_at
    assert isinstance(ask(line, pace, asking("next"), at(10)), Later)
    assert isinstance(ask(line, pace, asking("next"), due + GRACE + timedelta(seconds=1)), Turn)
    late = ask(line, pace, asking("dead"), at(22))
    assert (isinstance(late, Turn), len(line.waiting)) == (True, 0)


def test_who_leaves_makes_room() -> None:
    pace, line = ModelPace(requests_per_minute=6), Line("d")
    for key in ("first", "gives up", "next"):
        ask(line, pace, asking(key), NOW)
    leave(line, pace, "gives up", at(1))
    answer = ask(line, pace, asking("next"), at(1))
    assert isinstance(answer, Later)
    assert (answer.turn_at, answer.ahead) == (at(10.1), 0)


def test_a_turn_whose_worker_died_is_free_after_its_time() -> None:
    pace, line = ModelPace(at_once=1), Line("d")
    assert isinstance(ask(line, pace, asking("dies", seconds=30), NOW), Turn)
    assert isinstance(ask(line, pace, asking("other"), at(29)), Later)
    assert isinstance(ask(line, pace, asking("other"), at(31)), Turn)


def test_the_next_attempt_of_a_call_takes_over_its_own_turn() -> None:
    pace, line = ModelPace(at_once=1), Line("d")
    assert isinstance(ask(line, pace, asking("a"), NOW), Turn)
    assert isinstance(ask(line, pace, asking("a"), at(5)), Turn)
    assert line.held == 1


def test_patience_that_the_far_side_asked_for_moves_everybody() -> None:
    pace, line = ModelPace(requests_per_minute=60), Line("d")
    answers = [ask(line, pace, asking(f"c{n}"), NOW, not_before=at(20)) for n in range(2)]
    assert [each.turn_at for each in answers if isinstance(each, Later)] == [at(20), at(21.01)]
    assert isinstance(answers[0], Later)
    assert "asked for patience" in answers[0].why


def test_the_actual_tokens_replace_the_guess() -> None:
    pace, line = ModelPace(tokens_per_minute=600), Line("d")
    assert isinstance(ask(line, pace, asking("a", tokens=100), NOW), Turn)
    leave(line, pace, "a", at(1), tokens=300)
    answer = ask(line, pace, asking("b", tokens=100), at(1))
    assert isinstance(answer, Later)
    assert (answer.turn_at, answer.why) == (at(30), "600 tokens a minute")
    ask(line, pace, asking("b", tokens=100), at(29))
    leave(line, pace, "b", at(29), tokens=0)
    assert isinstance(ask(line, pace, asking("c", tokens=100), at(30)), Turn)


def test_a_clock_that_was_set_back_stops_nobody() -> None:
    pace, line = ModelPace(requests_per_minute=60), Line("d")
    for number in range(3):
        ask(line, pace, asking(f"c{number}"), at(3600))
    answer = ask(line, pace, asking("later"), NOW)
    assert (answer.at if isinstance(answer, Turn) else answer.turn_at) <= at(4)


def test_the_lower_limit_holds() -> None:
    both = lower([Pace(requests_per_minute=60, burst=10, at_once=4), ModelPace(requests_per_minute=5, burst=5)])
    assert both == ModelPace(requests_per_minute=5, burst=5, at_once=4)
    assert both.in_words == "5 requests a minute, 4 at once"
    with pytest.raises(ValueError, match="`burst` is a part of"):
        Pace(requests_per_minute=5, burst=6)


def test_the_head_of_the_line_soon_notices_a_place_that_became_free_elsewhere() -> None:
    """The call under way was foreseen to take a minute; who waits behind the head asks at leisure."""
    pace, line, long = ModelPace(at_once=1), Line("d"), timedelta(seconds=60)
    assert isinstance(ask(line, pace, asking("a", seconds=600.0), at(0), typical=long), Turn)
    head, behind = ask(line, pace, asking("b"), at(0), typical=long), ask(line, pace, asking("c"), at(0), typical=long)
    assert isinstance(head, Later)
    assert isinstance(behind, Later)
    assert head.ask_at == at(0) + NOTICED
    assert behind.ask_at > at(30)
    leave(line, pace, "a", at(1))
    assert isinstance(ask(line, pace, asking("b"), head.ask_at, typical=long), Turn)


def test_the_head_of_the_line_asks_less_often_when_it_waits_long() -> None:
    pace, line, long = ModelPace(at_once=1), Line("d"), timedelta(seconds=60)
    ask(line, pace, asking("a", seconds=6000.0), at(0), typical=long)
    now, times = at(0), 0
    while now < at(600):
        answer = ask(line, pace, asking("b"), now, typical=long)
        assert isinstance(answer, Later)
        now, times = answer.ask_at, times + 1
    assert times < 45
