"""Policy work over HTTP on a real database: sweeps, looks beforehand, explanations, lists, appraisal."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from pydantic import SecretStr
from structlog.testing import capture_logs
from tests.support.eventstore import StillClock
from tests.support.office import Office
from tests.support.prepared import tables_of, with_keys
from tests.support.rules import rule
from tests.support.stack import FreshDatabase
from uuid_utils.compat import uuid7

from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.registry import (
    CalendarPublished,
    PolicyPublished,
    ProjectRegistered,
    RoleAssigned,
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
from steward_service.sweeps import Sweeps
from steward_sla.adapters import read_models
from steward_sla.adapters.clock_lists import PostgresLists
from steward_sla.adapters.sweeping import CALENDAR, Calendars, Sweeping, begun_by
from steward_sla.api import http, policy_work, subscribers
from steward_sla.application.ports import POLICY
from steward_sla.domain.clocks import ClocksDecider, HearCaseFact
from steward_sla.domain.reapplications import ReapplicationDecider

ADMIN_KEY = "sk_the-first-administrators-own-key"
SHANGHAI = ZoneInfo("Asia/Shanghai")
TEN = datetime(2026, 12, 29, 10, tzinfo=SHANGHAI)
DAY = timedelta(days=1)
PACK = """
pack: house
version: "{version}"
calendar: cn-office
targets:
  - id: answer
    rule: [RM-4.5.2c]
    basis: rule
    starts: case_received
    met_by: case_handled
    within: {{days: {days}, counting: working}}
    pauses_on: {{waiting_owner: {{max: {{days: 7}}}}}}
    overdue: {{approval: centre_manager}}
    escalate: [{{at: breach, to: cs_supervisor}}]
"""


def pack(version: str, days: int) -> str:
    return PACK.format(version=version, days=days)


RECORD = (
    pack("1", 5)
    + """
  - id: record
    rule: [RM-4.6.2b]
    basis: rule
    starts: case_handled
    met_by: record_submitted
    cancels_on: [case_reopened]
    within: {hours: 8, counting: elapsed}
    on_reopen: none
    escalate: [{at: breach, to: department_head}]
