"""The scope of expressions with stored results in it: what the workflow can't see is loaded here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

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
        if entry.index is not None:
            continue
        keys = entry.stored if isinstance(entry.stored, list) else [entry.stored]
        wanted += [key for key in keys if key]
    found = await store.load_results(wanted) if wanted else {}
    if missing := sorted(set(wanted) - found.keys()):
        raise _gone(missing[0])
    for entry in entries.values():
        if entry.index is not None and isinstance(entry.stored, str):
            found[entry.stored] = await _list(store, entry.stored)
    return {name: _value(entry, found) for name, entry in entries.items()}


_AT_ONCE = 4
_lists: WeakKeyDictionary[Store, OrderedDict[str, Any]] = WeakKeyDictionary()
"""The lists whose items were asked for last: each of thousands of items asks for the same one."""


async def _list(store: Store, key: str) -> Any:
    lists = _lists.setdefault(store, OrderedDict())
    if key not in lists:
        found = await store.load_results([key])
        if key not in found:
            raise _gone(key)
        lists[key] = found[key]
        while len(lists) > _AT_ONCE:
            lists.popitem(last=False)
    lists.move_to_end(key)
    return lists[key]


def _gone(key: str) -> PlangateError:
    return PlangateError(
        f"the stored result {key!r} is not in the database (was it cleaned up?)",
        type=ErrorType.UNRESOLVED_REFERENCE,
    )


def _value(entry: ScopeEntry, found: Mapping[str, Any]) -> Any:
    if entry.stored is None:
        return entry.value
    if isinstance(entry.stored, list):
        return [found[key] if key else entry.given.get(index) for index, key in enumerate(entry.stored)]
    value = found[entry.stored]
    return value if entry.index is None else value[entry.index]
