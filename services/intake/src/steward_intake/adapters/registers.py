"""The read models in PostgreSQL."""

from collections.abc import Mapping, Sequence

import asyncpg
from sqlalchemy import Select, Table, select
from sqlalchemy.dialects.postgresql import insert

from steward_intake.adapters.read_models import (
    CASE_NUMBERS,
    CASES,
    GROUPS,
    HOUSEHOLDS,
    PEOPLE,
    POLICIES,
    PROJECTS,
    ROLES,
    STAFF,
)
from steward_intake.application.ports import Row
from steward_service.lists import Cursor
from steward_service.queries import fetch, page

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (GROUPS, PROJECTS, HOUSEHOLDS, PEOPLE, STAFF, ROLES, CASES, POLICIES)
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

    async def policies(self, pack: str) -> Sequence[Row]:
        """Give the published versions of a pack."""
        return await fetch(self._pool, select(POLICIES).where(POLICIES.c.pack == pack))

    async def numbers(self, project_id: str, year: int, count: int = 1) -> range:
        """Count on in a transaction of its own, so that nobody waits for a long one."""
        added = insert(CASE_NUMBERS).values(project_id=project_id, year=year, last=count)
        query = added.on_conflict_do_update(
            index_elements=[CASE_NUMBERS.c.project_id, CASE_NUMBERS.c.year],
            set_={"last": CASE_NUMBERS.c.last + added.excluded.last},
        ).returning(CASE_NUMBERS.c.last)
        [row] = await fetch(self._pool, query)
        return range(row["last"] - count + 1, row["last"] + 1)

    async def cases(
        self,
        projects: Sequence[str] | None,
        filters: Mapping[str, str],
        since: Cursor | None,
        limit: int,
    ) -> Sequence[Row]:
        """Give cases in the order of their last change."""
        after = None if since is None else (since.changed_at, since.id)
        order = (CASES.c.changed_at, CASES.c.case_id)
        query = page(_filtered(CASES, projects, filters), order, after, limit)
        return await fetch(self._pool, query)

    async def listed(
        self,
        register: str,
        projects: Sequence[str] | None,
        filters: Mapping[str, str],
        after: str,
        limit: int,
    ) -> Sequence[Row]:
        """Give rows of a register in the order of their IDs."""
        table = TABLES[register]
        key = list(table.primary_key)
        place = [*after.split("|"), *[""] * len(key)][: len(key)] if after else None
        query = page(_filtered(table, projects, filters), key, place, limit)
        return await fetch(self._pool, query)


def _filtered(
    table: Table, projects: Sequence[str] | None, filters: Mapping[str, str]
) -> Select[tuple[object, ...]]:
    query = select(table).where(*(table.c[name] == value for name, value in filters.items()))
    if projects is not None and "project_id" in table.c:
        query = query.where(table.c.project_id.in_(projects))
    return query
