"""A stack that runs on by itself."""

import signal
import subprocess
import sys
import time

import typer
from rich.console import Console

from steward_stack.errors import StewardError
from steward_stack.state import State

DETACHED_SECONDS = 300.0


def detach(
    state: State, console: Console, *, fresh: bool = False, servers_only: bool = False
) -> None:
    """Start a stack that stays when we end, and wait until it is ready."""
    state.claim()
    log = state.folder / "supervisor.log"
    with log.open("wb") as output:
        options = [*(["--fresh"] * fresh), *(["--servers-only"] * servers_only)]
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "steward_stack.cli", "up", "--state", state.folder, *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + DETACHED_SECONDS
    with log.open() as progress:
        while not (state.supervisor == supervisor.pid and state.is_up):
            sys.stderr.write(progress.read())
            if (status := supervisor.poll()) is not None:
                sys.stderr.write(progress.read())
                raise typer.Exit(status)
            if time.monotonic() > deadline:
                supervisor.send_signal(signal.SIGTERM)
                raise StewardError(f"Steward was not up in time; {log} says how far it came.")
            time.sleep(0.05)
        sys.stderr.write(progress.read())
    console.print("Steward is up; `steward down` ends it.")
