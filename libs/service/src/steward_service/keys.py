"""The keys database: the subjects' wrapped keys, told on `steward.keys`; and the API keys.

A key goes to Kafka outside the inbox: the compacted topic keeps the last record of each subject,
and storing one twice changes nothing. A service that hears keys has a store of its own.

    sealed --> owner's store --relay--> steward.keys --> each listener's store
    erased --> owner's store --relay--> tombstone    --> each listener's store

A subject once erased keeps its row, without a key: it is refused for ever.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from asyncpg.pool import PoolConnectionProxy
from pydantic import ValidationError
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from steward_events.sealed import SubjectKey
from steward_eventstore.port import LONGEST_NAME
from steward_service.fetched import AIOKafkaConsumer
from steward_service.locks import session_lock
from steward_service.queries import DATABASE_FAULTS
from steward_service.sealing import WRAPPED_BYTES
from steward_service.settings import ServiceSettings

TOPIC = "steward.keys"
OWN_STORES = ("notify",)
"""Services that hear keys, each with the store `steward_keys_<service>`."""
METADATA = MetaData()

SUBJECT_KEYS = Table(
    "subject_keys",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("wrapped", LargeBinary),  # none once the subject is erased
    Column(
        "created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()
    ),
    Column("erased_at", DateTime(timezone=True)),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("told", Boolean, nullable=False, server_default=text("false")),
)
Index(
    "subject_keys_untold",
    SUBJECT_KEYS.c.created_at,
    postgresql_where=text("NOT told"),
)

STORE_METADATA = MetaData()
"""What a listener's store consists of."""
SUBJECT_KEYS.to_metadata(STORE_METADATA)

API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("projects", ARRAY(Text), nullable=False),
    Column(
        "created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()
    ),
    Column("revoked_at", DateTime(timezone=True)),
)

_RELAY_LOCK = 7_311_954_020_001
_PAGE = 500
_PAUSE_SECONDS = 0.1
_FAULTS: tuple[type[Exception], ...] = (KafkaError, *DATABASE_FAULTS)
_BACK_OFF_SECONDS = 1.0
_ROUSE_SECONDS = 3600.0

log = structlog.get_logger(__name__)

Connection = asyncpg.Connection | PoolConnectionProxy
Record = tuple[bytes | None, bytes | None]
"""Key and value as they came from Kafka."""


async def open_keys(settings: ServiceSettings, name: str = "keys") -> asyncpg.Pool:
    """Open the keys database, or a listener's store; close the pool at the end."""
    return await asyncpg.create_pool(settings.database_dsn(name), min_size=1, max_size=4)


async def erase_keys(pool: asyncpg.Pool, subjects: Iterable[str]) -> int:
    """Destroy keys in the owner's store, tombstones to be told; answer how many there were.

    Also for subjects that never had one: they are refused from now on.
    """
    erased = await pool.fetch(_ERASE_OWN, sorted(set(subjects)))
    return sum(row["had_a_key"] for row in erased)


async def forget_keys(store: asyncpg.Pool, subjects: Iterable[str]) -> None:
    """Destroy keys in a listener's store; they are refused from now on."""
    await store_keys(store, [(subject.encode(), None) for subject in subjects])


async def relay_keys(pool: asyncpg.Pool, bootstrap: Sequence[str], topic: str = TOPIC) -> None:
    """Tell new and erased keys until cancelled; of several processes one does it at a time."""
    while True:
        try:
            async with pool.acquire() as connection:
                await _lead(connection, bootstrap, topic)
        except _FAULTS:
            log.warning("The keys cannot be told now; it is tried again.", exc_info=True)
        await asyncio.sleep(_BACK_OFF_SECONDS)


