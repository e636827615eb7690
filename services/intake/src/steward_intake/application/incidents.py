"""An incident with its cases: who is told together, and what attaches one more case."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from steward_events.intake import (
    CaseJoinedIncident,
    CaseLeftIncident,
    IncidentInformed,
    IncidentLetterPublished,
    OpenLetterKept,
    OwnerInformed,
    OwnerMessageRequested,
)
from steward_events.vocabulary import Part, Party
from steward_eventstore.execute import To
from steward_eventstore.port import EventStore
from steward_intake.application.desk import invalid, subject_of
from steward_intake.application.ports import Registers, Row
from steward_intake.domain.incident import (
    Answered,
    AttachCase,
    Command,
    IncidentDecider,
    Nothing,
    Open,
    State,
)
from steward_intake.domain.sayings import SaidFact, Say


def stream_of(incident_id: str) -> str:
    """Name the stream of an incident, and the subject whose key seals what is told of it."""
    return f"incident-{incident_id}"


@dataclass(frozen=True, slots=True)
class Gathered:
    """An incident's row and state, and the rows of cases, its own at least."""

    row: Row
    state: State
    rows: Mapping[str, Row]
    complainants: Mapping[str, frozenset[str]]
    """By case, the other households that complain too."""

    @property
    def cases(self) -> frozenset[str]:
        """Name those that are attached."""
        return _attached(self.state)

    @property
    def statement(self) -> IncidentInformed | None:
        """Give what all owners were told last, while the incident is open."""
        if isinstance(self.state, Open) and self.state.statements:
            return self.state.statements[-1]
        return None

    @property
    def letters(self) -> Mapping[str, Answered]:
        """Give the letters that were put up, while the incident is open."""
        return self.state.letters if isinstance(self.state, Open) else {}

    @property
    def going_on(self) -> Sequence[Row]:
        """Give the attached cases in which something is still owed, the first received first."""
        rows = [self.rows[case] for case in self.cases]
        going_on = [row for row in rows if row["closed_at"] is None]
        return sorted(going_on, key=lambda row: (row["received_at"], row["case_id"]))

    def own_home(self, case: Row) -> str:
        """Name whose case it is: its household, else whoever reported it."""
        speaks = case["household_id"] if case["party"] == Party.HOUSEHOLD else None
        return subject_of(case["case_id"], speaks)

    def homes_of(self, case: Row) -> frozenset[str]:
        """Name who is told of a case: whose it is, and who complains too."""
        too = self.complainants.get(case["case_id"], ())
        return frozenset(
            {self.own_home(case), *(subject_of(case["case_id"], home) for home in too)}
        )

    def told_together(self, cases: Iterable[Row]) -> list[list[Row]]:
        """Put one household's cases together that one message tells.

        Who is told of the first is told of all. Another household's case is told by itself, for a
        message that fails to who only complains is not waited for.
        """
        found: list[tuple[str, frozenset[str], list[Row]]] = []
        for case in sorted(cases, key=lambda case: len(self.homes_of(case)), reverse=True):
            own, homes = self.own_home(case), self.homes_of(case)
            for whose, theirs, together in found:
                if own == whose and homes <= theirs:
                    together.append(case)
                    break
            else:
                found.append((own, homes, [case]))
        return [together for _, _, together in found]

    def to(self, command: Command) -> To:
        """Address a command to the incident."""
        return To(stream_of(self.row["incident_id"]), self.row["project_id"], command)

    def say(self, at: datetime, case_id: str, fact: SaidFact) -> To:
        """Put a fact into the story of one of the cases."""
        return To(f"case-{case_id}", self.row["project_id"], Say(at, fact))


def _attached(state: State) -> frozenset[str]:
    return frozenset() if isinstance(state, Nothing) else state.cases


async def gather(
    store: EventStore, registers: Registers, row: Row, others: Iterable[str] = ()
) -> Gathered:
    """Read an incident with its cases, and the rows of some others."""
    decider = IncidentDecider()
    state = decider.initial
    for recorded in await store.facts_of(stream_of(row["incident_id"])):
        state = decider.evolve(state, recorded.fact)  # type: ignore[arg-type]
    ids = sorted(_attached(state).union(others))
    complainants: defaultdict[str, set[str]] = defaultdict(set)
    for other in await registers.concerned(*ids):
        if other["part"] == Part.COMPLAINANT:
            complainants[other["case_id"]].add(other["household_id"])
    too = {case_id: frozenset(households) for case_id, households in complainants.items()}
    return Gathered(row, state, await registers.entries("cases", ids), too)


