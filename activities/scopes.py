"""The scope of expressions with stored results in it: what the workflow can't see is loaded here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from activities.storage.store import Store
from plangate.errors import ErrorType, PlangateError
from plangate.tasks import ScopeEntry


async def load_scope(store: Store, entries: Mapping[str, ScopeEntry]) -> dict[str, Any]:
    """Plain values for every name of a scope.

    Raises:
        PlangateError: With type `UnresolvedReference`, when a stored result is gone.
    """
    wanted: list[str] = []
    for entry in entries.values():
        keys = entry.stored if isinstance(entry.stored, list) else [entry.stored]
        wanted += [key for key in keys if key]
    found = await store.load_results(wanted) if wanted else {}
    if missing := sorted(set(wanted) - found.keys()):
        raise PlangateError(
            f"the stored result {missing[0]!r} is not in the database (was it cleaned up?)",
            type=ErrorType.UNRESOLVED_REFERENCE,
        )
    return {name: _value(entry, found) for name, entry in entries.items()}


def _value(entry: ScopeEntry, found: Mapping[str, Any]) -> Any:
    if entry.stored is None:
        return entry.value
    if isinstance(entry.stored, list):
        return [found[key] if key else entry.given.get(index) for index, key in enumerate(entry.stored)]
    value = found[entry.stored]
    return value if entry.index is None else value[entry.index]
