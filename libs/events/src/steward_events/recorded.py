"""A fact with what the store and the wire know of it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from steward_events.fact import Fact


class Recorded(NamedTuple):
    """One stored or heard fact.

    `stream` and `version`: its place; `key`: the project's ID (the Kafka key); `occurred_at`: when
    it happened in the world; `recorded_at`: when Steward stored it; `known_at`: when Steward could
    know it; `history`: the instant up to which its case is imported history, else None. `fact` is
    None for a name that this program does not know: such facts are passed over, not lost.
    """

    id: UUID
    type: str
    stream: str
    version: int
    key: str
    source: str
    occurred_at: datetime
    recorded_at: datetime
    known_at: datetime
    fact: Fact | None
    correlation_id: str = ""
    causation_id: str = ""
    history: datetime | None = None
    traceparent: str = ""
    everywhere: bool = False
    """Group-wide: published to every partition of its topic, with one ID."""
