"""Answers of models used again: for exactly the same question of the same person, where the agent allows it.

The key is a digest of everything that the answer depends on and of whom it is for. What nobody can be told apart by
(a run without a user and without a session) is never used again. Answers are a person's own: only plans can be shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select, update

from activities.models.contracts import Completion, ModelCall
from activities.storage.statements import insert_into
from activities.storage.store import Store
from activities.storage.tables import model_cache
from plangate.strictjson import digest

MAX_ENTRIES = 5_000
"""Answers kept at most; those that expire first go first."""
MAX_BYTES = 64 * 1024
"""Of an answer that is kept."""
_SWEEP_EVERY = 100
_SHARED_TASKS = frozenset({"plan"})


@dataclass(frozen=True)
class Known:
    """An answer that may be used again."""

    text: str
    model: str


class ModelCache:
    """The cache of a database, shared by all workers.

    Args:
        store: The project's database.
        max_entries: Answers kept at most.
    """

    def __init__(self, store: Store, *, max_entries: int = MAX_ENTRIES) -> None:
        self._store, self._most, self._puts = store, max_entries, 0

    async def get(self, call: ModelCall, *, host: str) -> Known | None:
        """The answer to the same question, if it is known and fresh."""
        key = key_of(call, host=host)
        if key is None:
            return None
        table, now = model_cache, datetime.now(UTC)
        query = select(table.c.answer, table.c.model).where(table.c.key == key, table.c.expires_at > now)
        async with self._store.reading() as conn:
            row = (await conn.execute(query)).one_or_none()
        if row is None or not row.answer or len(row.answer.encode("utf-8", "replace")) > min(MAX_BYTES, call.max_bytes):
            return None
        async with self._store.transaction() as conn:
            await conn.execute(update(table).where(table.c.key == key).values(hits=table.c.hits + 1))
        return Known(row.answer, row.model)

    async def put(self, call: ModelCall, completion: Completion, *, host: str) -> None:
        """Keep an answer."""
        key = key_of(call, host=host)
        if key is None or len(completion.text.encode("utf-8", "replace")) > MAX_BYTES:
            return
        now = datetime.now(UTC)
        usage = completion.usage
        row = {
            "key": key,
            "agent": call.purpose.agent,
            "model": usage.models[0],
            "answer": completion.text,
            "cost_usd": None if usage.unpriced_calls else usage.cost_usd,
            "hits": 0,
            "at": now,
            "expires_at": now + timedelta(seconds=call.cache_seconds),
        }
        insert = insert_into(self._store.dialect, model_cache).values(row)
        async with self._store.transaction() as conn:
            await conn.execute(
                insert.on_conflict_do_update(
                    index_elements=["key"],
                    set_={name: insert.excluded[name] for name in ("answer", "model", "at", "expires_at", "cost_usd")},
                )
            )
        self._puts += 1
        if self._puts % _SWEEP_EVERY == 1:
            await self.sweep()

    async def forget(self, call: ModelCall, *, host: str) -> None:
        """Delete an answer that turned out to be of no use."""
        async with self._store.transaction() as conn:
            await conn.execute(delete(model_cache).where(model_cache.c.key == key_of(call, host=host)))

    async def sweep(self) -> None:
        """Delete what is no longer fresh, and what is too much."""
        table = model_cache
        async with self._store.transaction() as conn:
            await conn.execute(delete(table).where(table.c.expires_at <= datetime.now(UTC)))
            excess = (await conn.scalar(select(func.count()).select_from(table)) or 0) - self._most
            if excess > 0:
                first = select(table.c.key).order_by(table.c.expires_at).limit(excess)
                await conn.execute(delete(table).where(table.c.key.in_(first)))


def key_of(call: ModelCall, *, host: str) -> str | None:
    """The digest of a question and of whom it is for; None when its answer isn't to be used again."""
    purpose = call.purpose
    if call.cache_seconds <= 0:
        return None
    whose: list[str | None] = ["user", purpose.user] if purpose.user else ["session", purpose.session]
    if call.shared and purpose.task in _SHARED_TASKS:
        whose = ["anybody", ""]
    if whose[1] is None:
        return None
    schema = None if call.schema is None else [call.schema.name, dict(call.schema.schema)]
    messages = [[message.role, message.text] for message in call.messages]
    purpose_of = [purpose.agent, purpose.version, purpose.task, whose]
    return digest([host, call.model, call.temperature, purpose_of, call.instructions, messages, schema])
