"""What visits hears: a subscriber for each owner of facts."""

from collections.abc import Iterable

from steward_events.recorded import Recorded
from steward_eventstore.execute import To
from steward_visits.application import reactions


def on_intake(heard: Recorded) -> Iterable[To]:
    """Hear cases and the registry."""
    yield from reactions.follow(heard)
    yield from reactions.keep_ledger(heard)
    yield from reactions.watch(heard)


def feeds(stream: str) -> str:
    """Name the stream whose alarms wait while a stream of intake is parked."""
    kind, _, id_ = stream.partition("-")
    match kind:
        case "case":
            return reactions.stream_of(id_)
        case "project" | "roles":
            return reactions.ledger_of(id_)
        case "box":
            return reactions.duties_of(id_)
        case _:
            return ""
