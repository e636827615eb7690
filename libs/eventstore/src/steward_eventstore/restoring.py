"""A database that came back from a back-up is given what it lacks: its own facts, as published.

    its topic --> page --> lacking? --> events, streams, read models, alarms --> a new epoch
                              |
        another history, or a version that nobody has any more: nothing is changed

All of it is one transaction. Positions of the back-up are never compared with later ones, since
transaction numbers may begin anew: hence the new epoch, and `last_xid` of 0.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from steward_events.cloudevents import content_of, ends_history
from steward_events.fact import NewerVersion, Unreadable
from steward_events.recorded import Recorded
from steward_eventstore.port import Change, Cursor, Head, Projection, Relayed
from steward_eventstore.postgres import Connected, PostgresStore
from steward_eventstore.read_models import statements
from steward_eventstore.rows import meta_of

ALL_DAY = 86_400.0
"""Seconds that one statement may take: nobody else works meanwhile."""

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""The alarm of a stream that was appended to: it rings nothing, and the right one is set by it."""

# Two rebases of one database at once would append everything twice, and one of them would fail late.
ALONE = "SELECT pg_advisory_xact_lock(7311954020004)"

PATIENT = "SET LOCAL idle_in_transaction_session_timeout = 0"

# What the database has in the places of a page of published facts.
FOUND = """
SELECT q.stream_id, q.version, coalesce(s.version, 0) AS head, e.meta->>'id' AS id
  FROM unnest($1::text[], $2::integer[]) AS q (stream_id, version)
  LEFT JOIN streams s USING (stream_id)
  LEFT JOIN events e ON e.stream_id = q.stream_id AND e.version = q.version
"""

HEADS = """
SELECT stream_id, key, partition, version, recorded_at, history, live FROM streams
 WHERE stream_id = ANY ($1::text[])
"""

# In the order of the topic, under the epoch that this transaction has raised.
APPEND = """
INSERT INTO events (log_epoch, stream_id, version, partition, type, data, meta)
SELECT (SELECT epoch FROM log), q.stream_id, q.version, q.partition, q.type, q.data::json,
       q.meta::json
  FROM unnest($1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[])
       WITH ORDINALITY AS q (stream_id, version, partition, type, data, meta, place)
 ORDER BY q.place
"""

REMEMBER = "INSERT INTO appended_again SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING"

MOVE_HEADS = """
INSERT INTO streams AS s (stream_id, key, partition, version, last_xid, recorded_at, history, live)
SELECT q.stream_id, q.key, q.partition, q.version, '0', q.recorded, q.history, q.live
  FROM unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::timestamptz[],
              $6::timestamptz[], $7::boolean[])
    AS q (stream_id, key, partition, version, recorded, history, live)
ON CONFLICT (stream_id) DO UPDATE SET version = excluded.version, last_xid = '0',
   recorded_at = excluded.recorded_at, history = excluded.history, live = excluded.live
"""

SET_ALARMS = """
INSERT INTO timers (stream_id, partition, due_at, key)
SELECT stream_id, partition, $2, key FROM streams WHERE stream_id = ANY ($1::text[])
ON CONFLICT (stream_id) DO UPDATE SET due_at = excluded.due_at
"""

# Numbers from a future of which this cluster knows nothing: nothing could be appended or relayed.
STRANGE = """
SELECT EXISTS (SELECT FROM streams WHERE last_xid >= pg_snapshot_xmax(pg_current_snapshot()))
    OR EXISTS (SELECT FROM relay WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))
"""

FORGET_NUMBERS = "UPDATE streams SET last_xid = '0' WHERE last_xid <> '0'"
RAISE_EPOCH = "UPDATE log SET epoch = epoch + 1"

# What was appended again is on the topic: the relay begins behind it. A new fence, for nobody.
MOVE_RELAY = """
UPDATE relay SET epoch = log.epoch, xid = pg_current_xact_id(), fence = fence + 1, holder = NULL,
       held_until = '-infinity', relayed = relayed + $1,
       pos = coalesce((SELECT max(pos) FROM events WHERE log_epoch = log.epoch), 0)
  FROM log
"""