async def _lead(connection: Connection, bootstrap: Sequence[str], topic: str) -> None:
    async with session_lock(connection, _RELAY_LOCK) as held:
        if not held:
            return
        # A failed idempotent batch uses up its number: every error ends this producer.
        async with AIOKafkaProducer(
            bootstrap_servers=list(bootstrap), enable_idempotence=True, acks="all"
        ) as producer:
            await connection.execute(_TELL_ALL_ERASED)
            roused_at = monotonic()
            while True:
                if monotonic() - roused_at >= _ROUSE_SECONDS:
                    await connection.execute(_ROUSE)
                    roused_at = monotonic()
                if not await tell_keys(connection, producer, topic):
                    await asyncio.sleep(_PAUSE_SECONDS)


async def tell_keys(connection: Connection, producer: AIOKafkaProducer, topic: str = TOPIC) -> int:
    """Tell one page of what was not told yet; answer how many."""
    rows = await connection.fetch(
        "SELECT subject, wrapped, created_at, revision FROM subject_keys WHERE NOT told "
        "ORDER BY created_at LIMIT $1",
        _PAGE,
    )
    sent = [
        await producer.send(topic, key=row["subject"].encode(), value=_record(row)) for row in rows
    ]
    await asyncio.gather(*sent)
    # A key that was erased meanwhile has a new revision and is told again.
    if rows:
        subjects, revisions = zip(*((row["subject"], row["revision"]) for row in rows), strict=True)
        await connection.execute(_TOLD, subjects, revisions)
    return len(rows)


async def hear_keys(
    pool: asyncpg.Pool,
    bootstrap: Sequence[str],
    consumer: str,
    topic: str = TOPIC,
    *,
    owner: bool = False,
    forget: Callable[[str], object] = lambda _: None,
) -> None:
    """Store what the owner of the keys tells until cancelled; the offset goes last.

    The `owner` stores nothing: it looks for keys of erased subjects that come up again, and tells
    their tombstones anew. `forget` is called with each erased subject.
    """
    take = tell_erased_again if owner else store_keys
    while True:
        try:
            await _hear(pool, bootstrap, consumer, topic, take, forget)
        except _FAULTS:
            log.warning("The keys cannot be heard now; it is tried again.", exc_info=True)
            await asyncio.sleep(_BACK_OFF_SECONDS)


async def _hear(
    pool: asyncpg.Pool,
    bootstrap: Sequence[str],
    consumer: str,
    topic: str,
    take: Callable[[asyncpg.Pool, Sequence[Record]], Awaitable[None]],
    forget: Callable[[str], object],
) -> None:
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=list(bootstrap),
        group_id=f"steward-{consumer}-keys-store",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    ) as kafka:
        while True:
            batches = await kafka.getmany(timeout_ms=1000, max_records=_PAGE)
            records = [record for batch in batches.values() for record in batch]
            await take(pool, [(record.key, record.value) for record in records])
            for record in records:
                if record.value is None and record.key:
                    forget(record.key.decode(errors="replace"))
            if records:
                await kafka.commit()


async def restore_keys(pool: asyncpg.Pool, records: Sequence[Record]) -> int:
    """Give a store that came back from a back-up what the topic has; counts what changed.

    What the store has not told yet is newer than the topic and stays.
    """
    changed = 0
    for subject, wrapped in filter(None, (_read(key, value) for key, value in records)):
        sql = _ERASE if wrapped is None else _RESTORE
        done = await pool.execute(sql, *filter(None, (subject, wrapped)))
        changed += int(done.rpartition(" ")[2])
    return changed


async def tell_erased_again(pool: asyncpg.Pool, records: Sequence[Record]) -> None:
    """Have a tombstone told again where a key of an erased subject has come up on the topic."""
    read = filter(None, (_read(key, value) for key, value in records))
    subjects = {subject for subject, wrapped in read if wrapped is not None}
    if subjects:
        await pool.execute(_TELL_AGAIN, sorted(subjects))