def ask_to_tell(statement: IncidentInformed, case: Row, *also: Row) -> OwnerMessageRequested:
    """Ask that the owner be told by one message, in all of these cases."""
    return OwnerMessageRequested(
        case_id=case["case_id"],
        request_id=statement.statement_id,
        about=statement.about,
        text=statement.text,
        person_id=statement.person_id,
        incident=statement.incident,
        also=tuple(other["case_id"] for other in also),
    )


def keep(letter: IncidentLetterPublished, case_id: str) -> OpenLetterKept:
    """Put the letter with one of the cases that it answers (FU-4.1.2.1b)."""
    return OpenLetterKept(
        case_id=case_id,
        letter_id=letter.letter_id,
        incident=letter.incident,
        text=letter.text,
        person_id=letter.person_id,
    )


@dataclass(slots=True)
class Attaching:
    """Makes the commands that attach cases, one case after the other."""

    store: EventStore
    gathered: Gathered
    closed: frozenset[str]
    """Incidents that are over, in which a case may still be said to be."""
    asked: set[tuple[str, str]] = field(default_factory=set)
    """Whose cases are being told, and each household that is told of them."""

    async def commands(self, case: Row, at: datetime, person_id: str | None) -> list[To]:
        """Give the commands for one case; refuses one of another project."""
        gathered, case_id = self.gathered, case["case_id"]
        incident_id, statement = gathered.row["incident_id"], gathered.statement
        if case["project_id"] != gathered.row["project_id"]:
            raise invalid("The case belongs to another project than the incident.")
        told = statement.statement_id if statement else None
        said: list[SaidFact] = []
        if case["incident_id"] in self.closed:
            said.append(CaseLeftIncident(case_id=case_id, incident_id=case["incident_id"]))
        said.append(CaseJoinedIncident(case_id=case_id, incident_id=incident_id))
        if statement is not None and case_id not in gathered.cases:
            said += await self._telling(case, statement)
        attach = gathered.to(AttachCase(at, case_id, person_id, told))
        return [attach, *(gathered.say(at, case_id, fact) for fact in said)]

    async def _telling(self, case: Row, statement: IncidentInformed) -> list[SaidFact]:
        """Tell the case's owner what the others were told, unless all its households were."""
        homes = self.gathered.homes_of(case)
        reached = {home: await self._reached_at(home, statement) for home in homes}
        if set(reached.values()) == {"told"}:
            known = OwnerInformed(
                case_id=case["case_id"],
                notice_id=statement.statement_id,
                about=statement.about,
                how="message",
                incident=statement.incident,
            )
            return [known]
        told = {(self.gathered.own_home(case), home) for home in homes}
        untold = {home for _, home in told - self.asked if reached[home] == "no"}
        if untold and case["closed_at"] is None:
            self.asked |= told
            return [ask_to_tell(statement, case)]
        return []

    async def _reached_at(
        self, home: str, statement: IncidentInformed
    ) -> Literal["no", "asked", "told"]:
        """Say whether a message with the statement was asked for to a household, or has arrived.

        Its own cases alone say so: in another's it may complain only since that one was told.
        """
        gathered = self.gathered
        cases = (id_ for id_ in gathered.cases if home == gathered.own_home(gathered.rows[id_]))
        return await _reached(self.store, cases, statement)


async def attaching(
    store: EventStore, registers: Registers, row: Row, cases: Iterable[str]
) -> Attaching:
    """Read what attaching these cases depends on."""
    gathered = await gather(store, registers, row, cases)
    others = {case["incident_id"] for case in gathered.rows.values()} - {None}
    rows = await registers.entries("incidents", sorted(others))
    closed = frozenset(name for name, other in rows.items() if other["status"] == "closed")
    return Attaching(store, gathered, closed)


async def _reached(
    store: EventStore, cases: Iterable[str], statement: IncidentInformed
) -> Literal["no", "asked", "told"]:
    """Say whether a message with the statement was asked for in these cases, or has arrived."""
    for case in cases:
        is_asked = False
        for recorded in await store.facts_of(f"case-{case}"):
            match recorded.fact:
                case OwnerMessageRequested(request_id=statement.statement_id):
                    is_asked = True
                case OwnerInformed(incident=statement.incident) if is_asked:
                    return "told"
                case _:
                    pass
        if is_asked:
            return "asked"
    return "no"
