"""The index of sealed texts: of each its terms, from which nobody reads it, beside its ciphertext.

It is filled behind the facts, in their order, and can be filled anew from them while the keys are
there. What was erased is taken out and never comes in again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic

import asyncpg
import structlog
from sqlalchemy import exists, select

from steward_events.fact import NewerVersion, Unreadable
from steward_events.sealed import Sealed
from steward_eventstore.port import Cursor, EventStore, Relayed, Unavailable
from steward_eventstore.rows import recorded_of
from steward_intake.adapters.read_models import SEALED_TEXTS
from steward_intake.adapters.registers import STREAM_OF_CASE, matching
from steward_intake.application.erasure import sealed_values
from steward_intake.application.ports import NOTHING, Row, Seals, Sought
from steward_service.locks import session_lock
from steward_service.queries import DATABASE_FAULTS, fetch
from steward_service.sealing import BrokenSeal, KeyNotHeard
from steward_service.search_terms import SearchTerms, plain

_LOG = structlog.get_logger(__name__)

PAGE = 500
PAUSE_SECONDS = 0.2
_BUSY_SHARE = 3
"""It rests so many times as long as it has worked: others go first."""

_WITHOUT = "DELETE FROM sealed_texts WHERE subject = ANY($1)"
_READ = "SELECT epoch, xid, pos FROM sealed_texts_read"
_READ_ON = """
INSERT INTO sealed_texts_read (singleton, epoch, xid, pos) VALUES (true, $1, $2, $3)
ON CONFLICT (singleton) DO UPDATE SET epoch = $1, xid = $2, pos = $3
"""
_EPOCH = "SELECT epoch FROM log"
# A registration replaces what was said of the same field before.
_REPLACED = """
DELETE FROM sealed_texts t USING unnest($1::text[], $2::text[]) n (stream_id, field)
 WHERE t.stream_id = n.stream_id AND t.field = n.field
"""
_KEEP = """
INSERT INTO sealed_texts (value_id, stream_id, project_id, subject, field, sealed, terms)
SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT FROM erasures WHERE subject = $4)
ON CONFLICT DO NOTHING
"""
_STORIES = ("case-", "incident-")
"""Streams of which every text stays, whatever was said before."""
_LOCK = 7_311_954_020_003

_FAULTS: tuple[type[Exception], ...] = (Unavailable, KeyNotHeard, *DATABASE_FAULTS)

Kept = tuple[str, str, str, str, str, str, list[str]]


class PostgresSealedTexts:
    """`SealedTexts` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool, terms: SearchTerms) -> None:
        self._pool = pool
        self._terms = terms

    async def find(
        self, project_id: str, text: str, limit: int, after: str = "", sought: Sought = NOTHING
    ) -> Sequence[Row]:
        """Give sealed texts that have all terms of a text, of so many streams: only candidates."""
        terms = self._terms.of(project_id, text)
        if not terms:
            return []
        columns = SEALED_TEXTS.c
        # Of one collation, so that streams from elsewhere can be put between.
        stream = columns.stream_id.collate("C")
        query = select(stream.label("stream_id"), columns.subject, columns.field, columns.sealed)
        query = query.where(
            columns.project_id == project_id, columns.terms.contains(terms), stream > after
        )
        if sought:
            query = query.where(exists().where(stream == STREAM_OF_CASE, *matching(sought)))
        candidates = query.cte("candidates")  # named twice, so that it is found but once
        place = candidates.c.stream_id
        streams = select(place).distinct().order_by(place).limit(limit)
        found = select(candidates).where(place.in_(streams)).order_by(place, candidates.c.field)
        return await fetch(self._pool, found)

    async def take_out(self, subjects: Iterable[str]) -> None:
        """Forget all that was sealed for these subjects."""
        await self._pool.execute(_WITHOUT, list(subjects))

    async def keep_up(self, store: EventStore, seals: Seals) -> None:
        """Read new facts until cancelled; of several processes one does it at a time."""
        while True:
            began = monotonic()
            try:
                read = await self.read_on(store, seals)
            except _FAULTS as error:
                _LOG.warning("The index of sealed texts waits.", reason=type(error).__name__)
                read = 0
            rest = (monotonic() - began) * _BUSY_SHARE
            await asyncio.sleep(rest if read == PAGE else max(rest, PAUSE_SECONDS))

    async def read_on(self, store: EventStore, seals: Seals) -> int:
        """Index one page of facts; gives how many it had."""
        async with self._pool.acquire() as connection, session_lock(connection, _LOCK) as held:
            if not held:
                return 0
            cursor, ended = await self._cursor(connection)
            page = await store.relay_page(cursor, PAGE, ended=ended)
            if ended and not page:
                await _store(connection, Cursor(cursor.epoch + 1, 0, 0), [])
            kept = [text for row in page for text in await self._texts(row, seals)]
            if page:
                await _store(connection, page[-1].cursor, kept)
            return len(page)

    async def _cursor(self, connection: asyncpg.pool.PoolConnectionProxy) -> tuple[Cursor, bool]:
        """Give where to read on, and whether a restore has ended that epoch."""
        epoch = await connection.fetchval(_EPOCH)
        row = await connection.fetchrow(_READ)
        cursor = Cursor(1, 0, 0) if row is None else Cursor(row["epoch"], row["xid"], row["pos"])
        return cursor, cursor.epoch < epoch

    async def _texts(self, row: Relayed, seals: Seals) -> list[Kept]:
        if '"box"' not in row.data:
            return []
        try:
            recorded = recorded_of(row.stream, row.version, row.type, row.data, row.meta)
        except (NewerVersion, Unreadable):
            return []
        if getattr(recorded.fact, "incident", None) and row.stream.startswith("case-"):
            return []  # a statement of the incident, which has it itself
        found: list[Kept] = []
        for sealed in sealed_values(recorded.fact):
            text = await _opened(seals, sealed)
            if len(plain(text)) > 1:
                terms = self._terms.of(recorded.key, text)
                place = (sealed.value_id, row.stream, recorded.key, sealed.subject, sealed.field)
                found.append((*place, sealed.model_dump_json(), terms))
        return found


async def _store(
    connection: asyncpg.pool.PoolConnectionProxy, cursor: Cursor, kept: Sequence[Kept]
) -> None:
    registered = {(text[1], text[4]): text for text in kept if not text[1].startswith(_STORIES)}
    last = [text for text in kept if registered.get((text[1], text[4]), text) is text]
    async with connection.transaction():
        if registered:
            await connection.execute(_REPLACED, *map(list, zip(*registered, strict=True)))
        if last:
            await connection.executemany(_KEEP, last)
        await connection.execute(_READ_ON, cursor.epoch, cursor.xid, cursor.pos)


async def _opened(seals: Seals, sealed: Sealed) -> str:
    try:
        text = await seals.unseal(sealed)
    except BrokenSeal:
        return ""
    return text if isinstance(text, str) else ""
