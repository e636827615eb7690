"""What may be said of a case after its reception, in clear, and the command that each becomes."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, StringConstraints

from steward_decider import Refused
from steward_events.fact import Fact
from steward_events.intake import (
    AppointmentKept,
    AppointmentMade,
    AppointmentMissed,
    CaseAbsorbed,
    CaseAcknowledged,
    CaseAnswered,
    CaseAssigned,
    CaseChased,
    CaseClassified,
    CaseClosed,
    CaseCorrected,
    CaseDispatched,
    CaseForwarded,
    CaseHandled,
    CaseLinked,
    CasePaused,
    CaseRefused,
    CaseReopened,
    CaseResumed,
    CaseWithdrawn,
    ContactFailed,
    DispatchAccepted,
    DispatchRefused,
    DispatchWithdrawn,
    HarmReported,
    HouseholdConcerned,
    ImmediateMeasuresTaken,
    MadeSafe,
    ManagerCalled,
    OwnerInformed,
    OwnerMessageRequested,
    ProgressReported,
    PromiseKept,
    PromiseMade,
    QuoteAccepted,
    QuoteDeclined,
    QuoteGiven,
    ReceiptConfirmed,
    RecordSubmitted,
    ResultTold,
    SatisfactionGiven,
    SeverityRaised,
    SolutionProposed,
    WorkStarted,
)
from steward_events.sealed import Sealed
from steward_events.tickets import Line, Name, Text
from steward_events.vocabulary import (
    Area,
    Channel,
    Clear,
    External,
    Grievance,
    Moment,
    NotGiven,
    Part,
    Role,
    Several,
    Severity,
    Urgency,
    Validity,
    WorkCategory,
)
from steward_intake.application.words import (
    LONGEST_TOLD,
    Document,
    Held,
    Loss,
    Many,
    Reason,
    Reception,
    Said,
    Told,
)
from steward_intake.domain.approval import Approver
from steward_intake.domain.commands import (
    STANDING,
    AcceptCase,
    AcceptDispatch,
    AssignCase,
    CaseCommand,
    ClassifyCase,
    CloseCase,
    DispatchCase,
    GiveSatisfaction,
    HandleCase,
    How,
    PauseCase,
    RefuseCase,
    RefuseDispatch,
    ReopenCase,
    ResumeCase,
    TellResult,
    WithdrawCase,
)
from steward_intake.domain.sayings import SAYINGS, SaidFact, Say
from steward_intake.domain.story import Origin
from steward_policy.case_rules import CaseRules


@dataclass(frozen=True, slots=True)
class Speaking:
    """When and through whom something is said; `seal` takes a field's name and its text.

    `approver` gives a person with the roles in which they may act at the case's project, `rules` what
    the project's policy allows.
    """

    at: datetime
    by: Origin
    id: str
    """Of the saying itself: the same again is known by it."""
    seal: Callable[[str, str], Awaitable[Sealed | None]]
    approver: Callable[[str | None], Awaitable[Approver | None]]
    rules: Callable[[], Awaitable[CaseRules]]
    now: datetime


_OF_A_DISPATCH = (CaseDispatched, DispatchAccepted, DispatchRefused, DispatchWithdrawn)


class Action(Said, ABC):
    """What happens to a case after its reception."""

    tells: ClassVar[type[Fact] | None] = None
    """The fact whose texts are compared where the same is said again."""
    follows: ClassVar[tuple[type[Fact], ...]] = ()
    """What it goes on from or takes the place of: it is not dated before any of these of its case."""
    followed_by: ClassVar[str] = ""
    """The field that says which of them are meant, such as a promise's ID; all of them without one."""
    forgives: ClassVar[bool] = False
    """It ends or holds up what runs: what was missed after it would not have been missed."""
    occurred_at: Moment | None = None

    @property
    def is_dated_back(self) -> bool:
        """Whether it says when it was, and goes on from something."""
        return self.occurred_at is not None and bool(self.follows)

    @property
    def second(self) -> str | None:
        """Who agrees to it, if somebody does."""
        return getattr(self, "approved_by", None) or getattr(self, "confirmed_by", None)

    def goes_on_from(self, fact: Fact) -> bool:
        """Say whether a fact of its case came before this, whatever was typed in first."""
        name = self.followed_by
        return isinstance(fact, self.follows) and (
            not name or getattr(self, name) == getattr(fact, name)
        )

    @property
    def may_repeat(self) -> bool:
        """Say whether an earlier fact may hold the same texts."""
        return self.tells is not None

    def repeats(self, fact: Fact) -> bool:
        """Say whether a fact is the same as this, apart from its words."""
        return self.tells is not None and isinstance(fact, self.tells)

    @abstractmethod
    async def command(self, speaking: Speaking) -> CaseCommand:
        """Give the command, with everything personal sealed."""


