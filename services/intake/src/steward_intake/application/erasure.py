"""What goes when a subject is erased: its key, and the keys of what is theirs alone.

    person     their own; cases without a household whose reporter has their telephone or email
    household  its own; its cases'; with_people: its people, each with what goes with them
    staff      their own
    committee  its own, as a person
    case       its own, and of the cases to which it was moved or that began anew from it
    incident   its own: what was told to all, in the incident and in each of its cases
    each       messages of other systems that wait unread and name them

All is looked up before any key is destroyed: afterwards nobody can.
"""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from pydantic import StringConstraints
from pydantic_core import from_json

from steward_decider import Refused
from steward_events.fact import Fact
from steward_events.registry import SubjectErased
from steward_events.sealed import Sealed
from steward_events.tickets import Name
from steward_events.vocabulary import ErasureReason, Moment
from steward_eventstore.execute import To
from steward_eventstore.port import EventStore, Parcel, ParkedStream
from steward_intake.application.desk import Desk, reopened_case_id, unknown
from steward_intake.application.ports import Row, SealedTexts
from steward_intake.application.words import Said
from steward_intake.domain.erasure import EraseSubject
from steward_service.hearing import Boxes, sealed_in
from steward_service.search_terms import plain

Subject = Annotated[
    str,
    StringConstraints(
        max_length=110, pattern=r"^(person|household|staff|committee|case|incident)-[^\x00\s/|]+$"
    ),
]

_REGISTERS = {
    "person": "people",
    "household": "households",
    "staff": "staff",
    "committee": "committees",
    "case": "cases",
    "incident": "incidents",
}
_IN_WORDS = {"staff": "member of staff", "committee": "owners' committee"}
_ALL = 10_000


class Erase(Said):
    """Destroy the key of a person, household, member of staff, case or incident, for good."""

    subject: Subject
    reason: ErasureReason
    asked_by: Name | None = None
    """A registered person or member of staff of the same group."""
    with_people: bool = False
    """Of a household: its people too."""
    occurred_at: Moment | None = None


class Erasing(Protocol):
    """Destroys keys, and what was derived from clear text with them."""

    async def carry_out(self, subjects: Iterable[str]) -> None:
        """Erase at once; may be repeated."""
        ...


@dataclass(frozen=True, slots=True)
class Reach:
    """What an erasure takes along: commands for subjects, and lines of messages that wait."""

    to: list[To]
    parked: list[ParkedStream]

    @property
    def subjects(self) -> list[str]:
        """Name the subjects."""
        return [to.stream.removeprefix("erasure-") for to in self.to]


@dataclass(frozen=True, slots=True)
class _Known:
    """By what a message is known to speak of somebody: texts, and IDs of households and tickets."""

    project_id: str
    reached: set[str] = field(default_factory=set)
    """Telephones and emails."""
    names: set[str] = field(default_factory=set)
    households: set[str] = field(default_factory=set)
    tickets: set[tuple[str, str]] = field(default_factory=set)


