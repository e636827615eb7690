"""More time over HTTP: asked for with a sealed reason, decided on by the role, listed, remembered."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from pydantic import SecretStr
from tests.support.eventstore import StillClock
from tests.support.office import Office
from tests.support.prepared import tables_of, with_keys
from tests.support.rules import rule
from tests.support.stack import FreshDatabase
from uuid_utils.compat import uuid7

from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.registry import (
    DutyRosterPublished,
    ProjectRegistered,
    RoleAssigned,
    RoleDelegated,
    RoleEnded,
    Shift,
    StaffRegistered,
)
from steward_events.vocabulary import Role
from steward_eventstore.execute import Cause, Executor, Job, To
from steward_eventstore.postgres import PostgresStore
from steward_policy import packs
from steward_service.auth import Authenticator
from steward_service.http import build_app
from steward_service.policies import Policies
from steward_service.sealing import Sealer
from steward_sla.adapters import read_models
from steward_sla.adapters.clock_lists import PostgresLists
from steward_sla.api import http, subscribers
from steward_sla.domain.clocks import ClocksDecider, HearCaseFact

ADMIN_KEY = "sk_the-first-administrators-own-key"
TEN = datetime(2026, 9, 28, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
DUE = datetime(2026, 10, 1, tzinfo=ZoneInfo("Asia/Shanghai"))
CLOCK = "/v1/clocks/c1/minor-resolve%231/extension"
ASKED = {"until": (DUE + timedelta(days=2)).isoformat(), "reason": "缺配件", "asked_by": "s1"}
STAFF = {"s1": Role.CENTRE_MANAGER, "m1": Role.CENTRE_MANAGER, "m2": Role.CS_SUPERVISOR}


@dataclass(slots=True)
class Desk:
    """Who asks and answers over HTTP, and the database behind."""

    client: AsyncClient
    pool: asyncpg.Pool
    clock: StillClock
    executor: Executor

    async def hear(self, *facts: Fact) -> None:
        for fact in facts:
            await self.executor.execute(_heard(fact))

    async def post(self, path: str, body: Mapping[str, Any]) -> Response:
        self.clock.instant += timedelta(minutes=1)
        headers = {"Idempotency-Key": str(uuid7())}
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.client.get(path)).json()["items"]
        return items


@pytest.fixture
async def desk(fresh_database: FreshDatabase) -> AsyncIterator[Desk]:
    """A minor complaint of ten o'clock on a Monday, classified at once."""
    dsn = await fresh_database(tables_of("sla"))
    keys_dsn = await fresh_database(with_keys)
    store = await PostgresStore.connect(dsn)
    clock, rules, policies = StillClock(TEN), packs.built_in(), Policies()
    policies.put(rules)
    executor = Executor(
        store,
        clock,
        {"clocks": ClocksDecider(policies.__getitem__)},
        source="/steward/sla",
        partition_of=lambda _: 0,
        project=read_models.project,
    )
    said: list[tuple[str, dict[str, Any]]] = [
        ("case_received", {"kind": "complaint", "policy": rules.version, "number": "P1-1"}),
        ("case_classified", {"severity": "minor", "validity": "valid"}),
    ]
    for version, (name, fields) in enumerate(said, 1):
        command = HearCaseFact(TEN, "c1", "p1", name, version, fields)
        to = To("clocks-c1", "p1", command)
        await executor.execute(Job(Cause(uuid7(), "test"), lambda to=to: [to]))  # type: ignore[misc]
    for person_id, role in STAFF.items():
        await executor.execute(_heard(StaffRegistered(person_id=person_id, group_id="g1")))
        held = RoleAssigned(project_id="p1", role=role, person_id=person_id)
        await executor.execute(_heard(held))
    async with asyncpg.create_pool(keys_dsn, min_size=1, max_size=2) as pool:
        office = Office(
            "sla",
            executor,
            Authenticator(pool, SecretStr(ADMIN_KEY)),
            Sealer(pool, b"k" * 32),
            clock,
            [http.router(lambda: PostgresLists(store.pool), policies)],
        )
        transport = ASGITransport(build_app(office))
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with AsyncClient(transport=transport, base_url="http://sla", headers=headers) as c:
            yield Desk(c, store.pool, clock, executor)
    await store.close()


