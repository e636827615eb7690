"""Who is erased is erased everywhere: keys, read models, index, waiting messages, topics, sinks."""

import base64
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from tests.support.clear_text import databases, dump, planted, records, search
from tests.support.stack import database_dsn
from tests.support.system import SOURCE, System
from uuid_utils.compat import uuid7

from steward_events.sealed import Sealed
from steward_events.tickets import INBOUND_TICKETS
from steward_eventstore.postgres import PostgresStore
from steward_service.retries import discard, find_parked
from steward_service.sealing import Erased, Sealer
from steward_service.topics import TOPICS, Topic, create_topics
from steward_stack.supervisor import Stack

OWN = uuid7().hex[-8:]
GROUP, PROJECT, HOUSEHOLD = f"erase-g-{OWN}", f"erase-{OWN}", f"erase-h-{OWN}"
RESIDENT, MANAGER = f"person-erase-p-{OWN}", f"staff-erase-m-{OWN}"
NAME, PHONE, EMAIL = "欧阳清漪", "13876501234", "qingyi.ouyang@example.cn"
BOSS, BOSS_PHONE, BOSS_EMAIL = "司徒望舒", "13876505678", "wangshu.situ@example.cn"
SUMMARY = "阳台漏水三次无人过问"
CLEAR = (NAME, PHONE, EMAIL, BOSS, BOSS_PHONE, BOSS_EMAIL, SUMMARY)
STORES = ("steward_keys", "steward_keys_notify")
PARKED = f"T-{OWN}"


@asynccontextmanager
async def sealers(system: System) -> AsyncIterator[dict[str, Sealer]]:
    """Open each store of keys with the installation's key, as nobody else can."""
    key = base64.b64decode(system.stack.settings.master_key)
    async with AsyncExitStack() as opened:
        found = {}
        for name in STORES:
            dsn = database_dsn(system.stack.endpoints.postgres, name)
            pool = await opened.enter_async_context(
                asyncpg.create_pool(dsn, min_size=1, max_size=2)
            )
            found[name] = Sealer(pool, key)
        yield found


async def sealed_values(system: System, *subjects: str) -> dict[str, list[Sealed]]:
    """Find every sealed value of these subjects, by the database and table in which it lies."""
    found: dict[str, list[Sealed]] = {}
    # As JSON, as JSON within JSON, within the text of a row, and in bytes.
    wanted = re.compile(
        r'\{"subject": ?"[^{}]*"box": ?"[^"]*"[^{}]*\}|\{"box"[^{}]*"subject"[^{}]*\}'
    )
    for database in await databases(system):
        async for table, row in dump(system, database):
            text = row.decode().replace('""', '"').replace('\\"', '"')
            text += "".join(
                bytes.fromhex(part).decode(errors="replace")
                for part in re.findall(r"\\x((?:[0-9a-f]{2})+)", row.decode())
            )
            for box in wanted.findall(text):
                sealed = Sealed.model_validate_json(box)
                if sealed.subject in subjects:
                    found.setdefault(f"{database}.{table}", []).append(sealed)
    return found


async def stores_with_keys(system: System, subject: str) -> set[str]:
    """Name the databases whose keys store holds the subject's key."""
    sql = "SELECT count(*) FROM subject_keys WHERE subject = $1 AND wrapped IS NOT NULL"
    found = set()
    for name in await databases(system):
        service = name.removeprefix("steward_")
        tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'subject_keys'"
        if service != name and await system.count(service, tables):
            found |= {name} if await system.count(service, sql, subject) else set()
    return found


async def is_on_topic(system: System, subject: str) -> bool:
    """Say whether the topic still holds any record with the subject's key."""
    return any(
        [
            record.key == subject.encode() and record.value is not None
            async for record in records(system, "steward.keys")
        ]
    )


async def configure(system: System, **settings: str) -> None:
    [keys] = [topic for topic in TOPICS if topic.name == "steward.keys"]
    admin = AIOKafkaAdminClient(bootstrap_servers=system.stack.endpoints.kafka.split(","))
    await admin.start()
    both = {**keys.settings(), **settings}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, keys.name, both)])
    await admin.close()


async def append_to_every_partition(system: System) -> None:
    """Let the keys of others come, so that Kafka closes the segment to which it appended."""
    await system.register(
        *(
            {"type": "household", "household_id": f"other-{uuid7()}", "project_id": PROJECT,
             "address": "another"}
            for _ in range(60)
        )
    )  # fmt: skip


