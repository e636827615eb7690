"""What is only said of a case: it enters its story and leaves its state alone.

A new such fact is declared in `steward_events.intake` and costs a line in `SaidFact`, one in
`SAYINGS`, and one in `retell`, which says what later depends on it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, assert_never

from steward_decider import Refused
from steward_events.fact import Fact
from steward_events.intake import (
    AppointmentKept,
    AppointmentMade,
    AppointmentMissed,
    AttachmentAdded,
    AttachmentRevealed,
    BreachNoted,
    CaseAcknowledged,
    CaseAnswered,
    CaseChased,
    CaseCorrected,
    CaseForwarded,
    CaseJoinedIncident,
    CaseLeftIncident,
    CaseLinked,
    CaseRefused,
    ContactFailed,
    ExtensionNoted,
    FollowupNoted,
    FollowupOwed,
    HarmReported,
    HouseholdConcerned,
    ImmediateMeasuresTaken,
    MadeSafe,
    ManagerCalled,
    OpenLetterKept,
    OwnerInformed,
    OwnerMessageRequested,
    ProgressReported,
    PromiseKept,
    PromiseMade,
    QuoteAccepted,
    QuoteDeclined,
    QuoteGiven,
    ReceiptConfirmed,
    RecordSubmitted,
    SolutionProposed,
    WorkStarted,
)
from steward_events.vocabulary import Kind, Part, Role, Severity
from steward_intake.domain.approval import Approver, demand_second, refuse_own
from steward_intake.domain.completeness import is_placed, still_lacking
from steward_intake.domain.story import (
    Closed,
    Ended,
    Handled,
    Known,
    Mark,
    Open,
    Origin,
    Quote,
    Story,
    Told,
    Waiting,
    differing,
    whereabouts,
)

SaidFact = (
    AppointmentKept
    | AppointmentMade
    | AppointmentMissed
    | AttachmentAdded
    | AttachmentRevealed
    | BreachNoted
    | CaseAcknowledged
    | CaseAnswered
    | CaseChased
    | CaseCorrected
    | CaseForwarded
    | CaseJoinedIncident
    | CaseLeftIncident
    | CaseLinked
    | ContactFailed
    | ExtensionNoted
    | FollowupNoted
    | FollowupOwed
    | HarmReported
    | HouseholdConcerned
    | ImmediateMeasuresTaken
    | MadeSafe
    | ManagerCalled
    | OpenLetterKept
    | OwnerInformed
    | OwnerMessageRequested
    | ProgressReported
    | PromiseKept
    | PromiseMade
    | QuoteAccepted
    | QuoteDeclined
    | QuoteGiven
    | ReceiptConfirmed
    | RecordSubmitted
    | SolutionProposed
    | WorkStarted
)


@dataclass(frozen=True, slots=True)
class Say:
    """Put a fact into the case's story; its case and its round are written in."""

    at: datetime
    fact: SaidFact
    by: Origin = "steward"
    approver: Approver | None = None


def _free(_fact: SaidFact, _story: Story, _said: Say) -> None:
    """Demand nothing."""


@dataclass(frozen=True, slots=True)
class Saying:
    """What a fact demands of the case when one of us says it, and by what it is known again."""

    known_by: tuple[str, ...]
    """Fields that tell it from others of its kind; without any it is said once."""
    demands: Callable[[Any, Story, Say], None] = _free
    afterwards: bool = False
    """It may also be said of a case that is closed or ended."""
    moves: str = ""
    """The field in which the same, said again, may differ."""
    instead: str = ""
    """What to do where one of us says the same again with other words; without it that is passed over."""


def _forwarded(fact: CaseForwarded, _story: Story, _said: Say) -> None:
    if fact.to is None and not fact.outside_party:
        raise Refused("Say to which role or outside party the case is forwarded.")


