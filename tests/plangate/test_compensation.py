from __future__ import annotations

import pytest

from plangate import Compensation, tool
from plangate.toolkit import TOOL_ATTRIBUTE, Tool


def declare(effect: str = "consequential", **args: str) -> Tool:
    @tool(effect=effect, idempotency="key", compensation=Compensation(tool="undo", args=args))
    def act(what: str) -> str:
        """Act."""
        return what

    made: Tool = getattr(act, TOOL_ATTRIBUTE)
    return made


def test_a_compensation_goes_into_the_policy_as_references() -> None:
    compensation = declare(what="args.what", receipt="result").policy().compensation
    assert compensation is not None
    assert compensation.references() == {"what": {"$ref": "args.what"}, "receipt": {"$ref": "result"}}


@pytest.mark.parametrize(
    ("expression", "said"),
    [("args.", "not a JMESPath expression"), ("input.x", "about 'input'; it knows `args` and `result`")],
)
def test_expressions_are_checked_when_the_tool_is_made(expression: str, said: str) -> None:
    with pytest.raises(TypeError, match=r"tool 'act': its compensation's argument 'what'") as wrong:
        declare(what=expression)
    assert said in str(wrong.value)


def test_a_tool_that_only_reads_has_nothing_to_undo() -> None:
    with pytest.raises(TypeError, match="nothing to undo"):
        declare("read", what="args.what")
