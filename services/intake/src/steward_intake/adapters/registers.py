"""The read models in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import insert

from steward_events.fact import known_facts, read_fact
from steward_events.intake import CaseReceived
from steward_events.recorded import Recorded
from steward_events.vocabulary import Role
from steward_intake.adapters.read_models import (
    ACTING,
    CASE_CONCERNS,
    CASE_NUMBERS,
    CASE_RULES,
    CASES,
    COMMITTEES,
    DEPARTMENTS,
    ERASURES,
    GOES_ON,
    GROUPS,
    HEARD_FACTS,
    HOUSEHOLD_NOTES,
    HOUSEHOLDS,
    INCIDENTS,
    PEOPLE,
    POLICIES,
    PROJECTS,
    ROLES,
    STAFF,
    SUGGESTION_BOXES,
    ZONES,
)
from steward_intake.application.ports import NAMED, Row, Sought
from steward_service.lists import Cursor, foreign_cursor
from steward_service.queries import fetch, page
from steward_service.roles import acting

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        *(GROUPS, PROJECTS, DEPARTMENTS, HOUSEHOLDS, PEOPLE, STAFF, ROLES, ZONES),
        *(CASES, POLICIES, ERASURES, COMMITTEES, SUGGESTION_BOXES, HOUSEHOLD_NOTES, INCIDENTS),
    )
}


class PostgresRegisters:
    """`Registers` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def entries(self, register: str, ids: Sequence[str]) -> dict[str, Row]:
        """Give rows by ID."""
        table = TABLES[register]
        [key] = table.primary_key
        rows = await fetch(self._pool, select(table).where(key.in_(ids)))
        return {row[key.name]: row for row in rows}

    async def policies(self, pack: str | None) -> Sequence[Row]:
        """Give the published versions of a pack, or of all, in the order of publication."""
        columns = POLICIES.c
        query = select(POLICIES)
        if pack is not None:
            query = query.where(columns.pack == pack)
        return await fetch(self._pool, query.order_by(columns.changed_at, columns.version))

    async def policy_text(self, pack: str, version: str) -> str | None:
        """Give the text of one published version."""
        columns = POLICIES.c
        query = select(columns.text).where(columns.pack == pack, columns.version == version)
        return next((row["text"] for row in await fetch(self._pool, query)), None)

    async def zones(self, pack: str, group_id: str | None, project_id: str | None) -> Sequence[str]:
        """Give the zones of a project, of a group's projects, or of all; one may name no pack."""
        columns = PROJECTS.c
        query = select(columns.zone).distinct()
        if project_id is not None:
            query = query.where(columns.project_id == project_id)
        else:
            query = query.where(columns.policy.in_([pack, ""]))
            if group_id is not None:
                query = query.where(columns.group_id == group_id)
        return [row["zone"] for row in await fetch(self._pool, query)]

    async def numbers(self, project_id: str, year: int, count: int = 1) -> range:
        """Count on in a transaction of its own, so that nobody waits for a long one."""
        added = insert(CASE_NUMBERS).values(project_id=project_id, year=year, last=count)
        query = added.on_conflict_do_update(
            index_elements=[CASE_NUMBERS.c.project_id, CASE_NUMBERS.c.year],
            set_={"last": CASE_NUMBERS.c.last + added.excluded.last},
        ).returning(CASE_NUMBERS.c.last)
        [row] = await fetch(self._pool, query)
        return range(row["last"] - count + 1, row["last"] + 1)

    async def roles_of(self, person_id: str, project_id: str) -> Sequence[str]:
        """Give the roles that a person holds at a project."""
        columns = ROLES.c
        query = select(columns.role).where(
            columns.project_id == project_id, columns.person_id == person_id
        )
        return [row["role"] for row in await fetch(self._pool, query)]

    async def acting(self, person_id: str, project_id: str, at: datetime) -> frozenset[Role]:
        """Give the roles in which a person may act at a project."""
        return await acting(self._pool, ACTING, project_id, person_id, at)

    async def holders(self, project_id: str) -> Sequence[tuple[str, str]]:
        """Give who holds which role at a project."""
        columns = ROLES.c
        query = select(columns.role, columns.person_id).where(columns.project_id == project_id)
        rows = await fetch(self._pool, query.order_by(columns.changed_at, columns.person_id))
        return [(row["role"], row["person_id"]) for row in rows]

    async def departments(self, project_id: str, group_id: str) -> Sequence[Row]:
        """Give the departments of a project and of its group."""
        columns = DEPARTMENTS.c
        theirs = or_(columns.project_id == project_id, columns.group_id == group_id)
        order = (columns.project_id.is_(None), columns.department_id)
        return await fetch(self._pool, select(DEPARTMENTS).where(theirs).order_by(*order))

    async def owned(self, person_id: str, project_id: str) -> Sequence[Row]:
        """Give a person's open cases at a project."""
        columns = CASES.c
        query = select(CASES).where(
            columns.owner_id == person_id,
            columns.project_id == project_id,
            columns.status.in_(GOES_ON),
        )
        return await fetch(self._pool, query.order_by(columns.case_id))

    async def cases_of(
        self,
        household_id: str,
        topic: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Row]:
        """Give a household's cases in the order of their reception."""
        columns = CASES.c
        query = select(CASES).where(columns.household_id == household_id)
        if topic is not None:
            query = query.where(columns.topic.in_([topic, ""]))
        if since is not None:
            query = query.where(columns.received_at >= since)
        if until is not None:
            query = query.where(columns.received_at < until)
        return await fetch(self._pool, query.order_by(columns.received_at, columns.case_id))

    async def cases_concerning(self, household_id: str) -> Sequence[Row]:
        """Give the cases of others that concern a household, each with its `part` in it."""
        columns = CASE_CONCERNS.c
        query = select(CASES, columns.part).join_from(
            CASES, CASE_CONCERNS, columns.case_id == CASES.c.case_id
        )
        return await fetch(self._pool, query.where(columns.household_id == household_id))

    async def concerned(self, *case_ids: str) -> Sequence[Row]:
        """Give the other households that cases concern, and as what."""
        columns = CASE_CONCERNS.c
        query = select(CASE_CONCERNS).where(columns.case_id.in_(case_ids))
        return await fetch(self._pool, query.order_by(columns.case_id, columns.household_id))

    async def cases_at(
        self,
        project_id: str,
        at: Mapping[str, str],
        topic: str,
        since: datetime,
        until: datetime,
    ) -> Sequence[Row]:
        """Give the cases at a place of a project, or about an asset, on a topic, or on none yet."""
        columns = CASES.c
        query = select(CASES).where(
            columns.project_id == project_id,
            or_(*(columns[name] == value for name, value in at.items())),
            columns.topic.in_([topic, ""]),
            columns.received_at >= since,
            columns.received_at < until,
        )
        return await fetch(self._pool, query)

    async def archived(
        self, projects: Sequence[str] | None, sought: Sought, since: Cursor | None, limit: int
    ) -> Sequence[Row]:
        """Give such cases in the order of their last change."""
        query = _filtered(CASES, projects, {}).where(*matching(sought))
        after = None if since is None else [since.changed_at, since.id]
        order = [CASES.c.changed_at, CASES.c.case_id]
        return await fetch(self._pool, page(query, order, after, limit))

    async def named(
        self, project_id: str, words: str, sought: Sought, limit: int, after: str
    ) -> Sequence[Row]:
        """Give such cases by what names them, in the order of their streams."""
        columns, stream = CASES.c, STREAM_OF_CASE.collate("C")
        named = [columns[name].icontains(words, autoescape=True) for name in NAMED]
        query = select(CASES).where(
            columns.project_id == project_id,
            or_(*named),
            stream > after,
            *matching(sought),
        )
        return await fetch(self._pool, query.order_by(stream).limit(limit))

    async def named_incidents(
        self, project_id: str, words: str, limit: int, after: str
    ) -> Sequence[Row]:
        """Give incidents by title or cause, in the order of their streams."""
        columns, stream = INCIDENTS.c, STREAM_OF_INCIDENT.collate("C")
        in_title, in_cause = (
            name.icontains(words, autoescape=True) for name in (columns.title, columns.cause)
        )
        query = select(INCIDENTS).where(
            columns.project_id == project_id, or_(in_title, in_cause), stream > after
        )
        return await fetch(self._pool, query.order_by(stream).limit(limit))

    async def heard_of(
        self, household_id: str, cases: Sequence[str]
    ) -> Sequence[tuple[str | None, Recorded]]:
        """Give what the others have told of a household and of its cases, with the case."""
        columns = HEARD_FACTS.c
        query = select(HEARD_FACTS).where(
            or_(columns.household_id == household_id, columns.case_id.in_(cases))
        )
        return [(row["case_id"], _recorded(row)) for row in await fetch(self._pool, query)]

    async def notes_of(self, household_id: str) -> Sequence[Row]:
        """Give the notes about a household that were not retired, the newest first."""
        columns = HOUSEHOLD_NOTES.c
        query = select(HOUSEHOLD_NOTES).where(columns.household_id == household_id)
        return await fetch(self._pool, query.order_by(columns.added_at.desc(), columns.note_id))

    async def without_owner(
        self, projects: Sequence[str] | None, since: Cursor | None, limit: int
    ) -> Sequence[Row]:
        """Give cases that go on, and whose owner has no role at their project, or that have none."""
        columns = CASES.c
        living = exists().where(
            ROLES.c.project_id == columns.project_id, ROLES.c.person_id == columns.owner_id
        )
        query = _filtered(CASES, projects, {}).where(columns.status.in_(GOES_ON), ~living)
        after = None if since is None else [since.changed_at, since.id]
        return await fetch(
            self._pool, page(query, [columns.changed_at, columns.case_id], after, limit)
        )

    async def erased(self, subjects: Iterable[str]) -> frozenset[str]:
        """Give those that were erased."""
        column = ERASURES.c.subject
        wanted = sorted(set(subjects))
        if not wanted:
            return frozenset()
        rows = await fetch(self._pool, select(column).where(column.in_(wanted)))
        return frozenset(row["subject"] for row in rows)

    async def listed(
        self,
        register: str,
        projects: Sequence[str] | None,
        filters: Mapping[str, Any],
        since: Cursor | None,
        limit: int,
    ) -> Sequence[Row]:
        """Give rows of a register in the order of their last change."""
        table = TABLES[register]
        order = [table.c.changed_at, *table.primary_key]
        after = None if since is None else [since.changed_at, *since.id.split("|")]
        if after is not None and len(after) != len(order):
            raise foreign_cursor()
        query = page(_filtered(table, projects, filters), order, after, limit)
        return await fetch(self._pool, query)