def _measured(fact: ImmediateMeasuresTaken, story: Story, _said: Say) -> None:
    if not story.harm_ongoing:
        raise Refused("No harm was reported: report it before its measures.", rule="RM-4.9")
    if fact.measures is None:
        raise Refused("Say by measures what was done against the harm.", rule="RM-4.9")


def _acknowledged(fact: CaseAcknowledged, story: Story, _said: Say) -> None:
    if story.kind is Kind.COMPLAINT and fact.text is None and not fact.link:
        raise Refused("Say what was answered in public, or give its link.", rule="RM-4.6.7")


def _answered(fact: CaseAnswered, story: Story, said: Say) -> None:
    if fact.decision == "will_not":
        if fact.reasons is None:
            raise Refused("What will not be done is answered with its reasons.", rule="RM-4.8")
    elif story.kind is not Kind.CONSULTATION and (fact.by_date is None or fact.by_date <= said.at):
        raise Refused(
            "A clear answer names the date, still to come, by which it will be done.",
            rule="RM-4.10.3",
        )


def _informed(fact: OwnerInformed, story: Story, _said: Say) -> None:
    if fact.about == "solution" and story.efforts.solution == "none":
        raise Refused("No solution has been proposed that could be told.", rule="RC-4.3")
    names_one = fact.about == "new_date" or fact.extension_id is not None
    if names_one and not _is_approved(fact.extension_id, story):
        raise Refused(
            "No extension of this case was approved whose new date could be told; where one has"
            " just been, say it again in a moment.",
            rule="RM-4.10.2",
        )


def _is_approved(extension_id: str | None, story: Story) -> bool:
    approved = {id_ for kind, *ids in story.said if kind == ExtensionNoted.wire_name for id_ in ids}
    return bool(approved) if extension_id is None else extension_id in approved


def _asked_to_tell(fact: OwnerMessageRequested, story: Story, _said: Say) -> None:
    if fact.text is None:
        raise Refused("Say what the owner is to be told.")
    if fact.about == "solution" and story.efforts.solution == "none":
        raise Refused("No solution has been proposed that could be told.", rule="RC-4.3")


def _started(fact: WorkStarted, story: Story, _said: Say) -> None:
    answer = story.efforts.quote.answer if story.efforts.quote else "declined"
    chargeable = fact.chargeable or story.efforts.chargeable or answer != "declined"
    weighty = story.severity in (Severity.IMPORTANT, Severity.MAJOR)
    if story.harm_ongoing or not (chargeable or weighty):
        return
    match story.efforts.solution:
        case "none":
            raise Refused("Before such work a solution is proposed.", rule="RC-4.3")
        case "proposed":
            raise Refused("Before such work the owner is told the solution.", rule="RC-4.3")
        case "told":
            if chargeable and answer != "accepted":
                raise Refused("Before chargeable work the owner accepts its quote.", rule="RC-4.3")
        case _ as never:
            assert_never(never)


def _quote_answered(fact: QuoteAccepted | QuoteDeclined, story: Story, _said: Say) -> None:
    quote, agreed = story.efforts.quote, story.efforts.agreed
    is_agreed = agreed is not None and agreed.id == fact.quote_id
    if isinstance(fact, QuoteDeclined) and is_agreed and _has_started(story):
        raise Refused("The work has started on this quote: it can no longer be declined.")
    if quote is None or quote.id != fact.quote_id:
        raise Refused("This is not the quote that was given last: answer that one.")


def _has_started(story: Story) -> bool:
    return (WorkStarted.wire_name, str(story.round)) in story.said


def _agreed(fact: AppointmentMade | PromiseMade, story: Story, said: Say) -> None:
    when = fact.at if isinstance(fact, AppointmentMade) else fact.promised_at
    if when <= said.at:
        raise Refused(
            "What is agreed is still to come: its time is after it was agreed, occurred_at.",
            rule="FU-S1",
        )
    if _mark(fact) not in story.said:
        if fact.moved_by is not None:
            raise Refused("It was not agreed before, so that nobody can have moved it.")
        return
    match fact.moved_by:
        case None:
            raise Refused("Another time was agreed before: say who moved it.", rule="FU-S1")
        case "owner":
            pass
        case "us":
            demand_second(said.approver, fact.person_id, "FU-S1", least=Role.CS_SUPERVISOR)
        case _ as never:
            assert_never(never)


