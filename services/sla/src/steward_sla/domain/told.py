"""What was told of one clock, and what every fact about it repeats."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from steward_events.vocabulary import Role
from steward_sla.domain.clock import Clock

if TYPE_CHECKING:
    from steward_sla.domain.clocks import Clocks

Outcome = Literal["", "in_time", "with_approval", "breached", "cancelled"]


class Climb(NamedTuple):
    """An escalation that was told; `beside` the steps of the pack where nobody had answered."""

    escalation_id: str
    breach: int
    step: int
    to: Role
    due_at: datetime
    at: datetime | None = None
    beside: bool = False
    is_request: bool = False
    """Whether it asks for a decision on more time."""
    handed_on: bool = False
    """Whether it was told that another case goes on for this one."""
    taken_by: str = ""
    """Who acknowledged it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """More time was asked for and not decided on; `told` once the role above was told of that."""

    clock: str
    at: datetime
    until: datetime
    asked_by: str
    told: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """More time was granted or not, by whom and in which role."""

    clock: str
    person_id: str
    role: Role
    approved: bool


Extension = Asked | Decided


class About(NamedTuple):
    """What every fact about a clock repeats."""

    target: str
    rule: tuple[str, ...]
    basis: Literal["rule", "default"]
    severity: str


class Told(NamedTuple):
    """What has been said of one clock; `breach` is the number of the breach that stands."""

    started_at: datetime
    limit: datetime
    about: About
    paused: bool = False
    outcome: Outcome = ""
    met_at: datetime | None = None
    warned: frozenset[datetime] = frozenset()
    breaches: int = 0
    breach: int = 0
    breach_at: datetime | None = None
    climbs: tuple[Climb, ...] = ()
    acknowledged: bool = False
    excused: bool = False
    known_at: datetime | None = None
    """When the clock became known, where that was after its start."""
    provisional: bool = False
    """Whether its limit was said to wait for a calendar."""
    declined: datetime | None = None
    """The date of which the owner was told that it does not bind."""
    declined_at: datetime | None = None
    """What was known when they were told so."""

    @property
    def standing(self) -> Sequence[Climb]:
        """What was told of the breach that stands or of the start, and awaits somebody here."""
        return [
            climb
            for climb in self.climbs
            if climb.breach in (0, self.breach) and not climb.handed_on and not climb.taken_by
        ]

    @property
    def climbed(self) -> Collection[int]:
        """The steps that were told, of the breach that stands or of the start."""
        return [
            climb.step
            for climb in self.climbs
            if climb.breach in (0, self.breach) and not climb.beside
        ]


def said_of(state: "Clocks", clock: Clock) -> dict[str, Any]:
    """Give the fields of a fact about a clock."""
    return {
        "case_id": state.case_id,
        "project_id": state.project_id,
        "clock": clock.id,
        "target": clock.target.id,
        "rule": clock.target.rule,
        "basis": clock.target.basis,
        "severity": clock.severity,
    }


def said_before(state: "Clocks", clock: str, told: Told) -> dict[str, Any]:
    """Give them as they were told, of a clock that may be there no longer."""
    return {
        "case_id": state.case_id,
        "project_id": state.project_id,
        "clock": clock,
        **told.about._asdict(),
    }
