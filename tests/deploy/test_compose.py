from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.settings import Settings

Service = dict[str, Any]

ONE_SHOT = {"temporal-schema", "temporal-namespace", "plangate-setup", "plangate-migrate"}
OURS = {"plangate-setup", "plangate-migrate", "worker", "offline-model"}
SECRET = re.compile(r"PASSWORD|PWD|KEY|SECRET|TOKEN|DATABASE_URL")
VARIABLE = re.compile(r"\$\{(\w+)(:\?|:-)?")


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "docker-compose.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services(text: str) -> dict[str, Service]:
    loaded: dict[str, Service] = yaml.safe_load(text)["services"]
    return loaded


def test_it_follows_the_compose_specification(repository: Path) -> None:
    validate = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*validate, repository / "docker-compose.yml"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mistake_is_caught_by_the_specification(tmp_path: Path, text: str) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(text.replace("condition: service_healthy", "condition: service_happy"))
    validate = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    assert subprocess.run([*validate, broken], capture_output=True, check=False, timeout=60).returncode == 1


def test_the_set_is_complete(services: dict[str, Service]) -> None:
    servers = {"postgresql", "temporal", "temporal-ui", "worker", "offline-model"}
    assert set(services) == servers | ONE_SHOT
    assert [name for name in services if services[name].get("profiles")] == ["offline-model"]


def test_images_are_pinned_and_current(services: dict[str, Service]) -> None:
    images = {name: service["image"] for name, service in services.items()}
    assert {images[name] for name in OURS} == {"plangate:${PLANGATE_IMAGE_TAG:-local}"}
    for name in services.keys() - OURS:
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?", images[name]), images[name]
    assert not any("auto-setup" in image for image in images.values())
    version = images["temporal"].removeprefix("temporalio/server:")
    assert images["temporal-schema"] == images["temporal-namespace"] == f"temporalio/admin-tools:{version}"


def test_dependencies_can_be_met(services: dict[str, Service]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            assert needed in services, f"{name} depends on {needed}, which does not exist"
            assert not services[needed].get("profiles"), f"{name} depends on {needed}, which a profile switches off"
            if condition == "service_completed_successfully":
                assert needed in ONE_SHOT, f"{name} waits for the end of {needed}, which runs for ever"
            else:
                assert condition == "service_healthy", f"{name} starts before {needed} is ready"
                assert "healthcheck" in services[needed], f"{name} waits for the health of {needed}, which has no check"


def test_servers_have_health_checks_and_come_back(services: dict[str, Service]) -> None:
    for name, service in services.items():
        if name in ONE_SHOT:
            assert service["restart"] == "no"
        else:
            assert service["restart"] == "unless-stopped"
            assert service["healthcheck"]["test"][0] == "CMD"


def test_only_the_loopback_interface_is_published(services: dict[str, Service]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_our_containers_have_no_privileges(services: dict[str, Service]) -> None:
    for name in OURS:
        assert services[name]["user"] == "10001:10001"
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
        assert services[name]["read_only"] is True
    assert not any(service.get("privileged") for service in services.values())


def test_the_worker_can_be_scaled(services: dict[str, Service]) -> None:
    assert "container_name" not in services["worker"]
    assert "ports" not in services["worker"]
    assert services["worker"]["deploy"]["replicas"] == "${PLANGATE_WORKERS:-1}"


def test_no_secret_has_a_value_or_a_default(services: dict[str, Service]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable) and value is not None:
                assert re.search(r"\$\{\w+:\?[^}]+\}", value), f"{name}: {variable} must come from outside"
                assert ":-" not in value


def test_the_example_environment_names_every_variable_and_no_secret(repository: Path, text: str) -> None:
    example = (repository / "deploy/.env.example").read_text(encoding="utf-8")
    empty = set(re.findall(r"^(\w+)=$", example, re.MULTILINE))
    named = empty | set(re.findall(r"^# (\w+)=", example, re.MULTILINE))
    used = {match[1]: match[2] for match in VARIABLE.finditer(text)}
    assert used.keys() <= named
    assert empty == {name for name, operator in used.items() if operator == ":?"}
    assert not re.findall(r"^\w+=.+$", example, re.MULTILINE), "the example sets nothing by itself"


def test_defaults_in_the_example_are_those_of_the_set(repository: Path, text: str) -> None:
    example = (repository / "deploy/.env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^# ((?!OPENAI)\w+)=(.*)$", example, re.MULTILINE))
    assert shown == dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))


def test_mounted_files_exist(repository: Path, services: dict[str, Service]) -> None:
    mounts = [volume for service in services.values() for volume in service.get("volumes", [])]
    sources = {mount.split(":")[0] for mount in mounts if mount.startswith("./")}
    assert sources
    for source in sources:
        assert (repository / source).exists(), source
    for mount in mounts:
        assert mount.startswith("postgresql-data:") or mount.endswith(":ro")


def test_scripts_parse_and_are_executable(repository: Path) -> None:
    scripts = sorted((repository / "deploy").rglob("*.sh"))
    assert len(scripts) == 3
    for script in scripts:
        assert script.stat().st_mode & 0o111
        subprocess.run(["sh", "-n", script], check=True, timeout=20)


def test_temporal_reads_its_dynamic_configuration(repository: Path, services: dict[str, Service]) -> None:
    temporal = services["temporal"]
    mounted = temporal["environment"]["DYNAMIC_CONFIG_FILE_PATH"].replace("/deploy/", "deploy/temporal/")
    settings = yaml.safe_load((repository / mounted).read_text(encoding="utf-8"))
    assert settings
    assert all(isinstance(values, list) and all("value" in entry for entry in values) for values in settings.values())


def test_what_it_tells_plangate_is_read_by_plangate(repository: Path, services: dict[str, Service]) -> None:
    packages = ("plangate", "plangate_tools", "workflows", "activities", "workers", "client")
    sources = [path.read_text(encoding="utf-8") for name in packages for path in (repository / name).rglob("*.py")]
    read = set(re.findall(r"PLANGATE_[A-Z_]+", "\n".join(sources)))
    read |= {f"PLANGATE_{field.upper()}" for field in Settings.model_fields}
    told = {name for service in OURS for name in services[service].get("environment", {})}
    others = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "OPENAI_API_KEY", "OPENAI_BASE_URL"}
    assert told - others <= read


def test_a_stop_leaves_time_to_hand_over(services: dict[str, Service]) -> None:
    worker = services["worker"]
    drain = float(worker["environment"]["PLANGATE_SHUTDOWN_SECONDS"])
    assert drain + 10 <= float(worker["stop_grace_period"].removesuffix("s"))


def test_the_commands_that_it_runs_exist(services: dict[str, Service]) -> None:
    plangate = Path(sys.executable).with_name("plangate")
    listed = subprocess.run([plangate, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    commands = {name: services[name]["command"] for name in OURS}
    assert {command[0] for command in commands.values()} <= set(re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE))
    command, *arguments = commands["offline-model"]
    help_ = subprocess.run([plangate, command, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert all(option in help_ for option in arguments if option.startswith("--"))
