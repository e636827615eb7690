"""Clocks: case facts on Kafka until sla's clocks are committed, by one process.

Each message is read, its clocks are loaded and decided, and facts, alarms and inbox are committed,
as the service does it. The pack is the whole built-in one, or three targets of it.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic

from tests.bench.frame import Bench, Line, store_at
from tests.bench.lines.append import STORED
from tests.bench.lines.relay import PARTITIONS, producer_of
from tests.support.eventstore import StillClock, id_of, migrated
from tests.support.few_targets import only
from tests.support.waiting import until

from steward_events.cloudevents import to_kafka
from steward_events.fact import Fact
from steward_events.intake import (
    CaseAccepted,
    CaseAssigned,
    CaseClassified,
    CaseClosed,
    CaseHandled,
    CaseReceived,
    ResultTold,
)
from steward_events.recorded import Recorded
from steward_events.vocabulary import Kind, Role, Severity, Validity
from steward_eventstore.execute import Executor
from steward_eventstore.port import Projection
from steward_eventstore.postgres import PostgresStore
from steward_eventstore.rows import data_of, meta_of
from steward_policy import packs
from steward_policy.packs import Rules
from steward_service.hearing import Hearing
from steward_service.listening import Listener
from steward_service.partitions import partition_of
from steward_service.provision import make_tables
from steward_service.telemetry import Metrics
from steward_sla.adapters import read_models
from steward_sla.api import subscribers
from steward_sla.domain.clocks import ClocksDecider

BEGIN = datetime(2026, 9, 29, 2, tzinfo=UTC)
BETWEEN = timedelta(seconds=37)
"""From one case to the next: a batch holds facts of many cases, and several of some."""
CASES_A_SECOND = 300
"""How many cases are laid out for each second that the measure is to take."""


def received(number: int) -> CaseReceived:
    """Take in a complaint."""
    return CaseReceived(
        case_id=f"c{number:06}",
        number=f"P1-2026-{number:06}",
        project_id=f"p-{number % 50}",
        zone="Asia/Shanghai",
        policy=packs.built_in().version,
        kind=Kind.COMPLAINT,
        topic="noise",
        household_id="h1",
    )


def story(number: int) -> Iterator[tuple[datetime, int, Fact]]:
    """Tell one complaint from the door to the end: when, its number, what."""
    about = f"c{number:06}"
    severity = Severity.MINOR if number % 2 else Severity.IMPORTANT
    told: list[tuple[float, Fact]] = [
        (0, received(number)),
        (1, CaseAssigned(case_id=about, person_id="s1")),
        (5, CaseClassified(case_id=about, severity=severity, validity=Validity.VALID)),
        (20, CaseAccepted(case_id=about, role=Role.CENTRE_MANAGER, person_id="s2")),
        (600, CaseHandled(case_id=about, round=1)),
        (700, ResultTold(case_id=about, round=1, how="phone")),
        (800, CaseClosed(case_id=about, round=1, by="steward")),
    ]
    for minutes, fact in told:
        yield BEGIN + number * BETWEEN + timedelta(minutes=minutes), number, fact


def published(stream: str, version: int, key: str, at: datetime, fact: Fact) -> Recorded:
    """Give a fact as intake would have published it."""
    return Recorded(
        id_of(f"{stream}|{version}"), fact.wire_type, stream, version, key,
        "/steward/intake", at, at, at, fact,
    )  # fmt: skip


def heard(cases: int) -> Iterable[Recorded]:
    """Give the facts of so many cases as intake would have published them."""
    versions: dict[int, int] = {}
    for at, number, fact in heapq.merge(*map(story, range(cases)), key=lambda told: told[0]):
        version = versions[number] = versions.get(number, 0) + 1
        yield published(f"case-c{number:06}", version, f"p-{number % 50}", at, fact)


async def filled(bench: Bench, cases: int) -> tuple[str, int]:
    """Make a topic with the facts of so many cases; names it and counts them."""
    topic = await bench.topic(PARTITIONS)
    producer = producer_of(bench, linger_ms=5)
    await producer.start()
    sent = []
    for each in heard(cases):
        key, headers, value = to_kafka(
            each.type, each.stream, each.version, data_of(each), meta_of(each)
        )
        partition = partition_of(each.key, PARTITIONS)
        sent.append(await producer.send(topic, value, key, partition, headers=headers))
    await asyncio.gather(*sent)
    await producer.stop()
    return topic, len(sent)


def listener_of(
    bench: Bench,
    store: PostgresStore,
    clock: StillClock,
    topic: str,
    rules: Rules,
    project: Projection,
    on_facts: Callable[[Sequence[Recorded]], None] = lambda _: None,
) -> Listener:
    """Give sla's own listener on a topic of intake's facts."""
    executor = Executor(
        store,
        clock,
        {"clocks": ClocksDecider({rules.version: rules}.__getitem__)},
        source="/steward/sla",
        partition_of=lambda key: partition_of(key, PARTITIONS),
        project=project,
        on_facts=on_facts,
    )
    return Listener(
        Hearing("sla", {topic: subscribers.on_intake}, feeds=subscribers.feeds),
        executor,
        clock,
        [bench.kafka],
        Metrics(),
        group=topic,
    )


async def measured(bench: Bench, project: Projection, rules: Rules) -> float:
    """Let one listener work the topic off; gives messages a second after the first batch."""
    cases = round(CASES_A_SECOND * bench.seconds)
    topic, messages = await filled(bench, cases)
    dsn = await bench.database(migrated, STORED, bench.stored)
    await make_tables(dsn, read_models.METADATA)
    store = await store_at(dsn)
    clock = StillClock(BEGIN + cases * BETWEEN + timedelta(days=1))
    listener = listener_of(bench, store, clock, topic, rules, project)
    await listener.start()

    async def begun() -> bool:
        return listener.handled_messages > 0

    async def worked_off() -> bool:
        return listener.handled_messages >= messages

    await until(begun, "No message was handled.")
    first, begin = listener.handled_messages, monotonic()
    await until(worked_off, "Not every message was handled.", 60 + 20 * bench.seconds)
    took = monotonic() - begin
    await listener.drain()
    [found] = await store.pool.fetch(
        "SELECT (SELECT count(*) FROM inbox WHERE version = 7) AS whole,"
        " (SELECT count(*) FROM parked_streams) AS parked,"
        " (SELECT count(DISTINCT stream_id) FROM events WHERE type = 'sla.clock_met.v1') AS met"
    )
    await store.close()
    assert tuple(found) == (cases, 0, cases), f"Not every case was followed to its end: {found}"
    return (messages - first) / took


async def clocks(bench: Bench) -> Mapping[str, float]:
    """Load, decide, append, alarm and inbox, under the whole pack."""
    return {"clocks": await measured(bench, lambda _: (), packs.built_in())}


def few() -> Rules:
    """Three targets, so that the path weighs more than the rules."""
    return only("important-to-manager", "minor-resolve", "important-resolve")


async def clocks_few(bench: Bench) -> Mapping[str, float]:
    """The same under a small pack."""
    return {"clocks-few": await measured(bench, lambda _: (), few())}


async def clocks_listed(bench: Bench) -> Mapping[str, float]:
    """The same with the service's lists of clocks and escalations kept in each transaction."""
    return {"clocks-listed": await measured(bench, read_models.project, few())}


MEASURES = {"clocks": clocks, "clocks-few": clocks_few, "clocks-listed": clocks_listed}
LINES = [
    Line("clocks, the whole pack", "clocks", "case facts/s", 1_500),
    Line("clocks, a small pack", "clocks-few", "case facts/s", 3_000, grows=True),
    Line("clocks, a small pack (lists kept)", "clocks-listed", "case facts/s", 1_500),
]
