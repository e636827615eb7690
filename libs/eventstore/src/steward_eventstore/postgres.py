"""The event store in PostgreSQL. Raw asyncpg: what is here is on every hot path.

`events` is the outbox: facts are appended once, by one SQL function, and relayed from there. Every
statement is named below with the reason for its shape.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Self
from uuid import UUID

import asyncpg
from asyncpg import Connection, Pool
from asyncpg.pool import PoolConnectionProxy

from steward_events.fact import read_fact
from steward_events.recorded import Recorded
from steward_eventstore.lending import LendingPool
from steward_eventstore.port import (
    ALARMS_WAIT,
    BadData,
    Changed,
    Cursor,
    ForeignTaken,
    Head,
    Lease,
    LinedUp,
    Parcel,
    Park,
    ParkedStream,
    Postpone,
    Reading,
    Relayed,
    Seen,
    Sweep,
    Unavailable,
    Unpark,
    View,
    Write,
)
from steward_eventstore.read_models import in_turn, statements
from steward_eventstore.rows import check, data_of, meta_of, recorded_of

Connected = Connection | PoolConnectionProxy

# One statement, so that heads, facts and inbox are seen in one snapshot and in one round trip. Lists
# stand in selects of their own: the plan does not hang on how long they are, and is made once.
_HEADS = """
SELECT 1 AS what, s.stream_id AS a, s.key AS b, NULL AS c, s.version AS n, s.partition AS m,
       s.recorded_at AS t, s.history AS u, s.live AS f, NULL::uuid AS i, NULL::bytea AS r
  FROM streams s WHERE s.stream_id = ANY ((SELECT $1::text[])::text[])
"""
_FACTS = """
(SELECT 2, e.stream_id, e.type, e.data::text, e.version, NULL, NULL, NULL, NULL, NULL::uuid,
        NULL::bytea
  FROM unnest((SELECT $1::text[]), (SELECT $2::integer[])) AS q (stream_id, known)
  JOIN events e ON e.stream_id = q.stream_id AND e.version > q.known
 ORDER BY e.stream_id, e.version)
"""
_MARKS = """
SELECT 3, i.consumer, i.stream_id, NULL, i.version, NULL, NULL, NULL, NULL, i.event_id, NULL
  FROM inbox i JOIN unnest((SELECT $3::text[]), (SELECT $4::text[])) AS q (consumer, stream_id)
    USING (consumer, stream_id)
UNION ALL
SELECT 4, f.consumer, f.source, f.id || chr(1) || f.fingerprint, NULL, NULL, NULL, NULL, NULL,
       NULL, f.result
  FROM inbox_foreign f
  JOIN unnest((SELECT $5::text[]), (SELECT $6::text[]), (SELECT $7::text[]))
    AS q (consumer, source, id) USING (consumer, source, id)
UNION ALL
SELECT 5, p.consumer, p.stream_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM parked_streams p
  JOIN unnest((SELECT $8::text[]), (SELECT $9::text[])) AS q (consumer, stream_id)
    USING (consumer, stream_id)
