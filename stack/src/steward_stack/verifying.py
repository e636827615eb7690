"""Rebuilds every read model from the facts, beside the live one, and compares or replaces it.

A service's read models follow from its own facts and from those that it has heard, which its inbox
names. All is read at one instant; what is rebuilt lies in tables that end with the session, so the
services may run meanwhile. They may not where what differs is replaced.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError
from rich.progress import Progress
from sqlalchemy import MetaData, Table

from steward_events.recorded import Recorded
from steward_eventstore.port import Change
from steward_eventstore.read_models import statements
from steward_service.queries import DATABASE_FAULTS
from steward_service.rebase import CannotRebase, demand_stopped
from steward_stack.errors import StewardError
from steward_stack.snapshots import connected, facts_of, snapshot
from steward_stack.supervisor import SERVICES, Endpoints

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


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one read model: its rows before and after; `written` where it differed."""

    service: str
    model: str
    before: int
    after: int
    written: bool


async def verify(
    endpoints: Endpoints, services: Sequence[str], progress: Progress
) -> list[Verdict]:
    """Compare all read models of these services.

    Raises StewardError when the databases cannot be reached.
    """
    found: list[Verdict] = []
    try:
        for service in services:
            async with _rebuilt(endpoints, service, services, progress) as both:
                found += [await _compare(service, table, both) for table in both.tables]
    except DATABASE_FAULTS as error:
        raise StewardError(f"The databases cannot be read: {error}") from error
    return found


async def rebuild(
    endpoints: Endpoints, services: Sequence[str], progress: Progress
) -> list[Written]:
    """Replace the read models of these stopped services that differ; of a service all or none.

    Raises StewardError while one of them runs, and when the databases cannot be used.
    """
    found: list[Written] = []
    try:
        for service in services:
            async with connected(endpoints, service) as database:
                await _demand_stopped(database, endpoints, service)
        for service in services:
            async with _rebuilt(endpoints, service, SERVICES, progress) as both:
                found += await _replace(endpoints, service, both)
    except DATABASE_FAULTS as error:
        raise StewardError(f"The databases cannot be used: {error}") from error
    return found


@dataclass(frozen=True, slots=True)
class _Both:
    """A service's read models as they are, at one instant, and in temporary tables as made anew."""

    tables: Sequence[Table]
    live: asyncpg.Connection
    anew: asyncpg.Connection


@asynccontextmanager
async def _rebuilt(
    endpoints: Endpoints, service: str, owners: Iterable[str], progress: Progress
) -> AsyncIterator[_Both]:
    """Rebuild a service's read models from its own facts and from those of the owners."""
    read_models: Any = import_module(f"steward_{service}.adapters.read_models")
    metadata: MetaData = read_models.METADATA
    tables = [table for table in metadata.sorted_tables if table.info.get("projected", True)]
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(snapshot(endpoints, service))
        heard = {row["stream_id"]: row["version"] for row in await live.fetch(_HEARD, service)}
        anew = await stack.enter_async_context(connected(endpoints, service))
        for table in tables:
            await anew.execute(
                f'CREATE TEMP TABLE "{table.name}" (LIKE public."{table.name}" INCLUDING ALL)'
            )
        await _project(anew, read_models.project, service, live, None, progress)
        for owner in owners:
            if heard and owner != service:
                # Asked for after the inbox was read: it holds all that had been heard then.
                told = await stack.enter_async_context(snapshot(endpoints, owner))
                await _project(anew, read_models.project, service, told, heard, progress)
        yield _Both(tables, live, anew)


async def _project(
    anew: asyncpg.Connection,
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
            await _apply(anew, changes)
            changes = []
            progress.update(task, completed=read)
    await _apply(anew, changes)
    progress.update(task, completed=read)


async def _apply(anew: asyncpg.Connection, changes: list[Change]) -> None:
    for sql, rows in statements(changes):
        await anew.executemany(sql, rows)


async def _compare(service: str, table: Table, both: _Both) -> Verdict:
    live, anew, columns = both.live, both.anew, _columns(table)
    key = ", ".join(f'"{column.name}"' for column in table.primary_key)
    row = f"hashtextextended(({columns})::text, 0)"
    total = f'SELECT count(*) AS rows, sum({row}::numeric) AS hash FROM "{table.name}"'  # noqa: S608
    (here,), (there,) = await live.fetch(total), await anew.fetch(total)
    rows = int(here["rows"])
    if here == there:
        return Verdict(service, table.name, rows, equal=True)
    each = f"SELECT concat_ws(' ', {key}), {row} FROM \"{table.name}\""  # noqa: S608
    alive = {tuple(row) for row in await live.fetch(each)}
    made = {tuple(row) for row in await anew.fetch(each)}
    differing = sorted({name for name, _ in alive ^ made})
    return Verdict(service, table.name, rows, equal=False, differing=tuple(differing[:NAMED]))


async def _replace(endpoints: Endpoints, service: str, both: _Both) -> list[Written]:
    verdicts = [await _compare(service, table, both) for table in both.tables]
    counts = {verdict.model: verdict.rows for verdict in verdicts}
    differing = [
        table for table, verdict in zip(both.tables, verdicts, strict=True) if not verdict.equal
    ]
    async with both.anew.transaction():
        for table in differing:
            await both.anew.execute(f'LOCK TABLE public."{table.name}" IN EXCLUSIVE MODE')
        # Whoever has begun meanwhile may have written what was not rebuilt; who begins now waits.
        await _demand_stopped(both.anew, endpoints, service)
        for table in differing:
            columns = _columns(table)
            await both.anew.execute(f'DELETE FROM public."{table.name}"')  # noqa: S608
            done = await both.anew.execute(
                f'INSERT INTO public."{table.name}" ({columns})'  # noqa: S608
                f' SELECT {columns} FROM pg_temp."{table.name}"'
            )
            counts[table.name] = int(done.rpartition(" ")[2])
    return [
        Written(service, one.model, one.rows, counts[one.model], not one.equal) for one in verdicts
    ]


async def _demand_stopped(database: asyncpg.Connection, endpoints: Endpoints, service: str) -> None:
    try:
        await demand_stopped(database, service, endpoints.kafka.split(","))
    except CannotRebase as error:
        raise StewardError(str(error)) from error
    except KafkaError as error:
        raise StewardError(f"Kafka cannot be asked who runs: {error}") from error


def _columns(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)