def _kept(fact: AppointmentKept, story: Story, said: Say) -> None:
    _appointed(fact, story, said)
    if (AppointmentMissed.wire_name, fact.appointment_id) in story.said:
        raise Refused(
            "This appointment was missed: it is kept when it is made again.", rule="FU-S1"
        )


def _appointed(fact: AppointmentKept | AppointmentMissed, story: Story, _said: Say) -> None:
    if (AppointmentMade.wire_name, fact.appointment_id) not in story.said:
        raise Refused("No such appointment was made.")


def _promised(fact: PromiseKept, story: Story, _said: Say) -> None:
    if (PromiseMade.wire_name, fact.promise_id) not in story.said:
        raise Refused("No such promise was made.")


def _handed_in(_fact: RecordSubmitted, story: Story, _said: Say) -> None:
    if story.efforts.handled is None:
        raise Refused(
            "The case has not been handled yet: its record is handed in when it is.",
            rule="RM-4.6.2b",
        )


def _linked(fact: CaseLinked, story: Story, _said: Say) -> None:
    if fact.other == story.case_id:
        raise Refused("A case is not linked to itself.")


def _joined(fact: CaseJoinedIncident, story: Story, _said: Say) -> None:
    if story.incident not in (None, fact.incident_id):
        raise Refused("The case is in another incident: detach it there first.")


def _left(fact: CaseLeftIncident, story: Story, _said: Say) -> None:
    if story.incident != fact.incident_id:
        raise Refused("The case is not in this incident.")


def _concerned(fact: HouseholdConcerned, story: Story, _said: Say) -> None:
    if fact.household_id == story.household:
        raise Refused("It is this household's own case: say which other one it concerns.")
    if fact.part is None and fact.household_id not in story.concerns:
        raise Refused("The case does not concern this household.")


def _corrected(fact: CaseCorrected, story: Story, said: Say) -> None:
    how = {"case_id", "correction_id", "person_id", "approved_by", "lacks"}
    if all(name in how or value in (None, "", {}) for name, value in fact):
        raise Refused("Say what is to be corrected.")
    due, before = fact.authority_due, story.authority_due
    if due is not None and before is not None and due > before:
        # Nobody inside extends it: another confirms that the authority has.
        demand_second(said.approver, fact.person_id, "RM-4.7", least=Role.CENTRE_MANAGER)


_ANEW = "say what is new under another ID"
_BESIDES = "say what there is to add by report-progress"
_SINCE = "say by inform what the owner was told since"