"""
)


MANAGES = RoleAssigned(project_id="p1", role=Role.GENERAL_MANAGER, person_id="m1")


@dataclass(slots=True)
class Desk:
    """Who asks and answers over HTTP, the sweeps, and the database behind."""

    client: AsyncClient
    store: PostgresStore
    executor: Executor
    clock: StillClock
    sweeps: Sweeps
    policies: Policies
    calendars: Calendars

    async def hear(self, fact: Fact, version: int = 1, stream: str = "registry") -> None:
        heard = Recorded(
            *(uuid7(), fact.wire_type, stream, version, "g1", "/steward/intake"),
            *(self.clock.instant, self.clock.instant, self.clock.instant, fact),
        )
        cause = Cause(heard.id, "sla", known_at=heard.known_at)
        sweeps = tuple(begun_by(heard))
        await self.executor.execute(
            Job(cause, lambda: subscribers.on_intake(heard), heard=heard, sweeps=sweeps)
        )
        await self.calendars.heard([heard])

    async def case(
        self,
        case_id: str,
        *said: tuple[str, datetime, dict[str, Any]],
        zone: str = "Asia/Shanghai",
        project: str = "p1",
        policy: str = "house@1",
    ) -> None:
        first = {"kind": "complaint", "policy": policy, "zone": zone}
        received = ("case_received", TEN, first)
        for version, (name, at, fields) in enumerate((received, *said), 1):
            await self.tell(case_id, name, version, at, project, **fields)

    async def tell(
        self,
        case_id: str,
        name: str,
        version: int,
        at: datetime,
        project: str = "p1",
        **fields: Any,
    ) -> None:
        self.clock.instant = max(self.clock.instant, at)
        command = HearCaseFact(at, case_id, project, name, version, fields)
        to = To(f"clocks-{case_id}", project, command)
        await self.executor.execute(Job(Cause(uuid7(), "test"), lambda: [to]))

    async def sweep(self) -> int:
        steps = 0
        while await self.sweeps.step():
            steps += 1
        return steps

    async def post(self, path: str, body: Mapping[str, Any]) -> Response:
        headers = {"Idempotency-Key": str(uuid7())}
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def dues(self) -> dict[str, datetime]:
        rows = (await self.get("/v1/clocks"))["items"]
        return {row["case_id"]: datetime.fromisoformat(row["due_at"]) for row in rows}


@pytest.fixture
async def desk(fresh_database: FreshDatabase) -> AsyncIterator[Desk]:
    """A house with two versions of its policy, and staff."""
    dsn = await fresh_database(tables_of("sla"))
    keys_dsn = await fresh_database(with_keys)
    store = await PostgresStore.connect(dsn)
    clock, policies, calendars = StillClock(TEN), Policies(), Calendars()
    for version, days in (("1", 5), ("2", 9)):
        policies.put(packs.load(pack(version, days)))
    executor = Executor(
        store,
        clock,
        {
            "clocks": ClocksDecider(policies.__getitem__, calendars),
            "reapplication": ReapplicationDecider(),
        },
        source="/steward/sla",
        partition_of=lambda _: 0,
        project=read_models.project,
    )
    sweeping = Sweeping(calendars, policies)
    sweeping.pool = store.pool
    sweeps = Sweeps(
        executor,
        {CALENDAR: sweeping.note_calendars, POLICY: sweeping.reapply},
        {CALENDAR: sweeping.provisional, POLICY: sweeping.concerned},
    )

    def lists() -> PostgresLists:
        return PostgresLists(store.pool)

    async with asyncpg.create_pool(keys_dsn, min_size=1, max_size=2) as pool:
        office = Office(
            "sla",
            executor,
            Authenticator(pool, SecretStr(ADMIN_KEY)),
            Sealer(pool, b"k" * 32),
            clock,
            [
                http.router(lists, policies),
                policy_work.router(lists, policies, calendars),
            ],
        )
        transport = ASGITransport(build_app(office))
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with AsyncClient(transport=transport, base_url="http://sla", headers=headers) as c:
            desk = Desk(c, store, executor, clock, sweeps, policies, calendars)
            await desk.hear(StaffRegistered(person_id="m1", group_id="g1"))
            await desk.hear(MANAGES, stream="role-m1")
            yield desk
    await store.close()


def day(day: int, month: int = 1, year: int = 2027) -> datetime:
    return datetime(year, month, day, tzinfo=SHANGHAI) + DAY


def dispatched(at: datetime, department: str) -> tuple[str, datetime, dict[str, Any]]:
    return "case_dispatched", at, {"dispatch_id": f"d-{at:%H}", "department": department}


NEW_YEAR = CalendarPublished(
    calendar="cn-office",
    version="cn-2027",
    year=2027,
    holidays=(date(2027, 1, 1), date(2027, 1, 4)),
)


async def test_a_published_year_moves_what_waits_for_it_once(desk: Desk) -> None:
    await desk.case("c1")
    await desk.case("c2", ("case_handled", TEN + timedelta(hours=1), {"round": 1}))
    desk.clock.instant = TEN + DAY
    await desk.hear(NEW_YEAR, stream="calendar-years")
    [sweep] = await desk.store.sweeps()
    assert await desk.sweep() == 2  # what it is about, and its end
    assert await desk.dues() == {"c1": day(7), "c2": day(5)}
    [first] = (await desk.get("/v1/clocks?status=running"))["items"]
    assert not first["provisional"]
    # Told again, as after a kill between two steps, it changes nothing.
    facts = len(await desk.store.facts_of("clocks-c1"))
    await desk.executor.execute(Job(Cause(uuid7(), "again"), list, sweeps=(sweep,)))
    await desk.sweep()
    assert len(await desk.store.facts_of("clocks-c1")) == facts


async def test_a_sweep_of_another_process_finds_the_year_in_the_table(desk: Desk) -> None:
    await desk.case("c1")
    await desk.hear(NEW_YEAR, stream="calendar-years")
    await desk.calendars.load(desk.store.pool)
    fresh = Calendars()
    sweeping = Sweeping(fresh, desk.policies)
    sweeping.pool = desk.store.pool
    [sweep] = await desk.store.sweeps()
    assert await sweeping.provisional(sweep, 10) == ["clocks-c1"]
    assert fresh().edition == 1


async def test_a_year_that_an_older_release_kept_and_none_can_use_stops_nothing(desk: Desk) -> None:
    await desk.case("c1")
    await desk.hear(NEW_YEAR, stream="calendar-years")
    wrong = NEW_YEAR.model_copy(update={"version": "wrong", "holidays": (date(2026, 1, 1),)})
    await desk.store.pool.execute(
        "INSERT INTO calendars SELECT 2, calendar, $1, year, $2, at FROM calendars",
        wrong.version,
        wrong.model_dump_json(),
    )
    with capture_logs() as logs:
        await desk.calendars.load(desk.store.pool)
    [told] = logs
    assert (told["log_level"], told["edition"]) == ("error", 2)
    assert "2026" not in told["reason"]
    assert desk.calendars().edition == 2  # it keeps its number
    await desk.sweep()
    assert await desk.dues() == {"c1": day(7)}


async def test_a_year_that_was_given_up_leaves_its_number_to_none(desk: Desk) -> None:
    await desk.hear(NEW_YEAR, stream="calendar-years")
    again = NEW_YEAR.model_copy(update={"version": "cn-2027-b"})
    await desk.hear(again, 3, "calendar-years")
    await desk.case("c1")  # by the third
    await desk.sweep()
    await desk.hear(NEW_YEAR.model_copy(update={"version": "cn-2027-c"}), 4, "calendar-years")
    await desk.sweep()
    assert desk.calendars().upto(3).edition == 3
    await desk.tell("c1", "case_accepted", 2, TEN + DAY)
    assert await desk.dues() == {"c1": day(7)}


async def test_what_another_process_decided_before_it_knew_the_year_is_moved_by_its_own_sweep(
    desk: Desk,
) -> None:
    published = desk.clock.instant = TEN + timedelta(hours=1)
    await desk.hear(NEW_YEAR, stream="calendar-years")
    await desk.sweep()  # passes where the other process's case will lie
    elsewhere = Calendars()
    late = Executor(
        desk.store,
        desk.clock,
        {"clocks": ClocksDecider(desk.policies.__getitem__, elsewhere)},
        source="/steward/sla",
        partition_of=lambda _: 0,
        project=read_models.project,
    )
    said = {"kind": "complaint", "policy": "house@1"}
    command = HearCaseFact(TEN, "c1", "p1", "case_received", 1, said)
    await late.execute(Job(Cause(uuid7(), "test"), lambda: [To("clocks-c1", "p1", command)]))
    assert await desk.dues() == {"c1": day(5)}
    sweeping = Sweeping(elsewhere, desk.policies)
    await sweeping.load(desk.store.pool)
    assert elsewhere().published_at(1) == published
    await sweeping.sweep_again(desk.store, "another")
    await desk.sweep()
    assert await desk.dues() == {"c1": day(7)}


async def test_a_sweep_rings_nothing_and_ends_no_history(desk: Desk) -> None:
    past = TEN - 3 * DAY
    command = HearCaseFact(
        past, "c1", "p1", "case_received", 1, {"kind": "complaint", "policy": "house@1"}, TEN + DAY
    )
    cause = Cause(uuid7(), "test", known_at=past, history=TEN + DAY)
    await desk.executor.execute(Job(cause, lambda: [To("clocks-c1", "p1", command)]))
    desk.clock.instant = day(20)
    await desk.hear(NEW_YEAR, stream="calendar-years")
    await desk.sweep()
    assert await desk.store.next_due([0]) is None
    facts = await desk.store.facts_of("clocks-c1")
    assert not [fact for fact in facts if fact.type == "sla.clock_breached.v1"]


async def test_what_was_noted_before_the_tables_fills_them_as_its_facts_would(desk: Desk) -> None:
    """The filling statements of the migrations, upon facts that were stored before them."""
    hour = timedelta(hours=1)
    owner = ("case_assigned", TEN + hour, {"person_id": "m1"})
    refused = ("dispatch_refused", TEN + 3 * hour, {"dispatch_id": "d-12"})
    await desk.case("c1", owner, dispatched(TEN + 2 * hour, "greening"), refused)
    done = ("case_handled", TEN + 4 * hour, {"round": 1})
    again = ("case_reopened", TEN + 5 * hour, {"round": 2})
    closed = ("case_closed", TEN + 6 * hour, {"round": 2})
    await desk.case("c2", dispatched(TEN + hour, "engineering"), done, again, closed)
    name, at, fields = dispatched(TEN + hour, "gate")
    moved = (name, at, {**fields, "before_move": True})
    withdrawn = ("dispatch_withdrawn", TEN + 2 * hour, {"dispatch_id": "d-11"})
    pool, versions = desk.store.pool, "steward_sla.adapters.versions"
    fillings = (
        ("cases", "0004_policy_work", 1),
        ("holdings", "0009_held_again", 2),
        ("moves", "0010_moves", 1),
    )
    for table, version, fills in fillings:
        if table == "holdings":
            await desk.case("c3", moved, withdrawn)
            out = {"to_case": "c3", "to_project": "p2"}
            await desk.case("c4", ("case_moved_out", TEN + 2 * hour, out))
        migration = import_module(f"{versions}.{version}")
        whole = f"SELECT * FROM {table} ORDER BY 1, 2"
        before = await pool.fetch(whole)
        assert before
        await pool.execute(f"DELETE FROM {table}")
        filling = [sql for sql in migration.STATEMENTS if f"INSERT INTO {table}" in sql]
        assert len(filling) == fills
        for statement in filling:
            await pool.execute(statement)
        assert await pool.fetch(whole) == before
    cancelled = "SELECT case_id, clock, cancelled_at FROM clocks ORDER BY 1, 2"
    before = await pool.fetch(cancelled)
    assert [row["case_id"] for row in before if row["cancelled_at"]] == ["c2", "c4"]
    await pool.execute("UPDATE clocks SET cancelled_at = NULL")
    [filling] = [sql for sql in migration.STATEMENTS if "UPDATE clocks" in sql]
    await pool.execute(filling)
    assert await pool.fetch(cancelled) == before


async def test_another_version_is_looked_at_then_reapplied_with_its_reason(desk: Desk) -> None:
    await desk.case("c1")
    await desk.case("c2", ("case_handled", TEN + timedelta(hours=1), {"round": 1}))
    look = await desk.post("/v1/policies/reapply", {"policy": "house@2"})
    assert look.status_code == 200, look.text
    [move] = look.json()["moves"]
    assert (move["case_id"], move["what"]) == ("c1", "moves")
    assert datetime.fromisoformat(move["new_due"]) == day(11)
    assert await desk.dues() == {"c1": day(5), "c2": day(5)}  # nothing was done
    asked = {"policy": "house@2", "dry_run": False, "asked_by": "m1", "reason": "合同已变更"}
    done = await desk.post("/v1/policies/reapply", asked)
    assert done.status_code == 202, done.text
    path = f"/v1/policies/reapplications/{done.json()['reapply_id']}"
    assert (await desk.get(path))["left"] == 1
    await desk.sweep()
    assert (await desk.get(path))["left"] == 0
    assert await desk.dues() == {"c1": day(11), "c2": day(5)}
    [row] = (await desk.get("/v1/clocks?status=running"))["items"]
    assert row["policy"] == "house@2"
    [listed] = (await desk.get("/v1/policies/reapplications"))["items"]
    assert (listed["policy"], listed["asked_by"]) == ("house@2", "m1")
    told = await desk.store.pool.fetchval("SELECT string_agg(data::text, ' ') FROM events")
    assert "合同已变更" not in told


async def test_a_text_that_nobody_published_can_be_looked_at_whatever_its_name(desk: Desk) -> None:
    await desk.case("c1")
    look = await desk.post("/v1/policies/reapply", {"text": pack("1", 20)})
    [move] = look.json()["moves"]
    assert datetime.fromisoformat(move["new_due"]) == day(26)


async def test_what_cannot_be_reapplied_is_refused_in_a_sentence(desk: Desk) -> None:
    for_real = {"policy": "house@2", "dry_run": False}
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({}, 422, "Name a published"),
        ({"policy": "house@7"}, 404, "is not known here yet"),
        (for_real, 422, "needs a published"),
        ({"policy": "house@2", "targets": ["nothing"]}, 404, "No version has a target"),
        ({"policy": "house@2", "instead_of": "house@7"}, 404, "'house@7' is not known here yet"),
        ({"policy": "house@2", "cases": ["c9"]}, 404, "case c9"),
        ({"text": "pack: ["}, 422, "not readable"),
        ({**for_real, "asked_by": "x", "reason": "r"}, 404, "no member of staff"),
    ]
    for asked, status, sentence in wrong:
        answer = await desk.post("/v1/policies/reapply", asked)
        assert (answer.status_code, sentence in answer.text) == (status, True), answer.text
    assert not await desk.store.sweeps()


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("whose", "asked", "sentence"),
    [
        ("p1", {"cases": ["c1"]}, ""),
        ("p2", {"cases": ["c1"]}, "for the project p2: nothing of p1 goes"),
        ("p2", {"projects": ["p1", "p2"]}, "for the project p2: nothing of p1 goes"),
        ("p2", {"projects": ["p2"], "cases": ["c1"]}, "for the project p2: nothing of p1 goes"),
        ("g1", {"projects": ["p1"]}, ""),
        ("g2", {"cases": ["c1"]}, "for the group g2: nothing of p1 goes"),
        ("everybody", {"projects": ["p1"]}, ""),
        ("p1", {}, "is not for everybody"),
        ("g1", {"targets": ["answer"]}, "is not for everybody"),
    ],
)
async def test_what_was_published_for_some_is_reapplied_to_theirs_alone(
    desk: Desk, whose: str, asked: dict[str, Any], sentence: str, *, dry_run: bool
) -> None:
    for project, group in (("p1", "g1"), ("p2", "g2")):
        named = {"project_id": project, "group_id": group, "name": project, "zone": "UTC"}
        await desk.hear(ProjectRegistered(**named), stream=f"project-{project}")
    await desk.case("c1")
    text = pack("2+own", 9)
    desk.policies.put(packs.load(text))
    whom = {
        "p1": {"project_id": "p1", "group_id": "g1"},
        "p2": {"project_id": "p2", "group_id": "g2"},
        "everybody": {},
    }
    published = PolicyPublished(
        pack="house",
        version="2+own",
        text=text,
        sha256="0",
        effective_from=TEN,
        **whom.get(whose, {"group_id": whose}),
    )
    await desk.hear(published, stream="policy-house")
    body = {"policy": "house@2+own", "dry_run": dry_run, "asked_by": "m1", "reason": "r"}
    answer = await desk.post("/v1/policies/reapply", {**body, **asked})
    done = 200 if dry_run else 202
    assert (answer.status_code, sentence in answer.text) == (409 if sentence else done, True)


@pytest.mark.parametrize(("zone", "decides"), [("Asia/Shanghai", True), ("Europe/Berlin", False)])
async def test_a_version_may_be_reapplied_once_its_first_day_has_begun_where_the_cases_are(
    desk: Desk, zone: str, decides: bool
) -> None:
    await desk.case("c1", zone=zone)
    desk.policies.put(packs.load(pack("3", 9) + 'effective_from: "2026-12-30"\n'))
    desk.clock.instant = datetime(2026, 12, 30, 0, 30, tzinfo=SHANGHAI)  # the 29th in UTC
    asked = {"policy": "house@3", "dry_run": False, "asked_by": "m1", "reason": "r"}
    answer = await desk.post("/v1/policies/reapply", asked)
    assert (answer.status_code, "2026-12-30" in answer.text) == (
        (202, False) if decides else (409, True)
    )


@rule("RM-4.5.2c")
async def test_a_case_is_explained_interval_by_interval(
    desk: Desk,
) -> None:
    pause = ("case_paused", TEN + DAY, {"reason": "waiting_owner", "resume_on": "2027-01-04"})
    await desk.case("c1", pause)
    await desk.hear(NEW_YEAR, stream="calendar-years")
    await desk.sweep()
    told = await desk.get("/v1/clocks/c1/explain")
    [clock] = told["clocks"]
    assert (clock["basis"], clock["calendar"]["version"]) == ("rule", "cn-2027")
    assert clock["rule"][0]["zh"]
    assert clock["rule"][0]["en"]
    whys = [part["why"] for part in clock["intervals"]]
    assert whys[:3] == ["first_day", "counts", "pause"]
    assert {"holiday", "weekend"} <= set(whys)
    assert clock["intervals"][2]["zh"] == "暂停"
    # The intervals are the whole time, without a gap.
    assert clock["intervals"][0]["from"] == clock["started_at"]
    assert clock["intervals"][-1]["to"] == clock["due"]
    ends = [part["to"] for part in clock["intervals"][:-1]]
    assert ends == [part["from"] for part in clock["intervals"][1:]]
    one = await desk.get("/v1/clocks/c1/answer%231/explain")
    assert one == clock
    assert (await desk.client.get("/v1/clocks/c9/explain")).status_code == 404


# What is late, whose doing it was, and what never changes.


async def test_what_is_late_by_role_is_listed_however_many_versions_were_published(
    desk: Desk,
) -> None:
    await desk.case("c1")
    desk.clock.instant = day(5) + timedelta(hours=1)
    rules = desk.policies["house@1"]
    for number in range(32_768 // 2 // len(rules.targets) + 1):
        desk.policies.put(replace(rules, version=f"house@other-{number}"))
    for door in ("/v1/late?role=cs_supervisor", "/v1/clocks?role=cs_supervisor"):
        [late] = (await desk.get(door))["items"]
        assert late["case_id"] == "c1"


async def test_what_is_late_is_listed_and_counted_by_project_role_person_and_department(
    desk: Desk,
) -> None:
    owner = ("case_assigned", TEN + timedelta(hours=1), {"person_id": "m1"})
    await desk.case("c1", owner, dispatched(TEN + timedelta(hours=2), "engineering"))
    await desk.case("c2")
    await desk.tell("c3", "case_received", 1, TEN + DAY, kind="complaint", policy="house@1")
    desk.clock.instant = day(5) + timedelta(hours=1)

    async def late(query: str) -> list[tuple[str, bool]]:
        items = (await desk.get(f"/v1/late?{query}"))["items"]
        return [(row["case_id"], row["late"]) for row in items]

    assert await late("") == [("c1", True), ("c2", True)]
    assert await late("hours=24") == [("c1", True), ("c2", True), ("c3", False)]
    assert await late("person_id=m1") == [("c1", True)]
    assert await late("department=engineering&project_id=p1") == [("c1", True)]
    assert await late("role=cs_supervisor") == [("c1", True), ("c2", True)]
    assert await late("role=centre_manager") == []
    page = await desk.get("/v1/late?hours=24&limit=2")
    assert page["more"]
    assert await late(f"hours=24&since={page['next']}") == [("c3", False)]

    async def counted(by: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await desk.get(f"/v1/late/counts?by={by}&hours=24"))["items"]
        return items

    assert await counted("project") == [{"project": "p1", "late": 2, "soon": 1}]
    assert await counted("role") == [{"role": "cs_supervisor", "late": 2, "soon": 1}]
    assert await counted("person") == [
        {"person": "", "late": 1, "soon": 1},
        {"person": "m1", "late": 1, "soon": 0},
    ]
    assert await counted("department") == [
        {"department": "", "late": 1, "soon": 1},
        {"department": "engineering", "late": 1, "soon": 0},
    ]
    assert [row["case_id"] for row in (await desk.get("/v1/clocks?person_id=m1"))["items"]] == [
        "c1"
    ]


@rule("RM-4.11")
async def test_outcomes_and_time_held_are_told_by_department_and_person(desk: Desk) -> None:
    hour = timedelta(hours=1)
    refused = ("dispatch_refused", TEN + 3 * hour, {"dispatch_id": "d-12"})
    done = ("case_handled", TEN + 6 * hour, {"round": 1})
    owner = ("case_assigned", TEN + hour, {"person_id": "m1"})
    first = dispatched(TEN + 2 * hour, "greening")
    await desk.case("c1", owner, first, refused, dispatched(TEN + 4 * hour, "engineering"), done)
    await desk.case("c2", dispatched(TEN + hour, "engineering"))
    name, at, said = dispatched(TEN + hour, "gate")  # in the project from which it was moved
    moved = ("dispatch_withdrawn", TEN + 2 * hour, {"dispatch_id": said["dispatch_id"]})
    await desk.case("c3", (name, at, {**said, "before_move": True}), moved)
    desk.clock.instant = TEN + 11 * hour
    departments = (await desk.get("/v1/appraisal?by=department"))["items"]
    told = {(row["month"], row["department"]): row for row in departments}
    assert told["2026-12", "greening"]["held_seconds"] == 3600
    assert ("2026-12", "gate") not in told
    held = told["2026-12", "engineering"]
    assert (held["times_held"], held["held_seconds"]) == (2, 12 * 3600)
    decided = told["2027-01", "engineering"]
    assert (decided["met"], decided["running"], decided["rate"]) == (1, 1, 1.0)
    persons = (await desk.get("/v1/appraisal?by=person&month=2027-01"))["items"]
    assert {row["person"]: (row["met"], row["running"]) for row in persons} == {
        "m1": (1, 0),
        "": (0, 2),
    }


@rule("RM-4.11")
async def test_the_time_held_counts_in_the_month_in_which_it_began_where_the_case_is(
    desk: Desk,
) -> None:
    new_year, minute = day(31, 12, 2026), timedelta(minutes=1)
    for case_id, zone in (
        ("c1", "Asia/Shanghai"),
        ("c2", "America/New_York"),
        ("c3", "Asia/Tokyo"),
    ):
        given = dispatched(new_year - minute, f"before-{case_id}")
        taken = dispatched(new_year, f"after-{case_id}")
        await desk.case(case_id, given, taken, zone=zone)
    # By a newer list of zones than the database has, and by an older one than we have.
    await desk.store.pool.execute("UPDATE cases SET zone = 'Asia/Lost' WHERE case_id = 'c3'")
    items = (await desk.get("/v1/appraisal?by=department"))["items"]
    held = {row["department"]: row["month"] for row in items if row["times_held"]}
    assert held == {
        "before-c1": "2026-12",
        "after-c1": "2027-01",
        "before-c2": "2026-12",
        "after-c2": "2026-12",
        "before-c3": "2026-12",
        "after-c3": "2027-01",
    }
    items = (await desk.get("/v1/appraisal?by=department&month=2027-01"))["items"]
    held_then = {row["department"] for row in items if row["times_held"]}
    assert held_then == {"after-c1", "after-c3"}


MOVED = """
pack: moved
version: "1"
calendar: cn-office
targets:
""" + "".join(
    f"""
  - id: {name}
    rule: [RM-3.2]
    basis: rule
    starts: case_received
    met_by: {name}_done
    cancels_on: [{name}_spared]
    within: {{hours: {hours}, counting: elapsed}}
