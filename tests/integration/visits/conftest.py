"""Visits behind the real door, on a real PostgreSQL; what intake says is put in as it is heard."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from pydantic import SecretStr
from tests.support.eventstore import StillClock
from tests.support.office import Office
from tests.support.prepared import tables_of, with_keys
from tests.support.stack import FreshDatabase
from uuid_utils.compat import uuid7

from steward_events.fact import Fact
from steward_events.intake import CaseClassified, CaseHandled, CaseReceived
from steward_events.recorded import Recorded
from steward_events.registry import (
    HouseholdRegistered,
    PolicyPublished,
    ProjectRegistered,
    RoleAssigned,
    StaffRegistered,
)
from steward_events.vocabulary import Kind, Role
from steward_eventstore.execute import Cause, Executor, Job
from steward_eventstore.postgres import PostgresStore
from steward_policy import packs
from steward_service.auth import Authenticator
from steward_service.http import build_app
from steward_service.sealing import Sealer
from steward_service.ticker import alarm_job
from steward_visits.adapters import read_models
from steward_visits.adapters.followup_list import PostgresFollowupList
from steward_visits.adapters.publications import Publications
from steward_visits.adapters.registers import PostgresRegisters
from steward_visits.adapters.visit_list import PostgresVisitList
from steward_visits.api import http, subscribers, visits
from steward_visits.domain.followups import FollowupsDecider
from steward_visits.domain.ledger import LedgerDecider

ADMIN_KEY = "sk_the-first-administrators-own-key"
NOON = datetime.fromisoformat("2026-10-12T12:00:00+08:00")
MONTH_END = datetime.fromisoformat("2026-11-01T00:00:00+08:00")


@dataclass(slots=True)
class Desk:
    """Who asks and answers over HTTP, what is heard of intake, and the database behind."""

    client: AsyncClient
    store: PostgresStore
    executor: Executor
    clock: StillClock
    policies: Publications
    keys: Authenticator

    async def post(self, path: str, body: Mapping[str, Any], key: str = "") -> Response:
        headers = {"Idempotency-Key": key or str(uuid7())}
        return await self.client.post(f"/v1/{path}", json=body, headers=headers)

    async def get(self, path: str, **query: str) -> Any:
        answer = await self.client.get(f"/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def hear(self, *facts: Fact, key: str = "p1", at: datetime | None = None) -> None:
        """Hear facts of intake, in their order."""
        for fact in facts:
            when = at or self.clock.now()
            place = ("heard", 1, key, "/steward/intake", when, when, when)
            heard = Recorded(uuid7(), fact.wire_type, *place, fact)
            job = Job(
                Cause(heard.id, "visits", known_at=when),
                lambda heard=heard: subscribers.on_intake(heard),  # type: ignore[misc]
                heard=heard,
            )
            await self.executor.execute(job)
            await self.policies.heard([heard])

    async def pass_to(self, at: datetime, *streams: str) -> None:
        """Let time pass, and ring the alarms of these streams that are due."""
        self.clock.instant = at
        for stream in streams:
            await self.executor.execute(alarm_job(stream, at, unheard=False))

    async def facts(self, stream: str) -> list[Fact]:
        """Give what happened in a stream."""
        recorded = await self.store.facts_of(stream)
        return [one.fact for one in recorded if one.fact is not None]

    async def handled(self, case_id: str = "c1", **said: Any) -> dict[str, Any]:
        """Let a case be received, classified and handled; give the follow-up that it owes."""
        kind = said.pop("kind", Kind.COMPLAINT)
        received = CaseReceived(
            case_id=case_id,
            number=f"P1-{case_id}",
            project_id="p1",
            zone="Asia/Shanghai",
            policy=packs.built_in().version,
            kind=kind,
            household_id="h1",
        )
        await self.hear(received, CaseClassified(case_id=case_id, **said))
        await self.hear(CaseHandled(case_id=case_id))
        [followup] = (await self.get("followups", case_id=case_id))["items"]
        return dict(followup)


@pytest.fixture
async def desk(fresh_database: FreshDatabase) -> AsyncIterator[Desk]:
    """A project with forty households, a manager, a supervisor and an engineer."""
    dsn = await fresh_database(tables_of("visits"))
    keys_dsn = await fresh_database(with_keys)
    store = await PostgresStore.connect(dsn)
    clock, policies = StillClock(NOON), Publications()
    executor = Executor(
        store,
        clock,
        {
            "followups": FollowupsDecider(policies.rules.__getitem__),
            "ledger": LedgerDecider(policies.in_force),
        },
        source="/steward/visits",
        partition_of=lambda _: 0,
        project=read_models.project,
    )

    def registers() -> PostgresRegisters:
        return PostgresRegisters(store.pool)

    async with asyncpg.create_pool(keys_dsn, min_size=1, max_size=2) as pool:
        office = Office(
            "visits",
            executor,
            Authenticator(pool, SecretStr(ADMIN_KEY)),
            Sealer(pool, b"k" * 32),
            clock,
            [
                http.router(lambda: PostgresFollowupList(store.pool), registers),
                visits.router(lambda: PostgresVisitList(store.pool), registers),
            ],
        )
        transport = ASGITransport(build_app(office))
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with AsyncClient(transport=transport, base_url="http://visits", headers=headers) as c:
            desk = Desk(c, store, executor, clock, policies, office.authenticator)
            await _registered(desk)
            yield desk
    await store.close()


async def _registered(desk: Desk) -> None:
    rules = packs.built_in()
    published = PolicyPublished(
        pack=rules.pack.pack,
        version=rules.pack.version,
        text=packs.built_in_text(),
        sha256=rules.sha256,
        effective_from=datetime(1970, 1, 1, tzinfo=UTC),
    )
    await desk.hear(published)
    await desk.hear(
        ProjectRegistered(project_id="p1", group_id="g1", name="P", zone="Asia/Shanghai")
    )
    people = {
        "m1": Role.CENTRE_MANAGER,
        "s1": Role.CS_SUPERVISOR,
        "e1": Role.ENGINEERING_SUPERVISOR,
    }
    await desk.hear(
        *(StaffRegistered(person_id=person, group_id="g1") for person in (*people, "x1"))
    )
    for person_id, role in people.items():
        await desk.hear(RoleAssigned(project_id="p1", role=role, person_id=person_id))
    await desk.hear(
        *(HouseholdRegistered(household_id=f"h{door}", project_id="p1") for door in range(1, 41))
    )