SAYINGS: Mapping[type[SaidFact], Saying] = {
    AppointmentKept: Saying(("appointment_id",), _kept, afterwards=True, instead=_BESIDES),
    AppointmentMade: Saying(("appointment_id",), _agreed, moves="at", instead=_ANEW),
    AppointmentMissed: Saying(("appointment_id",), _appointed, afterwards=True, instead=_BESIDES),
    AttachmentAdded: Saying(("sha256", "what"), afterwards=True),
    AttachmentRevealed: Saying(("reveal_id",), afterwards=True),
    BreachNoted: Saying(("clock",), afterwards=True, moves="withdrawn"),
    CaseAcknowledged: Saying(("link",), _acknowledged, afterwards=True, instead=_SINCE),
    CaseAnswered: Saying(("answer_id",), _answered, instead=_ANEW),
    CaseChased: Saying(("chase_id",), instead=_ANEW),
    CaseCorrected: Saying(("correction_id",), _corrected, afterwards=True, instead=_ANEW),
    CaseForwarded: Saying(("forward_id",), _forwarded, instead=_ANEW),
    CaseJoinedIncident: Saying(("incident_id",), _joined),
    CaseLeftIncident: Saying(("incident_id",), _left, afterwards=True),
    CaseLinked: Saying(("other", "why"), _linked, afterwards=True),
    ContactFailed: Saying(("contact_id",), afterwards=True, instead=_ANEW),
    ExtensionNoted: Saying(("extension_id",), afterwards=True),
    FollowupNoted: Saying(("followup_id",), afterwards=True),
    FollowupOwed: Saying(("followup_id",), afterwards=True),
    HarmReported: Saying(("harm_id",), instead=_ANEW),
    HouseholdConcerned: Saying(("household_id",), _concerned, afterwards=True, moves="part"),
    ImmediateMeasuresTaken: Saying((), _measured, afterwards=True, instead=_BESIDES),
    MadeSafe: Saying(("round",), instead=_BESIDES),
    ManagerCalled: Saying(("call_id",), instead=_ANEW),
    OpenLetterKept: Saying(("letter_id",), afterwards=True),
    OwnerInformed: Saying(("notice_id",), _informed, afterwards=True, instead=_ANEW),
    OwnerMessageRequested: Saying(("request_id",), _asked_to_tell, afterwards=True, instead=_ANEW),
    ProgressReported: Saying(("report_id",), afterwards=True, instead=_ANEW),
    PromiseKept: Saying(("promise_id",), _promised, afterwards=True, instead=_BESIDES),
    PromiseMade: Saying(("promise_id",), _agreed, moves="promised_at", instead=_ANEW),
    QuoteAccepted: Saying(("quote_id",), _quote_answered, instead=_BESIDES),
    QuoteDeclined: Saying(("quote_id",), _quote_answered, instead=_BESIDES),
    QuoteGiven: Saying(("quote_id",), instead=_ANEW),
    ReceiptConfirmed: Saying((), instead=_SINCE),
    RecordSubmitted: Saying(("round",), _handed_in, afterwards=True, instead=_BESIDES),
    SolutionProposed: Saying(("proposal_id",), instead=_ANEW),
    WorkStarted: Saying(("round",), _started, instead=_BESIDES),
}


def say(said: Say, state: Known) -> Sequence[SaidFact]:
    """Answer with the fact, unless it was said before, and with the promise that it completes."""
    story, saying = state.story, SAYINGS[type(said.fact)]
    if isinstance(said.fact, FollowupOwed) and story.kind is not Kind.SERVICE_REQUEST:
        return []  # nothing else closes by itself
    if isinstance(said.fact, BreachNoted) and _is_known(said.fact, story, said.by):
        return []
    if isinstance(said.fact, HouseholdConcerned) and _concerns(said.fact, story, said.by):
        return []
    now = {"case_id": story.case_id, "round": story.round}
    if isinstance(said.fact, FollowupNoted | FollowupOwed):
        del now["round"]  # visits names the round that is followed up
    fact = said.fact.model_copy(
        update={name: value for name, value in now.items() if hasattr(said.fact, name)}
    )
    if isinstance(fact, CaseCorrected):
        accepted = None if fact.owner_requested_date is None else bool(fact.owner_date_accepted)
        lacks = still_lacking(story, fact)
        fact = fact.model_copy(update={"lacks": lacks, "owner_date_accepted": accepted})
    if isinstance(fact, CaseChased):
        chases = sum(kind == fact.wire_name for kind, *_ in story.said)
        fact = fact.model_copy(update={"chase": chases + 1})
    if isinstance(fact, OwnerMessageRequested) and fact.about == "solution":
        fact = fact.model_copy(update={"proposal_id": story.efforts.proposal})
    if isinstance(fact, SolutionProposed | QuoteAccepted | QuoteDeclined):
        fact = _with_quote(fact, story)
    before = story.said.get(_mark(fact))
    if isinstance(before, SaidFact) and _moving(fact) == _moving(before):
        if said.by == "steward":
            _refuse_other_words(fact, before)
        return []
    if isinstance(fact, CaseCorrected):
        _refuse_counterpart(fact, story)
    if said.by == "steward":
        may_be_said = saying.afterwards or _is_owed_still(fact, state)
        if isinstance(state, Closed | Ended) and not may_be_said:
            raise Refused(whereabouts(state))
        if isinstance(fact, OwnerMessageRequested) and fact.about == "result":
            _demand_handled(state)
        saying.demands(fact, story, said)
        refuse_own(said.approver, getattr(fact, "person_id", None))
    return [fact, *_new_promise(fact, state)]