class Classify(Action):
    """What the case is (RC-4.2), with what is known by then; `reason` says why it is changed.

    Its urgency, its work category and what it is a rework of stay where they are left out.
    """

    follows = (CaseClassified, SeverityRaised, CaseAbsorbed)
    type: Literal["case_classified"] = "case_classified"
    validity: Validity | None = None
    ground: Clear = ""
    severity: Severity | None = None
    topic: Clear = ""
    urgency: Urgency = Urgency.ORDINARY
    work_category: WorkCategory | None = None
    rework_of: Name | None = None
    cause: Literal["correction", "new_facts"] = "correction"
    reason: Clear = ""
    person_id: Name | None = None
    confirmed_by: Name | None = None
    injury: bool | None = None
    grievance: Grievance | None = None
    claimed_loss: Loss | None = None
    company_at_fault: bool | None = None
    easily_remedied: bool | None = None
    outside_party: Clear | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Classify; the decider knows whether it is the first time."""
        said = self.model_dump(exclude={"type", "occurred_at", "person_id"})
        # The stream knows its case; the decider writes the ID in.
        fact = CaseClassified(case_id="-", classified_by=self.person_id, **said)
        approver = await speaking.approver(self.confirmed_by)
        unsaid = STANDING - self.model_fields_set
        return ClassifyCase(speaking.at, fact, speaking.by, approver, unsaid)


class Assign(Action):
    """Who owns the case from now on."""

    follows = (CaseAssigned,)
    type: Literal["case_assigned"] = "case_assigned"
    person_id: Name
    reason: Clear = ""

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Assign."""
        return AssignCase(speaking.at, self.person_id, self.reason, speaking.by)


class Dispatch(Action):
    """Which department is to work on it (RM-4.6.1)."""

    follows = _OF_A_DISPATCH
    type: Literal["case_dispatched"] = "case_dispatched"
    dispatch_id: Name | None = None
    department: Annotated[Clear, StringConstraints(min_length=1)]
    reason: Clear = ""
    person_id: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Dispatch."""
        id_ = self.dispatch_id or speaking.id
        return DispatchCase(
            speaking.at, id_, self.department, self.reason, self.person_id, speaking.by
        )


class AcceptedDispatch(Action):
    """The department works on it; without an ID the last dispatch is meant."""

    follows = _OF_A_DISPATCH
    type: Literal["dispatch_accepted"] = "dispatch_accepted"
    dispatch_id: Name | None = None
    person_id: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Accept the dispatch."""
        return AcceptDispatch(speaking.at, self.dispatch_id, self.person_id, speaking.by)


class RefusedDispatch(Action):
    """Why it is not the department's matter; without an ID the last dispatch is meant."""

    tells = DispatchRefused
    follows = _OF_A_DISPATCH
    type: Literal["dispatch_refused"] = "dispatch_refused"
    dispatch_id: Name | None = None
    reason: Text = ""
    person_id: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Refuse the dispatch."""
        reason = await speaking.seal("reason", self.reason)
        return RefuseDispatch(speaking.at, reason, self.dispatch_id, self.person_id, speaking.by)


class Accept(Action):
    """Who takes it into the procedure, and as what (RM-4.5.2b)."""

    type: Literal["case_accepted"] = "case_accepted"
    role: Role
    person_id: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Accept; who says so here may act in that role."""
        approver = await speaking.approver(self.person_id)
        return AcceptCase(speaking.at, self.role, self.person_id, speaking.by, approver)


