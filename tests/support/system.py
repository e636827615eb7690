"""The whole system, everything real, as those outside see it: its doors, its topics, its databases."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from httpx2 import AsyncClient, Response, TransportError
from rich.console import Console
from tests.support.composed import Composed
from tests.support.nursery import LAUNCHER
from tests.support.stack import database_dsn
from tests.support.waiting import until
from uuid_utils.compat import uuid7

from steward_events.tickets import INBOUND_TICKETS
from steward_stack.processes import Process
from steward_stack.state import State
from steward_stack.supervisor import PARTITIONS, Launcher, Stack, ready, running_stack

SECONDS = 600.0
"""Ends only what would otherwise never end: no verdict depends on how fast the machine is."""
OWNERS = ("intake", "sla", "visits", "notify")
HEARS: Mapping[str, tuple[str, ...]] = {
    "intake": ("visits", "sla", "notify"),
    "sla": ("intake",),
    "visits": ("intake",),
    "notify": ("intake", "sla", "visits"),
    "audit": OWNERS,
}
"""Whose facts each service hears, whole."""

_BACKLOG = """
SELECT count(*) FROM events e CROSS JOIN relay r
 WHERE (e.log_epoch, e.xid, e.pos) > (r.epoch, r.xid, r.pos)
"""
_UNSENT = """
SELECT channel, status, count(*) AS messages, min(again_at) AS again_at FROM messages
 WHERE status = 'sending' OR (status = 'sent' AND channel = 'sms')
    OR (status = 'owed' AND coalesce(not_before, now()) <= now())
 GROUP BY channel, status
