"""What notify hears: a subscriber for each owner of facts."""

from collections.abc import Iterable

from steward_events.recorded import Recorded
from steward_eventstore.execute import To
from steward_notify.application import reactions


def on_intake(heard: Recorded) -> Iterable[To]:  # noqa: ARG001 - the registry is only kept
    """Hear the registry and the policies."""
    return ()


def on_sla(heard: Recorded, rules_of: reactions.RulesOf = lambda _: None) -> Iterable[To]:
    """Hear escalations."""
    return reactions.tell(heard, rules_of)


def on_visits(heard: Recorded, rules_of: reactions.RulesOf = lambda _: None) -> Iterable[To]:
    """Hear of follow-ups that were not made in time."""
    return reactions.remind(heard, rules_of)