async def store_keys(pool: asyncpg.Pool, records: Sequence[Record]) -> None:
    """Store heard keys in order; a key that was erased never comes back."""
    keys: dict[str, bytes | None] = {}
    for key, value in records:
        read = _read(key, value)
        if read is not None:
            keys[read[0]] = read[1]
    stored = sorted((subject, key) for subject, key in keys.items() if key is not None)
    if stored:
        await pool.execute(_STORE, *map(list, zip(*stored, strict=True)))
    # Each by itself: a transaction over these and those would meet others in a deadlock.
    for subject in sorted(subject for subject, key in keys.items() if key is None):
        await pool.execute(_ERASE, subject)


_ERASE_OWN = """
INSERT INTO subject_keys (subject, wrapped, erased_at)
SELECT subject, NULL, clock_timestamp() FROM unnest($1::text[]) subject
ON CONFLICT (subject) DO UPDATE
   SET wrapped = NULL, erased_at = coalesce(subject_keys.erased_at, excluded.erased_at),
       told = false, revision = subject_keys.revision + 1
 WHERE subject_keys.wrapped IS NOT NULL OR subject_keys.erased_at IS NULL
RETURNING revision > 1 AS had_a_key
"""

_TELL_AGAIN = """
UPDATE subject_keys SET told = false, revision = revision + 1
 WHERE subject = ANY($1) AND erased_at IS NOT NULL
"""

# At each start of the owner: a listener's store may have come back from a back-up with the key.
_TELL_ALL_ERASED = """
UPDATE subject_keys SET told = false, revision = revision + 1 WHERE erased_at IS NOT NULL
"""

# Kafka compacts no segment to which it still appends, and closes one only when something comes: on a
# quiet topic the key would stay. So its tombstone is told again until the day of the lag is over.
_ROUSE = """
UPDATE subject_keys SET told = false, revision = revision + 1
 WHERE erased_at > clock_timestamp() - interval '3 days'
"""

_TOLD = """
UPDATE subject_keys k SET told = true
  FROM unnest($1::text[], $2::integer[]) AS q (subject, revision)
 WHERE k.subject = q.subject AND k.revision = q.revision
"""

# In one order, so that two of these cannot wait for each other.
_STORE = """
INSERT INTO subject_keys (subject, wrapped, told)
SELECT q.subject, q.wrapped, true FROM unnest($1::text[], $2::bytea[]) AS q (subject, wrapped)
 ORDER BY q.subject
ON CONFLICT (subject) DO UPDATE SET wrapped = excluded.wrapped
WHERE subject_keys.erased_at IS NULL AND subject_keys.wrapped IS DISTINCT FROM excluded.wrapped
"""

_RESTORE = """
INSERT INTO subject_keys (subject, wrapped, told) VALUES ($1, $2, true)
ON CONFLICT (subject) DO UPDATE SET wrapped = excluded.wrapped
WHERE subject_keys.told AND subject_keys.erased_at IS NULL
  AND subject_keys.wrapped IS DISTINCT FROM excluded.wrapped
"""

_ERASE = """
INSERT INTO subject_keys (subject, wrapped, erased_at, told)
VALUES ($1, NULL, clock_timestamp(), true)
ON CONFLICT (subject) DO UPDATE SET wrapped = NULL, erased_at = excluded.erased_at
WHERE subject_keys.erased_at IS NULL
"""


def _record(row: asyncpg.Record) -> bytes | None:
    if row["wrapped"] is None:
        return None
    key = SubjectKey(
        subject=row["subject"],
        wrapped=base64.b64encode(row["wrapped"]).decode(),
        created_at=row["created_at"],
    )
    return key.model_dump_json().encode()


def _read(key: bytes | None, value: bytes | None) -> tuple[str, bytes | None] | None:
    try:
        subject = (key or b"").decode()
        if not 0 < len(subject) <= LONGEST_NAME or "\0" in subject:
            raise ValueError("no subject")
        if value is None:
            return subject, None
        wrapped = base64.b64decode(SubjectKey.model_validate_json(value).wrapped, validate=True)
        if len(wrapped) != WRAPPED_BYTES:
            raise ValueError("no key")
        return subject, wrapped
    except (ValidationError, ValueError, binascii.Error):
        log.error("A record of the keys' topic cannot be read and is passed over.")
        return None
