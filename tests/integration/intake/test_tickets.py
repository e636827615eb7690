"""Another system's ticket events, from Kafka's message to facts; only Kafka itself is left out."""

import json
from dataclasses import replace
from typing import Any

from tests.integration.intake.conftest import Caller, Office

from steward_events.intake import CaseClosed, CaseReceived, ProgressReported
from steward_events.recorded import Recorded
from steward_events.vocabulary import External
from steward_eventstore.execute import Applied, Outcome
from steward_eventstore.execute import Parked as ParkedOutcome
from steward_eventstore.port import Parcel
from steward_intake.api.subscribers import on_tickets
from steward_intake.application.desk import external_case_id
from steward_service.hearing import Boxes, Hearing

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


async def hear(office: Office, *parcels: Parcel) -> list[Outcome]:
    hearing = Hearing(
        "intake",
        foreign={TOPIC: on_tickets(office.desk)},
        boxes=Boxes(office.sealer),
    )
    jobs = [await hearing.job(parcel, f"{TOPIC}/0/{n}") for n, parcel in enumerate(parcels)]
    return await office.executor.execute_batch(jobs)


async def story(office: Office) -> list[Recorded]:
    return await office.store.facts_of(STREAM)


def names(facts: list[Recorded]) -> list[str]:
    return [fact.type.split(".")[1] for fact in facts]


PLACE = {"project_id": "lakeside"}


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
        ("ticket.opened.v1", {**OPENED, "household_id": "h2"}, "does not belong"),
        ("ticket.opened.v1", {**OPENED, "severity": "huge"}, "“severity”"),
        ("ticket.opened.v1", {**OPENED, "summary": "a\0b"}, "NUL"),
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


async def test_a_parked_ticket_is_taken_once_its_household_is_registered(
    registered: Caller, office: Office
) -> None:
    hearing = Hearing(
        "intake",
        foreign={TOPIC: on_tickets(office.desk)},
        boxes=Boxes(office.sealer),
    )
    await hear(office, message("ticket.opened.v1", {**OPENED, "household_id": "h9"}, "1"))
    body = {"household_id": "h9", "project_id": "lakeside"}
    assert (await registered.post("households", body)).status_code == 201
    [parked] = await office.store.parked()
    [waiting] = await office.store.line(parked.consumer, parked.stream)
    job = await hearing.job_from_line(waiting.parcel, "x")
    retried = replace(job, retry=True, order=waiting.order)
    [outcome] = await office.executor.execute_batch([retried])
    assert isinstance(outcome, Applied)
    assert await office.store.parked() == []
    assert names(await story(office)) == ["case_received", "case_classified"]
