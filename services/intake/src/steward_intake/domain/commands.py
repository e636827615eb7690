"""What can be asked of a case: one command a class, all of them `CaseCommand`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from steward_events.intake import (
    BreachNoted,
    CaseAccepted,
    CaseAcknowledged,
    CaseAnswered,
    CaseChased,
    CaseClassified,
    CaseDispatched,
    CaseForwarded,
    CasePaused,
    CaseReceived,
    CaseResumed,
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
    ProgressReported,
    ReceiptConfirmed,
    SeverityRaised,
    WorkStarted,
)
from steward_events.sealed import Sealed
from steward_events.vocabulary import Kind, Role, Severity, Urgency
from steward_intake.domain.approval import Approver
from steward_intake.domain.sayings import Say
from steward_intake.domain.story import Origin
from steward_policy.case_rules import DEFAULTS, CaseRules

How = Literal["in_person", "phone", "message", "letter"]


@dataclass(frozen=True, slots=True)
class ReceiveCase:
    """Take a case in; `received` is what was said, `owner` who answers for it, and `reason` why.

    An emergency is classified as one at once: its terms run from the reception (RC-5.1..2).
    """

    at: datetime
    received: CaseReceived
    owner: str | None = None
    reason: str = "first_contact"
    urgency: Urgency = Urgency.ORDINARY


STANDING = frozenset({"urgency", "work_category", "rework_of"})
"""What chooses clocks and follow-ups, and may be left `unsaid`."""


@dataclass(frozen=True, slots=True)
class ClassifyCase:
    """Say what the case is; the first time its `cause` is always `first`.

    Of what is `unsaid` stands what was said before: an emergency does not end by silence.
    """

    at: datetime
    classified: CaseClassified
    by: Origin = "steward"
    approver: Approver | None = None
    unsaid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RaiseSeverity:
    """A rule makes a valid complaint weightier; it never makes one less so."""

    at: datetime
    severity: Severity = Severity.MAJOR
    cause: Literal["age", "new_facts"] = "age"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AssignCase:
    """Give the case to a named person."""

    at: datetime
    person_id: str
    reason: str = ""
    by: Origin = "steward"


@dataclass(frozen=True, slots=True)
class HandOver:
    """Give the case to another person if it is still the one's whose role has ended."""

    at: datetime
    before: str
    person_id: str


@dataclass(frozen=True, slots=True)
class DispatchCase:
    """Give the case to a department."""

    at: datetime
    dispatch_id: str
    department: str
    reason: str = ""
    person_id: str | None = None
    by: Origin = "steward"


@dataclass(frozen=True, slots=True)
class AcceptDispatch:
    """The department takes it; without an ID the last dispatch is meant."""

    at: datetime
    dispatch_id: str | None = None
    person_id: str | None = None
    by: Origin = "steward"


@dataclass(frozen=True, slots=True)
class RefuseDispatch:
    """The department says that it is not its matter, and why."""

    at: datetime
    reason: Sealed | None
    dispatch_id: str | None = None
    person_id: str | None = None
    by: Origin = "steward"


@dataclass(frozen=True, slots=True)
class AcceptCase:
    """Take the case into the procedure, as who acts in a role."""

    at: datetime
    role: Role
    person_id: str | None = None
    by: Origin = "steward"
    approver: Approver | None = None


@dataclass(frozen=True, slots=True)
class PauseCase:
    """Wait for the owner, until a date."""

    at: datetime
    resume_on: datetime
    because: Literal["owner_asked", "not_reached"] = "owner_asked"
    rules: CaseRules = DEFAULTS


@dataclass(frozen=True, slots=True)
class ResumeCase:
    """End the wait."""

    at: datetime


@dataclass(frozen=True, slots=True)
class HandleCase:
    """Say that the work is done, and what was done against it and its return."""

    at: datetime
    person_id: str | None = None
    corrective: Sealed | None = None
    preventive: Sealed | None = None
    by: Origin = "steward"
    said_at: datetime | None = None
    """When it was said here, if not when it happened."""
    rules: CaseRules = DEFAULTS


