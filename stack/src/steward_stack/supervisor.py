"""Starts, mends and ends everything that the local stack consists of.

held state --> Kafka, PostgreSQL --> provisioned --> stand-ins, services --> ready
                                                                              |
           nothing left <-- Kafka, PostgreSQL <-- services <------------------+ Ctrl-C, SIGTERM
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from rich.console import Console

from steward_stack.errors import StewardError
from steward_stack.jars import demand_space
from steward_stack.kafka import Kafka
from steward_stack.postgres import Postgres
from steward_stack.processes import Process, Role, reap
from steward_stack.state import LIVE, Settings, State

SERVICES = ("intake", "sla", "visits", "notify", "audit")
STAND_INS = ("smtp_sink", "sms_stand_in")
RECEIPTS_PATH = "/v1/receipts/aliyun"
PORTS = ("kafka", "kafka-controller", *SERVICES, "smtp", "sms")
PARTITIONS = 6
START_SECONDS = 120.0
RESTARTS = 5
RESTARTS_SECONDS = 30.0
MEND_SECONDS = 0.2
LISTEN_SECONDS = 10.0
DEAF_SECONDS = 60.0
"""So long may Kafka answer without keeping what groups have heard; it loads their offsets anew after a
kill, which takes seconds, but has been seen never to end."""

Launcher = Callable[[str, Sequence[str], Mapping[str, str], Path], int]
"""Starts a Python program otherwise than anew, in a session of its own: by name, its arguments
after `python`, its variables and its log; gives its pid."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the parts of a running stack are reached."""

    kafka: str
    postgres: str
    services: dict[str, str]
    smtp: str
    sms: str
    logs: str

    def database(self, name: str) -> str:
        """Give the address of one of Steward's databases: a service's, `keys` or `clock`."""
        return urlunsplit(urlsplit(self.postgres)._replace(path=f"/steward_{name}"))


