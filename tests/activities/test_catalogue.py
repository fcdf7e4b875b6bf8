"""All agents of a worker: broken ones don't stop the others, unknown ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.catalogue import BrokenAgent, Catalogue, agents_folder
from plangate.errors import ErrorType, InvalidInput, PlangateError
from tests.activities.catalogue_folders import make_folder


def test_a_broken_folder_does_not_stop_the_others(tmp_path: Path) -> None:
    make_folder(tmp_path, "good")
    make_folder(tmp_path, "bad", {"tools.py": "raise SystemExit\n"})
    make_folder(tmp_path, "worse", {"scope.md": None})
    catalogue = Catalogue.load([tmp_path])
    assert list(catalogue.agents) == ["good"]
    assert sorted(catalogue.broken) == ["bad", "worse"]
    with pytest.raises(BrokenAgent) as caught:
        catalogue.get("bad")
    assert caught.value.type is ErrorType.BROKEN_AGENT
    assert caught.value.problems == catalogue.broken["bad"]
    assert catalogue.get("good").name == "good"


def test_an_unknown_agent_is_told_the_nearest_and_all(tmp_path: Path) -> None:
    make_folder(tmp_path, "support")
    make_folder(tmp_path, "billing", {"scope.md": None})
    with pytest.raises(PlangateError) as caught:
        Catalogue.load([tmp_path]).get("suport")
    assert caught.value.type is ErrorType.UNKNOWN_AGENT
    assert caught.value.message == "there is no agent 'suport'; did you mean 'support'? The agents are billing, support"


def test_other_folders_and_files_are_left_alone(tmp_path: Path) -> None:
    make_folder(tmp_path, "shop")
    for name in (".git", "__pycache__", "docs"):
        (tmp_path / name).mkdir()
    make_folder(tmp_path, ".hidden")
    (tmp_path / "README.md").write_text("x")
    catalogue = Catalogue.load([tmp_path])
    assert (list(catalogue.agents), catalogue.broken) == (["shop"], {})


def test_an_agent_folder_can_be_named_itself(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, "shop")
    assert list(Catalogue.load([folder, tmp_path]).agents) == ["shop"]


def test_two_folders_for_one_agent_are_a_mistake(tmp_path: Path) -> None:
    make_folder(tmp_path / "a", "shop")
    make_folder(tmp_path / "b", "shop")
    catalogue = Catalogue.load([tmp_path / "a", tmp_path / "b"])
    assert catalogue.agents == {}
    assert "two folders for one agent" in catalogue.broken["shop"][0].problem


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="set PLANGATE_AGENTS or create it"):
        Catalogue.load([tmp_path / "nothing"])


def test_where_the_agents_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    given = tmp_path / "given"
    assert agents_folder(bundled=bundled) == bundled
    (tmp_path / "agents").mkdir()
    assert agents_folder(bundled=bundled) == tmp_path / "agents"
    with pytest.raises(InvalidInput, match=r"PLANGATE_AGENTS is .*but there is no such folder"):
        agents_folder(str(given), bundled=bundled)
    given.mkdir()
    assert agents_folder(str(given), bundled=bundled) == given


def test_the_shipped_agents_are_found_without_a_folder_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (agents_folder() / "support").is_dir()