"""


@dataclass(frozen=True, slots=True)
class Published:
    """One message of a topic, as anybody reads it."""

    partition: int
    offset: int
    key: str
    stream: str
    version: int
    id: str
    type: str
    headers: Mapping[str, str] = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)


@dataclass
class System:
    """A running system and the ways into it; nothing here goes around the services."""

    stack: Stack
    client: AsyncClient
    producer: AIOKafkaProducer
    pools: dict[str, asyncpg.Pool] = field(default_factory=dict, repr=False)
    """Of each database that was asked: a connection for each question is what costs most of it."""

    # Its doors.

    async def post(
        self, service: str, path: str, body: object, key: str = "", seconds: float = SECONDS
    ) -> Response:
        """Post until it is answered, with the same Idempotency-Key as often as needed."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Idempotency-Key": key or str(uuid7()), "Content-Type": "application/json"}
        address = self.stack.endpoints.services[service] + path
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            try:
                answer = await self.client.post(address, content=content, headers=headers)
            except TransportError:
                answer = None
            if answer is not None and answer.status_code != 503:
                return answer
            assert loop.time() < deadline, f"{service} does not answer at {path}: {answer}"
            await asyncio.sleep(0.1)

    async def accepted(
        self, service: str, path: str, body: object, key: str = "", seconds: float = SECONDS
    ) -> Any:
        """Post what must be accepted, and give the answer."""
        answer = await self.post(service, path, body, key, seconds)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json()

    async def get(self, service: str, path: str, **query: str) -> Any:
        """Read something over HTTP."""
        address = self.stack.endpoints.services[service] + path
        answer = await self.client.get(address, params=query)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json()

    async def register(self, *lines: Mapping[str, Any]) -> None:
        """Register groups, projects, households, staff, roles."""
        for line in (await self.accepted("intake", "/v1/registers", lines))["results"]:
            assert "error" not in line, line

    async def tell(
        self,
        topic: str,
        key: str,
        headers: Mapping[str, str | bytes],
        value: bytes,
    ) -> tuple[int, int]:
        """Put a message of any kind on a topic; gives partition and offset."""
        taken = await self.producer.send_and_wait(
            topic, value, key=key.encode(), headers=packed(headers)
        )
        return taken.partition, taken.offset

    async def ticket(self, what: str, subject: str, data: Mapping[str, Any], **said: Any) -> None:
        """Say something as another ticketing system; `said` goes to `ticket_message`."""
        await self.producer.send_and_wait(**ticket_message(what, subject, data, **said))

    # What can be seen of it.

    async def published(self, service: str) -> list[Published]:
        """Read a service's topic whole."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.stack.endpoints.kafka.split(","), auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            places = [TopicPartition(f"steward.{service}", n) for n in range(PARTITIONS)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[Published] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += [_published(record) for record in records]
            return found
        finally:
            await consumer.stop()

    async def query(self, service: str, sql: str, *values: object) -> list[asyncpg.Record]:
        """Ask a service's database."""
        dsn = database_dsn(self.stack.endpoints.postgres, f"steward_{service}")
        if dsn not in self.pools:
            # Tables may change between two questions: nothing is kept of a statement.
            self.pools[dsn] = await asyncpg.create_pool(dsn, min_size=0, statement_cache_size=0)
        return list(await self.pools[dsn].fetch(sql, *values))

    async def count(self, service: str, sql: str, *values: object) -> int:
        """Ask a service's database for one number."""
        [row] = await self.query(service, sql, *values)
        return int(row[0])

    async def facts(self, service: str, stream: str) -> list[str]:
        """Name the facts of a stream, in order."""
        rows = await self.query(
            service, "SELECT type FROM events WHERE stream_id = $1 ORDER BY version", stream
        )
        return [row["type"] for row in rows]

    async def parked(self, service: str, stream: str) -> str:
        """Give the reason for which a stream is parked; empty if it is not."""
        sql = "SELECT reason FROM parked_streams WHERE stream_id = $1"
        return "".join(row["reason"] for row in await self.query(service, sql, stream))

    async def texts(self) -> list[dict[str, Any]]:
        """Give every text that the SMS provider has taken."""
        texts: list[dict[str, Any]] = (
            await self.client.get(f"{self.stack.endpoints.sms}/texts")
        ).json()
        return texts

    def mails(self) -> list[str]:
        """Give every mail that the mail server has taken, as it came."""
        if isinstance(self.stack, Composed):
            self.stack.fetch()
        folder = self.stack.world / "mails"
        return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.eml"))]

    def logs(self) -> str:
        """Give all that the processes have written."""
        if isinstance(self.stack, Composed):
            self.stack.fetch()
        return "".join(
            path.read_text(encoding="utf-8", errors="replace")
            for path in sorted(Path(self.stack.endpoints.logs).glob("*.log"))
        )

    # Waiting.

    async def until(
        self, condition: Callable[[], Awaitable[object]], otherwise: str, seconds: float = SECONDS
    ) -> None:
        """Return as soon as the condition holds."""
        await until(condition, otherwise, seconds)

    async def quiet(self, seconds: float = SECONDS) -> datetime:
        """Wait until nothing is under way between the services; says as of when that was so."""
        loop = asyncio.get_running_loop()
        deadline, as_of = loop.time() + seconds, datetime.now(UTC)
        while busy := await self.busy():
            assert loop.time() < deadline, f"Still under way after {seconds} s: {busy}"
            await asyncio.sleep(0.05)
            as_of = datetime.now(UTC)
        return as_of

    async def busy(self) -> str:
        """Say what is under way: unpublished, unheard, due, parked or unsent; nothing if all rests."""
        for name in OWNERS:
            if found := await self.count(name, _BACKLOG):
                return f"{found} facts of {name} are not published"
        for name, sources in HEARS.items():
            if behind := await self.behind(name, sources):
                return f"{name} has not heard {behind} streams to their end"
            if found := await self.count(name, "SELECT count(*) FROM parked_streams"):
                return f"{found} streams are parked at {name}"
            if found := await self.count(name, "SELECT count(*) FROM timers WHERE due_at < now()"):
                return f"{found} alarms of {name} are due"
        if unsent := await self.query("notify", _UNSENT):
            return f"messages have no outcome: {[dict(row) for row in unsent]}"
        if owed := (await self.client.get(f"{self.stack.endpoints.sms}/outstanding")).json():
            return f"{owed} receipts of the SMS provider were not taken"
        return ""

    async def behind(self, consumer: str, sources: Iterable[str]) -> int:
        """Count the streams that a service has not heard to their end."""
        inbox = await self.query(
            consumer, "SELECT stream_id, version FROM inbox WHERE consumer = $1", consumer
        )
        heard = {row["stream_id"]: row["version"] for row in inbox}
        found = 0
        for source in sources:
            streams = await self.query(source, "SELECT stream_id, version FROM streams")
            found += sum(heard.get(row["stream_id"], 0) < row["version"] for row in streams)
        return found

    # Its processes.

    async def back(self, killed: Process, seconds: float = SECONDS) -> None:
        """Wait until another process has taken the place of a killed one, and is ready."""

        async def is_back() -> bool:
            now = self.process(killed.name)
            return now != killed and now.alive and await self._answers(killed.name)

        await self.until(is_back, f"{killed.name} did not come back", seconds)

    def process(self, name: str) -> Process:
        """Give the process that runs under a name."""
        recorded = self.stack.state.processes.recorded()
        return next(process for process in recorded if process.name == name)

    async def ready(self) -> bool:
        """Say whether all services are ready."""
        return all([await self._answers(name) for name in self.stack.endpoints.services])

    async def _answers(self, name: str) -> bool:
        endpoints = self.stack.endpoints
        if name in endpoints.services:
            return await asyncio.to_thread(ready, endpoints.services[name])
        if name == "postgres":
            try:
                await self.query("intake", "SELECT 1")
            except (OSError, asyncpg.PostgresError):
                return False
            return True
        admin = AIOKafkaAdminClient(bootstrap_servers=endpoints.kafka.split(","))
        try:
            await admin.start()
            return bool((await admin.describe_cluster())["brokers"])
        except KafkaError:
            return False
        finally:
            await admin.close()


