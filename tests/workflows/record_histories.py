"""Stored histories for the replay test: `python -m tests.workflows.record_histories [NAME…]`.

Records what the real workflow does on a real server, scenario by scenario. Record again only what a new scenario needs:
a history that no longer replays means that running workflows would break, and calls for a patch, not for a new history.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from tests.fake_model import quota_exhausted
from tests.workflows.desk import Desk, desk, local_server, pending, result_of

HISTORIES = Path(__file__).parent / "histories"
Handle = WorkflowHandle[Any, Any]
PAY = {"id": "p", "tool": "pay", "args": {"to": "ann", "amount": 30}}


def look(id: str, **fields: Any) -> dict[str, Any]:
    return {"id": id, "tool": "look", **fields}


async def planned(system: Desk) -> Handle:
    system.model.script({"goal": "see", "steps": [look(f"s{n}", args={"value": n}) for n in range(5)]}, "Seen.")
    return await system.start(id="planned", user="kim@example.com")


async def approved(system: Desk) -> Handle:
    system.model.script({"goal": "pay", "steps": [PAY, look("n", args={"value": {"$ref": "p.paid"}})]}, "Paid.")
    handle = await system.start(id="approved")
    (gate,) = await pending(handle)
    await handle.signal("approve", {"approval": "p", "digest": "0" * 64, "by": "mal"})
    await handle.signal("approve", {"approval": "p", "digest": gate.digest, "by": "kim"})
    return handle


async def edited_and_rejected(system: Desk) -> Handle:
    system.model.script("Partly.")
    other = {**PAY, "id": "q"}
    handle = await system.start(id="edited", plan={"steps": [PAY, other, look("n", after=["q"])]})
    gates = {gate.call: gate for gate in await pending(handle, 2)}
    edit = {"approval": "p", "digest": gates["p"].digest, "args": {"to": "ann", "amount": 20}, "by": "kim"}
    await handle.execute_update("decide", {**edit, "action": "edit"})
    await handle.signal("reject", {"approval": "q", "by": "kim", "reason": "twice"})
    return handle


async def revised(system: Desk) -> Handle:
    first = {"steps": [look("a", args={"value": 1}), {"id": "b", "tool": "fail", "args": {"how": "business"}}]}
    system.model.script(first, {"steps": [look("c", args={"value": {"$ref": "a"}})]}, "Otherwise.")
    return await system.start(id="revised")


async def lists(system: Desk) -> Handle:
    system.model.script("Done.")
    steps = [
        look("list", args={"value": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}),
        look("each", args={"value": {"$ref": "item"}}, for_each="list"),
        look("never", when="list[0] == `2`"),
        {"id": "big", "tool": "large", "args": {"size": 100_000}},
        look("part", args={"value": {"$ref": "big.items[0].id"}}),
        {"id": "f", "tool": "fail", "args": {"how": "permanent"}, "fallback": {"value": "canned"}},
        {"id": "g", "tool": "fail", "args": {"how": "transient"}, "optional": True},
    ]
    return await system.start(id="lists", plan={"steps": steps})


async def failed(system: Desk) -> Handle:
    return await system.start(id="failed", plan={"steps": [{"id": "a", "tool": "fail", "args": {"how": "permanent"}}]})


async def declined(system: Desk) -> Handle:
    system.model.script({"action": "decline", "message": "Not here.", "plan": None})
    return await system.start("a poem", id="declined")


async def no_model(system: Desk) -> Handle:
    system.model.script(quota_exhausted())
    return await system.start(id="no-model")


async def cancelled(system: Desk) -> Handle:
    handle = await system.start(id="cancelled", plan={"steps": [PAY, look("n")]})
    await pending(handle)
    await handle.cancel()
    return handle


async def paused(system: Desk) -> Handle:
    system.model.script("Done.")
    handle = await system.start(id="paused", plan={"steps": [PAY, {**PAY, "id": "q"}, look("n", after=["p"])]})
    gates = {gate.call: gate for gate in await pending(handle, 2)}
    await handle.signal("pause", {"by": "kim"})
    await handle.signal("approve", {"approval": "p", "digest": gates["p"].digest, "by": "kim"})
    await handle.signal("cancel_step", {"step": "q", "by": "kim"})
    await handle.signal("resume", {"by": "kim"})
    return handle


async def continued(system: Desk) -> Handle:
    system.model.script("Done.")
    steps = [PAY, *(look(f"s{n}", args={"value": n}) for n in range(30))]
    handle = await system.start(id="continued", plan={"steps": steps})
    (gate,) = await pending(handle)
    latest = system.client.get_workflow_handle(handle.id)
    await latest.signal("approve", {"approval": "p", "digest": gate.digest, "by": "kim"})
    return latest


SCENARIOS: list[Callable[[Desk], Awaitable[Handle]]] = [
    planned,
    approved,
    edited_and_rejected,
    revised,
    lists,
    failed,
    declined,
    no_model,
    cancelled,
    paused,
    continued,
]


async def record(scenario: Callable[[Desk], Awaitable[Handle]]) -> None:
    config = {"limit__historyCount__suggestContinueAsNew": "60"} if scenario is continued else {}
    async with local_server(**config) as environment:
        with tempfile.TemporaryDirectory() as folder:
            async with desk(environment.client, Path(folder)) as system:
                handle = await scenario(system)
                try:
                    await result_of(handle)
                except Exception as error:  # noqa: BLE001 - a failed run has a history too
                    print(f"  ended with {type(error).__name__}")
                number = 0
                async for execution in system.client.list_workflows(f'WorkflowId = "{handle.id}"'):
                    found = system.client.get_workflow_handle(execution.id, run_id=execution.run_id)
                    history = await found.fetch_history()
                    name = scenario.__name__ + (f"-{number}" if number else "")
                    (HISTORIES / f"{name}.json").write_text(without_machine(history.to_json()) + "\n")
                    print(f"{name}: {len(history.events)} events")
                    number += 1


def without_machine(text: str) -> str:
    """The history without what belongs to the machine that recorded it."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {name: clean(item) for name, item in value.items() if name != "stackTrace"}
            return {**kept, "identity": "recorder"} if "identity" in kept else kept
        return [clean(item) for item in value] if isinstance(value, list) else value

    return re.sub(r"\d+@[\w.]+-", "recorder-", json.dumps(clean(json.loads(text)), indent=1))


async def main(names: list[str]) -> None:
    for scenario in SCENARIOS:
        if not names or scenario.__name__ in names:
            await record(scenario)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
