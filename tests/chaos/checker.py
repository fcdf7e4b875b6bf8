"""The invariant checker: counts effects, and finds what must never happen. Believes the far sides, not the product.

    python -m tests.chaos.checker DATA [--database-url URL] [--address HOST:PORT] [--scope FILE] [--json]

Works on the data folder of any system, running or restarted, whose Temporal server answers. Shares no code with the
product: it has its own idea of a digest, of the scope file's rules and of what belongs together.

doubles      an effect that happened more often than it was meant to, or under two keys
lost         an accepted run that is neither completed nor waiting nor dead-lettered, or two of these; a record without
             its effect, an effect without its record; a doubt that nobody will hear of
unapproved   an effect that no person's one valid decision on exactly its arguments allowed, and no rule of the scope
leaks        a secret in a history, a table, a log, an e-mail or the payment service's book
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from temporalio.client import Client

from tests.chaos.records import CHANGES, Execution, Records, Row, read_records

KINDS = ("doubles", "lost", "unapproved", "leaks")
SCOPE = Path(__file__).parents[2] / "agents" / "support" / "scope.md"
TOOLS = ("refund_payment", "send_email", "cancel_order", "change_address")
"""The consequential tools of the example agent."""
SHOP = ("cancel_order", "change_address")
"""Those that change the shop's tables, which count changes only where the harness added a trigger."""
_REFERENCE_LENGTH = 16
"""Digits of a digest that a decision has to name at least."""


@dataclass(frozen=True)
class Violation:
    """Something that must not be."""

    kind: str
    run: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.run}: {self.text}"


@dataclass(frozen=True)
class Effect:
    """Something that happened outside, as its far side tells it."""

    tool: str
    args: Row
    """What the far side knows of the arguments."""
    key: str = ""
    """The key that it was given; the shop's tables are given none."""

    @property
    def what(self) -> str:
        """What was done to what, the same for an effect and for the call that meant it."""
        return fingerprint(self.tool, self.args)


@dataclass
class Call:
    """A consequential call that a run scheduled."""

    run: str
    execution: int
    event: int
    input: Row
    tool: str

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return str(self.input["key"])

    @property
    def what(self) -> str:
        """See `Effect.what`."""
        return fingerprint(self.tool, self.input["args"])


@dataclass
class Report:
    """What the checker found."""

    violations: list[Violation] = field(default_factory=list)
    runs: Counter[str] = field(default_factory=Counter)
    """Accepted runs by where they are: completed, waiting, dead-lettered, …"""
    effects: Counter[str] = field(default_factory=Counter)
    """Effects by tool."""
    allowed: Counter[str] = field(default_factory=Counter)
    """Effects by what allowed them: a person's decision, or a rule of the scope."""
    none: Counter[str] = field(default_factory=Counter)
    """Calls without effect, by what the ledger says of them."""
    repeated: int = 0
    """Requests that the payment service had answered before."""
    searched: int = 0
    """Bytes searched for secrets."""

    def count(self, kind: str) -> int:
        """Violations of a kind."""
        return sum(violation.kind == kind for violation in self.violations)

    def as_json(self) -> Row:
        """For programs."""
        counts = {kind: self.count(kind) for kind in KINDS}
        told = {name: dict(getattr(self, name)) for name in ("runs", "effects", "allowed", "none")}
        violations = [asdict(violation) for violation in self.violations]
        return {**counts, **told, "repeated": self.repeated, "searched": self.searched, "violations": violations}


def fingerprint(tool: str, args: Row) -> str:
    """One text for what a call does to the far side."""
    order = str(args.get("order_id", "")).upper().removeprefix("#").removeprefix("TP-")
    if tool == "refund_payment":
        return f"refund {order} {_pence(args['amount'])} {args['reason']}"
    if tool == "send_email":
        return f"mail {args['to']} {args['subject']} {args['body'].strip()}"
    if tool == "cancel_order":
        return f"cancel {order} {args['reason']}"
    if tool == "change_address":
        fields = ("name", "line1", "line2", "city", "postcode", "country")
        return f"move {order} {'|'.join(str(args['address'].get(name, '')) for name in fields)}"
    return f"{tool} {canonical(args)}"


