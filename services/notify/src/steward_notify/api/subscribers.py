"""What notify hears: a subscriber for each owner of facts."""

from collections.abc import Iterable

from steward_events.recorded import Recorded
from steward_eventstore.execute import To
from steward_notify.application import reactions


def on_intake(heard: Recorded) -> Iterable[To]:
    """Hear the registry and the policies, which are only kept, and cases."""
    return reactions.tell_owner(heard)


def on_sla(heard: Recorded, rules_of: reactions.RulesOf = lambda _: None) -> Iterable[To]:
    """Hear escalations, and more time that was approved."""
    return reactions.tell(heard, rules_of)


def on_visits(heard: Recorded, rules_of: reactions.RulesOf = lambda _: None) -> Iterable[To]:
    """Hear of follow-ups that were not made in time."""
    return reactions.remind(heard, rules_of)
