"""Back-ups of a stack's databases, and clusters that are made from them."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from tests.support.nursery import LAUNCHER

from steward_service.provision import DATABASES
from steward_stack.postgres import binaries_folder
from steward_stack.state import LIVE, State
from steward_stack.supervisor import Stack, running_stack

Dumps = Mapping[str, Path]
"""By the database's name, without `steward_`."""


@dataclass
class Installation:
    """One state folder whose stack is started and ended again and again."""

    folder: Path
    _dumps: Iterator[int] = field(default_factory=lambda: iter(range(1_000)))

    @property
    def state(self) -> State:
        return State(self.folder / "state")

    @contextmanager
    def up(self, *, services: bool = True) -> Iterator[Stack]:
        """Run its servers, and mostly its services, as long as the caller is inside."""
        console = Console(stderr=True)
        with running_stack(self.state, console, services=services, launcher=LAUNCHER) as stack:
            if not services:
                yield stack
                return
            with stack.mended():
                yield stack

    def dump(self, stack: Stack, names: Sequence[str] = DATABASES) -> Dumps:
        """Take back-ups of databases, one after the other, as they are just then."""
        folder = self.folder / f"dumps-{next(self._dumps)}"
        folder.mkdir()
        dumps = {name: folder / name for name in names}
        for name, path in dumps.items():
            _run(stack, "pg_dump", "-Fc", "-f", path, f"steward_{name}")
        return dumps

    def restore(self, stack: Stack, dumps: Dumps) -> None:
        """Put databases back as they were, in the cluster that runs."""
        for name, path in dumps.items():
            database = f"steward_{name}"
            _run(stack, "dropdb", "--if-exists", "--force", database)
            _run(stack, "createdb", database)
            _run(stack, "pg_restore", "--exit-on-error", "-d", database, path)

    def lose_cluster(self) -> None:
        """Lose PostgreSQL's data; the next start makes a cluster with nothing in it."""
        data = self.state.world(LIVE) / "postgres"
        shutil.rmtree(data.resolve())
        if data.is_symlink():
            data.unlink()

    def steward(self, *arguments: str) -> tuple[int, Any, str]:
        """Run the command as a user does: exit status, JSON, what it said beside it."""
        done = subprocess.run(
            [
                *(sys.executable, "-m", "steward_stack.cli", *arguments),
                *("--state", str(self.state.folder), "--json"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


@contextmanager
def installation() -> Iterator[Installation]:
    """An installation of the test's own, gone afterwards."""
    made = Installation(Path(tempfile.mkdtemp(prefix="steward-restored-")))
    try:
        yield made
    finally:
        if made.state.exists:
            made.state.remove()
        shutil.rmtree(made.folder)


def _run(stack: Stack, program: str, *arguments: str | Path) -> None:
    socket = stack.endpoints.postgres.partition("host=")[2]
    done = subprocess.run(
        [binaries_folder() / program, "-U", "steward", "-h", socket, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{program}: {done.stderr}"
