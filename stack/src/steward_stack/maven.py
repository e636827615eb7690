"""Fetches jars from Maven Central, eight at a time."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import requests
from jgo.maven import MavenContext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from steward_stack.errors import StewardError
from steward_stack.jars import KAFKA, Jar

ATTEMPTS = 3


def fetch(missing: list[Jar], folder: Path, console: Console) -> None:
    """Put each jar into the folder, whole and checked; raises StewardError when it cannot be had."""
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