"""
    for name, hours in (("triage", 4), ("record", 4), ("plan", 1), ("answer", 48))
)


@rule("RM-3.2", "RM-4.11")
async def test_what_ended_before_a_case_was_moved_counts_where_it_came_about(desk: Desk) -> None:
    hour = timedelta(hours=1)
    desk.policies.put(packs.load(MOVED))
    owner = ("case_assigned", TEN, {"person_id": "m1"})
    done: list[tuple[str, datetime, dict[str, Any]]]
    done = [("triage_done", TEN + hour, {}), ("record_spared", TEN + hour, {})]
    move = TEN + 3 * hour
    moved = ("case_moved_out", move, {"to_project": "p2", "to_case": "c2"})
    there = {"project": "p2", "policy": "moved@1"}
    await desk.case("c1", owner, *done, moved, policy="moved@1")
    desk.clock.instant = move
    await desk.case("c2", *done, ("case_assigned", move, {"person_id": "m2"}), **there)

    async def counted(project: str) -> dict[str, dict[str, int]]:
        items = (await desk.get(f"/v1/compliance?project_id={project}"))["items"]
        return {row["target"]: _counts(row) for row in items}

    async def appraised(project: str) -> dict[str, dict[str, int]]:
        items = (await desk.get(f"/v1/appraisal?by=person&project_id={project}"))["items"]
        return {row["person"]: _counts(row) for row in items}

    here = {
        "answer": {"cancelled": 1},
        "plan": {"breached": 1},
        "record": {"cancelled": 1},
        "triage": {"met": 1},
    }
    assert await counted("p1") == here
    assert await counted("p2") == {"answer": {"running": 1}}
    assert "m1" in await appraised("p1")
    assert await appraised("p2") == {"m2": {"running": 1}}
    late = (await desk.get("/v1/late?project_id=p2"))["items"]
    assert [row["target"] for row in late] == ["plan"]  # it is still to be done
    await desk.tell("c2", "answer_done", 9, move, project="p2")  # at the very instant of the move
    assert await counted("p2") == {"answer": {"met": 1}}
    assert await counted("p1") == here


def _counts(row: dict[str, Any]) -> dict[str, int]:
    words = ("met", "approved", "breached", "excused", "running", "cancelled")
    return {word: row[word] for word in words if row[word]}


@rule("RM-4.11")
async def test_who_had_a_case_answers_for_what_is_owed_once_it_is_handled_or_reopened(
    desk: Desk,
) -> None:
    hour = timedelta(hours=1)
    desk.policies.put(packs.load(RECORD))
    owner = ("case_assigned", TEN, {"person_id": "m1"})
    given = dispatched(TEN, "engineering")
    done = ("case_handled", TEN + 2 * hour, {"round": 1})
    closed = ("case_closed", TEN + 4 * hour, {"round": 1})
    again = ("case_reopened", TEN + 5 * hour, {"round": 2})
    refused = ("case_refused", TEN + hour, {"by": "steward"})
    await desk.case("c1", owner, given, done)
    await desk.case("c2", owner, given, done, closed, again, dispatched(TEN + 6 * hour, "greening"))
    await desk.case(
        "c3", owner, given, done, ("case_assigned", TEN + 3 * hour, {"person_id": "m2"})
    )
    await desk.case("c4", owner, given, refused)
    await desk.case("c5", owner, given, refused, again)
    for case_id in ("c1", "c2", "c3", "c5"):  # its alarms ring before it is heard
        await desk.tell(case_id, "case_chased", 9, day(20))

    async def appraised(by: str, month: str, *names: str) -> dict[str, tuple[int, ...]]:
        items = (await desk.get(f"/v1/appraisal?by={by}&month={month}"))["items"]
        return {row[by]: tuple(row[name] for name in names) for row in items}

    # No record was handed in: of c2 none was owed any more once it had ended.
    records = ("breached", "cancelled", "times_held", "held_seconds")
    now = int((day(20) - TEN).total_seconds())
    assert await appraised("person", "2026-12", *records) == {
        "m1": (1, 1, 7, 2 * now - 2 * 3600),  # 8 h until handled or refused, and twice since 5 h
        "m2": (1, 0, 0, 0),
    }
    assert await appraised("department", "2026-12", *records) == {
        "engineering": (2, 0, 7, now + 4 * 3600),
        "greening": (0, 1, 1, now - 6 * 3600),
    }
    answers = ("met", "breached", "cancelled")
    assert await appraised("person", "2027-01", *answers) == {"m1": (3, 2, 1), "": (0, 0, 1)}
    assert await appraised("department", "2027-01", *answers) == {
        "engineering": (3, 1, 1),
        "greening": (0, 1, 0),
        "": (0, 0, 1),
    }


async def test_what_one_message_told_of_an_incident_is_taken_over_by_one_answer(desk: Desk) -> None:
    joined = ("case_joined_incident", TEN, {"incident_id": "i1"})
    for case_id in ("c1", "c2"):
        await desk.case(case_id, joined)
    await desk.case("c3")
    await desk.case("c4", joined, ("case_left_incident", TEN, {"incident_id": "i1"}))
    for case_id in ("c1", "c2", "c3", "c4"):  # its alarms ring before it is heard
        await desk.tell(case_id, "case_chased", 9, day(5) + timedelta(hours=9))
    path, asked = "/v1/escalations/acknowledge", {"person_id": "m1", "incident": "i1"}
    for wrong in ({"person_id": "x"}, {"incident": "i2"}, {"to": "general_manager"}):
        assert (await desk.post(path, {**asked, **wrong})).status_code == 404
    unknown = await desk.post(path, {**asked, "person_id": "x"})
    assert unknown.json()["detail"] == "There is no member of staff “x” of the project's group."
    await desk.hear(StaffRegistered(person_id="m2", group_id="g1"), stream="staff-m2")
    assert (await desk.post(path, {**asked, "person_id": "m2"})).status_code == 404
    headers = {"Idempotency-Key": str(uuid7())}
    done = await desk.client.post(path, json=asked, headers=headers)
    assert (done.status_code, done.json()) == (200, {"acknowledged": 2, "left": 0})
    again = await desk.client.post(path, json=asked, headers=headers)
    assert again.json() == done.json()
    rows = (await desk.get("/v1/escalations?limit=100"))["items"]
    status = {row["case_id"]: (row["status"], row["person_id"]) for row in rows}
    taken = ("acknowledged", "m1")
    assert status == {"c1": taken, "c2": taken, "c3": ("open", None), "c4": ("open", None)}


async def test_staff_of_another_group_take_nothing_over_and_reapply_nothing(desk: Desk) -> None:
    at_home = ProjectRegistered(project_id="p1", group_id="g1", name="p1", zone="UTC")
    await desk.hear(at_home, stream="project-p1")
    await desk.hear(StaffRegistered(person_id="x9", group_id="g2"), stream="staff-x9")
    await desk.hear(MANAGES.model_copy(update={"person_id": "x9"}), stream="role-x9")
    await desk.case("c1", ("case_joined_incident", TEN, {"incident_id": "i1"}))
    await desk.tell("c1", "case_chased", 9, day(5) + timedelta(hours=9))
    [told, *_] = (await desk.get("/v1/escalations"))["items"]
    take = f"/v1/escalations/{told['escalation_id']}/acknowledge"
    again = {"policy": "house@2", "dry_run": False, "reason": "r", "projects": ["p1"]}
    for path, body, whose in (
        (take, {"person_id": "x9"}, "project's"),
        ("/v1/escalations/acknowledge", {"person_id": "x9", "incident": "i1"}, "project's"),
        ("/v1/policies/reapply", {**again, "asked_by": "x9"}, "projects'"),
    ):
        refused = await desk.post(path, body)
        assert (refused.status_code, refused.json()["detail"]) == (
            404,
            f"There is no member of staff “x9” of the {whose} group.",
        )


async def test_who_takes_over_one_escalation_has_all_that_were_told_of_the_breach(
    desk: Desk,
) -> None:
    await desk.case("c1")
    await desk.tell("c1", "case_chased", 9, day(5) + 2 * DAY)  # its alarms ring before it is heard
    await desk.hear(StaffRegistered(person_id="m2", group_id="g1"), stream="staff-m2")
    path = "/v1/escalations?status={}"
    first, *others = (await desk.get(path.format("open")))["items"]
    assert len(others) > 1
    answered = f"/v1/escalations/{first['escalation_id']}/acknowledge"
    assert (await desk.post(answered, {"person_id": "m2"})).status_code == 409
    await desk.hear(MANAGES.model_copy(update={"person_id": "m2"}), stream="role-m2")
    for told in (first, others[0]):
        take = f"/v1/escalations/{told['escalation_id']}/acknowledge"
        taken = await desk.post(take, {"person_id": "m1"})
        assert taken.status_code == 200, taken.text
        assert taken.json() == {"escalation_id": told["escalation_id"], "person_id": "m1"}
        refused = await desk.post(take, {"person_id": "m2"})
        assert (refused.status_code, refused.json()["detail"]) == (
            409,
            "This was acknowledged already: “m1” has taken it over.",
        )
    assert not (await desk.get(path.format("open")))["items"]
    rows = (await desk.get(path.format("acknowledged")))["items"]
    assert [row["person_id"] for row in rows] == ["m1"] * len(rows)
    facts = [fact.type for fact in await desk.store.facts_of("clocks-c1")]
    assert facts.count("sla.escalation_acknowledged.v1") == len(rows)


async def test_compliance_of_a_month_stays_when_another_version_is_reapplied(desk: Desk) -> None:
    await desk.case("c1", ("case_handled", TEN + timedelta(hours=1), {"round": 1}))
    await desk.case("c2", ("case_withdrawn", TEN + timedelta(hours=1), {}))
    await desk.case("c3")
    desk.clock.instant = day(6)
    await desk.tell("c3", "case_chased", 2, day(6))  # its alarms ring before it is heard
    before = (await desk.get("/v1/compliance?month=2027-01"))["items"]
    [line] = before
    assert (line["met"], line["breached"], line["cancelled"], line["running"]) == (1, 1, 1, 0)
    asked = {"policy": "house@2", "dry_run": False, "asked_by": "m1", "reason": "r"}
    assert (await desk.post("/v1/policies/reapply", asked)).status_code == 202
    await desk.sweep()
    assert (await desk.get("/v1/compliance?month=2027-01"))["items"] == before