async def steward(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Run the command as a person does; gives its exit status, its answer, and what it tells."""
    command = [sys.executable, "-m", "steward_stack.cli", *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, input=stdin, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


SOURCE = "urn:test:tickets"


def ticket_message(
    what: str,
    subject: str,
    data: Mapping[str, Any],
    *,
    id_: str = "",
    at: datetime | None = None,
    headers: Mapping[str, str | bytes] = MappingProxyType({}),
) -> dict[str, Any]:
    """Give what another system says of its ticket, as a producer takes it."""
    said: dict[str, str | bytes] = {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": id_ or str(uuid7()),
        "ce_type": f"ticket.{what}.v1",
        "ce_source": SOURCE,
        "ce_subject": subject,
        "ce_time": (at or datetime.now(UTC)).isoformat(),
        **headers,
    }
    return {
        "topic": INBOUND_TICKETS,
        "value": json.dumps(data).encode(),
        "key": str(data["project_id"]).encode(),
        "headers": packed(said),
    }


def packed(headers: Mapping[str, str | bytes]) -> list[tuple[str, bytes]]:
    """Give headers as Kafka wants them."""
    return [(n, v if isinstance(v, bytes) else v.encode()) for n, v in headers.items()]


def _published(record: Any) -> Published:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    sequence = headers.get("ce_sequence", "")
    return Published(
        record.partition,
        record.offset,
        (record.key or b"").decode(errors="replace"),
        headers.get("ce_subject", ""),
        int(sequence) if sequence.isdigit() else 0,
        headers.get("ce_id", ""),
        headers.get("ce_type", ""),
        headers,
        json.loads(record.value) if headers.get("ce_subject") else {},
    )


@contextmanager
def running_services(
    clock: str = "system", launcher: Launcher | None = LAUNCHER
) -> Iterator[Stack]:
    """Run all services and stand-ins on real servers of their own; what dies is started again."""
    folder = Path(tempfile.mkdtemp(prefix="steward-system-"))
    state, console = State(folder / "state"), Console(stderr=True)
    try:
        with (
            running_stack(state, console, clock=clock, launcher=launcher) as stack,
            stack.mended(),
        ):
            yield stack
    finally:
        if kept := os.environ.get("STEWARD_KEEP_LOGS"):
            shutil.copytree(state.logs, kept, dirs_exist_ok=True)
        state.remove()
        shutil.rmtree(folder)


@asynccontextmanager
async def entered(stack: Stack) -> AsyncIterator[System]:
    """Stand outside a running system, with the administrator's key."""
    kafka = stack.endpoints.kafka.split(",")
    headers = {"Authorization": f"Bearer {stack.settings.admin_key}"}
    async with AsyncExitStack() as opened:
        producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True)
        await producer.start()
        opened.push_async_callback(producer.stop)
        client = AsyncClient(headers=headers, timeout=120, trust_env=False)
        await opened.enter_async_context(client)
        system = System(stack, client, producer)
        try:
            yield system
        finally:
            for pool in system.pools.values():
                pool.terminate()


@pytest.fixture(scope="session")
def embedded_stack(request: pytest.FixtureRequest) -> None:
    """Leave out, with `--compose`, a test that starts an embedded stack of its own."""
    if request.config.getoption("--compose"):
        pytest.skip("it starts embedded stacks of its own: kills them, or steps their clock")


@pytest.fixture(scope="module")
def stepped_services(embedded_stack: None) -> Iterator[Stack]:
    """All services on a stepped clock, for the tests of one file."""
    with running_services("stepped") as stack:
        yield stack
