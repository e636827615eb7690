"""One case, from the first word to the last.

Nothing --receive--> Open <--pause, resume--> Waiting
                      |  ^                       |
                      |  +------- reopen ----+   |
                    handle                   |   | handle
                      v                      |   v
                   Handled --tell--> Told --close--> Closed

A closing by another system or by history stands from any state; what it left out is listed.
Facts may come late, so that a case handled may still be accepted, chased, assigned or classified,
and by another system or by history even a closed one be assigned or classified.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NoReturn, assert_never

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.fact import Fact
from steward_events.intake import (
    CaseAccepted,
    CaseAssigned,
    CaseChased,
    CaseClassified,
    CaseClosed,
    CaseHandled,
    CasePaused,
    CaseReceived,
    CaseReopened,
    CaseResumed,
    FollowupNoted,
    HistoryEnded,
    ProgressReported,
    ResultTold,
    SatisfactionGiven,
)
from steward_events.sealed import Sealed
from steward_events.vocabulary import Channel, Kind, Role, Severity, Validity

Origin = Literal["steward", "external", "history"]
"""Who says it: a person in Steward, another ticketing system, or imported history."""

LONGEST_PAUSE = timedelta(days=7)
_WEIGHT = [Severity.MINOR, Severity.IMPORTANT, Severity.MAJOR]


@dataclass(frozen=True, slots=True)
class ReceiveCase:
    """Take a case in; `received` is what was said."""

    at: datetime
    received: CaseReceived


@dataclass(frozen=True, slots=True)
class ClassifyCase:
    """Say what the case is; the first time its `cause` is always `first`."""

    at: datetime
    classified: CaseClassified
    by: Origin = "steward"


@dataclass(frozen=True, slots=True)
class AssignCase:
    """Give the case to a named person."""

    at: datetime
    person_id: str
    reason: str = ""
    by: Origin = "steward"


@dataclass(frozen=True, slots=True)
class AcceptCase:
    """Take the case into the procedure, as the holder of a role."""

    at: datetime
    role: Role
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChaseCase:
    """The owner asks again."""

    at: datetime
    chase_id: str
    channel: Channel = Channel.PHONE
    demand: Sealed | None = None


@dataclass(frozen=True, slots=True)
class ReportProgress:
    """Say how far the work is."""

    at: datetime
    report_id: str
    department: str = ""
    text: Sealed | None = None
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class PauseCase:
    """Wait for the owner, until a date."""

    at: datetime
    resume_on: datetime


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


@dataclass(frozen=True, slots=True)
class TellResult:
    """Say that the result has reached the owner."""

    at: datetime
    how: Literal["in_person", "phone", "message", "letter"]
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class NoteFollowup:
    """Visits has made or waived a follow-up; `round` None is the present one."""

    at: datetime
    followup_id: str
    outcome: Literal["done", "waived"]
    round: int | None = None


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


@dataclass(frozen=True, slots=True)
class ReopenCase:
    """It was not resolved after all."""

    at: datetime
    reason: Literal["owner", "followup", "external"] = "owner"


@dataclass(frozen=True, slots=True)
class EndHistory:
    """What came before `until` has been imported."""

    at: datetime
    until: datetime


CaseCommand = (
    ReceiveCase
    | ClassifyCase
    | AssignCase
    | AcceptCase
    | ChaseCase
    | ReportProgress
    | PauseCase
    | ResumeCase
    | HandleCase
    | TellResult
    | NoteFollowup
    | GiveSatisfaction
    | CloseCase
    | ReopenCase
    | EndHistory
)

CaseFact = (
    CaseReceived
    | CaseClassified
    | CaseAssigned
    | CaseAccepted
    | CaseChased
    | ProgressReported
    | CasePaused
    | CaseResumed
    | CaseHandled
    | ResultTold
    | FollowupNoted
    | SatisfactionGiven
    | CaseClosed
    | CaseReopened
    | HistoryEnded
)


@dataclass(frozen=True, slots=True)
class Story:
    """What is remembered of a case in every state."""

    case_id: str
    kind: Kind
    round: int = 1
    classified: CaseClassified | None = None
    owner: str | None = None
    accepted: frozenset[tuple[Role, str | None]] = frozenset()
    said: frozenset[str] = frozenset()
    """IDs of chases, progress reports and follow-ups: a repeat is known by them."""
    followed_up: int = 0
    """The last round whose follow-up is done or waived."""
    satisfaction: tuple[int, Sealed | None] | None = None
    history_until: datetime | None = None

    @property
    def is_valid_complaint(self) -> bool:
        """Whether the company has to answer for it (RM-4.3.1)."""
        return self.classified is not None and self.classified.validity is Validity.VALID

    @property
    def least(self) -> Severity | None:
        """The severity below which it may not fall: the second reopening is at least important."""
        return Severity.IMPORTANT if self.kind is Kind.COMPLAINT and self.round >= 3 else None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nobody has said anything yet."""


