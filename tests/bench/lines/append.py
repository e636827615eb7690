"""Append: one fact per transaction and in batches, against pgbench and the library eventsourcing."""

import asyncio
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from tests.bench.frame import Bench, Line, NotMeasuredError, store_at
from tests.support.eventstore import id_of, migrated, noted

from steward_events.recorded import Recorded
from steward_eventstore.port import Head, StreamWrite, Write
from steward_eventstore.postgres import COMMIT_ONE, PostgresStore
from steward_eventstore.rows import data_of, meta_of
from steward_stack.postgres import binaries_folder

WRITERS = 16
BATCH = 500
NOW = datetime(2026, 9, 28, 9, 0, tzinfo=UTC)
TEXT = "The water in the cellar stands two hands high. " * 6
FACT = noted(TEXT, NOW)
"""About 500 bytes as JSON."""

# As if the relay had published them all.
STORED = """
INSERT INTO streams
SELECT 'stored-' || n, 'p-' || n % 480, n % 6, 4, pg_current_xact_id(), now(), NULL, true
  FROM generate_series(1, {rows} / 4) AS n;
INSERT INTO events (log_epoch, stream_id, version, partition, type, data, meta)
SELECT 1, 'stored-' || n, version, n % 6, 'sla.case_noted.v1',
       json_build_object('text', repeat('The water stands. ', 12)),
       json_build_object('id', gen_random_uuid(), 'key', 'p-' || n % 480, 'recorded', now())
  FROM generate_series(1, {rows} / 4) AS n, generate_series(1, 4) AS version;
UPDATE relay SET (xid, pos) = (SELECT xid, pos FROM events ORDER BY xid DESC, pos DESC LIMIT 1)
"""


def recorded(stream: str, version: int) -> Recorded:
    """Give one fact in its place."""
    return Recorded(
        UUID(int=hash((stream, version)) & (2**128 - 1)), FACT.wire_type, stream, version, "p-1",
        "bench", NOW, NOW, NOW, FACT,
    )  # fmt: skip


def step(stream: str, version: int) -> StreamWrite:
    """Give the append of one version."""
    head = Head(stream, "p-1", 0, version, NOW)
    return StreamWrite(head, version - 1, (recorded(stream, version),))


async def store_of(bench: Bench, connections: int = 8) -> PostgresStore:
    """Make a store with as many facts in it as the bench asks for, all of them published."""
    dsn = await bench.database(migrated, STORED, bench.stored)
    return await store_at(dsn, connections=connections)


async def append(bench: Bench) -> Mapping[str, float]:
    """Append one fact per transaction over 16 connections, each to a stream of its own."""
    store = await store_of(bench, WRITERS)
    done = [0] * WRITERS

    async def act(number: int) -> None:
        done[number] += 1
        await store.commit(Write(streams=[step(f"case-{number}", done[number])]))

    async def writer(number: int) -> None:
        while monotonic() - begin < bench.seconds:
            await act(number)

    # The first opens connections, which pgbench does not count either.
    await asyncio.gather(*map(act, range(WRITERS)))
    begin = monotonic()
    await asyncio.gather(*map(writer, range(WRITERS)))
    rate = (sum(done) - WRITERS) / (monotonic() - begin)
    await check(store, {f"case-{number}": version for number, version in enumerate(done)})
    await store.close()
    return {"append": rate}


async def append_batch(bench: Bench) -> Mapping[str, float]:
    """Append to 500 streams in one transaction, two writers in turn."""
    store = await store_of(bench, 2)
    begin = monotonic()

    async def writer(number: int) -> int:
        version = 0
        while monotonic() - begin < bench.seconds:
            version += 1
            steps = [step(f"case-{number}-{n:03}", version) for n in range(BATCH)]
            await store.commit(Write(streams=steps))
        return version

    done = await asyncio.gather(*map(writer, range(2)))
    rate = sum(done) * BATCH / (monotonic() - begin)
    expected = {
        f"case-{number}-{n:03}": version
        for number, version in enumerate(done)
        for n in range(BATCH)
    }
    await check(store, expected)
    await store.close()
    return {"append-batch": rate}


async def check(store: PostgresStore, expected: Mapping[str, int]) -> None:
    """Read all as the relay does: nothing may be missing, every stream in the order of versions."""
    reached = dict.fromkeys(expected, 0)
    lease = await store.take_lease("check", timedelta(minutes=1))
    assert lease is not None
    cursor = lease.cursor
    while page := await store.relay_page(cursor, 5000):
        cursor = page[-1].cursor
        for fact in page:
            assert fact.version == reached[fact.stream] + 1, f"{fact.stream} is out of order."
            reached[fact.stream] = fact.version
    assert reached == dict(expected), "Some facts are missing."


