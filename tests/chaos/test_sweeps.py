"""A sweep is killed at each of its points, and still reaches every stream once."""

import base64
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.crashes import was_killed_at
from tests.support.eventstore import START, ClockDecider, Note, job, migrated, partition_of
from tests.support.last_words import LastWords
from tests.support.nursery import NURSERY
from tests.support.ports import free_port
from tests.support.waiting import until

from steward_eventstore.execute import Cause, Executor, Job
from steward_eventstore.port import Sweep
from steward_eventstore.postgres import PostgresStore
from steward_service import keys
from steward_service.clocks import SystemClock
from steward_service.provision import make_databases, make_tables
from steward_service.settings import ServiceSettings
from steward_service.sweeps import STREAMS_AT_ONCE
from steward_service.topics import Topic, create_topics
from steward_stack.processes import birth
from steward_stack.supervisor import Endpoints

STATEMENTS = (
    "STREAMS_AFTER",
    "READ",
    "BEGIN",
    "steward_commit",
    "STEP_SWEEP",
    "COMMIT",
    "END_SWEEP",
)
POINTS = [f"sweep/{name}/{when}" for name in STATEMENTS for when in ("before", "after")]
STREAMS = 3 * STREAMS_AT_ONCE
NAME, TOPIC = "swept", "swept"


@pytest.fixture
async def settings(servers: Endpoints) -> ServiceSettings:
    """A database and a topic for the example service."""
    settings = ServiceSettings(
        kafka=servers.kafka,
        postgres=servers.postgres,
        master_key=base64.b64encode(bytes(32)).decode(),
    )
    await make_databases(settings, [NAME, "keys"])
    await make_tables(settings.database_dsn("keys"), keys.METADATA)
    await migrated(settings.database_dsn(NAME))
    await create_topics(settings.kafka, 1, topics=[Topic(TOPIC, timedelta(days=1))])
    return settings


@pytest.fixture
async def store(settings: ServiceSettings) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.connect(settings.database_dsn(NAME))
    yield store
    await store.close()


@pytest.mark.timeout(3600)
async def test_a_sweep_reaches_every_stream_once_wherever_it_is_killed(
    servers: Endpoints,
    settings: ServiceSettings,
    store: PostgresStore,
    tmp_path: Path,
    last_words: LastWords,
) -> None:
    clock = await SystemClock.connect(lambda: store.pool.fetchval("SELECT clock_timestamp()"))
    executor = Executor(
        store, clock, {"clock": ClockDecider()}, source="test", partition_of=partition_of
    )
    streams = [f"clock-{number:05}" for number in range(STREAMS)]
    await executor.execute_batch([job(stream, Note(START, "begun")) for stream in streams])
    sweep = Sweep("sweep-1", "note", "clock-", "swept")
    await executor.execute(Job(Cause(job("clock-0").cause.id, "test"), list, sweeps=(sweep,)))
    await clock.close()

    passed = tmp_path / "passed"
    lives = [*({"service": NAME, "at": point, "nth": 1} for point in POINTS), {}]
    for life in lives:
        pid = NURSERY.launch(
            NAME,
            ["-m", "tests.support.example_service", NAME, TOPIC, ""],
            environment(servers, settings),
            tmp_path / "log",
            {**life, "passed": str(passed)} if life else None,
        )

        async def ended(pid: int = pid, died: bool = bool(life)) -> bool:
            return birth(pid) is None if died else not await store.sweeps()

        await until(ended, f"{life or 'the last life'}: it did not end", 600)
        if life:
            assert was_killed_at(passed, NAME, str(life["at"]), pid), f"{life}: it ended by itself"
    os.kill(pid, signal.SIGTERM)

    found = await store.pool.fetch(
        "SELECT stream_id, array_agg(data->'fields'->>'text' ORDER BY version) AS texts"
        " FROM events GROUP BY stream_id"
    )
    assert len(found) == STREAMS
    assert all(row["texts"] == ["begun", "swept"] for row in found)
    last_words.lines[:0] = [f"{life['at']:<40} {NAME:<8} {1:>5}" for life in lives if life]


def environment(servers: Endpoints, settings: ServiceSettings) -> dict[str, str]:
    return {
        **os.environ,
        "STEWARD_KAFKA": servers.kafka,
        "STEWARD_POSTGRES": servers.postgres,
        "STEWARD_MASTER_KEY": base64.b64encode(settings.master_key_bytes).decode(),
        "STEWARD_HTTP_PORT": str(free_port()),
    }
