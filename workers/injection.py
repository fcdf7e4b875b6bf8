"""Faults of a worker process on purpose, around its workflows: while a gate waits, and in handlers of signals.

The workflows' code knows nothing of it. An instance of a workflow is watched from outside: what comes in (signals,
updates) and what goes out (the memo that lists open gates).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import StorageDriverStoreContext
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from activities.catalogue import Catalogue
from activities.injection.dying import WORKER, strike, strike_at
from activities.injection.injector import Injector
from plangate.faults import KINDS, KillPoint
from plangate.temporal import MEMO_PENDING

_DECISIONS = ("signal_workflow", "do_update")


class FaultyWorkflows(SimplePlugin):
    """A worker's plugin that watches its workflows and kills it by the plan. It comes after `PlangatePlugin`.

    Args:
        injector: The plan in force.
    """

    def __init__(self, injector: Injector) -> None:
        def around(runner: WorkflowRunner | None) -> WorkflowRunner:
            assert runner is not None
            return _Runner(runner, injector)

        super().__init__("plangate-faults", workflow_runner=around)


@dataclass
class _Runner(WorkflowRunner):
    inner: WorkflowRunner
    injector: Injector

    def prepare_workflow(self, defn: workflow._Definition) -> None:
        self.inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Instance(self.inner.create_instance(det), self.injector, det.info.workflow_id)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self.inner.set_worker_level_failure_exception_types(types)


class _Instance(WorkflowInstance):
    """A workflow's instance whose worker may die."""

    def __init__(self, inner: WorkflowInstance, injector: Injector, run: str) -> None:
        self._inner, self._injector, self._run = inner, injector, run

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = self._inner.activate(act)
        if act.is_replaying:
            return completion
        facts = {"run": self._run}
        if any(job.WhichOneof("variant") in _DECISIONS for job in act.jobs):
            strike_at(self._injector, KillPoint.IN_SIGNAL_HANDLER, facts, facts)
        if _opens_a_gate(completion):
            rule = self._injector.pick(WORKER, KillPoint.WAITING_AT_GATE.value, facts, about=facts)
            if rule is not None:  # once the server knows of the gate
                threading.Timer(rule.delay, strike, (rule,)).start()
        return completion

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._inner.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return self._inner.get_external_store_context(command_info)

    def get_info(self) -> workflow.Info:
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        return self._inner.get_thread_id()


def _opens_a_gate(completion: WorkflowActivationCompletion) -> bool:
    """Whether the memo says now that gates wait."""
    for command in completion.successful.commands:
        if command.HasField("modify_workflow_properties"):
            fields = command.modify_workflow_properties.upserted_memo.fields
            if MEMO_PENDING in fields and json.loads(fields[MEMO_PENDING].data):
                return True
    return False


def known_names(catalogue: Catalogue) -> set[str]:
    """What a fault plan may name besides `plangate.faults.KINDS`: tools and what they depend on."""
    tools = [tool for agent in catalogue.agents.values() for tool in agent.tools.values()]
    return {name for tool in tools for name in (tool.name, tool.dependency)} - KINDS.keys()
