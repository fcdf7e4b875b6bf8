"""How a worker is killed or stalled by its own hand."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from activities.injection.injector import Injector
from plangate.faultplan import FaultRule
from plangate.faults import Fault, KillPoint

WORKER = frozenset({"worker"})


def strike_at(injector: Injector, point: KillPoint, facts: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Die or stand still here, if the plan says so."""
    rule = injector.pick(WORKER, point.value, facts, about=about)
    if rule is not None:
        strike(rule)


def strike(rule: FaultRule) -> None:
    """Die, or stand still: no heartbeat, no answer, no turn for anybody else."""
    if rule.fault is Fault.KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(rule.delay)
