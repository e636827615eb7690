"""The reception desk: checks what is said against the registers, dates it, numbers it, seals it."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from steward_decider import Refused
from steward_events.fact import Fact
from steward_events.intake import CaseClassified, CaseReceived
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.vocabulary import (
    REACH,
    ContactChannel,
    External,
    Kind,
    Party,
    Role,
    Urgency,
    in_reach,
    zone_exists,
)
from steward_eventstore.execute import To
from steward_eventstore.port import Clock
from steward_intake.application.actions import (
    Action,
    ConcernHousehold,
    Correct,
    Record,
    Speaking,
)
from steward_intake.application.moving import as_corrected, done_before, promised
from steward_intake.application.ports import Registers, Row, Seals
from steward_intake.application.rules import read_rules
from steward_intake.application.words import Reception
from steward_intake.domain.approval import Approver
from steward_intake.domain.commands import (
    AssignCase,
    EndHistory,
    RaiseSeverity,
    ReceiveCase,
    TakeOver,
)
from steward_intake.domain.completeness import lacking
from steward_intake.domain.sayings import Say
from steward_intake.domain.story import NO_FIRST_CONTACT, Origin
from steward_policy.calendars import Calendar
from steward_policy.case_rules import DEFAULTS, CaseRules
from steward_policy.packs import Override, Publication, in_force

Retold = TypeVar("Retold", bound=Fact)

AHEAD = timedelta(minutes=2)
"""How far ahead another clock may be; such instants are taken as now."""

DEFAULT_PACK = "residential-cn"
DEFAULT_ZONE = "Asia/Shanghai"

TEXTS = ("summary", "description", "demand", "reporter_name", "reporter_phone", "reporter_email")
"""What is personal in a reception."""

_NAMESPACE = uuid5(NAMESPACE_URL, "steward/intake")


def external_case_id(external: External) -> str:
    """Give the ID of another system's ticket as a case here: always the same."""
    return str(uuid5(_NAMESPACE, f"{external.source}|{external.subject}"))


def next_case_id(case_id: str, why: str) -> str:
    """Give the ID of the case in which another one goes on: always the same."""
    return str(uuid5(_NAMESPACE, f"{case_id}|{why}"))


def reopened_case_id(case_id: str, closed_at: datetime) -> str:
    """Give the ID of the case that begins anew where one was closed too long ago."""
    return next_case_id(case_id, f"reopened|{closed_at.isoformat()}")


def invalid(reason: str) -> Refused:
    """Refuse what is wrong in itself, whatever the state."""
    return Refused(reason, code="bad_data")


def unknown(what: str) -> Refused:
    """Refuse what names something that is not registered."""
    return Refused(f"There is no {what}.", code="not_found")