def script(fact: Recorded) -> str:
    """Give the statement with which the store appends one fact, as pgbench's own script."""
    # A colon and a letter would begin a variable.
    data = data_of(fact).replace(":null", ": null")
    arguments = [
        "'case-' || :client_id", "'p-1'", "0", ":version::integer - 1", ":version",
        f"'{NOW.isoformat()}'", "NULL", "true", f"'{fact.type}'", f"'{data}'", f"'{meta_of(fact)}'",
        "NULL", "NULL", "NULL",
    ]  # fmt: skip
    filled = re.sub(r"\$(\d+)", lambda found: f"({arguments[int(found[1]) - 1]})", COMMIT_ONE)
    return f"\\set version :version + 1\n{' '.join(filled.split())};\n"


async def pgbench(bench: Bench) -> Mapping[str, float]:
    """Let PostgreSQL's own load generator, in C, send the same statement with the same fact."""
    dsn = await bench.database(migrated)
    fact = recorded("case-0", 1)
    address = urlsplit(dsn)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "append.sql"
        file.write_text(script(fact))
        process = await asyncio.create_subprocess_exec(
            program("pgbench"),
            *("-n", "-M", "prepared", "-c", str(WRITERS), "-j", "2"),
            *("-T", str(max(1, round(bench.seconds))), "-D", "version=0", "-f", str(file)),
            *("-h", parse_qs(address.query)["host"][0], "-U", address.username or "steward"),
            address.path.removeprefix("/"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    found = re.search(r"tps = ([0-9.]+)", out.decode())
    assert process.returncode == 0, err.decode()
    assert found, out.decode()
    connection = await asyncpg.connect(dsn)
    counted = await connection.fetchval(
        "SELECT count(*) FROM events"
        " WHERE data::jsonb = $1::text::jsonb AND meta::jsonb = $2::text::jsonb",
        data_of(fact),
        meta_of(fact),
    )
    await connection.close()
    assert counted == int(re.findall(r"actually processed: (\d+)", out.decode())[0])
    return {"pgbench": float(found[1])}


def program(name: str) -> Path:
    """Find one of PostgreSQL's programs; raises with a sentence when it is not there."""
    beside = binaries_folder() / name
    places = [beside, *Path("/usr/lib/postgresql").glob(f"*/bin/{name}")]
    on_path = shutil.which(name)
    for place in (*places, *([Path(on_path)] if on_path else [])):
        if os.access(place, os.X_OK):
            return place
    raise NotMeasuredError(
        f"{name} is missing: install PostgreSQL's client programs to compare with it."
    )


async def eventsourcing(bench: Bench) -> Mapping[str, float]:
    """Let the library eventsourcing append the same content, with 16 threads."""
    return await asyncio.to_thread(_eventsourcing, await bench.database(), bench.seconds)


def _eventsourcing(dsn: str, seconds: float) -> Mapping[str, float]:
    address = urlsplit(dsn)
    datastore = PostgresDatastore(
        address.path.removeprefix("/"),
        parse_qs(address.query)["host"][0],
        5432,
        address.username or "steward",
        "",
        pool_size=WRITERS,
        max_overflow=0,
    )
    recorder = PostgresApplicationRecorder(datastore)
    recorder.create_table()
    state = data_of(recorded("case-0", 1)).encode()
    done = [0] * WRITERS
    begun: list[float] = []
    ready = threading.Barrier(WRITERS, action=lambda: begun.append(monotonic()))

    def act(number: int) -> None:
        done[number] += 1
        aggregate = id_of(f"case-{number}")
        recorder.insert_events([StoredEvent(aggregate, done[number], FACT.wire_type, state)])

    def writer(number: int) -> None:
        act(number)
        ready.wait()
        while monotonic() - begun[0] < seconds:
            act(number)

    threads = [_started(writer, number) for number in range(WRITERS)]
    for thread in threads:
        thread.join()
    took = monotonic() - begun[0]
    for number, version in enumerate(done):
        stored: Sequence[StoredEvent] = recorder.select_events(id_of(f"case-{number}"))
        assert [event.originator_version for event in stored] == list(range(1, version + 1))
    datastore.close()
    return {"eventsourcing": (sum(done) - WRITERS) / took}


def _started(target: Callable[[int], None], number: int) -> threading.Thread:
    thread = threading.Thread(target=target, args=(number,))
    thread.start()
    return thread


MEASURES = {
    "append": append,
    "pgbench": pgbench,
    "eventsourcing": eventsourcing,
    "append-batch": append_batch,
}
LINES = [
    Line("append", "append", "facts/s", 0.5, "pgbench", of="ratio", grows=True),
    Line("append (eventsourcing)", "append", "facts/s", 5, "eventsourcing", of="ratio"),
    Line("append-batch", "append-batch", "facts/s", 5, "append", of="ratio"),
]