class Pause(Action):
    """Until when the case waits for its owner, and why."""

    follows = (CasePaused, CaseResumed, CaseHandled, CaseReopened)
    forgives = True
    type: Literal["case_paused"] = "case_paused"
    resume_on: Moment
    because: Literal["owner_asked", "not_reached"] | None = None
    """Other systems and history may leave it out: then the owner asked."""

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Pause; one of us says why."""
        if self.because is None and speaking.by == "steward":
            raise Refused(
                "Say by because why the case waits: owner_asked or not_reached.", code="bad_data"
            )
        because = self.because or "owner_asked"
        return PauseCase(speaking.at, self.resume_on, because, await speaking.rules())


class Resume(Action):
    """The wait is over."""

    follows = (CasePaused, CaseReopened)
    type: Literal["case_resumed"] = "case_resumed"

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Resume."""
        return ResumeCase(speaking.at)


class Handle(Action):
    """The work is done; what was done against it and its return (RM-4.6.1)."""

    tells = CaseHandled
    follows = (CaseReopened,)
    type: Literal["case_handled"] = "case_handled"
    person_id: Name | None = None
    corrective: Text = ""
    preventive: Text = ""

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Handle."""
        corrective = await speaking.seal("corrective", self.corrective)
        preventive = await speaking.seal("preventive", self.preventive)
        return HandleCase(
            *(speaking.at, self.person_id, corrective, preventive, speaking.by, speaking.now),
            rules=await speaking.rules(),
        )


class Tell(Action):
    """How the result reached the owner (RM-4.6.3)."""

    follows = (CaseHandled, CaseReopened)
    type: Literal["result_told"] = "result_told"
    how: How
    person_id: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Tell."""
        return TellResult(speaking.at, self.how, self.person_id, by=speaking.by)


class Satisfaction(Action):
    """How content the owner is (RC-4.4)."""

    tells = SatisfactionGiven
    type: Literal["satisfaction_given"] = "satisfaction_given"
    score: Annotated[int, Field(ge=1, le=5)]
    remark: Text = ""

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Give the score."""
        return GiveSatisfaction(speaking.at, self.score, await speaking.seal("remark", self.remark))


class Close(Action):
    """Nothing more is owed."""

    follows = (CaseHandled, ResultTold, CaseReopened)
    type: Literal["case_closed"] = "case_closed"
    reason: Clear = ""

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Close."""
        return CloseCase(speaking.at, speaking.by, self.reason)


class Reopen(Action):
    """It was not resolved after all."""

    follows = (CaseHandled, ResultTold, CaseClosed, CaseReopened)
    type: Literal["case_reopened"] = "case_reopened"
    reason: Literal["owner", "followup", "external"] = "owner"

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Reopen."""
        return ReopenCase(speaking.at, self.reason)


class Refuse(Action):
    """Why what is asked for cannot be met, and who agrees (RM-4.8).

    `text` is what the owner is told of it by message; one of us says it where the reason is too long.
    """

    tells = CaseRefused
    follows = (CaseHandled, CaseReopened)
    forgives = True
    type: Literal["case_refused"] = "case_refused"
    reason: Text = ""
    text: Told | None = None
    person_id: Name | None = None
    approved_by: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Refuse; the owner can be told why by an SMS."""
        if self.text is None and len(self.reason) > LONGEST_TOLD and speaking.by == "steward":
            raise Refused(
                f"An SMS holds {LONGEST_TOLD} characters: say by text what the owner is told of this"
                " reason.",
                rule="RM-4.8",
                code="bad_data",
            )
        reason = await speaking.seal("reason", self.reason)
        text = await speaking.seal("text", self.text or "")
        approver = await speaking.approver(self.approved_by)
        return RefuseCase(speaking.at, reason, self.person_id, approver, speaking.by, text)


