"""A small service behind the real door: PostgreSQL, keys database, one stream kind."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import asyncpg
import pytest
from fastapi import APIRouter, Depends, Request
from httpx2 import ASGITransport, AsyncClient
from pydantic import BaseModel, SecretStr
from starlette.responses import Response
from tests.support.eventstore import migrated
from tests.support.prepared import with_keys
from tests.support.stack import FreshDatabase
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.registry import ProjectRegistered
from steward_eventstore.execute import Executor, To
from steward_eventstore.postgres import PostgresStore
from steward_service.auth import Authenticator, Principal, anyone, require
from steward_service.http import build_app
from steward_service.idempotency import IfMatch, handle
from steward_service.telemetry import Metrics

ADMIN_KEY = "sk_the-first-administrators-own-key"
NOON = datetime.fromisoformat("2026-09-28T12:00:00+08:00")


class FixedClock:
    def now(self) -> datetime:
        return NOON


@dataclass(frozen=True, slots=True)
class Register:
    at: datetime
    project_id: str
    name: str


class ProjectDecider:
    initial: str | None = None

    def decide(self, command: Register, state: str | None) -> Sequence[ProjectRegistered]:
        if state is not None:
            raise Refused(f"The project is registered already, as {state}.", rule="RC-2")
        return [
            ProjectRegistered(
                project_id=command.project_id, group_id="g", name=command.name, zone="Asia/Shanghai"
            )
        ]

    def evolve(self, _: str | None, fact: ProjectRegistered) -> str | None:
        return fact.name

    def wake_at(self, _: str | None) -> datetime | None:
        return None


class ProjectBody(BaseModel):
    name: str
    size: int = 0


router = APIRouter(prefix="/v1")


@router.post("/groups/{group}/projects")
async def register(
    request: Request,
    group: str,
    body: ProjectBody,
    principal: Annotated[Principal, Depends(require("project.register"))],
    expected: IfMatch,
) -> Response:
    project = str(uuid7())
    command = Register(at=NOON, project_id=project, name=body.name)
    return await handle(
        request,
        principal,
        request.app.state.service.executor,
        to=[To(f"project-{project}", group, command, expected=expected)],
        answer={"project_id": project},
    )


@router.put("/groups/{group}/projects/{project}")
async def register_as(
    request: Request,
    group: str,
    project: str,
    body: ProjectBody,
    principal: Annotated[Principal, Depends(require("project.register"))],
    expected: IfMatch,
) -> Response:
    command = Register(at=NOON, project_id=project, name=body.name)
    return await handle(
        request,
        principal,
        request.app.state.service.executor,
        to=[To(f"project-{project}", group, command, expected=expected)],
        answer=lambda facts: {"facts": [fact.type for fact in facts]},
        status=200,
    )


@router.get("/whoami")
async def whoami(principal: Annotated[Principal, Depends(require("key.read"))]) -> str:
    return principal.name


@router.get("/open", dependencies=[anyone])
async def everybody() -> str:
    return "hello"


@router.get("/broken", dependencies=[anyone])
async def broken() -> None:
    raise ValueError("a resident's name")


@dataclass(slots=True)
class Office:
    executor: Executor
    authenticator: Authenticator
    name: str = "intake"
    topic: str = "steward.intake"
    foreign: Mapping[str, Any] = field(default_factory=lambda: {"steward.inbound.tickets": None})
    metrics: Metrics = field(default_factory=Metrics)
    routers: Sequence[APIRouter] = (router,)
    reasons: list[str] = field(default_factory=list)

    async def reasons_not_ready(self) -> Sequence[str]:
        return self.reasons


@pytest.fixture
async def keys_pool(fresh_database: FreshDatabase) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(await fresh_database(with_keys), min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
async def office(fresh_database: FreshDatabase, keys_pool: asyncpg.Pool) -> AsyncIterator[Office]:
    store = await PostgresStore.connect(await fresh_database(migrated))
    deciders: dict[str, Any] = {"project": ProjectDecider()}
    executor = Executor(
        store, FixedClock(), deciders, source="/steward/intake", partition_of=lambda _: 0
    )
    yield Office(executor, Authenticator(keys_pool, SecretStr(ADMIN_KEY)))
    await store.close()


@pytest.fixture
async def client(office: Office) -> AsyncIterator[AsyncClient]:
    """Send requests as the administrator."""
    transport = ASGITransport(build_app(office, max_body_bytes=10_000))
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with AsyncClient(
        transport=transport, base_url="http://steward", headers=headers
    ) as client:
        yield client
