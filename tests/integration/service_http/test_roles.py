"""Who acts in a role: its holder, who is on duty in it, and to whom its holder has lent it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import MetaData
from tests.support.eventstore import StillClock, migrated
from tests.support.stack import FreshDatabase
from uuid_utils.compat import uuid7

from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.registry import (
    DutyRosterPublished,
    RoleAssigned,
    RoleDelegated,
    RoleEnded,
    Shift,
)
from steward_events.vocabulary import Role
from steward_eventstore.execute import Cause, Executor, Job
from steward_eventstore.port import Change
from steward_eventstore.postgres import PostgresStore
from steward_service.provision import make_tables
from steward_service.roles import acting, keep_roles, keep_stand_ins, role_tables

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
METADATA = MetaData()
TABLES = role_tables(METADATA)
HOLDS = RoleAssigned(project_id="p", role=Role.CENTRE_MANAGER, person_id="chen")
LENT = RoleDelegated(
    delegation_id="leave", project_id="p", role=Role.CENTRE_MANAGER, person_id="chen",
    delegate_id="zhou", since=NOON, until=NOON + HOUR,
)  # fmt: skip
SHIFT = Shift(role=Role.CS_SUPERVISOR, person_id="lin", since=NOON, until=NOON + HOUR)
ON_DUTY = DutyRosterPublished(roster_id="w40", project_id="p", shifts=(SHIFT,))
BEFORE, LAST, END = NOON - timedelta(seconds=1), NOON + HOUR - timedelta(seconds=1), NOON + HOUR


def project(recorded: Recorded) -> list[Change]:
    return [*keep_roles(TABLES.roles, recorded), *keep_stand_ins(TABLES, recorded)]


@dataclass(slots=True)
class Registry:
    pool: asyncpg.Pool
    executor: Executor

    async def hear(self, *facts: Fact) -> None:
        for fact in facts:
            heard = Recorded(
                uuid7(), fact.wire_type, f"registry-{uuid7()}", 1, "p", "/steward/intake",
                NOON, NOON, NOON, fact,
            )  # fmt: skip
            await self.executor.execute(Job(Cause(heard.id, "test"), tuple, heard=heard))

    async def acts(self, person_id: str, at: datetime, project_id: str = "p") -> set[Role]:
        return {*await acting(self.pool, TABLES, project_id, person_id, at)}


async def _with_roles(dsn: str) -> None:
    await migrated(dsn)
    await make_tables(dsn, METADATA)


@pytest.fixture
async def registry(fresh_database: FreshDatabase) -> AsyncIterator[Registry]:
    store = await PostgresStore.connect(await fresh_database(_with_roles))
    executor = Executor(
        store, StillClock(NOON), {}, source="test", partition_of=lambda _: 0, project=project
    )
    yield Registry(store.pool, executor)
    await store.close()


async def test_a_holder_acts_at_that_project_until_the_role_ends(registry: Registry) -> None:
    await registry.hear(HOLDS)
    assert await registry.acts("chen", NOON) == {Role.CENTRE_MANAGER}
    assert await registry.acts("chen", NOON, "q") == await registry.acts("zhou", NOON) == set()
    await registry.hear(RoleEnded(project_id="p", role=Role.CENTRE_MANAGER, person_id="chen"))
    assert await registry.acts("chen", NOON) == set()


@pytest.mark.parametrize(("at", "acts"), [(BEFORE, 0), (NOON, 1), (LAST, 1), (END, 0)])
async def test_a_delegation_counts_from_its_beginning_to_before_its_end(
    registry: Registry, at: datetime, acts: int
) -> None:
    await registry.hear(HOLDS, LENT)
    assert await registry.acts("zhou", at) == ({Role.CENTRE_MANAGER} if acts else set())
    assert await registry.acts("chen", at) == {Role.CENTRE_MANAGER}


async def test_what_was_lent_by_who_holds_the_role_no_more_is_void(registry: Registry) -> None:
    await registry.hear(HOLDS, LENT, HOLDS.model_copy(update={"person_id": "wu"}))
    await registry.hear(RoleEnded(project_id="p", role=Role.CENTRE_MANAGER, person_id="chen"))
    assert await registry.acts("zhou", NOON) == set()


@pytest.mark.parametrize(("at", "acts"), [(BEFORE, 0), (NOON, 1), (LAST, 1), (END, 0)])
async def test_a_shift_counts_from_its_beginning_to_before_its_end(
    registry: Registry, at: datetime, acts: int
) -> None:
    later = Shift(
        role=Role.FRONTLINE, person_id="lin", since=NOON + 9 * HOUR, until=NOON + 10 * HOUR
    )
    await registry.hear(ON_DUTY.model_copy(update={"shifts": (SHIFT, later)}))
    assert await registry.acts("lin", at) == ({Role.CS_SUPERVISOR} if acts else set())
    assert await registry.acts("lin", at, "q") == await registry.acts("chen", at) == set()
