"""Facts of intake about cases: their whole story."""

from typing import Literal

from steward_events.fact import Fact
from steward_events.sealed import Sealed
from steward_events.vocabulary import (
    Area,
    Channel,
    Concern,
    External,
    Grievance,
    Id,
    Instant,
    IssuedDocument,
    Kind,
    NotGiven,
    Part,
    Party,
    PolicyName,
    Role,
    SaidZone,
    Several,
    Severity,
    Suggested,
    Urgency,
    Validity,
    Word,
    WorkCategory,
)

_USUAL = {Channel.HOTLINE, Channel.COUNTER, Channel.PHONE, Channel.SYSTEM}
"""What comes otherwise is of another form, such as a letter (RM-4.7)."""


class CaseReceived(Fact, name="intake.case_received"):
    """A case was taken in and given a number. Starts its clocks.

    `occurred_at` is when the owner spoke, not when we stored it: a paper form typed in two days
    later is already two days old.
    """

    rules = (
        *("RC-2", "RC-3.1", "RM-3.5", "RM-4.2ch", "RM-4.5.1a", "RM-4.7"),
        *("RM-4.2.9", "HV-4.1", "CV-9.3.2d", "FU-4.1.3", "FU-5.3"),
    )

    case_id: Id
    number: Word
    project_id: Id
    zone: SaidZone
    """The project's time zone, in which its days end."""
    policy: PolicyName
    """Pack and version that the case was taken in under, as `residential-cn@2026.1`."""
    kind: Kind
    channel: Channel = Channel.SYSTEM
    party: Party = Party.HOUSEHOLD
    household_id: Id | None = None
    topic: Word = ""
    summary: Sealed | None = None
    description: Sealed | None = None
    reporter_name: Sealed | None = None
    reporter_phone: Sealed | None = None
    reporter_email: Sealed | None = None
    complained_of: Word = ""
    owner_requested_date: Instant | None = None
    owner_date_accepted: bool = False
    """Whoever took it in agreed to that date, so that it binds though it is earlier than the limit."""
    authority_due: Instant | None = None
    """By when an authority wants it done, such as the hotline 12345; nobody inside puts that off."""
    posted_at: Instant | None = None
    handed_over_at: Instant | None = None
    harm_ongoing: bool = False
    received_by: Id | None = None
    external: External | None = None
    moved_from: Id | None = None
    """The case of another project that this one goes on with; its clocks keep their first start."""
    came_by: Word = ""
    """What `channel` says, more exactly."""
    committee_id: Id | None = None
    """The owners' committee that speaks."""
    visit_id: Id | None = None
    """The visit in which it was raised, since it could not be answered on the spot."""
    followup_id: Id | None = None
    """The follow-up in which it was raised."""
    document: IssuedDocument | None = None
    """The document that caused it."""
    place: Word = ""
    """Where it is, if not in the household's home."""
    area: Area | None = None
    asset: Word = ""
    """What it is about, as a lift or a pump, by its number."""
    demand: Sealed | None = None
    """What is asked for."""
    not_given: Several[dict[str, NotGiven]] = {}
    """What was asked for in vain, and why it was not given."""
    lacks: Several[tuple[Word, ...]] = ()
    """What the record must hold and does not."""
    in_writing: bool = False
    """The answer was asked for in writing."""
    injury: bool = False
    households_concerned: int = 1
    authority_or_media: bool = False
    date_only: bool = False
    """The source knew the day and not the hour; the hour was spread by rule."""
    grievance: Grievance | None = None
    claimed_loss: int | None = None
    """In yuan, as the owner puts it."""
    company_at_fault: bool | None = None
    easily_remedied: bool | None = None
    outside_party: Word | None = None
    """Who else has to act, as far as it is known."""
    concerns: Several[tuple[Concern, ...]] = ()
    """Other households that it concerns."""

    @property
    def carries_out(self) -> tuple[str, ...]:
        """Of the rules about receptions those of which this one is."""
        is_complaint = self.kind is Kind.COMPLAINT
        holds = {
            "RC-3.1": self.kind is Kind.CONSULTATION,
            "RM-3.5": self.channel is Channel.HOTLINE,
            "RM-4.5.1a": is_complaint,
            "RM-4.7": is_complaint and self.channel not in _USUAL,
            "RM-4.2.9": self.committee_id is not None,
            "CV-9.3.2d": self.visit_id is not None,
            "FU-4.1.3": self.followup_id is not None,
            "FU-5.3": self.document is not None,
        }
        return tuple(rule for rule in self.rules if holds.get(rule, True))


