"""The follow-ups owed to a household because of one case.

Nothing --owe--> Owed --deadline--> Overdue
                  |                    |
                  +------ done --------+--> Done
                  +------ waived ------+--> Waived

Whether one is owed follows from what the case is (as noted) and from the rules of its policy. A case
that becomes another kind of case changes what is owed; a reopened case owes nothing of its last round,
and one that was refused, withdrawn, merged or moved out nothing at all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict, assert_never
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.sealed import Sealed
from steward_events.visits import (
    CaseNoted,
    FollowupDone,
    FollowupDue,
    FollowupOverdue,
    FollowupWaived,
)
from steward_events.vocabulary import Mode, Role
from steward_policy import durations
from steward_policy.ladder import TITLES, role_at_least
from steward_policy.packs import FollowUpRule, Rules
from steward_visits.domain.dating import demand_recent

RECLASSIFIED = "reclassified"
REOPENED = "reopened"
CLOSED_IN_HISTORY = "closed_in_history"

CLASSIFIED = ("validity", "ground", "severity", "urgency", "work_category", "rework_of")
"""What a classification says whole: what it leaves out is no longer so."""

OTHER_CLOCKS = timedelta(minutes=2)
"""How far the clock of whoever handled a case may be ahead of ours."""

_NAMESPACE = uuid5(NAMESPACE_URL, "steward/followup")


@dataclass(frozen=True, slots=True)
class NoteCase:
    """Take note of a new case; `fields` are what the conditions of rules may ask for."""

    at: datetime
    case_id: str
    project_id: str
    zone: str
    policy: str
    household_id: str | None
    fields: Mapping[str, str]
    number: str = ""


@dataclass(frozen=True, slots=True)
class NoteClassification:
    """Take note of what the case is by a person's decision."""

    at: datetime
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NoteSeverity:
    """Take note that a rule, or a case merged into it, made the case weightier."""

    at: datetime
    severity: str


@dataclass(frozen=True, slots=True)
class NoteProgress:
    """Take note of a fact of the case, by its name without owner and version."""

    at: datetime
    fact: str
    round: int | None = None


@dataclass(frozen=True, slots=True)
class NoteReopening:
    """Take note that the next round began."""

    at: datetime
    round: int


@dataclass(frozen=True, slots=True)
class NoteEnd:
    """Take note that the case goes on no further here, and why."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class WaiveAll:
    """Owe nothing more: the case came to its end before Steward looked after it."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class EndHistory:
    """From here on the case is live; alarms of the past ring before this."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RecordFollowUp:
    """Say that a follow-up was made (FU-5.1); `roles` are those that the person holds."""

    at: datetime
    followup_id: str
    mode: Mode
    person_id: str | None
    satisfied: bool | None
    remark: Sealed | None = None
    roles: frozenset[Role] = frozenset()
    said_at: datetime | None = None
    """When it was written down, if not when it was made."""


@dataclass(frozen=True, slots=True)
class AnswerByLetter:
    """An open letter answers the case: what a letter may follow up is followed up (FU-4.1.2.1b)."""

    at: datetime
    round: int
    person_id: str | None


@dataclass(frozen=True, slots=True)
class WaiveFollowUp:
    """Owe a follow-up no longer."""

    at: datetime
    followup_id: str
    reason: str
    person_id: str | None


Command = (
    NoteCase
    | NoteClassification
    | NoteSeverity
    | NoteProgress
    | NoteReopening
    | NoteEnd
    | WaiveAll
    | EndHistory
    | RecordFollowUp
    | AnswerByLetter
    | WaiveFollowUp
    | Ring
)
VisitsFact = CaseNoted | FollowupDue | FollowupDone | FollowupWaived | FollowupOverdue


@dataclass(frozen=True, slots=True)
class Owed:
    """To be made by its time."""

    due: FollowupDue


@dataclass(frozen=True, slots=True)
class Overdue:
    """Still to be made, too late already."""

    due: FollowupDue


@dataclass(frozen=True, slots=True)
class Done:
    """Made, and how."""

    made: FollowupDone


@dataclass(frozen=True, slots=True)
class Waived:
    """Not owed any longer, and who said so, if anybody."""

    reason: str
    person_id: str | None = None


FollowUp = Owed | Overdue | Done | Waived


@dataclass(frozen=True, slots=True)
class Unheard:
    """The case is not known here."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A case as it was noted, and its follow-ups by their IDs."""

    case: CaseNoted
    followups: Mapping[str, FollowUp]


