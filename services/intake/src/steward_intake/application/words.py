"""What people and other systems may say to intake, in clear; it is sealed before the domain sees it.

What happens to a case after its reception is in `actions`.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from steward_events.tickets import Line, Name, Text
from steward_events.vocabulary import (
    Area,
    Clear,
    Concern,
    ContactChannel,
    External,
    Grievance,
    IssuedDocument,
    Kind,
    Moment,
    NotGiven,
    Party,
    Several,
    Urgency,
)


class Said(BaseModel):
    """Anything said from outside; an unknown field is refused, since it would be lost.

    Blanks around a text are no part of it, so that a blank text is an empty one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


LONGEST_TOLD = 35
"""Characters of what is told by message: an SMS takes no more."""

Told = Annotated[Line, StringConstraints(min_length=1, max_length=LONGEST_TOLD)]
"""What is told by message."""


def _on_one_line(name: str) -> str:
    if name.splitlines() not in ([], [name]):
        raise PydanticCustomError("several_lines", "must stand on one line")
    return name


OneLine = AfterValidator(_on_one_line)
"""Of a name that stands in the subject of a mail."""

Loss = Annotated[int, Field(ge=0, le=1_000_000_000)]
"""What somebody claims to have lost, in yuan."""


class Reporter(Said):
    """Who speaks, and how to reach them."""

    name: Line = ""
    phone: Line = ""
    email: Line = ""


class Document(IssuedDocument, Said):
    """The document that caused a complaint, and who wrote it (FU-5.3)."""

    document_id: Name | None = None
    title: Clear = ""
    author: Name

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.document_id and not self.title:
            raise PydanticCustomError("unnamed", "must be named by its ID or its title")
        return self


class Concerned(Concern, Said):
    """Another household that the case concerns, and how."""

    household_id: Name


Held = Literal["place", "complained_of", "matter", "demand", "contact"]
"""What a record must hold (RM-4.5.1a, RC-3.1)."""


class Reception(Said):
    """A case as it is told to us (RM-4.5.1a, RC-3.1).

    A letter is received when it arrives, what lies in the suggestion box when that is opened (RM-4.7):
    that is its `occurred_at`, whenever it is typed in.
    """

    project_id: Name
    kind: Kind
    occurred_at: Moment | None = None
    channel: ContactChannel = ContactChannel.SYSTEM
    party: Party = Party.HOUSEHOLD
    household_id: Name | None = None
    topic: Clear = ""
    summary: Line = ""
    description: Text = ""
    reporter: Reporter = Reporter()
    complained_of: Clear = ""
    owner_requested_date: Moment | None = None
    owner_date_accepted: bool = False
    authority_due: Moment | None = None
    posted_at: Moment | None = None
    handed_over_at: Moment | None = None
    urgency: Urgency = Urgency.ORDINARY
    """Of a service request: an emergency is one from its reception on (RC-5.1..2)."""
    harm_ongoing: bool = False
    injury: bool = False
    households_concerned: Annotated[int, Field(ge=1, le=100_000)] = 1
    authority_or_media: bool = False
    in_writing: bool = False
    received_by: Name | None = None
    committee_id: Name | None = None
    visit_id: Name | None = None
    followup_id: Name | None = None
    document: Document | None = None
    place: Clear = ""
    area: Area | None = None
    asset: Clear = ""
    demand: Text = ""
    not_given: Several[dict[Held, NotGiven]] = {}
    external: External | None = None
    date_only: bool = False
    grievance: Grievance | None = None
    claimed_loss: Loss | None = None
    company_at_fault: bool | None = None
    easily_remedied: bool | None = None
    outside_party: Clear | None = None
    concerns: Annotated[Several[tuple[Concerned, ...]], Field(max_length=100)] = ()


class Merge(Said):
    """Which case goes on for this one too."""

    occurred_at: Moment | None = None
    into: Name
    person_id: Name | None = None


class Move(Said):
    """To which project the case belongs, and to which household there."""

    occurred_at: Moment | None = None
    to_project: Name
    household_id: Name | None = None
    reason: Clear = ""
    person_id: Name | None = None


class Note(Said):
    """What is to be known before a household is spoken to (FU-S1)."""

    occurred_at: Moment | None = None
    about: Literal["preference", "mood"]
    note: Annotated[Text, StringConstraints(min_length=1)]
    case_id: Name | None = None
    person_id: Name


class RetiredNote(Said):
    """Why a note is to be shown no longer."""

    occurred_at: Moment | None = None
    because: Literal["no_longer_true", "asked"]
    person_id: Name


class Slip(Said):
    """What somebody has put into the suggestion box; most leave no name."""

    kind: Kind = Kind.SUGGESTION
    party: Party = Party.ANONYMOUS
    household_id: Name | None = None
    topic: Clear = ""
    summary: Annotated[Line, StringConstraints(min_length=1)]
    description: Text = ""
    demand: Text = ""
    place: Clear = ""
    complained_of: Clear = ""
    reporter: Reporter = Reporter()
    not_given: Several[dict[Held, NotGiven]] = {}


class Opening(Said):
    """Who opened a suggestion box, when, and what was in it (RM-4.2.8)."""

    occurred_at: Moment | None = None
    person_id: Name
    slips: Annotated[Several[list[Slip]], Field(max_length=100)] = []


Reason = Annotated[Clear, StringConstraints(strip_whitespace=True, min_length=1)]
Many = Annotated[Several[list[Name]], Field(min_length=1, max_length=500)]
"""What is done to many cases at once is done to so many."""


class NewIncident(Said):
    """Which cause many cases have."""

    occurred_at: Moment | None = None
    project_id: Name
    title: Annotated[Clear, StringConstraints(min_length=1), OneLine]
    cause: Clear = ""
    person_id: Name | None = None


class AttachedCases(Said):
    """Which cases have the cause."""

    occurred_at: Moment | None = None
    case_ids: Many
    person_id: Name | None = None


class DetachedCase(Said):
    """Which case has another cause after all, and why."""

    occurred_at: Moment | None = None
    case_id: Name
    reason: Reason
    person_id: Name | None = None


class Statement(Said):
    """What all owners are told by message, now."""

    about: Literal["progress", "other"] = "progress"
    text: Told
    person_id: Name | None = None


class Letter(Said):
    """What an open letter to all owners says, who signs it, and when it was put up."""

    occurred_at: Moment | None = None
    text: Annotated[Text, StringConstraints(min_length=1)]
    person_id: Name


class IncidentEnd(Said):
    """Who says that the cause is gone, and whether cases may go on without it."""

    occurred_at: Moment | None = None
    leave_open: bool = False
    person_id: Name | None = None