@dataclass(frozen=True, slots=True)
class Open:
    """Somebody has to do something."""

    story: Story


@dataclass(frozen=True, slots=True)
class Waiting:
    """The owner asked to wait until a date."""

    story: Story
    resume_on: datetime


@dataclass(frozen=True, slots=True)
class Handled:
    """The work is done; the owner has not been told."""

    story: Story
    measures: bool


@dataclass(frozen=True, slots=True)
class Told:
    """The owner knows the result."""

    story: Story
    measures: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing more is owed."""

    story: Story


Known = Open | Waiting | Handled | Told | Closed
Case = Nothing | Known

MISSING = {
    "classified": (
        "The complaint has not been classified: say first whether it is valid, and how weighty.",
        "RC-4.2",
    ),
    "handled": ("The case has not been handled yet.", "RC-7"),
    "measures": (
        "A valid complaint is handled only with a corrective and a preventive measure.",
        "RM-4.6.1",
    ),
    "result_told": ("The owner has not been told the result yet.", "RM-4.6.3"),
    "followup": ("The follow-up of this complaint is neither done nor waived yet.", "RM-4.6.4a"),
    "owner_confirmed": ("The owner has neither been told the result nor confirmed it.", "RC-5.4"),
}
"""What a closing may lack: the sentence for a person, and the rule."""


def decide(command: CaseCommand | Ring, state: Case) -> Sequence[CaseFact]:
    """Answer a command; repeats are answered with nothing."""
    if isinstance(state, Nothing):
        match command:
            case ReceiveCase():
                return [command.received]
            case Ring():
                return []
            case _:
                raise NotHeardYet("No case of this ID has been received.")
    story = state.story
    match command:
        case ReceiveCase():
            return []
        case ClassifyCase():
            return _classify(command, state)
        case AssignCase():
            if command.by == "steward":
                _refuse_closed(state, "assigned")
            if command.person_id == story.owner:
                return []
            return [
                CaseAssigned(
                    case_id=story.case_id,
                    person_id=command.person_id,
                    before=story.owner,
                    reason=command.reason,
                )
            ]
        case AcceptCase():
            if (command.role, command.person_id) in story.accepted:
                return []
            _refuse_closed(state, "accepted")
            return [
                CaseAccepted(case_id=story.case_id, person_id=command.person_id, role=command.role)
            ]
        case ChaseCase():
            if command.chase_id in story.said:
                return []
            if isinstance(state, Closed):
                raise Refused("The case is closed: reopen it, since the owner asks again.")
            return [
                CaseChased(
                    case_id=story.case_id,
                    chase_id=command.chase_id,
                    channel=command.channel,
                    demand=command.demand,
                )
            ]
        case ReportProgress():
            if command.report_id in story.said:
                return []
            return [
                ProgressReported(
                    case_id=story.case_id,
                    report_id=command.report_id,
                    department=command.department,
                    text=command.text,
                    person_id=command.person_id,
                )
            ]
        case PauseCase():
            return _pause(command, state)
        case ResumeCase():
            return [CaseResumed(case_id=story.case_id)] if isinstance(state, Waiting) else []
        case Ring():
            if isinstance(state, Waiting) and command.at >= state.resume_on:
                return [CaseResumed(case_id=story.case_id)]
            return []
        case HandleCase():
            return _handle(command, state)
        case TellResult():
            return _tell(command, state)
        case NoteFollowup():
            if command.followup_id in story.said:
                return []
            return [
                FollowupNoted(
                    case_id=story.case_id,
                    followup_id=command.followup_id,
                    round=command.round or story.round,
                    outcome=command.outcome,
                )
            ]
        case GiveSatisfaction():
            return _satisfaction(command, state)
        case CloseCase():
            return _close(command, state)
        case ReopenCase():
            return _reopen(command, state)
        case EndHistory():
            if story.history_until is not None and story.history_until >= command.until:
                return []
            return [HistoryEnded(case_id=story.case_id, until=command.until)]
        case _:
            assert_never(command)


def missing(state: Known) -> tuple[str, ...]:
    """List what a closing still lacks, as keys of `MISSING`."""
    story = state.story
    told = isinstance(state, Told | Closed)
    found: list[str] = []
    if isinstance(state, Open | Waiting):
        found.append("handled")
    if story.kind is Kind.COMPLAINT:
        if story.classified is None:
            found.append("classified")
        if isinstance(state, Handled | Told) and story.is_valid_complaint and not state.measures:
            found.append("measures")
        if not told:
            found.append("result_told")
        if story.followed_up < story.round:
            found.append("followup")
    elif not told and story.satisfaction is None and story.followed_up < story.round:
        found.append("owner_confirmed")
    return tuple(found)


def _refuse_closed(state: Known, done: str) -> None:
    if isinstance(state, Closed):
        raise Refused(f"The case is closed: it can no longer be {done}. Reopen it first.")


def _refuse_missing(key: str) -> NoReturn:
    reason, rule = MISSING[key]
    raise Refused(reason, rule=rule)


def _classify(command: ClassifyCase, state: Known) -> Sequence[CaseFact]:
    story, before = state.story, state.story.classified
    wanted = command.classified.model_copy(update={"case_id": story.case_id})
    if command.by == "external" and story.kind is not Kind.COMPLAINT:
        wanted = wanted.model_copy(update={"validity": None, "severity": None})
    if command.by == "external" and before is not None:
        # Another system tells what has changed; what it leaves out stands.
        told = wanted.model_dump(exclude_defaults=True)
        wanted = before.model_copy(update={**told, "cause": "correction", "classified_by": None})
    if story.kind is Kind.COMPLAINT:
        if wanted.validity is None or (
            wanted.validity is Validity.VALID and wanted.severity is None
        ):
            raise Refused(
                "A complaint is classified by its validity and, when valid, by its severity.",
                rule="RM-4.3.1a..g",
            )
        if (
            story.least is not None
            and wanted.severity is not None
            and _WEIGHT.index(wanted.severity) < _WEIGHT.index(story.least)
        ):
            if command.by == "steward":
                raise Refused(
                    "A complaint that was reopened twice is at least important.", rule="RM-4.4.2"
                )
            wanted = wanted.model_copy(update={"severity": story.least})
    elif wanted.severity is not None or wanted.validity is not None:
        raise Refused("Only a complaint has a validity and a severity.", rule="RM-4.3.1a..g")
    if before is None:
        wanted = wanted.model_copy(update={"cause": "first"})
    else:
        cause = "correction" if wanted.cause == "first" else wanted.cause
        same = {"cause": before.cause, "classified_by": before.classified_by}
        if wanted.model_copy(update=same) == before:
            return []
        wanted = wanted.model_copy(update={"cause": cause})
    if command.by == "steward":
        _refuse_closed(state, "classified")
    return [wanted]


def _pause(command: PauseCase, state: Known) -> Sequence[CaseFact]:
    match state:
        case Waiting(resume_on=resume_on) if resume_on == command.resume_on:
            return []
        case Waiting():
            raise Refused("The case waits already: resume it before it waits for another date.")
        case Open():
            pass
        case _:
            raise Refused("Only a case that is being worked on can wait for the owner.")
    if command.resume_on <= command.at:
        raise Refused("A pause needs a date in the future on which it ends.")
    if command.resume_on > command.at + LONGEST_PAUSE:
        raise Refused("A case waits for its owner for 7 days at most.")
    return [
        CasePaused(case_id=state.story.case_id, reason="waiting_owner", resume_on=command.resume_on)
    ]


def _handle(command: HandleCase, state: Known) -> Sequence[CaseFact]:
    story = state.story
    match state:
        case Handled() | Told():
            return []
        case Closed():
            if command.by != "steward":
                return []
            raise Refused("The case is closed: it can no longer be handled. Reopen it first.")
        case Open() | Waiting():
            pass
    if command.by == "steward" and story.kind is Kind.COMPLAINT:
        if story.classified is None:
            _refuse_missing("classified")
        if story.is_valid_complaint and not (command.corrective and command.preventive):
            _refuse_missing("measures")
    handled = CaseHandled(
        case_id=story.case_id,
        round=story.round,
        person_id=command.person_id,
        corrective=command.corrective,
        preventive=command.preventive,
    )
    if isinstance(state, Waiting):
        return [CaseResumed(case_id=story.case_id), handled]
    return [handled]


def _tell(command: TellResult, state: Known) -> Sequence[CaseFact]:
    match state:
        case Told() | Closed():
            return []
        case Open() | Waiting():
            _refuse_missing("handled")
    return [
        ResultTold(
            case_id=state.story.case_id,
            round=state.story.round,
            how=command.how,
            person_id=command.person_id,
        )
    ]


def _satisfaction(command: GiveSatisfaction, state: Known) -> Sequence[CaseFact]:
    if not 1 <= command.score <= 5:
        raise Refused("Satisfaction is a number from 1 to 5.")
    if isinstance(state, Open | Waiting):
        _refuse_missing("handled")
    before = state.story.satisfaction
    if before is not None and before[0] == command.score and command.remark in (None, before[1]):
        return []
    return [
        SatisfactionGiven(case_id=state.story.case_id, score=command.score, remark=command.remark)
    ]


def _close(command: CloseCase, state: Known) -> Sequence[CaseFact]:
    if isinstance(state, Closed):
        return []
    lacks = missing(state)
    if command.by == "steward" and lacks:
        _refuse_missing(lacks[0])
    return [
        CaseClosed(
            case_id=state.story.case_id, round=state.story.round, by=command.by, missing=lacks
        )
    ]


def _reopen(command: ReopenCase, state: Known) -> Sequence[CaseFact]:
    story = state.story
    if isinstance(state, Open | Waiting):
        if story.round > 1 or command.reason == "external":
            return []
        raise Refused("The case is open: nothing was handled that could be reopened.")
    reopened = CaseReopened(case_id=story.case_id, round=story.round + 1, reason=command.reason)
    least = replace(story, round=reopened.round).least
    before = story.classified
    if least is None or before is None or before.severity is not Severity.MINOR:
        return [reopened]
    raised = before.model_copy(
        update={"severity": least, "cause": "new_facts", "classified_by": None}
    )
    return [reopened, raised]


def evolve(state: Case, fact: CaseFact) -> Case:
    """Give the case after one more fact."""
    if isinstance(fact, CaseReceived):
        return Open(Story(fact.case_id, fact.kind))
    if isinstance(state, Nothing):
        return state
    story = state.story
    match fact:
        case CaseClassified():
            return replace(state, story=replace(story, classified=fact))
        case CaseAssigned():
            return replace(state, story=replace(story, owner=fact.person_id))
        case CaseAccepted():
            accepted = story.accepted | {(fact.role, fact.person_id)}
            return replace(state, story=replace(story, accepted=accepted))
        case CaseChased():
            return replace(state, story=_said(story, fact.chase_id))
        case ProgressReported():
            return replace(state, story=_said(story, fact.report_id))
        case CasePaused():
            return Waiting(story, fact.resume_on)
        case CaseResumed():
            return Open(story)
        case CaseHandled():
            return Handled(story, bool(fact.corrective and fact.preventive))
        case ResultTold():
            return Told(story, state.measures) if isinstance(state, Handled) else state
        case FollowupNoted():
            rounds = max(story.followed_up, fact.round)
            noted = replace(_said(story, fact.followup_id), followed_up=rounds)
            return replace(state, story=noted)
        case SatisfactionGiven():
            return replace(state, story=replace(story, satisfaction=(fact.score, fact.remark)))
        case CaseClosed():
            return Closed(story)
        case CaseReopened():
            return Open(replace(story, round=fact.round, accepted=frozenset(), satisfaction=None))
        case HistoryEnded():
            return replace(state, story=replace(story, history_until=fact.until))
        case _:
            assert_never(fact)


def _said(story: Story, id_: str | None) -> Story:
    return story if id_ is None else replace(story, said=story.said | {id_})


def wake_at(state: Case) -> datetime | None:
    """Ask to be woken when the wait for the owner ends."""
    return state.resume_on if isinstance(state, Waiting) else None


class CaseDecider:
    """The functions above as one object for the shell."""

    initial: Case = Nothing()

    def decide(self, command: CaseCommand | Ring, state: Case) -> Sequence[Fact]:
        """Answer a command with facts."""
        return decide(command, state)

    def evolve(self, state: Case, fact: CaseFact) -> Case:
        """Give the state after one more fact."""
        return evolve(state, fact)

    def wake_at(self, state: Case) -> datetime | None:
        """Give the next instant at which the case wants a `Ring`."""
        return wake_at(state)
