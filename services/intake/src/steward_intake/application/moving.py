"""What of a case counts in the case in which it goes on."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import inf

from steward_events.intake import (
    CaseAbsorbed,
    CaseClassified,
    CaseCorrected,
    CaseDispatched,
    CaseReceived,
    DispatchRefused,
    DispatchWithdrawn,
    HouseholdConcerned,
    PromiseKept,
    PromiseMade,
)
from steward_events.recorded import Recorded
from steward_events.vocabulary import Part, Party, Severity, Urgency
from steward_intake.domain.commands import RaiseSeverity, Takeable, TakeOver
from steward_intake.domain.story import WEIGHT


def done_before(
    story: Sequence[Recorded], to_case: str, at: datetime
) -> Iterator[TakeOver | RaiseSeverity]:
    """Say anew what was decided and done in a case that is moved, each at its own time.

    What a merged case raised its severity to counts while nobody has classified it below that since.
    A department that has it then has it no longer: another project gives it to its own.
    """
    holds: CaseDispatched | None = None
    for place, recorded in enumerate(story, 1):
        match recorded.fact:
            case CaseDispatched() as holds:
                fact = holds.model_copy(update={"case_id": to_case, "before_move": True})
                yield TakeOver(recorded.occurred_at, fact)
            case fact if isinstance(fact, Takeable):
                if isinstance(fact, DispatchRefused | DispatchWithdrawn):
                    holds = None
                taken = fact.model_copy(update={"case_id": to_case})
                yield TakeOver(recorded.occurred_at, taken)
            case CaseAbsorbed(severity=Severity() as severity) if not _is_lowered(
                severity, story[place:]
            ):
                yield RaiseSeverity(recorded.occurred_at, severity, "new_facts")
            case _:
                pass
    if holds is not None:
        left = DispatchWithdrawn(
            case_id=to_case, dispatch_id=holds.dispatch_id, department=holds.department
        )
        yield TakeOver(at, left)


def promised(story: Sequence[Recorded]) -> list[tuple[datetime, PromiseMade]]:
    """Give the promises that are not kept, each as it stands, and when it was made last."""
    found: dict[str, tuple[datetime, PromiseMade]] = {}
    for told in story:
        match told.fact:
            case PromiseMade(promise_id=name) as made:
                what = made.what or (found[name][1].what if name in found else None)
                anew = {"what": what, "moved_by": None, "approved_by": None}
                found[name] = told.occurred_at, made.model_copy(update=anew)
            case PromiseKept(promise_id=name):
                found.pop(name, None)
            case _:
                pass
    return list(found.values())


def lost_in(story: Sequence[Recorded], other: Sequence[Recorded]) -> list[str]:
    """Name what duties hang on in a case and not in the other, which would go on for both."""
    mine, theirs = _weight(story), _weight(other)
    return [name for name, weight in mine.items() if weight > theirs[name]]


def _weight(story: Sequence[Recorded]) -> dict[str, float]:
    received, classified = as_corrected(story), None
    for told in story:
        if isinstance(told.fact, CaseClassified):
            classified = told.fact
    due = received.authority_due
    injury = received.injury or (classified is not None and classified.injury)
    return {
        "an emergency": classified is not None and classified.urgency is Urgency.EMERGENCY,
        "an injury": bool(injury),
        "an authority or the media": bool(received.authority_or_media),
        "more households": received.households_concerned or 0,
        "an authority's earlier date": -due.timestamp() if due else -inf,
    }


def as_corrected(story: Sequence[Recorded]) -> CaseReceived:
    """Give a case's reception as it was corrected since."""
    [received] = [told.fact for told in story if isinstance(told.fact, CaseReceived)]
    for told in story:
        if isinstance(told.fact, CaseCorrected):
            known = {"not_given": received.not_given | told.fact.not_given}
            received = received.model_copy(update=_corrections(told.fact) | known)
    return received


def _corrections(fact: CaseCorrected) -> dict[str, object]:
    how = {"case_id", "correction_id", "person_id", "not_given", "lacks"}
    return {name: value for name, value in fact if name not in how and value is not None}


def concerned_in(story: Sequence[Recorded]) -> list[HouseholdConcerned]:
    """Say which households a case concerns, its own among them, and how they asked to be reached."""
    received = as_corrected(story)
    found = {
        other.household_id: HouseholdConcerned(case_id=received.case_id, **dict(other))
        for other in received.concerns
    }
    for told in story:
        if isinstance(told.fact, HouseholdConcerned):
            found[told.fact.household_id] = told.fact
    if received.household_id is not None:
        own = HouseholdConcerned(
            case_id=received.case_id,
            household_id=received.household_id,
            part=Part.AFFECTED,
            number=received.number,
        )
        if received.party is Party.HOUSEHOLD:
            left = {"phone": received.reporter_phone, "email": received.reporter_email}
            own = own.model_copy(update={"part": Part.COMPLAINANT, **left})
        found[own.household_id] = own
    return [fact for fact in found.values() if fact.part is not None]


def _is_lowered(severity: Severity, later: Sequence[Recorded]) -> bool:
    return any(
        WEIGHT.index(recorded.fact.severity) < WEIGHT.index(severity)
        for recorded in later
        if isinstance(recorded.fact, CaseClassified)
    )
