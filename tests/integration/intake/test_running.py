"""The whole of intake on a real Kafka and PostgreSQL: HTTP in, tickets in, facts out."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from httpx2 import AsyncClient
from pydantic import SecretStr
from tests.integration.intake.conftest import ADMIN_KEY, REGISTERS, Caller
from tests.integration.intake.test_http import RECORD
from tests.support.ports import free_port
from tests.support.waiting import until
from uuid_utils.compat import uuid7

from steward_events.cloudevents import envelope_of
from steward_events.intake import CaseHandled, CaseReceived, FollowupNoted, ProgressReported
from steward_events.visits import FollowupWaived
from steward_events.vocabulary import External
from steward_intake.app import IntakeService, service
from steward_intake.application.desk import external_case_id
from steward_intake.settings import Settings
from steward_service.forgetting import forget
from steward_service.provision import provision


@pytest.fixture
async def running(kafka_bootstrap: str, postgres_dsn_admin: str) -> AsyncIterator[IntakeService]:
    settings = Settings(
        kafka=kafka_bootstrap.split(","),
        postgres=urlunsplit(urlsplit(postgres_dsn_admin)._replace(path="")),
        master_key=SecretStr(base64.b64encode(bytes(range(32))).decode()),
        admin_key=SecretStr(ADMIN_KEY),
        http_port=free_port(),
    )
    await provision(settings)
    intake = service(settings)
    await intake.start()
    yield intake
    await intake.stop()


async def ready(http: AsyncClient) -> None:
    """Wait until the service is ready: its place in the consumer group takes a moment."""
    deadline = monotonic() + 60
    while (answer := await http.get("/health/ready")).status_code != 200:
        assert monotonic() < deadline, answer.text
        await asyncio.sleep(0.05)


@asynccontextmanager
async def calling(running: IntakeService) -> AsyncIterator[Caller]:
    """Speak to the service once it is ready."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    address = f"http://127.0.0.1:{running.settings.http_port}"
    async with AsyncClient(base_url=address, headers=headers) as http:
        await ready(http)
        yield Caller(http)


async def facts_until(consumer: AIOKafkaConsumer, wanted: str, times: int) -> list[tuple[str, Any]]:
    """Read the topic until a type was met so often, within a minute."""
    found: list[tuple[str, Any]] = []
    async with asyncio.timeout(60):
        async for record in consumer:
            envelope = envelope_of(tuple(record.headers), record.key)
            found.append((envelope.type, envelope))
            if sum(wire_type == wanted for wire_type, _ in found) == times:
                return found
    return found


