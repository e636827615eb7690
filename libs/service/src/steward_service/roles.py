"""Who acts in which role at a project: kept from the registry's facts, asked where somebody acts.

A role is found as holder, stand-in on duty, delegate, next role above (READINGS 1); what somebody
delegated who has lost the role since is void.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from pydantic import TypeAdapter
from pydantic_core import to_json
from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, exists, select

from steward_events.recorded import Recorded
from steward_events.registry import (
    DutyRosterPublished,
    RoleAssigned,
    RoleDelegated,
    RoleEnded,
    Shift,
)
from steward_events.vocabulary import Role
from steward_eventstore.port import Change, Delete, Upsert
from steward_service.queries import fetch

_SHIFTS = TypeAdapter(tuple[Shift, ...])


@dataclass(frozen=True, slots=True)
class RoleTables:
    """Who holds each role, who stands in for whom, and who is on duty."""

    roles: Table
    delegations: Table
    rosters: Table


def _roles_table(metadata: MetaData) -> Table:
    return Table(
        "roles",
        metadata,
        Column("project_id", Text, primary_key=True),
        Column("role", Text, primary_key=True),
        Column("person_id", Text, primary_key=True),
        Column("since", DateTime(timezone=True)),
    )


def role_tables(metadata: MetaData, roles: Table | None = None) -> RoleTables:
    """Declare the tables; `roles` is the service's own register of holders, where it has one."""
    return RoleTables(
        roles=_roles_table(metadata) if roles is None else roles,
        delegations=Table(
            "delegations",
            metadata,
            Column("delegation_id", Text, primary_key=True),
            Column("project_id", Text, nullable=False, default=""),
            Column("role", Text, nullable=False, default=""),
            Column("person_id", Text, nullable=False, default=""),
            Column("delegate_id", Text, nullable=False, default=""),
            Column("since", DateTime(timezone=True)),
            Column("until", DateTime(timezone=True)),
            Index("delegations_project", "project_id", "role", "until"),
        ),
        rosters=Table(
            "rosters",
            metadata,
            Column("roster_id", Text, primary_key=True),
            Column("project_id", Text, nullable=False, default=""),
            Column("shifts", Text, nullable=False, default="[]"),
            Column("until", DateTime(timezone=True)),
            Index("rosters_project", "project_id", "until"),
        ),
    )


def keep_roles(table: Table, recorded: Recorded) -> Iterable[Change]:
    """Keep who holds a role; a part of a projection."""
    match recorded.fact:
        case RoleAssigned() as fact:
            yield Upsert(table, fact.model_dump(mode="json") | {"since": recorded.occurred_at})
        case RoleEnded() as fact:
            yield Delete(table, fact.model_dump(mode="json", exclude={"successor"}))


def keep_stand_ins(tables: RoleTables, recorded: Recorded) -> Iterable[Change]:
    """Keep delegations and duty rosters; a part of a projection."""
    match recorded.fact:
        case RoleDelegated() as fact:
            yield Upsert(tables.delegations, dict(fact) | {"role": str(fact.role)})
        case DutyRosterPublished() as fact:
            until = max((shift.until for shift in fact.shifts), default=None)
            roster = {"roster_id": fact.roster_id, "project_id": fact.project_id}
            shifts = {"shifts": to_json(fact.shifts).decode(), "until": until}
            yield Upsert(tables.rosters, roster | shifts)


async def shifts(
    pool: asyncpg.Pool, tables: RoleTables, project_id: str, at: datetime
) -> Sequence[Shift]:
    """Give the shifts of a project that go on at an instant, the one that began first in front."""
    columns = tables.rosters.c
    query = select(columns.shifts).where(columns.project_id == project_id, columns.until > at)
    return sorted(
        (
            shift
            for row in await fetch(pool, query.order_by(columns.roster_id))
            for shift in _SHIFTS.validate_json(row["shifts"])
            if shift.since <= at < shift.until
        ),
        key=lambda shift: shift.since,
    )


async def acting(
    pool: asyncpg.Pool, tables: RoleTables, project_id: str, person_id: str, at: datetime
) -> frozenset[Role]:
    """Give the roles in which a person may act at a project: held, on duty in, delegated to them.

    Shifts and delegations count as of `at`, holders as they are now.
    """
    held, given = tables.roles.c, tables.delegations.c
    theirs = select(held.role).where(held.project_id == project_id, held.person_id == person_id)
    delegated = select(given.role).where(
        given.project_id == project_id,
        given.delegate_id == person_id,
        given.since <= at,
        given.until > at,
        exists().where(
            held.project_id == given.project_id,
            held.role == given.role,
            held.person_id == given.person_id,
        ),
    )
    found = {Role(row["role"]) for row in await fetch(pool, theirs.union(delegated))}
    on_duty = await shifts(pool, tables, project_id, at)
    return frozenset(found | {shift.role for shift in on_duty if shift.person_id == person_id})
