"""Turns of model calls: where the endpoint has limits, each call waits for its own, by requests and by tokens."""

from __future__ import annotations

from activities.breakers import Permit
from activities.models.contracts import ModelCall, Tokens
from activities.models.tokens import estimate
from activities.pacing import Pacing, Taken
from plangate.pacing import Asking, Wait

_OUTPUT_TOKENS = 400.0
"""Of an answer, as long as none has come."""
_SMOOTHING = 0.2
"""Weight of the newest answer in the average."""
_LEASE_SLACK = 10.0
"""Seconds after a call's time limit when its worker counts as dead."""


class Early(Exception):
    """It isn't the call's turn for a while: its workflow waits."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(f"{wait.dependency}: {wait.why}")
        self.wait = wait


class ModelTurns:
    """Turns of one worker's model calls.

    Args:
        pacing: Whose turn it is.
    """

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._output: dict[str, float] = {}

    async def take(self, call: ModelCall, permit: Permit, *, seconds: float) -> Taken:
        """Wait for a call's turn, as long as it may be waited for here.

        Args:
            call: The question.
            permit: What is known of the endpoint.
            seconds: How long the call may take.

        Raises:
            Early: It takes longer.
        """
        purpose = call.purpose
        tokens = self._guess(call) if self._pacing.pace(permit.dependency) is not None else 0.0
        key = f"{purpose.run}:{purpose.task}:{purpose.revision}:{purpose.repair}"
        asking = Asking(
            key, purpose.user or purpose.run, purpose.run, purpose.task, tokens=tokens, seconds=seconds + _LEASE_SLACK
        )
        turn = await self._pacing.turn(
            permit.dependency,
            asking,
            not_before=permit.not_before,
            typical_ms=permit.typical_ms,
            patience=call.patience_seconds,
        )
        if isinstance(turn, Wait):
            raise Early(turn.model_copy(update={"failed": purpose.attempt - 1}))
        return turn

    async def leave(self, turn: Taken, call: ModelCall, tokens: Tokens | None) -> None:
        """The call has ended; what it used replaces what was guessed."""
        used = None
        if tokens is not None:
            used = float(tokens.input + tokens.output)
            known = self._output.get(call.purpose.task, float(tokens.output))
            self._output[call.purpose.task] = known + (tokens.output - known) * _SMOOTHING
        await self._pacing.leave(turn, tokens=used)

    def _guess(self, call: ModelCall) -> float:
        asked = estimate(call.instructions) + sum(estimate(message.text) for message in call.messages)
        return asked + self._output.get(call.purpose.task, _OUTPUT_TOKENS)