class Withdraw(Action):
    """Who of the household took it back, how, and who confirms it."""

    tells = CaseWithdrawn
    follows = (CaseHandled, CaseReopened)
    forgives = True
    type: Literal["case_withdrawn"] = "case_withdrawn"
    asked_by: Line = ""
    how: How
    person_id: Name | None = None
    confirmed_by: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Withdraw."""
        asked_by = await speaking.seal("asked_by", self.asked_by)
        approver = await speaking.approver(self.confirmed_by)
        return WithdrawCase(speaking.at, asked_by, self.how, self.person_id, approver, speaking.by)


class Telling(Action):
    """What is only said of a case: field by field its fact, the texts sealed.

    An ID that is left out is the saying's own.
    """

    tells: ClassVar[type[SaidFact]]
    person_id: Name | None = None

    @property
    def may_repeat(self) -> bool:
        """Only under an ID that was given before."""
        known_by = SAYINGS[self.tells].known_by
        given = all(getattr(self, name, "") is not None for name in known_by)
        return given and any(_is_sealed(self.tells, name) for name in self.tells.model_fields)

    def repeats(self, fact: Fact) -> bool:
        """By what the fact is known again."""
        names = (name for name in SAYINGS[self.tells].known_by if hasattr(self, name))
        return isinstance(fact, self.tells) and all(
            getattr(self, name) == getattr(fact, name) for name in names
        )

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Say it."""
        said: dict[str, Any] = {}
        for name in self.tells.model_fields.keys() & type(self).model_fields.keys():
            value = getattr(self, name)
            if _is_sealed(self.tells, name):
                value = await speaking.seal(name, value)
            elif value is None and name in SAYINGS[self.tells].known_by:
                value = speaking.id
            said[name] = value
        # The stream knows its case; the decider writes the ID in.
        fact = self.tells(case_id="-", **said)
        approver = await speaking.approver(said.get("approved_by"))
        return Say(speaking.at, fact, speaking.by, approver)


def _is_sealed(fact: type[Fact], field: str) -> bool:
    return Sealed in get_args(fact.model_fields[field].annotation)


class Chase(Telling):
    """The owner asks again."""

    tells = CaseChased
    type: Literal["case_chased"] = "case_chased"
    chase_id: Name | None = None
    channel: Channel = Channel.PHONE
    demand: Text = ""


class Forward(Telling):
    """Before which role, or which outside party, the case is put (RM-3.1)."""

    tells = CaseForwarded
    type: Literal["case_forwarded"] = "case_forwarded"
    forward_id: Name | None = None
    to: Role | None = None
    outside_party: Clear = ""


class Acknowledge(Telling):
    """What was answered in public, and where (RM-4.6.7)."""

    tells = CaseAcknowledged
    type: Literal["case_acknowledged"] = "case_acknowledged"
    text: Text = ""
    link: Clear = ""


class ConfirmReceipt(Telling):
    """How number and content were confirmed (RC-5.1)."""

    tells = ReceiptConfirmed
    type: Literal["receipt_confirmed"] = "receipt_confirmed"
    how: How


class CallManager(Telling):
    """A superior is asked for at once (RM-4.5.1b)."""

    tells = ManagerCalled
    type: Literal["manager_called"] = "manager_called"
    call_id: Name | None = None


class ReportHarm(Telling):
    """What harm goes on while we speak (RM-4.9)."""

    tells = HarmReported
    follows = (HarmReported, ImmediateMeasuresTaken)
    type: Literal["harm_reported"] = "harm_reported"
    harm_id: Name | None = None
    what: Text = ""


class TakeMeasures(Telling):
    """What stopped or lessened the harm (RM-4.9)."""

    tells = ImmediateMeasuresTaken
    follows = (HarmReported, ImmediateMeasuresTaken)
    type: Literal["immediate_measures_taken"] = "immediate_measures_taken"
    measures: Text = ""


class Answer(Telling):
    """What will be done, by when, or why not (RM-4.10.3)."""

    tells = CaseAnswered
    type: Literal["case_answered"] = "case_answered"
    answer_id: Name | None = None
    decision: Literal["will", "partly", "will_not"]
    by_date: Moment | None = None
    reasons: Text = ""
    in_writing: bool = False


class Propose(Telling):
    """What is going to be done (RC-4.3)."""

    tells = SolutionProposed
    type: Literal["solution_proposed"] = "solution_proposed"
    proposal_id: Name | None = None
    text: Text = ""
    chargeable: bool = False


class GiveQuote(Telling):
    """What chargeable work will cost, in fen; another quote has another ID.

    Below a hundred million yuan: a telephone number that is typed in here is refused, and so not
    kept in clear.
    """

    tells = QuoteGiven
    type: Literal["quote_given"] = "quote_given"
    quote_id: Name | None = None
    amount: Annotated[int, Field(gt=0, lt=10_000_000_000)]
    currency: Literal["CNY"] = "CNY"
    what_for: Text = ""


class AcceptQuote(Telling):
    """The owner agrees to pay that: who, and how they said so."""

    tells = QuoteAccepted
    follows = (QuoteGiven, QuoteAccepted, QuoteDeclined)
    followed_by = "quote_id"
    type: Literal["quote_accepted"] = "quote_accepted"
    quote_id: Name
    how: How
    said_by: Line = ""