def _recorded(row: Row) -> Recorded:
    owner = str(row["type"]).partition(".")[0]
    return Recorded(
        id=UUID(row["event_id"]),
        type=row["type"],
        stream=row["stream_id"],
        version=row["version"],
        key="",  # the household's project, which nobody asks for here
        source=f"/steward/{owner}",
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        known_at=row["known_at"],
        fact=read_fact(row["type"], row["data"]),
        history=row["history"],
    )


STREAM_OF_CASE = literal("case-", Text) + CASES.c.case_id
STREAM_OF_INCIDENT = literal("incident-", Text) + INCIDENTS.c.incident_id
_EVENTS = table("events", column("stream_id", Text), column("type", Text))


def matching(sought: Sought) -> list[ColumnElement[bool]]:
    """Say which cases are sought."""
    columns = CASES.c
    found = [columns[name] == value for name, value in sought.columns.items()]
    if sought.received_from is not None:
        found.append(columns.received_at >= sought.received_from)
    if sought.received_to is not None:
        found.append(columns.received_at < sought.received_to)
    if sought.rule is not None:
        found.append(_touched_by(sought.rule))
    return found


def _touched_by(rule: str) -> ColumnElement[bool]:
    """Say in which cases a fact carries the rule out, or one of another service names it.

    What a reception carries out, depending on how it came, says little: it is not asked for.
    """
    types = [
        fact.wire_type for fact in known_facts() if rule in fact.rules and fact is not CaseReceived
    ]
    done = exists().where(_EVENTS.c.stream_id == STREAM_OF_CASE, _EVENTS.c.type.in_(types))
    heard = exists().where(CASE_RULES.c.case_id == CASES.c.case_id, CASE_RULES.c.rule == rule)
    return or_(done, heard)