class CaseClassified(Fact, name="intake.case_classified"):
    """A person decided what the case is. Chooses its targets.

    `suggested` is what the policy's table said, so that the two can be compared.
    """

    rules = ("RM-3.4", "RC-4.2")

    case_id: Id
    validity: Validity | None = None
    ground: Word = ""
    severity: Severity | None = None
    topic: Word = ""
    urgency: Urgency = Urgency.ORDINARY
    work_category: WorkCategory | None = None
    rework_of: Id | None = None
    cause: Literal["first", "correction", "new_facts", "age"] = "first"
    classified_by: Id | None = None
    confirmed_by: Id | None = None
    """The second person, where new facts or a milder view need one."""
    reason: Word = ""
    """Why it was classified anew."""
    injury: bool | None = None
    grievance: Grievance | None = None
    claimed_loss: int | None = None
    """In yuan, as the owner puts it."""
    company_at_fault: bool | None = None
    easily_remedied: bool | None = None
    outside_party: Word | None = None
    """Who has to act in a coordination matter."""
    suggested: Suggested | None = None

    @property
    def carries_out(self) -> tuple[str, ...]:
        """Also the rules by which its class was suggested."""
        return (*self.rules, *(self.suggested.rule if self.suggested is not None else ()))


class CaseAssigned(Fact, name="intake.case_assigned"):
    """A named person owns the case from now on."""

    case_id: Id
    person_id: Id
    before: Id | None = None
    reason: Word = ""


class CaseAccepted(Fact, name="intake.case_accepted"):
    """Somebody of this role took the case into the procedure. Stops the forwarding clocks."""

    rules = ("RM-4.5.2b",)

    case_id: Id
    person_id: Id | None = None
    role: Role


class CaseChased(Fact, name="intake.case_chased"):
    """The owner asked again; no clock of the case begins anew."""

    rules = ("RM-4.4.1a", "RM-3.4")

    case_id: Id
    chase_id: Id | None = None
    channel: Channel = Channel.PHONE
    demand: Sealed | None = None
    chase: int = 1
    """How often the owner has asked again by now; the second time is told to the cs_supervisor."""


class ProgressReported(Fact, name="intake.progress_reported"):
    """Whoever works on the case says how far it is."""

    rules = ("RM-3.3", "RC-5.3")

    case_id: Id
    report_id: Id
    department: Word = ""
    text: Sealed | None = None
    person_id: Id | None = None


class CasePaused(Fact, name="intake.case_paused"):
    """Waiting for the owner, until a date; only some clocks pause."""

    case_id: Id
    reason: Literal["waiting_owner"]
    resume_on: Instant
    because: Literal["owner_asked", "not_reached"] = "owner_asked"


class CaseResumed(Fact, name="intake.case_resumed"):
    """The wait is over: somebody said so, its date came, or the case was handled."""

    case_id: Id
    because: Literal["said", "date", "handled"] = "said"


class CaseHandled(Fact, name="intake.case_handled"):
    """The work is done. Stops the resolving clocks and owes the follow-up."""

    rules = ("RM-4.6.1", "RM-4.6.2a")

    case_id: Id
    round: int = 1
    person_id: Id | None = None
    corrective: Sealed | None = None
    preventive: Sealed | None = None
    closes_on: Instant | None = None
    """When a request closes by itself, unless a follow-up is owed that each such case is owed."""


