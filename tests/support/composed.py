"""The compose file's system, built and run for tests under a name, keys and ports of its own."""

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from tests.support.docker import ROOT, compose_command
from tests.support.waiting import wait_until

from steward_stack.state import LIVE, State
from steward_stack.supervisor import PORTS, SERVICES, Endpoints, Stack, ready

PROJECT = "steward-test"
BUILD_SECONDS = 900
UP_SECONDS = 600
READY_SECONDS = 240
DOWN_SECONDS = 120
_POSTGRES_PASSWORD = "only-for-tests"


class Composed(Stack):
    """A stack whose parts run in containers; its state folder holds its keys, ports and addresses."""

    def __init__(self, state: State, console: Console) -> None:
        state.claim()
        state.logs.mkdir()
        state.settings((*PORTS, "postgres"))
        super().__init__(state, console, services=True, clock="system", world=LIVE)
        ports = self.settings.ports
        self._compose = compose_command()
        self._variables = state.folder / "compose.env"
        self._variables.write_text(
            "".join(f"{name}={value}\n" for name, value in self._chosen(ports).items())
        )
        self.endpoints = Endpoints(
            kafka=f"127.0.0.1:{ports['kafka']}",
            postgres=f"postgresql://steward:{_POSTGRES_PASSWORD}@127.0.0.1:{ports['postgres']}/postgres",
            services={name: f"http://127.0.0.1:{ports[name]}" for name in SERVICES},
            smtp="",
            sms=f"http://127.0.0.1:{ports['sms']}",
            logs=str(state.logs),
        )
        (state.folder / "endpoints.json").write_text(json.dumps(asdict(self.endpoints)))

    def up(self) -> None:
        """Build the images and start everything."""
        self._say("The images are built.")
        self._run("build", seconds=BUILD_SECONDS)
        self.down()  # what a killed run has left
        self._say("Everything is started in containers.")
        self._run("up", "--detach", seconds=UP_SECONDS)
        for name, url in self.endpoints.services.items():
            wait_until(partial(ready, url), READY_SECONDS, f"{name} is not ready in its container")

    def down(self) -> None:
        """End everything and forget its data."""
        self._run("down", "--volumes", "--remove-orphans", seconds=DOWN_SECONDS)

    def fetch(self) -> None:
        """Bring mails and logs here from the containers."""
        self.fetch_logs()
        packed = self._run("exec", "-T", "smtp-sink", "tar", "-C", "/tmp/mails", "-c", ".")
        with tarfile.open(fileobj=io.BytesIO(packed)) as mails:
            mails.extractall(self.world / "mails", filter="data")

    def fetch_logs(self) -> None:
        """Bring the logs here from the containers."""
        (self.state.logs / "compose.log").write_bytes(self._run("logs", "--no-color"))

    def _chosen(self, ports: dict[str, int]) -> dict[str, object]:
        settings = self.settings
        return {
            "STEWARD_MASTER_KEY": settings.master_key,
            "STEWARD_ADMIN_KEY": settings.admin_key,
            "STEWARD_POSTGRES_PASSWORD": _POSTGRES_PASSWORD,
            "STEWARD_RECEIPTS_TOKEN": settings.receipts_token,
            "STEWARD_SMTP": "smtp-sink:9025",
            "STEWARD_SMTP_TLS": "none",
            "STEWARD_SMS_ENDPOINT": "http://sms-stand-in:9100",
            "STEWARD_SMS_ACCESS_KEY_ID": settings.sms_key_id,
            "STEWARD_SMS_ACCESS_KEY_SECRET": settings.sms_key_secret,
            "STEWARD_VERSION": "test",
            **{f"STEWARD_{name.upper()}_PORT": ports[name] for name in SERVICES},
            "STEWARD_KAFKA_PORT": ports["kafka"],
            "STEWARD_POSTGRES_PORT": ports["postgres"],
            "STEWARD_SMS_PORT": ports["sms"],
        }

    def _run(self, *arguments: str, seconds: float = 60) -> bytes:
        own = ("--project-name", PROJECT, "--env-file", str(self._variables), "--profile", "test")
        # A variable of the environment would go before the file's.
        kept = {name: text for name, text in os.environ.items() if not name.startswith("STEWARD_")}
        try:
            done = subprocess.run(
                [*self._compose, *own, *arguments],
                cwd=ROOT,
                env=kept,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"compose {arguments[0]} took longer than {seconds} s.", pytrace=False)
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace")
            end = "\n".join(said.splitlines()[-40:])
            pytest.fail(
                f"compose {arguments[0]} failed; the end of what it said:\n{end}", pytrace=False
            )
        return done.stdout


@contextmanager
def composed_system() -> Iterator[Composed]:
    """Build and run the compose file's system, and end it whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="steward-compose-"))
    stack = Composed(State(folder / "state"), Console(stderr=True))
    try:
        stack.up()
        yield stack
    finally:
        try:
            if kept := os.environ.get("STEWARD_KEEP_LOGS"):
                stack.fetch_logs()
                shutil.copytree(stack.state.logs, kept, dirs_exist_ok=True)
        finally:
            stack.down()
            shutil.rmtree(folder)
