"""Rebuilds every read model from the facts, beside the live one, and compares the two.

A service's read models follow from its own facts and from those that it has heard, which its inbox
names. All is read at one instant; what is rebuilt lies in tables that end with the session, so the
services may run meanwhile.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import asyncpg
from rich.progress import Progress
from sqlalchemy import MetaData, Table

from steward_events.recorded import Recorded
from steward_eventstore.port import Change
from steward_eventstore.read_models import statements
from steward_service.queries import DATABASE_FAULTS
from steward_stack.errors import StewardError
from steward_stack.snapshots import connected, facts_of, snapshot
from steward_stack.supervisor import Endpoints

TOGETHER = 2_000
"""Facts that are applied at once."""
NAMED = 5
"""Rows that are named of a read model that differs."""

_FACTS = """
SELECT stream_id, version, type, data::text, meta::text FROM events
 ORDER BY log_epoch, events.xid, pos
"""
_STREAMS = "SELECT stream_id, version FROM streams"
_HEARD = "SELECT stream_id, version FROM inbox WHERE consumer = $1"

Apply = Callable[[list[Change]], Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison of one read model says; `differing` names rows that are not alike."""

    service: str
    model: str
    rows: int
    equal: bool
    differing: tuple[str, ...] = ()


async def verify(
    endpoints: Endpoints, services: Iterable[str], progress: Progress
) -> list[Verdict]:
    """Compare all read models of these services.

    Raises StewardError when the databases cannot be reached.
    """
    found: list[Verdict] = []
    try:
        for service in services:
            found += await _verify(endpoints, service, list(services), progress)
    except DATABASE_FAULTS as error:
        raise StewardError(f"The databases cannot be read: {error}") from error
    return found


async def _verify(
    endpoints: Endpoints, service: str, services: list[str], progress: Progress
) -> list[Verdict]:
    read_models: Any = import_module(f"steward_{service}.adapters.read_models")
    metadata: MetaData = read_models.METADATA
    tables = [table for table in metadata.sorted_tables if table.info.get("projected", True)]
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(snapshot(endpoints, service))
        heard = {row["stream_id"]: row["version"] for row in await live.fetch(_HEARD, service)}
        rebuilt = await stack.enter_async_context(connected(endpoints, service))
        for table in tables:
            await rebuilt.execute(
                f'CREATE TEMP TABLE "{table.name}" (LIKE public."{table.name}" INCLUDING ALL)'
            )
        await _rebuild(rebuilt, read_models.project, service, live, None, progress)
        for owner in services:
            if heard and owner != service:
                # Asked for after the inbox was read: it holds all that had been heard then.
                told = await stack.enter_async_context(snapshot(endpoints, owner))
                await _rebuild(rebuilt, read_models.project, service, told, heard, progress)
        return [await _compare(service, table, live, rebuilt) for table in tables]


async def _rebuild(
    rebuilt: asyncpg.Connection,
    project: Callable[[Recorded], Iterable[Change]],
    service: str,
    owner: asyncpg.Connection,
    heard: Mapping[str, int] | None,
    progress: Progress,
) -> None:
    """Apply an owner's facts in their order; `heard` None means our own."""
    streams = [(row["stream_id"], row["version"]) for row in await owner.fetch(_STREAMS)]
    total = sum(version if heard is None else heard.get(stream, 0) for stream, version in streams)
    task = progress.add_task(f"Facts for {service}", total=total, now="")
    changes: list[Change] = []
    read = 0
    async for recorded in facts_of(owner, _FACTS, heard):
        changes += project(recorded)
        read += 1
        if read % TOGETHER == 0:
            await _apply(rebuilt, changes)
            changes = []
            progress.update(task, completed=read)
    await _apply(rebuilt, changes)
    progress.update(task, completed=read)


async def _apply(rebuilt: asyncpg.Connection, changes: list[Change]) -> None:
    for sql, rows in statements(changes):
        await rebuilt.executemany(sql, rows)


async def _compare(
    service: str, table: Table, live: asyncpg.Connection, rebuilt: asyncpg.Connection
) -> Verdict:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    key = ", ".join(f'"{column.name}"' for column in table.primary_key)
    row = f"hashtextextended(({columns})::text, 0)"
    total = f'SELECT count(*) AS rows, sum({row}::numeric) AS hash FROM "{table.name}"'  # noqa: S608
    (here,), (there,) = await live.fetch(total), await rebuilt.fetch(total)
    rows = int(here["rows"])
    if here == there:
        return Verdict(service, table.name, rows, equal=True)
    each = f"SELECT concat_ws(' ', {key}), {row} FROM \"{table.name}\""  # noqa: S608
    alive = {tuple(row) for row in await live.fetch(each)}
    made = {tuple(row) for row in await rebuilt.fetch(each)}
    differing = sorted({name for name, _ in alive ^ made})
    return Verdict(service, table.name, rows, equal=False, differing=tuple(differing[:NAMED]))
