"""Requests that nobody closes: each closes on its date or stays open, through the whole real system."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.rules import rule
from tests.support.stack import database_dsn
from tests.support.system import SOURCE, System, entered

from steward_events.vocabulary import External
from steward_intake.application.desk import external_case_id
from steward_service.clocks import SteppedDriver
from steward_stack.supervisor import Stack

PROJECT = "qinghe"
TEN = datetime.fromisoformat("2026-09-28T10:00:00+08:00")
END = datetime.fromisoformat("2026-10-02T00:00:00+08:00")
"""24:00 of the third day."""
MOMENT = timedelta(milliseconds=1)
DAY = timedelta(days=1)


class Centre:
    """The service centre and the time in which it works."""

    def __init__(self, system: System, driver: SteppedDriver) -> None:
        self.system = system
        self.driver = driver
        self.cases: dict[str, str] = {}

    async def pass_to(self, at: datetime) -> None:
        await self.driver.wait_drained()
        await self.driver.step(at)
        await self.driver.wait_drained()

    async def request(self, name: str, work_category: str = "") -> None:
        """Take a request in, which is handled an hour later."""
        said = {"project_id": PROJECT, "kind": "service_request", "summary": "水管漏水"}
        taken = await self.system.accepted("intake", "/v1/cases", said)
        self.cases[name] = taken["case_id"]
        if work_category:
            await self.say(name, "classify", work_category=work_category)

    async def say(self, name: str, action: str, **body: Any) -> None:
        path = f"/v1/cases/{self.cases[name]}/{action}"
        await self.system.accepted("intake", path, body)

    async def ticket(self, name: str, what: str, at: datetime, **data: Any) -> None:
        """Let another system say it of its ticket, of that instant."""
        self.cases[name] = external_case_id(External(source=SOURCE, subject=name))
        await self.system.ticket(what, name, {"project_id": PROJECT, **data}, at=at)
        await self.driver.wait_drained()

    async def follow_up(self, name: str, **body: Any) -> None:
        owed = await self.system.get("visits", "/v1/followups", case_id=self.cases[name])
        [one] = owed["items"]
        said = {"mode": "phone", "person_id": "frontline", **body}
        await self.system.accepted("visits", f"/v1/followups/{one['followup_id']}/done", said)
        await self.driver.wait_drained()

    async def standing(self) -> dict[str, str]:
        return {
            name: (await self.system.get("intake", f"/v1/cases/{case}"))["status"]
            for name, case in self.cases.items()
        }

    async def closings(self) -> dict[str, tuple[datetime, Mapping[str, Any]]]:
        """Give when each case that was closed was, and what was said of it."""
        of_case = {case: name for name, case in self.cases.items()}
        return {
            of_case[fact.data["case_id"]]: (
                datetime.fromisoformat(fact.headers["ce_time"]),
                {key: fact.data[key] for key in ("by", "missing", "reason")},
            )
            for fact in await self.system.published("intake")
            if fact.type == "intake.case_closed.v1"
        }


@pytest.fixture
async def centre(stepped_services: Stack) -> AsyncIterator[Centre]:
    dsn = database_dsn(stepped_services.endpoints.postgres, "steward_clock")
    driver = await SteppedDriver.connect(dsn, TEN)
    async with entered(stepped_services) as system:
        # Whoever is told can be reached: what reaches nobody is tried again for long.
        people = {"frontline": "林晓", "company_leader": "周敏"}
        await system.register(
            {"type": "group", "group_id": "he", "name": "清河物业"},
            {"type": "project", "project_id": PROJECT, "group_id": "he", "name": "清河苑"},
            *(
                {
                    "type": "staff",
                    "person_id": role,
                    "group_id": "he",
                    "name": name,
                    "phone": "13800001111",
                    "email": f"{role}@example.cn",
                }
                for role, name in people.items()
            ),
            *(
                {"type": "role", "project_id": PROJECT, "role": role, "person_id": role}
                for role in people
            ),
        )
        yield Centre(system, driver)
    await driver.close()


@rule("RC-5.4")
async def test_a_request_that_nobody_closes_is_closed_at_the_end_of_the_third_day(
    centre: Centre,
) -> None:
    asked_for = {"kind": "service_request", "summary": "水管漏水"}
    for name in ("plain", "told", "closed"):
        await centre.request(name)
    await centre.request("some-are-called", "ordinary")
    for name in ("each-is-called", "called-late", "not-content"):
        await centre.request(name, "blocked_drain")
    for name in ("told-late", "told-very-late", "closed-elsewhere"):
        await centre.ticket(name, "opened", TEN, **asked_for)
    here = [name for name in centre.cases if name not in ("told-late", "told-very-late")]
    here.remove("closed-elsewhere")

    handled_at = TEN + timedelta(hours=1)
    await centre.pass_to(handled_at)
    for name in here:
        await centre.say(name, "handle", person_id="frontline")
    await centre.say("told", "tell-result", how="phone")
    await centre.say("closed", "tell-result", how="phone")
    await centre.say("closed", "close", reason="业主确认")
    await centre.pass_to(TEN + 2 * DAY)
    await centre.ticket("told-late", "handled", handled_at)

    await centre.pass_to(END - timedelta(minutes=1))
    standing = await centre.standing()
    assert standing.pop("closed") == "closed"
    assert standing.pop("told") == "told"
    open_elsewhere = {standing.pop(name) for name in ("told-very-late", "closed-elsewhere")}
    assert open_elsewhere == {"open"}
    assert set(standing.values()) == {"handled"}

    await centre.pass_to(END + MOMENT)
    by_date = {"by": "steward", "missing": ["owner_confirmed"], "reason": "by_date"}
    confirmed = {**by_date, "missing": []}
    on_the_date = {
        "closed": (handled_at, {"by": "steward", "missing": [], "reason": "业主确认"}),
        "plain": (END, by_date),
        "told": (END, confirmed),
        "some-are-called": (END, by_date),
        "told-late": (END, by_date),
    }
    assert await centre.closings() == on_the_date

    # A day later it is said what happened on the first; then the owners are called.
    late = END + timedelta(hours=12)
    await centre.pass_to(late)
    await centre.ticket("told-very-late", "handled", handled_at)
    await centre.ticket("closed-elsewhere", "closed", TEN + timedelta(hours=2))
    await centre.follow_up("called-late", satisfied=True)
    await centre.follow_up("not-content", satisfied=False)
    await centre.pass_to(late + 4 * DAY)
    from_elsewhere = {"by": "external", "missing": ["owner_confirmed"], "reason": ""}
    assert await centre.closings() == {
        **on_the_date,
        "called-late": (late, confirmed),
        "told-very-late": (END + 2 * DAY, by_date),
        "closed-elsewhere": (TEN + timedelta(hours=2), from_elsewhere),
    }
    standing = await centre.standing()
    assert (standing["each-is-called"], standing["not-content"]) == ("handled", "open")
    # Nobody is told of it: the pack tells owners of other things.
    said = [fact.data for fact in await centre.system.published("notify")]
    assert not any(one.get("template") == "case_closed" for one in said)