@pytest.fixture
async def estate(embedded_stack: None, services: Stack, system: System) -> AsyncIterator[System]:
    """The system with a project whose manager is told of what is late, and one resident."""
    await system.register(
        {"type": "group", "group_id": GROUP, "name": "汇和物业"},
        {"type": "project", "project_id": PROJECT, "group_id": GROUP, "name": "翠谷"},
        {"type": "household", "household_id": HOUSEHOLD, "project_id": PROJECT},
        {
            "type": "person",
            "person_id": RESIDENT.removeprefix("person-"),
            "household_id": HOUSEHOLD,
            "name": NAME,
            "phone": PHONE,
            "email": EMAIL,
        },
        {
            "type": "staff",
            "person_id": MANAGER.removeprefix("staff-"),
            "group_id": GROUP,
            "name": BOSS,
            "phone": BOSS_PHONE,
            "email": BOSS_EMAIL,
        },
        {
            "type": "role",
            "project_id": PROJECT,
            "role": "centre_manager",
            "person_id": MANAGER.removeprefix("staff-"),
        },
    )
    yield system
    await configure(system)
    store = await PostgresStore.connect(
        database_dsn(services.endpoints.postgres, "steward_intake"), application="test"
    )
    wall = _Wall()
    await discard(store, await find_parked(store, f"{SOURCE}|{PARKED}"), wall)
    await store.close()
    await system.until(lambda: _is_free(system), "the line was not freed")


class _Wall:
    def now(self) -> datetime:
        return datetime.now(UTC)


async def _is_free(system: System) -> bool:
    return not await system.parked("intake", f"{SOURCE}|{PARKED}")


async def complaint(system: System, **said: Any) -> str:
    body = {
        "project_id": PROJECT,
        "kind": "complaint",
        "channel": "counter",
        "summary": SUMMARY,
        "description": f"{NAME}来电：{SUMMARY}",
        "reporter": {"name": NAME, "phone": PHONE, "email": EMAIL},
        "occurred_at": (datetime.now(UTC) - timedelta(hours=2)).isoformat(),
        **said,
    }
    taken = await system.accepted("intake", "/v1/cases", body)
    important = {"validity": "valid", "severity": "important"}
    await system.accepted("intake", f"/v1/cases/{taken['case_id']}/classify", important)
    return str(taken["case_id"])


async def found(system: System, q: str) -> set[tuple[str, str]]:
    answer = await system.get("intake", "/v1/search", project_id=PROJECT, q=q)
    return {(item["kind"], item["field"]) for item in answer["items"]}


