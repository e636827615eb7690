"""What intake does about what others have told it."""

from collections.abc import Iterable

from steward_events.recorded import Recorded
from steward_events.visits import FollowupDone, FollowupWaived
from steward_eventstore.execute import To
from steward_intake.domain.case import NoteFollowup


def on_followup(recorded: Recorded) -> Iterable[To]:
    """A complaint may close once its follow-up is done or waived (RM-4.6.4a)."""
    match recorded.fact:
        case FollowupDone() as fact:
            outcome = NoteFollowup(recorded.occurred_at, fact.followup_id, "done", fact.round)
        case FollowupWaived() as fact:
            outcome = NoteFollowup(recorded.occurred_at, fact.followup_id, "waived", fact.round)
        case _:
            return
    yield To(f"case-{fact.case_id}", fact.project_id, outcome)
