"""What sla hears: a subscriber for each owner of facts."""

from collections.abc import Iterable

from steward_events.recorded import Recorded
from steward_eventstore.execute import To
from steward_sla.application import reactions


def on_intake(heard: Recorded) -> Iterable[To]:
    """Hear cases and the registry."""
    return reactions.follow(heard)


def feeds(stream: str) -> str:
    """Name the stream whose alarms wait while a stream of intake is parked."""
    return reactions.stream_of(stream.removeprefix("case-")) if stream.startswith("case-") else ""
