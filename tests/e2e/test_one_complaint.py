"""One complaint, from the counter to the SMS and the follow-up, through the whole real system.

On the stepped clock, so that an hour passes in a moment and every instant is exact.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from email import message_from_string
from email.policy import default
from typing import Any

import pytest
from tests.support.rules import rule
from tests.support.stack import database_dsn
from tests.support.system import System, entered

from steward_service.clocks import SteppedDriver
from steward_stack.supervisor import Stack

PROJECT = "cuihu"
TEN = datetime.fromisoformat("2026-09-29T10:00:00+08:00")
MOMENT = timedelta(milliseconds=1)
MANAGER = {"phone": "13800001111", "email": "manager@example.cn"}


@pytest.fixture(scope="module")
async def estate(stepped_services: Stack) -> AsyncIterator[System]:
    async with entered(stepped_services) as system:
        yield system


@pytest.fixture(scope="module")
async def driver(stepped_services: Stack) -> AsyncIterator[SteppedDriver]:
    dsn = database_dsn(stepped_services.endpoints.postgres, "steward_clock")
    clock = await SteppedDriver.connect(dsn, TEN)
    yield clock
    await clock.close()


async def pass_to(driver: SteppedDriver, at: datetime) -> None:
    """Let time pass, alarm by alarm, until nothing is left to do at that instant."""
    await driver.wait_drained()
    while driver.now() < at:
        timer = driver.next_timer()
        await driver.step(min(at, timer + MOMENT) if timer is not None else at)
        await driver.wait_drained()


async def clocks(system: System, case: str) -> dict[str, Any]:
    """Give the clocks of an important complaint by their target."""
    sql = "SELECT target, state, outcome, due_at, breached_at FROM clocks WHERE case_id = $1"
    rows = {row["target"]: dict(row) for row in await system.query("sla", sql, case)}
    return {name: row for name, row in rows.items() if name.startswith("important-")}


HANDOVER = "转呈主管经理"


async def texts_of_the_handover(system: System) -> list[dict[str, Any]]:
    """Give the texts about the hour to the manager; other clocks run beside it."""
    return [text for text in await system.texts() if HANDOVER in text["text"]]


@rule("RM-4.5.2b", "RM-4.10.2", "RM-4.6.1", "RM-4.6.3", "RM-4.6.4a")
async def test_a_complaint_that_waits_an_hour_reaches_the_manager_and_is_followed_up(
    estate: System, driver: SteppedDriver
) -> None:
    await estate.register(
        {"type": "group", "group_id": "hui", "name": "汇和物业"},
        {"type": "project", "project_id": PROJECT, "group_id": "hui", "name": "翠湖苑"},
        {"type": "household", "household_id": "7-1-302", "project_id": PROJECT},
        {"type": "staff", "person_id": "chen", "group_id": "hui", "name": "陈经理", **MANAGER},
        {"type": "role", "project_id": PROJECT, "role": "centre_manager", "person_id": "chen"},
    )
    await driver.wait_drained()

    # 10:00 the owner stands at the counter; at 10:05 it is found to be important.
    said = {
        "project_id": PROJECT,
        "household_id": "7-1-302",
        "kind": "complaint",
        "channel": "counter",
        "summary": "电梯困人",
    }
    taken = await estate.accepted("intake", "/v1/cases", said)
    case, path = taken["case_id"], f"/v1/cases/{taken['case_id']}"
    await pass_to(driver, TEN + timedelta(minutes=5))
    important = {"validity": "valid", "severity": "important"}
    await estate.accepted("intake", f"{path}/classify", important)
    await driver.wait_drained()
    running = await clocks(estate, case)
    assert {name: clock["due_at"] for name, clock in running.items()} == {
        "important-to-manager": TEN + timedelta(hours=1),
        "important-resolve": datetime.fromisoformat("2026-10-03T00:00:00+08:00"),
    }
    [forwarded] = await texts_of_the_handover(estate)
    assert forwarded["phone"] == MANAGER["phone"]
    assert "须于2026-09-29 11:00前完成" in forwarded["text"]

    # 11:00 nobody has taken it in hand: the manager is told again, by SMS and by email.
    await pass_to(driver, TEN + timedelta(hours=1))
    assert await texts_of_the_handover(estate) == [forwarded]  # exactly then would be in time
    await pass_to(driver, TEN + timedelta(hours=1, milliseconds=1))
    late = (await clocks(estate, case))["important-to-manager"]
    assert late["breached_at"] == TEN + timedelta(hours=1)
    [text] = [told for told in await texts_of_the_handover(estate) if told != forwarded]
    assert text["phone"] == MANAGER["phone"]
    assert text["text"].startswith(f"【管家】翠湖苑：重要投诉{taken['number']}的“转呈主管经理”应于")
    assert text["text"].endswith("升级到您（物业服务中心经理）处理。依据RM-4.5.2b。")
    mails = [message_from_string(mail, policy=default) for mail in estate.mails()]
    _, mail = [mail for mail in mails if HANDOVER in mail.get_content()]
    assert mail["To"] == MANAGER["email"]
    assert mail["Subject"] == f"【升级】{taken['number']} 翠湖苑"
    for told in (text["text"], mail.as_string()):
        assert "电梯困人" not in told

    # 11:20 the manager takes it; at 15:00 it is handled, and the owner is told.
    await pass_to(driver, TEN + timedelta(hours=1, minutes=20))
    accepted = {"role": "centre_manager", "person_id": "chen"}
    await estate.accepted("intake", f"{path}/accept", accepted)
    await pass_to(driver, TEN + timedelta(hours=5))
    measures = {"corrective": "更换门机", "preventive": "每季检查门机"}
    await estate.accepted("intake", f"{path}/handle", measures)
    await estate.accepted("intake", f"{path}/tell-result", {"how": "phone"})
    await driver.wait_drained()
    ended = await clocks(estate, case)
    assert {name: clock["outcome"] for name, clock in ended.items()} == {
        "important-to-manager": "breached",
        "important-resolve": "in_time",
    }

    # A follow-up is owed to the household by the end of the third day; until then it stays open.
    owed = await estate.get("visits", "/v1/followups", case_id=case)
    [followup] = owed["items"]
    assert followup["status"] == "owed"
    assert followup["rule"] == ["RM-4.6.4a"]
    assert followup["household_id"] == "7-1-302"
    by = datetime.fromisoformat("2026-10-03T00:00:00+08:00")
    assert datetime.fromisoformat(followup["by"]) == by
    refused = await estate.post("intake", f"{path}/close", {})
    assert (refused.status_code, refused.json()["rule"]) == (409, "RM-4.6.4a")

    # The next morning the owner is called, and is content: nothing more is owed.
    await pass_to(driver, TEN + timedelta(days=1))
    made = {"mode": "phone", "satisfied": True, "person_id": "chen"}
    await estate.accepted("visits", f"/v1/followups/{followup['followup_id']}/done", made)
    await driver.wait_drained()
    await estate.accepted("intake", f"{path}/close", {})
    await pass_to(driver, TEN + timedelta(days=10))
    assert (await estate.get("intake", path))["status"] == "closed"
    assert len(await texts_of_the_handover(estate)) == 2
    assert [fact.split(".")[1] for fact in await estate.facts("intake", f"case-{case}")] == [
        "case_received",
        "case_classified",
        "breach_noted",
        "breach_noted",
        "case_accepted",
        "case_handled",
        "result_told",
        "breach_noted",
        "followup_noted",
        "case_closed",
    ]
