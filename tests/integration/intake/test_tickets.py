"""Another system's ticket events, from Kafka's message to facts; only Kafka itself is left out."""

import json
from typing import Any

import pytest
from tests.integration.intake.conftest import Caller, Office
from tests.support.rules import rule

from steward_events.intake import CaseClassified, CaseClosed, CaseReceived, ProgressReported
from steward_events.recorded import Recorded
from steward_events.tickets import CommentedTicket
from steward_events.vocabulary import External
from steward_eventstore.execute import Applied, Outcome
from steward_eventstore.execute import Parked as ParkedOutcome
from steward_eventstore.port import Parcel
from steward_intake.api.subscribers import on_tickets
from steward_intake.application.desk import external_case_id
from steward_service.hearing import Boxes, Hearing
from steward_service.retries import Retries, discard

TOPIC = "steward.inbound.tickets"
OPENED = {
    "project_id": "lakeside",
    "household_id": "h1",
    "kind": "complaint",
    "severity": "minor",
    "validity": "valid",
    "summary": "楼道灯不亮",
    "reporter": {"name": "王芳", "phone": "13800138000"},
}
CORRECTED = {"type": "case_corrected", "household_id": "王芳"}
NAMED = {"type": "case_chased", "王芳": "1"}
STREAM = "case-" + external_case_id(External(source="urn:old", subject="T-1"))


def message(
    what: str,
    data: Any,
    id_: str,
    time: str = "2026-09-28T11:00:00+08:00",
    subject: str = "T-1",
) -> Parcel:
    headers = {
        "ce_specversion": "1.0",
        "ce_id": id_,
        "ce_type": what,
        "ce_source": "urn:old",
        "ce_subject": subject,
        "ce_time": time,
        "content-type": "application/json",
    }
    packed = tuple((name, value.encode()) for name, value in headers.items())
    return Parcel(TOPIC, b"lakeside", packed, json.dumps(data).encode())


def hearing(office: Office) -> Hearing:
    return Hearing(
        "intake",
        foreign={TOPIC: on_tickets(office.desk)},
        boxes=Boxes(office.sealer, {TOPIC}),
    )


async def hear(office: Office, *parcels: Parcel) -> list[Outcome]:
    heard = hearing(office)
    jobs = [await heard.job(parcel, f"{TOPIC}/0/{n}") for n, parcel in enumerate(parcels)]
    return await office.executor.execute_batch(jobs)


async def hear_one_by_one(office: Office, *parcels: Parcel) -> None:
    """Hear each by itself; what is due is tried again in between."""
    retries = Retries(office.executor, office.clock, hearing(office))
    for parcel in parcels:
        await hear(office, parcel)
        await retries.retry_due()


async def story(office: Office) -> list[Recorded]:
    return await office.store.facts_of(STREAM)


def names(facts: list[Recorded]) -> list[str]:
    return [fact.type.split(".")[1] for fact in facts]


PLACE = {"project_id": "lakeside"}
CLOSING = ("case_handled", "case_closed")


def test_a_blank_comment_is_none() -> None:
    assert CommentedTicket.model_validate({**PLACE, "comment": " \n"}).comment == ""


@rule("RC-5.1..2")
async def test_an_emergency_is_one_from_the_start_though_nothing_else_is_known_of_it(
    registered: Caller, office: Office
) -> None:
    trapped = {**OPENED, "kind": "service_request", "urgency": "emergency"}
    for unsaid in ("validity", "severity", "work_category"):
        trapped.pop(unsaid, None)
    await hear(office, message("ticket.opened.v1", trapped, "1"))
    _, classified = await story(office)
    assert isinstance(classified.fact, CaseClassified)
    assert classified.fact.urgency == "emergency"


@rule("RC-5.1..2", "FU-4.1.2.3d")
async def test_a_request_that_changes_is_an_emergency_or_another_kind_of_work_from_then_on(
    registered: Caller, office: Office
) -> None:
    asked = {"project_id": "lakeside", "kind": "service_request", "summary": "电梯停了"}
    await hear(
        office,
        message("ticket.opened.v1", asked, "1"),
        message("ticket.changed.v1", {**PLACE, "severity": "minor"}, "2"),  # is none of a request
        message("ticket.changed.v1", {**PLACE, "urgency": "emergency"}, "3"),
        message("ticket.changed.v1", {**PLACE, "work_category": "concealed"}, "4"),
        message("ticket.changed.v1", {**PLACE, "urgency": "ordinary"}, "5"),
    )
    found = [told.fact for told in await story(office) if isinstance(told.fact, CaseClassified)]
    assert [(fact.urgency, fact.work_category, fact.severity) for fact in found] == [
        ("emergency", None, None),
        ("emergency", "concealed", None),
        ("ordinary", "concealed", None),
    ]


