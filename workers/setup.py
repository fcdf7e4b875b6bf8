"""`plangate setup`: register Plangate's search attributes in a namespace of an existing server; safe to repeat."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from plangate.errors import ErrorType, PlangateError
from plangate.exits import exit_with
from plangate.temporal import SEARCH_ATTRIBUTES
from workers.connection import connect, find_target

VISIBLE_SECONDS = 30.0
"""How long servers may take to show what was registered; their caches are refreshed every few seconds."""
_TYPES: dict[str, IndexedValueType.ValueType] = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
}
_NOT_LET = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED)


async def missing_attributes(client: Client) -> list[str]:
    """Search attributes that the namespace lacks.

    Raises:
        PlangateError: One exists with another type, or the server doesn't let us look.
    """
    try:
        request = ListSearchAttributesRequest(namespace=client.namespace)
        known = (await client.operator_service.list_search_attributes(request)).custom_attributes
    except RPCError as error:
        raise _refused(client, error) from error
    wrong = [name for name, kind in SEARCH_ATTRIBUTES.items() if name in known and known[name] != _TYPES[kind]]
    if wrong:
        raise PlangateError(
            f"the namespace {client.namespace!r} has {', '.join(wrong)} with another type than Plangate needs "
            f"({', '.join(f'{name}: {SEARCH_ATTRIBUTES[name]}' for name in wrong)}). Remove it with "
            f"`temporal operator search-attribute remove --name {wrong[0]}`, then run `plangate setup` again.",
            type=ErrorType.PERMANENT,
        )
    return [name for name in SEARCH_ATTRIBUTES if name not in known]


async def register(client: Client) -> list[str]:
    """Register what is missing and wait until the server shows it.

    Returns:
        The attributes that were registered; empty when all were there.

    Raises:
        PlangateError: The server doesn't let us, or didn't show them in time.
    """
    missing = await missing_attributes(client)
    if not missing:
        return []
    wanted = {name: _TYPES[SEARCH_ATTRIBUTES[name]] for name in missing}
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=wanted)
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:  # another `setup` was quicker
            raise _refused(client, error) from error
    try:
        async with asyncio.timeout(VISIBLE_SECONDS):
            while await missing_attributes(client):  # noqa: ASYNC110 - there is nothing else to wait for
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise PlangateError(
            f"the server took the search attributes but didn't show them within {VISIBLE_SECONDS:.0f} seconds; "
            "run `plangate setup` again",
            type=ErrorType.TIMEOUT,
        ) from None
    return missing


def _refused(client: Client, error: RPCError) -> PlangateError:
    what = f"search attributes of the namespace {client.namespace!r} at {client.service_client.config.target_host}"
    if error.status not in _NOT_LET:
        return PlangateError(f"the {what} can't be read or set: {error.message}", type=ErrorType.UNAVAILABLE)
    commands = "; ".join(
        f"temporal operator search-attribute create --name {name} --type {kind}"
        for name, kind in SEARCH_ATTRIBUTES.items()
    )
    return PlangateError(
        f"this connection isn't permitted to set the {what} ({error.message}). "
        f"Have an administrator do it: {commands}. On Temporal Cloud that is the namespace's page.",
        type=ErrorType.AUTHENTICATION,
    )


async def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code: 0 done, 3 no server to be reached, 1 not done."""
    try:
        client = await connect(find_target(options.data))
        added = await register(client)
    except PlangateError as error:
        if options.json:
            print(json.dumps({"ok": False, "type": error.type.value, "message": error.message}))
        else:
            print(error.message, file=sys.stderr)
        return 3 if error.type is ErrorType.UNAVAILABLE else 1
    address = client.service_client.config.target_host
    if options.json:
        print(json.dumps({"ok": True, "address": address, "namespace": client.namespace, "registered": added}))
    else:
        done = f"registered {', '.join(added)}" if added else "all search attributes are there already"
        print(f"{address}, namespace {client.namespace}: {done}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and register."""
    parser = argparse.ArgumentParser(prog="plangate setup", description=__doc__)
    parser.add_argument("--data", metavar="DIR", help="data folder of an embedded system (default: PLANGATE_DATA)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return asyncio.run(run(parser.parse_args(arguments)))


if __name__ == "__main__":
    exit_with(main)