class CannotRestore(Exception):
    """A sentence that says why this database cannot go on; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Told:
    """One published fact: what its headers say, its partition, and its JSON as it stands there."""

    envelope: Recorded
    partition: int
    data: str


class OldTail(PostgresStore):
    """The store of a relay that publishes what an old epoch has left, whatever runs meanwhile."""

    async def relay_page(
        self,
        cursor: Cursor,
        limit: int,
        *,
        ended: bool = True,  # noqa: ARG002 - it has ended
    ) -> list[Relayed]:
        """Give the next facts without waiting for transactions: none of that epoch can come."""
        return await super().relay_page(cursor, limit, ended=True)


class Restoring:
    """Takes a service's published facts, in a transaction that the caller ends with `finish`."""

    def __init__(self, connection: Connected, project: Projection) -> None:
        self._connection = connection
        self._project = project
        self.appended = 0

    async def begin(self) -> None:
        """Wait until nobody else does this."""
        await self._connection.execute(PATIENT)
        await self._connection.execute(ALONE, timeout=ALL_DAY)

    async def take(self, page: Sequence[Told]) -> None:
        """Append what the database lacks of a page, in its order. Raises `CannotRestore`."""
        lacking = await self._lacking(page)
        if not lacking:
            return
        if not self.appended:
            await self._connection.execute(RAISE_EPOCH)
        await self._append(lacking)
        self.appended += len(lacking)

    async def finish(self, tail: int, mending: Iterable[str] = ()) -> bool:
        """Part the old numbers from the new; says whether anything had to be changed.

        `tail`: how many facts of the old epoch were published; `mending`: what the service itself
        makes good.
        """
        if not (self.appended or tail or await self._connection.fetchval(STRANGE, timeout=ALL_DAY)):
            return False
        if not self.appended:
            await self._connection.execute(RAISE_EPOCH)
        for statement in (FORGET_NUMBERS, *mending):
            await self._connection.execute(statement, timeout=ALL_DAY)
        await self._connection.execute(MOVE_RELAY, self.appended, timeout=ALL_DAY)
        return True

    async def _lacking(self, page: Sequence[Told]) -> list[Told]:
        rows = await self._connection.fetch(
            FOUND,
            [told.envelope.stream for told in page],
            [told.envelope.version for told in page],
        )
        heads = {row["stream_id"]: row["head"] for row in rows}
        ids = {(row["stream_id"], row["version"]): row["id"] for row in rows}
        lacking = []
        for told in page:
            fact = told.envelope
            known = ids[fact.stream, fact.version]
            if known is not None and known != str(fact.id):
                raise CannotRestore(
                    f"Version {fact.version} of {fact.stream} is one fact in the database and another "
                    "on the topic: facts were appended after the back-up came back, before the rebase."
                )
            if fact.version <= heads[fact.stream]:
                continue
            if fact.version > heads[fact.stream] + 1:
                raise CannotRestore(
                    f"The back-up is too old: {fact.stream} ends with version {heads[fact.stream]}, "
                    f"and the topic goes on with version {fact.version}."
                )
            lacking.append(told)
            heads[fact.stream] = fact.version
            ids[fact.stream, fact.version] = str(fact.id)
        return lacking

    async def _append(self, lacking: Sequence[Told]) -> None:
        facts = [told.envelope for told in lacking]
        await self._connection.execute(
            APPEND,
            [fact.stream for fact in facts],
            [fact.version for fact in facts],
            [told.partition for told in lacking],
            [fact.type for fact in facts],
            [told.data for told in lacking],
            [meta_of(fact) for fact in facts],
            timeout=ALL_DAY,
        )
        await self._connection.execute(REMEMBER, [fact.id for fact in facts])
        heads = await self._heads(lacking)
        await self._connection.execute(
            MOVE_HEADS,
            [head.stream for head in heads],
            [head.key for head in heads],
            [head.partition for head in heads],
            [head.version for head in heads],
            [head.recorded_at for head in heads],
            [head.history for head in heads],
            [head.live for head in heads],
        )
        await self._connection.execute(SET_ALARMS, [head.stream for head in heads], AT_ONCE)
        for sql, rows in statements(change for told in lacking for change in self._changes(told)):
            await self._connection.executemany(sql, rows, timeout=ALL_DAY)

    async def _heads(self, lacking: Sequence[Told]) -> list[Head]:
        names = sorted({told.envelope.stream for told in lacking})
        rows = await self._connection.fetch(HEADS, names)
        heads = {row["stream_id"]: Head(*row) for row in rows}
        for told in lacking:
            heads[told.envelope.stream] = after(heads.get(told.envelope.stream), told)
        return [heads[name] for name in names]

    def _changes(self, told: Told) -> Iterable[Change]:
        try:
            fact = content_of(told.envelope.type, told.data.encode())
            return self._project(told.envelope._replace(fact=fact))
        except (NewerVersion, Unreadable) as error:
            raise CannotRestore(
                f"This program cannot read what the service has published: {error}"
            ) from error


def after(head: Head | None, told: Told) -> Head:
    """Give a stream's head after one more of its facts, as far as the fact itself says it.

    What became known only after the end of its history was said live. A stream that is live again
    stays so.
    """
    fact = told.envelope
    if head is None:
        head = Head(fact.stream, fact.key, told.partition, 0, fact.recorded_at, live=False)
    covered = fact.history is None or (head.history is not None and fact.history <= head.history)
    live = fact.history is None or fact.known_at >= fact.history or ends_history(fact.type)
    return head._replace(
        version=fact.version,
        recorded_at=fact.recorded_at,
        history=head.history if covered else fact.history,
        live=live or (covered and head.live),
    )
