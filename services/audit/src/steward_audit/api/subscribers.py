"""What audit hears: every fact of every service, and it does nothing but remember."""

from collections.abc import Iterable

from steward_events.recorded import Recorded
from steward_eventstore.execute import To


def on_anything(heard: Recorded) -> Iterable[To]:  # noqa: ARG001 - its projection remembers it
    """Hear a fact."""
    return ()
