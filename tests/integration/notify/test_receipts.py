"""The door for receipts: one POST of the provider tells of many texts, and not all of them are ours."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from pydantic import SecretStr
from tests.support.eventstore import StillClock
from tests.support.office import Office
from tests.support.prepared import tables_of, with_keys
from tests.support.stack import FreshDatabase

from steward_events.vocabulary import LONGEST_ID, LONGEST_WORD, Role
from steward_eventstore.execute import Cause, Executor, Job, Outcome, To
from steward_eventstore.postgres import PostgresStore
from steward_notify.adapters import read_models
from steward_notify.adapters.directory import PostgresDirectory
from steward_notify.adapters.outbox import PostgresMessageList
from steward_notify.adapters.sms_aliyun import RECEIPTS_TAKEN, parse_receipts
from steward_notify.api import http
from steward_notify.application.reactions import stream_of
from steward_notify.domain.message import (
    BeginSending,
    Command,
    MessageDecider,
    NoteSent,
    RequestMessage,
)
from steward_service.auth import Authenticator
from steward_service.http import build_app
from steward_service.sealing import Sealer

NOW = datetime.fromisoformat("2026-10-02T09:00:00+08:00")
TOKEN = "the-providers-own-token"
OVERLONG = "x" * (LONGEST_WORD + 1)


@dataclass(frozen=True)
class Door:
    """Notify's door, and the messages behind it."""

    client: AsyncClient
    executor: Executor
    messages: PostgresMessageList

    async def sent(self, *ids: str, group_id: str | None = None) -> None:
        for message_id in ids:
            role = Role.CS_SUPERVISOR
            request = RequestMessage(NOW, message_id, "sms", "p1", "escalation", role, {})
            await self._command(message_id, request)
            await self._command(message_id, BeginSending(NOW, "s1", role, group_id=group_id))
            await self._command(message_id, NoteSent(NOW, "9^0", group_id))

    async def _command(self, message_id: str, command: Command) -> None:
        cause = Cause(uuid5(UUID(int=0), f"{message_id}{command}"), "test")
        to = To(stream_of(message_id), "p1", command)
        await self.executor.execute(Job(cause, lambda: [to]))

    async def told(self, *receipts: dict[str, Any], token: str = TOKEN) -> Response:
        """Tell receipts as the provider does."""
        return await self.client.post(
            f"/v1/receipts/aliyun/{token}", content=json.dumps(receipts).encode()
        )

    async def outcomes(self) -> dict[str, tuple[str, str | None]]:
        rows = await self.messages.listed(None, {}, None, 1000)
        return {row["message_id"]: (row["status"], row["code"]) for row in rows}


@pytest.fixture
async def door(fresh_database: FreshDatabase) -> AsyncIterator[Door]:
    dsn = await fresh_database(tables_of("notify"))
    keys_dsn = await fresh_database(with_keys)
    store = await PostgresStore.connect(dsn)
    clock = StillClock(NOW)
    executor = Executor(
        store,
        clock,
        {"message": MessageDecider()},
        source="/steward/notify",
        partition_of=lambda _: 0,
        project=read_models.project,
    )
    messages = PostgresMessageList(store.pool)
    routes = http.router(
        lambda: messages,
        lambda: PostgresDirectory(store.pool),
        parse_receipts,
        SecretStr(TOKEN),
        RECEIPTS_TAKEN,
    )
    async with asyncpg.create_pool(keys_dsn, min_size=1, max_size=2) as pool:
        authenticator, sealer = Authenticator(pool), Sealer(pool, b"k" * 32)
        office = Office("notify", executor, authenticator, sealer, clock, [routes])
        transport = ASGITransport(build_app(office))
        async with AsyncClient(transport=transport, base_url="http://notify") as client:
            yield Door(client, executor, messages)
    await store.close()


def receipt(message_id: str, **said: Any) -> dict[str, Any]:
    """Give what the network says of a text that arrived."""
    return {
        "send_time": "2026-10-02 09:00:00",
        "report_time": "2026-10-02 09:00:05",
        "success": True,
        "biz_id": "9^0",
        "out_id": message_id,
        **said,
    }


async def test_a_receipt_with_overlong_words_spoils_no_other_of_its_post(door: Door) -> None:
    await door.sent("first", "failed", "odd", "last")
    answer = await door.told(
        receipt("first"),
        receipt("failed", success=False, err_code=OVERLONG),
        receipt("odd", biz_id=OVERLONG),
        receipt("x" * (LONGEST_ID + 1)),
        receipt("last"),
    )
    assert answer.json() == RECEIPTS_TAKEN
    assert await door.outcomes() == {
        "first": ("delivered", None),
        "failed": ("failed", "unreadable"),
        "odd": ("sent", None),
        "last": ("delivered", None),
    }


async def test_a_body_that_repeats_itself_is_stored_once_and_in_small_batches(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TAKEN_AT_ONCE", 3)
    ids = [f"m{number}" for number in range(8)]
    await door.sent(*ids, group_id="group")
    await door.sent("alone")
    execute_batch, batches = door.executor.execute_batch, list[int]()

    async def counted(jobs: Sequence[Job]) -> list[Outcome]:
        batches.append(len(jobs))
        return await execute_batch(jobs)

    monkeypatch.setattr(door.executor, "execute_batch", counted)
    answer = await door.told(*[receipt("group")] * 1000, receipt("alone"), *[receipt("group")] * 9)
    assert answer.json() == RECEIPTS_TAKEN
    assert await door.outcomes() == dict.fromkeys([*ids, "alone"], ("delivered", None))
    assert batches == [3, 3, 3]


async def test_who_does_not_know_the_address_tells_nothing(door: Door) -> None:
    await door.sent("first")
    assert (await door.told(receipt("first"), token="guessed")).status_code == 404
    assert await door.outcomes() == {"first": ("sent", None)}
