from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("work", "code", "out", "err"),
    [
        ("return 3", 3, "told", ""),
        ("sys.exit()", 0, "told", ""),
        ("sys.exit(4)", 4, "told", ""),
        ("sys.exit('why')", 1, "told", "why"),
        ("raise KeyboardInterrupt", 130, "told", ""),
        ("raise ValueError('a bug')", 1, "told", "ValueError: a bug"),
    ],
)
def test_a_process_ends_with_its_code_and_all_that_it_wrote_but_without_the_interpreters_shutdown(
    work: str, code: int, out: str, err: str
) -> None:
    script = f"""
import atexit, sys
from plangate.exits import exit_with
atexit.register(lambda: print("the interpreter was shut down"))
def work():
    print("told", end="")
    {work}
exit_with(work)
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (code, out)
    assert err in ended.stderr
    assert err or not ended.stderr
