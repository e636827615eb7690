"""What is kept is found again: cases by words and by what is known, and a household's whole story."""

from datetime import timedelta
from typing import Any

from tests.integration.intake.conftest import NOON, Caller, Office
from tests.integration.intake.test_daily_life import do, shown, staffed
from tests.integration.intake.test_erasure import erased, index
from tests.integration.intake.test_http import received
from tests.integration.intake.test_incidents import opened
from tests.support.rules import rule
from uuid_utils.compat import uuid7

from steward_events.fact import Fact
from steward_events.notify import MessageDelivered, MessageRequested
from steward_events.recorded import Recorded
from steward_events.sla import ClockBreached
from steward_events.visits import FollowupDone, FollowupDue, VisitDone
from steward_events.vocabulary import Mode
from steward_eventstore.execute import Cause, Job
from steward_intake.api import subscribers

LATER = NOON + timedelta(hours=1)
WITHDRAWN: dict[str, Any] = {
    "how": "phone",
    "asked_by": "王芳",
    "person_id": "a",
    "confirmed_by": "s1",
}
HEARS = {
    "visits": subscribers.on_visits,
    "sla": subscribers.on_sla,
    "notify": subscribers.on_notify,
}


async def found(caller: Caller, **asked: Any) -> list[str]:
    """Give the cases that a search finds, each once."""
    if "q" in asked:
        asked["project_id"] = "lakeside"
    answer = await caller.get("search", **asked)
    assert answer.status_code == 200, answer.text
    cases = [item["case"]["case_id"] for item in answer.json()["items"] if "case" in item]
    return list(dict.fromkeys(cases))


async def hear(office: Office, stream: str, version: int, fact: Fact) -> None:
    """Hear a fact of another service, as the listener does."""
    owner = fact.wire_name.partition(".")[0]
    heard = Recorded(
        uuid7(), fact.wire_type, stream, version, "lakeside", f"/steward/{owner}",
        LATER, LATER, LATER, fact,
    )  # fmt: skip
    job = Job(Cause(heard.id, "intake"), lambda: HEARS[owner](heard), heard=heard)
    await office.executor.execute(job)


def breached(case_id: str) -> ClockBreached:
    return ClockBreached(
        case_id=case_id,
        project_id="lakeside",
        clock="minor-resolve#1",
        target="minor-resolve",
        rule=("RM-4.5.2c", "RM-4.10.1"),
        due_at=NOON,
        breached_at=NOON,
        number=1,
    )


def followup(case_id: str) -> dict[str, Any]:
    return {
        "followup_id": f"{case_id}-1",
        "case_id": case_id,
        "project_id": "lakeside",
        "rule": ("RM-4.6.4a",),
        "mode": Mode.PHONE,
    }