class DeclineQuote(Telling):
    """The owner does not want it for that: who says so, and why."""

    tells = QuoteDeclined
    follows = (QuoteGiven, QuoteAccepted, QuoteDeclined)
    followed_by = "quote_id"
    type: Literal["quote_declined"] = "quote_declined"
    quote_id: Name
    how: How
    said_by: Line = ""
    reason: Text = ""


class Inform(Telling):
    """Of what the owner was told, and how (RC-4.3)."""

    tells = OwnerInformed
    type: Literal["owner_informed"] = "owner_informed"
    notice_id: Name | None = None
    about: Literal["solution", "new_date", "progress", "other"]
    how: How
    extension_id: Name | None = None
    reason: Clear = ""


class AskToTell(Telling):
    """What the owner is to be told by message."""

    tells = OwnerMessageRequested
    type: Literal["owner_message_requested"] = "owner_message_requested"
    request_id: Name | None = None
    about: Literal["result", "solution", "progress", "other"]
    text: Told


class Appoint(Telling):
    """Which time was agreed with the owner; with an ID agreed before, it is moved (FU-S1)."""

    tells = AppointmentMade
    follows = (AppointmentMade,)
    followed_by = "appointment_id"
    type: Literal["appointment_made"] = "appointment_made"
    appointment_id: Name | None = None
    at: Moment
    moved_by: Literal["owner", "us"] | None = None
    approved_by: Name | None = None


class KeepAppointment(Telling):
    """Somebody was there."""

    tells = AppointmentKept
    follows = (AppointmentMade,)
    followed_by = "appointment_id"
    type: Literal["appointment_kept"] = "appointment_kept"
    appointment_id: Name


class MissAppointment(Telling):
    """Who was not there."""

    tells = AppointmentMissed
    follows = (AppointmentMade,)
    followed_by = "appointment_id"
    type: Literal["appointment_missed"] = "appointment_missed"
    appointment_id: Name
    by: Literal["us", "owner"]


class FailContact(Telling):
    """How the owner was not reached."""

    tells = ContactFailed
    type: Literal["contact_failed"] = "contact_failed"
    contact_id: Name | None = None
    channel: Channel = Channel.PHONE


class StartWork(Telling):
    """Somebody is on the spot and works (RC-4.3)."""

    tells = WorkStarted
    type: Literal["work_started"] = "work_started"
    chargeable: bool = False


class MakeSafe(Telling):
    """Nobody is endangered any more (RC-5.1)."""

    tells = MadeSafe
    type: Literal["made_safe"] = "made_safe"


class Progress(Telling):
    """How far the work is (RM-3.3)."""

    tells = ProgressReported
    type: Literal["progress_reported"] = "progress_reported"
    report_id: Name | None = None
    department: Clear = ""
    text: Text = ""


class SubmitRecord(Telling):
    """The handling record was handed in (RM-4.6.2b)."""

    tells = RecordSubmitted
    follows = (CaseHandled, CaseReopened)
    type: Literal["record_submitted"] = "record_submitted"


class Promise(Telling):
    """What was promised, and by when; with an ID promised before, it is moved (FU-S1)."""

    tells = PromiseMade
    follows = (PromiseMade,)
    followed_by = "promise_id"
    type: Literal["promise_made"] = "promise_made"
    promise_id: Name | None = None
    promised_at: Moment
    what: Text = ""
    moved_by: Literal["owner", "us"] | None = None
    approved_by: Name | None = None


class KeepPromise(Telling):
    """What was promised was done (FU-S1)."""

    tells = PromiseKept
    follows = (PromiseMade,)
    followed_by = "promise_id"
    type: Literal["promise_kept"] = "promise_kept"
    promise_id: Name


class Link(Telling):
    """With which other case it has to do."""

    tells = CaseLinked
    type: Literal["case_linked"] = "case_linked"
    other: Name
    why: Literal["repeat", "rework", "raised_in_followup", "same_cause"]


class ConcernHousehold(Telling):
    """Which other household the case concerns, and as what; without a part, no longer."""

    tells = HouseholdConcerned
    follows = (HouseholdConcerned,)
    followed_by = "household_id"
    type: Literal["household_concerned"] = "household_concerned"
    household_id: Name
    part: Part | None


