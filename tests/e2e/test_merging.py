"""Two cases become one, from HTTP over Kafka to the clocks and the text, on the system clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.rules import rule
from tests.support.system import System
from tests.support.waiting import until
from uuid_utils.compat import uuid7

NAME = f"merging-{uuid7()}"
MANAGER = f"{NAME}-manager"
PHONE = f"139{uuid7().int % 10**8:08}"


async def test_a_merged_case_goes_on_in_the_other_from_the_earliest_reception(
    system: System,
) -> None:
    await system.register(
        {"type": "group", "group_id": NAME, "name": "汇和物业"},
        {"type": "project", "project_id": NAME, "group_id": NAME, "name": "翠湖苑"},
        {"type": "household", "household_id": f"{NAME}-h", "project_id": NAME},
        {"type": "staff", "person_id": MANAGER, "group_id": NAME, "name": "陈经理", "phone": PHONE},
        {"type": "role", "project_id": NAME, "role": "centre_manager", "person_id": MANAGER},
    )
    early = datetime.now(UTC) - timedelta(minutes=70)

    async def received(severity: str, **said: Any) -> str:
        body = {"project_id": NAME, "kind": "complaint", "channel": "phone", "summary": "电梯停运"}
        case: str = (await system.accepted("intake", "/v1/cases", {**body, **said}))["case_id"]
        about = {"validity": "valid", "severity": severity}
        await system.accepted("intake", f"/v1/cases/{case}/classify", about)
        return case

    # Received seventy minutes ago and important: the manager should have had it within the hour.
    first = await received("important", occurred_at=early.isoformat())
    second = await received("minor")
    told = "SELECT count(*) FROM messages WHERE case_id = $1 AND status = 'delivered'"

    async def told_of_the_first() -> bool:
        return await system.count("notify", told, first) > 0

    await until(told_of_the_first, "the manager is not told that the first case is late")
    await system.accepted("intake", f"/v1/cases/{first}/merge", {"into": second})

    async def clocks(case: str) -> dict[str, dict[str, Any]]:
        rows = (await system.get("sla", "/v1/clocks", case_id=case))["items"]
        return {row["target"]: row for row in rows}

    async def taken_over() -> bool:
        return (await clocks(second)).get("important-to-manager", {}).get("breached_at") is not None

    await until(taken_over, "the second case does not count from the reception of the first")
    theirs = await clocks(second)
    for target in ("important-to-manager", "important-resolve", "month-resolve"):
        assert datetime.fromisoformat(theirs[target]["started_at"]) == early, target
    assert theirs["minor-resolve"]["state"] == "cancelled"
    ended = await clocks(first)
    assert ended["important-to-manager"]["breached_at"] is not None
    assert {row["state"] for row in ended.values()} <= {"cancelled", "met"}
    pointing = "SELECT count(*) FROM events WHERE stream_id = $1 AND data ->> 'into' = $2"
    pointing += " AND type = 'sla.clock_cancelled.v1'"
    assert await system.count("sla", pointing, f"clocks-{first}", second)

    asked = "SELECT count(*) FROM messages WHERE case_id = $1 AND template = 'merged'"

    async def told_where() -> bool:
        return await system.count("notify", asked, first) > 0  # in the morning, if it is night

    await until(told_where, "the manager is not told where the first case goes on")


@rule("RM-4.5.2b")
async def test_nobody_is_told_to_do_what_was_done_before_the_case_was_moved_to_them(
    system: System,
) -> None:
    here, there = f"{NAME}-here", f"{NAME}-there"
    people = {project: f"{project}-manager" for project in (here, there)}
    await system.register(
        {"type": "group", "group_id": NAME, "name": "汇和物业"},
        *({"type": "project", "project_id": p, "group_id": NAME, "name": "翠湖苑"} for p in people),
        *(
            {"type": "staff", "person_id": person, "group_id": NAME, "name": "陈", "phone": PHONE}
            for person in people.values()
        ),
        *(
            {"type": "role", "project_id": p, "role": "centre_manager", "person_id": person}
            for p, person in people.items()
        ),
    )

    async def moved(*, accepted: bool) -> str:
        body = {"project_id": here, "kind": "complaint", "channel": "phone", "summary": "电梯停运"}
        case = (await system.accepted("intake", "/v1/cases", body))["case_id"]
        important = {"validity": "valid", "severity": "important"}
        await system.accepted("intake", f"/v1/cases/{case}/classify", important)
        if accepted:
            taken = {"role": "centre_manager", "person_id": people[here]}
            await system.accepted("intake", f"/v1/cases/{case}/accept", taken)
        move = {"to_project": there}
        gone: str = (await system.accepted("intake", f"/v1/cases/{case}/move", move))["case_id"]
        return gone

    done, open_ = await moved(accepted=True), await moved(accepted=False)
    told = "SELECT count(*) FROM events WHERE stream_id = $1 AND type = 'sla.escalated.v1'"
    told += " AND data ->> 'target' = 'important-to-manager'"

    async def open_is_told() -> bool:
        return await system.count("sla", told, f"clocks-{open_}") == 1

    async def done_is_known() -> bool:
        rows = (await system.get("sla", "/v1/clocks", case_id=done))["items"]
        return {"important-to-manager": "met"}.items() <= {
            r["target"]: r["state"] for r in rows
        }.items()

    await until(open_is_told, "the manager is not told of what is to be done")
    await until(done_is_known, "what was done before the move does not count")
    assert await system.count("sla", told, f"clocks-{done}") == 0