"""
READ = f"{_HEADS} UNION ALL {_MARKS} UNION ALL {_FACTS}"
READ_STREAMS = f"{_HEADS} UNION ALL {_FACTS}"
"""For what has no mark, as alarms: very many, and few at a time."""

COMMIT = """
SELECT steward_commit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                      $18, $19, $20, $21, $22, $23, $24, $25)
"""

# The same for one fact, as a request appends it. To make 25 arrays costs the driver 60 µs (of 165).
COMMIT_ONE = """
SELECT steward_commit(
    array_remove(ARRAY[$12::text], NULL), array_remove(ARRAY[$13::text], NULL),
    array_remove(ARRAY[$14::boolean], NULL),
    ARRAY[$1::text], ARRAY[$2::text], ARRAY[$3::integer], ARRAY[$4::integer], ARRAY[$5::integer],
    ARRAY[$6::timestamptz], ARRAY[$7::timestamptz], ARRAY[$8::boolean],
    ARRAY[$1::text], ARRAY[$5::integer], ARRAY[$3::integer], ARRAY[$9::text],
    ARRAY[$10::text], ARRAY[$11::text],
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
"""

# A restored relay's place may lie in a future that this cluster has not counted to.
FROM_ELSEWHERE = "SELECT xid >= pg_snapshot_xmax(pg_current_snapshot()) FROM relay"

APPENDED_AGAIN = "SELECT id FROM appended_again WHERE id = ANY ($1)"

FACTS_OF = """
SELECT stream_id, version, type, data::text, meta::text FROM events
 WHERE stream_id = ANY ($1::text[]) ORDER BY stream_id, version
"""

# The row-wise comparison and the equality on the epoch let one index answer in order. Facts of
# transactions that may still be running are left for later: xmin belongs to the whole cluster.
# The order is qualified: a bare `xid` would be the answer's column, a text, and 1000 before 999.
RELAY_PAGE = """
SELECT log_epoch, xid::text, pos, partition, stream_id, version, type, data::text, meta::text
  FROM events
 WHERE log_epoch = $1 AND (xid, pos) > ($2::text::xid8, $3)
   AND xid < pg_snapshot_xmin(pg_current_snapshot())
 ORDER BY events.xid, events.pos LIMIT $4
"""

# Of an epoch that a restore has ended: no transaction can add to it, so nothing is waited for.
ENDED_PAGE = RELAY_PAGE.replace("AND xid < pg_snapshot_xmin(pg_current_snapshot())", "")

# Leases are wall time of the database, so that two machines need not agree on theirs.
TAKE_LEASE = """
UPDATE relay SET holder = $1, held_until = clock_timestamp() + $2,
                 fence = fence + CASE WHEN holder IS NOT DISTINCT FROM $1 THEN 0 ELSE 1 END
 WHERE holder IS NOT DISTINCT FROM $1 OR held_until < clock_timestamp()
RETURNING fence, epoch, xid::text AS xid, pos
"""

# The fence: whoever lost the lease changes nothing, however late he wakes up. The epoch: fences
# were counted from the back-up on once more after a restore.
RELAYED = """
UPDATE relay SET epoch = $2, xid = $3::text::xid8, pos = $4, relayed = relayed + $5
 WHERE fence = $1 AND epoch = $2 RETURNING true
"""

# The time is a parameter (a volatile function disables the index), and the floor skips dead index
# entries. An alarm that failed itself is left to the retries, however long: such alarms would stand
# before all others.
_OF_EACH = """
SELECT q.partition, d.stream_id, d.due_at
  FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) AS q (partition, floor, until)
"""
_IS_DUE = """
           t.partition = q.partition AND t.due_at >= q.floor AND t.due_at < q.until
       AND NOT EXISTS (SELECT FROM parked_streams p
                        WHERE p.feeds = t.stream_id AND p.feeds <> ''
                          AND (p.stream_id = p.feeds
                               OR p.since > clock_timestamp() - $5::interval))
"""

# Per partition, so that one project's storm does not hold up those of other partitions.
DUE = f"""
{_OF_EACH}
 CROSS JOIN LATERAL (
    SELECT t.stream_id, t.due_at FROM timers t
     WHERE {_IS_DUE}
     ORDER BY t.due_at LIMIT $4) AS d
"""  # noqa: S608 - no input in it

# The keys of a partition in turn, so that it does not hold up those of its own. Each key is found
# by the one before it: the index leads from one to the next.
DUE_IN_TURN = f"""
{_OF_EACH}
 CROSS JOIN LATERAL (
    WITH RECURSIVE keys (key) AS (
        (SELECT t.key FROM timers t WHERE t.partition = q.partition ORDER BY t.key LIMIT 1)
        UNION ALL
        SELECT (SELECT t.key FROM timers t WHERE t.partition = q.partition AND t.key > k.key
                 ORDER BY t.key LIMIT 1)
          FROM keys k WHERE k.key IS NOT NULL)
    SELECT e.stream_id, e.due_at FROM keys k
     CROSS JOIN LATERAL (
        SELECT t.stream_id, t.due_at, row_number() OVER (ORDER BY t.due_at) AS turn FROM timers t
         WHERE t.key = k.key AND {_IS_DUE}
         ORDER BY t.due_at LIMIT $4) AS e
     ORDER BY e.turn, e.due_at LIMIT $4) AS d
"""  # noqa: S608 - no input in it

NEXT_DUE = """
SELECT min(d.due_at) FROM unnest($1::integer[]) AS q (partition)
 CROSS JOIN LATERAL (SELECT due_at FROM timers t WHERE t.partition = q.partition
                      ORDER BY due_at LIMIT 1) AS d