State = Unheard | Followed


class FollowupsDecider:
    """Decides about the follow-ups of one case; `rules_of` gives the rules of a policy version.

    `rules_of` raises KeyError for a version that was not heard yet.
    """

    initial: State = Unheard()

    def __init__(self, rules_of: Callable[[str], Rules]) -> None:
        self._rules_of = rules_of

    def decide(self, command: Command, state: State) -> Sequence[VisitsFact]:
        """Answer a command. Repeats and what came too late are answered with nothing."""
        if isinstance(state, Unheard):
            return self._of_unheard(command)
        match command:
            case NoteCase() | EndHistory():
                return []
            case NoteClassification():
                kept = {k: v for k, v in state.case.fields.items() if k not in CLASSIFIED}
                return self._described(state, kept | dict(command.fields))
            case NoteSeverity():
                return self._described(state, state.case.fields | {"severity": command.severity})
            case NoteProgress():
                return self._progressed(command, state)
            case NoteReopening():
                if command.round <= state.case.round:
                    return []
                begun = {"round": command.round, "happened": {}, "ended": ""}
                return [state.case.model_copy(update=begun), *_waived(state, REOPENED)]
            case NoteEnd():
                if state.case.ended:
                    return []
                ended = state.case.model_copy(update={"ended": command.reason})
                return [ended, *_waived(state, command.reason)]
            case WaiveAll():
                return list(_waived(state, command.reason))
            case RecordFollowUp():
                return self._recorded(command, state)
            case AnswerByLetter():
                return list(_answered(command, state))
            case WaiveFollowUp():
                return _given_up(command, state)
            case Ring():
                return [_overdue(due, state) for due in _owed(state) if command.at >= due.by]
            case _:
                assert_never(command)

    def evolve(self, state: State, fact: VisitsFact) -> State:
        """Give the state after one more fact."""
        if isinstance(fact, CaseNoted):
            return Followed(fact, {} if isinstance(state, Unheard) else state.followups)
        if isinstance(state, Unheard):
            return state
        match fact:
            case FollowupDue():
                return _with(state, fact.followup_id, Owed(fact))
            case FollowupDone():
                return _with(state, fact.followup_id, Done(fact))
            case FollowupWaived():
                return _with(state, fact.followup_id, Waived(fact.reason, fact.person_id))
            case FollowupOverdue():
                before = state.followups.get(fact.followup_id)
                if isinstance(before, Owed):
                    return _with(state, fact.followup_id, Overdue(before.due))
                return state
            case _:
                assert_never(fact)

    def wake_at(self, state: State) -> datetime | None:
        """Ask to be woken at the first deadline, while there is one."""
        if isinstance(state, Unheard):
            return None
        return min((due.by for due in _owed(state)), default=None)

    def _of_unheard(self, command: Command) -> Sequence[VisitsFact]:
        match command:
            case Ring() | EndHistory() | WaiveAll() | NoteEnd():
                return []
            case NoteCase():
                self._rules(command.policy)  # unknown: the case waits here, not its follow-ups
                noted = CaseNoted(
                    case_id=command.case_id,
                    project_id=command.project_id,
                    zone=command.zone,
                    policy=command.policy,
                    household_id=command.household_id,
                    fields=dict(command.fields),
                    number=command.number,
                )
                return [noted]
            case _:
                raise NotHeardYet("This case has not been heard of yet.")

    def _described(self, state: Followed, fields: Mapping[str, str]) -> Sequence[VisitsFact]:
        return self._noted(state, state.case.model_copy(update={"fields": dict(fields)}))

    def _progressed(self, command: NoteProgress, state: Followed) -> Sequence[VisitsFact]:
        case = state.case
        asked_for = {rule.after for rule in self._rules(case.policy).followups}
        if command.fact not in asked_for or command.fact in case.happened:
            return []
        if command.round is not None and command.round < case.round:
            return []
        happened = case.happened | {command.fact: command.at}
        return self._noted(state, case.model_copy(update={"happened": happened}))

    def _noted(self, state: Followed, case: CaseNoted) -> Sequence[VisitsFact]:
        """Note the case as it is now, and change what is owed to what its rules demand."""
        if case == state.case:
            return []
        duties = {duty.followup_id: duty for duty in self._duties(case)}
        no_longer = [due for due in _unfinished(state) if due.followup_id not in duties]
        newly = [
            duty
            for duty in duties.values()
            if state.followups.get(duty.followup_id, Waived(RECLASSIFIED)) == Waived(RECLASSIFIED)
        ]
        waived = [FollowupWaived(**_named(due), reason=RECLASSIFIED) for due in no_longer]
        return [case, *waived, *newly]

    def _duties(self, case: CaseNoted) -> Iterator[FollowupDue]:
        if case.ended:
            return
        rules = self._rules(case.policy)
        for rule in rules.followups:
            since = case.happened.get(rule.after)
            if since is None or not rule.when.holds(case.fields):
                continue
            calendar, zone = rules.calendar(rule.calendar), ZoneInfo(case.zone)
            try:
                by = durations.due(since, rule.within, calendar, zone)
            except ValueError as error:
                raise Refused(f"The follow-up cannot be computed: {error}") from error
            yield FollowupDue(
                followup_id=_followup_id(case, rule),
                case_id=case.case_id,
                project_id=case.project_id,
                rule=rule.rule,
                household_id=case.household_id,
                mode=rule.mode[0],
                by=by.at,
                role=rule.role[0] if rule.role else None,
                round=case.round,
                policy=case.policy,
                modes=rule.mode,
                roles=rule.role,
                zone=case.zone,
                rate=rule.rate,
            )

    def _recorded(self, command: RecordFollowUp, state: Followed) -> Sequence[VisitsFact]:
        match state.followups.get(command.followup_id):
            case Owed(due) | Overdue(due):
                self._demand_begun(command, due, state.case)
                self._demand_recent(command, state.case)
                _demand_mode(due, command.mode)
                _demand_role(due, command)
                done = FollowupDone(
                    **_named(due),
                    mode=command.mode,
                    person_id=command.person_id,
                    satisfied=command.satisfied,
                    remark=command.remark,
                    overdue=command.at > due.by,
                )
                return [done]
            case Done(made) if _is_repeat(command, made):
                return []
            case Done():
                raise Refused("This follow-up was made already, and told with another content.")
            case Waived():
                raise Refused("This follow-up was waived; it is owed no longer.")
            case None:
                raise _no_such_followup()

    def _demand_begun(self, command: RecordFollowUp, due: FollowupDue, case: CaseNoted) -> None:
        """Refuse a follow-up that was made before there was anything to follow up."""
        for rule in self._rules(case.policy).followups:
            since = case.happened.get(rule.after)
            if since is None or _followup_id(case, rule) != due.followup_id:
                continue
            if command.at < since - OTHER_CLOCKS:
                raise Refused(
                    "A follow-up is made after the case was handled, not before.", rule=due.rule[0]
                )

    def _demand_recent(self, command: RecordFollowUp, case: CaseNoted) -> None:
        if command.said_at is None or command.at >= command.said_at:
            return
        allowed, zone = self._rules(case.policy).cases, ZoneInfo(case.zone)
        demand_recent("follow-up", command.at, command.said_at, allowed, zone, command.roles)

    def _rules(self, policy: str) -> Rules:
        try:
            return self._rules_of(policy)
        except KeyError:
            raise NotHeardYet(f"The policy {policy} has not been heard of yet.") from None


