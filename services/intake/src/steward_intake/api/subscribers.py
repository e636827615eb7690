"""What intake listens to, by topic."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from steward_events.cloudevents import ForeignEvent
from steward_events.fact import Fact
from steward_events.notify import (
    MessageDelivered,
    MessageFailed,
    MessageRequested,
    MessageSent,
    MessageSuppressed,
    MessageUnknown,
)
from steward_events.recorded import Recorded
from steward_events.sla import BreachWithdrawn, ClockBreached, ExtensionApproved, MajorByAge
from steward_events.visits import (
    FollowupDone,
    FollowupDue,
    FollowupOverdue,
    FollowupWaived,
    VisitDone,
    VisitStruck,
)
from steward_eventstore.execute import To
from steward_intake.application import reactions, tickets
from steward_intake.application.desk import Desk

HEEDS: Mapping[str, Collection[type[Fact]]] = {
    "steward.visits": (
        *(FollowupDue, FollowupDone, FollowupWaived, FollowupOverdue),
        *(VisitDone, VisitStruck),
    ),
    "steward.sla": (ClockBreached, BreachWithdrawn, ExtensionApproved, MajorByAge),
    "steward.notify": (
        *(MessageRequested, MessageSent, MessageDelivered),
        *(MessageFailed, MessageUnknown, MessageSuppressed),
    ),
}
"""The facts that mean something to intake; of all others only the place is read."""


def on_visits(recorded: Recorded) -> Iterable[To]:
    """Hear of follow-ups."""
    return reactions.on_followup(recorded)


def on_sla(recorded: Recorded) -> Iterable[To]:
    """Hear of clocks."""
    return reactions.on_clock(recorded)


def on_notify(recorded: Recorded) -> Iterable[To]:
    """Hear of messages."""
    return reactions.on_message(recorded)


def on_tickets(open_desk: Callable[[], Desk]) -> Callable[[ForeignEvent], Awaitable[Iterable[To]]]:
    """Hear of another system's tickets; each is served at a desk of its own.

    What is refused waits with a reason in clear: it names fields, and quotes nothing.
    """

    async def hear(event: ForeignEvent) -> Iterable[To]:
        desk = open_desk()
        desk.quoting = False
        return await tickets.commands(desk, event)

    return hear