async def test_what_comes_in_by_http_and_kafka_goes_out_as_facts_after_its_policy(
    running: IntakeService, kafka_bootstrap: str
) -> None:
    servers = kafka_bootstrap.split(",")
    consumer = AIOKafkaConsumer(
        "steward.intake", bootstrap_servers=servers, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await consumer.start()
    await producer.start()
    try:
        async with calling(running) as caller:
            done = await caller.post("registers", REGISTERS, key="registers")
            assert all("error" not in line for line in done.json()["results"]), done.text
            case = {"project_id": "lakeside", "kind": "consultation", "summary": "几点下班?"}
            posted = await caller.post("cases", case, key="case")
            assert posted.status_code == 201, posted.text
        await _tell_ticket(producer, "opened", "T-1", datetime.now(UTC))
        found = await facts_until(consumer, CaseReceived.wire_type, 2)
        types = [wire_type for wire_type, _ in found]
        assert types.count("registry.policy_published.v1") == running.settings.partitions
        envelopes = [e for wire_type, e in found if wire_type == CaseReceived.wire_type]
        assert {envelope.key for envelope in envelopes} == {"lakeside"}
        case_id = envelopes[0].stream.removeprefix("case-")
        await _tell_followup(producer, case_id)
        noted = await facts_until(consumer, FollowupNoted.wire_type, 1)
        assert noted[-1][1].stream == f"case-{case_id}"
        assert await running.store.parked() == []
    finally:
        await producer.stop()
        await consumer.stop()


async def test_ticket_events_in_the_wrong_order_become_a_handled_case_with_nothing_parked(
    running: IntakeService, kafka_bootstrap: str
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap.split(","))
    await producer.start()
    opened = datetime.now(UTC) - timedelta(hours=1)
    stream = "case-" + external_case_id(External(source="urn:old", subject="T-2"))

    async def nothing_is_under_way() -> bool:
        facts = await running.store.facts_of(stream)
        return bool(facts) and await running.store.parked() == []

    async def waits(messages: int) -> None:
        async def lined_up() -> bool:
            return [p.waiting for p in await running.store.parked()] == [messages]

        await until(lined_up, f"{messages} messages do not wait")

    try:
        async with calling(running) as caller:
            done = await caller.post("registers", REGISTERS, key="registers")
            assert done.is_success, done.text
        for number, (what, minute) in enumerate([("handled", 30), ("commented", 20)], 1):
            await _tell_ticket(producer, what, "T-2", opened + timedelta(minutes=minute))
            await waits(number)
        await _tell_ticket(producer, "opened", "T-2", opened)
        await until(nothing_is_under_way, "the line is not taken")
    finally:
        await producer.stop()
    facts = await running.store.facts_of(stream)
    taken = [CaseReceived, ProgressReported, CaseHandled]
    assert [type(recorded.fact) for recorded in facts] == taken
    minutes = [(recorded.occurred_at - opened) / timedelta(minutes=1) for recorded in facts]
    assert minutes == [0, 20, 30]


async def test_a_past_that_comes_again_changes_nothing_also_when_requests_are_forgotten(
    running: IntakeService,
) -> None:
    name = str(uuid7())
    past = {**RECORD, "id": name, "external": {"source": "urn:old", "subject": name}}
    async with calling(running) as caller:
        await caller.post("registers", REGISTERS, key="registers")
        [done] = (await caller.post("imports", [past], key="past")).json()["results"]
        assert done["facts"] == len(RECORD["facts"]) + 1
        await forget(running.store, running.clock.now() + timedelta(days=1), running.for_good)
        [again] = (await caller.post("imports", [past], key="past")).json()["results"]
        assert again["repeated"]
        lines = (await caller.post("registers", REGISTERS, key="registers")).json()["results"]
        assert not any(line.get("repeated") for line in lines)


async def _tell_ticket(producer: AIOKafkaProducer, what: str, subject: str, time: datetime) -> None:
    ticket = {
        "specversion": "1.0",
        "id": f"{subject}-{what}",
        "type": f"ticket.{what}.v1",
        "source": "urn:old",
        "subject": subject,
        "time": time.isoformat(),
        "data": {"project_id": "lakeside", "kind": "complaint", "summary": "楼道灯不亮"},
    }
    await producer.send_and_wait(
        "steward.inbound.tickets",
        json.dumps(ticket).encode(),
        key=b"lakeside",
        headers=[("content-type", b"application/cloudevents+json")],
    )


async def _tell_followup(producer: AIOKafkaProducer, case_id: str) -> None:
    fact = FollowupWaived(
        followup_id="f", case_id=case_id, project_id="lakeside", rule=("RM-4.6.4a",), reason="x"
    )
    now = datetime.now(UTC).isoformat()
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": "018f0000-0000-7000-8000-000000000001",
        "ce_type": FollowupWaived.wire_type,
        "ce_source": "/steward/visits",
        "ce_subject": f"followups-{case_id}",
        "ce_time": now,
        "ce_partitionkey": "lakeside",
        "ce_sequence": "1",
        "ce_recordedtime": now,
        "ce_knowntime": now,
        "ce_correlationid": "c",
        "ce_causationid": "c",
    }
    await producer.send_and_wait(
        "steward.visits",
        fact.model_dump_json().encode(),
        key=b"lakeside",
        headers=[(name, text.encode()) for name, text in attributes.items()],
    )