def canonical(value: Any) -> str:
    """The JSON that a digest is made of: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def _pence(amount: Any) -> int:
    return int((Decimal(str(amount)) * 100).to_integral_value())


# --- what the scope file allows by itself -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """A line of the scope's table of tools."""

    tool: str
    text: str

    def allows(self, args: Row) -> bool:
        """Whether the tool may be used by itself with these arguments."""
        if self.text == "by itself":
            return True
        found = re.fullmatch(r"by itself when (\w+) is under ([\d.,]+), otherwise asks first", self.text)
        if found is None:
            return False
        return Decimal(str(args.get(found[1], "Infinity"))) < Decimal(found[2].replace(",", ""))


def read_rules(scope: Path) -> dict[str, Rule]:
    """The rules of the tools in a scope file."""
    rules = {}
    section = scope.read_text(encoding="utf-8").partition("\n## Tools\n")[2].partition("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) >= 3 and re.fullmatch(r"[a-z_]+", cells[0]):
            rules[cells[0]] = Rule(cells[0], cells[2])
    return rules


# --- the check --------------------------------------------------------------------------------------------------------


class Checker:
    """One check.

    Args:
        records: What happened.
        rules: What the scope allows.
        accepted: Runs whose start was acknowledged; by default those that Temporal knows.
        meant: How often what is meant to happen in all: `{run: {what: times}}`. A run that ended well has to keep to
            it exactly, any other may do less.
        sure: Runs that have to keep to it exactly however they end.
    """

    def __init__(
        self,
        records: Records,
        rules: dict[str, Rule],
        *,
        accepted: Iterable[str] | None = None,
        meant: dict[str, dict[str, int]] | None = None,
        sure: Iterable[str] = (),
    ) -> None:
        self._sure = set(sure)
        self.records, self.rules = records, rules
        self.report = Report(searched=records.searched)
        self._accepted = set(records.histories) if accepted is None else set(accepted)
        self._meant = meant or {}
        self._calls = list(_calls(records))
        self._ledger = {row["key"]: row for row in records.tables["ledger"]}
        self._states: dict[str, str] = {}
        self._effects = list(_effects(records))
        if CHANGES not in records.tables:  # nobody counted: what the ledger says is all there is
            self._effects += [Effect(each.tool, each.input["args"]) for each in self._uncounted()]

    def _uncounted(self) -> Iterator[Call]:
        seen: set[str] = set()
        for call in self._calls:
            row = self._ledger.get(call.key)
            if call.tool in SHOP and call.key not in seen and row is not None and row["state"] == "done":
                seen.add(call.key)
                yield call

    def check(self) -> Report:
        """Look at everything."""
        self._runs()
        self._effects_once()
        self._effects_meant()
        self._approvals()
        self._doubts()
        for where in self.records.leaks:
            self._found("leaks", "-", f"a secret stands in: {where}")
        self.report.repeated = sum(row["result"] == "replayed" for row in self.records.attempts)
        return self.report

    def _found(self, kind: str, run: str, text: str) -> None:
        self.report.violations.append(Violation(kind, run, text))

    # every accepted run is in exactly one place

    def _runs(self) -> None:
        letters = {row["run"]: row for row in self.records.tables["dead_letters"]}
        rows = {row["run"]: row for row in self.records.tables["runs"]}
        for run in sorted(self._accepted | set(self.records.histories)):
            executions = self.records.histories.get(run)
            if not executions:
                self._found("lost", run, "its start was acknowledged, and Temporal doesn't know it")
                continue
            last = executions[-1]
            state = self._place(run, last, letters.get(run))
            self._states[run] = state
            self.report.runs[state] += 1
            self._row(run, last, rows.get(run))
        for run in letters.keys() - self.records.histories.keys():
            self._found("lost", run, "it has a dead letter, and Temporal doesn't know it")

    def _place(self, run: str, last: Execution, letter: Row | None) -> str:
        if last.status == "running":
            if letter is not None and letter["state"] == "open" and letter["cause"] != "stuck":
                self._found("lost", run, "it is still open in Temporal and has a dead letter")
            return "waiting"
        if last.status in ("failed", "terminated", "timed out", "timed_out"):
            if letter is None:
                self._found("lost", run, f"Temporal has it as {last.status}, and there is no dead letter")
                return "lost"
            return "dead-lettered" if letter["state"] == "open" else f"dead-lettered, {letter['state']}"
        if letter is not None and letter["state"] == "open":
            self._found("lost", run, f"Temporal has it as {last.status}, and it has a dead letter too")
        return str(last.result.get("outcome", last.status))

    def _row(self, run: str, last: Execution, row: Row | None) -> None:
        if row is None:
            if last.result:  # a run that never came as far as being admitted has no row
                self._found("lost", run, "the table of runs doesn't know it")
            return
        if last.status == "running":
            if row["ended_at"] is not None:
                self._found("lost", run, f"the table of runs says {row['outcome']}, Temporal says that it goes on")
        elif row["ended_at"] is None:
            self._found("lost", run, f"Temporal says {last.status}, the table of runs says that it goes on")
        elif last.result and row["outcome"] != last.result.get("outcome"):
            self._found("lost", run, f"the table of runs says {row['outcome']}, it says {last.result.get('outcome')}")

    # each effect at most once, and exactly what its record says

    def _effects_once(self) -> None:
        happened = Counter(effect.what for effect in self._effects)
        self.report.effects.update(effect.tool for effect in self._effects)
        for key, times in Counter((effect.tool, effect.key) for effect in self._effects if effect.key).items():
            if times > 1:
                self._found("doubles", self._run_of(key[1]), f"{times} effects of {key[0]} under one key {key[1]}")
        meant: dict[str, dict[str, Call]] = {}
        for call in self._calls:
            meant.setdefault(call.what, {}).setdefault(call.key, call)
        for what, times in happened.items():
            calls = meant.get(what, {})
            if not calls:
                self._found("unapproved", "-", f"nobody scheduled what happened {times} times: {what}")
            elif times > len(calls):
                run = next(iter(calls.values())).run
                self._found("doubles", run, f"it happened {times} times, for {len(calls)} calls: {what}")
        for what, calls in meant.items():
            self._records_fit(what, calls, happened[what])
        self._one_key_each()

    def _records_fit(self, what: str, calls: dict[str, Call], happened: int) -> None:
        states = {key: self._ledger[key]["state"] if key in self._ledger else "absent" for key in calls}
        told = self._told_by_people(calls.values())
        done = [key for key, state in states.items() if state == "done" and key not in told]
        may = [key for key, state in states.items() if state in ("done", "unknown", "intended") or key in told]
        run = next(iter(calls.values())).run
        if len(done) > happened:
            self._found("lost", run, f"the ledger says done, and it happened {happened} times: {what}")
        if happened > len(may):
            found = ", ".join(sorted(states.values()))
            self._found("lost", run, f"it happened {happened} times, and the ledger says {found}: {what}")
        if not happened:
            self.report.none.update(states.values())

    def _told_by_people(self, calls: Iterable[Call]) -> set[str]:
        """Keys about which a person said what happened."""
        told = set()
        for call in calls:
            name = f"{call.run}/{call.input['call']}"
            rows = self.records.of("decisions", approval=name, status="applied")
            if any(row["action"] in ("done", "not done", "redo") for row in rows):
                told.add(call.key)
        return told

    def _one_key_each(self) -> None:
        """One call has one key, unless a person had it done again or its effect was undone."""
        keys: dict[tuple[str, str], set[str]] = {}
        for call in self._calls:
            keys.setdefault((_root(call), call.input["call"]), set()).add(call.key)
        again = Counter(row["approval"] for row in self.records.tables["decisions"] if row["action"] == "redo")
        for (run, name), found in keys.items():
            allowed = 1 + sum(times for approval, times in again.items() if approval.endswith(f"/{name}"))
            undone = any(call.input["call"] == _undo(name) for call in self._calls if _root(call) == run)
            if len(found) > allowed + undone:
                self._found("doubles", run, f"{name} was scheduled under {len(found)} keys")

    def _run_of(self, key: str) -> str:
        return str(self._ledger[key]["run"]) if key in self._ledger else "-"

    def _effects_meant(self) -> None:
        happened = Counter(effect.what for effect in self._effects)
        for run, wanted in self._meant.items():
            state = self._states.get(run, "lost")
            exactly = state in ("completed", "rejected") or run in self._sure
            for what, times in wanted.items():
                if happened[what] > times:
                    self._found("doubles" if times else "unapproved", run, f"{happened[what]}, not {times}: {what}")
                elif exactly and happened[what] < times:
                    self._found("lost", run, f"it is {state}, and this happened {happened[what]} times: {what}")

    # each effect allowed, by one decision or by a rule

    def _approvals(self) -> None:
        gates = {row["id"]: row for row in self.records.tables["approvals"]}
        used = Counter(row["approval_id"] for row in self._ledger.values() if row["approval_id"])
        for approval, times in used.items():
            if times > 1:
                self._found("unapproved", approval, f"the approval was used {times} times")
        happened = {effect.what for effect in self._effects}
        scheduled: dict[str, list[Call]] = {}
        for call in self._calls:
            if call.what in happened:
                scheduled.setdefault(call.key, []).append(call)
        for calls in scheduled.values():
            call = self._one_that_counts(calls)
            for problem in self._allowed(call, gates):
                self._found("unapproved", call.run, f"{call.input['call']}: {problem}: {call.what}")

    def _one_that_counts(self, calls: list[Call]) -> Call:
        """Of a call that was scheduled several times under its key (its dependency was down, a budget was reached): the
        first one with the approval that the ledger has used up.
        """
        row = self._ledger.get(calls[0].key)
        used = row["approval_id"] if row else None
        return next((each for each in calls if (each.input.get("grant") or {}).get("approval") == used), calls[0])

    def _allowed(self, call: Call, gates: dict[str, Row]) -> Iterator[str]:
        row = self._ledger.get(call.key)
        approval = row["approval_id"] if row else (call.input.get("grant") or {}).get("approval")
        if row is not None and row["digest"] != digest(call.input["args"]):
            yield "the ledger's digest isn't that of the arguments"
        if not approval:
            rule = self.rules.get(call.tool)
            if rule is None or not rule.allows(call.input["args"]):
                yield f"nobody approved it, and the scope says {rule.text if rule else 'nothing'!r}"
            else:
                self.report.allowed[f"rule: {call.tool} {rule.text}"] += 1
            return
        gate = gates.get(approval)
        if gate is None or gate["status"] != "approved":
            yield f"the approval {approval} is {gate['status'] if gate else 'not there'}"
            return
        if digest(json.loads(gate["args_json"])) != digest(call.input["args"]):
            yield f"the approval {approval} is of other arguments: {gate['args_json']}"
        applied = [row for row in self.records.of("decisions", approval=approval) if row["status"] == "applied"]
        given = [row for row in applied if row["action"] in ("approve", "edit")]
        short = [each for each in self._decisions_before(call, approval) if self._agrees(each, gate)]
        if len(given) != 1:
            # A decision may name its gate in short, `CALL` instead of `RUN/CALL`.
            name = approval.rpartition("/")[2]
            rows = self.records.of("decisions", approval=name, run=gate["run"], status="applied")
            given += [row for row in rows if row["action"] in ("approve", "edit")]
        if len(given) != 1:
            yield f"{len(given)} decisions were applied to {approval}"
        if not short:
            yield f"no decision in the history before it approves {approval} with its arguments"
        self.report.allowed["a person's decision"] += 1

    def _decisions_before(self, call: Call, approval: str) -> Iterator[Row]:
        """Decisions on a gate that came in before a call was scheduled; those of a run that it goes on with too."""
        run, _, name = approval.rpartition("/")
        for source in {run, call.run, *call.input.get("resumed_from", [])}:
            for number, execution in enumerate(self.records.histories.get(source, [])):
                for event in execution.events:
                    later = source == call.run and (number, event["id"]) >= (call.execution, call.event)
                    given = event["input"] if isinstance(event["input"], dict) else {}
                    if event["kind"] == "decision" and not later and given.get("approval") in (approval, name):
                        yield event

    def _agrees(self, event: Row, gate: Row) -> bool:
        given = event["input"]
        said = str(given.get("digest", ""))
        if len(said) < _REFERENCE_LENGTH:
            return False
        if event["name"] == "approve":
            return str(gate["digest"]).startswith(said)
        if event["name"] == "edit":
            return set(given.get("args") or {}) <= set(json.loads(gate["args_json"]))
        return False

    # no doubt that nobody hears of

    def _doubts(self) -> None:
        letters = {row["run"]: row for row in self.records.tables["dead_letters"]}
        for row in self._ledger.values():
            if row["state"] not in ("unknown", "intended"):
                continue
            run = row["run"]
            if self._states.get(run) == "waiting":
                continue
            heirs = [each for each in letters if each == run or each.startswith(f"{run}-resume-")]
            if not heirs:
                text = f"the ledger says {row['state']} of {row['call']}, and no dead letter tells a person"
                self._found("lost", run, text)


def _root(call: Call) -> str:
    resumed = call.input.get("resumed_from") or []
    return str(resumed[0]) if resumed else call.run


def _undo(name: str) -> str:
    step, _, rest = name.partition("~")
    return f"{step}-undo" + (f"~{rest}" if rest else "")


def _calls(records: Records) -> Iterator[Call]:
    stored = {row["key"]: row["value_json"] for row in records.tables.get("results", [])}
    for run, executions in records.histories.items():
        for number, execution in enumerate(executions):
            for event in execution.events:
                if event["kind"] == "scheduled" and event["name"] in TOOLS:
                    given = dict(event["input"])
                    if given.get("args_key") in stored:
                        given["args"] = json.loads(stored[given["args_key"]])
                    yield Call(run, number, event["id"], given, event["name"])


def _effects(records: Records) -> Iterator[Effect]:
    for row in records.refunds:
        args = {"order_id": row["order_id"], "amount": Decimal(row["amount_pence"]) / 100, "reason": row["reason"]}
        yield Effect("refund_payment", args, row["idempotency_key"])
    for mail in records.mails:
        body = mail["text"].rpartition("\n\nWarm regards,\n")[0]
        args = {"to": mail["to"], "subject": mail["subject"], "body": body}
        yield Effect("send_email", args, mail["id"].partition("@")[0])
    for change in records.changes:
        args = {"order_id": change["order_id"], "address": change["address"], "reason": change["reason"]}
        yield Effect(change["what"], args)


def check(
    records: Records,
    scope: Path = SCOPE,
    *,
    accepted: Sequence[str] | None = None,
    meant: dict[str, dict[str, int]] | None = None,
    sure: Iterable[str] = (),
) -> Report:
    """Everything that is wrong. See `Checker`."""
    return Checker(records, read_rules(scope), accepted=accepted, meant=meant, sure=sure).check()


# --- the program ------------------------------------------------------------------------------------------------------


def print_report(report: Report) -> None:
    """The report, for people."""
    for name in ("runs", "effects", "allowed", "none"):
        counter: Counter[str] = getattr(report, name)
        told = ", ".join(f"{what} {times}" for what, times in sorted(counter.items()))
        label = {"none": "calls without effect", "allowed": "allowed by"}.get(name, name)
        print(f"  {label:<22} {told or 'none'}")
    print(f"  {'searched for secrets':<22} {report.searched:,} bytes")
    for kind in KINDS:
        print(f"  {kind:<22} {report.count(kind)}")
    for violation in report.violations:
        print(f"  ✗ {violation}")
    print("  ✗ the invariants do not hold" if report.violations else "  ✓ the invariants hold")


async def _read(given: argparse.Namespace) -> Report:
    facts: Row = {}
    if (given.data / "system.json").exists():
        facts = json.loads((given.data / "system.json").read_text(encoding="utf-8"))
    client = await Client.connect(given.address or facts.get("address", "127.0.0.1:7233"), namespace=given.namespace)
    url = given.database_url or os.environ.get("PLANGATE_DATABASE_URL", "")
    secrets = [each for each in os.environ.get("CHECKER_SECRETS", "").split() if each]
    records = await read_records(given.data, client, database_url=url, services=given.services, secrets=secrets)
    if not records.changes and CHANGES not in records.tables:
        print("  note: the shop counts no changes here; cancellations and addresses are not counted", file=sys.stderr)
    return check(records, given.scope)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a data folder; exit code 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.checker", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="the data folder")
    parser.add_argument("--database-url", default="", help="of the project's database (PLANGATE_DATABASE_URL)")
    parser.add_argument("--address", default="", help="of the Temporal server (default: from DATA/system.json)")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--services", type=Path, default=None, help="folder of payments and mails (DATA/support)")
    parser.add_argument("--scope", type=Path, default=SCOPE, help="the agent's scope file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    report = asyncio.run(_read(given))
    if given.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print_report(report)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
