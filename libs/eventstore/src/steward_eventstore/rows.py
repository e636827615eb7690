"""How a fact lies in a row: `data` is what goes out on Kafka as it is, `meta` all else."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json

from steward_events.fact import read_fact
from steward_events.recorded import Recorded
from steward_eventstore.port import BadData, FactTooLarge

MAX_FACT_BYTES = 512_000
"""Of data and meta together: Kafka's default message limit is 1 MB."""
_NUL = "\\u0000"
_ESCAPED_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")


def data_of(recorded: Recorded) -> str:
    """Give a fact's JSON."""
    assert recorded.fact is not None  # noqa: S101 - only own facts are stored
    return recorded.fact.model_dump_json()


def meta_of(recorded: Recorded) -> str:
    """Give the JSON of what stands in the headers."""
    meta: dict[str, Any] = {
        "id": recorded.id,
        "key": recorded.key,
        "source": recorded.source,
        "occurred": recorded.occurred_at,
        "recorded": recorded.recorded_at,
        "known": recorded.known_at,
        "correlation": recorded.correlation_id,
        "causation": recorded.causation_id,
    }
    if recorded.history is not None:
        meta["history"] = recorded.history
    if recorded.traceparent:
        meta["trace"] = recorded.traceparent
    if recorded.everywhere:
        meta["everywhere"] = True
    return to_json(meta).decode()


def check(wire_type: str, data: str, meta: str) -> None:
    """Raise `FactTooLarge` for a fact that would not fit into one message, `BadData` for a NUL in it.

    No list could keep such a text, here nor where it is heard.
    """
    for text in (data, meta):
        if _NUL in text and _ESCAPED_NUL.search(text):
            raise BadData("A text contains the character NUL.")
    # A character has four bytes at most: most facts need no exact count.
    if 4 * (len(data) + len(meta)) > MAX_FACT_BYTES:
        size = len(data.encode()) + len(meta.encode())
        if size > MAX_FACT_BYTES:
            raise FactTooLarge(f"{wire_type} has {size} bytes; {MAX_FACT_BYTES} are allowed.")


def recorded_of(stream: str, version: int, wire_type: str, data: str, meta: str) -> Recorded:
    """Give the fact of a row; raises what `read_fact` raises."""
    said = from_json(meta)
    history = said.get("history")
    return Recorded(
        id=UUID(said["id"]),
        type=wire_type,
        stream=stream,
        version=version,
        key=said["key"],
        source=said["source"],
        occurred_at=datetime.fromisoformat(said["occurred"]),
        recorded_at=datetime.fromisoformat(said["recorded"]),
        known_at=datetime.fromisoformat(said["known"]),
        fact=read_fact(wire_type, data),
        correlation_id=said.get("correlation", ""),
        causation_id=said.get("causation", ""),
        history=datetime.fromisoformat(history) if history else None,
        traceparent=said.get("trace", ""),
        everywhere=said.get("everywhere", False),
    )
