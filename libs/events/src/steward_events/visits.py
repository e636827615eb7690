"""Facts of visits: follow-ups owed to households."""

from steward_events.fact import Fact
from steward_events.sealed import Sealed
from steward_events.vocabulary import Id, Instant, Mode, Role, Word


class CaseNoted(Fact, name="visits.case_noted"):
    """What visits heard of the case, so that what is owed follows from its own facts."""

    case_id: Id
    project_id: Id
    zone: Word
    policy: Word
    household_id: Id | None = None
    round: int = 1
    fields: dict[str, str] = {}
    """What the conditions of follow-up rules may ask for: kind, severity, work category, …"""
    happened: dict[str, Instant] = {}
    """Facts of this round that a follow-up rule waits for, by name without owner and version."""
    number: Word = ""
    ended: Word = ""
    """Why the case goes on no further, so that it owes nothing: refused, withdrawn, merged, …"""


class FollowupFact(Fact):
    """What every fact about one follow-up says."""

    followup_id: Id
    case_id: Id
    project_id: Id
    rule: tuple[Word, ...]
    round: int = 1


class FollowupDue(FollowupFact, name="visits.followup_due"):
    """A household is owed a follow-up, in this mode, by then."""

    rules = ("FU-4.1.2.2a", "FU-4.1.2.3a", "FU-4.1.2.3b", "FU-4.1.2.3d", "RM-4.6.4a")

    household_id: Id | None = None
    mode: Mode
    """As it is expected to be made."""
    by: Instant
    role: Role | None = None
    """Who is to make it, or somebody above; the first of `roles`."""
    policy: Word = ""
    modes: tuple[Mode, ...] = ()
    """Each of them counts, and one made on site always does."""
    roles: tuple[Role, ...] = ()
    """One of them makes it, or somebody above; without any it is anybody's."""
    zone: Word = ""
    """The project's zone, in which the days end."""
    rate: float = 1.0
    """The least part of all that are owed by this rule that has to be made."""


class FollowupDone(FollowupFact, name="visits.followup_done"):
    """The follow-up was made; `overdue` says that it was made after its time."""

    rules = ("FU-4.1.1", "FU-5.1")

    mode: Mode
    person_id: Id | None = None
    satisfied: bool | None = None
    remark: Sealed | None = None
    overdue: bool = False


class FollowupWaived(FollowupFact, name="visits.followup_waived"):
    """The follow-up is owed no longer, and why."""

    reason: Word
    person_id: Id | None = None


class FollowupOverdue(FollowupFact, name="visits.followup_overdue"):
    """The follow-up was not made in time; `to` is told."""

    by: Instant
    to: Role | None = None
    number: Word = ""
    """The case's number."""
    mode: Mode | None = None
    zone: Word = ""
    policy: Word = ""
