from __future__ import annotations

from pathlib import Path

import pytest

from tests.activities.catalogue_folders import TOOLS, make_folder, problems_of

CODE = (
    TOOLS
    + '''
from plangate import Compensation

@tool(effect="consequential", idempotency="key", compensation=Compensation(tool="{tool}", args={args}))
def act(what: str) -> str:
    """Act."""
    return what
'''
)


@pytest.mark.parametrize(
    ("tool", "args", "said"),
    [
        ("nothing", {}, "is the tool 'nothing', which the agent does not have"),
        ("act", {"what": "args.what", "who": "args.what"}, "gives 'who', which 'act' does not take"),
        ("act", {}, "leaves out 'what', which 'act' needs"),
    ],
)
def test_a_compensation_has_to_fit_its_tool(tmp_path: Path, tool: str, args: dict[str, str], said: str) -> None:
    code = CODE.replace("{tool}", tool).replace("{args}", repr(args))
    folder = make_folder(tmp_path, files={"tools.py": code})
    assert any(said in problem.problem for problem in problems_of(folder)), problems_of(folder)