async def test_who_is_erased_is_erased_everywhere(estate: System) -> None:
    system = estate
    # Somebody complains, once for the household and once alone; the manager is told by SMS and mail.
    of_household = await complaint(system, household_id=HOUSEHOLD)
    alone = await complaint(system)
    # Another system tells of them in a way that cannot be understood, and its message has to wait.
    odd = {"project_id": PROJECT, "kind": "grievance", "summary": f"{NAME} {PHONE}"}
    await system.ticket("opened", PARKED, odd)

    async def waits() -> bool:
        return bool(await system.parked("intake", f"{SOURCE}|{PARKED}"))

    async def told() -> bool:
        texts = [text for text in await system.texts() if text["phone"] == BOSS_PHONE]
        mails = [mail for mail in system.mails() if BOSS_EMAIL in mail]
        return len(texts) >= 2 and len(mails) >= 2

    async def indexed() -> bool:
        texts = {("case", "reporter_phone"), ("person", "phone")}
        return await found(system, PHONE) == texts and bool(await found(system, "漏水三次"))

    await system.until(waits, "the odd ticket is not parked")
    await system.until(told, "the manager was not told")
    await system.until(indexed, "the texts are not in the index")

    [line] = await system.query(
        "intake",
        "SELECT value FROM parked_messages WHERE stream_id = $1",
        f"{SOURCE}|{PARKED}",
    )
    waiting = Sealed.model_validate_json(line["value"]).subject
    subjects = (RESIDENT, MANAGER, f"household-{HOUSEHOLD}", f"case-{alone}", waiting)

    # Before: every key is in every store and on the topic, and opens what was sealed.
    async def everywhere() -> bool:
        return all([await stores_with_keys(system, one) == {*STORES} for one in subjects])

    await system.until(everywhere, "the keys are not in every store")
    assert all([await is_on_topic(system, subject) for subject in subjects])
    before = await sealed_values(system, *subjects)
    assert {
        "steward_intake.events",
        "steward_intake.people",
        "steward_intake.staff",
        "steward_intake.sealed_texts",
        "steward_intake.parked_messages",
        "steward_notify.staff",
    } <= before.keys()
    async with sealers(system) as opened:
        for sealer in opened.values():
            for values in before.values():
                texts = [await sealer.unseal(sealed) for sealed in values]
                assert all(isinstance(text, str) for text in texts)

    # The search finds what is in clear: what the other system said, and what the providers got.
    clear = await search(system, *CLEAR)
    assert clear.places == {
        f"topic {INBOUND_TICKETS}": {NAME, PHONE},
        "file worlds/live/texts.jsonl": {BOSS_PHONE},
        "texts over HTTP": {BOSS_PHONE},
        **{place: {BOSS_EMAIL} for place in clear.places if "/mails/" in place},
    }
    assert any("/mails/" in place for place in clear.places)

    # They are erased.
    await configure(
        system,
        **{
            "segment.ms": "500",
            "min.cleanable.dirty.ratio": "0.001",
            "max.compaction.lag.ms": "500",
        },
    )
    said = {"reason": "asked", "asked_by": RESIDENT.removeprefix("person-")}
    gone: set[str] = set()
    for subject in (RESIDENT, MANAGER, f"household-{HOUSEHOLD}"):
        answer = await system.accepted("intake", "/v1/erasures", {"subject": subject, **said})
        gone |= set(answer["erased"])
    assert gone == {*subjects, f"case-{of_household}"}

    async def nowhere() -> bool:
        return not any([await stores_with_keys(system, one) for one in subjects])

    await system.until(nowhere, "a store still holds a key")

    async def compacted() -> bool:
        await append_to_every_partition(system)
        return not any([await is_on_topic(system, subject) for subject in subjects])

    await system.until(compacted, "the topic still holds a key", 180)

    # After: every value reads erased, wherever it lies, and readers are told so.
    after = await sealed_values(system, *subjects)
    assert "steward_intake.sealed_texts" not in after
    assert {
        "steward_intake.events",
        "steward_intake.people",
        "steward_notify.staff",
    } <= after.keys()
    assert "steward_intake.parked_messages" in after
    async with sealers(system) as opened:
        for sealer in opened.values():
            for where, values in {**before, **after}.items():
                for sealed in values:
                    assert await sealer.unseal(sealed) == Erased(sealed.subject), where
    people = await system.get("intake", "/v1/people", project_id=PROJECT)
    assert people["items"][0]["name"] == {"erased": True}
    [received, *_] = (await system.get("intake", f"/v1/cases/{alone}/facts"))["facts"]
    assert received["data"]["reporter_name"] == {"erased": True}
    for text in (PHONE, "漏水三次", NAME):
        assert await found(system, text) == set()
    listed = await system.get("intake", "/v1/erasures", project_id=PROJECT)
    assert {row["subject"] for row in listed["items"]} >= gone - {MANAGER}

    # No clear text is left anywhere.
    async def forgotten() -> bool:
        return not (await search(system, *CLEAR)).places

    await system.until(forgotten, "something is left in clear")
    searched = await search(system, *CLEAR)
    assert searched.places == {}
    assert searched.bytes > 100_000

    # And the search would have found it: in a log, in every form; in a table; on a topic.
    folder = system.stack.state.logs / "planted"
    paths = planted(folder, NAME)
    await system.query("clock", "CREATE TABLE planted AS SELECT $1::text AS said", NAME)
    bootstrap = system.stack.endpoints.kafka.split(",")
    await create_topics(bootstrap, 1, topics=[Topic(f"planted-{OWN}", timedelta(hours=1))])
    await system.tell(f"planted-{OWN}", "nowhere", {}, f"《{NAME}》".encode("gb18030"))
    try:
        seen = (await search(system, NAME)).places
    finally:
        shutil.rmtree(folder)
        await system.query("clock", "DROP TABLE planted")
    files = {f"file logs/planted/{path.name}" for path in paths}
    assert seen.keys() == files | {
        "database steward_clock: planted",
        f"topic planted-{OWN}",
    }
