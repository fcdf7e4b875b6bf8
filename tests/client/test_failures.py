"""Answers of the Temporal server in plain words."""

from __future__ import annotations

from temporalio.service import RPCError, RPCStatusCode

from client.errors import ExitCode
from client.failures import explain


def test_a_flooded_run_is_told_of_with_what_to_do() -> None:
    text = "exceeded workflow execution limit for signal events"
    for status in (RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.INVALID_ARGUMENT):
        told = explain(RPCError(text, status, b""), "send the decision", run="r-1")
        assert "'r-1' gets more at once than" in told.message
        assert "Nothing was changed" in told.message
        assert told.hint is not None
        assert "Try again in a few seconds" in told.hint
        assert told.code is ExitCode.REFUSED


def test_a_run_that_ended_meanwhile_is_not_a_run_that_nobody_knows() -> None:
    for text in ("workflow execution already completed", "workflow update was aborted by closing workflow"):
        told = explain(RPCError(text, RPCStatusCode.NOT_FOUND, b""), "send the decision", run="r-1")
        assert "the run 'r-1' has ended; nothing was changed" in told.message
        assert told.code is ExitCode.REFUSED