def _is_owed_still(fact: SaidFact, state: Known) -> bool:
    """Say whether it tells the owner why their case was refused, which a refusal does not end."""
    is_refused = isinstance(state, Ended) and isinstance(state.ending, CaseRefused)
    return is_refused and isinstance(fact, CaseAnswered) and fact.decision == "will_not"


def _with_quote(
    fact: SolutionProposed | QuoteAccepted | QuoteDeclined, story: Story
) -> SolutionProposed | QuoteAccepted | QuoteDeclined:
    """Say what becomes of an earlier quote: before the work it falls with its solution, then it stands."""
    efforts, started = story.efforts, _has_started(story)
    match fact:
        case SolutionProposed():
            falls = fact.chargeable and efforts.solution != "none" and not started
            return fact.model_copy(update={"quote_falls": falls and efforts.quote is not None})
        case QuoteAccepted():
            quoted = _answered_quote(fact, story, "accepted").amount
            return fact.model_copy(update={"quoted": quoted})
        case QuoteDeclined():
            stands = efforts.agreed if started else None
            if stands is None or stands.id == fact.quote_id:
                return fact
            return fact.model_copy(update={"stands": stands.id, "stands_at": stands.amount})
        case _ as never:
            assert_never(never)


_OF_ITS_SAYING = frozenset(
    {"case_id", "round", "chase", "lacks", "incident", "also"}
    | {"proposal_id", "quote_falls", "quoted", "stands", "stands_at"}
)
"""What is written in by us, and is none of its words."""


def _refuse_other_words(fact: SaidFact, before: Fact) -> None:
    """Refuse what was said before with other words, which would be lost."""
    instead = SAYINGS[type(fact)].instead
    words = (name for name in type(fact).model_fields if name not in _OF_ITS_SAYING)
    if instead and (other := differing(fact, before, words)):
        raise Refused(f"This was said before with another {', '.join(other)}: {instead}.")


def _is_known(breach: BreachNoted, story: Story, by: Origin) -> bool:
    """Say whether it changes nothing; of an imported past the first breach says enough."""
    if breach.withdrawn:
        return breach.clock not in story.breached
    return by == "history" and bool(story.breached)


def _refuse_counterpart(fact: CaseCorrected, story: Story) -> None:
    """Let nobody, another system neither, show a case to the household of which it complains."""
    if story.concerns.get(fact.household_id or "") is Part.COUNTERPART:
        raise Refused("The case complains of this household: it cannot be its own.")


def _concerns(fact: HouseholdConcerned, story: Story, by: Origin) -> bool:
    """Say whether it was said at the reception already; others may name the case's own household."""
    if fact.household_id == story.household:
        return by != "steward"
    return fact.part is not None and story.concerns.get(fact.household_id) is fact.part


def resolved_by(round_: int) -> str:
    """Name the promise that a round's work is done by the date which the owner was told."""
    return f"handled-{round_}"


