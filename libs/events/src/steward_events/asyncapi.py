"""The AsyncAPI 3 document: every topic with its key, its headers and each payload."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from steward_events.fact import Fact
from steward_events.jsonschema import published_facts, schema_of
from steward_events.sealed import SubjectKey
from steward_events.tickets import INBOUND_TICKETS, TICKET_EVENTS, Ticket

OWNERS: Mapping[str, tuple[str, ...]] = {
    "steward.intake": ("intake", "registry"),
    "steward.sla": ("sla",),
    "steward.visits": ("visits",),
    "steward.notify": ("notify",),
}
"""Whose facts each topic carries, by the first part of their wire names."""

KEYS_TOPIC = "steward.keys"

ALL_TOPICS = frozenset({*OWNERS, KEYS_TOPIC, INBOUND_TICKETS})
"""The topics that can be described."""

_FORMAT = "application/schema+json;version=draft-2020-12"


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    meaning: str
    format: str | None = None
    needed: bool = True


_HEADERS = (
    _Header("ce_specversion", "CloudEvents version, 1.0."),
    _Header("ce_id", "The fact's ID; the same in every copy.", "uuid"),
    _Header("ce_type", "The wire type, as intake.case_received.v1."),
    _Header("ce_source", "Who published it.", "uri-reference"),
    _Header("ce_time", "When it happened in the world.", "date-time"),
    _Header("ce_subject", "The stream."),
    _Header("ce_partitionkey", "The Kafka key: the project's ID, or the group's."),
    _Header("ce_sequence", "The stream's version, from 1 without gaps."),
    _Header("ce_recordedtime", "When Steward stored it.", "date-time"),
    _Header("ce_knowntime", "When Steward could know it.", "date-time"),
    _Header("ce_correlationid", "What began it all.", needed=False),
    _Header("ce_causationid", "What caused it directly.", needed=False),
    _Header("ce_traceparent", "W3C trace context.", needed=False),
    _Header("ce_history", "Its case is imported history up to here.", "date-time", needed=False),
    _Header("ce_everywhere", "“true”: published to every partition, with one ID.", needed=False),
)

_FOREIGN_HEADERS = (
    _Header("ce_specversion", "CloudEvents version, 1.0."),
    _Header("ce_id", "The event's ID; the same when it is sent again."),
    _Header("ce_type", "As ticket.opened.v1."),
    _Header("ce_source", "The system's URI.", "uri-reference"),
    _Header("ce_time", "When it happened in the world.", "date-time"),
    _Header("ce_subject", "The system's own ID of the ticket."),
    _Header("ce_sequence", "The system's own order of the ticket's events.", needed=False),
    _Header("ce_traceparent", "W3C trace context.", needed=False),
    _Header("ce_history", "The ticket is imported history up to here.", "date-time", needed=False),
)


def facts_of(topic: str) -> list[type[Fact]]:
    """Give the facts that a topic carries, by wire type."""
    owners = OWNERS.get(topic, ())
    return [fact for fact in published_facts() if fact.wire_name.partition(".")[0] in owners]


def asyncapi_document(topics: Iterable[str] | None = None) -> dict[str, Any]:
    """Give the document of these topics, or of all; the same for the same facts."""
    wanted = sorted(ALL_TOPICS if topics is None else topics)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Steward",
            "version": version("steward-events"),
            "description": "What Steward's services tell each other and everybody who listens. "
            "CloudEvents 1.0 in binary mode; at least once, per stream in order.",
        },
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic) for topic in wanted},
        "operations": {
            topic: {
                "action": "receive" if topic == INBOUND_TICKETS else "send",
                "channel": {"$ref": f"#/channels/{topic}"},
            }
            for topic in wanted
        },
        "components": {
            "messages": {name: message for topic in wanted for name, message in _messages(topic)},
            "messageTraits": {
                "fact": {"headers": _headers(_HEADERS)},
                "foreign": {"headers": _headers(_FOREIGN_HEADERS)},
            },
        },
    }


def _channel(topic: str) -> dict[str, Any]:
    return {
        "address": topic,
        "description": _DESCRIPTIONS.get(topic, "All facts of one owner."),
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name, _ in _messages(topic)
        },
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


_DESCRIPTIONS = {
    "steward.intake": "Cases and the registry. Group-wide facts go to every partition.",
    INBOUND_TICKETS: "What other ticketing systems say; CloudEvents, binary or structured.",
    KEYS_TOPIC: "The keys of personal data, wrapped; the last record of each subject counts.",
}


def _messages(topic: str) -> list[tuple[str, dict[str, Any]]]:
    if topic == KEYS_TOPIC:
        return [("steward.subject_key", _subject_key())]
    if topic == INBOUND_TICKETS:
        return [(name, _ticket(name, content)) for name, content in TICKET_EVENTS.items()]
    return [(fact.wire_type, _message(fact)) for fact in facts_of(topic)]


def _message(fact: type[Fact]) -> dict[str, Any]:
    summary, _, more = (fact.__doc__ or "").strip().partition("\n\n")
    message = {
        "name": fact.wire_type,
        "title": fact.__name__,
        "summary": " ".join(summary.split()),
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/fact"}],
        "payload": {"schemaFormat": _FORMAT, "schema": schema_of(fact)},
        "bindings": _keyed_by("The project's ID; the group's for group-wide facts."),
    }
    if more.strip():
        message["description"] = " ".join(more.split())
    return message


def _ticket(name: str, content: type[Ticket]) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "summary": (content.__doc__ or "").strip(),
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/foreign"}],
        "payload": {"schemaFormat": _FORMAT, "schema": content.model_json_schema()},
        "bindings": _keyed_by("The project's ID."),
    }


def _subject_key() -> dict[str, Any]:
    return {
        "name": "steward.subject_key",
        "title": "SubjectKey",
        "summary": "A subject's wrapped key; a record without a value says that it was erased.",
        "contentType": "application/json",
        "payload": {"schemaFormat": _FORMAT, "schema": SubjectKey.model_json_schema()},
        "bindings": _keyed_by("The subject: a person, a household or a case."),
    }


def _keyed_by(meaning: str) -> dict[str, Any]:
    key = {"type": "string", "description": meaning}
    return {"kafka": {"key": key, "bindingVersion": "0.5.0"}}


def _headers(headers: Sequence[_Header]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for header in headers:
        properties[header.name] = {"type": "string", "description": header.meaning}
        if header.format is not None:
            properties[header.name]["format"] = header.format
    return {
        "type": "object",
        "required": [header.name for header in headers if header.needed],
        "properties": properties,
    }
