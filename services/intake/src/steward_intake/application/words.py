"""What people and other systems may say to intake, in clear; it is sealed before the domain sees it."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from steward_events.intake import CaseClassified
from steward_events.sealed import Sealed
from steward_events.tickets import Line, Name, Text
from steward_events.vocabulary import (
    Channel,
    External,
    Kind,
    Moment,
    Party,
    Role,
    Severity,
    Urgency,
    Validity,
    Word,
    WorkCategory,
)
from steward_intake.domain.case import (
    AcceptCase,
    AssignCase,
    CaseCommand,
    ChaseCase,
    ClassifyCase,
    CloseCase,
    GiveSatisfaction,
    HandleCase,
    Origin,
    PauseCase,
    ReopenCase,
    ReportProgress,
    ResumeCase,
    TellResult,
)


class Said(BaseModel):
    """Anything said from outside; an unknown field is refused, since it would be lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reporter(Said):
    """Who speaks, and how to reach them."""

    name: Line = ""
    phone: Line = ""
    email: Line = ""


class Reception(Said):
    """A case as it is told to us (RM-4.5.1a)."""

    project_id: Name
    kind: Kind
    occurred_at: Moment | None = None
    channel: Channel = Channel.SYSTEM
    party: Party = Party.HOUSEHOLD
    household_id: Name | None = None
    topic: Word = ""
    summary: Line = ""
    description: Text = ""
    reporter: Reporter = Reporter()
    complained_of: Word = ""
    owner_requested_date: Moment | None = None
    posted_at: Moment | None = None
    handed_over_at: Moment | None = None
    harm_ongoing: bool = False
    received_by: Name | None = None
    external: External | None = None
    date_only: bool = False


@dataclass(frozen=True, slots=True)
class Speaking:
    """When and through whom something is said; `seal` takes a field's name and its text."""

    at: datetime
    by: Origin
    id: str
    """Of the saying itself: the same again is known by it."""
    seal: Callable[[str, str], Awaitable[Sealed | None]]


class Action(Said, ABC):
    """What happens to a case after its reception."""

    occurred_at: Moment | None = None

    @abstractmethod
    async def command(self, speaking: Speaking) -> CaseCommand:
        """Give the command, with everything personal sealed."""


class Classify(Action):
    """What the case is (RC-4.2)."""

    type: Literal["case_classified"] = "case_classified"
    validity: Validity | None = None
    ground: Word = ""
    severity: Severity | None = None
    topic: Word = ""
    urgency: Urgency = Urgency.ORDINARY
    work_category: WorkCategory | None = None
    rework_of: Name | None = None
    cause: Literal["correction", "new_facts"] = "correction"
    person_id: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Classify; the decider knows whether it is the first time."""
        said = self.model_dump(exclude={"type", "occurred_at", "person_id"})
        # The stream knows its case; the decider writes the ID in.
        fact = CaseClassified(case_id="-", classified_by=self.person_id, **said)
        return ClassifyCase(speaking.at, fact, speaking.by)


class Assign(Action):
    """Who owns the case from now on."""

    type: Literal["case_assigned"] = "case_assigned"
    person_id: Name
    reason: Word = ""

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Assign."""
        return AssignCase(speaking.at, self.person_id, self.reason, speaking.by)


class Accept(Action):
    """Who takes it into the procedure, and as what (RM-4.5.2b)."""

    type: Literal["case_accepted"] = "case_accepted"
    role: Role
    person_id: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Accept."""
        return AcceptCase(speaking.at, self.role, self.person_id)


class Chase(Action):
    """The owner asks again."""

    type: Literal["case_chased"] = "case_chased"
    channel: Channel = Channel.PHONE
    demand: Text = ""

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Chase."""
        demand = await speaking.seal("demand", self.demand)
        return ChaseCase(speaking.at, speaking.id, self.channel, demand)


class Progress(Action):
    """How far the work is (RM-3.3)."""

    type: Literal["progress_reported"] = "progress_reported"
    department: Word = ""
    text: Text = ""
    person_id: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Report."""
        text = await speaking.seal("text", self.text)
        return ReportProgress(speaking.at, speaking.id, self.department, text, self.person_id)


class Pause(Action):
    """Until when the owner asked to wait."""

    type: Literal["case_paused"] = "case_paused"
    resume_on: Moment

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Pause."""
        return PauseCase(speaking.at, self.resume_on)


class Resume(Action):
    """The wait is over."""

    type: Literal["case_resumed"] = "case_resumed"

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Resume."""
        return ResumeCase(speaking.at)


class Handle(Action):
    """The work is done; what was done against it and its return (RM-4.6.1)."""

    type: Literal["case_handled"] = "case_handled"
    person_id: Name | None = None
    corrective: Text = ""
    preventive: Text = ""

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Handle."""
        corrective = await speaking.seal("corrective", self.corrective)
        preventive = await speaking.seal("preventive", self.preventive)
        return HandleCase(speaking.at, self.person_id, corrective, preventive, speaking.by)


class Tell(Action):
    """How the result reached the owner (RM-4.6.3)."""

    type: Literal["result_told"] = "result_told"
    how: Literal["in_person", "phone", "message", "letter"]
    person_id: Name | None = None

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Tell."""
        return TellResult(speaking.at, self.how, self.person_id)


class Satisfaction(Action):
    """How content the owner is (RC-4.4)."""

    type: Literal["satisfaction_given"] = "satisfaction_given"
    score: Annotated[int, Field(ge=1, le=5)]
    remark: Text = ""

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Give the score."""
        return GiveSatisfaction(speaking.at, self.score, await speaking.seal("remark", self.remark))


class Close(Action):
    """Nothing more is owed."""

    type: Literal["case_closed"] = "case_closed"

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Close."""
        return CloseCase(speaking.at, speaking.by)


class Reopen(Action):
    """It was not resolved after all."""

    type: Literal["case_reopened"] = "case_reopened"
    reason: Literal["owner", "followup", "external"] = "owner"

    async def command(self, speaking: Speaking) -> CaseCommand:
        """Reopen."""
        return ReopenCase(speaking.at, self.reason)


ACTIONS: dict[str, type[Action]] = {
    "classify": Classify,
    "assign": Assign,
    "accept": Accept,
    "chase": Chase,
    "report-progress": Progress,
    "pause": Pause,
    "resume": Resume,
    "handle": Handle,
    "tell-result": Tell,
    "satisfaction": Satisfaction,
    "close": Close,
    "reopen": Reopen,
}
"""By the last part of their address: `POST /v1/cases/{id}/classify`."""


class Received(Reception):
    """The first fact of an imported case."""

    type: Literal["case_received"] = "case_received"


Past = Annotated[
    Received
    | Classify
    | Assign
    | Accept
    | Chase
    | Progress
    | Pause
    | Resume
    | Handle
    | Tell
    | Satisfaction
    | Close
    | Reopen,
    Field(discriminator="type"),
]


class Record(Said):
    """One case's past, or the rest of it, from another system: told once, whole or not at all.

    `id` makes a repeat known; `external` finds a case that was received before.
    """

    id: Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00]+$")]
    project_id: Name
    external: External
    history_until: Moment
    facts: Annotated[list[Past], Field(min_length=1, max_length=500)]