class ResultTold(Fact, name="intake.result_told"):
    """The result reached the owner."""

    rules = ("RM-4.6.3",)

    case_id: Id
    round: int = 1
    how: Literal["in_person", "phone", "message", "letter"]
    person_id: Id | None = None


class FollowupNoted(Fact, name="intake.followup_noted"):
    """Visits says that this round's follow-up is done or owed no longer: the case may close."""

    rules = ("RM-4.6.4a",)

    case_id: Id
    followup_id: Id
    round: int
    outcome: Literal["done", "waived"]


class FollowupOwed(Fact, name="intake.followup_owed"):
    """Visits says that each such request is owed a follow-up: until then it does not close by itself."""

    case_id: Id
    followup_id: Id
    round: int


class BreachNoted(Fact, name="intake.breach_noted"):
    """Sla says that a duty of the case was missed: its severity is not lowered lightly any more.

    Or that it was not missed after all, once a late fact has shown that.
    """

    case_id: Id
    clock: Word
    withdrawn: bool = False


class SatisfactionGiven(Fact, name="intake.satisfaction_given"):
    """The owner said how content they are, 1 to 5."""

    case_id: Id
    score: int
    remark: Sealed | None = None


class CaseClosed(Fact, name="intake.case_closed"):
    """Nothing more is owed; `missing` lists what a closing from elsewhere, or by date, left out."""

    rules = ("RC-7",)

    case_id: Id
    round: int = 1
    by: Literal["steward", "external", "history"] = "steward"
    missing: Several[tuple[Word, ...]] = ()
    reason: Word = ""
    """`by_date` of a request that nobody closed in three days."""


class CaseReopened(Fact, name="intake.case_reopened"):
    """It was not resolved after all: the next round begins."""

    case_id: Id
    round: int
    reason: Literal["owner", "followup", "external"] = "owner"
    followup_id: Id | None = None
    """The follow-up in which the owner was not satisfied."""


class CaseDispatched(Fact, name="intake.case_dispatched"):
    """The case was given to a department; time held counts from here (RM-4.11)."""

    rules = ("RM-4.6.1", "RM-3.3")

    case_id: Id
    dispatch_id: Id
    round: int = 1
    department: Word
    reason: Word = ""
    person_id: Id | None = None
    before_move: bool = False
    """It was given to it in the project from which the case was moved, where the time counts."""


class DispatchRefused(Fact, name="intake.dispatch_refused"):
    """The department says that it is not its matter; clocks go on."""

    case_id: Id
    dispatch_id: Id
    department: Word
    refusal: int = 1
    """How many departments have refused in this round; the second goes to the centre_manager."""
    reason: Sealed | None = None
    person_id: Id | None = None


class DispatchAccepted(Fact, name="intake.dispatch_accepted"):
    """The department works on it."""

    rules = ("RM-4.6.1",)

    case_id: Id
    dispatch_id: Id
    department: Word
    person_id: Id | None = None


class CaseForwarded(Fact, name="intake.case_forwarded"):
    """The case was put before a role or an outside party."""

    rules = ("RM-3.1", "RM-4.3.2a..e")

    case_id: Id
    forward_id: Id
    to: Role | None = None
    outside_party: Word = ""
    person_id: Id | None = None


class DispatchWithdrawn(Fact, name="intake.dispatch_withdrawn"):
    """The department has it no longer: the case was moved, and is given to one of its new project."""

    rules = ("RM-4.6.1",)

    case_id: Id
    dispatch_id: Id
    department: Word


class CaseAcknowledged(Fact, name="intake.case_acknowledged"):
    """A post was answered in public, with its link."""

    rules = ("RM-4.6.7", "RC-6.3")

    case_id: Id
    text: Sealed | None = None
    link: Word = ""
    person_id: Id | None = None