class Stack:
    """A running local stack."""

    def __init__(
        self,
        state: State,
        console: Console,
        *,
        services: bool,
        clock: str,
        world: str,
        launcher: Launcher | None = None,
    ) -> None:
        self.state = state
        self.world = state.world(world)
        self.settings: Settings = state.settings(PORTS)
        self._console = console
        self._clock = clock
        self._launcher = launcher
        self._names = SERVICES if services else ()
        self._restart: dict[str, Callable[[], Process]] = {}
        self._running: dict[str, Process] = {}
        self._deaths: dict[str, list[float]] = {}
        self._deaf: tuple[Process, float] | None = None
        ports = self.settings.ports
        self.kafka = Kafka(
            self.world / "kafka", self._log("kafka"), ports["kafka"], ports["kafka-controller"]
        )
        self._postgres = Postgres(
            self.world / "postgres", state.folder / "socket", self._log("postgres")
        )
        self.endpoints: Endpoints

    def start(self) -> None:
        """Start everything and wait until it is ready."""
        began = time.monotonic()
        self.world.mkdir(parents=True, exist_ok=True)
        demand_space(self.world)
        outside = {name: os.environ.get(name) for name in ("STEWARD_KAFKA", "STEWARD_POSTGRES")}
        if not outside["STEWARD_KAFKA"]:
            self._begin("kafka", lambda: self.kafka.start(self.state.processes, self._console))
        if not outside["STEWARD_POSTGRES"]:
            self._begin("postgres", lambda: self._postgres.start(self.state.processes))
        if "postgres" in self._running:
            self._postgres.wait(self._running["postgres"])
        if "kafka" in self._running:
            self.kafka.wait(self._running["kafka"])
        ports = self.settings.ports
        self.endpoints = Endpoints(
            kafka=outside["STEWARD_KAFKA"] or self.kafka.bootstrap,
            postgres=outside["STEWARD_POSTGRES"] or self._postgres.dsn,
            services={name: f"http://127.0.0.1:{ports[name]}" for name in self._names},
            smtp=f"127.0.0.1:{ports['smtp']}",
            sms=f"http://127.0.0.1:{ports['sms']}",
            logs=str(self.state.logs),
        )
        self._say(f"Apache Kafka and PostgreSQL are up after {time.monotonic() - began:.1f} s.")
        if self._names:
            self._provision()
            self._start_services()
            self._say(f"All services are ready after {time.monotonic() - began:.1f} s.")
        text = json.dumps(asdict(self.endpoints), indent=1)
        # Whoever looks sees all of it or nothing.
        draft = self.state.folder / "endpoints.json.new"
        draft.write_text(text)
        draft.replace(self.state.folder / "endpoints.json")

    def environment(self, name: str = "") -> dict[str, str]:
        """Give the variables by which a service finds its servers, its keys and its port."""
        variables = {
            "STEWARD_KAFKA": self.endpoints.kafka,
            "STEWARD_POSTGRES": self.endpoints.postgres,
            "STEWARD_CLOCK": self._clock,
            "STEWARD_PARTITIONS": str(PARTITIONS),
            "STEWARD_MASTER_KEY": self.settings.master_key,
            "STEWARD_ADMIN_KEY": self.settings.admin_key,
            "STEWARD_HTTP_HOST": "127.0.0.1",
        }
        if name in SERVICES:
            variables["STEWARD_HTTP_PORT"] = str(self.settings.ports[name])
        if name == "notify":
            variables |= {
                "STEWARD_SMTP": self.endpoints.smtp,
                "STEWARD_SMTP_TLS": "none",
                "STEWARD_SMS_ENDPOINT": self.endpoints.sms,
                "STEWARD_SMS_ACCESS_KEY_ID": self.settings.sms_key_id,
                "STEWARD_SMS_ACCESS_KEY_SECRET": self.settings.sms_key_secret,
                "STEWARD_RECEIPTS_TOKEN": self.settings.receipts_token,
            }
        if name == "sms_stand_in":
            # Not among its arguments: everybody on this machine may read those.
            receipts = f"http://127.0.0.1:{self.settings.ports['notify']}{RECEIPTS_PATH}"
            variables |= {
                "STEWARD_SMS_ACCESS_KEY_SECRET": self.settings.sms_key_secret,
                "STEWARD_SMS_REPORT_URL": f"{receipts}/{self.settings.receipts_token}",
            }
        if name == "audit":
            variables["STEWARD_PEERS"] = json.dumps(self.endpoints.services)
        return {**os.environ, **variables}

    def mend(self) -> None:
        """Start again what has ended by itself; gives up on what keeps ending."""
        reap()
        for name, process in list(self._running.items()):
            if process.alive:
                continue
            now = time.monotonic()
            recent = [at for at in self._deaths.get(name, []) if now - at < RESTARTS_SECONDS]
            self._deaths[name] = [*recent, now]
            if len(recent) >= RESTARTS:
                raise self._failure(f"{name} keeps ending", name)
            self._say(f"{name} has ended by itself and is started again.")
            self._running[name] = self._restart[name]()

    def listen(self) -> None:
        """End a Kafka that answers and lets nobody hear: it is then started again, as all that ends."""
        kafka = self._running.get("kafka")
        if kafka is None or not self.kafka.is_deaf():
            self._deaf = None
        elif self._deaf is None or self._deaf[0] != kafka:
            self._deaf = kafka, time.monotonic()
        elif time.monotonic() - self._deaf[1] >= DEAF_SECONDS:
            self._say(f"Kafka has let no group hear for {DEAF_SECONDS:.0f} s and is ended.")
            self._deaf = None
            kafka.kill()

    @contextmanager
    def mended(self) -> Iterator[None]:
        """Keep everything running while the caller does something else with the stack."""
        done = threading.Event()
        failure: list[Exception] = []
        main_thread = threading.get_ident()

        def keep(act: Callable[[], None], seconds: float) -> None:
            try:
                while not done.wait(seconds):
                    act()
            except Exception as error:
                failure.append(error)
                signal.pthread_kill(main_thread, signal.SIGINT)

        keeper = threading.Thread(target=keep, args=(self.mend, MEND_SECONDS), daemon=True)
        keeper.start()
        # Not waited for at the end: it may be waiting for an answer of Kafka.
        threading.Thread(target=keep, args=(self.listen, LISTEN_SECONDS), daemon=True).start()
        try:
            yield
        except KeyboardInterrupt:
            if not failure:
                raise
        finally:
            done.set()
            keeper.join()
        if failure:
            raise failure[0]

    def stop(self) -> None:
        """End everything, services first; takes 15 s at most."""
        self._running.clear()
        self.state.processes.end()
        self._postgres.forget_socket()
        (self.state.folder / "endpoints.json").unlink(missing_ok=True)

    def _provision(self) -> None:
        """Make databases, tables and topics."""
        log = self._log("provision")
        with log.open("ab") as output:
            done = subprocess.run(
                [sys.executable, "-m", "steward_service.provision"],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        if done.returncode != 0:
            raise self._failure("The databases and topics cannot be made", "provision")

    def _start_services(self) -> None:
        arguments = {name: ["-m", f"steward_{name}"] for name in self._names}
        for name, options in self._stand_in_options().items():
            arguments[name] = ["-m", f"steward_stack.{name}", *options]
        for name, after_python in arguments.items():
            self._begin(name, partial(self._spawn_service, name, after_python))
        deadline = time.monotonic() + START_SECONDS
        for name, url in self.endpoints.services.items():
            while not ready(url):
                if not self._running[name].alive or time.monotonic() > deadline:
                    raise self._failure(f"{name} did not start", name)
                time.sleep(0.05)

    def _stand_in_options(self) -> dict[str, list[str]]:
        """Tell the mail sink and the SMS stand-in where to listen and what to keep."""
        ports = self.settings.ports
        return {
            "smtp_sink": ["--port", str(ports["smtp"]), "--dir", str(self.world / "mails")],
            "sms_stand_in": [
                *("--port", str(ports["sms"]), "--log", str(self.world / "texts.jsonl")),
                *("--access-key-id", self.settings.sms_key_id),
            ],
        }

    def _spawn_service(self, name: str, arguments: Sequence[str]) -> Process:
        log = self._log(name)
        if self._launcher is not None:
            pid = self._launcher(name, arguments, self.environment(name), log)
            return self.state.processes.adopt(name, Role.SERVICE, pid)
        return self.state.processes.spawn(
            name,
            Role.SERVICE,
            [sys.executable, *arguments],
            env=self.environment(name),
            cwd=self.state.folder,
            log=log,
        )

    def _begin(self, name: str, start: Callable[[], Process]) -> None:
        self._restart[name] = start
        self._running[name] = start()

    def _log(self, name: str) -> Path:
        return self.state.logs / f"{name}.log"

    def _failure(self, what: str, name: str) -> StewardError:
        """What failed, with the last line that it wrote: what cannot start ends with the reason."""
        log = self._log(name)
        with log.open(errors="replace") as written:
            last = "".join(deque(written, 1)).strip()
        return StewardError(f"{what}: {last or 'it wrote nothing.'} (all of it: {log})")

    def _say(self, sentence: str) -> None:
        self._console.print(sentence, soft_wrap=True, highlight=False)


@contextmanager
def running_stack(
    state: State,
    console: Console,
    *,
    services: bool = True,
    clock: str = "system",
    world: str = LIVE,
    fresh: bool = False,
    launcher: Launcher | None = None,
) -> Iterator[Stack]:
    """Start a stack and end it, whatever happens in between; `fresh` forgets its world first.

    Raises RunningAlreadyError when another process runs it, StewardError when it cannot start.
    """
    with state.held(fresh=state.world(world) if fresh else None), state.watched():
        stack = Stack(
            state, console, services=services, clock=clock, world=world, launcher=launcher
        )
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def ready(url: str) -> bool:
    """Ask a service whether it is ready."""
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def endpoints_of(state: State) -> Endpoints | None:
    """Read where a stack that is up can be reached; None while it is not up."""
    try:
        entries: Mapping[str, object] = json.loads((state.folder / "endpoints.json").read_text())
    except FileNotFoundError:
        return None
    return Endpoints(**entries)  # type: ignore[arg-type]


def endpoints_of_running(state: State) -> Endpoints:
    """Read where a stack that is up can be reached; raises StewardError while it is not up."""
    endpoints = endpoints_of(state)
    if endpoints is None:
        raise StewardError("Steward is not running: `steward up` starts it.")
    return endpoints
