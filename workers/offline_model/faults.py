"""Which call of the model goes wrong: the fault plan's rules about `model`."""

from __future__ import annotations

from activities.injection.injector import Injector
from plangate.faultplan import FaultRule
from workers.offline_model.prompts import Prompt

MODEL = frozenset({"model"})


def pick(injector: Injector, prompt: Prompt) -> FaultRule | None:
    """The fault of this call, if any."""
    facts = {
        "agent": prompt.agent,
        "model": prompt.model,
        "api": prompt.api,
        "stream": prompt.stream,
        "repair": prompt.repair > 0,
        "contains": prompt.text,
    }
    about = {"agent": prompt.agent, "model": prompt.model, "repair": prompt.repair or None}
    return injector.pick(MODEL, prompt.task or "other", facts, about=about)
