"""What the auditor asks of its own tables, over a real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from tests.support.prepared import tables_of
from tests.support.stack import FreshDatabase

from steward_audit.adapters.memory import PostgresMemory
from steward_audit.adapters.read_models import project
from steward_audit.application.watch import OUTCOME_WITHIN
from steward_events.fact import Fact
from steward_events.intake import CaseReceived
from steward_events.notify import (
    MessageDelivered,
    MessageFailed,
    MessageRequested,
    MessageSending,
    MessageSent,
)
from steward_events.recorded import Recorded
from steward_events.sla import BreachWithdrawn, ClockBreached, ClockMet, ClockStarted, Escalated
from steward_events.vocabulary import Kind, Role
from steward_eventstore.read_models import statements

START = datetime(2026, 9, 29, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
VERSION = "residential-cn@2026.1"
_numbers = count(1)


@pytest.fixture
async def pool(fresh_database: FreshDatabase) -> AsyncIterator[asyncpg.Pool]:
    dsn = await fresh_database(tables_of("audit"))
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        yield pool


@pytest.fixture
def memory(pool: asyncpg.Pool) -> PostgresMemory:
    return PostgresMemory(pool)


async def heard(pool: asyncpg.Pool, *facts: Fact, after: timedelta = timedelta()) -> None:
    """Hear facts that were stored so long after the start."""
    at = START + after
    for fact in facts:
        number, owner = next(_numbers), fact.wire_type.partition(".")[0]
        place = (f"clocks-{getattr(fact, 'case_id', '')}", number, "p1", f"/steward/{owner}")
        recorded = Recorded(UUID(int=number), fact.wire_type, *place, at, at, at, fact)
        for sql, rows in statements(project(recorded)):
            await pool.executemany(sql, rows)


def received(case_id: str) -> CaseReceived:
    return CaseReceived(
        case_id=case_id,
        number=case_id,
        project_id="p1",
        zone="Asia/Shanghai",
        policy=VERSION,
        kind=Kind.COMPLAINT,
    )


def about(case_id: str, target: str = "minor-resolve") -> dict[str, Any]:
    return {
        "case_id": case_id,
        "project_id": "p1",
        "clock": f"{target}#1",
        "target": target,
        "rule": ("RM-4.5.2c",),
    }


def started(case_id: str, target: str = "minor-resolve") -> ClockStarted:
    said = about(case_id, target)
    return ClockStarted(**said, started_at=START, due_at=START, policy=VERSION)


def breached(case_id: str, target: str = "minor-resolve", number: int = 1) -> ClockBreached:
    return ClockBreached(**about(case_id, target), due_at=START, breached_at=START, number=number)


def escalated(case_id: str, escalation_id: str, number: int = 1) -> Escalated:
    said = about(case_id) | {"breach": number, "step": 0, "to": Role.CS_SUPERVISOR}
    return Escalated(**said, escalation_id=escalation_id, due_at=START)


def requested(
    message_id: str, channel: str = "sms", not_before: datetime | None = None, of: str | None = None
) -> MessageRequested:
    return MessageRequested(
        message_id=message_id,
        channel=channel,
        project_id="p1",
        template="escalation",
        not_before=not_before,
        escalation_id=of,
    )


def sent(message_id: str, channel: str = "sms") -> list[Fact]:
    named: dict[str, Any] = {"message_id": message_id, "channel": channel, "attempt": 1}
    return [
        requested(message_id, channel),
        MessageSending(**named),
        MessageSent(**named, provider_id=message_id),
    ]


async def test_clocks_that_run_are_named_with_their_streams(
    pool: asyncpg.Pool, memory: PostgresMemory
) -> None:
    cases = ("c1", "c2", "c3")
    await heard(pool, *map(received, cases), *map(started, cases), started("c1", "minor-visit"))
    met = ClockMet(**about("c2"), met_at=START, outcome="in_time")
    await heard(pool, met, breached("c3"))
    named = {("c1", "minor-resolve#1"): "clocks-c1", ("c1", "minor-visit#1"): "clocks-c1"}
    assert await memory.running("", None) == await memory.running("clocks-c0", "clocks-c1") == named
    for after, upto in (("", "clocks-c0"), ("clocks-c1", None), ("clocks-c1", "clocks-c2")):
        assert await memory.running(after, upto) == {}


async def test_breaches_are_named_of_the_groups_asked_for_alone(
    pool: asyncpg.Pool, memory: PostgresMemory
) -> None:
    cases = ("c1", "c2", "c3")
    await heard(pool, *map(started, cases), started("c4", "minor-visit"))
    await heard(
        pool, *map(breached, cases), breached("c1", number=2), breached("c4", "minor-visit")
    )
    await heard(pool, escalated("c1", "e1"), BreachWithdrawn(**about("c2"), number=1))
    groups = {(row["policy"], row["target"]): row["n"] for row in await memory.unescalated()}
    assert groups == {(VERSION, "minor-resolve"): 2, (VERSION, "minor-visit"): 1}
    asked = [(VERSION, "minor-resolve"), ("other@1", "minor-visit")]
    assert await memory.unescalated_of(asked) == {
        ("c1", "minor-resolve#1", 2),
        ("c3", "minor-resolve#1", 1),
    }
    assert await memory.unescalated_of([]) == set()


async def test_an_escalation_is_named_until_it_has_both_of_its_messages(
    pool: asyncpg.Pool, memory: PostgresMemory
) -> None:
    await heard(pool, escalated("c1", "e1"), escalated("c1", "e2", 2), requested("m1", of="e1"))
    assert await memory.untold() == {"e1", "e2"}
    assert sum(row["n"] for row in await memory.escalations() if row["untold"]) == 2
    await heard(pool, requested("m2", "email", of="e1"))
    assert await memory.untold() == {"e2"}


@pytest.mark.parametrize(
    ("last", "waits"),
    [
        (requested("m1"), True),
        (MessageSending(message_id="m1", channel="sms", attempt=1), True),
        (MessageSent(message_id="m1", channel="sms", attempt=1, provider_id="b"), True),
        (MessageSent(message_id="m1", channel="email", attempt=1, provider_id="b"), False),
        (
            MessageFailed(
                message_id="m1",
                channel="sms",
                attempt=1,
                code="x",
                again_at=START + timedelta(days=9),
            ),
            True,
        ),
        (MessageFailed(message_id="m1", channel="sms", attempt=1, code="x"), False),
        (MessageDelivered(message_id="m1", channel="sms", attempt=1), False),
    ],
    ids=lambda given: str(getattr(given, "wire_type", given)),
)
async def test_a_message_may_be_without_its_outcome_for_48_hours(
    pool: asyncpg.Pool, memory: PostgresMemory, last: Fact, waits: bool
) -> None:
    await heard(pool, requested("m1"))
    await heard(pool, last, after=timedelta(hours=1))
    until = START + timedelta(hours=1 + 48)
    assert await memory.messages_without_outcome(until) == int(waits)
    assert await memory.unchanged_since(until - timedelta(seconds=1) - OUTCOME_WITHIN) == set()
    assert await memory.unchanged_since(until - OUTCOME_WITHIN) == ({"m1"} if waits else set())


async def test_the_time_of_a_message_that_waits_counts_from_when_it_may_go(
    pool: asyncpg.Pool, memory: PostgresMemory
) -> None:
    morning = START + timedelta(hours=20)
    await heard(pool, requested("m1", not_before=morning))
    assert await memory.unchanged_since(morning - timedelta(seconds=1)) == set()
    assert await memory.unchanged_since(morning) == {"m1"}


async def test_a_message_heard_of_before_its_time_was_kept_has_the_time_of_the_migration(
    pool: asyncpg.Pool, memory: PostgresMemory
) -> None:
    old = "INSERT INTO messages (message_id, channel, status) VALUES ('m1', 'sms', 'sent')"
    before = await pool.fetchval("SELECT now()")
    await pool.execute(old)
    assert await memory.unchanged_since(before - timedelta(seconds=1)) == set()
    assert await memory.unchanged_since(before + timedelta(minutes=1)) == {"m1"}


async def test_what_is_asked_every_quarter_of_a_minute_reads_nothing_that_is_well(
    pool: asyncpg.Pool, memory: PostgresMemory
) -> None:
    await pool.execute(
        """
        INSERT INTO messages (message_id, channel, status, changed_at)
        SELECT 'm' || n, 'sms', 'delivered', $1 FROM generate_series(1, 20000) AS n
    """,
        START,
    )
    await pool.execute("""
        INSERT INTO escalations
        SELECT 'e' || n, '', true, false, false, true, true FROM generate_series(1, 20000) AS n
    """)
    await heard(pool, *sent("lost"), escalated("c1", "e-lost"))
    await pool.execute("ANALYZE messages, escalations")
    scanned = "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY($1)"
    tables = ["messages", "escalations"]

    async def scans() -> dict[str, int]:
        async with pool.acquire() as connection:
            await connection.execute("SELECT pg_stat_force_next_flush()")
            return {
                row["relname"]: row["seq_scan"] for row in await connection.fetch(scanned, tables)
            }

    before = await scans()
    for _ in range(8):  # from the sixth time on PostgreSQL may plan for whichever values
        assert await memory.unchanged_since(START) == {"lost"}
        assert await memory.untold() == {"e-lost"}
    assert await scans() == before
