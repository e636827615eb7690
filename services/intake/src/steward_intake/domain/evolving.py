"""What each fact of a case makes of it."""

from dataclasses import replace
from typing import assert_never

from steward_events.fact import Fact
from steward_events.intake import (
    CaseAbsorbed,
    CaseAccepted,
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
    HistoryEnded,
    ResultTold,
    SatisfactionGiven,
    SeverityRaised,
)
from steward_events.vocabulary import Severity
from steward_intake.domain.completeness import is_placed
from steward_intake.domain.merging import absorbed_mark
from steward_intake.domain.sayings import SaidFact, retell
from steward_intake.domain.story import (
    NO_FIRST_CONTACT,
    Case,
    Closed,
    Dispatch,
    Efforts,
    Ended,
    Handled,
    Mark,
    Nothing,
    Open,
    Story,
    Told,
    Waiting,
    is_below,
    strictest,
)

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
            raised = None if is_below(fact.severity, story.raised) else story.raised
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
            said: dict[Mark, Fact] = {**story.said, absorbed_mark(fact.merged): fact}
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