class ReceiptConfirmed(Fact, name="intake.receipt_confirmed"):
    """Number and content of a request were confirmed to whoever made it."""

    rules = ("RC-5.1..2",)

    case_id: Id
    how: Literal["in_person", "phone", "message", "letter"]
    person_id: Id | None = None


class ManagerCalled(Fact, name="intake.manager_called"):
    """Whoever speaks with the owner asks for a superior at once."""

    rules = ("RM-4.5.1b",)

    case_id: Id
    call_id: Id
    person_id: Id | None = None


class HarmReported(Fact, name="intake.harm_reported"):
    """Harm goes on while we speak; nothing else comes before stopping it."""

    rules = ("RM-4.9",)

    case_id: Id
    harm_id: Id
    what: Sealed | None = None
    person_id: Id | None = None


class ImmediateMeasuresTaken(Fact, name="intake.immediate_measures_taken"):
    """The harm was stopped or lessened."""

    rules = ("RM-4.9",)

    case_id: Id
    measures: Sealed | None = None
    person_id: Id | None = None


class CaseAnswered(Fact, name="intake.case_answered"):
    """The owner was told clearly what will be done, by when, or why not."""

    rules = ("RM-4.10.3", "RM-4.8", "RC-3.2")

    case_id: Id
    answer_id: Id
    decision: Literal["will", "partly", "will_not"]
    by_date: Instant | None = None
    reasons: Sealed | None = None
    in_writing: bool = False
    person_id: Id | None = None


class SolutionProposed(Fact, name="intake.solution_proposed"):
    """What is going to be done, before it is done."""

    rules = ("RC-4.3",)

    case_id: Id
    proposal_id: Id
    round: int = 1
    text: Sealed | None = None
    chargeable: bool = False
    quote_falls: bool = False
    """It is in place of another solution, whose quote no longer counts."""
    person_id: Id | None = None


class QuoteGiven(Fact, name="intake.quote_given"):
    """The owner was told what chargeable work will cost; the last one given in a round counts."""

    rules = ("RC-4.3",)

    case_id: Id
    quote_id: Id
    round: int = 1
    amount: int
    """In the hundredth part of the currency."""
    currency: Literal["CNY"] = "CNY"
    what_for: Sealed | None = None
    person_id: Id | None = None


class QuoteAccepted(Fact, name="intake.quote_accepted"):
    """The owner agrees to pay that; the work may start."""

    rules = ("RC-4.3",)

    case_id: Id
    quote_id: Id
    how: Literal["in_person", "phone", "message", "letter"]
    said_by: Sealed | None = None
    """Who of the household."""
    quoted: int | None = None
    """Its amount."""
    person_id: Id | None = None


class QuoteDeclined(Fact, name="intake.quote_declined"):
    """The owner does not want it for that: another solution is proposed, or nothing is done."""

    rules = ("RC-4.3",)

    case_id: Id
    quote_id: Id
    how: Literal["in_person", "phone", "message", "letter"]
    said_by: Sealed | None = None
    reason: Sealed | None = None
    stands: Id | None = None
    """The quote that was accepted before, on which the work that has started goes on."""
    stands_at: int | None = None
    """Its amount."""
    person_id: Id | None = None


class OwnerInformed(Fact, name="intake.owner_informed"):
    """The owner knows: the solution, a new date, or how far it is."""

    rules = ("RC-4.3", "RM-4.10.1", "RM-4.10.2")

    case_id: Id
    notice_id: Id
    about: Literal["solution", "new_date", "progress", "other"]
    how: Literal["in_person", "phone", "message", "letter"]
    extension_id: Id | None = None
    proposal_id: Id | None = None
    """Which solution a message told; without it the one that was proposed last."""
    reason: Word = ""
    person_id: Id | None = None
    incident: Id | None = None
    """The incident whose statement they were told."""


class ExtensionNoted(Fact, name="intake.extension_noted"):
    """Sla says that more time was approved; once the owner is told, the new date is a promise."""

    rules = ("RM-4.10.1", "RM-4.10.2")

    case_id: Id
    extension_id: Id
    round: int = 1
    until: Instant
    approved_by: Id


