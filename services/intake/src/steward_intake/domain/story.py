"""What is remembered of a case, and the states that it goes through."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, assert_never

from steward_decider import Refused
from steward_events.fact import Fact
from steward_events.intake import (
    CaseClassified,
    CaseHandled,
    CaseMerged,
    CaseMovedOut,
    CaseRefused,
    CaseWithdrawn,
    ExtensionNoted,
    ResultTold,
)
from steward_events.sealed import Sealed
from steward_events.vocabulary import Area, Kind, Part, Role, Severity, Validity

Origin = Literal["steward", "external", "history"]
"""Who says it: a person in Steward, another ticketing system, or imported history."""

Mark = tuple[str, ...]
"""By which the same saying is known again: its fact's name, and what tells it apart."""

NO_FIRST_CONTACT = "no_first_contact"
"""Why a case is the cs_supervisor's that nobody known to us has received."""

WEIGHT = [None, Severity.MINOR, Severity.IMPORTANT, Severity.MAJOR]
"""Severities in the order of their weight."""


def strictest(*severities: Severity | None) -> Severity | None:
    """Give the weightiest of some severities."""
    return max(severities, key=WEIGHT.index)


def is_below(severity: Severity | None, other: Severity | None) -> bool:
    """Say whether a severity weighs less than another; none weighs least."""
    return WEIGHT.index(severity) < WEIGHT.index(other)


def differing(said: object, before: Fact, names: Iterable[str]) -> tuple[str, ...]:
    """Name what is said otherwise than before; what is left out says nothing else."""
    return tuple(
        name
        for name in names
        if (value := getattr(said, name)) not in (None, "", {}) and value != getattr(before, name)
    )


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The department that was given the case, and what it said to that."""

    id: str
    department: str
    answer: Literal["none", "accepted", "refused"] = "none"


@dataclass(frozen=True, slots=True)
class Quote:
    """What chargeable work would cost, as it was quoted last, and what the owner said to that."""

    id: str
    answer: Literal["none", "accepted", "declined"] = "none"
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Efforts:
    """What is remembered of the present round alone."""

    accepted: frozenset[tuple[Role, str | None]] = frozenset()
    satisfaction: tuple[int, Sealed | None] | None = None
    dispatch: Dispatch | None = None
    refusals: int = 0
    failed_contacts: int = 0
    solution: Literal["none", "proposed", "told"] = "none"
    proposal: str | None = None
    """Which solution was proposed last."""
    chargeable: bool = False
    quote: Quote | None = None
    """The quote that was given last, and the only one to answer."""
    agreed: Quote | None = None
    """The quote that was accepted last, for this solution."""
    followups_owed: frozenset[str] = frozenset()
    """Those that each such case is owed, neither done nor waived."""
    extensions: tuple[ExtensionNoted, ...] = ()
    """More time that was approved, the last at the end."""
    new_dates_told: frozenset[str] = frozenset()
    """Extensions whose new date the owner was told, be they noted yet or not."""
    told_why_not: bool = False
    """The owner was answered why it will not be done; of a refused case, since it was refused."""
    handled: CaseHandled | None = None
    told: ResultTold | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """What is remembered of a case in every state."""

    case_id: str
    kind: Kind
    zone: str
    """In which its days end."""
    round: int = 1
    efforts: Efforts = Efforts()
    classified: CaseClassified | None = None
    left_at: Severity | None = None
    """How weighty it was when it left the valid ones: it does not come back milder unseen."""
    outside_party: str | None = None
    """Who else has to act, as it was said last."""
    authority_due: datetime | None = None
    """By when an authority wants it done."""
    raised: Severity | None = None
    """What a rule has raised it to; below that it is not classified lightly."""
    absorbed: Severity | None = None
    """How weighty the cases are that were merged into it before it was classified itself."""
    breached: frozenset[str] = frozenset()
    """Clocks whose breach stands."""
    owner: str | None = None
    received_by_nobody: bool = False
    """Its owner has it only for want of another, and has no hand in it yet."""
    hands: frozenset[str] = frozenset()
    """Who has worked on it: none of them confirms what is asked for about it."""
    said: Mapping[Mark, Fact] = field(default_factory=dict)
    """What was said, each as it was said last."""
    harm_ongoing: bool = False
    lacks: tuple[str, ...] = ()
    """What its record must hold and does not."""
    followed_up: int = 0
    """The last round whose follow-up is done or waived."""
    incident: str | None = None
    """The incident to which it was attached last."""
    household: str | None = None
    """Whose case it is."""
    area: Area | None = None
    placed: bool = False
    """Its place or asset is known, or was asked for in vain."""
    concerns: Mapping[str, Part] = field(default_factory=dict)
    """Other households that it concerns, and how."""
    history_until: datetime | None = None

    @property
    def handlers(self) -> frozenset[str]:
        """Give those who handle the case, its owner among them."""
        if self.owner is None or self.received_by_nobody:
            return self.hands
        return self.hands | {self.owner}

    @property
    def is_valid_complaint(self) -> bool:
        """Whether the company has to answer for it (RM-4.3.1)."""
        return self.classified is not None and self.classified.validity is Validity.VALID

    @property
    def severity(self) -> Severity | None:
        """How weighty it is, as far as it is known."""
        return self.classified.severity if self.classified else None

    @property
    def least(self) -> Severity | None:
        """The severity below which it may not fall: the second reopening is at least important."""
        return Severity.IMPORTANT if self.kind is Kind.COMPLAINT and self.round >= 3 else None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nobody has said anything yet."""


@dataclass(frozen=True, slots=True)
class Open:
    """Somebody has to do something."""

    story: Story


@dataclass(frozen=True, slots=True)
class Waiting:
    """It waits for its owner until a date."""

    story: Story
    resume_on: datetime
    because: Literal["owner_asked", "not_reached"] = "owner_asked"


@dataclass(frozen=True, slots=True)
class Handled:
    """The work is done; the owner has not been told."""

    story: Story
    measures: bool
    closes_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """The owner knows the result."""

    story: Story
    measures: bool
    closes_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing more is owed."""

    story: Story


Ending = CaseRefused | CaseWithdrawn | CaseMerged | CaseMovedOut


@dataclass(frozen=True, slots=True)
class Ended:
    """It goes on no further here: refused, withdrawn, merged or moved out."""

    story: Story
    ending: Ending


Living = Open | Waiting | Handled | Told | Closed
Known = Living | Ended
Case = Nothing | Known


def whereabouts(state: Closed | Ended) -> str:
    """Say why the case goes on no further, and where to go on."""
    if isinstance(state, Closed):
        return "The case is closed: reopen it first."
    match state.ending:
        case CaseRefused():
            return "The case was refused: reopen it first."
        case CaseWithdrawn():
            return "The case was withdrawn by its owner: reopen it first."
        case CaseMerged(into=into):
            return f"The case was merged into the case {into}: go on there."
        case CaseMovedOut(to_case=to_case, to_project=project):
            return f"The case was moved to the project {project}: go on with the case {to_case}."
        case _ as never:
            assert_never(never)


def refuse_closed(state: Living, done: str) -> None:
    """Refuse what cannot be done to a case that is closed."""
    if isinstance(state, Closed):
        raise Refused(f"The case is closed: it can no longer be {done}. Reopen it first.")