@dataclass(frozen=True, slots=True)
class TellResult:
    """Say that the result has reached the owner."""

    at: datetime
    how: How
    person_id: str | None = None
    round: int | None = None
    """Whose result a message told; one of another round tells nothing of this one."""
    by: Origin = "steward"


@dataclass(frozen=True, slots=True)
class GiveSatisfaction:
    """The owner says how content they are, 1 to 5."""

    at: datetime
    score: int
    remark: Sealed | None = None


@dataclass(frozen=True, slots=True)
class CloseCase:
    """Say that nothing more is owed."""

    at: datetime
    by: Origin = "steward"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReopenCase:
    """It was not resolved after all; `round` is the one that visits' follow-up found wanting."""

    at: datetime
    reason: Literal["owner", "followup", "external"] = "owner"
    round: int | None = None
    followup_id: str | None = None


@dataclass(frozen=True, slots=True)
class RefuseCase:
    """Say that what is asked for cannot be met, and why; a supervisor agrees.

    `text` is what the owner is told of it by message, if not the reason itself.
    """

    at: datetime
    reason: Sealed | None
    person_id: str | None
    approver: Approver | None = None
    by: Origin = "steward"
    text: Sealed | None = None

    @property
    def approved_by(self) -> str | None:
        """Who agrees."""
        return self.approver.person_id if self.approver else None


@dataclass(frozen=True, slots=True)
class TellRefusal:
    """The owner has been told why the case was refused in that round, by this message."""

    at: datetime
    message_id: str
    round: int


@dataclass(frozen=True, slots=True)
class WithdrawCase:
    """The owner takes it back; a second person confirms that."""

    at: datetime
    asked_by: Sealed | None
    how: How
    person_id: str | None
    approver: Approver | None = None
    by: Origin = "steward"

    @property
    def confirmed_by(self) -> str | None:
        """Who confirms it."""
        return self.approver.person_id if self.approver else None


@dataclass(frozen=True, slots=True)
class MergeCase:
    """Let another case, `into`, go on for this one too."""

    at: datetime
    into: str
    person_id: str | None = None
    into_number: str = ""


@dataclass(frozen=True, slots=True)
class AbsorbCase:
    """Take over another case: `received_at` is the earlier reception of the two.

    `concerned` are the households that the other concerned, its own among them.
    """

    at: datetime
    merged: str
    kind: Kind
    received_at: datetime
    severity: Severity | None = None
    harm_ongoing: bool = False
    concerned: tuple[HouseholdConcerned, ...] = ()


@dataclass(frozen=True, slots=True)
class MoveCase:
    """Let the case go on in another project, as a case there."""

    at: datetime
    to_project: str
    to_case: str
    reason: str = ""
    person_id: str | None = None


Takeable = (
    CaseClassified
    | SeverityRaised
    | CaseAccepted
    | CaseDispatched
    | DispatchAccepted
    | DispatchRefused
    | DispatchWithdrawn
    | ProgressReported
    | CaseForwarded
    | CasePaused
    | CaseResumed
    | ContactFailed
    | CaseChased
    | ManagerCalled
    | HarmReported
    | ImmediateMeasuresTaken
    | ReceiptConfirmed
    | WorkStarted
    | MadeSafe
    | CaseAcknowledged
    | CaseAnswered
    | OwnerInformed
    | BreachNoted
)
"""What was decided and done in a case counts where it is moved, so that nobody is late there with
what was in time here, and what was missed is not forgotten. What was agreed on and not done yet is
agreed on anew, but for promises."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Let what was decided or done in the project from which the case was moved count here."""

    at: datetime
    fact: Takeable


@dataclass(frozen=True, slots=True)
class EndHistory:
    """What came before `until` has been imported."""

    at: datetime
    until: datetime


CaseCommand = (
    ReceiveCase
    | Say
    | ClassifyCase
    | RaiseSeverity
    | AssignCase
    | HandOver
    | DispatchCase
    | AcceptDispatch
    | RefuseDispatch
    | AcceptCase
    | PauseCase
    | ResumeCase
    | HandleCase
    | TellResult
    | GiveSatisfaction
    | CloseCase
    | ReopenCase
    | RefuseCase
    | TellRefusal
    | WithdrawCase
    | MergeCase
    | AbsorbCase
    | MoveCase
    | TakeOver
    | EndHistory
)
