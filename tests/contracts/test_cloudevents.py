"""CloudEvents 1.0 on Kafka: what goes out comes in alike, and every fault is one clear sentence."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from steward_events.cloudevents import (
    Headers,
    foreign_from_kafka,
    from_kafka,
    place_of,
    structured,
    to_kafka,
)
from steward_events.fact import NewerVersion, Unreadable
from steward_events.recorded import Recorded
from steward_events.registry import ProjectRegistered
from steward_eventstore.rows import data_of, meta_of

NOON = datetime(2026, 9, 28, 12, tzinfo=timezone(timedelta(hours=8)))
FACT = Recorded(
    id=UUID("0199c0de-0000-7000-8000-000000000001"),
    type="registry.project_registered.v1",
    stream="project-7",
    version=3,
    key="project-7",
    source="/steward/intake",
    occurred_at=NOON,
    recorded_at=NOON + timedelta(seconds=1),
    known_at=NOON + timedelta(seconds=2),
    fact=ProjectRegistered(
        project_id="project-7", group_id="g", name="翠湖苑", zone="Asia/Shanghai"
    ),
    correlation_id="c",
    causation_id="d",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    history=NOON + timedelta(days=1),
)


def sent(recorded: Recorded = FACT) -> tuple[bytes, list[tuple[str, bytes]], bytes]:
    return to_kafka(
        recorded.type, recorded.stream, recorded.version, data_of(recorded), meta_of(recorded)
    )


def changed(name: str, value: bytes | None) -> Headers:
    _, headers, _ = sent()
    kept = [header for header in headers if header[0] != name]
    return kept if value is None else [*kept, (name, value)]


@pytest.mark.parametrize(
    "recorded",
    [
        FACT,
        FACT._replace(history=None, traceparent="", correlation_id="", causation_id=""),
        FACT._replace(everywhere=True),
    ],
)
def test_a_fact_comes_in_as_it_went_out(recorded: Recorded) -> None:
    key, headers, value = sent(recorded)
    assert from_kafka(headers, key, value) == recorded


def test_the_headers_are_those_of_the_binary_mode() -> None:
    key, headers, value = sent()
    assert key == b"project-7"
    assert dict(headers) == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": b"0199c0de-0000-7000-8000-000000000001",
        "ce_type": b"registry.project_registered.v1",
        "ce_source": b"/steward/intake",
        "ce_time": b"2026-09-28T12:00:00+08:00",
        "ce_subject": b"project-7",
        "ce_partitionkey": b"project-7",
        "ce_sequence": b"3",
        "ce_recordedtime": b"2026-09-28T12:00:01+08:00",
        "ce_knowntime": b"2026-09-28T12:00:02+08:00",
        "ce_correlationid": b"c",
        "ce_causationid": b"d",
        "ce_traceparent": FACT.traceparent.encode(),
        "ce_history": b"2026-09-29T12:00:00+08:00",
    }
    assert from_json(value)["name"] == "翠湖苑"


def test_a_name_that_nobody_declared_is_passed_over() -> None:
    key, _, value = sent()
    heard = from_kafka(changed("ce_type", b"registry.from_the_future.v1"), key, value)
    assert heard.fact is None
    assert (heard.stream, heard.version) == ("project-7", 3)


def test_a_newer_version_of_a_known_name_is_said_to_be_newer() -> None:
    key, _, value = sent()
    with pytest.raises(NewerVersion, match="v9 is newer than"):
        from_kafka(changed("ce_type", b"registry.project_registered.v9"), key, value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ce_correlationid", b"\xff", "The header ce_correlationid is not UTF-8."),
        ("x-other", b"\xff", "The header x-other is not UTF-8."),
        ("ce_specversion", b"0.3", "must be 1.0"),
        ("ce_id", None, "The event has no ce_id."),
        ("ce_id", b"seven", "must be a UUID"),
        ("ce_sequence", b"0", "whole number above 0"),
        ("ce_sequence", "３".encode(), "whole number above 0"),
        ("ce_time", b"2026-09-28T12:00:00", "with an offset"),
        ("ce_knowntime", b"yesterday", "ce_knowntime must be a time"),
        ("ce_knowntime", b"9000-01-01T00:00:00Z", "a time of the years 1970 to 2150"),
        ("ce_recordedtime", b"1970-01-01T00:00:00+14:00", "a time of the years 1970 to 2150"),
        ("ce_subject", b"", "The event has no ce_subject."),
        ("ce_subject", b"a\x00b", "contains the character NUL"),
        ("ce_source", b"s" * 3000, "more than 2000 characters"),
        ("ce_partitionkey", b"another", "differ"),
        ("ce_type", b"registry.project_registered", "it must end in .v<number>"),
        ("ce_type", "王芳 13800138000".encode(), "“…” is not the type of a fact"),
    ],
)
def test_a_broken_header_is_named(name: str, value: bytes | None, sentence: str) -> None:
    key, _, content = sent()
    with pytest.raises(Unreadable) as fault:
        from_kafka(changed(name, value), key, content)
    assert sentence in str(fault.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"x" * 1_000_001])
def test_broken_content_is_unreadable(content: bytes) -> None:
    key, headers, _ = sent()
    with pytest.raises(Unreadable):
        from_kafka(headers, key, content)


def test_the_place_of_a_fact_is_found_though_another_header_is_broken() -> None:
    assert place_of(changed("ce_traceparent", b"\xff")) == ("project-7", 3, FACT.id)
    assert place_of(changed("ce_subject", b"\xff")) is None


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=50))), st.binary(max_size=100))
def test_no_message_makes_the_reader_fail_otherwise(
    headers: list[tuple[str, bytes]], value: bytes
) -> None:
    for read in (from_kafka, foreign_from_kafka):
        with pytest.raises(Unreadable):
            read(headers, b"k", value)


TICKET = {
    "specversion": "1.0",
    "id": "t-1",
    "type": "ticket.opened.v1",
    "source": "https://tickets.example",
    "subject": "4711",
    "time": "2026-09-28T04:00:00Z",
    "data": {"project_id": "project-7", "kind": "complaint"},
}


def test_a_foreign_event_is_read_in_structured_mode() -> None:
    headers = [("content-type", b"application/cloudevents+json; charset=utf-8")]
    event = foreign_from_kafka(headers, b"project-7", to_json({**TICKET, "sequence": 5}))
    assert (event.id, event.source, event.subject) == ("t-1", "https://tickets.example", "4711")
    assert (event.sequence, event.key) == ("5", "project-7")
    assert event.time == datetime(2026, 9, 28, 4, tzinfo=UTC)
    assert event.data == TICKET["data"]


def test_what_is_said_of_a_subject_has_an_order_the_opening_first() -> None:
    def order(what: str = "changed", **more: Any) -> int:
        told = {**TICKET, "type": f"ticket.{what}.v1", **more}
        headers = [("content-type", b"application/cloudevents+json")]
        return foreign_from_kafka(headers, b"project-7", to_json(told)).order

    opened = order("opened", time="2030-01-01T00:00:00Z", sequence=9)
    by_count = [order(sequence="0"), order(data={"sequence": 1}), order(data={"sequence": "12"})]
    old, before, after = "1969-12-31T00:00:00Z", "2026-09-28T08:00:00+08:00", "2026-09-28T00:00:01Z"
    by_time = [order(time=before, data={"sequence": "x"}), order(time=after, sequence="9" * 30)]
    orders = [opened, *by_count, *by_time]
    assert orders == sorted(set(orders))
    assert order(time=old) > opened > 0
    assert order(time=after) == by_time[-1]


def test_a_foreign_event_is_read_alike_in_binary_mode() -> None:
    headers = [(f"ce_{n}", str(v).encode()) for n, v in TICKET.items() if n != "data"]
    structured_headers = [("content-type", b"application/cloudevents+json")]
    binary = foreign_from_kafka(headers, b"project-7", to_json(TICKET["data"]))
    assert binary == foreign_from_kafka(structured_headers, b"project-7", to_json(TICKET))


@pytest.mark.parametrize(
    ("headers", "value", "sentence"),
    [
        ([], b"{}", "is no CloudEvent"),
        ([("content-type", b"application/cloudevents+json")], b"{", "is not JSON"),
        ([("content-type", b"application/cloudevents+json")], b"[]", "must be a JSON object"),
        (
            [("content-type", b"application/cloudevents+json")],
            to_json({**TICKET, "data": "text"}),
            "data of the event must be a JSON object",
        ),
        (
            [("content-type", b"application/cloudevents+json")],
            to_json({**TICKET, "time": "noon"}),
            "time must be a time as",
        ),
        (
            [("content-type", b"application/cloudevents+json")],
            to_json({**TICKET, "subject": {}}),
            "The attribute subject must be a text",
        ),
        (
            [("content-type", b"application/cloudevents+json")],
            to_json({"业主": {}, **TICKET}),
            "The attribute … must be a text",
        ),
        ([("ce_id", b"\xff")], b"{}", "The header ce_id is not UTF-8."),
        ([("ce_id", b"1")], b"", "has no content"),
    ],
)
def test_a_broken_foreign_event_gets_one_sentence(
    headers: Headers, value: bytes, sentence: str
) -> None:
    with pytest.raises(Unreadable) as fault:
        foreign_from_kafka(headers, b"k", value)
    assert sentence in str(fault.value)


def test_a_fact_is_shown_as_one_structured_event() -> None:
    event = from_json(structured(FACT))
    assert event["type"] == FACT.type
    assert event["data"]["name"] == "翠湖苑"
    again = foreign_from_kafka(
        [("content-type", b"application/cloudevents+json")], b"project-7", structured(FACT)
    )
    assert again.subject == "project-7"
