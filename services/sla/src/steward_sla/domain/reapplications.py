"""That what runs goes by another version of its policy, with the reason; the cases follow by a sweep.

Nothing --reapply--> said
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from steward_decider import Ring
from steward_events.sla import PolicyReapplied


@dataclass(frozen=True, slots=True)
class Reapply:
    """Somebody decided it."""

    at: datetime
    decided: PolicyReapplied


class ReapplicationDecider:
    """One reapplication; a repeat is answered with nothing."""

    initial: PolicyReapplied | None = None

    def decide(
        self, command: Reapply | Ring, state: PolicyReapplied | None
    ) -> Sequence[PolicyReapplied]:
        """Answer with the decision, once."""
        match command:
            case Reapply() if state is None:
                return [command.decided]
            case _:
                return []

    def evolve(self, state: PolicyReapplied | None, fact: PolicyReapplied) -> PolicyReapplied:  # noqa: ARG002
        """Remember it."""
        return fact

    def wake_at(self, state: PolicyReapplied | None) -> datetime | None:  # noqa: ARG002
        """Nothing here ever rings."""
        return None