@rule("RC-7")
async def test_cases_are_found_by_what_is_known_of_them_whether_open_or_ended(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    early = (NOON - timedelta(days=3)).isoformat()
    leak = await received(caller, received_by="a", occurred_at=early)
    request = await received(caller, kind="service_request", topic="门禁", household_id=None)
    gone = await received(caller)
    elsewhere = await received(caller, project_id="hillside", household_id="h2")
    office.clock.instant = LATER
    await do(caller, gone, "withdraw", **WITHDRAWN)
    everything = [leak, request, elsewhere, gone]
    assert await found(caller) == everything
    assert await found(caller, project_id="lakeside") == [leak, request, gone]
    assert await found(caller, household_id="h1") == [leak, gone]
    assert await found(caller, topic="门禁") == [request]
    assert await found(caller, owner_id="a") == [leak]
    assert await found(caller, kind="service_request") == [request]
    assert await found(caller, status="withdrawn") == [gone]
    day = NOON - timedelta(days=1)
    assert await found(caller, to=day.isoformat()) == [leak]
    assert await found(caller, **{"from": day.isoformat()}) == [request, elsewhere, gone]
    pages: list[list[str]] = []
    since = ""
    while not pages or pages[-1]:
        answer = (await caller.get("search", limit=3, since=since)).json()
        pages.append([item["id"] for item in answer["items"]])
        since = answer["next"]
    assert pages == [everything[:3], everything[3:], []]
    [item] = (await caller.get("search", status="withdrawn")).json()["items"]
    assert (item["kind"], item["field"]) == ("case", None)
    assert item["case"] | {"concerns": []} == await shown(caller, gone)


@rule("RC-7")
async def test_cases_are_found_by_a_rule_that_was_at_work_in_them(
    registered: Caller, office: Office
) -> None:
    late, harmed, followed_up = [await received(registered) for _ in range(3)]
    await hear(office, f"clocks-{late}", 1, breached(late))
    await do(registered, harmed, "report-harm", what="积水")
    due = FollowupDue(**followup(followed_up), by=LATER)
    await hear(office, f"followups-{followed_up}", 1, due)
    assert await found(registered, rule="RM-4.10.1") == [late]
    assert await found(registered, rule="RM-4.9") == [harmed]
    assert await found(registered, rule="RM-4.6.4a") == [followed_up]
    assert await found(registered, rule="FU-4.2.1") == []
    answer = await registered.get("search", rule="RM-99")
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no rule “RM-99”.")


@rule("RC-7")
async def test_words_and_what_is_known_narrow_each_other(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    ended, going_on, other = [await received(caller) for _ in range(3)]
    await do(caller, other, "correct", summary="电梯异响")
    await do(caller, ended, "withdraw", **WITHDRAWN)
    nobodys = await received(caller, household_id=None, topic="")
    await index(office)
    assert set(await found(caller, q="天花板")) == {ended, going_on, other, nobodys}
    assert set(await found(caller, q="天花板", status="open")) == {going_on, other, nobodys}
    assert await found(caller, q="天花板", status="withdrawn") == [ended]
    assert await found(caller, q="异响", household_id="h1") == [other]
    assert await found(caller, q="异响", topic="门禁") == []
    # A number is found as it is written, and so is a topic.
    number = (await shown(caller, going_on))["number"]
    assert await found(caller, q=number) == [going_on]
    assert set(await found(caller, q="漏水", household_id="h1")) == {ended, going_on, other}
    answer = await caller.get("search", q="天花板")
    assert "project_id" in answer.json()["detail"]
    # What somebody's key sealed is found no longer once the key is gone; the rest still is.
    await erased(caller, "household-h1")
    assert await found(caller, q="天花板") == [nobodys]
    assert await found(caller, q=number) == [going_on]
    await index(office)
    assert await found(caller, q="异响") == []


@rule("RC-7")
async def test_who_may_not_search_texts_finds_only_by_what_they_may_read(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered)
    await index(office)
    _, key = await office.authenticator.make_key("reader", ["reader"], ["lakeside"])
    await received(registered, project_id="hillside", household_id="h2")
    registered.http.headers["Authorization"] = f"Bearer {key}"
    number = (await shown(registered, case_id))["number"]
    assert await found(registered, q="天花板") == []
    assert await found(registered, q="漏水") == await found(registered, q=number) == [case_id]
    assert await found(registered) == [case_id]
    answer = await registered.get("search", q="漏水", project_id="hillside")
    assert answer.status_code == 403


@rule("RC-7")
async def test_an_incident_is_found_by_its_title_and_its_cause(registered: Caller) -> None:
    incident = await opened(registered, title="七栋停电", cause="Transformer burnt out")
    await opened(registered, title="电梯停运")
    for words, field in (("停电", "title"), ("transformer", "cause")):
        answer = await registered.get("search", q=words, project_id="lakeside")
        [item] = answer.json()["items"]
        assert item == {"kind": "incident", "id": incident, "field": field}
    narrowed = await registered.get("search", q="停电", project_id="lakeside", status="open")
    assert narrowed.json()["items"] == []


@rule("RC-7")
async def test_a_households_story_has_what_the_others_have_told_until_it_is_erased(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered)
    remark = await office.sealer.seal("household-h1", "remark", "很满意")
    due = FollowupDue(**followup(case_id), by=LATER, household_id="h1")
    await hear(office, f"followups-{case_id}", 1, due)
    await hear(office, f"followups-{case_id}", 2, FollowupDone(**followup(case_id), remark=remark))
    visit = VisitDone(
        visit_id="v1",
        project_id="lakeside",
        household_id="h1",
        person_id="m1",
        month="2026-09",
        visited_at=NOON,
        mode=Mode.ON_SITE,
        feedback=remark,
    )
    await hear(office, "visits-lakeside", 1, visit)
    told = {"message_id": f"owner.{case_id}.1.sms", "channel": "sms"}
    summary = {"summary": remark}
    request = MessageRequested(
        **told, project_id="lakeside", template="case_received", case_id=case_id, sealed=summary
    )
    await hear(office, f"owner-{case_id}", 2, request)
    await hear(office, f"owner-{case_id}", 5, MessageDelivered(**told))
    known_now = MessageDelivered(**told, again=True)
    await hear(office, f"owner-{case_id}", 6, known_now)
    # Of what staff are told a household's story says nothing.
    to_staff = MessageRequested(
        message_id="m1", channel="sms", project_id="lakeside", template="escalation",
        case_id=case_id,
    )  # fmt: skip
    await hear(office, "message-m1", 1, to_staff)
    elsewhere = visit.model_copy(update={"visit_id": "v2", "household_id": "h2"})
    await hear(office, "visits-hillside", 1, elsewhere)

    async def story() -> dict[str, dict[str, Any]]:
        items = (await registered.get("households/h1/timeline")).json()["items"]
        return {item["type"].rpartition(".v")[0]: item for item in items}

    seen = await story()
    assert next(iter(seen)) == "intake.case_received"
    assert set(seen) == {
        "intake.case_received",
        "intake.followup_noted",
        "visits.followup_due",
        "visits.followup_done",
        "visits.visit_done",
        "notify.message_requested",
        "notify.message_delivered",
    }
    assert {seen[name]["case_id"] for name in seen} == {case_id, None}
    assert seen["visits.visit_done"]["case_id"] is None
    assert not seen["notify.message_delivered"]["data"]["again"]
    assert "RM-4.6.4a" in seen["visits.followup_due"]["rules"]
    assert seen["notify.message_requested"]["data"]["sealed"] == {"summary": {"sealed": True}}
    assert remark.box not in str(seen)
    await erased(registered, "household-h1")
    seen = await story()
    for name, field in (("followup_done", "remark"), ("visit_done", "feedback")):
        assert seen[f"visits.{name}"]["data"][field] == {"erased": True}
    assert seen["notify.message_requested"]["data"]["sealed"] == {"summary": {"erased": True}}


async def test_a_story_with_what_the_others_told_is_read_page_by_page(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered)
    for version in (1, 2, 3):
        due = FollowupDue(**followup(case_id), by=LATER, round=version)
        await hear(office, f"followups-{case_id}", version, due)
    told: list[str] = []
    since = None
    while True:
        asked: dict[str, Any] = {"limit": 3} | ({"since": since} if since else {})
        page = (await registered.get("households/h1/timeline", **asked)).json()
        told += [f"{item['type']} {item['version']}" for item in page["items"]]
        since = page["next"]
        if not page["more"]:
            break
    assert told == ["intake.case_received.v1 1"] + [
        f"visits.followup_due.v1 {version}" for version in (1, 2, 3)
    ]