"""

PARKED = """
SELECT p.*, (SELECT count(*) FROM parked_messages m
              WHERE m.consumer = p.consumer AND m.stream_id = p.stream_id) AS waiting
  FROM parked_streams p WHERE p.retry_at <= $1 AND $2 IN ('', p.code)
 ORDER BY p.retry_at, p.consumer, p.stream_id LIMIT $3
"""

LINE = """
SELECT * FROM parked_messages WHERE consumer = $1 AND stream_id = $2
 ORDER BY place, came LIMIT $3
"""

# What lines up in front of the head may be what the head lacks: it is tried at once.
PARK_STREAM = """
INSERT INTO parked_streams AS p (consumer, stream_id, reason, code, since, retry_at, feeds)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (consumer, stream_id) DO UPDATE
   SET retry_at = least(p.retry_at, excluded.since), attempts = 0
 WHERE 0 < $8::bigint AND $8 < (SELECT min(place) FROM parked_messages m
                         WHERE m.consumer = $1 AND m.stream_id = $2)
"""

# A message without an order of its own goes to the end of its line.
PARK_MESSAGE = """
INSERT INTO parked_messages (consumer, stream_id, place, id, topic, key, header_names,
                             header_values, value)
SELECT $1, $2, CASE WHEN $3::bigint > 0 THEN $3 ELSE coalesce(max(place), 0) + 1 END,
       $4, $5, $6, $7, $8, $9
  FROM parked_messages WHERE consumer = $1 AND stream_id = $2
ON CONFLICT DO NOTHING
"""

LEAVE_LINE = "DELETE FROM parked_messages WHERE consumer = $1 AND stream_id = $2 AND id = $3"

FREE_STREAM = """
DELETE FROM parked_streams p WHERE consumer = $1 AND stream_id = $2
   AND NOT EXISTS (SELECT FROM parked_messages m WHERE m.consumer = $1 AND m.stream_id = $2)
"""

# Not if another message has come to stand in front of the one that was tried.
POSTPONE = """
UPDATE parked_streams SET reason = $3, code = $4, retry_at = $5, attempts = attempts + 1
 WHERE consumer = $1 AND stream_id = $2
   AND $6 IN ('', (SELECT id FROM parked_messages WHERE consumer = $1 AND stream_id = $2
                    ORDER BY place, came LIMIT 1))
"""

TAKE_FOREIGN = """
INSERT INTO inbox_foreign (consumer, source, id, fingerprint, result, taken_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[])
"""

FORGET_FOREIGN = """
DELETE FROM inbox_foreign WHERE (consumer, source, id) IN (
    SELECT consumer, source, id FROM inbox_foreign
     WHERE taken_at < $1 AND consumer <> ALL ($2::text[]) ORDER BY taken_at LIMIT $3)
RETURNING true
"""

START_SWEEP = """
INSERT INTO sweeps (id, kind, prefix, payload, cursor) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
STEP_SWEEP = "UPDATE sweeps SET cursor = $3 WHERE id = $1 AND cursor = $2 RETURNING true"
END_SWEEP = "DELETE FROM sweeps WHERE id = $1 AND cursor = $2 RETURNING true"

STREAMS_AFTER = """
SELECT stream_id FROM streams
 WHERE stream_id >= $1 AND stream_id > $2 AND starts_with(stream_id, $1) ORDER BY stream_id LIMIT $3
"""

COUNTS = """
SELECT (SELECT count(*) FROM timers) AS timers,
       (SELECT count(*) FROM parked_streams) AS parked,
       (SELECT count(*) FROM sweeps) AS sweeps,
       (SELECT relayed FROM relay) AS relayed
"""

# Facts are never taken away: those of finished transactions are counted once, and from then on only
# what came behind them. The counts are asked for every few seconds, and there are very many facts.
APPENDED = """
SELECT type, count(*) AS facts, settled, NULL AS epoch, NULL AS xmin
  FROM (SELECT type, (log_epoch, xid) < ((SELECT epoch FROM log),
                                         pg_snapshot_xmin(pg_current_snapshot())) AS settled
          FROM events WHERE log_epoch > $1 OR log_epoch = $1 AND xid >= $2::text::xid8) AS e
 GROUP BY type, settled
UNION ALL SELECT '', 0, false, epoch, pg_snapshot_xmin(pg_current_snapshot())::text FROM log
"""

