"""The processes of one state folder, started so that none of them is ever forgotten.

spawn: sh waits at a gate --> recorded (pid, birth) --> gate opened --> exec of the program

A starter that dies before the record is written leaves a gate that never opens: `sh` then ends
by itself. A pid that the system has given to somebody else has another birth and is left alone.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import psutil

GATE = 'read -r go && exec "$@" </dev/null'


class Role(StrEnum):
    """What a process is to the stack; decides how and when it is ended."""

    SERVICE = "service"
    KAFKA = "kafka"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process is asked to end, and how many seconds it may take before it is killed."""

    signal: signal.Signals
    seconds: float


ENDINGS = {
    Role.SERVICE: Ending(signal.SIGTERM, 10),  # a service drains for 10 s at most
    Role.KAFKA: Ending(signal.SIGTERM, 4),
    Role.POSTGRES: Ending(signal.SIGINT, 4),  # "fast": open sessions are ended, nothing is lost
}

# Services first: they hand over to the servers what they still hold.
ORDER: tuple[tuple[Role, ...], ...] = ((Role.SERVICE,), (Role.KAFKA, Role.POSTGRES))


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was started, told apart from a later one with the same pid by its birth."""

    name: str
    role: Role
    pid: int
    birth: str

    @property
    def alive(self) -> bool:
        return birth(self.pid) == self.birth

    def send(self, number: signal.Signals) -> None:
        """Signal the whole session that the process leads."""
        if self.alive:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return

    def kill(self) -> list[psutil.Process]:
        """Kill it and its descendants, and give them: PostgreSQL's lead sessions of their own."""
        if not self.alive:
            return []
        try:
            descendants = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            descendants = []
        self.send(signal.SIGKILL)
        for each in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        return descendants


def birth(pid: int) -> str | None:
    """Say when a process began, in a form that no change of the wall clock moves; None if dead."""
    try:
        if Path("/proc/self/stat").exists():
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if state in "ZX":
                return None
            return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{fields[18]}"
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except (OSError, psutil.Error):
        return None


class Processes:
    """The record of what runs, kept in a file that outlives whoever wrote it."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def recorded(self) -> list[Process]:
        try:
            entries = json.loads(self._record.read_text())
        except FileNotFoundError:
            return []
        return [Process(**{**entry, "role": Role(entry["role"])}) for entry in entries]

    def spawn(
        self,
        name: str,
        role: Role,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        user: int | None = None,
        group: int | None = None,
    ) -> Process:
        """Start a program in a session of its own; what it prints is appended to `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            gate = subprocess.Popen(
                ["/bin/sh", "-c", GATE, name, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=None if group is None else [],
            )
        _CHILDREN[gate.pid] = gate
        process = self.adopt(name, role, gate.pid)
        if gate.stdin is not None:
            gate.stdin.write(b"go\n")
            gate.stdin.close()
        return process

    def adopt(self, name: str, role: Role, pid: int) -> Process:
        """Write down a process that leads a session of its own, in the place of one that ended.

        It may have ended itself by now: then it is not alive, as whoever asks is told.
        """
        process = Process(name, role, pid, birth(pid) or "")
        others = [other for other in self.recorded() if other.name != name]
        self._write([*others, process])
        return process

    def end(self, processes: Iterable[Process] | None = None) -> list[str]:
        """End what is recorded, or just these, in order; answers the names of those it ended."""
        chosen = self.recorded() if processes is None else list(processes)
        ended = [process.name for process in chosen if process.alive]
        for roles in ORDER:
            _end_together([process for process in chosen if process.role in roles])
        self._write([process for process in self.recorded() if process.alive])
        return ended

    def _write(self, processes: Sequence[Process]) -> None:
        draft = self._record.with_suffix(".new")
        draft.write_text(json.dumps([asdict(process) for process in processes], indent=1))
        draft.replace(self._record)


_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
"""Our own children, so that a dead one is reaped and does not stay as a zombie."""


def reap() -> None:
    """Take note of our children that have ended."""
    # Copied first: a second stack of ours may start or end its own beside us, in another thread.
    for pid in [pid for pid in list(_CHILDREN) if birth(pid) is None]:
        child = _CHILDREN.pop(pid, None)
        if child is not None:
            # Waited for, not asked: the threads of a dead one, as of Kafka's, may end a moment later.
            child.wait()


def _end_together(processes: Sequence[Process]) -> None:
    began = time.monotonic()
    for process in processes:
        process.send(ENDINGS[process.role].signal)
    killed: list[psutil.Process] = []
    for process in processes:
        while process.alive and time.monotonic() - began < ENDINGS[process.role].seconds:
            time.sleep(0.02)
            reap()
        killed += process.kill()
    while any(process.alive for process in processes):
        time.sleep(0.01)
        reap()
    psutil.wait_procs(killed)
    reap()
