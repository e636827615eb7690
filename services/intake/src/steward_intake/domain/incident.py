"""One cause of many cases: their owners are told together, and each case keeps its own clocks.

Nothing --open--> Open --attach, detach, inform, answer--> Open --close--> Closed

That a case is in one open incident only, the case itself sees to (`case_joined_incident`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, assert_never

from steward_decider import Refused, Ring
from steward_events.intake import (
    IncidentCaseAttached,
    IncidentCaseDetached,
    IncidentClosed,
    IncidentInformed,
    IncidentLetterPublished,
    IncidentOpened,
)
from steward_events.sealed import Sealed

MOST = 500
"""Cases: what is done to many at once is done to so many."""


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """Many suffer from one cause."""

    at: datetime
    opened: IncidentOpened


@dataclass(frozen=True, slots=True)
class AttachCase:
    """The case has this cause; `told` is the last statement that the sender knew of."""

    at: datetime
    case: str
    person_id: str | None = None
    told: str | None = None


@dataclass(frozen=True, slots=True)
class DetachCase:
    """The case has another cause after all."""

    at: datetime
    case: str
    reason: str
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class InformOwners:
    """Tell all owners one statement; `cases` are those that the sender knew to be attached."""

    at: datetime
    informed: IncidentInformed
    cases: frozenset[str]


@dataclass(frozen=True, slots=True)
class PublishLetter:
    """Answer all owners by one open letter.

    `cases` are those that the sender knew to be attached, `before` the letters that were put up.
    """

    at: datetime
    letter: IncidentLetterPublished
    cases: frozenset[str]
    before: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CloseIncident:
    """The cause is gone; of `cases`, those attached as the sender knew, some may still go on."""

    at: datetime
    cases: frozenset[str]
    going_on: tuple[str, ...] = ()
    leave_open: bool = False
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nobody has opened it."""


class Answered(NamedTuple):
    """What a letter said, and which cases it answered."""

    text: Sealed | None
    cases: frozenset[str]


@dataclass(frozen=True, slots=True)
class Open:
    """It takes cases, and what is said of it reaches all their owners."""

    incident: str
    cases: frozenset[str] = frozenset()
    detached: frozenset[str] = frozenset()
    statements: tuple[IncidentInformed, ...] = ()
    letters: Mapping[str, Answered] = field(default_factory=dict)

    @property
    def told(self) -> str | None:
        """Name the last statement."""
        return self.statements[-1].statement_id if self.statements else None


@dataclass(frozen=True, slots=True)
class Closed:
    """It is over; these cases had its cause."""

    cases: frozenset[str] = frozenset()


Command = (
    OpenIncident | AttachCase | DetachCase | InformOwners | PublishLetter | CloseIncident | Ring
)
IncidentFact = (
    IncidentOpened
    | IncidentCaseAttached
    | IncidentCaseDetached
    | IncidentInformed
    | IncidentLetterPublished
    | IncidentClosed
)
State = Nothing | Open | Closed


class IncidentDecider:
    """Decides about one incident."""

    initial: State = Nothing()

    def decide(self, command: Command, state: State) -> Sequence[IncidentFact]:
        """Answer a command; repeats are answered with nothing."""
        match state:
            case Nothing():
                return _begin(command)
            case Open():
                return _go_on(command, state)
            case Closed():
                if isinstance(command, OpenIncident | CloseIncident | Ring):
                    return []
                raise Refused("The incident is closed: open another one.")
            case _:
                assert_never(state)

    def evolve(self, state: State, fact: IncidentFact) -> State:
        """Give the incident after one more fact."""
        match fact, state:
            case IncidentOpened(), _:
                return Open(fact.incident)
            case IncidentCaseAttached(), Open(cases=cases, detached=detached):
                case = {fact.case}
                return replace(state, cases=cases | case, detached=detached - case)
            case IncidentCaseDetached(), Open(cases=cases, detached=detached):
                case = {fact.case}
                return replace(state, cases=cases - case, detached=detached | case)
            case IncidentInformed(), Open(statements=statements):
                return replace(state, statements=(*statements, fact))
            case IncidentLetterPublished(), Open(cases=cases, letters=letters):
                answered = {fact.letter_id: Answered(fact.text, cases)}
                return replace(state, letters={**letters, **answered})
            case IncidentClosed(), Open(cases=cases):
                return Closed(cases)
            case _:
                return state

    def wake_at(self, state: State) -> datetime | None:  # noqa: ARG002
        """Nothing here ever rings: each case has its own clocks."""
        return None


def _begin(command: Command) -> Sequence[IncidentFact]:
    match command:
        case OpenIncident(opened=opened):
            return [opened]
        case Ring():
            return []
        case _:
            raise Refused("There is no such incident.", code="not_found")


def _go_on(command: Command, state: Open) -> Sequence[IncidentFact]:
    match command:
        case OpenIncident() | Ring():
            return []
        case AttachCase():
            return _attach(command, state)
        case DetachCase():
            return _detach(command, state)
        case InformOwners():
            return _inform(command, state)
        case PublishLetter():
            return _publish(command, state)
        case CloseIncident():
            return _close(command, state)
        case _:
            assert_never(command)


def _attach(command: AttachCase, state: Open) -> Sequence[IncidentFact]:
    if command.case in state.cases:
        return []
    if len(state.cases) >= MOST:
        raise Refused(f"An incident has {MOST} cases at most: open another one for the rest.")
    if command.told != state.told:
        raise _changed()
    return [
        IncidentCaseAttached(
            incident=state.incident, case=command.case, person_id=command.person_id
        )
    ]


def _detach(command: DetachCase, state: Open) -> Sequence[IncidentFact]:
    if command.case in state.detached:
        return []
    if command.case not in state.cases:
        raise Refused("The case is not attached to this incident.")
    return [
        IncidentCaseDetached(
            incident=state.incident,
            case=command.case,
            reason=command.reason,
            person_id=command.person_id,
        )
    ]


def _inform(command: InformOwners, state: Open) -> Sequence[IncidentFact]:
    informed = command.informed
    if any(informed.statement_id == before.statement_id for before in state.statements):
        return []
    if command.cases != state.cases:
        raise _changed()
    if state.statements and informed.text == state.statements[-1].text:
        raise Refused("The owners were told just that: say what is new.")
    return [informed]


def _publish(command: PublishLetter, state: Open) -> Sequence[IncidentFact]:
    if command.letter.letter_id in state.letters:
        return []
    if command.cases != state.cases or command.before != state.letters.keys():
        raise _changed()
    if not state.cases:
        raise Refused("No case is attached that the letter could answer.", rule="FU-4.1.2.1b")
    for letter_id, answered in state.letters.items():
        if answered.text == command.letter.text and state.cases <= answered.cases:
            raise Refused(
                f"Just that was put up for all of its cases before, as the letter {letter_id}:"
                " say what is new."
            )
    return [command.letter]


def _close(command: CloseIncident, state: Open) -> Sequence[IncidentFact]:
    if command.cases != state.cases:
        raise _changed()
    if command.going_on and not command.leave_open:
        raise Refused(
            f"{len(command.going_on)} of its cases still go on: close them first, or say by "
            "leave_open that each goes on by itself."
        )
    return [
        IncidentClosed(
            incident=state.incident, left_open=command.going_on, person_id=command.person_id
        )
    ]


def _changed() -> Refused:
    return Refused("The incident was changed meanwhile: read it again.", code="precondition")
