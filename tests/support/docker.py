"""Docker for tests: whether it is there, and the images that the project starts from."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN_IMAGES = "STEWARD_STAND_IN_IMAGES"
_STAND_IN_SECONDS = 900
_IMAGE = re.compile(r"^(?:FROM| +image:) +([a-z0-9/.-]+:[a-z0-9.-]+)\b", re.MULTILINE)


def base_images() -> list[str]:
    """Name the images that the Dockerfile and the compose file need from elsewhere."""
    text = "\n".join((ROOT / name).read_text() for name in ("Dockerfile", "docker-compose.yml"))
    return sorted(set(_IMAGE.findall(text)))


def demand_docker() -> None:
    """Demand a Docker that answers, with the base images where they cannot be pulled.

    The variable STEWARD_STAND_IN_IMAGES names a program that builds images under these names; it is
    run when one of them is missing. Raises pytest.UsageError with a sentence.
    """
    tool = os.environ.get(STAND_IN_IMAGES)
    if tool and (_why_no_docker() or not all(_is_there(image) for image in base_images())):
        try:
            done = subprocess.run(
                [tool], stdin=subprocess.DEVNULL, check=False, timeout=_STAND_IN_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise pytest.UsageError(f"{STAND_IN_IMAGES} cannot be run: {error}.") from None
        if done.returncode != 0:
            raise pytest.UsageError(f"{tool} could not build the images; it says above why.")
    if why := _why_no_docker():
        raise pytest.UsageError(why)


def compose_command() -> list[str]:
    """Give the compose that this machine has. Raises pytest.UsageError where there is none."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and _succeeds(*command, "version"):
            return command
    raise pytest.UsageError("Neither `docker compose` nor `docker-compose` is installed here.")


def _why_no_docker() -> str:
    if shutil.which("docker") is None:
        return "Docker is not installed here: there is no `docker` on the PATH."
    if not _succeeds("docker", "info"):
        return (
            "The Docker daemon does not run or may not be used by this account: see `docker info`."
        )
    return ""


def _is_there(image: str) -> bool:
    return _succeeds("docker", "image", "inspect", image)


def _succeeds(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