def _new_promise(fact: SaidFact, state: Known) -> Sequence[PromiseMade]:
    """Promise the new date that was approved and that the owner was told, in either order."""
    match fact:
        case ExtensionNoted(extension_id=said) | OwnerInformed(about="new_date", extension_id=said):
            pass
        case _:
            return []
    if not isinstance(state, Open | Waiting):
        return []
    efforts = retell(state.story, fact).efforts
    if said is not None and said not in efforts.new_dates_told:
        return []
    # Told without saying of which, it is the last one's.
    approved = (one for one in reversed(efforts.extensions) if said in (None, one.extension_id))
    extension = next(approved, None)
    if extension is None:
        return []
    promise = PromiseMade(
        case_id=state.story.case_id,
        promise_id=resolved_by(state.story.round),
        promised_at=extension.until,
    )
    before = state.story.said.get(_mark(promise))
    if before is None:
        return [promise]
    assert isinstance(before, PromiseMade)  # noqa: S101 - by its mark
    if extension.until <= before.promised_at:
        return []
    return [promise.model_copy(update={"moved_by": "us", "approved_by": extension.approved_by})]


def is_promised(story: Story, promise_id: str) -> bool:
    """Say whether it was promised and not kept yet."""
    kept = (PromiseKept.wire_name, promise_id) in story.said
    return (PromiseMade.wire_name, promise_id) in story.said and not kept


def _demand_handled(state: Known) -> None:
    if not isinstance(state, Handled | Told):
        raise Refused("It has not been handled: there is no result to tell.", rule="RM-4.6.3")


def retell(story: Story, fact: SaidFact) -> Story:
    """Give the story with one more saying."""
    story = replace(story, said={**story.said, _mark(fact): fact})
    efforts = story.efforts
    match fact:
        case CaseCorrected():
            if fact.household_id:
                # What was said of its part before it was the case's own may be said again.
                story = _forget(story, HouseholdConcerned.wire_name, fact.household_id)
            return replace(
                story,
                lacks=story.lacks if fact.lacks is None else fact.lacks,
                outside_party=fact.outside_party or story.outside_party,
                authority_due=fact.authority_due or story.authority_due,
                household=fact.household_id or story.household,
                area=fact.area or story.area,
                placed=story.placed or is_placed(fact),
                concerns={
                    id_: part for id_, part in story.concerns.items() if id_ != fact.household_id
                },
            )
        case HouseholdConcerned():
            return replace(story, concerns=with_concern(story.concerns, fact))
        case HarmReported():
            return replace(_forget(story, ImmediateMeasuresTaken.wire_name), harm_ongoing=True)
        case ImmediateMeasuresTaken():
            return replace(story, harm_ongoing=False)
        case ContactFailed():
            failed = efforts.failed_contacts + 1
            return replace(story, efforts=replace(efforts, failed_contacts=failed))
        case CaseAnswered(decision="will_not"):
            return replace(story, efforts=replace(efforts, told_why_not=True))
        case SolutionProposed():
            if fact.quote_falls:
                story = _forget_quotes(story, efforts.quote, efforts.agreed)
                efforts = replace(efforts, quote=None, agreed=None)
            proposed = replace(
                efforts,
                solution="proposed",
                proposal=fact.proposal_id,
                chargeable=fact.chargeable,
            )
            return replace(story, efforts=proposed)
        case QuoteGiven():
            given = Quote(fact.quote_id, amount=fact.amount)
            return replace(story, efforts=replace(efforts, quote=given))
        case QuoteAccepted():
            story = _forget(story, QuoteDeclined.wire_name, fact.quote_id)
            accepted = _answered_quote(fact, story, "accepted")
            return replace(story, efforts=replace(efforts, quote=accepted, agreed=accepted))
        case QuoteDeclined():
            story = _forget(story, QuoteAccepted.wire_name, fact.quote_id)
            declined = _answered_quote(fact, story, "declined")
            if fact.stands:
                return replace(story, efforts=replace(efforts, quote=declined))
            # With it falls the solution that it was for.
            efforts = replace(efforts, quote=declined, agreed=None)
            anew = replace(efforts, solution="none", chargeable=False)
            return replace(story, efforts=anew)
        case OwnerInformed(about="solution") if efforts.solution == "proposed":
            if _tells_another(fact, story):
                return story
            return replace(story, efforts=replace(efforts, solution="told"))
        case OwnerInformed(about="new_date", extension_id=str(extension)):
            told = efforts.new_dates_told | {extension}
            return replace(story, efforts=replace(efforts, new_dates_told=told))
        case ExtensionNoted():
            extensions = (*efforts.extensions, fact)
            return replace(story, efforts=replace(efforts, extensions=extensions))
        case FollowupOwed():
            story = _forget(story, FollowupNoted.wire_name, fact.followup_id)
            if fact.round != story.round:
                return story
            owed = efforts.followups_owed | {fact.followup_id}
            return replace(story, efforts=replace(efforts, followups_owed=owed))
        case AppointmentMade():
            story = _forget(story, AppointmentKept.wire_name, fact.appointment_id)
            return _forget(story, AppointmentMissed.wire_name, fact.appointment_id)
        case PromiseMade():
            return _forget(story, PromiseKept.wire_name, fact.promise_id)
        case CaseJoinedIncident():
            story = _forget(story, CaseLeftIncident.wire_name, fact.incident_id)
            return replace(story, incident=fact.incident_id)
        case CaseLeftIncident():
            story = _forget(story, CaseJoinedIncident.wire_name, fact.incident_id)
            return replace(story, incident=None)
        case WorkStarted(person_id=str(person)):
            return replace(story, hands=story.hands | {person})
        case FollowupNoted():
            story = _forget(story, FollowupOwed.wire_name, fact.followup_id)
            owed = efforts.followups_owed - {fact.followup_id}
            return replace(
                story,
                followed_up=max(story.followed_up, fact.round),
                efforts=replace(efforts, followups_owed=owed),
            )
        case BreachNoted():
            breached = story.breached - {fact.clock}
            return replace(story, breached=breached if fact.withdrawn else breached | {fact.clock})
        case (
            AppointmentKept()
            | AppointmentMissed()
            | AttachmentAdded()
            | AttachmentRevealed()
            | CaseAcknowledged()
            | CaseAnswered()
            | CaseChased()
            | CaseForwarded()
            | CaseLinked()
            | MadeSafe()
            | ManagerCalled()
            | OpenLetterKept()
            | OwnerInformed()
            | OwnerMessageRequested()
            | ProgressReported()
            | PromiseKept()
            | ReceiptConfirmed()
            | RecordSubmitted()
            | WorkStarted()
        ):
            return story
        case _:
            assert_never(fact)


