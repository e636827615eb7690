"""One case, from the first word to the last.

Nothing --receive--> Open <--pause, resume--> Waiting
                      |  ^                       |
                      |  +------- reopen ----+   |
                    handle                   |   | handle
                      v                      |   v
                   Handled --tell--> Told --close--> Closed

Open, Waiting, Handled or Told --refuse, withdraw, merge, move out--> Ended

What is only said of a case and leaves its state alone is in `sayings`. A closing by another system
or by history stands from any state; what it left out is listed. Facts may come late, so that a case
handled may still be accepted, chased, assigned or classified, and by another system or by history
even a closed one be assigned or classified. A case refused or withdrawn may be reopened.

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
    CaseAbsorbed,
    CaseAccepted,
    CaseAnswered,
    CaseAssigned,
    CaseClassified,
    CaseClosed,
    CaseDispatched,
    CaseHandled,
    CaseMerged,
    CaseMovedOut,
    CasePaused,
    CaseReceived,
    CaseRefused,
    CaseReopened,
    CaseResumed,
    CaseWithdrawn,
    DispatchAccepted,
    DispatchRefused,
    DispatchWithdrawn,
    FollowupNoted,
    HarmReported,
    HistoryEnded,
    HouseholdConcerned,
    PromiseKept,
    ResultTold,
    SatisfactionGiven,
    SeverityRaised,
)
from steward_events.vocabulary import Kind, Part, Role, Severity, Urgency, Validity
from steward_intake.domain.approval import demand_role, demand_second, refuse_own
from steward_intake.domain.commands import (
    STANDING,
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
from steward_intake.domain.completeness import is_placed
from steward_intake.domain.sayings import SaidFact, Say, is_promised, resolved_by, retell, say
from steward_intake.domain.story import (
    NO_FIRST_CONTACT,
    WEIGHT,
    Case,
    Closed,
    Dispatch,
    Efforts,
    Ended,
    Ending,
    Handled,
    Living,
    Mark,
    Nothing,
    Open,
    Story,
    Told,
    Waiting,
    differing,
    strictest,
    whereabouts,
)
from steward_policy.calendars import END_OF_DAY, first_instant
from steward_policy.classification import wrong_ground

ONE_DAY = timedelta(days=1)


CaseFact = (
    SaidFact
    | CaseReceived
    | CaseClassified
    | SeverityRaised
    | CaseAssigned
    | CaseDispatched
    | DispatchAccepted
    | DispatchRefused
    | DispatchWithdrawn
    | CaseAccepted
    | CasePaused
    | CaseResumed
    | CaseHandled
    | ResultTold
    | SatisfactionGiven
    | CaseClosed
    | CaseReopened
    | CaseRefused
    | CaseWithdrawn
    | CaseMerged
    | CaseAbsorbed
    | CaseMovedOut
    | HistoryEnded
)


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
        case (AbsorbCase(), _) if _absorbed(command.merged) in state.story.said:
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
            return _classify(command, state)
        case RaiseSeverity():
            return _raise(command, state)
        case AssignCase():
            if command.by == "steward":
                _refuse_closed(state, "assigned")
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
            return _dispatch(command, state)
        case AcceptDispatch() | RefuseDispatch():
            return _answer_dispatch(command, state)
        case AcceptCase():
            if (command.role, command.person_id) in story.efforts.accepted:
                return []
            _refuse_closed(state, "accepted")
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
            _refuse_closed(state, "merged")
            return [
                CaseMerged(
                    case_id=story.case_id,
                    into=command.into,
                    person_id=command.person_id,
                    into_number=command.into_number,
                )
            ]
        case AbsorbCase():
            return _absorb(command, state)
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


def _refuse_closed(state: Living, done: str) -> None:
    if isinstance(state, Closed):
        raise Refused(f"The case is closed: it can no longer be {done}. Reopen it first.")


def _refuse_missing(key: str) -> NoReturn:
    reason, rule = MISSING[key]
    raise Refused(reason, rule=rule)


_BY_NOBODY = {"classified_by": None, "confirmed_by": None, "reason": "", "suggested": None}
"""What a classification says of how a person came to it."""


def _classify(command: ClassifyCase, state: Living) -> Sequence[CaseFact]:
    story, before = state.story, state.story.classified
    wanted = command.classified.model_copy(update={"case_id": story.case_id})
    if command.by == "external" and story.kind is not Kind.COMPLAINT:
        wanted = wanted.model_copy(update={"validity": None, "severity": None})
    if command.by == "external" and before is None and not _classes(wanted, story.kind):
        return []
    if command.by == "external" and before is not None:
        # Another system tells what has changed; what it leaves out stands.
        told = wanted.model_dump(exclude_defaults=True)
        told |= {name: getattr(wanted, name) for name in STANDING - command.unsaid}
        wanted = before.model_copy(update={**told, **_BY_NOBODY, "cause": "correction"})
    elif before is not None:
        stands = {name: getattr(before, name) for name in command.unsaid}
        wanted = wanted.model_copy(update=stands)
    if story.kind is Kind.COMPLAINT:
        validity = wanted.validity
        if validity is None or (validity is Validity.VALID and wanted.severity is None):
            raise Refused(
                "A complaint is classified by its validity and, when valid, by its severity.",
                rule="RM-4.3.1a..g",
            )
        if validity is Validity.COORDINATION and not wanted.outside_party:
            wanted = wanted.model_copy(update={"outside_party": story.outside_party})
        if command.by == "steward":
            _demand_a_class(wanted, validity)
        if wanted.severity is not None:
            if command.by == "steward" and _is_below(wanted.severity, story.least):
                raise Refused(
                    "A complaint that was reopened twice is at least important.", rule="RM-4.4.2"
                )
            if command.by == "steward" and before is None:
                _demand_as_weighty(wanted.severity, story.absorbed)
            if command.by != "steward":
                # Another system does not know our rules: what they have raised stands.
                least = strictest(wanted.severity, story.least, story.raised, story.absorbed)
                wanted = wanted.model_copy(update={"severity": least})
    elif wanted.severity is not None or wanted.validity is not None:
        raise Refused("Only a complaint has a validity and a severity.", rule="RM-4.3.1a..g")
    if before is None:
        wanted = wanted.model_copy(update={"cause": "first"})
    else:
        cause = "correction" if wanted.cause == "first" else wanted.cause
        how = {"cause", *_BY_NOBODY}
        if wanted.model_dump(exclude=how) == before.model_dump(exclude=how):
            if command.by == "steward" and differing(wanted, before, ("confirmed_by",)):
                raise Refused(
                    "The case was classified so before, with another confirmed_by: leave it out, there"
                    " is nothing to confirm."
                )
            return []
        wanted = wanted.model_copy(update={"cause": cause})
    if command.by == "steward":
        _refuse_closed(state, "classified")
        if before is not None and not wanted.reason:
            raise Refused("Say by reason why the case is classified anew.", rule="RC-4.2")
        if _demand_confirmation(command, wanted, story):
            confirmed_by = command.approver.person_id if command.approver else None
            wanted = wanted.model_copy(update={"confirmed_by": confirmed_by})
    return [wanted]


def _classes(wanted: CaseClassified, kind: Kind) -> bool:
    """Say whether it classifies at all: a complaint is by its validity or severity."""
    if kind is Kind.COMPLAINT:
        return wanted.validity is not None or wanted.severity is not None
    return bool(wanted.model_dump(exclude_defaults=True).keys() - {"case_id"})


_CLASSES = {
    Validity.VALID: "RM-4.3.1a..g",
    Validity.COORDINATION: "RM-4.3.2a..e",
    Validity.EXCESSIVE: "RM-4.3.3a..c",
}
"""The rule that names the grounds of each."""


def _demand_as_weighty(wanted: Severity, absorbed: Severity | None) -> None:
    if _is_below(wanted, absorbed):
        raise Refused(
            f"A case that is {absorbed} was merged into this one, which is as weighty as either:"
            " classify it so, and anew if that was wrong.",
            rule="RC-4.2",
        )


def _demand_a_class(wanted: CaseClassified, validity: Validity) -> None:
    """Refuse what the rules know no class for."""
    rule = _CLASSES[validity]
    # It is the company's to answer for until it is known on which ground it is.
    needs_ground = wanted.ground or validity is not Validity.VALID
    if needs_ground and (problem := wrong_ground(validity, wanted.ground)):
        raise Refused(problem, rule=rule)
    if validity is not Validity.VALID and wanted.severity is not None:
        raise Refused("Only a valid complaint has a severity: leave it out.", rule=rule)
    if validity is Validity.COORDINATION and not wanted.outside_party:
        raise Refused(
            "A coordination matter names by outside_party who else has to act.", rule=rule
        )


def _demand_confirmation(command: ClassifyCase, wanted: CaseClassified, story: Story) -> bool:
    """Say whether the change needs a second person; refuse it without one who is high enough."""
    # Only a valid complaint has a severity that could be taken over.
    was_valid = story.is_valid_complaint if story.classified else story.absorbed is not None
    leaves_valid = was_valid and wanted.validity is not Validity.VALID
    was = story.severity or story.left_at
    lower = wanted.severity is not None and _is_below(wanted.severity, was)
    milder = leaves_valid or lower or _is_calmer(wanted, story.classified)
    if milder and (story.raised or story.breached):
        least, rule = Role.CENTRE_MANAGER, "RM-4.4.1c" if story.raised else None
    elif leaves_valid:
        least, rule = Role.CS_SUPERVISOR, "RM-4.8"
    elif wanted.cause == "new_facts":
        least, rule = Role.CS_SUPERVISOR, None
    else:
        refuse_own(command.approver, wanted.classified_by)
        return False
    demand_second(
        *(command.approver, wanted.classified_by, rule),
        least=least,
        hands=_hands_of(story),
        named="confirmed_by",
    )
    return True


def _is_calmer(wanted: CaseClassified, before: CaseClassified | None) -> bool:
    return (
        before is not None
        and before.urgency is Urgency.EMERGENCY
        and wanted.urgency is not Urgency.EMERGENCY
    )


def _is_below(severity: Severity | None, other: Severity | None) -> bool:
    return WEIGHT.index(severity) < WEIGHT.index(other)


def _hands_of(story: Story) -> frozenset[str]:
    """Name those who handle the case, its owner among them."""
    if story.owner is None or story.received_by_nobody:
        return story.hands
    return story.hands | {story.owner}


def _raise(command: RaiseSeverity, state: Living) -> Sequence[CaseFact]:
    story = state.story
    if isinstance(state, Closed) or not story.is_valid_complaint:
        return []
    if not _is_below(story.severity, command.severity):
        return []
    return [
        SeverityRaised(
            case_id=story.case_id,
            severity=command.severity,
            cause=command.cause,
            reason=command.reason,
        )
    ]


def _dispatch(command: DispatchCase, state: Living) -> Sequence[CaseFact]:
    story, last = state.story, state.story.efforts.dispatch
    before = story.said.get((CaseDispatched.wire_name, command.dispatch_id))
    if before is not None:
        if command.by == "steward" and differing(command, before, ("department",)):
            raise Refused("This dispatch_id is another department's: leave it out.")
        return []
    if last is not None and last.department == command.department and last.answer != "refused":
        return []
    if command.by == "steward":
        _refuse_closed(state, "dispatched")
    return [
        CaseDispatched(
            case_id=story.case_id,
            dispatch_id=command.dispatch_id,
            round=story.round,
            department=command.department,
            reason=command.reason,
            person_id=command.person_id,
        )
    ]


def _answer_dispatch(command: AcceptDispatch | RefuseDispatch, state: Living) -> Sequence[CaseFact]:
    story, last = state.story, state.story.efforts.dispatch
    kind = DispatchAccepted if isinstance(command, AcceptDispatch) else DispatchRefused
    answered = command.dispatch_id or (last.id if last else "")
    before = story.said.get((kind.wire_name, answered))
    if before is not None:
        words = ("person_id",) if kind is DispatchAccepted else ("reason", "person_id")
        if command.by == "steward" and (other := differing(command, before, words)):
            raise Refused(
                f"The department has answered before, with another {', '.join(other)}:"
                " say what there is to add by report-progress."
            )
        return []
    _refuse_closed(state, "accepted or refused by a department")
    if last is None or last.id != answered:
        raise Refused("The case was not given to this department, or no longer is.")
    if last.answer != "none":
        raise Refused(f"The department has {last.answer} the case before: dispatch it anew.")
    match command:
        case AcceptDispatch():
            return [
                DispatchAccepted(
                    case_id=story.case_id,
                    dispatch_id=last.id,
                    department=last.department,
                    person_id=command.person_id,
                )
            ]
        case RefuseDispatch():
            if command.reason is None and command.by == "steward":
                raise Refused("A department that refuses a case says why.")
            return [
                DispatchRefused(
                    case_id=story.case_id,
                    dispatch_id=last.id,
                    department=last.department,
                    refusal=story.efforts.refusals + 1,
                    reason=command.reason,
                    person_id=command.person_id,
                )
            ]
        case _:
            assert_never(command)


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
    raised = before.model_copy(update={**_BY_NOBODY, "severity": least, "cause": "new_facts"})
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
            hands=_hands_of(story),
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
        _refuse_closed(state, "withdrawn")
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


def _absorb(command: AbsorbCase, state: Living) -> Sequence[CaseFact]:
    story = state.story
    if _absorbed(command.merged) in story.said:
        return []
    if isinstance(state, Closed):
        raise Refused("The case that is to go on for both is closed: reopen it first.")
    if command.kind is Kind.COMPLAINT and story.kind is not Kind.COMPLAINT:
        raise Refused("A complaint goes on only in a complaint, whose duties are stricter.")
    if command.severity is not None and story.classified and not story.is_valid_complaint:
        raise Refused(
            "A valid complaint goes on only in a valid one: merge the other into it instead.",
            rule="RM-4.8",
        )
    concerned = _concerned_too(command, story)
    absorbed = CaseAbsorbed(
        case_id=story.case_id,
        merged=command.merged,
        received_at=command.received_at,
        severity=strictest(story.severity, command.severity),
    )
    if command.harm_ongoing and not story.harm_ongoing:
        # The other's clock has ended with it, and nobody has stopped the harm (RM-4.9).
        harm = HarmReported(case_id=story.case_id, harm_id=f"merged-{command.merged}")
        return [absorbed, harm, *concerned]
    return [absorbed, *concerned]


def _concerned_too(command: AbsorbCase, story: Story) -> Sequence[HouseholdConcerned]:
    """Let the case concern whom the other concerned; of whom the one complains does not gain it."""
    before = dict(story.concerns)
    if story.household is not None:
        before[story.household] = Part.COMPLAINANT
    found: list[HouseholdConcerned] = []
    for fact in command.concerned:
        part = before.get(fact.household_id)
        gains = fact.part is Part.COMPLAINANT and (
            part is Part.AFFECTED or (part is fact.part and _says_how_to_tell(fact, story))
        )
        if part is None or gains:
            found.append(fact.model_copy(update={"case_id": story.case_id}))
        elif Part.COUNTERPART in (part, fact.part) and part is not fact.part:
            raise Refused(
                "A household of which one of the two cases complains has a part of its own in the"
                " other: they stay two cases."
            )
    return found


def _says_how_to_tell(fact: HouseholdConcerned, story: Story) -> bool:
    """Say whether another household that complains is told by that number or address."""
    given = fact.number or fact.phone or fact.email
    return bool(given) and fact.household_id != story.household


def _absorbed(case_id: str) -> tuple[str, str]:
    return CaseAbsorbed.wire_name, case_id


def _end_history(command: EndHistory, story: Story) -> Sequence[CaseFact]:
    if story.history_until is not None and story.history_until >= command.until:
        return []
    return [HistoryEnded(case_id=story.case_id, until=command.until)]


def evolve(state: Case, fact: CaseFact) -> Case:
    """Give the case after one more fact."""
    if isinstance(fact, CaseReceived):
        return Open(
            Story(
                fact.case_id,
                fact.kind,
                fact.zone,
                harm_ongoing=fact.harm_ongoing,
                outside_party=fact.outside_party,
                authority_due=fact.authority_due,
                lacks=fact.lacks,
                household=fact.household_id,
                area=fact.area,
                placed=is_placed(fact),
                concerns={other.household_id: other.part for other in fact.concerns},
            )
        )
    if isinstance(state, Nothing):
        return state
    if isinstance(fact, SaidFact):
        return replace(state, story=retell(state.story, fact))
    story = state.story
    match fact:
        case CaseClassified():
            raised = None if _is_below(fact.severity, story.raised) else story.raised
            classified_story = replace(
                story,
                classified=fact,
                raised=raised,
                left_at=None if fact.severity else story.severity or story.left_at,
                outside_party=fact.outside_party or story.outside_party,
            )
            return replace(state, story=classified_story)
        case SeverityRaised():
            raised_story = replace(_weighed(story, fact.severity), raised=fact.severity)
            return replace(state, story=raised_story)
        case CaseAssigned():
            nobody = fact.reason == NO_FIRST_CONTACT
            owned = replace(story, owner=fact.person_id, received_by_nobody=nobody)
            return replace(state, story=owned)
        case CaseDispatched():
            dispatch = Dispatch(fact.dispatch_id, fact.department)
            return replace(state, story=_dispatched(_noted(story, fact), dispatch))
        case DispatchAccepted():
            dispatch = Dispatch(fact.dispatch_id, fact.department, "accepted")
            accepted_story = _dispatched(_noted(story, fact), dispatch)
            return replace(state, story=_handed(accepted_story, fact.person_id))
        case DispatchRefused():
            dispatch = Dispatch(fact.dispatch_id, fact.department, "refused")
            refused_story = _dispatched(_noted(story, fact), dispatch, refusals=fact.refusal)
            return replace(state, story=refused_story)
        case DispatchWithdrawn():
            return replace(state, story=_dispatched(_noted(story, fact), None))
        case CaseAccepted():
            accepted = story.efforts.accepted | {(fact.role, fact.person_id)}
            efforts = replace(story.efforts, accepted=accepted)
            return replace(state, story=replace(story, efforts=efforts))
        case CasePaused():
            return Waiting(story, fact.resume_on, fact.because)
        case CaseResumed():
            return Open(story)
        case CaseHandled():
            efforts = replace(story.efforts, handled=fact)
            handled_story = _handed(replace(story, efforts=efforts), fact.person_id)
            measures = bool(fact.corrective and fact.preventive)
            return Handled(handled_story, measures, fact.closes_on)
        case ResultTold():
            if isinstance(state, Handled):
                told_story = replace(story, efforts=replace(story.efforts, told=fact))
                return Told(told_story, state.measures, state.closes_on)
            return state
        case SatisfactionGiven():
            efforts = replace(story.efforts, satisfaction=(fact.score, fact.remark))
            return replace(state, story=replace(story, efforts=efforts))
        case CaseClosed():
            return Closed(story)
        case CaseReopened():
            return Open(replace(story, round=fact.round, efforts=Efforts()))
        case CaseRefused():
            # What was answered before gave other reasons.
            efforts = replace(story.efforts, told_why_not=False)
            return Ended(replace(story, efforts=efforts), fact)
        case CaseWithdrawn() | CaseMerged() | CaseMovedOut():
            return Ended(story, fact)
        case CaseAbsorbed():
            said: dict[Mark, Fact] = {**story.said, _absorbed(fact.merged): fact}
            absorbed = strictest(story.absorbed, fact.severity) if not story.classified else None
            weighed = replace(_weighed(story, fact.severity), said=said, absorbed=absorbed)
            return replace(state, story=weighed)
        case HistoryEnded():
            return replace(state, story=replace(story, history_until=fact.until))
        case _:
            assert_never(fact)


def _weighed(story: Story, severity: Severity | None) -> Story:
    """Let the complaint be as weighty as that, if it has been classified."""
    if story.classified is None or severity is None:
        return story
    return replace(story, classified=story.classified.model_copy(update={"severity": severity}))


def _noted(
    story: Story, fact: CaseDispatched | DispatchAccepted | DispatchRefused | DispatchWithdrawn
) -> Story:
    return replace(story, said={**story.said, (fact.wire_name, fact.dispatch_id): fact})


def _dispatched(story: Story, dispatch: Dispatch | None, *, refusals: int | None = None) -> Story:
    known = story.efforts.refusals if refusals is None else refusals
    return replace(story, efforts=replace(story.efforts, dispatch=dispatch, refusals=known))


def _handed(story: Story, person_id: str | None) -> Story:
    return replace(story, hands=story.hands | {person_id}) if person_id else story


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