class OwnerMessageRequested(Fact, name="intake.owner_message_requested"):
    """Somebody asks that the owner be told by message; once it was delivered, the owner knows."""

    rules = ("RM-4.6.3", "RC-4.3", "HV-4.3.3c")

    case_id: Id
    request_id: Id
    round: int = 1
    about: Literal["result", "solution", "progress", "other"]
    proposal_id: Id | None = None
    """Which solution it tells: the one that was proposed last."""
    text: Sealed | None = None
    person_id: Id | None = None
    incident: Id | None = None
    """The incident whose statement it is; `request_id` names the statement."""
    also: Several[tuple[Id, ...]] = ()
    """Other cases in the incident of the household whose case it is: the one message tells them all."""


class AppointmentMade(Fact, name="intake.appointment_made"):
    """A time was agreed with the owner; made again under the same ID, it was moved."""

    rules = ("RC-5.1..2", "FU-4.1.3", "FU-S1")

    case_id: Id
    appointment_id: Id
    at: Instant
    moved_by: Literal["owner", "us"] | None = None
    approved_by: Id | None = None
    """The cs_supervisor, where staff moved it."""
    person_id: Id | None = None


class AppointmentKept(Fact, name="intake.appointment_kept"):
    """Somebody was there."""

    rules = ("FU-S1",)

    case_id: Id
    appointment_id: Id
    person_id: Id | None = None


class AppointmentMissed(Fact, name="intake.appointment_missed"):
    """One of the two was not there."""

    rules = ("FU-S1",)

    case_id: Id
    appointment_id: Id
    by: Literal["us", "owner"]


class ContactFailed(Fact, name="intake.contact_failed"):
    """The owner could not be reached; after two, the case may wait for them."""

    case_id: Id
    contact_id: Id
    channel: Channel = Channel.PHONE
    person_id: Id | None = None


class WorkStarted(Fact, name="intake.work_started"):
    """Somebody is on the spot and works."""

    rules = ("RC-4.3", "RC-5.1..2")

    case_id: Id
    round: int = 1
    chargeable: bool = False
    person_id: Id | None = None


class MadeSafe(Fact, name="intake.made_safe"):
    """An emergency no longer endangers anybody; the repair may follow."""

    rules = ("RC-5.1..2",)

    case_id: Id
    round: int = 1
    person_id: Id | None = None


class RecordSubmitted(Fact, name="intake.record_submitted"):
    """The handling record was handed in to the service centre."""

    rules = ("RM-4.6.2b", "RM-4.6.3")

    case_id: Id
    round: int = 1
    person_id: Id | None = None


class PromiseMade(Fact, name="intake.promise_made"):
    """An owner was promised something by a date; under the same ID, the date was moved."""

    rules = ("FU-S1", "FU-4.1.3")

    case_id: Id
    promise_id: Id
    promised_at: Instant
    what: Sealed | None = None
    moved_by: Literal["owner", "us"] | None = None
    approved_by: Id | None = None
    """The cs_supervisor, where staff moved it; whoever approved an extension, where that did."""
    person_id: Id | None = None


class PromiseKept(Fact, name="intake.promise_kept"):
    """What was promised was done."""

    rules = ("FU-S1",)

    case_id: Id
    promise_id: Id
    person_id: Id | None = None


class SeverityRaised(Fact, name="intake.severity_raised"):
    """A rule made the complaint weightier; nobody may undo it without the centre_manager."""

    rules = ("RM-4.4.1c",)

    case_id: Id
    severity: Severity
    cause: Literal["age", "new_facts"] = "age"
    reason: Word = ""


