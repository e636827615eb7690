"""Lets services go on with databases that came back from a back-up. The services are stopped.

    own topic       --> what the database lacks is appended again --+
    old epoch       --> what was not published is published ---------+--> a new epoch
    heard topics    --> the group's offsets go back to the first message that the inbox lacks
    steward.keys    --> the keys and tombstones that a store lacks

What others have heard of a service stays as it was, and no version is used twice. What the service
itself hears once more has no effect where its facts were appended again.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from aiokafka import ConsumerRecord, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from uuid_utils.compat import uuid7

from steward_events.cloudevents import envelope_of, foreign_from_kafka, place_of
from steward_events.fact import Unreadable
from steward_eventstore.port import EVERYWHERE, Projection, Unavailable
from steward_eventstore.restoring import CannotRestore, OldTail, Restoring, Told
from steward_service import keys
from steward_service.fetched import COMMITTED, AIOKafkaConsumer
from steward_service.relay import Relay
from steward_service.telemetry import Metrics

INBOUND = "steward.inbound."
PAGE = 2_000
LEAVE_SECONDS = 20.0
"""So long a killed listener may still count as a member of its group."""

Record = ConsumerRecord[bytes, bytes]
Tell = Callable[[str, int, int], None]
"""Takes note of progress: of what, how much is done, how much there is."""

_RUNNING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND starts_with(application_name, $1 || '-')
"""

# A message is heard when the inbox is there, or when it waits in its stream's line.
_UNHEARD = """
SELECT q.place FROM unnest($2::text[], $3::integer[], $4::text[])
       WITH ORDINALITY AS q (stream_id, version, id, place)
 WHERE NOT EXISTS (SELECT FROM inbox i WHERE i.consumer = $1 AND i.stream_id = q.stream_id
                      AND i.version >= q.version)
   AND NOT EXISTS (SELECT FROM parked_messages m WHERE m.consumer = $1
                      AND m.stream_id = q.stream_id AND m.id = q.id)
 ORDER BY q.place LIMIT 1
"""

_UNHEARD_FOREIGN = """
SELECT q.place FROM unnest($2::text[], $3::text[], $4::text[])
       WITH ORDINALITY AS q (source, id, stream_id, place)
 WHERE NOT EXISTS (SELECT FROM inbox_foreign f WHERE f.consumer = $1 AND f.source = q.source
                      AND f.id = q.id)
   AND NOT EXISTS (SELECT FROM parked_messages m WHERE m.consumer = $1
                      AND m.stream_id = q.stream_id AND m.id = q.source || ' ' || q.id)
 ORDER BY q.place LIMIT 1
"""


class CannotRebase(Exception):
    """A sentence that says why not; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Rebased:
    """What one service's database was given; `changed` is False when it lacked nothing."""

    service: str
    changed: bool
    appended: int
    """Facts that it lacked and that its topic had."""
    published: int
    """Facts that it had and that its topic may have lacked."""
    heard_again: int
    """Messages that its listener hears once more."""


