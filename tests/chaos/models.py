"""Model faults on planning and on answering: each once, and each always. The run goes on, or ends and says why."""

from __future__ import annotations

import email.utils
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests import fake_model
from tests.chaos.cases import MARK, errand
from tests.chaos.scene import Stage
from tests.fake_model import Reply

FAULTS: dict[str, Callable[[], Any]] = {
    "429": fake_model.rate_limited,
    "429, Retry-After 1": lambda: fake_model.rate_limited({"retry-after": "1"}),
    "429, Retry-After a date": lambda: fake_model.rate_limited(
        {"retry-after": email.utils.formatdate(time.time() + 2, usegmt=True)}
    ),
    "429, Retry-After a date gone by": lambda: fake_model.rate_limited(
        {"retry-after": email.utils.formatdate(time.time() - 3600, usegmt=True)}
    ),
    "429, Retry-After -5": lambda: fake_model.rate_limited({"retry-after": "-5"}),
    "429, Retry-After 99999": lambda: fake_model.rate_limited({"retry-after": "99999"}),
    "429, Retry-After soon": lambda: fake_model.rate_limited({"retry-after": "soon"}),
    "429, quota exhausted": fake_model.quota_exhausted,
    "500": fake_model.server_error,
    "503": lambda: fake_model.failure(503),
    "hang": fake_model.hang,
    "cut connection": fake_model.cut,
    "cut stream": lambda: fake_model.cut(clean=True),
    "a proxy's page": fake_model.broken_body,
    "broken JSON": fake_model.broken_json,
    "NaN": lambda: Reply(text='{"action": "plan", "plan": {"goal": "x", "steps": [{"id": "a", "args": {"n": NaN}}]}}'),
    "duplicate keys": lambda: Reply(text='{"action": "decline", "action": "plan", "message": "x", "plan": null}'),
    "5,000 levels": lambda: Reply(text='{"plan": ' + "[" * 5000 + "]" * 5000 + "}"),
    "5 MB": fake_model.megabytes,
    "wrong schema": lambda: {"action": "do it", "plan": {"goal": 7, "steps": "all"}},
    "unknown tool": lambda: {"goal": "x", "steps": [{"id": "a", "tool": "wire_money", "args": {"to": "me"}}]},
    "refusal": fake_model.refusal,
    "empty": fake_model.empty,
    "cut by the maximum of tokens": fake_model.cut_by_max_tokens,
}
TEXT_IS_TEXT = ("broken JSON", "NaN", "duplicate keys", "wrong schema", "unknown tool", "5,000 levels")
"""On answering these are no faults: an answer is text, whatever it says."""
FINAL = ("refusal", "429, quota exhausted")
"""Once is enough: the model, or its provider, has said no."""
MOST_CALLS = {"plan": 12, "answer": 6}
"""Of a run's planner and answerer at most: repairs times attempts."""
GOOD = ("completed", "degraded")


async def faults(stage: Stage, _: int) -> None:
    """Every fault, on planning and on answering, once and always."""
    stage.rig.environment |= {
        "PLANGATE_MODEL_TIMEOUT_SECONDS": "2",
        "PLANGATE_BREAKER_FAILURES": "100000",
        "PLANGATE_BREAKER_RATE": "1",
    }
    await stage.faults()
    troubles: dict[str, tuple[str, str, bool]] = {}
    asked: Counter[tuple[str, str]] = Counter()

    def answer(request: dict[str, Any]) -> Any:
        made = fake_model.Request(path="", headers={}, json=request)
        task, run = made.task, json.dumps(request).partition(f"{MARK} ")[2].partition(":")[0]
        asked[run, task] += 1
        at, name, always = troubles[run]
        if task == at and (always or asked[run, task] == 1):
            reply = FAULTS[name]()
            return (
                Reply(text=json.dumps({"action": "plan", "plan": reply}))
                if isinstance(reply, dict) and "goal" in reply
                else reply
            )
        return stage.crowd.cases[run].plan if task == "plan" else "It is done."

    cases = []
    for number, (task, name, always) in enumerate(
        (task, name, always) for task in ("plan", "answer") for name in FAULTS for always in (False, True)
    ):
        case = errand(f"s{stage.seed}-{number}", stage.shop, stage.dice, calm=True)
        case.planned = True
        troubles[case.run] = (task, name, always)
        cases.append(case)
    stage.rig.model.script(answer)
    stage.crowd.patience, stage.crowd.at_once = 900.0, 40
    await stage.crowd.serve(cases)
    records = await stage.judge()
    letters = {row["run"]: row for row in records.tables["dead_letters"]}
    for run, (task, name, always) in troubles.items():
        last = records.histories[run][-1]
        outcome = last.result.get("outcome", last.status)
        final = task == "plan" and (always or name in FINAL)
        stage.figures.what[f"{task}, {name}, {'always' if always else 'once'}: {outcome}"] += 1
        if final != (outcome == "failed" and run in letters) or (not final and outcome not in GOOD):
            stage.wrong("lost", run, f"{name} on {task}, {'always' if always else 'once'}: it ended as {outcome}")
        if asked[run, task] > MOST_CALLS[task]:
            stage.wrong("doubles", run, f"{name} on {task}: the model was asked {asked[run, task]} times")
    stage.figures.what["calls of a planner at most"] = max(
        times for (_, task), times in asked.items() if task == "plan"
    )
    stage.figures.faults += len(troubles)
