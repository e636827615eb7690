"""Whole processes: they start, say when they are ready, end in order, and survive being killed."""

import asyncio
import base64
import itertools
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from pydantic_core import from_json
from tests.integration.service_kafka.conftest import Workshop
from tests.support.eventstore import migrated
from tests.support.ports import free_port
from tests.support.prepared import with_keys
from tests.support.stack import RUN
from tests.support.waiting import until

from steward_service.provision import make_databases
from steward_service.settings import ServiceSettings

_numbers = itertools.count(1)
_ROOT = Path(__file__).parents[3]


@dataclass
class Town:
    """Example services of this test, each with a database, a topic and a port."""

    workshop: Workshop
    admin_dsn: str
    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    def environment(self, port: int = 0, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "STEWARD_KAFKA": self.workshop.kafka,
            "STEWARD_POSTGRES": self.admin_dsn,
            "STEWARD_MASTER_KEY": base64.b64encode(bytes(32)).decode(),
            "STEWARD_HTTP_PORT": str(port),
            "STEWARD_LOG_LEVEL": "WARNING",
            # What the tests themselves import comes first.
            "PYTHONPATH": os.pathsep.join([*filter(None, [os.getenv("PYTHONPATH")]), str(_ROOT)]),
            **more,
        }

    async def database(self) -> str:
        name = f"s{RUN}n{next(_numbers)}"
        settings = ServiceSettings(
            kafka=self.workshop.kafka,
            postgres=self.admin_dsn,
            master_key=base64.b64encode(bytes(32)).decode(),
        )
        await make_databases(settings, [name, "keys"])
        await with_keys(settings.database_dsn("keys"))
        await migrated(settings.database_dsn(name))
        self.made.append(name)
        return name

    def dsn(self, name: str) -> str:
        return urlunsplit(urlsplit(self.admin_dsn)._replace(path=f"/steward_{name}"))

    def start(
        self, name: str, topic: str, heard: str, port: int, **more: str
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.example_service", name, topic, heard],
                env=self.environment(port, **more),
                stderr=log,
            )
        self.running.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
async def town(workshop: Workshop, postgres_dsn_admin: str, tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(workshop, postgres_dsn_admin, tmp_path)
    try:
        yield town
    finally:
        for process in town.running:
            process.kill()
            process.wait()
        admin = await asyncpg.connect(postgres_dsn_admin)
        for name in town.made:
            await admin.execute(f'DROP DATABASE IF EXISTS "steward_{name}" WITH (FORCE)')
        await admin.close()


def readiness(port: int) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, HTTPException):
        return 0, ""
    finally:
        connection.close()


async def ready(port: int) -> None:
    async def says_so() -> bool:
        return (await asyncio.to_thread(readiness, port))[0] == 200

    await until(says_so, "the service did not become ready", 90)


async def test_a_service_starts_says_why_it_is_not_ready_and_ends_in_time(town: Town) -> None:
    topic, heard = await town.workshop.topic(), await town.workshop.topic()
    name, port = await town.database(), free_port()
    process = town.start(name, topic, heard, port)
    seen = set()

    async def says_ready() -> bool:
        status, body = await asyncio.to_thread(readiness, port)
        seen.add((status, from_json(body)["detail"] if status == 503 else ""))
        return status == 200

    await until(says_ready, "the service did not become ready", 90)
    assert seen <= {
        (0, ""),
        (200, ""),
        (503, "The service is starting."),
        (503, "The listener has not joined its consumer group yet."),
        (503, "Kafka does not say where its topics end."),
    }
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as idle:
        idle.request("GET", "/health/live")
        idle.getresponse().read()
        assert idle.sock is not None
        # Clients let go of an idle connection after 5 s: a server that does too meets requests.
        hung_up, _, _ = await asyncio.to_thread(select.select, [idle.sock], [], [], 6)
        assert not hung_up
        idle.request("GET", "/health/live")
        assert idle.getresponse().read()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 12) == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in town.log(name)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"STEWARD_KAFKA": "127.0.0.1:1"}, "Kafka at 127.0.0.1:1 cannot be reached"),
        ({"STEWARD_POSTGRES": "postgresql://127.0.0.1:1/x"}, "PostgreSQL cannot be reached"),
        ({"EXAMPLE_LOSES": "it"}, "PostgreSQL cannot be used: "),
        ({"STEWARD_HTTP_HOST": "192.0.2.1"}, "cannot be listened on"),
        ({"STEWARD_KAFKA": ""}, "The variable STEWARD_KAFKA is not set."),
    ],
)
async def test_a_service_that_cannot_start_says_why_in_one_sentence(
    town: Town, broken: dict[str, str], sentence: str
) -> None:
    topic, heard = await town.workshop.topic(), await town.workshop.topic()
    name = await town.database()
    process = town.start(name, topic, heard, free_port(), **broken)
    assert await asyncio.to_thread(process.wait, 90) == 1
    assert sentence in town.log(name).strip().splitlines()[-1]
    assert "Traceback" not in town.log(name)


async def test_a_service_does_not_start_on_a_restored_database_before_its_rebase(
    town: Town,
) -> None:
    name, topic = await town.database(), await town.workshop.topic()
    connection = await asyncpg.connect(town.dsn(name))
    await connection.execute("UPDATE relay SET xid = '1000000000'")
    await connection.close()
    port = free_port()
    process = town.start(name, topic, "", port)

    async def has_decided() -> bool:
        status, _ = await asyncio.to_thread(readiness, port)
        return status == 200 or process.poll() is not None

    await until(has_decided, "it neither starts nor ends", 60)
    assert process.poll() not in (None, 0)
    assert "was restored: `steward rebase` has to come first" in town.log(name)
