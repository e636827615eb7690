"""One note about a household (FU-S1): a preference, or its mood.

Nothing --add--> Kept --retire, or twelve months--> Retired
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from steward_decider import Refused, Ring
from steward_events.intake import (
    HouseholdNoteAdded,
    HouseholdNoteRetired,
    HouseholdNoteRevealed,
)


@dataclass(frozen=True, slots=True)
class AddNote:
    """Write a note about a household."""

    at: datetime
    added: HouseholdNoteAdded


@dataclass(frozen=True, slots=True)
class RetireNote:
    """Say that the note is to be shown no longer, and why."""

    at: datetime
    because: Literal["no_longer_true", "asked"]
    person_id: str | None


@dataclass(frozen=True, slots=True)
class RevealNote:
    """Say who reads the note, before they do."""

    at: datetime
    revealed: HouseholdNoteRevealed


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nobody has written it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """It is shown before the household is spoken to."""

    added: HouseholdNoteAdded


@dataclass(frozen=True, slots=True)
class Retired:
    """It is shown no longer."""


Command = AddNote | RetireNote | RevealNote | Ring
NoteFact = HouseholdNoteAdded | HouseholdNoteRetired | HouseholdNoteRevealed
State = Nothing | Kept | Retired


class NoteDecider:
    """Decides about one note."""

    initial: State = Nothing()

    def decide(self, command: Command, state: State) -> Sequence[NoteFact]:
        """Answer a command; repeats are answered with nothing."""
        match command, state:
            case AddNote(added=added), Nothing():
                return [added]
            case Ring(at=at), Kept(added) if at >= added.until:
                return [_retired(added, "age")]
            case RetireNote(because=because, person_id=person_id), Kept(added):
                return [_retired(added, because, person_id)]
            case RevealNote(revealed=revealed), Kept():
                return [revealed]
            case ((RetireNote() | RevealNote()), Nothing()):
                raise Refused("There is no such note.", code="not_found")
            case RevealNote(), Retired():
                raise Refused("The note was retired: it is shown no longer.", rule="FU-S1")
            case _:
                return []

    def evolve(self, state: State, fact: NoteFact) -> State:
        """Give the note after one more fact."""
        match fact:
            case HouseholdNoteAdded():
                return Kept(fact)
            case HouseholdNoteRetired():
                return Retired()
            case HouseholdNoteRevealed():
                return state

    def wake_at(self, state: State) -> datetime | None:
        """Ask to be woken when it is too old to be shown."""
        return state.added.until if isinstance(state, Kept) else None


def _retired(
    added: HouseholdNoteAdded,
    because: Literal["age", "no_longer_true", "asked"],
    person_id: str | None = None,
) -> HouseholdNoteRetired:
    return HouseholdNoteRetired(
        note_id=added.note_id,
        household_id=added.household_id,
        because=because,
        person_id=person_id,
    )
