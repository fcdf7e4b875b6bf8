"""Results of steps, loaded by their keys for a prompt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from temporalio import activity

from activities.faults import classify
from activities.models.errors import application_error, backoff_seconds
from plangate.errors import ErrorKind


class Results(Protocol):
    """Where results are stored; `activities.storage.store.Store` is one."""

    async def load_results(self, keys: Sequence[str]) -> dict[str, Any]:
        """Stored results by key; a key without a result is missing from the answer."""


async def load_by_step(
    store: Results, keys: Mapping[str, Sequence[str]], *, lists: Collection[str] = ()
) -> dict[str, Any]:
    """The results of steps: the value itself, or the list of values of a `for_each` step.

    Args:
        store: Where they are.
        keys: Keys by step id.
        lists: Ids of steps that are known to be `for_each` steps; others are when they have several keys.

    Raises:
        ApplicationError: The store can't be read; retryable when that may pass.
    """
    wanted = [key for of_step in keys.values() for key in of_step if key]
    if not wanted:
        return {}
    try:
        found = await store.load_results(wanted)
    except Exception as error:
        type_, reason, _ = classify(error)
        delay = backoff_seconds(activity.info().attempt) if type_.kind is ErrorKind.TRANSIENT else None
        raise application_error(type_, f"loading results of steps failed: {reason}", delay=delay) from error
    results: dict[str, Any] = {}
    for step, of_step in keys.items():
        values = [found.get(key) for key in of_step]
        if values:
            results[step] = values if len(values) > 1 or step in lists else values[0]
    return results