def _followup_id(case: CaseNoted, rule: FollowUpRule) -> str:
    return str(uuid5(_NAMESPACE, f"{case.case_id}|{case.round}|{rule.id}"))


def _is_repeat(command: RecordFollowUp, made: FollowupDone) -> bool:
    return (command.mode, command.person_id, command.satisfied, command.remark) == (
        made.mode,
        made.person_id,
        made.satisfied,
        made.remark,
    )


def _demand_mode(due: FollowupDue, mode: Mode) -> None:
    """Refuse a mode that does not count; a visit on site always does."""
    # Before `modes` was told, any mode counted but where a visit on site was owed.
    counting = due.modes or ((Mode.ON_SITE,) if due.mode is Mode.ON_SITE else tuple(Mode))
    if mode is Mode.ON_SITE or mode in counting:
        return
    owed = "on-site" if due.mode is Mode.ON_SITE else f"by {_either(counting)}"
    raise Refused(
        f"This follow-up is owed {owed}; one made in another way does not count.",
        rule=due.rule[0],
    )


def _demand_role(due: FollowupDue, command: RecordFollowUp) -> None:
    """Refuse somebody whom the rule does not name, nor stands above one whom it names."""
    if not due.roles:
        return
    if command.person_id is None:
        raise Refused("Say who made this follow-up, by person_id.", rule=due.rule[0])
    if not any(role_at_least(held, owed) for held in command.roles for owed in due.roles):
        titles = _either(tuple(TITLES[role][1] for role in due.roles))
        raise Refused(
            f"This follow-up is made by a {titles} of this project, or somebody above.",
            rule=due.rule[0],
        )


