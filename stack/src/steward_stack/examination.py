"""What `steward doctor` looks at."""

import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from steward_stack.errors import StewardError
from steward_stack.jars import FREE_BYTES_NEEDED, KAFKA, cache_folder, locked_jars
from steward_stack.kafka import OLDEST_JAVA, find_java, java_version
from steward_stack.postgres import Postgres
from steward_stack.state import LIVE, State


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and what a person should know of it."""

    check: str
    ok: bool
    says: str
    cure: str = ""
    """What to do about it; empty where all is well."""


def examine(state: State) -> list[Finding]:
    """Look at all that the stack needs; changes nothing."""
    return [_java(), _kafka(), _postgres(state), _disk(state), *_ports(state), _state(state)]


def _java() -> Finding:
    java = find_java()
    version = java_version(java)
    if version is None or version < OLDEST_JAVA:
        return Finding(
            "Java",
            ok=False,
            says=f"{java} does not run.",
            cure="Install Java 17 or newer, or unset JAVA_HOME: a runtime comes with the packages.",
        )
    return Finding("Java", ok=True, says=f"{java} is Java {version}.")


def _kafka() -> Finding:
    folder = cache_folder() / KAFKA
    missing = sum(not (folder / jar.filename).is_file() for jar in locked_jars())
    says = f"{missing} files will be fetched at the next start." if missing else "All files are"
    return Finding("Kafka", ok=True, says=says if missing else f"{says} in {folder}.")


def _postgres(state: State) -> Finding:
    try:
        version = Postgres(
            state.world(LIVE) / "postgres", state.folder / "socket", state.logs
        ).version()
    except StewardError as error:
        return Finding("PostgreSQL", ok=False, says=str(error), cure="Install anew: `make .venv`.")
    return Finding("PostgreSQL", ok=True, says=f"{version}.")


def _disk(state: State) -> Finding:
    existing = next(path for path in (state.folder, *state.folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    says = f"{free / 10**9:.1f} GB are free; 2 GB are needed."
    if free >= FREE_BYTES_NEEDED:
        return Finding("disk", ok=True, says=says)
    cure = "Make room, or name a folder on another disk with --state."
    return Finding("disk", ok=False, says=says, cure=cure)


def _ports(state: State) -> Iterator[Finding]:
    if state.supervisor is not None:
        yield Finding("ports", ok=True, says="Our own processes have them.")
        return
    taken = []
    for name, port in state.known_ports().items():
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                taken.append(f"{name} ({port})")
    if taken:
        says = f"Somebody else has {', '.join(taken)}; the next start takes others."
        yield Finding("ports", ok=True, says=says)
    else:
        yield Finding("ports", ok=True, says="All are free.")


def _state(state: State) -> Finding:
    if not state.exists:
        return Finding("state", ok=True, says=f"{state.folder} is made at the first start.")
    if (pid := state.supervisor) is not None:
        return Finding("state", ok=True, says=f"Steward runs (process {pid}).")
    if left := [process.name for process in state.processes.recorded() if process.alive]:
        says = f"{', '.join(left)} were left running."
        return Finding("state", ok=False, says=says, cure="End them: `steward down`.")
    try:
        state.check_version()
    except StewardError as error:
        cure = "Keep what you need of it, then `steward up --fresh`."
        return Finding("state", ok=False, says=str(error), cure=cure)
    return Finding("state", ok=True, says=f"{state.folder} is in order; nothing runs.")