# What was committed and is not yet acknowledged by Kafka.
BACKLOG = """
SELECT count(*) AS facts, min((meta->>'recorded')::timestamptz) AS oldest
  FROM events, relay
 WHERE log_epoch = relay.epoch AND (events.xid, events.pos) > (relay.xid, relay.pos)
"""

# What a round of the stepped clock asks, thousands of times: in one statement.
UNDER_WAY = f"""
SELECT (SELECT facts FROM ({BACKLOG}) AS behind) AS backlog,
       (SELECT count(*) FROM parked_streams WHERE attempts < $1) AS soon,
       (SELECT count(*) FROM sweeps) AS sweeps
"""  # noqa: S608 - no input in it

_CHANGED_TABLES = {"streams", "inbox", "inbox_foreign"}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class PostgresStore:
    """An `EventStore` in one PostgreSQL database."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._floors: dict[int, datetime] = {}
        self._swept: dict[int, float] = {}
        self._counting = asyncio.Lock()
        self._counted: Counter[str] = Counter()
        self._counted_to = (0, "0")
        self.restored = False

    @classmethod
    async def connect(cls, dsn: str, *, connections: int = 8, application: str = "steward") -> Self:
        """Open a pool on a migrated database; raises `Unavailable` with a sentence."""
        async with _faults():
            pool = await LendingPool(
                dsn,
                min_size=1,
                max_size=connections,
                reset=_leave_clean,
                command_timeout=60,
                server_settings={
                    "application_name": application,
                    "jit": "off",
                    # All is looked up by key; with the default, made for discs, a batch of 500 walks the
                    # whole table of streams (50,000 rows: 11 ms against 1.5).
                    "random_page_cost": "1.1",
                    # An open transaction holds up the relay of the whole cluster.
                    "idle_in_transaction_session_timeout": "10000",
                },
            )
            store = cls(pool)
            store.restored = await pool.fetchval("SELECT epoch > 1 FROM log")
        return store

    async def close(self) -> None:
        """Give the connections back."""
        await self.pool.close()

    async def read(self, reading: Reading) -> View:
        """Read heads, new facts, inbox and parking in one statement."""
        streams = list(reading.streams)
        sql, call = READ_STREAMS, [streams, [reading.streams[s] for s in streams]]
        if reading.own or reading.foreign or reading.parked:
            sql = READ
            call += [
                [c for c, _ in reading.own],
                [s for _, s in reading.own],
                [c for c, _, _ in reading.foreign],
                [s for _, s, _ in reading.foreign],
                [i for _, _, i in reading.foreign],
                [c for c, _ in reading.parked],
                [s for _, s in reading.parked],
            ]
        async with _faults():
            rows = await self.pool.fetch(sql, *call)
        view = View()
        for what, a, b, c, n, m, t, u, f, i, r in rows:
            match what:
                case 1:
                    view.heads[a] = Head(a, b, m, n, t, u, f)
                case 2:
                    view.facts.setdefault(a, []).append(read_fact(b, c))
                case 3:
                    view.own[a, b] = (n, i)
                case 4:
                    id_, _, fingerprint = c.rpartition("\x01")
                    view.foreign[a, b, id_] = Seen(fingerprint, r)
                case _:
                    view.parked.add((a, b))
        return view

    async def commit(self, write: Write) -> None:
        """Commit all or nothing; mostly in one statement, so that nobody waits for four more."""
        sql, call = _commit_call(write)
        lists = statements(write.changes)
        rare = bool(
            write.park or write.unpark or write.postpone or write.foreign
            or write.sweeps or write.sweep_steps
        )  # fmt: skip
        # What is deleted and comes again needs two statements; so do several rows with lists in them.
        at_once = not rare and all(
            change.startswith("INSERT") and len(rows) == 1 for change, rows in lists
        )
        async with _faults(), self.pool.acquire() as connection:
            if at_once:
                sql = in_turn(sql, len(call), *[change for change, _ in lists])
                await connection.execute(sql, *call, *[a for _, [row] in lists for a in row])
                return
            async with connection.transaction():
                # Locks and checks what was read, before this transaction parks anything itself.
                await connection.execute(sql, *call)
                await _change_lines(connection, write)
                await _take_foreign(connection, write.foreign)
                for change, rows in lists:
                    await connection.executemany(change, rows)
                await _move_sweeps(connection, write)

    async def comes_from_elsewhere(self) -> bool:
        """Say whether it was restored from another cluster and not rebased: nothing can be published."""
        async with _faults():
            return bool(await self.pool.fetchval(FROM_ELSEWHERE))

    async def appended_again(self, ids: Collection[UUID]) -> set[UUID]:
        """Give those of these facts that a restore has appended again."""
        if not self.restored:
            return set()
        async with _faults():
            rows = await self.pool.fetch(APPENDED_AGAIN, list(ids))
        return {row["id"] for row in rows}

    async def due(self, limits: Mapping[int, datetime], at_most: int) -> list[tuple[str, datetime]]:
        """Give due streams; once a second also those below the floor (late or restored alarms)."""
        now = monotonic()
        for partition in limits:
            if now - self._swept.get(partition, 0.0) >= 1.0:
                self._swept[partition] = now
                self._floors.pop(partition, None)
        each = max(1, at_most // max(1, len(limits)))
        found = await self._due(DUE, limits, each)
        full = {p: limits[p] for p, streams in found.items() if len(streams) >= each}
        if full:
            # Mostly few partitions have many: only these are asked for more, and by their keys.
            left = at_most - sum(map(len, found.values()))
            found |= await self._due(DUE_IN_TURN, full, each + max(0, left) // len(full))
        return [due for streams in found.values() for due in streams]

    async def _due(
        self, sql: str, limits: Mapping[int, datetime], each: int
    ) -> dict[int, list[tuple[str, datetime]]]:
        floors = [self._floors.get(partition, _LONG_AGO) for partition in limits]
        async with _faults():
            rows = await self.pool.fetch(
                sql, list(limits), floors, list(limits.values()), each, ALARMS_WAIT
            )
        found: dict[int, list[tuple[str, datetime]]] = {}
        for partition, stream, at in rows:
            found.setdefault(partition, []).append((stream, at))
        return found

    def rang(self, partition: int, at: datetime) -> None:
        """Remember that alarms up to `at` rang, so that their dead index entries are skipped."""
        self._floors[partition] = at - timedelta(seconds=1)

    async def next_due(self, partitions: Sequence[int]) -> datetime | None:
        """Give the earliest alarm of these partitions."""
        async with _faults():
            found: datetime | None = await self.pool.fetchval(NEXT_DUE, list(partitions))
            return found

    async def parked(
        self, *, due_by: datetime | None = None, code: str = "", limit: int = 100
    ) -> list[ParkedStream]:
        """Give parked streams, those to be tried first in front."""
        by = due_by or datetime.max.replace(tzinfo=UTC)
        async with _faults():
            rows = await self.pool.fetch(PARKED, by, code, limit)
        return [
            ParkedStream(
                r["consumer"], r["stream_id"], r["reason"], r["code"], r["since"], r["retry_at"],
                r["attempts"], r["waiting"], r["feeds"],
            )
            for r in rows
        ]  # fmt: skip

    async def line(self, consumer: str, stream: str, limit: int = 500) -> list[LinedUp]:
        """Give what waits behind a parked stream, in order."""
        async with _faults():
            rows = await self.pool.fetch(LINE, consumer, stream, limit)
        return [
            LinedUp(
                consumer,
                stream,
                r["place"],
                r["id"],
                Parcel(
                    r["topic"],
                    r["key"],
                    tuple(zip(r["header_names"], r["header_values"], strict=True)),
                    r["value"],
                ),
            )
            for r in rows
        ]

    async def sweeps(self) -> list[Sweep]:
        """Give the sweeps that are not finished."""
        async with _faults():
            rows = await self.pool.fetch("SELECT * FROM sweeps ORDER BY id")
        return [Sweep(r["id"], r["kind"], r["prefix"], r["payload"], r["cursor"]) for r in rows]

    async def streams_after(self, prefix: str, cursor: str, limit: int) -> list[str]:
        """Give the next streams of a kind by name."""
        async with _faults():
            rows = await self.pool.fetch(STREAMS_AFTER, prefix, cursor, limit)
        return [r["stream_id"] for r in rows]

    async def facts_of(self, *streams: str) -> list[Recorded]:
        """Give whole streams one after the other, each in order."""
        async with _faults():
            return [recorded_of(*row) for row in await self.pool.fetch(FACTS_OF, streams)]

    async def forget_foreign(
        self, before: datetime, for_good: Collection[str], at_most: int
    ) -> int:
        """Forget the oldest foreign messages and requests taken before then; give how many.

        Those of the consumers `for_good` stay.
        """
        async with _faults():
            return len(await self.pool.fetch(FORGET_FOREIGN, before, list(for_good), at_most))

    async def counts(self) -> dict[str, int]:
        """Give what is stored: alarms, parked streams, open sweeps, facts relayed."""
        async with _faults():
            [row] = await self.pool.fetch(COUNTS)
        return dict(row)

    async def appended(self) -> dict[str, int]:
        """Give how many facts are stored, by wire type in order."""
        async with self._counting, _faults():
            rows = await self.pool.fetch(APPENDED, *self._counted_to)
            found = Counter[str]()
            for type_, facts, settled, epoch, xmin in rows:
                if epoch is not None:
                    self._counted_to = epoch, xmin
                else:
                    (self._counted if settled else found)[type_] += facts
            return dict(sorted((self._counted + found).items()))

    async def under_way(self, attempts: int) -> tuple[int, int, int]:
        """Count facts not acknowledged, streams parked and tried fewer times, and open sweeps."""
        async with _faults():
            [row] = await self.pool.fetch(UNDER_WAY, attempts)
        return row["backlog"], row["soon"], row["sweeps"]

    async def backlog(self) -> tuple[int, datetime | None]:
        """Give how many facts are committed and not acknowledged, and since when the oldest waits."""
        async with _faults():
            [row] = await self.pool.fetch(BACKLOG)
        return row["facts"], row["oldest"]

    async def take_lease(self, holder: str, duration: timedelta) -> Lease | None:
        """Take or renew the right to relay, None while another holds it."""
        async with _faults():
            row = await self.pool.fetchrow(TAKE_LEASE, holder, duration)
        if row is None:
            return None
        return Lease(row["fence"], Cursor(row["epoch"], int(row["xid"]), row["pos"]))

    async def relay_page(self, cursor: Cursor, limit: int, *, ended: bool = False) -> list[Relayed]:
        """Give the next facts of finished transactions, in the order of publishing."""
        sql = ENDED_PAGE if ended else RELAY_PAGE
        async with _faults():
            rows = await self.pool.fetch(sql, cursor.epoch, str(cursor.xid), cursor.pos, limit)
        return [
            Relayed(Cursor(epoch, int(xid), pos), partition, stream, version, type_, data, meta)
            for epoch, xid, pos, partition, stream, version, type_, data, meta in rows
        ]

    async def relayed(self, fence: int, cursor: Cursor, facts: int = 0) -> bool:
        """Move the relay's cursor; False if another holds the lease by now."""
        async with _faults():
            moved = await self.pool.fetchval(
                RELAYED, fence, cursor.epoch, str(cursor.xid), cursor.pos, facts
            )
        return moved is True


