"""Facts of sla: the clocks of every case, their breaches and escalations."""

from typing import Any, Literal

from steward_events.fact import Fact
from steward_events.sealed import Sealed
from steward_events.vocabulary import Id, Instant, PolicyName, Role, Several, Word, Zone


class ClockFact(Fact):
    """What every fact about one clock says: whose, which target, which rule."""

    case_id: Id
    project_id: Id
    clock: Word
    """Target, round and, where a target has one clock a value, the value: `minor-resolve#1`."""
    target: Word
    rule: Several[tuple[Word, ...]]
    basis: Literal["rule", "default"] = "rule"
    severity: Word = ""


class CaseNoted(Fact, name="sla.case_noted"):
    """What sla heard of the case, so that its clocks can be computed again from its own facts."""

    case_id: Id
    project_id: Id
    noted: Word
    """The case's fact by name without owner and version: `case_received`."""
    at: Instant
    version: int
    fields: Several[dict[str, Any]] = {}
    history: Instant | None = None
    """Up to when the case is history, of which nobody was told and which nobody could answer."""
    known_at: Instant | None = None
    """When it became known, where that was later: before, nobody could be told of it."""
    calendars: int = 0
    """How many publications of calendars are taken account of from now on."""


class ClockStarted(ClockFact, name="sla.clock_started"):
    """A target began to run, runs again after a late fact, or counts from an earlier reception.

    Breaches that stand go on standing.
    """

    started_at: Instant
    due_at: Instant
    provisional: bool = False
    policy: PolicyName
    calendar: Word = ""


class ClockRescheduled(ClockFact, name="sla.clock_rescheduled"):
    """The due time moved."""

    old_due: Instant
    new_due: Instant
    cause: Word
    provisional: bool = False
    policy: PolicyName = ""
    """The policy by which it is due now, where another one was reapplied."""


class ClockPaused(ClockFact, name="sla.clock_paused"):
    """The clock stands still while the owner is waited for."""

    reason: Word


class ClockResumed(ClockFact, name="sla.clock_resumed"):
    """The clock runs again, with what is left."""

    resumed_at: Instant
    due_at: Instant


class ClockWarned(ClockFact, name="sla.clock_warned"):
    """The due time is near."""

    warned_at: Instant
    due_at: Instant
    warning: int
    number: Word = ""


class ClockBreached(ClockFact, name="sla.clock_breached"):
    """The due time passed unmet.

    `breached_at` is the due time itself; only a duty that a reopening takes up again after its due
    time is late from the reopening.
    """

    due_at: Instant
    breached_at: Instant
    number: int
    unheard: bool = False


class BreachWithdrawn(ClockFact, name="sla.breach_withdrawn"):
    """A late fact showed that there was no breach."""

    number: int
    reason: Word = ""


class BreachExcused(ClockFact, name="sla.breach_excused"):
    """More time was approved, or the owner told of it, only after the limit: late, but excused."""

    number: int


class MajorByAge(ClockFact, name="sla.major_by_age"):
    """A month passed without a resolution: the complaint is major from now on."""


class OwnerDateDeclined(ClockFact, name="sla.owner_date_declined"):
    """The owner asked for an earlier date that nobody accepted: it does not bind, and they are told."""

    rules = ("RM-4.5.2c",)

    asked_for: Instant
    due_at: Instant


class ClockMet(ClockFact, name="sla.clock_met"):
    """The duty was done: in time, with approval, or after its breach."""

    met_at: Instant
    outcome: Literal["in_time", "with_approval", "breached"]


class ClockCancelled(ClockFact, name="sla.clock_cancelled"):
    """The target no longer applies; breaches stand."""

    reason: Word
    into: Id | None = None
    """The case that goes on for this one, where it was merged."""


class Escalated(ClockFact, name="sla.escalated"):
    """Lateness climbs to a role; whoever holds it is found when the message is sent."""

    escalation_id: Id
    breach: int
    step: int
    to: Role
    deliver: Literal["at_once", "duty_hours"] = "at_once"
    due_at: Instant
    number: Word = ""
    zone: Zone = ""
    """The project's zone, in which the due time is told."""
    policy: PolicyName = ""
    """The policy, whose duty calendar says when people are told; `pack@version`."""
    because: Literal["unacknowledged", "undecided"] | None = None
    """Why it is told beside the steps of the pack: nobody answered for the last step, or nobody
    decided on more time."""
    told_at: Instant | None = None
    """When it climbed, or became known after that; from then on an acknowledgement is waited for."""
    decide_by: Instant | None = None
    """Until when the role that decides on more time is asked to, before anybody above it is told."""


class EscalationAcknowledged(ClockFact, name="sla.escalation_acknowledged"):
    """Somebody has taken it over; the chain stops. Told of each that was open of the breach."""

    escalation_id: Id
    person_id: Id


class EscalationWithdrawn(ClockFact, name="sla.escalation_withdrawn"):
    """Those who had been told are told that it was withdrawn.

    There was no breach after all, or the case was merged `into` another, which goes on for it; then
    its breach stands. Of more time that is `settled` nobody is told, only no longer asked.
    """

    escalation_id: Id
    to: Role
    number: Word = ""
    due_at: Instant | None = None
    zone: Zone = ""
    policy: PolicyName = ""
    into: Id | None = None
    into_number: Word = ""
    settled: bool = False
    """Whether more time was requested, and by now was decided on or is needed no longer."""
    reason: Word = ""
    """Why there was no breach: `met` by that due time, or the reason of `clock_cancelled`.

    Empty where it is due at another time."""


class ExtensionRequested(ClockFact, name="sla.extension_requested"):
    """More time was asked for before the due time, with a reason and a date."""

    extension_id: Id
    at: Instant
    until: Instant
    asked_by: Id
    reason: Sealed | None = None


class ExtensionApproved(ClockFact, name="sla.extension_approved"):
    """The role agreed; it takes effect when the owner has been told the new date."""

    extension_id: Id
    at: Instant
    until: Instant
    approved_by: Id
    role: Role


class ExtensionRefused(ClockFact, name="sla.extension_refused"):
    """The role did not agree."""

    extension_id: Id
    at: Instant
    refused_by: Id
    role: Role


class PolicyReapplied(Fact, name="sla.policy_reapplied"):
    """What runs goes by another version of its policy from now on, for a reason.

    Whom it concerns: what of all is not named is all. Group-wide.
    """

    reapply_id: Id
    policy: PolicyName
    """`pack@version`."""
    instead_of: PolicyName = ""
    """Only what goes by this version."""
    reason: Sealed
    asked_by: Id
    projects: Several[tuple[Id, ...]] = ()
    targets: Several[tuple[Word, ...]] = ()
    cases: Several[tuple[Id, ...]] = ()
