"""Fallback models: when one is not to be had, the next in the agent's order is asked, in the same attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from temporalio.exceptions import ApplicationError

from activities.models.budgeting import BudgetUsedUp
from activities.models.client import ModelClient
from activities.models.contracts import Completion, ModelCall
from activities.models.replies import OnText

_log = structlog.get_logger(__name__)


class ModelsInOrder:
    """Asks models in their order and stays with the one that answers.

    The next one is asked when a fault is final: a permanent one (quota, key, unknown model), or a transient one in the
    last attempt. A circuit breaker that is open, a budget without room and a wrong answer change no model: the first
    two hold for all models of the endpoint, and an answer can be repaired.

    Args:
        client: The worker's model client.
        models: Their names, the preferred one first.
        seconds: The time-out that the next call may have.
    """

    def __init__(self, client: ModelClient, models: Sequence[str], seconds: Callable[[float], float]) -> None:
        self._client, self._models, self._seconds = client, list(models), seconds
        self.told: list[str] = []
        """Each change of the model, in words."""

    async def complete(self, call: ModelCall, on_text: OnText | None = None) -> Completion:
        """Ask the model in use, and the ones after it when it is not to be had.

        Raises:
            ApplicationError: The last model's, or a retryable one.
            Early: It isn't the call's turn for a while.
        """
        while True:
            asked = replace(call, model=self._models[0])
            try:
                return await self._client.complete(asked, on_text)
            except BudgetUsedUp:
                raise
            except ApplicationError as error:
                if len(self._models) == 1 or not error.non_retryable:
                    raise
                self._change(asked, error)
                call = replace(call, timeout_seconds=self._seconds(self._client.settings.timeout_seconds))

    async def remember(self, call: ModelCall, completion: Completion) -> None:
        """Keep a usable answer for the same question to the model that gave it, if the agent allows that."""
        await self._client.remember(replace(call, model=self._models[0]), completion)

    async def forget(self, call: ModelCall) -> None:
        """Don't use an answer of the cache again: it is of no use."""
        await self._client.forget(replace(call, model=self._models[0]))

    def _change(self, call: ModelCall, error: ApplicationError) -> None:
        left = self._models.pop(0)
        self.told.append(f"the model {left} was not to be had ({error.type}); {self._models[0]} was asked")
        _log.warning(
            "model fell back", run=call.purpose.run, task=call.purpose.task, model=left, next=self._models[0],
            error=error.type,
        )  # fmt: skip