async def _leave_clean(connection: Connection) -> None:
    # Nothing here changes a session, so that asyncpg's reset after each use, a round trip, is spared.
    if connection.is_in_transaction():
        await connection.reset()


def _commit_call(write: Write) -> tuple[str, Sequence[Any]]:
    facts: list[tuple[str, int, int, str, str, str]] = []
    for stream in write.streams:
        for fact in stream.facts:
            data, meta = data_of(fact), meta_of(fact)
            check(fact.type, data, meta)
            facts.append((fact.stream, fact.version, stream.head.partition, fact.type, data, meta))
    places = sorted(write.parked_as_read)
    if len(facts) == len(write.streams) == 1 and not (places[1:] or write.own or write.timers):
        [only] = write.streams
        h = only.head
        place, was = next(iter(write.parked_as_read.items()), ((None, None), None))
        return COMMIT_ONE, (
            h.stream, h.key, h.partition, only.expected, h.version, h.recorded_at, h.history,
            h.live, *facts[0][3:], *place, was,
        )  # fmt: skip
    heads = [(s.head, s.expected) for s in sorted(write.streams, key=lambda s: s.head.stream)]
    own = sorted(write.own, key=lambda o: (o.consumer, o.stream))
    timers = sorted(write.timers.items())
    return COMMIT, [
        [c for c, _ in places],
        [s for _, s in places],
        [write.parked_as_read[place] for place in places],
        [h.stream for h, _ in heads],
        [h.key for h, _ in heads],
        [h.partition for h, _ in heads],
        [expected for _, expected in heads],
        [h.version for h, _ in heads],
        [h.recorded_at for h, _ in heads],
        [h.history for h, _ in heads],
        [h.live for h, _ in heads],
        *([column[i] for column in facts] for i in range(6)),
        [o.consumer for o in own],
        [o.stream for o in own],
        [o.expected for o in own],
        [o.version for o in own],
        [o.id for o in own],
        [name for name, _ in timers],
        [partition for _, (partition, _) in timers],
        [due for _, (_, due) in timers],
    ]


