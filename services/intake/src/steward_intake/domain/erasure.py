"""A subject whose key is destroyed.

Kept --erase--> Gone, for ever
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from steward_decider import Ring
from steward_events.registry import SubjectErased


@dataclass(frozen=True, slots=True)
class EraseSubject:
    """Destroy a subject's key."""

    at: datetime
    erased: SubjectErased


@dataclass(frozen=True, slots=True)
class Kept:
    """Nobody has asked for its erasure."""


@dataclass(frozen=True, slots=True)
class Gone:
    """It was erased."""


class ErasureDecider:
    """One subject."""

    initial: Kept | Gone = Kept()

    def decide(self, command: EraseSubject | Ring, state: Kept | Gone) -> Sequence[SubjectErased]:
        """Answer with the erasure; what is gone already is answered with nothing."""
        match command, state:
            case EraseSubject(), Kept():
                return [command.erased]
            case _:
                return []

    def evolve(self, state: Kept | Gone, fact: SubjectErased) -> Kept | Gone:  # noqa: ARG002
        """It does not come back."""
        return Gone()

    def wake_at(self, state: Kept | Gone) -> datetime | None:  # noqa: ARG002
        """Nothing here ever rings."""
        return None
