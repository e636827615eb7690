"""Facts of visits: follow-ups owed to households, visits to them, and how many are owed a month."""

from steward_events.fact import Fact
from steward_events.sealed import Sealed
from steward_events.vocabulary import (
    Id,
    Instant,
    Mode,
    PolicyName,
    Role,
    Several,
    Topic,
    Value,
    Word,
    Zone,
)


class CaseNoted(Fact, name="visits.case_noted"):
    """What visits heard of the case, so that what is owed follows from its own facts."""

    case_id: Id
    project_id: Id
    zone: Zone
    policy: PolicyName
    household_id: Id | None = None
    round: int = 1
    fields: Several[dict[str, str]] = {}
    """What the conditions of follow-up rules may ask for: kind, severity, work category, …"""
    happened: Several[dict[str, Instant]] = {}
    """Facts of this round that a follow-up rule waits for, by name without owner and version."""
    number: Word = ""
    ended: Word = ""
    """Why the case goes on no further, so that it owes nothing: refused, withdrawn, merged, …"""


class FollowupFact(Fact):
    """What every fact about one follow-up says."""

    followup_id: Id
    case_id: Id
    project_id: Id
    rule: Several[tuple[Word, ...]]
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
    policy: PolicyName = ""
    modes: Several[tuple[Mode, ...]] = ()
    """Each of them counts, and one made on site always does."""
    roles: Several[tuple[Role, ...]] = ()
    """One of them makes it, or somebody above; without any it is anybody's."""
    zone: Zone = ""
    """The project's zone, in which the days end."""
    rate: float = 1.0
    """The least part of all that are owed by this rule that has to be made."""

    @property
    def carries_out(self) -> tuple[str, ...]:
        """Of the rules about follow-ups those of which this one is."""
        return self.rule


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
    zone: Zone = ""
    policy: PolicyName = ""


class HeldRole(Value):
    """A role that a person holds."""

    role: Role
    person_id: Id


class LedgerNoted(Fact, name="visits.ledger_noted"):
    """What visits heard of the project, so that what its staff owe follows from its own facts."""

    project_id: Id
    zone: Zone = ""
    """Empty until the project itself was heard of; months begin then."""
    group_id: Id | None = None
    pack: PolicyName = ""
    month: Word = ""
    """The running month of the project's zone, as `2026-10`; empty while nobody owes visits."""
    held: Several[tuple[HeldRole, ...]] = ()


class DutyNoted(Fact, name="visits.duty_noted"):
    """What visits heard of something that is seen to again and again, such as a suggestion box."""

    subject: Id
    project_id: Id
    zone: Zone
    group_id: Id
    pack: PolicyName
    period: Word
    """The running week of the project's zone, as `2026-W42`."""
    ended: bool = False
    """It is there no longer, so that nothing is owed."""


class DutyFact(Fact):
    """What every fact about one duty in one period says."""

    rules = ("RM-4.2.8",)

    subject: Id
    """What it is owed for."""
    project_id: Id
    duty: Word
    """The ID of the policy's entry."""
    period: Word
    rule: Several[tuple[Word, ...]]
    role: Role
    zone: Zone
    policy: PolicyName


class DutyDue(DutyFact, name="visits.duty_due"):
    """It is to be done until the period ends."""

    by: Instant


class DutyDone(DutyFact, name="visits.duty_done"):
    """It was done within the period, whenever that became known."""

    done_at: Instant


class DutyMissed(DutyFact, name="visits.duty_missed"):
    """The period has ended, at `by`, and nobody has said that it was done; the role is told."""

    by: Instant


class VisitFact(Fact):
    """What every fact about one visit says."""

    visit_id: Id
    project_id: Id
    household_id: Id
    person_id: Id
    """Who visited."""
    month: Word
    """The month of the project's zone in which it was made, as `2026-10`."""


class VisitDone(VisitFact, name="visits.visit_done"):
    """A household was visited, and what was said (HV-4.2: each about its topics)."""

    rules = ("CV-9.2", "CV-9.3.2e", "HV-4.2.1..10", "HV-4.3.1")

    visited_at: Instant
    mode: Mode
    topics: Several[tuple[Topic, ...]] = ()
    content: Sealed | None = None
    feedback: Sealed | None = None
    measures: Sealed | None = None
    case_id: Id | None = None
    """The case that it raised."""


class VisitStruck(VisitFact, name="visits.visit_struck"):
    """The visit was written down by mistake: it counts no longer, and why."""

    reason: Word
    struck_by: Id | None = None


class QuotaFact(Fact):
    """What every fact about one person's quota of one month says."""

    rules = ("CV-9.1a", "CV-9.1b", "CV-9.1c")

    project_id: Id
    person_id: Id
    quota: Word
    """The ID of the policy's entry."""
    month: Word
    rule: Several[tuple[Word, ...]]
    role: Role
    required: int
    """Households, each counted once."""
    policy: PolicyName = ""

    @property
    def carries_out(self) -> tuple[str, ...]:
        """Of the rules about quotas that of which this one is."""
        return self.rule


class QuotaDue(QuotaFact, name="visits.quota_due"):
    """Who holds this role is to visit so many households until the month ends."""

    by: Instant


class QuotaWaived(QuotaFact, name="visits.quota_waived"):
    """The role ended before the month did: the visits are owed no longer."""


class QuotaReached(QuotaFact, name="visits.quota_reached"):
    """So many households were visited; `reached_at` is when the last of them was."""

    counted: int
    reached_at: Instant


class QuotaReachedWithdrawn(QuotaFact, name="visits.quota_reached_withdrawn"):
    """A visit that had counted was struck: the quota is not reached after all."""

    counted: int


class QuotaMissed(QuotaFact, name="visits.quota_missed"):
    """The month has ended, at `by`, with fewer households visited than required."""

    counted: int
    by: Instant


class QuotaMissedWithdrawn(QuotaFact, name="visits.quota_missed_withdrawn"):
    """The month's visits were enough after all: one was written down late."""

    counted: int
