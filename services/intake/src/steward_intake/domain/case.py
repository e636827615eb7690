"""One case, from the first word to the last.

Nothing --receive--> Open <--pause, resume--> Waiting
                      |  ^                       |
                      |  +------- reopen ----+   |
                    handle                   |   | handle
                      v                      |   v
                   Handled --tell--> Told --close--> Closed

Open, Waiting, Handled or Told --refuse, withdraw, merge, move out--> Ended

What is only said of a case and leaves its state alone is in `sayings`; what it is, which department
works on it and what goes on in it: `classifying`, `dispatching`, `merging`. What facts make of it is in
`evolving`.

A closing by another system or by history stands from any state; what it left out is listed. Facts may
come late, so that a case handled may still be accepted, chased, assigned or classified, and by another
system or by history even a closed one be assigned or classified. A case refused or withdrawn may be
reopened.

A request that was handled closes by itself at its date, told or not, unless a follow-up is owed that
each such case is owed: then it closes when that is done or waived, if its date has come.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn, assert_never
from zoneinfo import ZoneInfo

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.fact import Fact
from steward_events.intake import (
    CaseAccepted,
    CaseAnswered,
    CaseAssigned,
    CaseClassified,
    CaseClosed,
    CaseHandled,
    CaseMerged,
    CaseMovedOut,
    CasePaused,
    CaseRefused,
    CaseReopened,
    CaseResumed,
    CaseWithdrawn,
    FollowupNoted,
    HistoryEnded,
    PromiseKept,
    ResultTold,
    SatisfactionGiven,
)
from steward_events.vocabulary import Kind, Role, Severity, Urgency
from steward_intake.domain.approval import demand_role, demand_second
from steward_intake.domain.classifying import BY_NOBODY, classify, raise_severity
from steward_intake.domain.commands import (
    AbsorbCase,
    AcceptCase,
    AcceptDispatch,
    AssignCase,
    CaseCommand,
    ClassifyCase,
    CloseCase,
    DispatchCase,
    EndHistory,
    GiveSatisfaction,
    HandleCase,
    HandOver,
    MergeCase,
    MoveCase,
    PauseCase,
    RaiseSeverity,
    ReceiveCase,
    RefuseCase,
    RefuseDispatch,
    ReopenCase,
    ResumeCase,
    TakeOver,
    TellRefusal,
    TellResult,
    WithdrawCase,
)
from steward_intake.domain.dispatching import answer_dispatch, dispatch
from steward_intake.domain.evolving import CaseFact, evolve
from steward_intake.domain.merging import absorb, absorbed_mark
from steward_intake.domain.sayings import Say, is_promised, resolved_by, say
from steward_intake.domain.story import (
    Case,
    Closed,
    Ended,
    Ending,
    Handled,
    Living,
    Nothing,
    Open,
    Story,
    Told,
    Waiting,
    differing,
    refuse_closed,
    whereabouts,
)
from steward_policy.calendars import END_OF_DAY, first_instant

ONE_DAY = timedelta(days=1)


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
    match state:
        case Nothing():
            return _begin(command)
        case Ended():
            return _after_the_end(command, state)
        case _:
            return _go_on(command, state)


def _begin(command: CaseCommand | Ring) -> Sequence[CaseFact]:
    match command:
        case ReceiveCase(received=received):
            return [received, *_given(command), *_urgent(command)]
        case Ring():
            return []
        case _:
            raise NotHeardYet("No case of this ID has been received.")


def _given(command: ReceiveCase) -> Sequence[CaseFact]:
    if command.owner is None:
        return []
    case_id = command.received.case_id
    return [CaseAssigned(case_id=case_id, person_id=command.owner, reason=command.reason)]


def _urgent(command: ReceiveCase) -> Sequence[CaseFact]:
    if command.urgency is Urgency.ORDINARY:
        return []
    case_id, by = command.received.case_id, command.received.received_by
    return [CaseClassified(case_id=case_id, urgency=command.urgency, classified_by=by)]


def _after_the_end(command: CaseCommand | Ring, state: Ended) -> Sequence[CaseFact]:
    """Let nothing happen any more but a reopening, and what is only said."""
    match command, state.ending:
        case (Say(), _):
            return say(command, state)
        case (EndHistory(), _):
            return _end_history(command, state.story)
        case (ReopenCase(round=int()), _):
            return []
        case (ReopenCase(), CaseRefused() | CaseWithdrawn()):
            return _reopened(command, state.story)
        case (RefuseCase() as same, CaseRefused()) | (WithdrawCase() as same, CaseWithdrawn()):
            if same.by == "steward" and _ended_otherwise(same, state.ending):
                raise Refused(whereabouts(state))
            return []
        case (MergeCase(into=into), CaseMerged(into=there)) if into == there:
            return []
        case (MoveCase(to_case=to_case), CaseMovedOut(to_case=there)) if to_case == there:
            if differing(command, state.ending, ("reason", "person_id")):
                raise Refused(whereabouts(state))
            return []
        case (AbsorbCase(), _) if absorbed_mark(command.merged) in state.story.said:
            return []
        case (ReceiveCase() | RaiseSeverity() | HandOver() | ResumeCase() | Ring(), _):
            return []
        case (TellResult(round=int()), _):
            return []  # a message arrived late
        case (TellRefusal(), _):
            return _tell_refusal(command, state)
        case (
            ClassifyCase(by=by)
            | AssignCase(by=by)
            | DispatchCase(by=by)
            | RefuseDispatch(by=by)
            | HandleCase(by=by)
            | CloseCase(by=by)
            | RefuseCase(by=by)
            | WithdrawCase(by=by),
            _,
        ) if by != "steward":
            return []
        case _:
            raise Refused(whereabouts(state))


def _ended_otherwise(command: RefuseCase | WithdrawCase, ending: Ending) -> bool:
    refused = ("reason", "text", "approved_by")
    words = refused if isinstance(command, RefuseCase) else ("asked_by", "how", "confirmed_by")
    return bool(differing(command, ending, ("person_id", *words)))


def _go_on(command: CaseCommand | Ring, state: Living) -> Sequence[CaseFact]:
    story = state.story
    match command:
        case ReceiveCase():
            return []
        case Say(fact=FollowupNoted()):
            return _follow_up(command, state)
        case Say():
            return say(command, state)
        case ClassifyCase():
            return classify(command, state)
        case RaiseSeverity():
            return raise_severity(command, state)
        case AssignCase():
            if command.by == "steward":
                refuse_closed(state, "assigned")
            if command.person_id == story.owner:
                return []
            return [_assigned(story, command.person_id, command.reason)]
        case HandOver():
            if isinstance(state, Closed) or story.owner != command.before:
                return []
            if story.owner == command.person_id:
                return []
            return [_assigned(story, command.person_id, "role_ended")]
        case DispatchCase():
            return dispatch(command, state)
        case AcceptDispatch() | RefuseDispatch():
            return answer_dispatch(command, state)
        case AcceptCase():
            if (command.role, command.person_id) in story.efforts.accepted:
                return []
            refuse_closed(state, "accepted")
            if command.by == "steward":
                demand_role(command.approver, command.role, "RM-4.5.2b")
            return [
                CaseAccepted(case_id=story.case_id, person_id=command.person_id, role=command.role)
            ]
        case PauseCase():
            return _pause(command, state)
        case ResumeCase():
            return [CaseResumed(case_id=story.case_id)] if isinstance(state, Waiting) else []
        case Ring():
            if isinstance(state, Waiting) and command.at >= state.resume_on:
                return [CaseResumed(case_id=story.case_id, because="date")]
            return _closed_by_date(state, command.at)
        case HandleCase():
            return _handle(command, state)
        case TellResult():
            return _tell(command, state)
        case GiveSatisfaction():
            return _satisfaction(command, state)
        case CloseCase():
            return _close(command, state)
        case ReopenCase():
            return _reopen(command, state)
        case RefuseCase():
            return _refuse(command, state)
        case TellRefusal():
            return []  # it was reopened since
        case WithdrawCase():
            return _withdraw(command, state)
        case MergeCase():
            if command.into == story.case_id:
                raise Refused("A case is not merged into itself.")
            refuse_closed(state, "merged")
            return [
                CaseMerged(
                    case_id=story.case_id,
                    into=command.into,
                    person_id=command.person_id,
                    into_number=command.into_number,
                )
            ]
        case AbsorbCase():
            return absorb(command, state)
        case MoveCase():
            _refuse_done(state, "moved")
            if story.round > 1:
                raise Refused("The case was handled here and reopened: it stays in this project.")
            return [
                CaseMovedOut(
                    case_id=story.case_id,
                    to_project=command.to_project,
                    to_case=command.to_case,
                    reason=command.reason,
                    person_id=command.person_id,
                )
            ]
        case TakeOver():
            return [command.fact]
        case EndHistory():
            return _end_history(command, story)
        case _:
            assert_never(command)


def _assigned(story: Story, person_id: str, reason: str) -> CaseAssigned:
    return CaseAssigned(
        case_id=story.case_id, person_id=person_id, before=story.owner, reason=reason
    )


def missing(state: Living) -> tuple[str, ...]:
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
    elif not told and story.efforts.satisfaction is None and story.followed_up < story.round:
        found.append("owner_confirmed")
    return tuple(found)


def _refuse_missing(key: str) -> NoReturn:
    reason, rule = MISSING[key]
    raise Refused(reason, rule=rule)


def _pause(command: PauseCase, state: Living) -> Sequence[CaseFact]:
    match state:
        case Waiting(resume_on=command.resume_on, because=command.because):
            return []
        case Waiting():
            raise Refused(
                "The case waits already: resume it before it waits for another date or reason."
            )
        case Open():
            pass
        case _:
            raise Refused("Only a case that is being worked on can wait for the owner.")
    if command.resume_on <= command.at:
        raise Refused("A pause needs a date in the future on which it ends.")
    story, rules = state.story, command.rules
    if command.resume_on > rules.waits_until(command.at, ZoneInfo(story.zone)):
        raise Refused(f"A case waits for its owner for {rules.waits_at_most.amount} at most.")
    failed = story.efforts.failed_contacts
    if command.because == "not_reached" and failed < rules.failed_contacts:
        raise Refused(
            "A case waits for an owner who was not reached only after failed contacts (fail-contact)."
            f" Needed: {rules.failed_contacts}; recorded: {failed}."
        )
    return [
        CasePaused(
            case_id=story.case_id,
            reason="waiting_owner",
            resume_on=command.resume_on,
            because=command.because,
        )
    ]


def _handle(command: HandleCase, state: Living) -> Sequence[CaseFact]:
    story = state.story
    match state:
        case Handled() | Told():
            if command.by == "steward":
                _refuse_other_measures(command, story)
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
        closes_on=_closes_on(command, story),
    )
    facts: list[CaseFact] = []
    if isinstance(state, Waiting):
        facts.append(CaseResumed(case_id=story.case_id, because="handled"))
    if is_promised(story, promise := resolved_by(story.round)):
        facts.append(
            PromiseKept(case_id=story.case_id, promise_id=promise, person_id=command.person_id)
        )
    return [*facts, handled]


def _refuse_other_measures(command: HandleCase, story: Story) -> None:
    before = story.efforts.handled
    words = ("corrective", "preventive", "person_id")
    if before is not None and (other := differing(command, before, words)):
        raise Refused(
            f"The case was handled before, with another {', '.join(other)}: say what was done"
            " since by report-progress, or reopen it if it was not resolved."
        )


def _closes_on(command: HandleCase, story: Story) -> datetime | None:
    """Give when the rules let it close, and not before the end of the day after it was said here.

    So what was said late does not close before it is known what else there is to say of it.
    """
    if story.kind is not Kind.SERVICE_REQUEST:
        return None
    zone = ZoneInfo(story.zone)
    said = (command.said_at or command.at).astimezone(zone).date()
    least = first_instant(said + ONE_DAY, END_OF_DAY, zone)
    return max(command.rules.closes_on(command.at, zone), least)


def _tell(command: TellResult, state: Living) -> Sequence[CaseFact]:
    if command.round is not None:
        late = command.round != state.story.round or isinstance(state, Open | Waiting)
        if late:
            return []
    match state:
        case Told() | Closed():
            if command.by == "steward" and command.round is None:
                _refuse_told_otherwise(command, state)
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


def _refuse_told_otherwise(command: TellResult, state: Told | Closed) -> None:
    before = state.story.efforts.told
    if before is None:
        raise Refused(
            "The case was closed without it: say by inform what the owner is told since.",
            rule="RM-4.6.3",
        )
    if other := differing(command, before, ("how", "person_id")):
        raise Refused(
            f"The result was told before, with another {', '.join(other)}: say by inform what the"
            " owner was told since."
        )


def _satisfaction(command: GiveSatisfaction, state: Living) -> Sequence[CaseFact]:
    if not 1 <= command.score <= 5:
        raise Refused("Satisfaction is a number from 1 to 5.")
    if isinstance(state, Open | Waiting):
        _refuse_missing("handled")
    before = state.story.efforts.satisfaction
    if before is not None and before[0] == command.score and command.remark in (None, before[1]):
        return []
    return [
        SatisfactionGiven(case_id=state.story.case_id, score=command.score, remark=command.remark)
    ]


def _close(command: CloseCase, state: Living) -> Sequence[CaseFact]:
    if isinstance(state, Closed):
        return []
    lacks = missing(state)
    if command.by == "steward" and lacks:
        _refuse_missing(lacks[0])
    return [
        CaseClosed(
            case_id=state.story.case_id,
            round=state.story.round,
            by=command.by,
            missing=lacks,
            reason=command.reason,
        )
    ]


def _follow_up(command: Say, state: Living) -> Sequence[CaseFact]:
    """Note it; what was to close by itself before, and waited for this, closes now."""
    said = say(command, state)
    after: Case = state
    for fact in said:
        after = evolve(after, fact)
    return [*said, *_closed_by_date(after, command.at)]


def _closed_by_date(state: Case, at: datetime) -> Sequence[CaseClosed]:
    """Close a request whose date has come, if it may close by itself."""
    if not isinstance(state, Handled | Told):
        return []
    date = wake_at(state)
    if date is None or at < date:
        return []
    return [
        CaseClosed(
            case_id=state.story.case_id,
            round=state.story.round,
            missing=missing(state),
            reason="by_date",
        )
    ]


def _reopen(command: ReopenCase, state: Living) -> Sequence[CaseFact]:
    story = state.story
    if command.round is not None and command.round < story.round:
        return []
    if isinstance(state, Open | Waiting):
        if story.round > 1 or command.round is not None or command.reason == "external":
            return []
        raise Refused("The case is open: nothing was handled that could be reopened.")
    return _reopened(command, story)


def _reopened(command: ReopenCase, story: Story) -> Sequence[CaseFact]:
    reopened = CaseReopened(
        case_id=story.case_id,
        round=story.round + 1,
        reason=command.reason,
        followup_id=command.followup_id,
    )
    least = replace(story, round=reopened.round).least
    before = story.classified
    if least is None or before is None or before.severity is not Severity.MINOR:
        return [reopened]
    raised = before.model_copy(update={**BY_NOBODY, "severity": least, "cause": "new_facts"})
    return [reopened, raised]


def _refuse_done(state: Living, done: str) -> None:
    if isinstance(state, Handled | Told | Closed):
        raise Refused(f"The case has been handled: it can no longer be {done}.")


def _refuse(command: RefuseCase, state: Living) -> Sequence[CaseFact]:
    story = state.story
    if command.by == "steward":
        _refuse_done(state, "refused")
        if command.reason is None:
            raise Refused("A refusal tells the owner its reason.", rule="RM-4.8")
        late = story.is_valid_complaint and (story.raised or story.breached)
        demand_second(
            *(command.approver, command.person_id, "RM-4.8"),
            least=Role.CENTRE_MANAGER if late else Role.CS_SUPERVISOR,
            hands=story.handlers,
        )
    return [
        CaseRefused(
            case_id=story.case_id,
            round=story.round,
            reason=command.reason,
            text=command.text,
            person_id=command.person_id,
            approved_by=command.approved_by,
        )
    ]


def _tell_refusal(command: TellRefusal, state: Ended) -> Sequence[CaseFact]:
    """Answer the owner by the message that told them the reason (RM-4.8), unless somebody has."""
    refused = state.ending
    if not isinstance(refused, CaseRefused) or refused.round != command.round:
        return []
    if state.story.efforts.told_why_not:
        return []
    answered = CaseAnswered(
        case_id=state.story.case_id,
        answer_id=command.message_id,
        decision="will_not",
        reasons=refused.text or refused.reason,
        person_id=refused.person_id,
    )
    return say(Say(command.at, answered, "external"), state)


def _withdraw(command: WithdrawCase, state: Living) -> Sequence[CaseFact]:
    if command.by == "steward":
        refuse_closed(state, "withdrawn")
        if command.asked_by is None:
            raise Refused("Say who of the household took it back.")
        demand_second(command.approver, command.person_id, named="confirmed_by")
    return [
        CaseWithdrawn(
            case_id=state.story.case_id,
            asked_by=command.asked_by,
            how=command.how,
            person_id=command.person_id,
            confirmed_by=command.confirmed_by,
        )
    ]


def _end_history(command: EndHistory, story: Story) -> Sequence[CaseFact]:
    if story.history_until is not None and story.history_until >= command.until:
        return []
    return [HistoryEnded(case_id=story.case_id, until=command.until)]


def wake_at(state: Case) -> datetime | None:
    """Ask to be woken when the wait for the owner ends, or when a request closes by itself."""
    match state:
        case Waiting():
            return state.resume_on
        case Handled() | Told() if not state.story.efforts.followups_owed:
            return state.closes_on
        case _:
            return None


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
