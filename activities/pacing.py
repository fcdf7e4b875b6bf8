"""Pacing of a worker's calls: each asks for its turn in the dependency's line, which all workers share.

A dependency without limits has no line, and asking costs nothing. Questions that come at the same time go to the
database together. Short waits are slept here; longer ones are for the workflow (`Wait`), so that they hold nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from activities.storage.lines import Lines
from activities.storage.store import Store
from plangate.breakers import MAX_PAUSE
from plangate.dependency_limits import MODEL
from plangate.paces import ModelPace
from plangate.pacing import Asking, Later, Line, Turn, Wait, ask, leave

PATIENCE = 1.5
"""Seconds that a call asks again by itself; then its workflow waits. With `plangate.pacing.RESERVE` it is all the time
that an activity may lose here."""
_AWAY_SECONDS = 10.0
_SPREAD = 0.25
"""After a pause without limits calls come back over this part of it more, not all at once."""
_log = structlog.get_logger("plangate.pacing")


@dataclass(frozen=True)
class Taken:
    """A call's turn has come; give it back with `Pacing.leave` when the call has ended."""

    dependency: str
    key: str = ""
    held: bool = False


@dataclass
class _Question:
    asking: Asking | None
    """None: the call leaves."""
    key: str = ""
    tokens: float | None = None
    not_before: datetime | None = None
    typical: timedelta = timedelta(seconds=1)
    answer: asyncio.Future[tuple[Turn | Later | None, datetime]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Pacing:
    """Turns of calls, as one worker asks for them.

    Args:
        store: The project's database.
        paces: Limits by dependency; `MODEL` stands for every model's endpoint.
        clock: The time in UTC; tests set it.
        sleep: Waits so many seconds; tests replace it.
    """

    def __init__(
        self,
        store: Store,
        paces: Mapping[str, ModelPace] | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.paces = dict(paces or {})
        self.lines = Lines(store, clock)
        self._now = clock or (lambda: datetime.now(UTC))
        self._sleep = sleep
        self._questions: dict[str, list[_Question]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._left: dict[str, asyncio.Event] = {}
        store.before_close(self.close)

    def pace(self, dependency: str) -> ModelPace | None:
        """A dependency's limits; None when it has none."""
        found = self.paces.get(dependency)
        if found is None and dependency.startswith(f"{MODEL}:"):
            found = self.paces.get(MODEL)
        return found if found is not None and found.limits else None

    async def announce(self, endpoint: str) -> None:
        """Write down which limits hold, for people.

        Args:
            endpoint: The dependency that the limits of `MODEL` are for.
        """
        named = {endpoint if name == MODEL else name: pace for name, pace in self.paces.items() if pace.limits}
        await self.lines.announce({**named, **{name: pace for name, pace in self.paces.items() if name in named}})

    async def turn(
        self,
        dependency: str,
        asking: Asking,
        *,
        not_before: datetime | None = None,
        typical_ms: float | None = None,
        patience: float = PATIENCE,
    ) -> Taken | Wait:
        """Wait for a call's turn, if it comes soon.

        Args:
            dependency: Its name.
            asking: The call.
            not_before: When the dependency asked all for patience: until when, by this worker's clock.
            typical_ms: How long a call takes, if that is known.
            patience: Seconds to wait here at most, and `plangate.pacing.RESERVE`.
        """
        now = self._now()
        if not_before is not None and not now < not_before <= now + timedelta(seconds=2 * MAX_PAUSE):
            not_before = None  # over, or from a worker whose clock is wrong
        pace = self.pace(dependency)
        if pace is None:
            return await self._after_pause(dependency, not_before, patience)
        typical = timedelta(milliseconds=min(max(typical_ms or 1000.0, 50.0), 60_000.0))
        question = _Question(asking, asking.key, not_before=not_before, typical=typical)
        try:
            return await self._in_line(dependency, pace, question, patience)
        except asyncio.CancelledError:
            self._ask(dependency, _Question(None, asking.key, tokens=0))  # frees the place; nobody waits for it
            raise
        except Exception:  # noqa: BLE001 - without the database nobody knows whose turn it is; nothing works without it
            _log.exception("line not read", dependency=dependency)
            return Wait(dependency=dependency, why="the database can't be asked", seconds=_AWAY_SECONDS)

    async def _after_pause(self, dependency: str, until: datetime | None, patience: float) -> Taken | Wait:
        if until is not None:
            seconds = (until - self._now()).total_seconds()
            seconds += seconds * _SPREAD * random.random()  # noqa: S311 - not a secret
            if seconds > patience:
                why = "it asked for patience (HTTP 429)"
                return Wait(dependency=dependency, why=why, turn_seconds=seconds, seconds=seconds)
            await self._sleep(max(seconds, 0.0))
        return Taken(dependency)

    async def _in_line(self, dependency: str, pace: ModelPace, question: _Question, patience: float) -> Taken | Wait:
        asking = question.asking
        assert asking is not None
        left = patience
        while True:
            again = self._left.setdefault(dependency, asyncio.Event())
            answer, now = await self._put(dependency, question)
            if isinstance(answer, Turn):
                taken = Taken(dependency, asking.key, answer.held)
                if answer.at > now:
                    await self._sleep((answer.at - now).total_seconds())
                return taken
            assert answer is not None
            seconds = (answer.ask_at - now).total_seconds()
            if seconds > left:
                turn = (answer.turn_at - now).total_seconds()
                return Wait(
                    dependency=dependency, why=answer.why, ahead=answer.ahead, turn_seconds=turn, seconds=seconds
                )
            left -= seconds
            await self._nap(again, seconds)
            question = _Question(asking, asking.key, not_before=question.not_before, typical=question.typical)

    async def _nap(self, again: asyncio.Event, seconds: float) -> None:
        """Wait before asking again; a call of this worker that ends may make room."""
        nap = asyncio.ensure_future(self._sleep(seconds))
        woken = asyncio.ensure_future(again.wait())
        try:
            await asyncio.wait((nap, woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
            woken.cancel()

    async def leave(self, taken: Taken, *, tokens: float | None = None) -> None:
        """A call has ended; never raises.

        Args:
            taken: Its turn.
            tokens: What it used, if that is known; 0 when it was not made.
        """
        pace = self.pace(taken.dependency)
        if not taken.held or pace is None:
            return
        try:
            await self._put(taken.dependency, _Question(None, taken.key, tokens=tokens))
        except Exception:  # noqa: BLE001 - the place expires by itself; the call's own end matters more
            _log.exception("turn not given back", dependency=taken.dependency)
        finally:
            if (again := self._left.pop(taken.dependency, None)) is not None:
                again.set()

    async def close(self) -> None:
        """Let what was asked be answered."""
        await asyncio.gather(*self._workers.values(), return_exceptions=True)

    async def _put(self, dependency: str, question: _Question) -> tuple[Turn | Later | None, datetime]:
        self._ask(dependency, question)
        return await question.answer

    def _ask(self, dependency: str, question: _Question) -> None:
        self._questions.setdefault(dependency, []).append(question)
        if dependency not in self._workers:
            self._workers[dependency] = asyncio.create_task(self._answer(dependency))

    async def _answer(self, dependency: str) -> None:
        """Take all questions about a dependency to the database together, until there are no more."""
        try:
            while questions := self._questions.pop(dependency, None):
                await self._answer_together(dependency, questions)
        finally:
            del self._workers[dependency]

    async def _answer_together(self, dependency: str, questions: list[_Question]) -> None:
        pace = self.pace(dependency) or ModelPace()

        def how(line: Line, now: datetime) -> list[Turn | Later | None]:
            return _answers(line, pace, questions, now)

        try:
            answers, now = await self.lines.change(dependency, how)
        except BaseException as error:
            for question in questions:
                if not question.answer.done():
                    question.answer.set_exception(error)
                    question.answer.exception()  # heard, though nobody may ask for it
            if not isinstance(error, Exception):
                raise
            return
        for question, answer in zip(questions, answers, strict=True):
            if not question.answer.done():
                question.answer.set_result((answer, now))


def _answers(line: Line, pace: ModelPace, questions: list[_Question], now: datetime) -> list[Turn | Later | None]:
    """Those that leave go first, then those that have a place, in their order: each makes room for the next."""
    answers: dict[int, Turn | Later | None] = {}

    def order(number: int) -> tuple[int, int, int]:
        question = questions[number]
        if question.asking is None:
            return (0, 0, number)
        known = line.places.get(question.key)
        return (1, known.tag, known.number) if known is not None and not known.holds else (2, 0, number)

    for number in sorted(range(len(questions)), key=order):
        question = questions[number]
        if question.answer.done():
            answers[number] = None  # cancelled while it waited to be asked
        elif question.asking is None:
            leave(line, pace, question.key, now, tokens=question.tokens)
            answers[number] = None
        else:
            asking, not_before = question.asking, question.not_before
            answers[number] = ask(line, pace, asking, now, not_before=not_before, typical=question.typical)
    return [answers[number] for number in range(len(questions))]
