"""What `steward doctor` says of a stack that runs: each fault is made, found, and told with its cure."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest
from tests.support.system import System, entered, running_services

from steward_stack import diagnosis
from steward_stack.diagnosis import diagnose
from steward_stack.examination import Finding
from steward_stack.supervisor import Endpoints, Stack


@pytest.fixture(scope="module")
def own_services(embedded_stack: None) -> Iterator[Stack]:
    with running_services() as stack:
        yield stack


@pytest.fixture(scope="module")
async def system(own_services: Stack) -> AsyncIterator[System]:
    async with entered(own_services) as system:
        await system.register(
            {"type": "group", "group_id": "ill", "name": "病房集团"},
            {"type": "project", "project_id": "ill", "group_id": "ill", "name": "病房"},
        )
        await system.quiet()
        yield system


async def says(
    system: System, check: str, endpoints: Endpoints | None = None, master: bytes | None = None
) -> Finding:
    settings = system.stack.settings
    key = master or base64.b64decode(settings.master_key)
    found = await diagnose(endpoints or system.stack.endpoints, settings.admin_key, key)
    [finding] = [finding for finding in found if finding.check == check]
    assert bool(finding.cure) is not finding.ok
    return finding


@asynccontextmanager
async def database(system: System, name: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(system.stack.endpoints.database(name))
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_service_that_does_not_answer_is_named(system: System) -> None:
    assert (await says(system, "services")).ok
    endpoints = system.stack.endpoints
    gone = replace(endpoints, services={**endpoints.services, "audit": "http://127.0.0.1:1"})
    finding = await says(system, "services", endpoints=gone)
    assert not finding.ok
    assert "audit does not answer" in finding.says


async def test_a_promise_that_is_not_kept_is_named(system: System) -> None:
    await system.quiet()
    assert (await says(system, "promises")).ok
    async with database(system, "audit") as connection:
        change = "UPDATE heard SET facts = facts + $1 WHERE type = 'registry.group_registered.v1'"
        await connection.execute(change, 1)
        finding = await says(system, "promises")
        await connection.execute(change, -1)
    assert finding.says == "Not kept: unpublished 1."


async def test_streams_that_wait_are_counted(system: System) -> None:
    assert (await says(system, "parked")).ok
    await system.ticket("opened", "nowhere", {"project_id": "no-such-project"})

    async def parked() -> bool:
        return not (await says(system, "parked")).ok

    await system.until(parked, "the ticket was not parked", 20)
    finding = await says(system, "parked")
    assert "1 at intake" in finding.says
    assert "steward parked list" in finding.cure


async def test_a_transaction_that_stays_open_is_named(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await says(system, "transactions")).ok
    monkeypatch.setattr(diagnosis, "LONG_SECONDS", 0)
    async with database(system, "visits") as connection, connection.transaction():
        await connection.execute("CREATE TABLE left_open (n integer) ")
        finding = await says(system, "transactions")
        await connection.execute("DROP TABLE left_open")
    assert not finding.ok
    assert "pg_terminate_backend" in finding.cure


async def test_alarms_that_do_not_ring_are_counted(system: System) -> None:
    assert (await says(system, "alarms")).ok
    async with database(system, "sla") as connection:
        # Of a partition that nobody listens to.
        late = "INSERT INTO timers (stream_id, partition, due_at) VALUES ('clocks-x', 999, $1)"
        await connection.execute(late, datetime(2026, 1, 1, tzinfo=UTC))
        finding = await says(system, "alarms")
        await connection.execute("DELETE FROM timers WHERE partition = 999")
    assert finding.says == "Alarms are a minute late and more: 1 at sla."


async def test_messages_that_came_to_nothing_are_named(system: System) -> None:
    assert (await says(system, "messages")).ok
    async with database(system, "notify") as connection:
        await connection.execute(
            "INSERT INTO messages SELECT (jsonb_populate_record(null::messages, $1::text::jsonb)).*",
            """{"message_id": "m", "project_id": "ill", "channel": "sms", "template": "escalation",
                "rule": "", "content": "{}", "status": "failed", "code": "InvalidAccessKeyId",
                "attempts": 1, "together": false, "correlation_id": "", "changed_at": "9999-01-01T00:00:00Z",
                "requested_at": "2026-01-01T00:00:00Z"}""",
        )
        finding = await says(system, "messages")
        await connection.execute("DELETE FROM messages WHERE message_id = 'm'")
    assert finding.says == "1 of sms came to nothing in the last day: InvalidAccessKeyId."


async def test_a_project_without_its_manager_is_named(system: System) -> None:
    finding = await says(system, "roles")
    assert "centre_manager at ill, cs_supervisor at ill" in finding.says
    staff = {"type": "staff", "person_id": "ill-1", "group_id": "ill", "name": "李静"}
    role = {"type": "role", "project_id": "ill", "person_id": "ill-1"}
    await system.register(
        staff, {**role, "role": "centre_manager"}, {**role, "role": "cs_supervisor"}
    )

    async def is_well() -> bool:
        return (await says(system, "roles")).ok

    await system.until(is_well, "sla has not heard of the roles")


async def test_cases_without_an_owner_are_counted(system: System) -> None:
    assert (await says(system, "owners")).ok
    nobodys = {"project_id": "nobodys", "group_id": "ill", "name": "无人小区"}
    await system.register({"type": "project", **nobodys})
    said = {"project_id": "nobodys", "kind": "complaint", "summary": "没有人管"}
    await system.accepted("intake", "/v1/cases", said)
    assert (await says(system, "owners")).says == "1 open cases have no owner."


async def test_a_master_key_that_opens_nothing_is_named(system: System) -> None:
    assert (await says(system, "keys")).ok
    assert not (await says(system, "keys", master=bytes(32))).ok


async def test_databases_that_cannot_be_read_are_named(system: System) -> None:
    nowhere = replace(system.stack.endpoints, postgres="postgresql://127.0.0.1:1/postgres")
    finding = await says(system, "databases", endpoints=nowhere)
    assert "postgres.log" in finding.cure
