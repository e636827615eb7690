"""Apache Kafka's jars: the very ones named in kafka-4.3.1.lock, fetched once and checked."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import requests
from jgo.maven import MavenContext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from steward_stack.errors import StewardError

KAFKA = "kafka-4.3.1"
FREE_BYTES_NEEDED = 2 * 10**9
ATTEMPTS = 3


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
        if (free := shutil.disk_usage(folder).free) < FREE_BYTES_NEEDED:
            raise StewardError(
                f"{folder} has {free / 10**9:.1f} GB free, and Steward needs 2 GB for Apache "
                "Kafka and its data."
            )
        _fetch(missing, folder, console)
    return folder


def _fetch(missing: list[Jar], folder: Path, console: Console) -> None:
    console.print(
        f"Fetching Apache Kafka 4.3.1: {len(missing)} files into {folder}.", soft_wrap=True
    )
    # `requests` does not know the variable that everything else here reads.
    if "SSL_CERT_FILE" in os.environ:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", os.environ["SSL_CERT_FILE"])
    columns = (TextColumn("Apache Kafka"), BarColumn(), MofNCompleteColumn())
    with (
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as scratch,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ThreadPoolExecutor(max_workers=8) as threads,
    ):
        task = progress.add_task("", total=len(missing))
        fetches = [threads.submit(_fetch_one, jar, Path(scratch), folder) for jar in missing]
        try:
            for fetch in as_completed(fetches):
                with _explained():
                    fetch.result()
                progress.advance(task)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _fetch_one(jar: Jar, scratch: Path, folder: Path) -> None:
    # jgo must resolve no dependencies here: it would put another kafka-clients beside Kafka.
    for attempt in range(1, ATTEMPTS + 1):
        context = MavenContext(repo_cache=scratch / str(attempt), timeout=30)
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        try:
            fetched = component.artifact().resolve()
        except (requests.ConnectionError, requests.Timeout):
            if attempt == ATTEMPTS:
                raise
            continue
        if hashlib.sha256(fetched.read_bytes()).hexdigest() == jar.sha256:
            fetched.replace(folder / jar.filename)
            return
    raise StewardError(
        f"{jar.filename} was fetched {ATTEMPTS} times and never had the checksum of {KAFKA}.lock."
    )


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except requests.exceptions.ProxyError as error:
        raise StewardError(
            "Apache Kafka cannot be fetched because the proxy named in HTTPS_PROXY does not answer."
        ) from error
    except requests.exceptions.SSLError as error:
        raise StewardError(
            "Apache Kafka cannot be fetched because the server's certificate is not trusted: "
            "behind a TLS proxy, let SSL_CERT_FILE name its certificates."
        ) from error
    except requests.RequestException as error:
        raise StewardError(
            "Apache Kafka cannot be fetched because Maven Central cannot be reached: connect this "
            "machine once, or set HTTPS_PROXY; what was fetched so far is kept."
        ) from error
    except RuntimeError as error:
        raise StewardError(f"Apache Kafka cannot be fetched: {error}.") from error
    except OSError as error:
        raise StewardError(f"Apache Kafka cannot be stored: {error}.") from error