def with_concern(before: Mapping[str, Part], fact: HouseholdConcerned) -> Mapping[str, Part]:
    """Give whom a case concerns with one more word about it."""
    others = {id_: part for id_, part in before.items() if id_ != fact.household_id}
    return others if fact.part is None else {**others, fact.household_id: fact.part}


def _mark(fact: SaidFact) -> Mark:
    known_by = SAYINGS[type(fact)].known_by
    return fact.wire_name, *(str(getattr(fact, name)) for name in known_by)


def _moving(fact: SaidFact) -> object:
    moves = SAYINGS[type(fact)].moves
    return getattr(fact, moves) if moves else None


def _forget(story: Story, *mark: str) -> Story:
    return replace(story, said={known: at for known, at in story.said.items() if known != mark})


def _answered_quote(
    fact: QuoteAccepted | QuoteDeclined, story: Story, answer: Literal["accepted", "declined"]
) -> Quote:
    last = story.efforts.quote
    given = last if last and last.id == fact.quote_id else Quote(fact.quote_id)
    return replace(given, answer=answer)


def _tells_another(fact: OwnerInformed, story: Story) -> bool:
    """Say whether it tells a solution that was proposed before another one."""
    is_known = (SolutionProposed.wire_name, str(fact.proposal_id)) in story.said
    return is_known and fact.proposal_id != story.efforts.proposal


def _forget_quotes(story: Story, *fallen: Quote | None) -> Story:
    """Let what has fallen be given and answered again in the same words."""
    for quote in filter(None, fallen):
        for kind in (QuoteGiven, QuoteAccepted, QuoteDeclined):
            story = _forget(story, kind.wire_name, quote.id)
    return story
