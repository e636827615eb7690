"""The state folder: everything that a local stack keeps between two starts.

.steward/
  version           the layout of this folder
  lock              held by whoever runs the stack
  supervisor.json   who that is; its log when it runs detached
  processes.json    what it has started
  settings.json     ports and keys, chosen once
  endpoints.json    where a stack that is up is reached
  logs/
  worlds/<name>/    one history: kafka/ postgres/ mails/ texts.jsonl

One world runs at a time: `live` on the system clock, or a play's own on a stepped one. So a play
neither meets another one's clock nor mixes its cases with those of people.
"""

import base64
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from steward_stack.errors import StewardError
from steward_stack.processes import Processes, birth

VERSION = "3"
LIVE = "live"
TAKEOVER_SECONDS = 20.0
NOTHING_LEFT = b"nothing left"


class RunningAlreadyError(StewardError):
    """Another process runs the stack of this folder."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is chosen at the first start and stays: keys, and ports as long as they are free."""

    master_key: str
    admin_key: str
    sms_key_id: str
    sms_key_secret: str
    receipts_token: str
    ports: dict[str, int]


class State:
    """One state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        for place in (self.folder, *self.folder.parents):
            if os.path.isfile(place):  # unlike Path's, it says no where it may not look
                raise StewardError(f"The state folder {folder} cannot be used: {place} is a file.")
        self.logs = self.folder / "logs"
        self.processes = Processes(self.folder / "processes.json")
        self._supervisor = self.folder / "supervisor.json"
        self._ports: ExitStack | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a state, of whatever version."""
        try:
            return (self.folder / "version").is_file()
        except PermissionError as error:
            raise StewardError(
                f"The state folder {self.folder} belongs to another account: run as that account, "
                "or name another folder with --state."
            ) from error

    @property
    def is_up(self) -> bool:
        """Whether a stack runs that has been started to the end."""
        return self.supervisor is not None and (self.folder / "endpoints.json").is_file()

    def world(self, name: str) -> Path:
        """Give the folder of one world."""
        return self.folder / "worlds" / name

    @contextmanager
    def held(self, *, fresh: Path | None = None) -> Iterator[list[str]]:
        """Hold the folder for ourselves; what a killed holder left running is ended first.

        Gives the names of what was left. `fresh` is a world that is emptied, or the whole folder;
        the state of another version is always emptied whole. Raises RunningAlreadyError while
        another holder lives.
        """
        self.claim()
        with (self.folder / "lock").open("w") as lock:
            deadline = time.monotonic() + TAKEOVER_SECONDS
            while not _locked(lock.fileno()):
                # The watcher of a killed holder has the lock while it ends what was left.
                if (pid := self.supervisor) is not None or time.monotonic() > deadline:
                    raise RunningAlreadyError(
                        f"Steward is running already in {self.folder} (process {pid}): "
                        "`steward status` says where to look, `steward down` ends it."
                    )
                time.sleep(0.05)
            (self.folder / "endpoints.json").unlink(missing_ok=True)
            ended = self.processes.end()
            if fresh is not None:
                self._wipe(fresh)
            self.check_version()
            self.logs.mkdir(exist_ok=True)
            us = {"pid": os.getpid(), "birth": birth(os.getpid())}
            self._supervisor.write_text(json.dumps(us))
            try:
                with ExitStack() as self._ports:
                    yield ended
            finally:
                self._ports = None
                self._supervisor.unlink(missing_ok=True)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Have a second process that ends ours should we be killed."""
        watcher = subprocess.Popen(
            [sys.executable, "-m", "steward_stack.watcher", self.folder, str(os.getpid())],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield
        finally:
            if self.processes.recorded():
                # Ending failed: the watcher goes on once we are gone, so we must not wait for it.
                watcher.stdin.close()  # type: ignore[union-attr]  # it is a pipe
            else:
                watcher.communicate(NOTHING_LEFT)

    def end_leftovers(self, holder: int) -> None:
        """End what a killed holder has left, unless somebody else holds the folder by now."""
        with (self.folder / "lock").open("w") as lock:
            # The system closes a dying process's files one after the other: our pipe, then the lock.
            while self.supervisor in (None, holder):
                if _locked(lock.fileno()):
                    self.processes.end()
                    return
                time.sleep(0.05)

    @property
    def supervisor(self) -> int | None:
        """The pid of the living process that runs the stack, if there is one."""
        try:
            holder = json.loads(self._supervisor.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        pid = int(holder["pid"])
        return pid if birth(pid) == holder["birth"] else None

    def settings(self, port_names: tuple[str, ...]) -> Settings:
        """Give the settings; a port that somebody else has taken since is replaced.

        While the folder is held nobody else is given them, whether they are listened on yet or not.
        """
        try:
            settings = Settings(**json.loads((self.folder / "settings.json").read_text()))
        except FileNotFoundError:
            settings = Settings(
                master_key=base64.b64encode(secrets.token_bytes(32)).decode(),
                admin_key=f"sk_{secrets.token_urlsafe(24)}",
                sms_key_id=f"local{secrets.token_hex(8)}",
                sms_key_secret=secrets.token_urlsafe(24),
                receipts_token=secrets.token_urlsafe(24),
                ports={},
            )
        known = settings.ports
        with ExitStack() as until_chosen:
            held = _held_ports(port_names, known, self._ports or until_chosen)
            settings = replace(settings, ports=known | held)
        if settings.ports != known:
            self._write_private("settings.json", json.dumps(asdict(settings), indent=1))
        return settings

    def claim(self) -> None:
        """Make the folder ours; refuses one that holds something else."""
        if self.exists:
            return
        try:
            if self.folder.exists() and any(self.folder.iterdir()):
                raise StewardError(
                    f"{self.folder} holds files but no state of Steward: name another folder "
                    "with --state."
                )
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.folder / "version").write_text(f"{VERSION}\n")
        except OSError as error:
            raise StewardError(
                f"The state folder {self.folder} cannot be used: {error.strerror}."
            ) from error

    def check_version(self) -> None:
        """Refuse a state that another version has made."""
        if (found := self._version()) != VERSION:
            raise StewardError(
                f"The state in {self.folder} has version {found} and this program needs version "
                f"{VERSION}: start anew with --fresh, or name another folder with --state."
            )

    def known_ports(self) -> dict[str, int]:
        """Give the ports that were chosen at an earlier start."""
        try:
            ports: dict[str, int] = json.loads((self.folder / "settings.json").read_text())["ports"]
        except FileNotFoundError:
            return {}
        return ports

    def stop(self, seconds: float) -> bool:
        """End the stack of this folder, and what a killed one has left; says if there was any.

        A holder gets as many seconds to end in order before it is killed.
        """
        if (pid := self.supervisor) is None:
            with self.held() as ended:
                return bool(ended)
        began = birth(pid)
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while began is not None and birth(pid) == began:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        with self.held():
            return True

    def remove(self) -> None:
        """End what runs and remove the folder with all that belongs to it."""
        with self.held(fresh=self.folder):
            shutil.rmtree(self.folder)

    def _version(self) -> str:
        return (self.folder / "version").read_text().strip()

    def _wipe(self, world: Path) -> None:
        if world != self.folder and self._version() == VERSION:
            _empty(world)
            return
        for each in self.world("any").parent.glob("*"):
            _empty(each)
        _empty(self.folder, but=("lock", "supervisor.log"))
        (self.folder / "version").write_text(f"{VERSION}\n")

    def _write_private(self, name: str, text: str) -> None:
        draft = self.folder / f"{name}.new"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        draft.replace(self.folder / name)


def _empty(folder: Path, but: Collection[str] = ()) -> None:
    for entry in folder.glob("*"):
        if entry.name in but:
            continue
        if entry.is_symlink():  # PostgreSQL's socket, and its data when we are root
            shutil.rmtree(entry.resolve(), ignore_errors=True)
            entry.unlink()
        elif entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held_ports(
    names: tuple[str, ...], known: dict[str, int], holding: ExitStack
) -> dict[str, int]:
    """Choose ports of the loopback address that are free and differ from each other, and hold them.

    Who asks the system for any port is not given one that is bound; who was told of it may listen.
    """
    bound = [holding.enter_context(_bound(known.get(name, 0))) for name in names]
    return {name: one.getsockname()[1] for name, one in zip(names, bound, strict=True)}


def _bound(port: int) -> socket.socket:
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        return _bound(0)
    return held
