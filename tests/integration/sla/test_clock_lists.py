"""The lists of clocks and escalations over a real PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from prometheus_client import generate_latest
from tests.support.stack import FreshDatabase

from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.sla import (
    ClockBreached,
    ClockMet,
    ClockPaused,
    ClockStarted,
    Escalated,
)
from steward_events.vocabulary import Role
from steward_eventstore.read_models import statements
from steward_service.lists import Cursor
from steward_service.provision import make_tables
from steward_service.telemetry import Metrics
from steward_sla.adapters.clock_lists import PostgresLists, count_running, count_unacknowledged
from steward_sla.adapters.read_models import METADATA, project
from steward_sla.application.ports import Asked, ClockStatus
from steward_sla.application.queries import compliance

START = datetime(2026, 9, 29, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
DUE = START + timedelta(days=2)


def about(case_id: str, project_id: str = "p1") -> dict[str, Any]:
    return {
        "case_id": case_id,
        "project_id": project_id,
        "clock": "minor-resolve#1",
        "target": "minor-resolve",
        "rule": ("RM-4.5.2c", "RM-4.10.1"),
        "severity": "minor",
    }


def started(case_id: str, project_id: str = "p1") -> ClockStarted:
    said = about(case_id, project_id)
    return ClockStarted(**said, started_at=START, due_at=DUE, policy="residential-cn@2026.1")


STORY: list[Fact] = [
    started("c1"),
    started("c2"),
    started("c3"),
    started("c4", "p2"),
    ClockMet(**about("c1"), met_at=DUE, outcome="in_time"),
    ClockBreached(**about("c2"), due_at=DUE, breached_at=DUE, number=1),
    Escalated(
        **about("c2"), escalation_id="e1", breach=1, step=0, to=Role.CS_SUPERVISOR, due_at=DUE
    ),
    ClockMet(**about("c2"), met_at=DUE + timedelta(hours=1), outcome="breached"),
    ClockMet(**about("c3"), met_at=DUE + timedelta(hours=1), outcome="with_approval"),
    ClockPaused(**about("c4", "p2"), reason="waiting_owner"),
]


def recorded(fact: Fact, place: int) -> Recorded:
    at = START + timedelta(minutes=place)
    return Recorded(
        id=uuid5(UUID(int=1), str(place)),
        type=fact.wire_type,
        stream="clocks",
        version=place,
        key="p1",
        source="/steward/sla",
        occurred_at=at,
        recorded_at=at,
        known_at=at,
        fact=fact,
    )


async def told(pool: asyncpg.Pool, facts: list[Fact], after: int = 0) -> None:
    for place, fact in enumerate(facts, after):
        for sql, rows in statements(project(recorded(fact, place))):
            await pool.executemany(sql, rows)


async def _tables(dsn: str) -> None:
    await make_tables(dsn, METADATA)


@pytest.fixture
async def pool(fresh_database: FreshDatabase) -> Any:
    async with asyncpg.create_pool(await fresh_database(_tables), min_size=1, max_size=2) as pool:
        await told(pool, STORY)
        yield pool


@pytest.fixture
def lists(pool: asyncpg.Pool) -> PostgresLists:
    return PostgresLists(pool)


async def test_gauges_count_what_runs_and_what_nobody_has_taken_over(pool: asyncpg.Pool) -> None:
    metrics = Metrics()

    async def seen() -> list[str]:
        await count_running(pool, metrics)
        await count_unacknowledged(pool, metrics)
        names = ("steward_clocks_running{", "steward_escalations_unacknowledged ")
        lines = generate_latest(metrics.registry).decode().splitlines()
        return [line for line in lines if line.startswith(names)]

    late = {"breach": 1, "step": 0, "to": Role.CS_SUPERVISOR, "due_at": DUE}
    again = Escalated(**about("c5"), escalation_id="e5", **late)
    await told(pool, [started("c5"), started("c6"), again], 100)
    assert await seen() == [
        'steward_clocks_running{target="minor-resolve"} 2.0',
        "steward_escalations_unacknowledged 1.0",
    ]
    ends: list[Fact] = [
        *(ClockMet(**about(case), met_at=DUE, outcome="in_time") for case in ("c5", "c6")),
    ]
    await told(pool, ends, 200)
    assert await seen() == ["steward_escalations_unacknowledged 0.0"]


@pytest.mark.parametrize(
    ("status", "cases"),
    [
        (None, ["c1", "c2", "c3", "c4"]),
        ("met", ["c1"]),
        ("breached", ["c2"]),
        ("met_with_approval", ["c3"]),
        ("paused", ["c4"]),
        ("running", []),
    ],
)
async def test_clocks_are_listed_by_what_has_become_of_them(
    lists: PostgresLists, status: ClockStatus | None, cases: list[str]
) -> None:
    rows = await lists.clocks(None, asked=Asked(), status=status, since=None, limit=10)
    assert [row["case_id"] for row in rows] == cases


async def test_a_list_goes_on_after_its_cursor_and_keeps_to_the_projects(
    lists: PostgresLists,
) -> None:
    [first] = await lists.clocks(["p1"], asked=Asked(), status=None, since=None, limit=1)
    cursor = Cursor(first["changed_at"], first["id"])
    rest = await lists.clocks(["p1"], asked=Asked(), status=None, since=cursor, limit=10)
    assert [row["case_id"] for row in rest] == ["c2", "c3"]


async def test_compliance_counts_what_was_kept(lists: PostgresLists) -> None:
    [line] = compliance(await lists.compliance(["p1"], month="2026-10"))
    assert (line["met"], line["approved"], line["breached"]) == (1, 1, 1)
    assert not await lists.compliance(["p1"], month="2026-11")


async def test_escalations_are_listed(lists: PostgresLists, pool: asyncpg.Pool) -> None:
    rows = await lists.escalations(None, case_id="c2", status="over", since=None, limit=10)
    assert [(row["id"], row["to"], row["status"]) for row in rows] == [
        ("e1", "cs_supervisor", "over")
    ]
    one = await lists.escalation("e1")
    assert one is not None
    assert (one["project_id"], one["status"]) == ("p1", "over")
    assert not await lists.escalations(None, case_id=None, status="open", since=None, limit=10)
    late = {"breach": 1, "step": 0, "to": Role.CS_SUPERVISOR, "due_at": DUE}
    again: list[Fact] = [started("c7"), Escalated(**about("c7"), escalation_id="e7", **late)]
    await told(pool, again, 100)
    listed = await lists.escalations(None, case_id=None, status="open", since=None, limit=10)
    assert [(row["id"], row["status"]) for row in listed] == [("e7", "open")]
    assert await lists.escalation("e9") is None
    cursor = Cursor(listed[0]["changed_at"], listed[0]["id"])
    assert not await lists.escalations(None, case_id=None, status=None, since=cursor, limit=10)