class CaseRefused(Fact, name="intake.case_refused"):
    """What was asked for cannot be met, and why; a supervisor agreed. Its owner is told the reason."""

    rules = ("RM-4.8",)

    case_id: Id
    round: int | None = None
    reason: Sealed | None = None
    text: Sealed | None = None
    """What the owner is told of it by message, where the reason is longer than a text holds."""
    person_id: Id | None = None
    approved_by: Id | None = None


class CaseWithdrawn(Fact, name="intake.case_withdrawn"):
    """The owner took it back; a second person confirmed it."""

    case_id: Id
    asked_by: Sealed | None = None
    how: Literal["in_person", "phone", "message", "letter"]
    person_id: Id | None = None
    confirmed_by: Id | None = None


class CaseMerged(Fact, name="intake.case_merged"):
    """It is the same matter as another case, which goes on for both."""

    case_id: Id
    into: Id
    person_id: Id | None = None
    into_number: Word = ""


class CaseAbsorbed(Fact, name="intake.case_absorbed"):
    """Another case was merged into this one: the earliest reception, the strictest severity."""

    case_id: Id
    merged: Id
    received_at: Instant
    severity: Severity | None = None


class HouseholdConcerned(Fact, name="intake.household_concerned"):
    """The case concerns another household too; said again, its part is another."""

    case_id: Id
    household_id: Id
    part: Part | None = None
    """None: it does not concern them after all."""
    number: Word = ""
    """By which they know it, where their own case was merged into this one."""
    phone: Sealed | None = None
    email: Sealed | None = None
    """Where they asked to be reached in it."""
    person_id: Id | None = None


class CaseMovedOut(Fact, name="intake.case_moved_out"):
    """It belongs to another project, where it goes on as a case of its own."""

    case_id: Id
    to_project: Id
    to_case: Id
    reason: Word = ""
    person_id: Id | None = None


class CaseLinked(Fact, name="intake.case_linked"):
    """The case has to do with another one."""

    rules = ("RC-7",)

    case_id: Id
    other: Id
    why: Literal["repeat", "reopened_late", "rework", "raised_in_followup", "same_cause"]


class CaseCorrected(Fact, name="intake.case_corrected"):
    """What was written down at reception was wrong or incomplete."""

    rules = ("RM-4.5.1a", "RC-3.1", "FU-5.3")

    case_id: Id
    correction_id: Id
    household_id: Id | None = None
    topic: Word | None = None
    complained_of: Word | None = None
    owner_requested_date: Instant | None = None
    owner_date_accepted: bool | None = None
    """Whether the date that is named here was agreed to."""
    authority_due: Instant | None = None
    """As the authority has set it since."""
    approved_by: Id | None = None
    """The centre_manager, where the authority itself has set a later date."""
    injury: bool | None = None
    grievance: Grievance | None = None
    claimed_loss: int | None = None
    """In yuan, as the owner puts it."""
    company_at_fault: bool | None = None
    easily_remedied: bool | None = None
    outside_party: Word | None = None
    summary: Sealed | None = None
    description: Sealed | None = None
    reporter_name: Sealed | None = None
    reporter_phone: Sealed | None = None
    reporter_email: Sealed | None = None
    document: IssuedDocument | None = None
    place: Word | None = None
    area: Area | None = None
    asset: Word | None = None
    demand: Sealed | None = None
    not_given: Several[dict[str, NotGiven]] = {}
    lacks: Several[tuple[Word, ...]] | None = None
    """What the record still must hold and does not."""
    person_id: Id | None = None

    @property
    def carries_out(self) -> tuple[str, ...]:
        """FU-5.3 only where it names a document."""
        return tuple(rule for rule in self.rules if rule != "FU-5.3" or self.document is not None)


class AttachmentAdded(Fact, name="intake.attachment_added"):
    """A photo or letter was put to the case; the file itself lies sealed beside the facts."""

    rules = ("FU-5.2",)

    case_id: Id
    attachment_id: Id
    sha256: Word
    size: int
    media_type: Word
    what: Literal["before", "after", "signature", "letter", "other"] = "other"
    person_id: Id | None = None