class Eraser:
    """Finds what one erasure reaches."""

    def __init__(self, desk: Desk, store: EventStore, texts: SealedTexts, boxes: Boxes) -> None:
        self._desk = desk
        self._store = store
        self._texts = texts
        self._boxes = boxes

    async def reach(self, said: Erase) -> Reach:
        """Find all that goes; refuses what is not registered."""
        kind, _, id_ = said.subject.partition("-")
        row = await self._desk.entry(_REGISTERS[kind], id_)
        if row is None:
            raise unknown(f"{_IN_WORDS.get(kind, kind)} “{id_}”")
        if said.asked_by is not None and not await self._may_ask(said.asked_by, row):
            raise unknown(f"person or member of staff “{said.asked_by}” of the same group")
        known = _Known("" if kind == "staff" else row["project_id"])
        subjects = [said.subject]
        match kind:
            case "person" | "staff" | "committee":
                subjects += await self._of_person(said.subject, known)
            case "household":
                known.households.add(id_)
                subjects += await self._of_household(id_, known, with_people=said.with_people)
            case "case":
                subjects += await self._of_case(row, known)
            case _:
                pass  # an incident: what it says stands under its key alone
        parked: list[ParkedStream] = []
        async for subject, stream in self._waiting(known):
            subjects.append(subject)
            parked.append(stream)
        at = await self._desk.moment(said.occurred_at, None)
        group_id = row["group_id"] if kind == "staff" else None
        to = [
            To(
                f"erasure-{subject}",
                group_id or row["project_id"],
                EraseSubject(
                    at,
                    SubjectErased(
                        subject=subject,
                        because_of="" if subject == said.subject else said.subject,
                        reason=said.reason,
                        asked_by=said.asked_by,
                        project_id=None if group_id else row["project_id"],
                        group_id=group_id,
                    ),
                ),
                everywhere=group_id is not None,
            )
            for subject in dict.fromkeys(subjects)
        ]
        return Reach(to, parked)

    async def _may_ask(self, id_: str, row: Row) -> bool:
        """Say whether somebody works or lives with the group whose subject is erased."""
        group_id = await self._group_of(row)
        person = await self._desk.entry("people", id_)
        if person is not None and await self._group_of(person) == group_id:
            return True
        return await self._desk.works_for(id_, group_id)

    async def _group_of(self, row: Row) -> str:
        place = row if "group_id" in row else await self._desk.project(row["project_id"])
        return str(place["group_id"])

    async def _of_person(self, subject: str, known: _Known) -> list[str]:
        """Find the cases that are theirs alone, and learn by what they are known."""
        for recorded in await self._store.facts_of(subject):
            for sealed in sealed_values(recorded.fact):
                text = await self._text(sealed)
                if len(plain(text)) < 2:
                    continue
                if sealed.field in {"phone", "email"}:
                    known.reached.add(text)
                elif sealed.field == "name":
                    known.names.add(text)
        if not known.project_id:
            return []
        found: set[str] = set()
        for text in known.reached:
            for hit in await self._texts.find(known.project_id, text, _ALL):
                theirs = hit["field"] in {"reporter_phone", "reporter_email"}
                if theirs and hit["subject"].startswith("case-"):
                    clear = await self._text(Sealed.model_validate_json(hit["sealed"]))
                    found |= {hit["subject"]} if plain(clear) == plain(text) else set()
        return sorted(found)

    async def _of_household(
        self, household_id: str, known: _Known, *, with_people: bool
    ) -> list[str]:
        subjects: list[str] = []
        for case in await self._desk.registers.cases_of(household_id):
            subjects += [f"case-{case['case_id']}", *await self._of_case(case, known)]
        if with_people:
            for person in await self._people_of(household_id):
                subject = f"person-{person['person_id']}"
                subjects += [subject, *await self._of_person(subject, known)]
        return subjects

    async def _of_case(self, case: Row, known: _Known) -> list[str]:
        """Find the cases that tell the same again: from where it was moved, and where it goes on."""
        found = {case["case_id"]: case}
        waiting = [case]
        while waiting:
            one = waiting.pop()
            if one["external_source"]:
                known.tickets.add((one["external_source"], one["external_subject"]))
            for id_ in _told_again_in(one):
                other = await self._desk.entry("cases", id_)
                if other is not None and id_ not in found:
                    found[id_] = other
                    waiting.append(other)
        return [f"case-{id_}" for id_ in list(found)[1:]]

    async def _people_of(self, household_id: str) -> list[Row]:
        filters = {"household_id": household_id}
        return list(await self._desk.registers.listed("people", None, filters, None, _ALL))

    async def _waiting(self, known: _Known) -> AsyncIterator[tuple[str, ParkedStream]]:
        """Find the messages of other systems that wait and speak of them."""
        for parked in await self._store.parked(limit=_ALL):
            for message in await self._store.line(parked.consumer, parked.stream, _ALL):
                sealed = sealed_in(message.parcel)
                if sealed is None:
                    continue
                with suppress(Refused):  # erased already
                    if _speaks_of(known, await self._boxes.open(message.parcel), parked.stream):
                        yield sealed.subject, parked

    async def _text(self, sealed: Sealed) -> str:
        text = await self._desk.seals.unseal(sealed)
        return text if isinstance(text, str) else ""


def _told_again_in(case: Row) -> Iterator[str]:
    if case["moved_from"]:
        yield case["moved_from"]
    if case["status"] == "moved_out":
        yield case["goes_on_in"]
    elif case["closed_at"] is not None:
        yield reopened_case_id(case["case_id"], case["closed_at"])


def _speaks_of(known: _Known, parcel: Parcel, stream: str) -> bool:
    content, project_id = _content(parcel)
    if any(stream == f"{source}|{subject}" for source, subject in known.tickets):
        return True
    text = plain(content)
    if any(plain(one) in text for one in known.reached):
        return True
    # Names and households' IDs are other people's at other projects.
    if project_id not in {"", known.project_id} and known.project_id:
        return False
    return any(plain(one) in text for one in known.names) or any(
        f'"household_id": "{one}"' in content for one in known.households
    )


def _content(parcel: Parcel) -> tuple[str, str]:
    """Give all that a message says as text, however it is written, and its project if it has one."""
    parts = [value for _, value in parcel.headers] + [parcel.key, parcel.value]
    texts = [part.decode(code, "ignore") for part in parts for code in ("utf-8", "gb18030")]
    project_id: object = ""
    with suppress(ValueError):
        said = from_json(parcel.value)
        data = said.get("data", said) if isinstance(said, dict) else said
        project_id = data.get("project_id", "") if isinstance(data, dict) else ""
        texts.append(json.dumps(said, ensure_ascii=False))
    return "\n".join(texts), project_id if isinstance(project_id, str) else ""


def sealed_values(fact: Fact | None) -> Iterable[Sealed]:
    """Give every sealed value of a fact."""
    for _, value in fact or ():
        for each in value.values() if isinstance(value, dict) else (value,):
            if isinstance(each, Sealed):
                yield each