def _either(words: Sequence[str]) -> str:
    return " or ".join(word.replace("_", "-") for word in words)


def _overdue(due: FollowupDue, state: Followed) -> FollowupOverdue:
    return FollowupOverdue(
        **_named(due),
        by=due.by,
        to=due.role or Role.CS_SUPERVISOR,
        number=state.case.number,
        mode=due.mode,
        zone=state.case.zone,
        policy=due.policy,
    )


def _answered(command: AnswerByLetter, state: Followed) -> Iterator[FollowupDone]:
    for due in _unfinished(state):
        if due.round <= command.round and Mode.LETTER in due.modes:
            yield FollowupDone(
                **_named(due),
                mode=Mode.LETTER,
                person_id=command.person_id,
                overdue=command.at > due.by,
            )


def _given_up(command: WaiveFollowUp, state: Followed) -> Sequence[VisitsFact]:
    match state.followups.get(command.followup_id):
        case Owed(due) | Overdue(due):
            waived = FollowupWaived(
                **_named(due), reason=command.reason, person_id=command.person_id
            )
            return [waived]
        case Waived(reason, person_id) if (reason, person_id) == (
            command.reason,
            command.person_id,
        ):
            return []
        case Waived():
            raise Refused("This follow-up was waived already, and told with another content.")
        case Done():
            raise Refused("This follow-up was made already.")
        case None:
            raise _no_such_followup()


def _no_such_followup() -> Refused:
    return Refused("There is no such follow-up.", code="not_found")


def _waived(state: Followed, reason: str) -> Iterator[FollowupWaived]:
    for due in _unfinished(state):
        yield FollowupWaived(**_named(due), reason=reason)


def _unfinished(state: Followed) -> Iterator[FollowupDue]:
    for followup in state.followups.values():
        if isinstance(followup, Owed | Overdue):
            yield followup.due


def _owed(state: Followed) -> Iterator[FollowupDue]:
    for followup in state.followups.values():
        if isinstance(followup, Owed):
            yield followup.due


def _with(state: Followed, followup_id: str, followup: FollowUp) -> Followed:
    return Followed(state.case, {**state.followups, followup_id: followup})


class _Name(TypedDict):
    followup_id: str
    case_id: str
    project_id: str
    rule: tuple[str, ...]
    round: int


def _named(due: FollowupDue) -> _Name:
    return {
        "followup_id": due.followup_id,
        "case_id": due.case_id,
        "project_id": due.project_id,
        "rule": due.rule,
        "round": due.round,
    }
