"""Sealed values, and how keys travel from the owner's database to a reader's."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from structlog.testing import capture_logs
from tests.support.prepared import with_keys
from tests.support.stack import FreshDatabase
from tests.support.waiting import beside, until

from steward_decider import Refused
from steward_events.sealed import Sealed, SubjectKey
from steward_service.keys import (
    erase_keys,
    hear_keys,
    relay_keys,
    store_keys,
    tell_erased_again,
    tell_keys,
)
from steward_service.sealing import BrokenSeal, Erased, KeyNotHeard, Sealer
from steward_service.topics import Topic, create_topics

MASTER = b"m" * 32
_numbers = itertools.count(1)


@pytest.fixture
def sealer(keys_pool: asyncpg.Pool) -> Sealer:
    return Sealer(keys_pool, MASTER)


@pytest.fixture
async def readers_pool(fresh_database: FreshDatabase) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(await fresh_database(with_keys), min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    name = f"keys-test-{next(_numbers)}"
    await create_topics([kafka_bootstrap], 2, topics=[Topic(name, None)])
    return name


async def erase(pool: asyncpg.Pool, subject: str) -> None:
    await pool.execute(
        "UPDATE subject_keys SET wrapped = NULL, erased_at = clock_timestamp(), told = false, "
        "revision = revision + 1 WHERE subject = $1",
        subject,
    )


async def test_what_was_sealed_is_unsealed(sealer: Sealer, keys_pool: asyncpg.Pool) -> None:
    sealed = await sealer.seal("person-1", "phone", "13800138000")
    assert "13800138000" not in sealed.model_dump_json()
    assert await Sealer(keys_pool, MASTER).unseal(sealed) == "13800138000"


async def test_the_key_is_committed_before_it_is_used(
    sealer: Sealer, keys_pool: asyncpg.Pool
) -> None:
    await sealer.seal("person-1", "phone", "13800138000")
    wrapped = await keys_pool.fetchval("SELECT wrapped FROM subject_keys")
    assert len(wrapped) == 12 + 32 + 16


async def test_the_keys_of_many_subjects_are_made_in_one_commit(
    sealer: Sealer, keys_pool: asyncpg.Pool
) -> None:
    subjects = [f"person-{n}" for n in range(1_000)]
    before = await sealer.seal("person-7", "phone", "7")
    await sealer.hold(subjects)
    made = await keys_pool.fetchval(
        "SELECT count(DISTINCT xmin::text) FROM subject_keys WHERE subject <> 'person-7'"
    )
    assert made == 1
    assert await _count(keys_pool, "NOT told", 1_000)
    assert await sealer.unseal(before) == "7"


async def test_two_processes_that_seal_at_once_use_one_key(keys_pool: asyncpg.Pool) -> None:
    sealers = [Sealer(keys_pool, MASTER) for _ in range(6)]
    sealed = await asyncio.gather(
        *(s.seal("case-1", "text", f"{n}") for n, s in enumerate(sealers))
    )
    reader = Sealer(keys_pool, MASTER)
    assert [await reader.unseal(one) for one in sealed] == [str(n) for n in range(6)]


@pytest.mark.parametrize("change", ["subject", "field", "value_id", "box"])
async def test_a_value_that_was_moved_or_changed_stays_shut(sealer: Sealer, change: str) -> None:
    sealed = await sealer.seal("person-1", "phone", "13800138000")
    await sealer.seal("person-2", "phone", "13900139000")
    to = {
        "subject": "person-2",
        "field": "name",
        "value_id": "0",
        "box": base64.b64encode(b"x" * 40).decode(),
    }
    with pytest.raises(BrokenSeal):
        await sealer.unseal(sealed.model_copy(update={change: to[change]}))


@pytest.mark.parametrize(
    "box", ["", "AAAA", "é", "no base64", base64.b64encode(b"x" * 11).decode()]
)
async def test_what_is_no_sealed_value_stays_shut(sealer: Sealer, box: str) -> None:
    sealed = await sealer.seal("person-1", "phone", "13800138000")
    with pytest.raises(BrokenSeal):
        await sealer.unseal(sealed.model_copy(update={"box": box}))


async def test_what_was_sealed_as_no_text_is_no_text(sealer: Sealer) -> None:
    photo = base64.b64encode(
        await sealer.seal_bytes("person-1", "photo", "1", b"\xff\xd8")
    ).decode()
    with pytest.raises(BrokenSeal):
        await sealer.unseal(Sealed(subject="person-1", field="photo", value_id="1", box=photo))


async def test_for_a_subject_that_no_store_of_keys_takes_nothing_is_opened(sealer: Sealer) -> None:
    sealed = await sealer.seal("person-1", "phone", "13800138000")
    with pytest.raises(BrokenSeal):
        await sealer.unseal(sealed.model_copy(update={"subject": "person\0"}))


@pytest.mark.parametrize("wrapped", [b"", b"\0\0\0", b"x" * 12, b"x" * 59])
async def test_with_what_is_no_key_nothing_is_opened(
    sealer: Sealer, keys_pool: asyncpg.Pool, wrapped: bytes
) -> None:
    sealed = await sealer.seal("person-1", "phone", "13800138000")
    await keys_pool.execute("UPDATE subject_keys SET wrapped = $1", wrapped)
    with pytest.raises(BrokenSeal):
        await Sealer(keys_pool, MASTER).unseal(sealed)


async def test_another_installations_key_opens_nothing(
    sealer: Sealer, keys_pool: asyncpg.Pool
) -> None:
    sealed = await sealer.seal("person-1", "phone", "13800138000")
    with pytest.raises(BrokenSeal):
        await Sealer(keys_pool, b"n" * 32).unseal(sealed)


async def test_a_key_not_heard_yet_never_looks_erased(
    sealer: Sealer, readers_pool: asyncpg.Pool
) -> None:
    sealed = await sealer.seal("person-1", "phone", "13800138000")
    with pytest.raises(KeyNotHeard):
        await Sealer(readers_pool, MASTER).unseal(sealed)


async def test_a_subject_once_erased_is_refused_for_ever(
    sealer: Sealer, keys_pool: asyncpg.Pool
) -> None:
    sealed = await sealer.seal("person-1", "phone", "13800138000")
    await erase(keys_pool, "person-1")
    later = Sealer(keys_pool, MASTER)
    assert await later.unseal(sealed) == Erased("person-1")
    with pytest.raises(Refused, match="erased for good"):
        await later.seal("person-1", "phone", "13800138000")


async def test_a_bar_in_a_name_would_make_the_seal_ambiguous(sealer: Sealer) -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        await sealer.seal("person|1", "phone", "13800138000")


async def test_keys_travel_to_a_reader_and_so_does_their_erasure(
    sealer: Sealer,
    keys_pool: asyncpg.Pool,
    readers_pool: asyncpg.Pool,
    kafka_bootstrap: str,
    topic: str,
) -> None:
    sealed = [await sealer.seal(f"person-{n}", "phone", str(n)) for n in range(50)]
    async with beside(
        relay_keys(keys_pool, [kafka_bootstrap], topic),
        hear_keys(readers_pool, [kafka_bootstrap], "notify", topic),
    ):
        await until(lambda: _count(readers_pool, "wrapped IS NOT NULL", 50), "not all keys came")
        reader = Sealer(readers_pool, MASTER)
        assert [await reader.unseal(one) for one in sealed] == [str(n) for n in range(50)]
        await erase(keys_pool, "person-7")
        await until(lambda: _count(readers_pool, "erased_at IS NOT NULL", 1), "nothing was erased")
        assert await Sealer(readers_pool, MASTER).unseal(sealed[7]) == Erased("person-7")


async def test_of_two_relayers_one_tells_the_keys(
    sealer: Sealer, keys_pool: asyncpg.Pool, kafka_bootstrap: str, topic: str
) -> None:
    async with beside(*(relay_keys(keys_pool, [kafka_bootstrap], topic) for _ in range(2))):
        for number in range(20):
            await sealer.seal(f"person-{number}", "phone", "1")
        await until(lambda: _count(keys_pool, "told", 20), "not all keys were told")
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        assert sum((await consumer.end_offsets(consumer.assignment())).values()) == 20


async def test_the_lead_passes_on_when_its_session_dies(
    sealer: Sealer, keys_pool: asyncpg.Pool, kafka_bootstrap: str, topic: str
) -> None:
    async with beside(relay_keys(keys_pool, [kafka_bootstrap], topic)):
        await sealer.seal("person-1", "phone", "1")
        await until(lambda: _count(keys_pool, "told", 1), "the key was not told")
        await keys_pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database()"
        )
        await sealer.seal("person-2", "phone", "1")
        await until(lambda: _count(keys_pool, "told", 2), "the second key was not told")


async def test_an_erased_key_does_not_come_back(
    sealer: Sealer, keys_pool: asyncpg.Pool, readers_pool: asyncpg.Pool
) -> None:
    await sealer.seal("person-1", "phone", "1")
    row = await keys_pool.fetchrow("SELECT * FROM subject_keys")
    assert row is not None
    told = SubjectKey(
        subject="person-1",
        wrapped=base64.b64encode(row["wrapped"]).decode(),
        created_at=row["created_at"],
    )
    record = (b"person-1", told.model_dump_json().encode())
    for records in ([record], [(b"person-1", None)], [record], [record, record]):
        await store_keys(readers_pool, records)
    assert await _count(readers_pool, "erased_at IS NOT NULL AND wrapped IS NULL", 1)


async def test_records_that_cannot_be_read_are_passed_over(readers_pool: asyncpg.Pool) -> None:
    empty = SubjectKey(subject="person-1", wrapped="", created_at=datetime.now(UTC))
    whole = base64.b64encode(b"k" * 60).decode()
    key = empty.model_copy(update={"wrapped": whole}).model_dump_json().encode()
    nonsense = [
        *((None, b"{}"), (b"\xff", b"{}"), (b"person-1", b"nonsense"), (b"a\0b", None)),
        *((b"person-1", empty.model_dump_json().encode()), (b"a\0b", key), (b"x" * 5_000, key)),
    ]
    await store_keys(readers_pool, nonsense)
    await tell_erased_again(readers_pool, nonsense)
    assert await _count(readers_pool, "true", 0)


@pytest.mark.parametrize("wrapped", [b"", b"\0\0\0", b"x" * 59, b"x" * 61])
async def test_what_is_no_key_takes_no_keys_place(
    sealer: Sealer, keys_pool: asyncpg.Pool, wrapped: bytes
) -> None:
    sealed = await sealer.seal("person-1", "phone", "1")
    told = SubjectKey(
        subject="person-1",
        wrapped=base64.b64encode(wrapped).decode(),
        created_at=datetime.now(UTC),
    )
    with capture_logs() as logs:
        await store_keys(keys_pool, [(b"person-1", told.model_dump_json().encode())])
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert await Sealer(keys_pool, MASTER).unseal(sealed) == "1"


async def test_a_key_erased_while_it_was_told_is_told_again(
    sealer: Sealer,
    keys_pool: asyncpg.Pool,
    kafka_bootstrap: str,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await sealer.seal("person-1", "phone", "1")

    async with (
        AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer,
        keys_pool.acquire() as connection,
    ):
        send = producer.send

        async def send_while_erased(*args: Any, **kwargs: Any) -> Any:
            await erase(keys_pool, "person-1")
            return await send(*args, **kwargs)

        monkeypatch.setattr(producer, "send", send_while_erased)
        assert await tell_keys(connection, producer, topic) == 1
        monkeypatch.undo()
        assert await tell_keys(connection, producer, topic) == 1
        assert await tell_keys(connection, producer, topic) == 0


async def _count(pool: asyncpg.Pool, condition: str, wanted: int) -> bool:
    found = await pool.fetchval(f"SELECT count(*) FROM subject_keys WHERE {condition}")
    return bool(found == wanted)


async def told(kafka_bootstrap: str, topic: str) -> list[tuple[bytes, bool]]:
    """Give what stands on the topic: whose record, and whether it has a key."""
    found: list[tuple[bytes, bool]] = []
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        places = consumer.assignment()
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [(record.key, record.value is not None) for record in records]
    return found


async def test_an_erased_key_is_destroyed_and_its_tombstone_told(
    sealer: Sealer, keys_pool: asyncpg.Pool, kafka_bootstrap: str, topic: str
) -> None:
    sealed = await sealer.seal("person-1", "phone", "1")
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer,
        keys_pool.acquire() as connection,
    ):
        assert await tell_keys(connection, producer, topic) == 1
        assert await erase_keys(keys_pool, ["person-1", "person-nobody"]) == 1
        assert await erase_keys(keys_pool, ["person-1", "person-nobody"]) == 0
        assert await tell_keys(connection, producer, topic) == 2
    assert (await told(kafka_bootstrap, topic)).count((b"person-1", False)) == 1
    assert await sealer.unseal(sealed) == "1"  # remembered for half a minute at most
    sealer.forget("person-1")
    assert await sealer.unseal(sealed) == Erased("person-1")
    for subject in ("person-1", "person-nobody"):
        with pytest.raises(Refused, match="erased for good"):
            await sealer.seal(subject, "phone", "1")


async def test_a_listener_unseals_with_its_own_store_and_forgets_at_once(
    sealer: Sealer,
    keys_pool: asyncpg.Pool,
    readers_pool: asyncpg.Pool,
    kafka_bootstrap: str,
    topic: str,
) -> None:
    sealed = await sealer.seal("person-1", "phone", "1")
    reader = Sealer(keys_pool, MASTER, readers_pool)
    with pytest.raises(KeyNotHeard):
        await Sealer(keys_pool, MASTER, readers_pool, patience=0.1).unseal(sealed)
    async with beside(
        relay_keys(keys_pool, [kafka_bootstrap], topic),
        hear_keys(readers_pool, [kafka_bootstrap], "notify", topic, forget=reader.forget),
    ):
        await until(lambda: _count(readers_pool, "wrapped IS NOT NULL", 1), "no key came")
        assert await reader.unseal(sealed) == "1"
        on_its_way = await sealer.seal("person-2", "phone", "2")
        assert await reader.unseal(on_its_way) == "2"
        await erase_keys(keys_pool, ["person-1"])

        async def reads_erased() -> bool:
            return await reader.unseal(sealed) == Erased("person-1")

        await until(reads_erased, "the listener still reads it", 20)


async def test_where_a_key_comes_up_again_the_owner_tells_its_tombstone_again(
    sealer: Sealer, keys_pool: asyncpg.Pool, kafka_bootstrap: str, topic: str
) -> None:
    await sealer.seal("person-1", "phone", "1")
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        async with keys_pool.acquire() as connection:
            await tell_keys(connection, producer, topic)
            row = await connection.fetchrow("SELECT * FROM subject_keys")
        assert row is not None
        await erase_keys(keys_pool, ["person-1"])
        async with beside(
            relay_keys(keys_pool, [kafka_bootstrap], topic),
            hear_keys(keys_pool, [kafka_bootstrap], "intake", topic, owner=True),
        ):
            # As a relay that had lost its lead without knowing would.
            late = SubjectKey(
                subject="person-1",
                wrapped=base64.b64encode(row["wrapped"]).decode(),
                created_at=row["created_at"],
            )
            await until(lambda: _count(keys_pool, "told", 1), "the tombstone was not told")
            await producer.send_and_wait(topic, late.model_dump_json().encode(), b"person-1")

            async def tombstone_is_last() -> bool:
                return (await told(kafka_bootstrap, topic))[-1] == (b"person-1", False)

            await until(tombstone_is_last, "the key stands last on the topic", 20)
            assert await _count(keys_pool, "wrapped IS NULL AND erased_at IS NOT NULL", 1)


async def test_at_its_start_the_owner_tells_all_tombstones_again(
    sealer: Sealer, keys_pool: asyncpg.Pool, kafka_bootstrap: str, topic: str
) -> None:
    await sealer.seal("person-1", "phone", "1")
    await erase_keys(keys_pool, ["person-1"])
    for _ in range(2):
        before = len(await told(kafka_bootstrap, topic))

        async def is_told(before: int = before) -> bool:
            return len(await told(kafka_bootstrap, topic)) > before

        async with beside(relay_keys(keys_pool, [kafka_bootstrap], topic)):
            await until(is_told, "the tombstone was not told")
    assert {has_key for _, has_key in await told(kafka_bootstrap, topic)} == {False}
