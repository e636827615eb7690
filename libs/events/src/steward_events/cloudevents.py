"""CloudEvents 1.0 on Kafka: facts in binary mode both ways, foreign events in either mode.

The value is the fact's JSON as it is stored; all else stands in headers, `ce_` before each name.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json

from steward_events.fact import Fact, Unreadable, plain_name, plain_type, read_fact
from steward_events.recorded import Recorded
from steward_events.vocabulary import REACH, in_reach

Headers = Sequence[tuple[str, bytes]]
"""As Kafka clients give them: names are text, values are bytes."""

MAX_VALUE_BYTES = 1_000_000
"""Of a message's value: Kafka's default limit for the whole message."""
MAX_TEXT = 2_000
"""Characters of one attribute."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_STRUCTURED = "application/cloudevents"
_JSON = b"application/json"


def to_kafka(
    wire_type: str, stream: str, version: int, data: str, meta: str
) -> tuple[bytes, list[tuple[str, bytes]], bytes]:
    """Give key, headers and value of a stored fact; `data` goes out as it is."""
    said: dict[str, str] = from_json(meta)
    key = said["key"].encode()
    headers = [
        ("content-type", _JSON),
        ("ce_specversion", b"1.0"),
        ("ce_id", said["id"].encode()),
        ("ce_type", wire_type.encode()),
        ("ce_source", said["source"].encode()),
        ("ce_time", said["occurred"].encode()),
        ("ce_subject", stream.encode()),
        ("ce_partitionkey", key),
        ("ce_sequence", str(version).encode()),
        ("ce_recordedtime", said["recorded"].encode()),
        ("ce_knowntime", said["known"].encode()),
    ]
    for header, name in _OPTIONAL:
        if value := said.get(name):
            headers.append((header, value.encode()))
    if said.get("everywhere"):
        headers.append(("ce_everywhere", b"true"))
    return key, headers, data.encode()


_OPTIONAL = (
    ("ce_correlationid", "correlation"),
    ("ce_causationid", "causation"),
    ("ce_traceparent", "trace"),
    ("ce_history", "history"),
)
_PLACE = frozenset({"ce_subject", "ce_sequence", "ce_id"})


def from_kafka(headers: Headers, key: bytes | None, value: bytes | None) -> Recorded:
    """Read one of Steward's facts; its `fact` is None for a name that this program does not know.

    Raises `Unreadable` and `NewerVersion`.
    """
    envelope = envelope_of(headers, key)
    return envelope._replace(fact=content_of(envelope.type, value))


def type_in(headers: Headers) -> bytes:
    """Give the wire type as it came; empty if there is none."""
    for name, value in headers:
        if name == "ce_type":
            return value
    return b""


def content_of(wire_type: str, value: bytes | None) -> Fact | None:
    """Read a message's value, None for an unknown name; raises `Unreadable` and `NewerVersion`."""
    if not value:
        raise Unreadable(f"{plain_type(wire_type)} cannot be read: it has no content.")
    if len(value) > MAX_VALUE_BYTES:
        size = len(value)
        raise Unreadable(f"{plain_type(wire_type)} cannot be read: it has {size} bytes.")
    return read_fact(wire_type, value)


def envelope_of(headers: Headers, key: bytes | None, fact: Fact | None = None) -> Recorded:
    """Read what the headers say of a fact; raises `Unreadable`."""
    said = _texts(headers)
    if said.get("ce_specversion") != "1.0":
        raise Unreadable("The header ce_specversion must be 1.0.")
    partition_key = _needed(said, "ce_partitionkey")
    if key is not None and key != partition_key.encode():
        raise Unreadable("The key of the message and the header ce_partitionkey differ.")
    return Recorded(
        id=_uuid(said, "ce_id"),
        type=_needed(said, "ce_type"),
        stream=_needed(said, "ce_subject"),
        version=_number(said, "ce_sequence"),
        key=partition_key,
        source=_needed(said, "ce_source"),
        occurred_at=_in_reach(said, "ce_time"),
        recorded_at=_in_reach(said, "ce_recordedtime"),
        known_at=_in_reach(said, "ce_knowntime"),
        fact=fact,
        correlation_id=said.get("ce_correlationid", ""),
        causation_id=said.get("ce_causationid", ""),
        history=_in_reach(said, "ce_history") if "ce_history" in said else None,
        traceparent=said.get("ce_traceparent", ""),
        everywhere=said.get("ce_everywhere") == "true",
    )