class Desk:
    """Serves one request or message; what it looked up is remembered for as long."""

    def __init__(self, registers: Registers, seals: Seals, clock: Clock) -> None:
        self.registers = registers
        self.seals = seals
        self.clock = clock
        self.quoting = True
        """Whether who is refused hears what they said; a reason that is kept does not say it."""
        self._known: dict[tuple[str, str], Row | None] = {}
        self._policies: dict[str, Sequence[Publication]] = {}
        self._zones: dict[tuple[str, str | None, str | None], Sequence[str]] = {}
        self._texts: dict[str, str] = {}
        self._supervisors: dict[str, str | None] = {}
        self._reading = asyncio.Lock()
        self._numbers: dict[tuple[str, int], Iterator[int]] = {}

    async def moment(
        self,
        said: datetime | None,
        project_id: str | None,
        person_id: str | None = None,
        by: Origin = "steward",
        *,
        after: datetime | None = None,
    ) -> datetime:
        """Give the instant at which something happened; refuses the future and a far past.

        How far back, the rules of the project say, and by which role; `person_id` is who says it.
        `after` is what it cannot be earlier than: the reception of its case.
        """
        now = self.clock.now()
        if said is None:
            return now
        check_reach(said)
        self._refuse_future(said)
        if by == "steward" and said < now:
            await self._refuse_far_past(said, now, project_id, person_id)
        if after is not None and said < after:
            raise invalid(
                f"{said.isoformat()} is before the case was received, {after.isoformat()}."
            )
        return min(said, now)

    async def _refuse_far_past(
        self, said: datetime, now: datetime, project_id: str | None, person_id: str | None
    ) -> None:
        rules = DEFAULTS if project_id is None else await self.case_rules(project_id)
        zone = ZoneInfo("UTC" if project_id is None else (await self.project(project_id))["zone"])
        roles: frozenset[Role] = frozenset()
        if said < (since := rules.dated_since(now, zone)) and project_id and person_id:
            roles = await self.registers.acting(person_id, project_id, now)
            since = rules.dated_since(now, zone, roles)
        if said < since:
            raise invalid(
                f"{said.isoformat()} is before {since.isoformat()}, since when you may date it here:"
                " import it as history."
            )

    def _refuse_future(self, said: datetime) -> None:
        if said > self.clock.now() + AHEAD:
            raise invalid(f"{said.isoformat()} is in the future: what has not happened is no fact.")

    async def look_up(self, register: str, ids: Iterable[str]) -> None:
        """Remember rows at once, where many will be asked for."""
        wanted = {id_ for id_ in ids if (register, id_) not in self._known}
        if wanted:
            found = await self.registers.entries(register, sorted(wanted))
            self._known.update({(register, id_): found.get(id_) for id_ in wanted})

    def suppose(self, register: str, id_: str, row: Row) -> None:
        """Take a row for registered that is not, to see what would come of it."""
        self._known[register, id_] = row

    async def entry(self, register: str, id_: str) -> Row | None:
        """Give a row of a register."""
        await self.look_up(register, [id_])
        return self._known[register, id_]

    async def group(self, group_id: str) -> Row:
        """Give a group; refuses an unknown one."""
        row = await self.entry("groups", group_id)
        if row is None:
            raise unknown(f"group “{group_id}”")
        return row

    async def project(self, project_id: str) -> Row:
        """Give a project; refuses an unknown one."""
        row = await self.entry("projects", project_id)
        if row is None:
            raise unknown(self._named("project", project_id))
        return row

    async def household(self, household_id: str, project_id: str) -> Row:
        """Give a household; refuses an unknown one, and one of another project."""
        row = await self.entry("households", household_id)
        if row is None:
            raise unknown(self._named("household", household_id))
        if row["project_id"] != project_id:
            household = self._named("household", household_id)
            project = self._named("project", project_id)
            raise invalid(f"The {household} does not belong to the {project}.")
        return row

    def _named(self, register: str, id_: str) -> str:
        what = f"“{id_}”" if self.quoting else f"with the ticket's {register}_id"
        return f"{register} {what}"

    async def earlier_case(self, case_id: str, project_id: str) -> Row:
        """Give a case of the project; refuses an unknown one, and one of another project."""
        row = await self.entry("cases", case_id)
        if row is None or row["project_id"] != project_id:
            raise unknown(f"case “{case_id}” of the project")
        return row

    async def check_households(self, said: Action, project_id: str) -> None:
        """Refuse what gives the case to a household of another project, or says it concerns one."""
        if isinstance(said, Correct | ConcernHousehold) and said.household_id is not None:
            await self.household(said.household_id, project_id)

    async def works_for(self, person_id: str, group_id: str) -> bool:
        """Say whether a person is registered staff of a group."""
        row = await self.entry("staff", person_id)
        return row is not None and row["group_id"] == group_id

    async def works_at(self, person_id: str, project_id: str) -> bool:
        """Say whether a person is registered staff of a project's group."""
        project = await self.project(project_id)
        return await self.works_for(person_id, project["group_id"])

    async def staff(self, person_id: str | None, project_id: str) -> None:
        """Refuse whoever is named and is no staff of the project's group.

        Another group's are refused as unknown ones are, so that nothing is said of them.
        """
        if person_id is not None and not await self.works_at(person_id, project_id):
            raise unknown(f"member of staff “{person_id}” of the project's group")

    async def department(self, said: str, project_id: str) -> str:
        """Give the ID of a project's department, said by its ID or name.

        Refuses an unknown one, unless no departments are registered for the project.
        """
        project = await self.project(project_id)
        rows = await self.registers.departments(project_id, project["group_id"])
        for row in rows:
            if said in (row["department_id"], row["name"]):
                return str(row["department_id"])
        if rows:
            names = ", ".join(f"“{row['name']}”" for row in rows[:20])
            raise unknown(f"department “{said}” of the project; there are {names}")
        return said

    async def policy(self, project: Row, at: datetime) -> str:
        """Name the policy version in force at a project on that day."""
        pack = project["policy"] or DEFAULT_PACK
        day = at.astimezone(ZoneInfo(project["zone"])).date()
        version = in_force(
            await self._published(pack), day, project["group_id"], project["project_id"]
        )
        if version is None:
            raise Refused(
                f"No version of the policy pack “{pack}” is in force on {day.isoformat()}.",
                code="not_heard_yet",
            )
        return f"{pack}@{version}"

    async def day(
        self, pack: str, group_id: str | None, project_id: str | None, at: datetime
    ) -> date:
        """Give the local day for whom a version is meant; of several, where it is earliest.

        So what has begun on that day decides at every one of their projects.
        """
        whom = pack, group_id, project_id
        if whom not in self._zones:
            self._zones[whom] = await self.registers.zones(*whom) or [DEFAULT_ZONE]
        return min(at.astimezone(ZoneInfo(zone)).date() for zone in self._zones[whom])

    async def to_come(self, row: Row) -> bool:
        """Say whether a published version does not decide yet everywhere where it is to."""
        whom = row["pack"], row["group_id"], row["project_id"]
        return not _publication(row).has_begun(await self.day(*whom, self.clock.now()))

    async def case_rules(self, project_id: str) -> CaseRules:
        """Give what the version in force at a project today allows; the default without one."""
        try:
            version = await self.policy(await self.project(project_id), self.clock.now())
        except Refused:
            return DEFAULTS
        rules = read_rules(self._texts.get(version), version)
        return DEFAULTS if rules is None else rules.cases

    async def below(self, override: Override, day: date, group_id: str, *, project: bool) -> str:
        """Give the text upon which an override lies: for a project its group's, else everybody's."""
        pack = override.overrides
        published = [
            publication
            for publication in await self._published(pack)
            if publication.project_id is None and (project or publication.group_id is None)
        ]
        version = in_force(published, override.effective_from or day, group_id)
        if version is None:
            raise unknown(f"policy pack “{pack}” in force upon which the override could lie")
        rows = await self.registers.policies(pack)
        return next(str(row["text"]) for row in rows if row["version"] == version)

    async def calendars(self) -> Mapping[str, Sequence[Calendar]]:
        """Give the calendars that published packs bring with them, all that have one name together."""
        found: dict[str, list[Calendar]] = {}
        for row in await self.registers.policies(None):
            text = str(row["text"])
            if "calendars" in text:  # few bring any, and reading a pack takes a while
                rules = read_rules(text, f"{row['pack']}@{row['version']}")
                for name, calendar in rules.pack.calendars.items() if rules is not None else ():
                    found.setdefault(name, []).append(calendar)
        return found

    async def _published(self, pack: str) -> Sequence[Publication]:
        # Of many that are prepared side by side, one asks.
        async with self._reading:
            if pack not in self._policies:
                rows = await self.registers.policies(pack)
                self._texts |= {f"{pack}@{row['version']}": str(row["text"]) for row in rows}
                self._policies[pack] = [_publication(row) for row in rows]
        return self._policies[pack]

    async def reserve(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Take many case numbers at once, by project and year."""
        for place, group in groupby(sorted(wanted)):
            project_id, year = place
            taken = await self.registers.numbers(project_id, year, len(list(group)))
            self._numbers[place] = iter(taken)

    async def number(self, project: Row, at: datetime) -> str:
        """Take the next readable number of a project and year."""
        project_id, year = project["project_id"], year_of(project, at)
        number = 0
        if (project_id, year) in self._numbers:
            number = next(self._numbers[project_id, year], 0)
        if not number:
            [number] = await self.registers.numbers(project_id, year)
        return f"{project_id}-{year}-{number:05d}"

    async def reception(self, said: Reception, case_id: str, at: datetime) -> ReceiveCase:
        """Make the command that takes a case in."""
        for happened in (said.posted_at, said.handed_over_at):
            if happened is not None:
                self._refuse_future(happened)
        if said.external is None:
            _check_order(said, at)
        project = await self.project(said.project_id)
        if said.household_id is not None:
            await self.household(said.household_id, said.project_id)
        if said.external is None:  # others have people of theirs
            await self.staff(said.received_by, said.project_id)
            if said.document is not None:
                await self.staff(said.document.author, said.project_id)
        await self._check_committee(said)
        await self._check_concerned(said)
        _check_origin(said)
        # The number comes first: records prepared side by side are numbered in their order.
        number = await self.number(project, at)
        policy = await self.policy(project, at)
        subject = subject_of(case_id, said.household_id)
        sealed = {name: await self.seal(subject, name, text) for name, text in _texts(said).items()}
        plain = _plain(said)
        received = CaseReceived(
            case_id=case_id,
            number=number,
            zone=project["zone"],
            policy=policy,
            **plain,
            **sealed,
        )
        received = received.model_copy(update={"lacks": lacking(received)})
        owner = said.received_by
        if owner is not None and await self.works_at(owner, said.project_id):
            return ReceiveCase(at, received, owner, urgency=said.urgency)
        return replace(await self.supervised(at, received), urgency=said.urgency)

    async def supervised(self, at: datetime, received: CaseReceived) -> ReceiveCase:
        """Make the command that takes a case in whom nobody known to us has received."""
        owner = await self._supervisor(received.project_id)
        return ReceiveCase(at, received, owner, NO_FIRST_CONTACT)

    async def given(self, project_id: str, at: datetime) -> list[AssignCase]:
        """Give a case that was moved to the project to who owns it from then on, if anybody does."""
        owner = await self._supervisor(project_id)
        return [] if owner is None else [AssignCase(at, owner, NO_FIRST_CONTACT, "history")]

    async def _supervisor(self, project_id: str) -> str | None:
        """Name who has been the project's cs_supervisor for longest; without one, nobody."""
        # Of many that are prepared side by side, one asks.
        async with self._reading:
            if project_id not in self._supervisors:
                holders = await self.registers.holders(project_id)
                self._supervisors[project_id] = next(
                    (person_id for role, person_id in holders if role == Role.CS_SUPERVISOR), None
                )
        return self._supervisors[project_id]

    async def _check_committee(self, said: Reception) -> None:
        if said.committee_id is None:
            return
        if said.party is not Party.COMMITTEE:
            raise invalid("Who speaks for the owners' committee is of the party “committee”.")
        row = await self.entry("committees", said.committee_id)
        if row is None or row["project_id"] != said.project_id:
            raise unknown(f"owners' committee “{said.committee_id}” of the project")

    async def _check_concerned(self, said: Reception) -> None:
        ids = [other.household_id for other in said.concerns]
        await self.look_up("households", ids)
        for household_id in ids:
            await self.household(household_id, said.project_id)
        if len({said.household_id, *ids}) <= len(ids):
            raise invalid("concerns names every other household once, and not the case's own.")

    async def differing(
        self, said: Reception, received: CaseReceived, story: Sequence[Recorded]
    ) -> list[str]:
        """Name the fields of what is said that are not as they were received, at that instant."""
        at, before = story[0].occurred_at, received.model_dump()
        fields = [name for name, value in _plain(said).items() if value != before[name]]
        # Left out, it was said to be now; so was what is just ahead of our clock.
        if said.occurred_at is not None and not at <= said.occurred_at <= at + AHEAD:
            fields.append("occurred_at")
        if said.urgency is Urgency.EMERGENCY and not _was_urgent(story):
            fields.append("urgency")
        for name, text in _texts(said).items():
            if not await self._is_sealed(getattr(received, name), text):
                fields.append(name.replace("reporter_", "reporter."))
        return fields

    async def reception_anew(
        self,
        story: Sequence[Recorded],
        case_id: str,
        project_id: str,
        household_id: str | None,
        at: datetime,
    ) -> CaseReceived:
        """Write a case's reception, as it was corrected, for the case in which it goes on.

        Whom else it concerns is said there anew, if it does.
        """
        received = as_corrected(story)
        project = await self.project(project_id)
        if household_id is not None:
            await self.household(household_id, project_id)
        subject = subject_of(case_id, household_id)
        received = await self._resealed(received, subject)
        place = {
            "case_id": case_id,
            "concerns": (),
            "number": await self.number(project, at),
            "project_id": project_id,
            "zone": project["zone"],
            "policy": await self.policy(project, at),
            "household_id": household_id,
        }
        anew = received.model_copy(update=place)
        return anew.model_copy(update={"lacks": lacking(anew)})

    async def done_anew(
        self, story: Sequence[Recorded], case_id: str, household_id: str | None, at: datetime
    ) -> list[TakeOver | RaiseSeverity]:
        """Say what was decided and done in a case anew in the one in which it goes on from `at`."""
        subject, found = subject_of(case_id, household_id), list[TakeOver | RaiseSeverity]()
        for command in done_before(story, case_id, at):
            if isinstance(command, TakeOver):
                command = TakeOver(command.at, await self._resealed(command.fact, subject))
            found.append(command)
        return found

    async def promised_anew(
        self, story: Sequence[Recorded], case_id: str, household_id: str | None
    ) -> list[Say]:
        """Say what a case still owes its owner, as it stands, in the case in which it goes on."""
        subject, found = subject_of(case_id, household_id), list[Say]()
        for made_at, promise in promised(story):
            found.append(Say(made_at, await self._resealed(promise, subject), "history"))
        return found

    async def _resealed(self, fact: Retold, subject: str) -> Retold:
        """Seal what is personal in a fact by another's key; what was erased is gone."""
        texts = {
            name: await self._resealed_text(text, subject)
            for name, text in fact
            if isinstance(text, Sealed)
        }
        return fact.model_copy(update=texts)

    async def _resealed_text(self, sealed: Sealed, subject: str) -> Sealed | None:
        if sealed.subject == subject:
            return sealed
        text = await self.seals.unseal(sealed)
        return await self.seal(subject, sealed.field, text) if isinstance(text, str) else None

    def speaking(
        self,
        at: datetime,
        by: Origin,
        id_: str,
        subject: str,
        project_id: str,
        before: Fact | None = None,
    ) -> Speaking:
        """Say when and through whom something is said, whose key seals it, and at which project.

        `before` is what may be said again; a text that has not changed keeps its seal.
        """

        async def seal(field: str, text: str) -> Sealed | None:
            return await self.seal_again([getattr(before, field, None)], subject, field, text)

        async def approver(person_id: str | None) -> Approver | None:
            if person_id is None:
                return None
            if by != "steward":
                return Approver(person_id)
            await self.staff(person_id, project_id)
            return Approver(person_id, await self.registers.acting(person_id, project_id, at))

        async def rules() -> CaseRules:
            return await self.case_rules(project_id)

        return Speaking(at, by, id_, seal, approver, rules, self.clock.now())

    async def seal(self, subject: str, field: str, text: str) -> Sealed | None:
        """Seal a text; an empty one is none."""
        return await self.seals.seal(subject, field, text) if text else None

    async def seal_again(
        self, before: Iterable[Sealed | None], subject: str, field: str, text: str
    ) -> Sealed | None:
        """Seal a text, or give a seal as it was when its text is the same."""
        for seal in before:
            if seal is not None and text and await self._is_sealed(seal, text):
                return seal
        return await self.seal(subject, field, text)

    async def _is_sealed(self, sealed: Sealed | None, text: str) -> bool:
        with suppress(Exception):  # a seal that cannot be opened holds no text
            return text == ("" if sealed is None else await self.seals.unseal(sealed))
        return False

    def check_history(self, until: datetime) -> None:
        """Refuse a history that ends in the future: nobody would be told of anything until then."""
        if until > self.clock.now() + AHEAD:
            raise invalid(f"The history cannot end in the future, at {until.isoformat()}.")

    async def past(self, record: Record) -> list[To]:
        """Make the commands of an imported record, the end of its history last."""
        project = await self.project(record.project_id)
        until = record.history_until
        self.check_history(until)
        case_id = external_case_id(record.external)
        case = await self.entry("cases", case_id)
        if case is not None and case["project_id"] != record.project_id:
            raise invalid("The case of this external ticket belongs to another project.")
        stream = f"case-{case_id}"
        subject = record_subject(record)
        found: list[To] = []
        for place, said in enumerate(record.facts):
            if said.occurred_at is None or said.occurred_at > until:
                raise invalid(
                    "Every imported fact needs its own occurred_at, not after history_until."
                )
            at = said.occurred_at
            if found and at < found[-1].command.at:
                raise invalid("The facts of a record must stand in the order of their times.")
            if isinstance(said, Reception):
                if said.project_id != record.project_id:
                    raise invalid("The record and its reception name different projects.")
                said = said.model_copy(update={"external": record.external})
                command = await self.reception(said, case_id, at)
                found.append(To(stream, project["project_id"], command, known_at=at))
                continue
            await self.check_households(said, record.project_id)
            speaking = self.speaking(
                at, "history", str(uuid5(_NAMESPACE, f"{record.id}|{place}")),
                subject, record.project_id,
            )  # fmt: skip
            found.append(
                To(stream, project["project_id"], await said.command(speaking), known_at=at)
            )
        found.append(To(stream, project["project_id"], EndHistory(until, until)))
        return found


def _publication(row: Row) -> Publication:
    day = row["effective_from"].astimezone(UTC).date()
    return Publication(row["version"], day, row["group_id"], row["project_id"])


def _was_urgent(story: Sequence[Recorded]) -> bool:
    classes = (told.fact for told in story if isinstance(told.fact, CaseClassified))
    return any(fact.urgency is Urgency.EMERGENCY for fact in classes)


def _texts(said: Reception) -> dict[str, str]:
    """Give what is sealed of a reception, by the fact's fields."""
    return {
        "summary": said.summary,
        "description": said.description,
        "demand": said.demand,
        "reporter_name": said.reporter.name,
        "reporter_phone": said.reporter.phone,
        "reporter_email": said.reporter.email,
    }


def _plain(said: Reception) -> dict[str, Any]:
    """Give what is not sealed of a reception."""
    texts = {"summary", "description", "demand", "reporter"}
    nearest = said.channel.nearest
    return said.model_dump(exclude={"type", "occurred_at", "urgency", *texts}) | {
        "channel": nearest,
        "came_by": "" if nearest == said.channel.value else said.channel.value,
    }


def _check_order(said: Reception, at: datetime) -> None:
    """Refuse dates that cannot be those of a case which was received at that instant."""
    due, wanted = said.authority_due, said.owner_requested_date
    if due is not None and due <= at:
        raise invalid("The authority's date, authority_due, must come after the case was received.")
    check_requested(wanted, at, accepted=said.owner_date_accepted)
    posted, handed_over = said.posted_at, said.handed_over_at
    if posted is not None and handed_over is not None and handed_over < posted:
        raise invalid("What was posted must be handed over, handed_over_at, after that, posted_at.")


def check_requested(
    wanted: datetime | None, received_at: datetime, *, accepted: bool | None
) -> None:
    """Refuse a date by which the owner cannot have asked for anything, and one accepted unnamed."""
    if wanted is None:
        if accepted:
            raise invalid(
                "Name the date that was accepted, owner_date_accepted, by owner_requested_date."
            )
    elif wanted <= received_at:
        raise invalid(
            "The owner's date, owner_requested_date, must come after the case was received."
        )


def _check_origin(said: Reception) -> None:
    """Refuse a case that was raised in a visit or a follow-up, but came by another channel."""
    if said.visit_id is not None and said.channel is not ContactChannel.VISIT:
        raise invalid("What was raised in a visit came by the channel “visit”.")
    if said.followup_id is not None and said.channel is not ContactChannel.FOLLOWUP:
        raise invalid("What was raised in a follow-up came by the channel “followup”.")
    if said.urgency is Urgency.EMERGENCY and said.kind is not Kind.SERVICE_REQUEST:
        raise invalid(
            "Only a service request is received as an emergency: of anything else say that harm is"
            " still being done, harm_ongoing."
        )


def years_from(at: datetime, years: int) -> datetime:
    """Give the same date of another year, earlier or later; of a 29th of February the 28th."""
    day = 28 if (at.month, at.day) == (2, 29) else at.day
    return at.replace(year=at.year + years, day=day)


def subject_of(case_id: str, household_id: str | None) -> str:
    """Name the subject whose key seals a case's texts: its household, else the case."""
    return f"household-{household_id}" if household_id else f"case-{case_id}"


def record_subject(record: Record) -> str:
    """Name the subject whose key seals the texts of an imported record."""
    household = next(
        (said.household_id for said in record.facts if isinstance(said, Reception)), None
    )
    return subject_of(external_case_id(record.external), household)


def year_of(project: Mapping[str, str], at: datetime) -> int:
    """Give the year in which something happened at a project."""
    return at.astimezone(ZoneInfo(project["zone"])).year


def check_reach(at: datetime) -> None:
    """Refuse an instant with which nobody can reckon."""
    if not in_reach(at):
        raise invalid(f"{at.isoformat()} is out of reach: an instant must be {REACH}.")


def check_zone(zone: str) -> None:
    """Refuse a time zone that does not exist."""
    if not zone_exists(zone):
        raise invalid(f"There is no time zone “{zone}”.")
