"""What other ticketing systems say on `steward.inbound.tickets`: CloudEvents about their tickets.

It is said in clear, and blanks around a text are no part of it; Steward seals what is personal
before it becomes a fact. `source` is the system's URI, `subject` its own ID of the ticket, `time`
when it happened, the Kafka key the project's ID; `sequence` is the system's own count of what it
says of this ticket, if it has one.
Events of one ticket may come in any order: `sequence` says theirs, or else `time`. A system that
counts should count always.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from steward_events.vocabulary import (
    Clear,
    ContactChannel,
    Kind,
    Several,
    Severity,
    Urgency,
    Validity,
    WorkCategory,
)

INBOUND_TICKETS = "steward.inbound.tickets"

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00\s/|]+$")]
"""An ID that others give: no space, slash, bar or NUL."""

Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]
Text = Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")]


class _Foreign(BaseModel):
    # What a foreign system says beyond this is its own business.
    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


class TicketReporter(_Foreign):
    """Who speaks."""

    name: Line | None = None
    phone: Line | None = None
    email: Line | None = None


class Ticket(_Foreign):
    """What every ticket event may say."""

    project_id: Name
    household_id: Name | None = None
    severity: Severity | None = None
    validity: Validity | None = None
    urgency: Urgency = Urgency.ORDINARY
    work_category: WorkCategory | None = None
    topic: Clear = ""
    assignee: Line | None = None
    comment: Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")] = Field(
        default="", validation_alias=AliasChoices("comment", "description", "summary")
    )
    sequence: Annotated[int, Field(ge=0)] | None = None


class OpenedTicket(Ticket):
    """Somebody came with something: it becomes a case, classified where enough is said."""

    kind: Kind
    channel: ContactChannel = ContactChannel.SYSTEM
    summary: Line
    description: Text | None = None
    reporter: TicketReporter | None = None
    date_only: bool = False


class ChangedTicket(Ticket):
    """Its class or its assignee has changed; what is left out stays as it was."""


class CommentedTicket(Ticket):
    """Somebody wrote something about it; taken as a report of progress."""


class HandledTicket(Ticket):
    """The work is done."""


class ClosedTicket(Ticket):
    """The system has closed it; what our rules still ask for is listed."""


class ReopenedTicket(Ticket):
    """It was not resolved after all."""


class ToldTicket(Ticket):
    """Its daily life: facts as in the records of an import, taken all or none."""

    facts: Annotated[Several[tuple[dict[str, Any], ...]], Field(min_length=1, max_length=100)]
    """Each with its `type` and fields; without an `occurred_at` it happened when the event did."""


TICKET_EVENTS: Mapping[str, type[Ticket]] = {
    "ticket.opened.v1": OpenedTicket,
    "ticket.changed.v1": ChangedTicket,
    "ticket.commented.v1": CommentedTicket,
    "ticket.handled.v1": HandledTicket,
    "ticket.closed.v1": ClosedTicket,
    "ticket.reopened.v1": ReopenedTicket,
    "ticket.told.v1": ToldTicket,
}
"""The types of ticket events, each with its content."""
