"""The policies that a service hears: kept, known at once, and parked where they cannot be read."""

from typing import Any

import pytest
from sqlalchemy import MetaData
from structlog.testing import capture_logs
from tests.support.eventstore import START, StillClock, at, id_of, partition_of

from steward_events.cloudevents import to_kafka
from steward_events.recorded import Recorded
from steward_events.registry import PolicyPublished
from steward_eventstore.execute import Executor
from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import Parcel
from steward_eventstore.rows import data_of, meta_of
from steward_policy import packs
from steward_service.hearing import Hearing
from steward_service.policies import Policies, keep_policy, policies_table
from steward_service.retries import Retries

TABLE = policies_table(MetaData())
TEXT = packs.built_in_text()
VERSION = packs.built_in().version


class Listening:
    """A service that hears policies, over a store in memory."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.store = MemoryStore(self.clock)
        self.policies = Policies()
        self.executor = Executor(
            self.store,
            self.clock,
            {},
            source="/steward/sla",
            partition_of=partition_of,
            project=lambda heard: keep_policy(TABLE, heard),
        )
        self.hearing = Hearing("sla", {"steward.intake": lambda _: ()})

    async def hear(self, version: str, text: str, number: int = 1) -> None:
        pack, _, name = version.partition("@")
        fact = PolicyPublished(pack=pack, version=name, text=text, sha256="0", effective_from=START)
        heard = Recorded(
            id_of(version),
            fact.wire_type,
            f"policy-{pack}",
            number,
            "*",
            "/steward/intake",
            START,
            START,
            START,
            fact,
        )
        key, headers, value = to_kafka(
            heard.type, heard.stream, heard.version, data_of(heard), meta_of(heard)
        )
        job = await self.hearing.job(Parcel("steward.intake", key, tuple(headers), value), "0")
        await self.executor.execute_batch([job])
        await self.policies.heard([heard])

    def kept(self) -> list[str]:
        return [row["version"] for row in self.store.rows(TABLE)]


async def test_a_published_policy_is_kept_and_known() -> None:
    service = Listening()
    await service.hear(VERSION, TEXT)
    assert service.kept() == [VERSION]
    assert service.policies[VERSION] == packs.built_in()
    assert not await service.store.parked()


async def test_a_policy_that_cannot_be_read_is_parked_with_the_reason() -> None:
    service = Listening()
    await service.hear("own@1", "pack: own\nversion: '1'\ncalendar: moon\nduty_calendar: sun\n")
    [parked] = await service.store.parked()
    assert (parked.stream, parked.code) == ("policy-own", "unreadable")
    assert parked.reason == "The policy own@1 cannot be read: own@1:3, the first of 2 problems."
    assert service.kept() == []


UNREADABLE = TEXT + (
    "calendars:\n  own:\n    tz: Asia/Shanghai\n    hours: {mon: [['zhang san 13912345678', '18:00']]}\n"
)


async def test_why_a_policy_is_parked_says_where_and_quotes_nothing_of_its_text() -> None:
    service = Listening()
    await service.hear(VERSION, UNREADABLE)
    [parked] = await service.store.parked()
    line = UNREADABLE.count("\n")
    assert parked.reason == f"The policy {VERSION} cannot be read: {VERSION}:{line}."


async def test_what_is_logged_of_a_kept_policy_quotes_nothing_of_its_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def kept(*_: object) -> list[dict[str, str]]:
        return [{"version": VERSION, "text": UNREADABLE}]

    monkeypatch.setattr("steward_service.policies.fetch", kept)
    policies: Any = Policies()
    with capture_logs() as logs:
        await policies.load(None, TABLE)
    [told] = logs
    assert told["event"] == "A policy cannot be read."
    assert told["where"] == f"{VERSION}:{UNREADABLE.count(chr(10))}"
    assert "zhang san" not in str(told)


async def test_a_policy_that_waited_in_line_is_known_as_soon_as_it_is_taken() -> None:
    service = Listening()
    newer = VERSION.replace("@", "@newer-")
    await service.hear(newer, TEXT.replace('version: "', 'version: "newer-', 1), number=2)
    restarted = Policies()
    await service.hear(VERSION, TEXT)
    service.clock.instant = at(1)
    retries = Retries(service.executor, service.clock, service.hearing, on_heard=restarted.heard)
    assert await retries.retry_due() == 1
    assert service.kept() == [VERSION, newer]
    assert restarted[newer].version == newer
