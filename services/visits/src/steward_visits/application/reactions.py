"""What visits does about facts of intake: notes them, and owes what the rules demand."""

from collections.abc import Iterable, Iterator, Mapping

from steward_events.fact import Fact
from steward_events.intake import (
    BoxOpened,
    CaseAbsorbed,
    CaseClassified,
    CaseClosed,
    CaseMerged,
    CaseMovedOut,
    CaseReceived,
    CaseRefused,
    CaseReopened,
    CaseWithdrawn,
    HistoryEnded,
    OpenLetterKept,
    SeverityRaised,
)
from steward_events.recorded import Recorded
from steward_events.registry import (
    ProjectRegistered,
    RoleAssigned,
    RoleEnded,
    SuggestionBoxRegistered,
)
from steward_eventstore.execute import To
from steward_visits.domain import followups
from steward_visits.domain.duties import NoteDone, NoteThing
from steward_visits.domain.followups import Command
from steward_visits.domain.ledger import NoteProject, NoteRole

DEFAULT_PACK = "residential-cn"
"""Of a project that names none."""

_ASKED_FOR = (
    *("kind", "channel", "party", "topic", "validity", "ground", "severity"),
    *("urgency", "work_category", "rework_of"),
)
"""Fields of a case that the conditions of follow-up rules may name."""


_ENDS: Mapping[type[Fact], str] = {
    CaseRefused: "refused",
    CaseWithdrawn: "withdrawn",
    CaseMerged: "merged",
    CaseMovedOut: "moved_out",
}
"""Why nothing is owed after them."""


def stream_of(case_id: str) -> str:
    """Name the stream with the follow-ups of a case."""
    return f"followups-{case_id}"


def ledger_of(project_id: str) -> str:
    """Name the stream with the visits of a project."""
    return f"ledger-{project_id}"


def subject_of(case_id: str, household_id: str | None) -> str:
    """Name the subject whose key seals what is said about a case: its household, else the case."""
    return f"household-{household_id}" if household_id else f"case-{case_id}"


def keep_ledger(heard: Recorded) -> Iterable[To]:
    """Keep a project's ledger: where it is, and who holds which role.

    Nobody owes anything for a month in which Steward did not know of the role.
    """
    at = max(heard.occurred_at, heard.known_at)
    match heard.fact:
        case ProjectRegistered() as fact:
            pack = fact.policy or DEFAULT_PACK
            command: NoteProject | NoteRole = NoteProject(
                at, fact.project_id, fact.zone, fact.group_id, pack
            )
        case RoleAssigned() | RoleEnded() as fact:
            held = isinstance(fact, RoleAssigned)
            command = NoteRole(at, fact.project_id, fact.role, fact.person_id, held)
        case _:
            return
    yield To(ledger_of(command.project_id), heard.key, command)


def duties_of(subject: str) -> str:
    """Name the stream with what is seen to every week of one thing."""
    return f"duties-{subject}"


def watch(heard: Recorded) -> Iterable[To]:
    """Watch that suggestion boxes are opened every week."""
    match heard.fact:
        case SuggestionBoxRegistered() as fact:
            at = max(heard.occurred_at, heard.known_at)
            where = (fact.project_id, fact.zone, fact.group_id, fact.pack)
            command: NoteThing | NoteDone = NoteThing(at, fact.box_id, *where, fact.removed)
        case BoxOpened() as fact:
            command = NoteDone(heard.occurred_at)
        case _:
            return
    yield To(duties_of(fact.box_id), heard.key, command)


def follow(heard: Recorded) -> Iterable[To]:
    """Follow a case of intake."""
    case_id = getattr(heard.fact, "case_id", None)
    if heard.fact is None or case_id is None:
        return
    for command in _commands(heard, heard.fact):
        yield To(stream_of(case_id), heard.key, command)


def _commands(heard: Recorded, fact: Fact) -> Iterator[Command]:
    at = heard.occurred_at
    match fact:
        case CaseReceived():
            yield followups.NoteCase(
                at,
                fact.case_id,
                fact.project_id,
                fact.zone,
                fact.policy,
                fact.household_id,
                _fields(fact),
                fact.number,
            )
        case CaseClassified():
            yield followups.NoteClassification(at, _fields(fact))
        case SeverityRaised(severity=severity) | CaseAbsorbed(severity=severity):
            if severity is not None:
                yield followups.NoteSeverity(at, str(severity))
        case CaseRefused() | CaseWithdrawn() | CaseMerged() | CaseMovedOut():
            yield followups.NoteEnd(at, _ENDS[type(fact)])
        case CaseReopened():
            yield followups.NoteReopening(at, fact.round)
        case CaseClosed(by="history"):
            yield followups.WaiveAll(at, followups.CLOSED_IN_HISTORY)
        case OpenLetterKept():
            yield followups.AnswerByLetter(at, fact.round, fact.person_id)
        case HistoryEnded():
            yield followups.EndHistory(at)
        case _:
            name = fact.wire_name.partition(".")[2]
            yield followups.NoteProgress(at, name, getattr(fact, "round", None))


def _fields(fact: Fact) -> dict[str, str]:
    said = ((name, getattr(fact, name, None)) for name in _ASKED_FOR)
    return {name: str(value) for name, value in said if value}
