"""What chargeable work costs is quoted and accepted before it starts, over HTTP on a real PostgreSQL."""

from typing import Any

from tests.integration.intake.conftest import Caller
from tests.integration.intake.test_daily_life import do, shown
from tests.integration.intake.test_http import received
from tests.support.rules import rule


async def told_a_solution(caller: Caller, **more: Any) -> str:
    """Take in a request whose owner knows what is going to be done, for money."""
    case_id = await received(caller, kind="service_request", household_id="h1", **more)
    await do(caller, case_id, "propose", text="更换龙头", chargeable=True)
    await do(caller, case_id, "inform", about="solution", how="phone")
    return case_id


@rule("RC-4.3")
async def test_chargeable_work_starts_when_its_last_quote_was_accepted(registered: Caller) -> None:
    case_id = await told_a_solution(registered)

    async def refused() -> str:
        answer = await do(registered, case_id, "start-work", 409)
        assert answer["rule"] == "RC-4.3"
        return str(answer["detail"])

    assert await refused() == "Before chargeable work the owner accepts its quote."
    first: dict[str, Any] = {"quote_id": "q1", "amount": 8800, "what_for": "龙头与人工"}
    await do(registered, case_id, "quote", **first)
    assert (await do(registered, case_id, "quote", **first))["facts"] == []
    other = await do(registered, case_id, "quote", 409, quote_id="q1", amount=9900)
    await do(registered, case_id, "quote", 422, amount=13800138000)  # is somebody's telephone
    assert "another amount" in other["detail"]
    await refused()
    await do(registered, case_id, "accept-quote", quote_id="q1", how="phone", said_by="王芳")
    await do(registered, case_id, "quote", quote_id="q2", amount=12000)
    await refused()  # that was another price
    late = await do(registered, case_id, "decline-quote", 409, quote_id="q1", how="phone")
    assert "given last" in late["detail"]
    await do(registered, case_id, "accept-quote", quote_id="q2", how="phone")
    case = await shown(registered, case_id)
    assert (case["quote"], case["quoted"]) == ("accepted", 12000)
    await do(registered, case_id, "start-work")
    too_late = await do(registered, case_id, "decline-quote", 409, quote_id="q2", how="phone")
    assert "has started" in too_late["detail"]


@rule("RC-4.3")
async def test_a_declined_quote_takes_its_solution_with_it(registered: Caller) -> None:
    case_id = await told_a_solution(registered)
    waiting = await told_a_solution(registered)
    for each in (case_id, waiting):
        await do(registered, each, "quote", quote_id="q1", amount=8800)
    await do(registered, case_id, "decline-quote", quote_id="q1", how="phone", reason="太贵")
    listed = (await registered.get("cases", quote="given")).json()["items"]
    assert [case["case_id"] for case in listed] == [waiting]
    # The case goes on: for money only with another solution and another quote, otherwise free.
    assert (await shown(registered, case_id))["status"] == "open"
    refused = await do(registered, case_id, "start-work", 409, chargeable=True)
    assert "a solution is proposed" in refused["detail"]
    await do(registered, case_id, "start-work")


@rule("RC-4.3")
async def test_the_quote_of_another_solution_is_no_quote_of_this_one(registered: Caller) -> None:
    case_id = await told_a_solution(registered)
    await do(registered, case_id, "quote", quote_id="q1", amount=10000)
    await do(registered, case_id, "accept-quote", quote_id="q1", how="phone")
    await do(registered, case_id, "propose", text="更换水管", chargeable=True)
    await do(registered, case_id, "inform", about="solution", how="phone")
    case = await shown(registered, case_id)
    assert (case["quote"], case["quoted"]) == (None, None)
    refused = await do(registered, case_id, "start-work", 409)
    assert refused["detail"] == "Before chargeable work the owner accepts its quote."
    # The same quote may be given and accepted for this one too.
    await do(registered, case_id, "quote", quote_id="q1", amount=10000)
    await do(registered, case_id, "accept-quote", quote_id="q1", how="phone")
    await do(registered, case_id, "start-work")
    # What is quoted before anything is proposed is for what is then proposed.
    first = await received(registered, kind="service_request", household_id="h1")
    await do(registered, first, "quote", quote_id="q1", amount=8800)
    await do(registered, first, "propose", text="更换龙头", chargeable=True)
    await do(registered, first, "accept-quote", quote_id="q1", how="phone")


@rule("RC-4.3")
async def test_work_goes_on_on_its_quote_where_a_later_one_is_declined(registered: Caller) -> None:
    case_id = await told_a_solution(registered)
    await do(registered, case_id, "quote", quote_id="q1", amount=10000)
    await do(registered, case_id, "accept-quote", quote_id="q1", how="phone")
    await do(registered, case_id, "start-work")
    await do(registered, case_id, "quote", quote_id="q2", amount=90000)
    for facts in (["intake.quote_declined.v1"], []):
        declined = await do(registered, case_id, "decline-quote", quote_id="q2", how="phone")
        assert declined["facts"] == facts
    case = await shown(registered, case_id)
    assert (case["quote"], case["quoted"]) == ("accepted", 10000)
    too_late = await do(registered, case_id, "decline-quote", 409, quote_id="q1", how="phone")
    assert "has started" in too_late["detail"]
    await do(registered, case_id, "inform", about="solution", how="phone")  # it has not fallen
    # The owner thinks again.
    await do(registered, case_id, "accept-quote", quote_id="q2", how="phone")
    case = await shown(registered, case_id)
    assert (case["quote"], case["quoted"]) == ("accepted", 90000)


@rule("RC-4.3", "RM-4.9")
async def test_harm_is_stopped_before_anybody_accepts_a_quote(registered: Caller) -> None:
    case_id = await told_a_solution(registered, harm_ongoing=True)
    await do(registered, case_id, "quote", amount=8800)
    await do(registered, case_id, "start-work")


async def test_what_is_said_about_a_quote_goes_with_the_household(registered: Caller) -> None:
    case_id = await told_a_solution(registered)
    await do(registered, case_id, "quote", quote_id="q1", amount=8800, what_for="龙头与人工")
    said: dict[str, Any] = {"quote_id": "q1", "how": "phone", "said_by": "王芳"}
    await do(registered, case_id, "decline-quote", **said, reason="太贵")

    async def told() -> list[Any]:
        facts = (await registered.get(f"cases/{case_id}/facts")).json()["facts"]
        data = [fact["data"] for fact in facts if "quote_id" in fact["data"]]
        return [each.get(name) for each in data for name in ("what_for", "said_by", "reason")]

    assert [each for each in await told() if each] == [{"sealed": True}] * 3
    gone = {"subject": "household-h1", "reason": "asked"}
    assert (await registered.post("erasures", gone)).status_code == 201
    assert [each for each in await told() if each] == [{"erased": True}] * 3


async def test_a_quote_is_some_money(registered: Caller) -> None:
    case_id = await received(registered)
    for amount in (0, -1, 88.5, "八十八"):
        await do(registered, case_id, "quote", 422, amount=amount)