async def test_a_complaint_is_not_classified_by_a_topic_alone(
    registered: Caller, office: Office
) -> None:
    opened = {name: said for name, said in OPENED.items() if name not in ("validity", "severity")}
    await hear(
        office,
        message("ticket.opened.v1", opened, "1"),
        message("ticket.changed.v1", {**PLACE, "topic": "收费"}, "2"),
    )
    assert "case_classified" not in names(await story(office))


async def test_a_ticket_becomes_a_case_and_its_closing_stands_with_what_is_missing(
    registered: Caller, office: Office
) -> None:
    await hear(
        office,
        message("ticket.opened.v1", OPENED, "1"),
        message("ticket.commented.v1", {**PLACE, "comment": "师傅已上门"}, "2"),
        message("ticket.changed.v1", {**PLACE, "severity": "important"}, "3"),
        message("ticket.closed.v1", PLACE, "4"),
    )
    facts = await story(office)
    assert names(facts) == [
        "case_received",
        "case_classified",
        "progress_reported",
        "case_classified",
        "case_handled",
        "case_closed",
    ]
    received, progress, closed = facts[0].fact, facts[2].fact, facts[5].fact
    assert isinstance(received, CaseReceived)
    assert received.number == "lakeside-2026-00001"
    assert received.external == External(source="urn:old", subject="T-1")
    assert isinstance(progress, ProgressReported)
    assert progress.text is not None
    assert await office.sealer.unseal(progress.text) == "师傅已上门"
    assert isinstance(closed, CaseClosed)
    assert closed.by == "external"
    assert closed.missing == ("measures", "result_told", "followup")


async def test_a_ticket_told_twice_changes_nothing(registered: Caller, office: Office) -> None:
    opened = message("ticket.opened.v1", OPENED, "1")
    await hear(office, opened, opened)
    await hear(office, opened, message("ticket.opened.v1", OPENED, "2"))
    assert names(await story(office)) == ["case_received", "case_classified"]


async def test_what_cannot_be_mapped_waits_sealed_with_one_clear_sentence(
    registered: Caller, office: Office
) -> None:
    wrong: list[tuple[str, Any, str]] = [
        ("ticket.opened.v1", {**OPENED, "project_id": "nowhere"}, "key of the message"),
        (
            "ticket.opened.v1",
            {**OPENED, "household_id": "h2"},
            "The household with the ticket's household_id does not belong to the project with the"
            " ticket's project_id.",
        ),
        (
            "ticket.opened.v1",
            {**OPENED, "household_id": "王芳"},
            "There is no household with the ticket's household_id.",
        ),
        ("ticket.told.v1", {**PLACE, "facts": [CORRECTED]}, "no household with the ticket's"),
        ("ticket.told.v1", {**PLACE, "facts": [NAMED]}, "“0.case_chased.…” is not known here"),
        ("ticket.王芳", OPENED, "not a type of ticket event"),
        ("王芳.v1", OPENED, "not a type of ticket event"),
        ("ticket.opened.v1", {**OPENED, "severity": "huge"}, "“severity” must be one of “minor”"),
        (
            "ticket.opened.v1",
            {**OPENED, "summary": "a\0b"},
            "“summary” must not contain the character NUL.",
        ),
        ("ticket.opened.v2", OPENED, "newer than"),
        ("ticket.exploded.v1", OPENED, "not a type of ticket event"),
        ("ticket.opened.v1", [1], "JSON object"),
        ("ticket.opened.v1", OPENED, "in the future"),
        ("ticket.closed.v1", PLACE, "No case of this ID"),
    ]
    for number, (what, data, sentence) in enumerate(wrong):
        subject = f"W-{number}"
        time = "2026-09-28T13:00:00+08:00" if "future" in sentence else "2026-09-28T11:00:00+08:00"
        [outcome] = await hear(office, message(what, data, subject, time, subject))
        assert isinstance(outcome, ParkedOutcome)
        assert sentence in outcome.reason
        assert "王芳" not in outcome.reason
    for parked in await office.store.parked():
        [waiting] = await office.store.line(parked.consumer, parked.stream)
        assert "王芳" not in waiting.parcel.value.decode()
        assert json.loads(waiting.parcel.value)["box"]


