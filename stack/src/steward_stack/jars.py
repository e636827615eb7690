"""Apache Kafka's jars: the very ones named in kafka-4.3.1.lock, fetched once and checked."""

import os
import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rich.console import Console

from steward_stack.errors import StewardError

KAFKA = "kafka-4.3.1"
FREE_BYTES_NEEDED = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of Kafka and what it must hash to."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def locked_jars() -> list[Jar]:
    """Read the jars that Kafka consists of, from the lock that comes with this package."""
    text = resources.files("steward_stack").joinpath(f"{KAFKA}.lock").read_text()
    jars = []
    for line in text.splitlines():
        coordinates, checksum = line.split(" sha256:")
        group, artifact, version = coordinates.split(":")
        jars.append(Jar(group, artifact, version, checksum))
    return jars


def cache_folder() -> Path:
    """Say where downloads are kept: shared by all checkouts of a user."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "steward"


def demand_space(folder: Path) -> None:
    """Refuse a disk that would soon be full; raises StewardError."""
    if (free := shutil.disk_usage(folder).free) < FREE_BYTES_NEEDED:
        raise StewardError(
            f"{folder} has {free / 10**9:.1f} GB free, and Steward needs 2 GB for Apache "
            "Kafka and its data."
        )


def kafka_jars(console: Console) -> Path:
    """Give the folder with all of Kafka's jars and nothing else; fetches those that are missing.

    Each jar is put there whole, after its checksum, so an interrupted fetch goes on where it was.
    """
    folder = cache_folder() / KAFKA
    missing = [jar for jar in locked_jars() if not (folder / jar.filename).is_file()]
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StewardError(
                f"The download cache {folder} cannot be written: {error.strerror}."
            ) from error
        demand_space(folder)
        from steward_stack.maven import fetch  # slow to import, and needed once

        fetch(missing, folder, console)
    return folder