class _Wall:
    """For the relay's gauge, which nobody reads here."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - it decides nothing


async def rebase(
    dsn: str,
    service: str,
    bootstrap: Sequence[str],
    *,
    project: Projection,
    owns_topic: bool = True,
    mending: Iterable[str] = (),
    tell: Tell = lambda *_: None,
) -> Rebased:
    """Give one service's database what it lacks. Raises `CannotRebase`.

    A second time changes nothing.
    """
    group = f"steward.{service}"
    try:
        store = await OldTail.connect(dsn, connections=3, application="steward-rebase")
    except Unavailable as error:
        raise CannotRebase(str(error)) from error
    try:
        await demand_stopped(store.pool, service, bootstrap)
        changed, appended, published = False, 0, 0
        if owns_topic:
            changed, appended, published = await _own(
                store, service, bootstrap, project, mending, tell
            )
        heard_again = await _move_back(store, service, bootstrap, group, tell)
    except CannotRestore as error:
        raise CannotRebase(f"{service}: {error}") from error
    except (KafkaError, Unavailable, OSError, asyncpg.PostgresError) as error:
        raise CannotRebase(f"{service} cannot be rebased now: {error}") from error
    finally:
        await store.close()
    return Rebased(service, changed or heard_again > 0, appended, published, heard_again)


async def rebase_keys(
    stores: Iterable[str], bootstrap: Sequence[str], tell: Tell = lambda *_: None
) -> int:
    """Give the stores of keys at these addresses what `steward.keys` has; counts what changed.

    Raises `CannotRebase`.
    """
    try:
        last: dict[bytes, bytes | None] = {}
        async for page in _retained(bootstrap, keys.TOPIC, {}, "the keys", tell):
            last |= {record.key: record.value for record in page if record.key}
        changed = 0
        for dsn in stores:
            async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
                changed += await keys.restore_keys(pool, list(last.items()))
    except (KafkaError, OSError, asyncpg.PostgresError) as error:
        raise CannotRebase(f"The keys cannot be read now: {error}") from error
    return changed


async def demand_stopped(
    database: asyncpg.Pool | asyncpg.Connection, service: str, bootstrap: Sequence[str]
) -> None:
    """Raise `CannotRebase` while the service has connections to its database, or listens."""
    running = CannotRebase(f"{service} is running: stop it first.")
    if await database.fetchval(_RUNNING, service):
        raise running
    admin = AIOKafkaAdminClient(bootstrap_servers=list(bootstrap))
    await admin.start()
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            while await _has_members(admin, f"steward.{service}"):  # noqa: ASYNC110 - Kafka tells nobody
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise running from None
    finally:
        await admin.close()


async def _has_members(admin: AIOKafkaAdminClient, group: str) -> bool:
    try:
        described = await admin.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:
        return True  # so says a Kafka to which nobody has listened yet, until it has made its topic
    return any(said["members"] for answer in described for said in answer.to_object()["groups"])


# Its own facts.


async def _own(
    store: OldTail,
    service: str,
    bootstrap: Sequence[str],
    project: Projection,
    mending: Iterable[str],
    tell: Tell,
) -> tuple[bool, int, int]:
    topic = f"steward.{service}"
    async with store.pool.acquire() as connection, connection.transaction():
        restoring = Restoring(connection, project)
        await restoring.begin()
        async for page in _retained(bootstrap, topic, {}, f"{service}: published facts", tell):
            await restoring.take(_facts(page, f"/steward/{service}"))
        published = await _publish_tail(store, bootstrap, topic)
        changed = await restoring.finish(published, mending)
        return changed, restoring.appended, published


def _facts(page: Iterable[Record], source: str) -> list[Told]:
    """Give the facts of a page that this service has published; others' are none of its own."""
    found = []
    for record in page:
        with contextlib.suppress(Unreadable, UnicodeDecodeError):
            envelope = envelope_of(record.headers, record.key or None)
            if envelope.source == source:
                partition = EVERYWHERE if envelope.everywhere else record.partition
                found.append(Told(envelope, partition, (record.value or b"").decode()))
    return found


