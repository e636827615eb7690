"""What a demonstration plays: registers, a past to import, and what happens live, by the clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """Somebody comes with a case: `POST /v1/cases`. `ref` names it in what follows.

    A `visit_id` of its body is the `ref` of the visit that raised it.
    """

    at: datetime
    ref: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Happened:
    """Something happens to a case: `POST /v1/cases/{id}/{action}`."""

    at: datetime
    ref: str
    action: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody asks for more time: `POST /v1/clocks/{case}/{clock}/extension` at sla."""

    at: datetime
    ref: str
    clock: str
    until: str
    reason: str
    asked_by: str


@dataclass(frozen=True, slots=True)
class Decided:
    """Somebody decides on what was asked last of this clock: `POST /v1/extensions/{id}/approve`."""

    at: datetime
    ref: str
    clock: str
    approved: bool
    person_id: str
    role: str


@dataclass(frozen=True, slots=True)
class Visited:
    """Somebody visited a household: `POST /v1/visits`."""

    at: datetime
    ref: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody opened a suggestion box: `POST /v1/suggestion-boxes/{ref}/openings`."""

    at: datetime
    ref: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ticketed:
    """Another system says something: a CloudEvent on `steward.inbound.tickets`."""

    at: datetime
    key: str
    event: dict[str, Any]
    """Structured JSON, as CloudEvents 1.0 words it."""


Step = Received | Happened | Asked | Decided | Visited | Opened | Ticketed


@dataclass(frozen=True, slots=True)
class Scenario:
    """One play. `history` and `afterwards` are records for `POST /v1/imports`.

    `name` is also that of its world: two plays of one name are the same play.
    The clock begins at `begins`; history is imported; `live` is played until `ends`; then the clock
    is set to `closes_at`, if there is one, and `afterwards` is imported as history.
    """

    name: str
    begins: datetime
    ends: datetime
    registers: Sequence[dict[str, Any]]
    history: Sequence[dict[str, Any]]
    live: Sequence[Step]
    zone: str = "Asia/Shanghai"
    """Where its people live; they call owners back by day."""
    afterwards: Sequence[dict[str, Any]] = ()
    closes_at: datetime | None = None
    figures: dict[str, int] = field(default_factory=dict)
    """What the reading of the input counted: rows read, selected and so on."""