def _filtered(
    table: Table, projects: Sequence[str] | None, filters: Mapping[str, Any]
) -> Select[tuple[object, ...]]:
    query = select(table).where(*(_asked(table, name, value) for name, value in filters.items()))
    return query if projects is None else query.where(_theirs(table, projects))


def _asked(table: Table, name: str, value: object) -> ColumnElement[bool]:
    if name == "incomplete":
        return (func.cardinality(table.c.lacks) > 0) == value
    if name == "received_since":
        return table.c.received_at >= datetime.fromisoformat(str(value))
    return table.c[name] == value


def _theirs(table: Table, projects: Sequence[str]) -> ColumnElement[bool]:
    """Say which rows are of these projects, or of the groups to which they belong.

    Among them may be the group itself, for what is group-wide.
    """
    groups = select(PROJECTS.c.group_id).where(PROJECTS.c.project_id.in_(projects))
    match table.name:
        case "groups" | "staff":
            return or_(table.c.group_id.in_(groups), table.c.group_id.in_(projects))
        case "departments":
            return or_(
                table.c.project_id.in_(projects),
                table.c.group_id.in_(groups),
                table.c.group_id.in_(projects),
            )
        case "policies":
            group, project = table.c.group_id, table.c.project_id
            of_group = or_(group.is_(None), group.in_(groups), group.in_(projects))
            return or_(project.in_(projects), and_(project.is_(None), of_group))
        case "erasures":
            project, group = table.c.project_id, table.c.group_id
            return or_(project.in_(projects), group.in_(groups), group.in_(projects))
        case _:
            return table.c.project_id.in_(projects)
