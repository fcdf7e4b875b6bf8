"""Whether faults are injected at all: only when a file is named and somebody said the word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from activities.injection.injector import Injector
from plangate.errors import InvalidInput
from plangate.faultplan import FaultPlan
from plangate.faultplan_file import parse_fault_plan

FAULTS_VARIABLE = "PLANGATE_FAULTS"
ENABLED_VARIABLE = "PLANGATE_FAULTS_ENABLED"
JOURNAL_VARIABLE = "PLANGATE_FAULTS_JOURNAL"
CONSENT = "yes-break-things"
MAX_PLAN_BYTES = 1_000_000


def wanted_file(environ: Mapping[str, str]) -> Path | None:
    """The fault plan that this process has to follow; None when there is none.

    Raises:
        InvalidInput: A plan is named, and the word that enables it is missing or wrong.
    """
    named, said = environ.get(FAULTS_VARIABLE, "").strip(), environ.get(ENABLED_VARIABLE, "").strip()
    if not named:
        return None
    if said != CONSENT:
        wrong = f"is {said!r}" if said else "is not set"
        raise InvalidInput(
            f"{FAULTS_VARIABLE} names the fault plan {named!r}, but {ENABLED_VARIABLE} {wrong}. "
            f"To run without faults, unset {FAULTS_VARIABLE}; to break things on purpose, where nobody depends on "
            f"them, set {ENABLED_VARIABLE}={CONSENT}"
        )
    return Path(named)


def load_fault_plan(path: Path, *, names: Collection[str] | None = None) -> FaultPlan:
    """Read a fault plan from a file.

    Args:
        path: The file, YAML or JSON.
        names: The tools and their dependencies that there are; without it any name may be one.

    Raises:
        InvalidInput: It can't be read, or has mistakes; the message has them all, each with its line.
    """
    try:
        if path.stat().st_size > MAX_PLAN_BYTES:
            raise InvalidInput(f"the fault plan {str(path)!r} is larger than {MAX_PLAN_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the fault plan {str(path)!r} can't be read: {error}") from None
    try:
        return parse_fault_plan(text, source=str(path), names=names)
    except InvalidInput as error:
        raise InvalidInput("\n  ".join([f"{error.message}:", *error.details])) from None


def find_injector(environ: Mapping[str, str], *, names: Collection[str] | None = None) -> Injector | None:
    """The injector of this process, or None: the usual case.

    Raises:
        InvalidInput: Faults are wanted but not enabled, or the plan or its journal can't be used.
    """
    path = wanted_file(environ)
    if path is None:
        return None
    plan = load_fault_plan(path, names=names)
    journal = Path(environ.get(JOURNAL_VARIABLE, "").strip() or path.with_name(f"{path.name}.journal"))
    try:
        return Injector(plan, journal)
    except OSError as error:
        raise InvalidInput(f"the journal of injected faults can't be written: {error}") from None


def banner(injector: Injector) -> str:
    """What a process says at its start."""
    kinds = Counter(rule.dependency for rule in injector.plan.faults)
    about = ", ".join(f"{name} {number}" for name, number in kinds.items()) or "none"
    return f"FAULTS ARE INJECTED ON PURPOSE: {len(injector.plan.faults)} rules ({about}), seed {injector.plan.seed}" + (
        f"; {sum(injector.injected)} have struck so far, by {injector.journal}" if injector.journal else ""
    )
