from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.connection import find_target
from client.errors import ClientError, ExitCode
from plangate.errors import PlangateError
from workers.connection import find_target as workers_target


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "PLANGATE_DATA", "PLANGATE_TEMPORAL_UI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    monkeypatch.chdir(tmp_path)


def write_system(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    system = {"address": "127.0.0.1:7999", "namespace": "shop", "ui": "http://127.0.0.1:8999/"}
    (folder / "system.json").write_text(json.dumps(system), encoding="utf-8")


def test_nothing_configured_is_the_default_address() -> None:
    target, config = find_target()
    assert (target.address, target.namespace) == ("localhost:7233", "default")
    assert config["target_host"] == "localhost:7233"


def test_the_embedded_system_is_found_through_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_system(tmp_path / ".plangate")
    target, _ = find_target()
    assert (target.address, target.namespace) == ("127.0.0.1:7999", "shop")
    assert target.run_url("a b/c") == "http://127.0.0.1:8999/namespaces/shop/workflows/a%20b%2Fc"
    write_system(tmp_path / "other")
    (tmp_path / ".plangate" / "system.json").unlink()
    monkeypatch.setenv("PLANGATE_DATA", "other")
    assert find_target()[0].address == "127.0.0.1:7999"
    write_system(tmp_path / "third")
    assert find_target(tmp_path / "third")[0].address == "127.0.0.1:7999"


@pytest.mark.parametrize("named", ["argument", "variable"])
def test_a_named_data_folder_on_which_nothing_runs_never_means_another_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    folder = tmp_path / "quiet"
    if named == "variable":
        monkeypatch.setenv("PLANGATE_DATA", str(folder))
    given = folder if named == "argument" else None
    with pytest.raises(ClientError, match="Nothing runs on the data folder") as refused:
        find_target(given)
    assert refused.value.code is ExitCode.NO_SERVER
    assert f"plangate up --data {folder}" in refused.value.hint
    with pytest.raises(PlangateError, match="nothing runs on the data folder"):
        workers_target(given)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "env.example:7233")
    assert find_target(given)[0].address == workers_target(given).address == "env.example:7233"


def test_the_workers_default_folder_counts_as_not_named() -> None:
    assert workers_target(".plangate").address == "localhost:7233"


def test_temporals_own_configuration_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_system(tmp_path / ".plangate")
    (tmp_path / "temporal.toml").write_text(
        '[profile.default]\naddress = "cloud.example:7233"\nnamespace = "n"\n', encoding="utf-8"
    )
    assert find_target()[0].address == "cloud.example:7233"
    monkeypatch.setenv("TEMPORAL_ADDRESS", "env.example:7233")
    target, config = find_target()
    assert (target.address, target.namespace, target.ui) == ("env.example:7233", "n", "")
    assert config["namespace"] == "n"


def test_a_profile_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "nope")
    with pytest.raises(ClientError, match="nope"):
        find_target()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"address": 5}'])
def test_a_damaged_system_file_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / ".plangate").mkdir()
    (tmp_path / ".plangate" / "system.json").write_text(content, encoding="utf-8")
    assert find_target()[0].address == "localhost:7233"