def _heard(fact: Fact) -> Job:
    heard = Recorded(
        uuid7(), fact.wire_type, "staff", 1, "g1", "/steward/intake", TEN, TEN, TEN, fact
    )
    cause = Cause(heard.id, "sla", known_at=TEN)
    return Job(cause, lambda: subscribers.on_intake(heard), heard=heard)


@rule("RM-4.10.1")
async def test_whoever_asks_for_more_time_or_decides_on_it_is_registered_staff(desk: Desk) -> None:
    unknown = await desk.post(CLOCK, ASKED | {"asked_by": "nobody"})
    assert (unknown.status_code, "“nobody”" in unknown.json()["detail"]) == (404, True)
    asked = await desk.post(CLOCK, ASKED)  # nobody's request stands in the way
    assert asked.status_code == 201, asked.text
    extension = f"/v1/extensions/{asked.json()['extension_id']}"
    nobody = {"person_id": "nobody", "role": "general_manager"}
    for verdict in ("approve", "refuse"):
        assert (await desk.post(f"{extension}/{verdict}", nobody)).status_code == 404
    [listed] = await desk.get("/v1/extensions")
    assert listed["status"] == "asked"


@rule("RM-4.10.1")
async def test_staff_of_another_group_are_refused_as_unknown_ones_are(desk: Desk) -> None:
    await desk.hear(
        ProjectRegistered(project_id="p1", group_id="g1", name="P", zone="Asia/Shanghai"),
        StaffRegistered(person_id="x9", group_id="g2"),
        RoleAssigned(project_id="p1", role=Role.GENERAL_MANAGER, person_id="x9"),
    )
    extension = f"/v1/extensions/{(await desk.post(CLOCK, ASKED)).json()['extension_id']}"
    decision = {"person_id": "x9", "role": "general_manager"}
    for refused in (
        await desk.post(CLOCK, ASKED | {"asked_by": "x9"}),
        await desk.post(f"{extension}/approve", decision),
        await desk.post(f"{extension}/refuse", decision),
    ):
        assert (refused.status_code, refused.json()["detail"]) == (
            404,
            "There is no member of staff “x9” of the project's group.",
        )
    # Of whom no group was heard, as before an upgrade, is taken for the project's.
    await desk.pool.execute("UPDATE staff SET group_id = ''")
    assert (await desk.post(f"{extension}/approve", decision)).status_code == 200


@rule("RM-4.10.1")
async def test_more_time_is_asked_for_decided_on_and_listed(desk: Desk) -> None:
    asked = await desk.post(CLOCK, ASKED)
    assert asked.status_code == 201, asked.text
    extension = f"/v1/extensions/{asked.json()['extension_id']}"
    [listed] = await desk.get("/v1/extensions?status=asked&project_id=p1")
    assert (listed["id"], listed["asked_by"]) == (asked.json()["extension_id"], "s1")
    low = await desk.post(f"{extension}/approve", {"person_id": "m2", "role": "cs_supervisor"})
    assert (low.status_code, low.json()["rule"]) == (409, "RM-4.5.2c")
    own = await desk.post(f"{extension}/approve", {"person_id": "s1", "role": "centre_manager"})
    assert own.status_code == 409
    done = await desk.post(f"{extension}/approve", {"person_id": "m1", "role": "centre_manager"})
    assert done.status_code == 200, done.text
    [listed] = await desk.get("/v1/extensions?case_id=c1")
    assert (listed["status"], listed["decided_by"]) == ("approved", "m1")
    same = await desk.post(f"{extension}/approve", {"person_id": "m1", "role": "centre_manager"})
    assert same.status_code == 200
    await desk.hear(RoleAssigned(project_id="p1", role=Role.CENTRE_MANAGER, person_id="m2"))
    other = await desk.post(f"{extension}/approve", {"person_id": "m2", "role": "centre_manager"})
    assert (other.status_code, "decided on" in other.json()["detail"]) == (409, True)
    again = await desk.post(f"{extension}/refuse", {"person_id": "m1", "role": "centre_manager"})
    assert again.status_code == 409
    stored = await desk.pool.fetch("SELECT data::text AS data FROM events")
    assert not [row for row in stored if "缺配件" in row["data"]]