class AttachmentRevealed(Fact, name="intake.attachment_revealed"):
    """Somebody looked at a photo or letter of the case; `principal_id` is whose key it was."""

    case_id: Id
    reveal_id: Id
    sha256: Word
    principal_id: Id
    reason: Word


class HouseholdNoteAdded(Fact, name="intake.household_note_added"):
    """What is to be known before a household is spoken to: what it prefers, or how it feels."""

    rules = ("FU-S1",)

    note_id: Id
    household_id: Id
    project_id: Id
    about: Literal["preference", "mood"]
    note: Sealed | None = None
    until: Instant
    """It is kept for twelve months."""
    case_id: Id | None = None
    person_id: Id | None = None


class HouseholdNoteRetired(Fact, name="intake.household_note_retired"):
    """The note is shown no longer."""

    rules = ("FU-S1",)

    note_id: Id
    household_id: Id
    because: Literal["age", "no_longer_true", "asked"]
    person_id: Id | None = None


class HouseholdNoteRevealed(Fact, name="intake.household_note_revealed"):
    """Somebody has read the note; `principal_id` is whose key it was."""

    note_id: Id
    reveal_id: Id
    principal_id: Id
    reason: Word


class BoxOpened(Fact, name="intake.box_opened"):
    """A suggestion box was opened; each slip in it became one of `cases`."""

    rules = ("RM-4.2.8",)

    box_id: Id
    opening_id: Id
    project_id: Id
    person_id: Id
    cases: Several[tuple[Id, ...]] = ()


class IncidentOpened(Fact, name="intake.incident_opened"):
    """Many cases have one cause: they are gathered here, and each keeps its clocks."""

    incident: Id
    project: Id
    title: Word = ""
    cause: Word = ""
    person_id: Id | None = None


class IncidentCaseAttached(Fact, name="intake.incident_case_attached"):
    """The case has this cause; the case itself says so by `case_joined_incident`."""

    incident: Id
    case: Id
    person_id: Id | None = None


class IncidentCaseDetached(Fact, name="intake.incident_case_detached"):
    """The case has another cause after all."""

    incident: Id
    case: Id
    reason: Word
    person_id: Id | None = None


class IncidentInformed(Fact, name="intake.incident_informed"):
    """One statement for all whose cases are attached; each household is told it once."""

    rules = ("RC-4.3", "HV-4.3.3c")

    incident: Id
    statement_id: Id
    about: Literal["solution", "progress", "other"]
    text: Sealed | None = None
    person_id: Id | None = None


class IncidentLetterPublished(Fact, name="intake.incident_letter_published"):
    """One open letter answers all whose cases are attached (FU-4.1.2.1b)."""

    rules = ("FU-4.1.2.1b",)

    incident: Id
    letter_id: Id
    text: Sealed | None = None
    person_id: Id | None = None
    """Who signs it."""


class IncidentClosed(Fact, name="intake.incident_closed"):
    """The cause is gone."""

    incident: Id
    left_open: Several[tuple[Id, ...]] = ()
    """Cases that go on all the same, each by itself."""
    person_id: Id | None = None


class CaseJoinedIncident(Fact, name="intake.case_joined_incident"):
    """The case is one of many on one cause; its clocks go on as they were."""

    case_id: Id
    incident_id: Id


class CaseLeftIncident(Fact, name="intake.case_left_incident"):
    """The case is no longer one of many."""

    case_id: Id
    incident_id: Id


class OpenLetterKept(Fact, name="intake.open_letter_kept"):
    """The open letter that answers the case is kept with it; it makes the follow-ups a letter may make."""

    rules = ("FU-4.1.2.1b",)

    case_id: Id
    letter_id: Id
    incident: Id
    round: int = 1
    text: Sealed | None = None
    person_id: Id | None = None


class HistoryEnded(Fact, name="intake.history_ended"):
    """What came before `until` was imported; from here the case is live."""

    case_id: Id
    until: Instant
