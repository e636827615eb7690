"""What the compose file asks for is explained, and its secrets can be made."""

import base64
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.support.docker import ROOT, base_images, demand_docker

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
ONLY_FOR_TESTS = {"STEWARD_SMS_PORT"}


def variables(text: str) -> dict[str, str]:
    """Read the lines of an .env file."""
    return dict(re.findall(r"^(STEWARD_\w+)=(.*)$", text, re.MULTILINE))


def test_every_variable_of_the_compose_file_is_explained_and_none_has_a_secret() -> None:
    asked = set(re.findall(r"\$\{(STEWARD_\w+)", COMPOSE))
    assert set(variables(EXAMPLE)) == asked - ONLY_FOR_TESTS
    assert not any(variables(EXAMPLE).values())


def test_nothing_listens_beyond_this_machine() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_only_images_of_a_pinned_version_are_used() -> None:
    assert {image.split(":")[0] for image in base_images()} == {
        "apache/kafka",
        "postgres",
        "python",
    }


def test_keys_are_made_once_and_are_private(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)
    subprocess.run([ROOT / "stack" / "keys"], cwd=tmp_path, capture_output=True, check=True)
    made = tmp_path / ".env"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    kept = made.read_text()
    secrets = variables(kept)
    assert len(base64.b64decode(secrets["STEWARD_MASTER_KEY"], validate=True)) == 32
    assert len(secrets["STEWARD_ADMIN_KEY"]) >= 24
    assert len(secrets["STEWARD_RECEIPTS_TOKEN"]) >= 16
    assert secrets["STEWARD_POSTGRES_PASSWORD"].isalnum()
    again = subprocess.run(
        [ROOT / "stack" / "keys"], cwd=tmp_path, capture_output=True, check=False
    )
    assert again.returncode == 1
    assert made.read_text() == kept


def test_without_docker_it_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEWARD_STAND_IN_IMAGES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.UsageError, match=r"^Docker is not installed here: .*\.$"):
        demand_docker()
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\nexit 1\n")
    client.chmod(0o755)
    with pytest.raises(pytest.UsageError, match=r"^The Docker daemon does not run .*\.$"):
        demand_docker()