@rule("RM-4.10.1")
@pytest.mark.parametrize("verdict", ["approve", "refuse"])
async def test_a_claimed_role_is_not_believed(desk: Desk, verdict: str) -> None:
    extension = f"/v1/extensions/{(await desk.post(CLOCK, ASKED)).json()['extension_id']}"
    claimed = {"person_id": "m2", "role": "centre_manager"}
    refused = await desk.post(f"{extension}/{verdict}", claimed)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "“m2” does not act as service-centre manager or above at “p1”.",
    )
    await desk.hear(RoleAssigned(project_id="p2", role=Role.GENERAL_MANAGER, person_id="m2"))
    assert (await desk.post(f"{extension}/{verdict}", claimed)).status_code == 409
    [listed] = await desk.get("/v1/extensions")
    assert listed["status"] == "asked"


@rule("RM-4.10.1")
async def test_a_delegate_decides_while_the_role_is_lent_by_who_holds_it(desk: Desk) -> None:
    extension = f"/v1/extensions/{(await desk.post(CLOCK, ASKED)).json()['extension_id']}"
    lent = RoleDelegated(
        delegation_id="d1", project_id="p1", role=Role.CENTRE_MANAGER, person_id="m1",
        delegate_id="m2", since=TEN, until=TEN + timedelta(hours=1),
    )  # fmt: skip
    lost = RoleEnded(project_id="p1", role=Role.CENTRE_MANAGER, person_id="m1")
    decision = {"person_id": "m2", "role": "centre_manager"}
    await desk.hear(lent, lost)
    assert (await desk.post(f"{extension}/approve", decision)).status_code == 409
    await desk.hear(RoleAssigned(project_id="p1", role=Role.CENTRE_MANAGER, person_id="m1"))
    done = await desk.post(f"{extension}/approve", decision)
    assert done.status_code == 200, done.text


@rule("RM-4.10.1")
async def test_who_is_on_duty_decides_until_the_shift_ends(desk: Desk) -> None:
    extension = f"/v1/extensions/{(await desk.post(CLOCK, ASKED)).json()['extension_id']}"
    ends = desk.clock.instant + timedelta(minutes=1)
    shift = Shift(role=Role.GENERAL_MANAGER, person_id="m2", since=TEN, until=ends)
    await desk.hear(DutyRosterPublished(roster_id="r1", project_id="p1", shifts=(shift,)))
    decision = {"person_id": "m2", "role": "general_manager"}
    assert (await desk.post(f"{extension}/approve", decision)).status_code == 409
    longer = shift.model_copy(update={"until": ends + timedelta(hours=1)})
    await desk.hear(DutyRosterPublished(roster_id="r1", project_id="p1", shifts=(longer,)))
    done = await desk.post(f"{extension}/approve", decision)
    assert done.status_code == 200, done.text


async def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    assert (await desk.post(CLOCK.replace("c1", "c9"), ASKED)).status_code == 404
    nobody = {"person_id": "m1", "role": "centre_manager"}
    assert (await desk.post("/v1/extensions/x9/approve", nobody)).status_code == 404


async def test_what_is_late_now_and_will_be_soon_is_listed(desk: Desk) -> None:
    desk.clock.instant = TEN + timedelta(minutes=45)
    now = await desk.get("/v1/late")
    soon = await desk.get("/v1/late?hours=100&project_id=p1")
    assert [(row["target"], row["late"]) for row in now] == [("dispatched", True)]
    assert {"dispatched": True, "minor-resolve": False}.items() <= {
        row["target"]: row["late"] for row in soon
    }.items()


@rule("RM-4.10.1")
async def test_who_has_to_decide_stands_in_the_list_until_it_is_decided(desk: Desk) -> None:
    def of_request(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [(row["to"], row["status"]) for row in rows if row["because"] == "requested"]

    extension = (await desk.post(CLOCK, ASKED)).json()["extension_id"]
    assert of_request(await desk.get("/v1/escalations")) == [("centre_manager", "open")]
    decision = {"person_id": "m1", "role": "centre_manager"}
    approved = await desk.post(f"/v1/extensions/{extension}/approve", decision)
    assert approved.status_code == 200, approved.text
    assert of_request(await desk.get("/v1/escalations")) == [("centre_manager", "withdrawn")]