def ends_history(wire_type: str) -> bool:
    """Say whether a fact of this type, or a foreign event, ends the history of its case."""
    return wire_type.partition(".v")[0].endswith("history_ended")


def place_of(headers: Headers) -> tuple[str, int, UUID] | None:
    """Give stream, version and ID of a fact whose other headers may be broken, if they are whole.

    With these its stream can wait, instead of all that came the same way.
    """
    try:
        said = _texts([(name, value) for name, value in headers if name in _PLACE])
        return _needed(said, "ce_subject"), _number(said, "ce_sequence"), _uuid(said, "ce_id")
    except Unreadable:
        return None


@dataclass(frozen=True, slots=True)
class ForeignEvent:
    """A CloudEvent that another system sent; `data` is its JSON content, not yet checked.

    `subject` is the system's own name of the thing; `sequence` its own order, if it has one: the
    attribute of that name, or else what its data says. `history` is the instant up to which the
    thing is imported history.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: Any
    key: str
    sequence: str = ""
    traceparent: str = ""
    history: datetime | None = None

    @property
    def counted(self) -> bool:
        """Whether the source itself counts what it says."""
        return self.sequence.isascii() and self.sequence.isdigit() and len(self.sequence) < 18

    @property
    def order(self) -> int:
        """Where it stands among what is said of its subject, above 0.

        What opens the subject stands before all else, even where the source's clocks disagree. The
        rest stands by the source's count, or by time where the source does not count; the two
        cannot be compared, and counts come first.
        """
        if self.type.partition(".v")[0].endswith(".opened"):
            return 1
        place = int(self.sequence) if self.counted else (self.time - _EPOCH) // _MICROSECOND
        return max(place, 0) + 2


def foreign_from_kafka(headers: Headers, key: bytes | None, value: bytes | None) -> ForeignEvent:
    """Read a foreign event, binary or structured; raises `Unreadable` with one clear sentence."""
    if not value:
        raise Unreadable("The event has no content.")
    if len(value) > MAX_VALUE_BYTES:
        raise Unreadable(
            f"The event has {len(value)} bytes; {MAX_VALUE_BYTES} are allowed at most."
        )
    said = _texts(headers)
    content_type = next((v for n, v in said.items() if n.lower() == "content-type"), "")
    text_key = _text(key, "The key of the message") if key is not None else ""
    if content_type.lower().startswith(_STRUCTURED):
        return foreign_from_json(value, text_key)
    attributes = {
        name.removeprefix("ce_"): text for name, text in said.items() if name.startswith("ce_")
    }
    if not attributes:
        raise Unreadable(
            "The message is no CloudEvent: it has neither headers that begin with ce_ nor the"
            " content type application/cloudevents+json."
        )
    return _foreign(attributes, _json(value), text_key)


def foreign_from_json(text: bytes | str, key: str = "") -> ForeignEvent:
    """Read a structured CloudEvent; raises `Unreadable` with one clear sentence."""
    content = _json(text)
    if not isinstance(content, dict):
        raise Unreadable("A structured CloudEvent must be a JSON object.")
    if "data" not in content:
        raise Unreadable("The event has no data.")
    data = content.pop("data")
    attributes: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, bool) or not isinstance(value, str | int):
            what = _named("The attribute", name)
            raise Unreadable(f"{what} must be a text or a whole number.")
        attributes[name] = _bounded(str(value), "The attribute", name)
    return _foreign(attributes, data, key)


def _foreign(attributes: dict[str, str], data: Any, key: str) -> ForeignEvent:
    if attributes.get("specversion") != "1.0":
        raise Unreadable("The attribute specversion must be 1.0.")
    if not isinstance(data, dict):
        raise Unreadable("The data of the event must be a JSON object.")
    return ForeignEvent(
        id=_needed(attributes, "id"),
        type=_needed(attributes, "type"),
        source=_needed(attributes, "source"),
        subject=_needed(attributes, "subject"),
        time=_instant(attributes, "time"),
        data=data,
        key=key or attributes.get("partitionkey", ""),
        sequence=attributes.get("sequence") or _bounded(str(data.get("sequence", "")), "sequence"),
        traceparent=attributes.get("traceparent", ""),
        history=_instant(attributes, "history") if "history" in attributes else None,
    )


def structured(recorded: Recorded) -> bytes:
    """Give a fact as one structured CloudEvent in JSON, for people and for export."""
    assert recorded.fact is not None  # noqa: S101 - only facts that are known are shown
    event = {
        "specversion": "1.0",
        "id": str(recorded.id),
        "type": recorded.type,
        "source": recorded.source,
        "time": recorded.occurred_at.isoformat(),
        "subject": recorded.stream,
        "datacontenttype": "application/json",
        "partitionkey": recorded.key,
        "sequence": str(recorded.version),
        "recordedtime": recorded.recorded_at.isoformat(),
        "knowntime": recorded.known_at.isoformat(),
        "data": recorded.fact.model_dump(mode="json"),
    }
    if recorded.history is not None:
        event["history"] = recorded.history.isoformat()
    return to_json(event)


def _texts(headers: Headers) -> dict[str, str]:
    said = dict(headers)
    # All is well mostly, and that is seen at once; what is wrong is looked for name by name.
    joined = b"\x00".join(said.values())
    if len(said) == len(headers) and len(joined) <= MAX_TEXT:
        with suppress(UnicodeDecodeError):
            texts = joined.decode().split("\x00")
            if len(texts) == len(said):
                return dict(zip(said, texts, strict=True))
    return {name: _text(value, "The header", name) for name, value in headers}


def _text(value: bytes, what: str, name: str = "") -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"{_named(what, name)} is not UTF-8.") from error
    return _bounded(text, what, name)


def _bounded(text: str, what: str, name: str = "") -> str:
    if len(text) > MAX_TEXT:
        raise Unreadable(f"{_named(what, name)} has more than {MAX_TEXT} characters.")
    if "\x00" in text:
        raise Unreadable(f"{_named(what, name)} contains the character NUL.")
    return text


def _named(what: str, name: str) -> str:
    return f"{what} {plain_name(name)}" if name else what


def _json(text: bytes | str) -> Any:
    try:
        return from_json(text)
    except ValueError as error:
        raise Unreadable("The content of the event is not JSON.") from error


def _needed(said: dict[str, str], name: str) -> str:
    value = said.get(name)
    if not value:
        raise Unreadable(f"The event has no {name}.")
    return value


def _uuid(said: dict[str, str], name: str) -> UUID:
    try:
        return UUID(_needed(said, name))
    except ValueError as error:
        raise Unreadable(f"The header {name} must be a UUID.") from error


def _number(said: dict[str, str], name: str) -> int:
    value = _needed(said, name)
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) > 0):
        raise Unreadable(f"The header {name} must be a whole number above 0.")
    return int(value)


# What was stored together has its times in common.
_parsed = lru_cache(256)(datetime.fromisoformat)


def _instant(said: dict[str, str], name: str) -> datetime:
    try:
        instant = _parsed(_needed(said, name))
    except ValueError as error:
        raise Unreadable(f"{name} must be a time as 2026-09-28T08:00:00+08:00.") from error
    if instant.tzinfo is None:
        raise Unreadable(f"{name} must be a time with an offset, as +08:00 or Z.")
    return instant


def _in_reach(said: dict[str, str], name: str) -> datetime:
    instant = _instant(said, name)
    if not in_reach(instant):
        raise Unreadable(f"{name} must be a time {REACH}.")
    return instant
