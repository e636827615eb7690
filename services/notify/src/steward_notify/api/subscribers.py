"""What notify hears: a subscriber for each owner of facts."""

from collections.abc import Collection, Iterable, Mapping

from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.sla import (
    Escalated,
    EscalationWithdrawn,
    ExtensionApproved,
    ExtensionRequested,
    OwnerDateDeclined,
)
from steward_events.visits import (
    DutyDone,
    DutyMissed,
    FollowupDone,
    FollowupOverdue,
    FollowupWaived,
)
from steward_eventstore.execute import To
from steward_notify.application import reactions

HEEDS: Mapping[str, Collection[type[Fact]]] = {
    "steward.sla": (
        *(Escalated, EscalationWithdrawn, ExtensionApproved, ExtensionRequested),
        OwnerDateDeclined,
    ),
    "steward.visits": (FollowupDone, FollowupOverdue, FollowupWaived, DutyDone, DutyMissed),
}
"""The facts that mean something to notify; of all others only the place is read."""


def on_intake(heard: Recorded) -> Iterable[To]:
    """Hear the registry and the policies, which are only kept, and cases."""
    return reactions.tell_owner(heard)


def on_sla(heard: Recorded, rules_of: reactions.RulesOf = lambda _: None) -> Iterable[To]:
    """Hear escalations, more time that was approved, and an owner's date that does not bind."""
    return reactions.tell(heard, rules_of)


def on_visits(heard: Recorded, rules_of: reactions.RulesOf = lambda _: None) -> Iterable[To]:
    """Hear of follow-ups that were not made in time, and of duties that nobody saw to."""
    return reactions.remind(heard, rules_of)
