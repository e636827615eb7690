"""What another ticketing system says about its tickets, as commands for our cases.

A ticket is a case here, found by the system's URI and its own ID of the ticket. The system is an
equal writer; what its words leave out is listed when it closes a case.

Its events may come in any order. What comes before its opening waits for that. Afterwards each is
taken when it comes, with its own time; but of the classification, the assignment and the standing
(handled, closed, reopened) the newest word stands, by the source's own order: an older one that
comes later changes nothing. Of two with one order, the later to come is the newer.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from pydantic import TypeAdapter, ValidationError

from steward_decider import Refused
from steward_events.cloudevents import ForeignEvent
from steward_events.fact import Unreadable, plain_place, split_type
from steward_events.intake import CaseClassified, ProgressReported
from steward_events.tickets import (
    TICKET_EVENTS,
    OpenedTicket,
    Ticket,
    TicketReporter,
    ToldTicket,
)
from steward_events.vocabulary import External, Kind, Urgency
from steward_eventstore.execute import To
from steward_intake.application.actions import Happening
from steward_intake.application.desk import (
    Desk,
    check_reach,
    external_case_id,
    invalid,
    subject_of,
)
from steward_intake.application.words import Reception, Reporter
from steward_intake.domain.commands import (
    STANDING,
    AssignCase,
    CaseCommand,
    ClassifyCase,
    CloseCase,
    HandleCase,
    RefuseCase,
    ReopenCase,
    WithdrawCase,
)
from steward_intake.domain.sayings import Say
from steward_service.problems import sentence

_NAMESPACE = uuid5(NAMESPACE_URL, "steward/ticket-event")


_CONTENTS: Mapping[str, type[Ticket]] = {"opened": OpenedTicket, "told": ToldTicket}
_HAPPENINGS = TypeAdapter(list[Happening])

AnyContent = TypeVar("AnyContent")
AnyTicket = TypeVar("AnyTicket", bound=Ticket)


async def commands(desk: Desk, event: ForeignEvent) -> list[To]:
    """Map a ticket event; raises `Refused` for what cannot be mapped."""
    what = _kind_of(event.type)
    at = await desk.moment(event.time, None, by="external")
    if event.history is not None:
        check_reach(event.history)
        desk.check_history(event.history)
    case_id = external_case_id(_external(event))
    ticket = _read(_CONTENTS.get(what, Ticket), event.data)
    if event.key and event.key != ticket.project_id:
        # Neither is quoted: nobody has looked yet at what they are.
        raise invalid("The key of the message is not its ticket's project.")
    await desk.project(ticket.project_id)
    said: list[CaseCommand] = []
    match what:
        case "opened":
            assert isinstance(ticket, OpenedTicket)  # noqa: S101 - read as one above
            reception = await desk.reception(_reception(ticket, event), case_id, at)
            assigned = await _assigned(desk, ticket, at)
            if assigned:
                reception = replace(reception, owner=None)  # the ticket itself says whose it is
            said += [reception, *_classified(ticket, at), *assigned]
        case "changed":
            said += _classified(ticket, at)
            said += await _assigned(desk, ticket, at)
        case "commented":
            subject = subject_of(case_id, ticket.household_id)
            text = await desk.seal(subject, "text", ticket.comment)
            report_id = str(uuid5(_NAMESPACE, f"{event.source}|{event.id}"))
            progress = ProgressReported(case_id=case_id, report_id=report_id, text=text)
            said.append(Say(at, progress, "external"))
        case "handled":
            said.append(await _handled(desk, ticket, at))
        case "closed":
            said += [await _handled(desk, ticket, at), CloseCase(at, by="external")]
        case "reopened":
            said.append(ReopenCase(at, "external"))
        case "told":
            assert isinstance(ticket, ToldTicket)  # noqa: S101 - read as one above
            said += await _told(desk, ticket, event, at)
    return [
        To(f"case-{case_id}", ticket.project_id, command, about=_about(command, event))
        for command in said
    ]


def _about(command: CaseCommand, event: ForeignEvent) -> str:
    """Name what a command says anew, so that only the newest word about it stands."""
    match command:
        case ClassifyCase():
            about = "classification"
        case AssignCase():
            about = "assignment"
        case HandleCase() | CloseCase() | ReopenCase() | RefuseCase() | WithdrawCase():
            about = "standing"
        case _:
            return ""
    # Counts and times cannot be compared.
    return f"{about} by {'count' if event.counted else 'time'}"


def _kind_of(wire_type: str) -> str:
    try:
        name, version = split_type(wire_type)
    except Unreadable:
        raise _no_type() from None
    what = name.removeprefix("ticket.")
    if f"{name}.v1" not in TICKET_EVENTS:
        raise _no_type()
    if version != 1:
        raise Refused(
            f"{wire_type} is newer than ticket.{what}.v1, the newest that this program knows.",
            code="newer_version",
        )
    return what


def _no_type() -> Refused:
    return Refused(
        f"The event's type is not a type of ticket event; there are {', '.join(TICKET_EVENTS)}.",
        code="unknown_type",
    )


def _external(event: ForeignEvent) -> External:
    try:
        return External(source=event.source, subject=event.subject)
    except ValidationError:
        raise invalid(
            "A ticket event needs a source and a subject, 1 to 300 characters each."
        ) from None


def _read(model: type[AnyTicket], data: Any) -> AnyTicket:
    if not isinstance(data, dict):
        raise invalid("The content of a ticket event must be a JSON object.")
    return _validated(lambda: model.model_validate(data))


def _validated(read: Callable[[], AnyContent]) -> AnyContent:
    try:
        return read()
    except ValidationError as error:
        # The value itself is left out, and so are names that are none of ours: they may be personal.
        problem = error.errors(include_input=False, include_url=False)[0]
        place = plain_place(problem["loc"])
        raise invalid(sentence(problem, f"The ticket's field “{place}”")) from None


def _reception(ticket: OpenedTicket, event: ForeignEvent) -> Reception:
    reporter = ticket.reporter or TicketReporter()
    return Reception(
        project_id=ticket.project_id,
        kind=ticket.kind,
        channel=ticket.channel,
        household_id=ticket.household_id,
        topic=ticket.topic,
        summary=ticket.summary,
        description=ticket.description or "",
        reporter=Reporter(
            name=reporter.name or "", phone=reporter.phone or "", email=reporter.email or ""
        ),
        external=_external(event),
        date_only=ticket.date_only,
    )


async def _handled(desk: Desk, ticket: Ticket, at: datetime) -> HandleCase:
    rules = await desk.case_rules(ticket.project_id)
    return HandleCase(at, by="external", said_at=desk.clock.now(), rules=rules)


def _classified(ticket: Ticket, at: datetime) -> list[CaseCommand]:
    """Classify where the system says enough; a change may name only what has changed."""
    classes = {"validity", "severity", "topic", "urgency", "work_category"}
    told = ticket.model_dump(include=classes, exclude_unset=True)
    said = {name: value for name, value in told.items() if value not in (None, "")}
    if not isinstance(ticket, OpenedTicket):
        is_enough = bool(said)
    elif ticket.kind is Kind.COMPLAINT:
        is_enough = {"validity", "severity"} <= said.keys()
    else:
        is_enough = "work_category" in said or said.get("urgency") == Urgency.EMERGENCY
    if not is_enough:
        return []
    classified = CaseClassified(case_id="-", **said)
    return [ClassifyCase(at, classified, "external", unsaid=STANDING - said.keys())]


async def _told(
    desk: Desk, ticket: ToldTicket, event: ForeignEvent, at: datetime
) -> list[CaseCommand]:
    """Take a ticket's daily life down, each fact at its own time."""
    happenings = _validated(lambda: _HAPPENINGS.validate_python(list(ticket.facts)))
    case_id = external_case_id(_external(event))
    subject = subject_of(case_id, ticket.household_id)
    for happening in happenings:
        await desk.check_households(happening, ticket.project_id)
    return [
        await happening.command(
            desk.speaking(
                at
                if happening.occurred_at is None
                else await desk.moment(happening.occurred_at, ticket.project_id, by="external"),
                "external",
                str(uuid5(_NAMESPACE, f"{event.source}|{event.id}|{place}")),
                *(subject, ticket.project_id),
            )
        )
        for place, happening in enumerate(happenings)
    ]


async def _assigned(desk: Desk, ticket: Ticket, at: datetime) -> list[CaseCommand]:
    """Assign to one of the group's staff; other names mean nothing here, and may be personal."""
    if not ticket.assignee or not await desk.works_at(ticket.assignee, ticket.project_id):
        return []
    return [AssignCase(at, ticket.assignee, "external", by="external")]
