"""A service request: its owner is told by SMS, by email where that fails, and the case knows."""

from datetime import UTC, datetime
from email import message_from_string
from email.message import EmailMessage
from email.policy import default
from typing import Any

from tests.support.rules import rule
from tests.support.system import System
from uuid_utils.compat import uuid7


def at_noon() -> str:
    """Name a zone in which it is about noon: owners are left in peace at night."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


@rule("RM-4.6.3")
async def test_two_households_whose_cases_were_merged_are_both_told_the_result(
    system: System,
) -> None:
    own = uuid7().hex[-8:]
    project, homes = f"both-{own}", {f"both-{own}-h1": "13900005551", f"both-{own}-h2": ""}
    await system.register(
        {"type": "group", "group_id": f"both-g-{own}", "name": "汇和物业"},
        {
            "type": "project",
            "project_id": project,
            "group_id": f"both-g-{own}",
            "name": "晚晴苑",
            "zone": at_noon(),
        },
        *({"type": "household", "household_id": home, "project_id": project} for home in homes),
        *(
            {"type": "person", "person_id": f"{home}-p", "household_id": home, "phone": phone}
            for home, phone in homes.items()
        ),
    )
    cases: list[dict[str, Any]] = []
    for home in homes:
        said: dict[str, Any] = {"project_id": project, "household_id": home, "kind": "complaint"}
        # Of the second nobody is registered with a telephone: they left one when they called.
        said |= {} if homes[home] else {"reporter": {"phone": "13900005552"}}
        cases.append(await system.accepted("intake", "/v1/cases", said))
    first, second = cases
    case_id = first["case_id"]
    into = {"into": case_id}
    await system.accepted("intake", f"/v1/cases/{second['case_id']}/merge", into)
    about = {"validity": "valid", "severity": "minor"}
    await system.accepted("intake", f"/v1/cases/{case_id}/classify", about)
    done = {"corrective": "更换灯具", "preventive": "每月巡查"}
    await system.accepted("intake", f"/v1/cases/{case_id}/handle", done)
    result = {"about": "result", "text": "楼道灯已修好"}
    await system.accepted("intake", f"/v1/cases/{case_id}/message-owner", result)

    async def told() -> bool:
        return "intake.result_told.v1" in await system.facts("intake", f"case-{case_id}")

    await system.until(told, "the result does not count as told")
    texts = {text["phone"]: text["text"] for text in await system.texts()}
    assert first["number"] in texts["13900005551"]
    assert second["number"] in texts["13900005552"]


async def requested(system: System, phone: str, email: str) -> tuple[str, str]:
    """Register an owner and take in a request of theirs; gives the case and its number."""
    own = uuid7().hex[-8:]
    group, project, home = f"told-g-{own}", f"told-{own}", f"told-{own}-h1"
    await system.register(
        {"type": "group", "group_id": group, "name": "汇和物业"},
        {
            "type": "project",
            "project_id": project,
            "group_id": group,
            "name": "早晴苑",
            "zone": at_noon(),
        },
        {"type": "household", "household_id": home, "project_id": project},
        {
            "type": "person",
            "person_id": f"{project}-p1",
            "household_id": home,
            "phone": phone,
            "email": email,
        },
    )
    said = {
        "project_id": project,
        "household_id": home,
        "kind": "service_request",
        "summary": "厨房水管漏水",
    }
    taken = await system.accepted("intake", "/v1/cases", said)
    return taken["case_id"], taken["number"]


async def outcomes(system: System, case_id: str) -> set[tuple[str, str]]:
    rows = await system.query(
        "notify",
        "SELECT channel, status FROM messages WHERE case_id = $1 AND role IS NULL",
        case_id,
    )
    return {(row["channel"], row["status"]) for row in rows}


@rule("RC-5.1..2")
async def test_the_owner_of_a_request_is_told_its_number_and_the_delivery_confirms_it(
    system: System,
) -> None:
    case_id, number = await requested(system, "13900004444", "owner-told@example.cn")

    async def confirmed() -> bool:
        return "intake.receipt_confirmed.v1" in await system.facts("intake", f"case-{case_id}")

    await system.until(confirmed, "the request was not confirmed")
    texts: list[dict[str, Any]] = await system.texts()
    [text] = [text["text"] for text in texts if text["phone"] == "13900004444"]
    assert text == (f"【管家】您好，您在早晴苑的报事“厨房水管漏水”已受理，编号{number}。")

    async def settled() -> bool:
        return await outcomes(system, case_id) == {("sms", "delivered"), ("email", "suppressed")}

    await system.until(settled, "the email was not given up")

    async def met() -> bool:
        facts = await system.facts("sla", f"clocks-{case_id}")
        return "sla.clock_met.v1" in facts

    await system.until(met, "the confirmation did not stop its clock")


async def test_an_sms_that_does_not_arrive_is_followed_by_an_email_and_confirms_nothing(
    system: System,
) -> None:
    case_id, number = await requested(system, "13900000000", "owner-mailed@example.cn")

    async def settled() -> bool:
        return await outcomes(system, case_id) == {("sms", "failed"), ("email", "sent")}

    await system.until(settled, "no email came instead")
    read: list[EmailMessage] = [message_from_string(m, policy=default) for m in system.mails()]
    [mail] = [mail for mail in read if mail["To"] == "owner-mailed@example.cn"]
    assert mail["Subject"] == f"已受理：{number}"
    assert "短信" not in mail.get_content()
    facts = await system.facts("intake", f"case-{case_id}")
    assert "intake.receipt_confirmed.v1" not in facts