async def test_a_ticket_of_an_unknown_project_waits_and_its_project_is_not_told(
    registered: Caller, office: Office
) -> None:
    parcel = message("ticket.opened.v1", {**OPENED, "project_id": "王芳"}, "1")
    [outcome] = await hear(office, parcel._replace(key=b""))
    assert isinstance(outcome, ParkedOutcome)
    assert outcome.reason == "There is no project with the ticket's project_id."


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
async def test_a_ticket_of_a_time_out_of_reach_waits_in_its_own_line(
    registered: Caller, office: Office, time: str
) -> None:
    [outcome] = await hear(office, message("ticket.opened.v1", OPENED, "1", time))
    assert isinstance(outcome, ParkedOutcome)
    assert "of the years 1970 to 2150" in outcome.reason
    [parked] = await office.store.parked()
    assert parked.stream == "urn:old|T-1"


async def test_a_ticket_whose_history_would_end_in_the_future_waits(
    registered: Caller, office: Office
) -> None:
    parcel = message("ticket.opened.v1", OPENED, "1")
    until = ("ce_history", b"2149-01-01T00:00:00+08:00")
    [outcome] = await hear(office, parcel._replace(headers=(*parcel.headers, until)))
    assert isinstance(outcome, ParkedOutcome)
    assert outcome.reason.startswith("The history cannot end in the future")


async def test_a_parked_ticket_is_taken_once_its_household_is_registered(
    registered: Caller, office: Office
) -> None:
    await hear(office, message("ticket.opened.v1", {**OPENED, "household_id": "h9"}, "1"))
    body = {"household_id": "h9", "project_id": "lakeside"}
    assert (await registered.post("households", body)).status_code == 201
    [parked] = await office.store.parked()
    [waiting] = await office.store.line(parked.consumer, parked.stream)
    job = await hearing(office).job_from_line(waiting.parcel, "x")
    retried = job._replace(retry=True, order=waiting.order)
    [outcome] = await office.executor.execute_batch([retried])
    assert isinstance(outcome, Applied)
    assert await office.store.parked() == []
    assert names(await story(office)) == ["case_received", "case_classified"]


@pytest.mark.parametrize("minutes", [(1, 2, 3), (1, 1, 1), (3, 2, 1)])
async def test_what_comes_before_its_opening_waits_for_it_and_is_taken_in_the_sources_order(
    registered: Caller, office: Office, minutes: tuple[int, int, int]
) -> None:
    opened, commented, handled = (f"2026-09-28T11:{m:02}:00+08:00" for m in minutes)
    told = [
        message("ticket.handled.v1", PLACE, "3", handled),
        message("ticket.commented.v1", {**PLACE, "comment": "师傅已上门"}, "2", commented),
        message("ticket.opened.v1", OPENED, "1", opened),
    ]
    await hear_one_by_one(office, *told, *told)
    assert await office.store.parked() == []
    facts = await story(office)
    assert names(facts[:2]) == ["case_received", "case_classified"]
    taken = ["progress_reported", "case_handled"]
    assert names(facts[2:]) == (taken if minutes == (1, 2, 3) else taken[::-1])
    assert facts[0].occurred_at.isoformat() == opened


async def test_a_line_in_one_batch_is_ordered_too(registered: Caller, office: Office) -> None:
    await hear(
        office,
        message("ticket.closed.v1", {**PLACE, "sequence": 4}, "4"),
        message("ticket.changed.v1", {**PLACE, "severity": "major", "sequence": 3}, "3"),
        message("ticket.opened.v1", {**OPENED, "sequence": 2}, "2"),
    )
    assert await Retries(office.executor, office.clock, hearing(office)).retry_due() == 1
    severities = [
        f.fact.severity for f in await story(office) if isinstance(f.fact, CaseClassified)
    ]
    assert severities == ["minor", "major"]
    assert names(await story(office))[-1] == "case_closed"


