"""Intake behind the real door, on a real PostgreSQL; only the clock stands still."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import asyncpg
import pytest
from fastapi import APIRouter
from httpx2 import ASGITransport, AsyncClient, Response
from pydantic import SecretStr
from tests.support.eventstore import StillClock
from tests.support.prepared import tables_of, with_keys
from tests.support.stack import FreshDatabase
from uuid_utils.compat import uuid7

from steward_events.tickets import INBOUND_TICKETS
from steward_eventstore.execute import Cause, Executor, Job
from steward_eventstore.postgres import PostgresStore
from steward_intake.adapters import read_models
from steward_intake.adapters.blobs import PostgresBlobs
from steward_intake.adapters.erasing import PostgresErasing
from steward_intake.adapters.registers import PostgresRegisters
from steward_intake.adapters.sealed_texts import PostgresSealedTexts
from steward_intake.api.http import open_desk
from steward_intake.api.routers import ROUTERS
from steward_intake.application.desk import Desk
from steward_intake.application.registration import built_in_policy
from steward_intake.domain.box import BoxDecider
from steward_intake.domain.case import CaseDecider
from steward_intake.domain.incident import IncidentDecider
from steward_intake.domain.note import NoteDecider
from steward_intake.domain.registry import DECIDERS
from steward_service.auth import Authenticator
from steward_service.hearing import Boxes
from steward_service.http import MAX_FILE_BYTES, build_app
from steward_service.sealing import Sealer
from steward_service.search_terms import SearchTerms
from steward_service.telemetry import Metrics

ADMIN_KEY = "sk_the-first-administrators-own-key"
MASTER_KEY = bytes(range(32))
NOON = datetime.fromisoformat("2026-09-28T12:00:00+08:00")


@dataclass(slots=True)
class Office:
    """What the routes need of a running intake."""

    executor: Executor
    store: PostgresStore
    authenticator: Authenticator
    sealer: Sealer
    keys_pool: asyncpg.Pool
    clock: StillClock
    name: str = "intake"
    topic: str = "steward.intake"
    metrics: Metrics = field(default_factory=Metrics)
    routers: Sequence[APIRouter] = ROUTERS
    foreign: Mapping[str, object] = field(default_factory=dict)

    @property
    def registers(self) -> PostgresRegisters:
        return PostgresRegisters(self.store.pool)

    @property
    def blobs(self) -> PostgresBlobs:
        return PostgresBlobs(self.store.pool)

    @property
    def sealed_texts(self) -> PostgresSealedTexts:
        return PostgresSealedTexts(self.store.pool, SearchTerms(MASTER_KEY))

    @property
    def erasing(self) -> PostgresErasing:
        return PostgresErasing(self.store.pool, self.keys_pool, self.sealer, self.sealed_texts)

    def desk(self) -> Desk:
        return open_desk(self)

    async def reasons_not_ready(self) -> Sequence[str]:
        return []


@dataclass(slots=True)
class Caller:
    """Sends writes with an idempotency key of their own."""

    http: AsyncClient
    numbers: Any = field(default_factory=lambda: count(1))

    async def post(self, path: str, body: Any, key: str = "", **headers: str) -> Response:
        headers["Idempotency-Key"] = key or f"test-{next(self.numbers)}"
        return await self.http.post(f"/v1/{path}", json=body, headers=headers)

    async def send(self, path: str, content: bytes, media_type: str, **params: Any) -> Response:
        headers = {"Idempotency-Key": f"test-{next(self.numbers)}", "Content-Type": media_type}
        return await self.http.post(f"/v1/{path}", content=content, headers=headers, params=params)

    async def get(self, path: str, **params: Any) -> Response:
        return await self.http.get(f"/v1/{path}", params=params)


@pytest.fixture
async def office(fresh_database: FreshDatabase) -> AsyncIterator[Office]:
    store = await PostgresStore.connect(await fresh_database(tables_of("intake")))
    clock = StillClock(NOON)
    async with asyncpg.create_pool(await fresh_database(with_keys), min_size=1, max_size=4) as pool:
        sealer = Sealer(pool, MASTER_KEY)
        executor = Executor(
            store,
            clock,
            {
                "case": CaseDecider(),
                "box": BoxDecider(),
                "note": NoteDecider(),
                "incident": IncidentDecider(),
                **DECIDERS,
            },
            source="/steward/intake",
            partition_of=lambda _: 0,
            project=read_models.project,
            pack=Boxes(sealer, {INBOUND_TICKETS}).close,
        )
        authenticator = Authenticator(pool, SecretStr(ADMIN_KEY))
        publish = built_in_policy(NOON)
        await executor.execute(Job(Cause(uuid7(), "start"), lambda: [publish]))
        yield Office(executor, store, authenticator, sealer, pool, clock)
    await store.close()


@pytest.fixture
async def caller(office: Office) -> AsyncIterator[Caller]:
    """Send requests as the administrator."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    transport = ASGITransport(build_app(office, max_file_bytes=MAX_FILE_BYTES))
    async with AsyncClient(
        transport=transport, base_url="http://steward", headers=headers
    ) as client:
        yield Caller(client)


REGISTERS = [
    {
        "type": "person",
        "person_id": "p1",
        "household_id": "h1",
        "name": "王芳",
        "phone": "13800138000",
    },
    {"type": "role", "project_id": "lakeside", "role": "centre_manager", "person_id": "m1"},
    {"type": "household", "household_id": "h1", "project_id": "lakeside", "address": "1-101"},
    {"type": "household", "household_id": "h2", "project_id": "hillside", "address": "2-202"},
    {"type": "project", "project_id": "lakeside", "group_id": "g1", "name": "湖畔花园"},
    {"type": "project", "project_id": "hillside", "group_id": "g1", "name": "山景名邸"},
    {"type": "staff", "person_id": "m1", "group_id": "g1", "name": "李强", "phone": "13900139000"},
    {"type": "group", "group_id": "g1", "name": "示例物业集团"},
]


@pytest.fixture
async def registered(caller: Caller) -> Caller:
    """The caller, after a small group was registered in one request."""
    answer = await caller.post("registers", REGISTERS)
    assert answer.status_code == 200, answer.text
    assert all("error" not in line for line in answer.json()["results"]), answer.text
    return caller
