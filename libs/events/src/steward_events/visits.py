"""Facts of visits: follow-ups owed to households."""

from steward_events.fact import Fact
from steward_events.sealed import Sealed
from steward_events.vocabulary import Id, Instant, Mode, Role, Word


class FollowupFact(Fact):
    """What every fact about one follow-up says."""

    followup_id: Id
    case_id: Id
    project_id: Id
    rule: tuple[Word, ...]


class FollowupDue(FollowupFact, name="visits.followup_due"):
    """A household is owed a follow-up, in this mode, by then."""

    household_id: Id | None = None
    mode: Mode
    by: Instant
    round: int = 1
    role: Role | None = None
    policy: Word = ""


class FollowupDone(FollowupFact, name="visits.followup_done"):
    """The follow-up was made."""

    mode: Mode
    round: int | None = None
    person_id: Id | None = None
    satisfied: bool | None = None
    remark: Sealed | None = None
    overdue: bool = False


class FollowupWaived(FollowupFact, name="visits.followup_waived"):
    """The follow-up is owed no longer, and why."""

    round: int | None = None
    reason: Word
    person_id: Id | None = None


class FollowupOverdue(FollowupFact, name="visits.followup_overdue"):
    """The follow-up was not made in time."""

    by: Instant
