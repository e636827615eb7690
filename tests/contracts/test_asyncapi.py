"""The AsyncAPI document follows AsyncAPI's own schema and describes what really goes over Kafka.

`asyncapi-3.0.0.json.gz` is `schemas/3.0.0-without-$id.json` of the npm package @asyncapi/specs
6.11.1 (Apache-2.0), unchanged but for the compression.
"""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from steward_events.asyncapi import OWNERS, asyncapi_document
from steward_events.cloudevents import foreign_from_kafka, to_kafka
from steward_events.jsonschema import published_facts
from steward_events.recorded import Recorded
from steward_events.registry import GroupRegistered
from steward_events.sealed import SubjectKey
from steward_eventstore.rows import data_of, meta_of

SPECIFICATION = Path(__file__).parent / "asyncapi-3.0.0.json.gz"
NOON = datetime(2026, 9, 28, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi_document()


def test_it_follows_the_schema_of_asyncapi_3(document: dict[str, Any]) -> None:
    validator = Draft7Validator(json.loads(gzip.decompress(SPECIFICATION.read_bytes())))
    errors = [
        f"{list(e.absolute_path)}: {e.message[:300]}" for e in validator.iter_errors(document)
    ]
    assert errors == []


def test_the_schema_of_asyncapi_would_find_a_mistake(document: dict[str, Any]) -> None:
    validator = Draft7Validator(json.loads(gzip.decompress(SPECIFICATION.read_bytes())))
    assert not validator.is_valid({**document, "channels": {"steward.sla": {"adress": "typo"}}})


def test_every_fact_stands_in_the_channel_of_its_owner(document: dict[str, Any]) -> None:
    listed: dict[str, str] = {
        name: topic
        for topic, channel in document["channels"].items()
        for name in channel["messages"]
    }
    for fact in published_facts():
        owner = fact.wire_name.partition(".")[0]
        assert owner in OWNERS[listed[fact.wire_type]]
    assert listed["steward.subject_key"] == "steward.keys"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for channel in document["channels"].values():
        for reference in channel["messages"].values():
            assert (
                reference["$ref"].removeprefix("#/components/messages/")
                in (document["components"]["messages"])
            )
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]


def test_every_payload_is_a_json_schema(document: dict[str, Any]) -> None:
    for message in document["components"]["messages"].values():
        Draft202012Validator.check_schema(message["payload"]["schema"])


def test_what_goes_out_on_kafka_fits_headers_and_payload(document: dict[str, Any]) -> None:
    fact = GroupRegistered(group_id="g", name="和园物业")
    recorded = Recorded(
        id=UUID(int=1),
        type=fact.wire_type,
        stream="group-g",
        version=1,
        key="g",
        source="/steward/intake",
        occurred_at=NOON,
        recorded_at=NOON,
        known_at=NOON,
        fact=fact,
        correlation_id="call-42",
        causation_id="call-42",
        history=NOON,
        traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        everywhere=True,
    )
    _, sent, value = to_kafka(fact.wire_type, "group-g", 1, data_of(recorded), meta_of(recorded))
    headers = {name: text.decode() for name, text in sent}
    described = document["components"]["messageTraits"]["fact"]["headers"]
    Draft202012Validator(described).validate(headers)
    assert headers.keys() - {"content-type"} == described["properties"].keys()
    message = document["components"]["messages"][fact.wire_type]
    Draft202012Validator(message["payload"]["schema"]).validate(json.loads(value))


def test_what_goes_out_about_keys_fits_its_payload(document: dict[str, Any]) -> None:
    key = SubjectKey(subject="person-1", wrapped="AAAA", created_at=NOON)
    schema = document["components"]["messages"]["steward.subject_key"]["payload"]["schema"]
    Draft202012Validator(schema).validate(json.loads(key.model_dump_json()))


def test_what_other_systems_may_say_is_described(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    opened = messages["ticket.opened.v1"]["payload"]["schema"]
    ticket = {"project_id": "guiyuan", "kind": "complaint", "summary": "漏水"}
    Draft202012Validator(opened).validate(ticket)
    assert not Draft202012Validator(opened).is_valid({"project_id": "guiyuan"})
    assert document["operations"]["steward.inbound.tickets"]["action"] == "receive"
    headers = document["components"]["messageTraits"]["foreign"]["headers"]
    sent = dict.fromkeys(headers["properties"], b"2026-09-28T12:00:00+08:00")
    sent |= {"ce_specversion": b"1.0", "ce_type": b"ticket.opened.v1"}
    event = foreign_from_kafka(list(sent.items()), b"guiyuan", json.dumps(ticket).encode())
    assert event.type == "ticket.opened.v1"


def test_it_is_the_same_each_time(document: dict[str, Any]) -> None:
    assert json.dumps(asyncapi_document()) == json.dumps(document)


def test_a_service_shows_its_own_topic_only() -> None:
    assert list(asyncapi_document(["steward.sla"])["channels"]) == ["steward.sla"]
    assert asyncapi_document([])["channels"] == {}
