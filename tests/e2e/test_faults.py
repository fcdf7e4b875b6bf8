"""`plangate demo --faults`, whole: six things break, and an independent reading of the records says what it came to."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.host import plangate


def test_the_storm_ends_well_and_says_so(tmp_path: Path) -> None:
    played = plangate("demo", "--faults", "--seed", "3", cwd=tmp_path, seconds=240)
    assert played.code == 0, played.all
    assert "6 things broke" in played.out
    assert "outcome: completed" in played.out
    assert "1 refund of" in played.out
    assert "0 other refunds of these orders, 0 other messages" in " ".join(played.out.split())
    assert "The invariants hold." in played.out
    assert "Traceback" not in played.all