async def _publish_tail(store: OldTail, bootstrap: Sequence[str], topic: str) -> int:
    partitions = await _partitions(bootstrap, topic)
    relay = Relay(
        store, _Wall(), bootstrap, topic, partitions, Metrics(), holder=f"rebase-{uuid7()}"
    )
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            # A killed relay's lease has to run out first.
            while await relay.publish_page() or (await store.backlog())[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise CannotRebase(f"{topic} cannot be published to now.") from None
    finally:
        await relay.close()
    return relay.relayed_facts


async def _partitions(bootstrap: Sequence[str], topic: str) -> int:
    async with _reader(bootstrap, topic) as consumer:
        return len(consumer.assignment())


# What it has heard.


async def _move_back(
    store: OldTail, service: str, bootstrap: Sequence[str], group: str, tell: Tell
) -> int:
    committed = await _committed(bootstrap, group)
    back: dict[TopicPartition, int] = {}
    for topic in sorted({place.topic for place in committed}):
        until = {place.partition: at for place, at in committed.items() if place.topic == topic}
        found: dict[int, int] = {}
        async for page in _retained(
            bootstrap, topic, until, f"{service}: {topic} as heard", tell, without=found
        ):
            by_partition: dict[int, list[Record]] = defaultdict(list)
            for record in page:
                by_partition[record.partition].append(record)
            for partition, records in by_partition.items():
                first = await _first_unheard(store, service, topic, records)
                if first is not None:
                    found.setdefault(partition, first)
        back |= {TopicPartition(topic, n): offset for n, offset in found.items()}
    if back:
        await _commit(bootstrap, group, back)
    return sum(committed[place] - offset for place, offset in back.items())


async def _first_unheard(
    store: OldTail, service: str, topic: str, records: Sequence[Record]
) -> int | None:
    if topic.startswith(INBOUND):
        sql, named = _UNHEARD_FOREIGN, zip(*map(_foreign_place, records), strict=True)
    else:
        sql, named = _UNHEARD, zip(*map(_own_place, records), strict=True)
    place = await store.pool.fetchval(sql, service, *map(list, named))
    return records[place - 1].offset if place is not None else None


def _own_place(record: Record) -> tuple[str, int, str]:
    found = place_of(record.headers)
    if found is None:
        # It waits alone, under its place on the topic.
        where = f"{record.topic}/{record.partition}/{record.offset}"
        return f"unreadable:{where}", 1, f"{record.topic} {where}"
    stream, version, id_ = found
    return stream, version, str(id_)


def _foreign_place(record: Record) -> tuple[str, str, str]:
    try:
        event = foreign_from_kafka(record.headers, record.key or None, record.value)
    except Unreadable:
        where = f"{record.topic}/{record.partition}/{record.offset}"
        return record.topic, where, f"unreadable:{where}"
    return event.source, event.id, f"{event.source}|{event.subject}"


async def _committed(bootstrap: Sequence[str], group: str) -> dict[TopicPartition, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=list(bootstrap))
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {place: said.offset for place, said in offsets.items() if said.offset >= 0}


async def _commit(
    bootstrap: Sequence[str], group: str, offsets: Mapping[TopicPartition, int]
) -> None:
    # Kafka takes it from somebody outside as long as the group has no members.
    async with AIOKafkaConsumer(
        bootstrap_servers=list(bootstrap), group_id=group, enable_auto_commit=False
    ) as consumer:
        consumer.assign(list(offsets))
        await consumer.commit(
            {place: OffsetAndMetadata(offset, "") for place, offset in offsets.items()}
        )


# Topics.


async def _retained(
    bootstrap: Sequence[str],
    topic: str,
    until: Mapping[int, int],
    what: str,
    tell: Tell,
    *,
    without: Mapping[int, int] | None = None,
) -> AsyncIterator[list[Record]]:
    """Read what a topic retains, up to its present end or to the offsets of `until`, in pages.

    A partition that the caller puts into `without` is read no further.
    """
    left_out = without if without is not None else {}
    async with _reader(bootstrap, topic) as consumer:
        places = sorted(consumer.assignment())
        begins, ends = await asyncio.gather(
            consumer.beginning_offsets(places), consumer.end_offsets(places)
        )
        if until:
            ends = {p: min(ends[p], until.get(p.partition, 0)) for p in places}
        left = {place for place in places if begins[place] < ends[place]}
        total, done = sum(ends[place] - begins[place] for place in left), 0
        while left:
            consumer.pause(*(set(places) - left))
            page: list[Record] = []
            for place, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                page += [record for record in records if record.offset < ends[place]]
            done += len(page)
            tell(what, done, total)
            if page:
                yield page
            left = {
                place
                for place in left
                if place.partition not in left_out and await consumer.position(place) < ends[place]
            }


def _reader(bootstrap: Sequence[str], topic: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        topic,
        bootstrap_servers=list(bootstrap),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=PAGE,
        isolation_level=COMMITTED,
    )
