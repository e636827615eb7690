"""One suggestion box (RM-4.2.8).

Unknown --register--> Hanging --open--> Hanging --register as removed--> Removed
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.intake import BoxOpened
from steward_events.registry import SuggestionBoxRegistered
from steward_intake.domain.registry import Register, Unknown


@dataclass(frozen=True, slots=True)
class OpenBox:
    """Open the box, and say what became of the slips in it."""

    at: datetime
    opened: BoxOpened


@dataclass(frozen=True, slots=True)
class Box:
    """It stands like this, and was opened so often."""

    entry: SuggestionBoxRegistered
    openings: frozenset[str] = frozenset()


State = Unknown | Box


class BoxDecider:
    """Decides about one box."""

    initial: State = Unknown()

    def decide(
        self, command: Register | OpenBox | Ring, state: State
    ) -> Sequence[SuggestionBoxRegistered | BoxOpened]:
        """Answer a command; repeats are answered with nothing."""
        match command, state:
            case Ring(), _:
                return []
            case Register(entry=SuggestionBoxRegistered() as entry), Unknown():
                return [entry]
            case Register(entry=SuggestionBoxRegistered() as entry), Box(entry=before):
                if entry.project_id != before.project_id:
                    raise Refused("It is registered for another project already.")
                return [] if entry == before else [entry]
            case OpenBox(), Unknown():
                raise NotHeardYet("No suggestion box of this ID is registered.")
            case OpenBox(opened=opened), Box(entry=entry, openings=openings):
                if opened.opening_id in openings:
                    return []
                if entry.removed:
                    raise Refused("The suggestion box was taken away.", rule="RM-4.2.8")
                return [opened]
            case _:
                return []

    def evolve(self, state: State, fact: SuggestionBoxRegistered | BoxOpened) -> State:
        """Give the box after one more fact."""
        match fact, state:
            case SuggestionBoxRegistered(), Unknown():
                return Box(fact)
            case SuggestionBoxRegistered(), Box():
                return replace(state, entry=fact)
            case BoxOpened(), Box(openings=openings):
                return replace(state, openings=openings | {fact.opening_id})
            case _:
                return state

    def wake_at(self, state: State) -> datetime | None:  # noqa: ARG002
        """Nothing here ever rings: that it is opened weekly, visits watches."""
        return None
