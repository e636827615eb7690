"""A sweep is killed at each of its points, and still reaches every stream once.

Of a service that does nothing else, over thousands of streams; and of sla, over cases that go by
another version of their policy, while people go on complaining.
"""

import asyncio
import base64
import itertools
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from rich.progress import Progress
from tests.support.crashes import Crash, Crashes, lines, was_killed_at
from tests.support.crowd import LADDER, PROJECTS, Crowd, Told
from tests.support.estate import minor_complaint, register, working
from tests.support.eventstore import START, ClockDecider, Note, job, migrated, partition_of
from tests.support.last_words import LastWords
from tests.support.nursery import NURSERY
from tests.support.ports import free_port
from tests.support.prepared import with_keys
from tests.support.system import OWNERS, System
from tests.support.waiting import until

from steward_eventstore.execute import Cause, Executor, Job
from steward_eventstore.port import Sweep
from steward_eventstore.postgres import PostgresStore
from steward_service.clocks import SystemClock
from steward_service.provision import make_databases
from steward_service.settings import ServiceSettings
from steward_service.sweeps import STREAMS_AT_ONCE
from steward_service.topics import Topic, create_topics
from steward_stack.processes import birth
from steward_stack.supervisor import Endpoints, Stack
from steward_stack.verifying import verify

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
WRITES = ("steward_commit", "STEP_SWEEP", "END_SWEEP")
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
    await with_keys(settings.database_dsn("keys"))
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
    last_words.lines[:0] = lines({(NAME, point): 1 for point in POINTS})


def environment(servers: Endpoints, settings: ServiceSettings) -> dict[str, str]:
    return {
        **os.environ,
        "STEWARD_KAFKA": servers.kafka,
        "STEWARD_POSTGRES": servers.postgres,
        "STEWARD_MASTER_KEY": base64.b64encode(settings.master_key_bytes).decode(),
        "STEWARD_HTTP_PORT": str(free_port()),
    }


CASES = 60
QUIET_SECONDS = 900
AT_ONCE = 4
"""So many people complain at a time while sla sweeps."""
PROJECT, GROUP, STAFF = "swept", "chaos", f"{PROJECTS[0]}-{LADDER[0]}"
VERSION = """
overrides: residential-cn
version: "{version}"
targets:
  - id: minor-resolve
    within: {{days: {days}, counting: calendar}}
    basis: default
"""
VERSIONS = {"in-a-month": 30, "in-forty-days": 40}
"""By name, within how many days what is minor is solved: far more than this test takes."""
TOLD = """
SELECT data->>'case_id' AS case_id, type, data->'fields'->>'reapply_id' AS reapply_id FROM events
 WHERE data->>'noted' = 'policy_reapplied' OR type = 'sla.clock_rescheduled.v1' AND data->>'policy' <> ''
"""


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_case_goes_by_another_version_once_wherever_sla_is_killed(
    tmp_path: Path, last_words: LastWords
) -> None:
    crashes = Crashes(tmp_path / "passed")
    with crashes.running() as stack:
        asyncio.run(every_case_goes_by_each_version(stack, crashes))
    assert (crashes.missed, crashes.otherwise) == ([], [])
    last_words.lines[:0] = lines(crashes.died)


async def every_case_goes_by_each_version(stack: Stack, crashes: Crashes) -> None:
    async with working(stack) as (system, tickets):
        await register(system)
        await system.register(
            {"type": "project", "project_id": PROJECT, "group_id": GROUP, "name": "早晴苑"}
        )
        for version, days in VERSIONS.items():
            text = VERSION.format(version=version, days=days)
            await system.accepted("intake", "/v1/policies", {"text": text, "project_id": PROJECT})
        cases = [await minor_complaint(system, PROJECT) for _ in range(CASES)]
        await system.quiet()
        listed = (await system.get("intake", "/v1/policies", project_id=PROJECT))["items"]
        policies = itertools.cycle(f"residential-cn@{row['version']}" for row in listed)
        done = [await reapplied(system, next(policies))]
        points = [point for point in crashes.points()["sla"] if point.startswith("sweep/")]
        assert set(points) >= {f"sweep/{name}/before" for name in WRITES}
        stop = asyncio.Event()
        coming = asyncio.create_task(Crowd(system, Told(), tickets, PROJECT).come(stop, AT_ONCE))
        for point in points:
            dying = asyncio.create_task(crashes.happen(system, {"sla": [Crash(point)]}))
            await asyncio.sleep(0)  # it is killed now, and is to die at the point once it is back
            done.append(await reapplied(system, next(policies)))
            await dying
        stop.set()
        await coming
        await system.quiet(QUIET_SECONDS)
        told = Counter(map(tuple, await system.query("sla", TOLD)))
        noted = [(case, "sla.case_noted.v1", id_) for case in cases for id_ in done]
        moved = [(case, "sla.clock_rescheduled.v1", None) for case in cases for _ in done]
        assert told == Counter([*noted, *moved])
        models = await verify(stack.endpoints, [*OWNERS], Progress(disable=True))
        assert [model for model in models if not model.equal] == []


async def reapplied(system: System, policy: str) -> str:
    """Let all cases go by a version, and wait until each does; gives the reapplication's ID."""
    asked = {
        "policy": policy,
        "projects": [PROJECT],
        "targets": ["minor-resolve"],
        "dry_run": False,
        "reason": "合同约定变更",
        "asked_by": STAFF,
    }
    id_: str = (await system.accepted("sla", "/v1/policies/reapply", asked))["reapply_id"]

    async def is_over() -> bool:
        return not await system.count("sla", "SELECT count(*) FROM sweeps")

    await system.until(is_over, f"{policy} is not reapplied to the end")
    return id_