async def _change_lines(connection: Connected, write: Write) -> None:
    # Within a line as they came: the first says why the stream is parked.
    for park in sorted(write.park, key=_place_of):
        message, parcel = park.message, park.message.parcel
        place = (message.consumer, message.stream)
        await connection.execute(
            PARK_STREAM,
            *place,
            _written(park.reason)[:2000],
            park.code,
            park.at,
            park.retry_at,
            park.feeds,
            message.order,
        )
        await connection.execute(
            PARK_MESSAGE,
            *place,
            message.order,
            message.id,
            parcel.topic,
            parcel.key,
            [_written(name) for name, _ in parcel.headers],
            [value for _, value in parcel.headers],
            parcel.value,
        )
    for done in sorted(write.unpark, key=lambda u: (u.consumer, u.stream, u.id)):
        await _leave(connection, done)
    for late in sorted(write.postpone, key=lambda p: (p.consumer, p.stream)):
        await _postpone(connection, late)


def _written(text: str) -> str:
    """Give a text that PostgreSQL keeps: a NUL would keep a message from being parked at all."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _place_of(park: Park) -> tuple[str, str]:
    return park.message.consumer, park.message.stream


async def _postpone(connection: Connected, late: Postpone) -> None:
    reason = _written(late.reason)[:2000]
    await connection.execute(
        POSTPONE, late.consumer, late.stream, reason, late.code, late.retry_at, late.head
    )


async def _leave(connection: Connected, done: Unpark) -> None:
    await connection.execute(LEAVE_LINE, done.consumer, done.stream, done.id)
    await connection.execute(FREE_STREAM, done.consumer, done.stream)


async def _take_foreign(connection: Connected, taken: Iterable[ForeignTaken]) -> None:
    rows = sorted(
        (t.mark.consumer, t.mark.source, t.mark.id, t.mark.fingerprint, t.result, t.at)
        for t in taken
    )
    if rows:
        await connection.execute(TAKE_FOREIGN, *map(list, zip(*rows, strict=True)))


async def _move_sweeps(connection: Connected, write: Write) -> None:
    for sweep in write.sweeps:
        await connection.execute(
            START_SWEEP, sweep.id, sweep.kind, sweep.prefix, sweep.payload, sweep.cursor
        )
    for step in write.sweep_steps:
        if step.cursor is None:
            moved = await connection.fetchval(END_SWEEP, step.id, step.expected)
        else:
            moved = await connection.fetchval(STEP_SWEEP, step.id, step.expected, step.cursor)
        if not moved:
            raise Changed(f"The sweep {step.id} has moved on.")


@asynccontextmanager
async def _faults() -> AsyncIterator[None]:
    """Turn the driver's errors into the port's three."""
    try:
        yield
    except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError) as error:
        raise Changed(_said(error)) from error
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if isinstance(error, asyncpg.UniqueViolationError) and error.table_name in _CHANGED_TABLES:
            raise Changed(f"Somebody else was first in {error.table_name}.") from error
        if state.startswith(("22", "23", "54")):
            raise BadData(_said(error)) from error
        if state.startswith(("08", "53", "57", "58", "25")):
            raise Unavailable(f"PostgreSQL cannot work now: {_said(error)}") from error
        raise
    except (
        TimeoutError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # so it speaks of a connection that broke in mid-answer
        ConnectionError,
        OSError,
    ) as error:
        raise Unavailable(f"PostgreSQL cannot be reached: {error}") from error


def _said(error: asyncpg.PostgresError) -> str:
    # Never the detail, nor what the driver says of an argument: it holds values, maybe personal.
    return error.message or "a value does not fit its column"