class Correct(Telling):
    """What was written down wrongly or left out at reception (RM-4.5.1a)."""

    tells = CaseCorrected
    follows = (CaseCorrected,)
    type: Literal["case_corrected"] = "case_corrected"
    correction_id: Name | None = None
    household_id: Name | None = None
    topic: Clear | None = None
    complained_of: Clear | None = None
    owner_requested_date: Moment | None = None
    owner_date_accepted: bool | None = None
    authority_due: Moment | None = None
    approved_by: Name | None = None
    injury: bool | None = None
    grievance: Grievance | None = None
    claimed_loss: Loss | None = None
    company_at_fault: bool | None = None
    easily_remedied: bool | None = None
    outside_party: Clear | None = None
    summary: Line = ""
    description: Text = ""
    reporter_name: Line = ""
    reporter_phone: Line = ""
    reporter_email: Line = ""
    document: Document | None = None
    place: Clear | None = None
    area: Area | None = None
    asset: Clear | None = None
    demand: Text = ""
    not_given: Several[dict[Held, NotGiven]] = {}


ACTIONS: dict[str, type[Action]] = {
    "classify": Classify,
    "assign": Assign,
    "dispatch": Dispatch,
    "accept-dispatch": AcceptedDispatch,
    "refuse-dispatch": RefusedDispatch,
    "accept": Accept,
    "acknowledge": Acknowledge,
    "confirm-receipt": ConfirmReceipt,
    "forward": Forward,
    "call-manager": CallManager,
    "chase": Chase,
    "report-harm": ReportHarm,
    "take-measures": TakeMeasures,
    "answer": Answer,
    "propose": Propose,
    "quote": GiveQuote,
    "accept-quote": AcceptQuote,
    "decline-quote": DeclineQuote,
    "inform": Inform,
    "message-owner": AskToTell,
    "appoint": Appoint,
    "keep-appointment": KeepAppointment,
    "miss-appointment": MissAppointment,
    "fail-contact": FailContact,
    "start-work": StartWork,
    "make-safe": MakeSafe,
    "report-progress": Progress,
    "pause": Pause,
    "resume": Resume,
    "handle": Handle,
    "submit-record": SubmitRecord,
    "tell-result": Tell,
    "promise": Promise,
    "keep-promise": KeepPromise,
    "satisfaction": Satisfaction,
    "close": Close,
    "reopen": Reopen,
    "refuse": Refuse,
    "withdraw": Withdraw,
    "link": Link,
    "concern": ConcernHousehold,
    "correct": Correct,
}
"""By the last part of their address: `POST /v1/cases/{id}/classify`."""


class Bulk(Said):
    """One thing said of many cases, or of all of an incident, for one reason."""

    case_ids: Many | None = None
    incident: Name | None = None
    reason: Reason
    say: Annotated[Assign | Dispatch | Inform | Close, Field(discriminator="type")]


class Received(Reception):
    """The first fact of an imported case."""

    type: Literal["case_received"] = "case_received"


Happening = Annotated[
    Accept
    | AcceptQuote
    | AcceptedDispatch
    | Acknowledge
    | Answer
    | Appoint
    | AskToTell
    | Assign
    | CallManager
    | Chase
    | Classify
    | Close
    | ConcernHousehold
    | ConfirmReceipt
    | Correct
    | DeclineQuote
    | Dispatch
    | FailContact
    | Forward
    | GiveQuote
    | Handle
    | Inform
    | KeepAppointment
    | KeepPromise
    | Link
    | MakeSafe
    | MissAppointment
    | Pause
    | Progress
    | Promise
    | Propose
    | Refuse
    | RefusedDispatch
    | Reopen
    | ReportHarm
    | Resume
    | Satisfaction
    | StartWork
    | SubmitRecord
    | TakeMeasures
    | Tell
    | Withdraw,
    Field(discriminator="type"),
]
"""Any action, as imports and other systems tell it: by its `type`."""

Past = Annotated[Received | Happening, Field(discriminator="type")]


class Record(Said):
    """One case's past, or the rest of it, from another system: told once, whole or not at all.

    `id` makes a repeat known; `external` finds a case that was received before.
    """

    id: Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00]+$")]
    project_id: Name
    external: External
    history_until: Moment
    facts: Annotated[Several[list[Past]], Field(min_length=1, max_length=500)]