async def test_a_missing_opening_does_not_wait_for_the_long_gap_of_what_it_lacked(
    registered: Caller, office: Office
) -> None:
    closed = message("ticket.closed.v1", PLACE, "2", "2026-09-28T11:30:00+08:00")
    await hear(office, closed)
    retries = Retries(office.executor, office.clock, hearing(office))
    for _ in range(9):
        [parked] = await office.store.parked()
        office.clock.instant = parked.retry_at
        assert await retries.retry_due() == 0
    await hear_one_by_one(office, message("ticket.opened.v1", OPENED, "1"))
    assert await office.store.parked() == []
    assert names(await story(office))[-1] == "case_closed"


def told(what: str, number: int | None, minute: int, **more: str) -> Parcel:
    said = {**PLACE, **more, "sequence": number}
    time = f"2026-09-28T11:{minute:02}:00+08:00"
    return message(f"ticket.{what}.v1", said, f"{what}/{number}/{minute}", time)


async def test_an_older_word_that_comes_late_does_not_replace_a_newer_one(
    registered: Caller, office: Office
) -> None:
    await hear_one_by_one(
        office,
        message("ticket.opened.v1", OPENED, "1"),
        told("changed", 3, 10, severity="important"),
        told("changed", 2, 20, severity="major", assignee="m1"),
        told("reopened", 5, 30),
        told("handled", 4, 40),
        told("commented", 1, 50, comment="师傅已上门"),
    )
    assert await office.store.parked() == []
    facts = await story(office)
    taken = ["case_classified", "case_assigned", "progress_reported"]
    assert names(facts[2:]) == taken, "What is newest is the severity, and that nothing is handled."
    await hear_one_by_one(office, told("handled", 6, 1), told("changed", 4, 1, severity="major"))
    assert names((await story(office))[5:]) == ["case_handled", "case_classified"]


async def test_a_change_that_comes_after_the_closing_does_not_block_what_follows(
    registered: Caller, office: Office
) -> None:
    await hear_one_by_one(
        office,
        message("ticket.opened.v1", OPENED, "1"),
        told("closed", None, 30),
        told("changed", None, 20, severity="major", assignee="m1"),
        told("reopened", None, 40),
    )
    assert await office.store.parked() == []
    facts = await story(office)
    taken = ["case_handled", "case_closed", "case_classified", "case_assigned", "case_reopened"]
    assert names(facts[2:]) == taken
    assert [fact.occurred_at.minute for fact in facts[4:]] == [20, 20, 40]


async def test_a_system_that_begins_to_count_goes_on_being_heard(
    registered: Caller, office: Office
) -> None:
    await hear_one_by_one(
        office,
        message("ticket.opened.v1", OPENED, "1"),
        told("handled", None, 10),
        told("reopened", 1, 20),
        told("closed", 2, 30),
    )
    assert names(await story(office))[2:] == ["case_handled", "case_reopened", *CLOSING]


async def test_a_ticket_whose_opening_never_comes_can_be_given_up_word_by_word(
    registered: Caller, office: Office
) -> None:
    await hear(office, told("closed", 3, 30), told("handled", 2, 20))
    retries = Retries(office.executor, office.clock, hearing(office))
    for place in ("handled/2/20", "closed/3/30"):
        [parked] = await office.store.parked()
        given_up = await discard(office.store, parked, office.clock)
        assert given_up is not None
        assert given_up.id == f"urn:old {place}"
        await retries.retry_due()
    assert await office.store.parked() == []


async def test_a_ticket_tells_its_daily_life_in_the_words_of_an_import(
    registered: Caller, office: Office
) -> None:
    told = {
        "project_id": "lakeside",
        "household_id": "h1",
        "facts": [
            {"type": "case_dispatched", "department": "engineering"},
            {"type": "dispatch_refused", "reason": "不属于工程部"},
            {"type": "case_answered", "decision": "will"},
            {"type": "case_withdrawn", "how": "phone"},
        ],
    }
    await hear(
        office,
        message("ticket.opened.v1", OPENED, "1"),
        message("ticket.told.v1", told, "2", "2026-09-28T11:30:00+08:00"),
        message("ticket.told.v1", told, "2", "2026-09-28T11:30:00+08:00"),
    )
    assert names(await story(office))[2:] == [
        "case_dispatched",
        "dispatch_refused",
        "case_answered",
        "case_withdrawn",
    ]
    unknown = {"project_id": "lakeside", "facts": [{"type": "case_eaten"}]}
    [outcome] = await hear(office, message("ticket.told.v1", unknown, "3"))
    assert isinstance(outcome, ParkedOutcome)
    assert outcome.code == "bad_data"
