"""The difference between what follows from the facts and what was told before."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from steward_events.sla import (
    BreachExcused,
    BreachWithdrawn,
    ClockCancelled,
    ClockMet,
    ClockPaused,
    ClockRescheduled,
    ClockResumed,
    ClockStarted,
    EscalationWithdrawn,
    OwnerDateDeclined,
)
from steward_sla.domain.case_facts import MERGED, REAPPLIED, CaseFact
from steward_sla.domain.clock import Clock, Declined
from steward_sla.domain.told import Asked, Climb, Outcome, Told, said_before, said_of

if TYPE_CHECKING:
    from steward_sla.domain.clocks import Clocks, ClocksFact

_NEVER_APPLIED = "never_applied"


def differences(state: "Clocks", cause: str) -> Iterator["ClocksFact"]:
    """Tell what has changed since it was told, because of what is named."""
    planned: set[str] = set()
    # A request for more time may ask for something though neither clock nor what was told moved.
    as_told = {} if state.course is None or state.extensions else state.course.as_told
    for clock in state.plan:
        planned.add(clock.id)
        told = state.of(clock.id)
        known = as_told.get(clock.id)
        if known is not None and known[0] is clock and known[1] is told:
            continue
        more = list(_difference(state, clock, told, cause))
        yield from more
        # So may a pause that begins or ends meanwhile, and an owner's date.
        if not (more or clock.pauses or clock.declined):
            as_told[clock.id] = (clock, told)
    for name, told in (state.told or {}).items():
        if name not in planned and (told.outcome != "cancelled" or told.breach):
            said = said_before(state, name, told)
            if told.outcome != "cancelled":
                yield ClockCancelled(**said, reason=_NEVER_APPLIED)
                yield from _settled(state, name, told, said, is_over=True)
            yield from _withdrawal(state, told, said, cause, None)


def _difference(
    state: "Clocks", clock: Clock, told: Told | None, cause: str
) -> Iterator["ClocksFact"]:
    said, outcome = said_of(state, clock), _outcome(clock)
    starts = (
        told is None or told.started_at != clock.started_at or (bool(told.outcome) and not outcome)
    )
    if starts or told is None:
        yield ClockStarted(
            **said,
            started_at=clock.started_at,
            due_at=clock.limit,
            provisional=clock.provisional,
            policy=state.policy
            if state.course is None
            else state.course.timeline_of(clock).version,
            calendar=clock.target.calendar or "",
        )
    elif told.limit != clock.limit or (not outcome and told.provisional != clock.provisional):
        # Of one that does not move it is told that it is sure by now.
        yield ClockRescheduled(
            **said,
            old_due=told.limit,
            new_due=clock.limit,
            cause=cause,
            provisional=clock.provisional,
            policy=state.policy if cause == REAPPLIED else "",
        )
    if clock.declined is not None and not outcome and _is_to_be_told(state, clock.declined):
        yield OwnerDateDeclined(**said, asked_for=clock.declined.date, due_at=clock.limit)
    paused = not outcome and state.upto is not None and clock.paused_at(state.upto)
    was_paused = told is not None and told.paused and not starts
    if paused and not was_paused:
        yield ClockPaused(**said, reason=clock.pause_reason)
    elif was_paused and not paused and not outcome and state.upto is not None:
        yield ClockResumed(**said, resumed_at=state.upto, due_at=clock.limit)
    if outcome and (
        starts or told is None or (told.outcome, told.met_at) != (outcome, clock.met_at)
    ):
        if outcome == "cancelled":
            merged = _merged(state) if clock.cancelled_by == MERGED else None
            into = merged.fields.get("into") if merged is not None else None
            yield ClockCancelled(**said, reason=clock.cancelled_by, into=into)
            if merged is not None and told is not None:
                yield from _handed_on(state, told, said, merged)
        elif clock.met_at is not None:
            yield ClockMet(**said, met_at=clock.met_at, outcome=outcome)
    if told is not None and clock.cancelled_by != MERGED:
        yield from _settled(state, clock.id, told, said, is_over=bool(outcome))
    if told is not None and told.breach and told.breach_at != clock.breach_at:
        yield from _withdrawal(state, told, said, cause, clock)
    elif told is not None and told.breach and clock.excused and not told.excused:
        yield BreachExcused(**said, number=told.breach)


def _is_to_be_told(state: "Clocks", declined: Declined) -> bool:
    """Say whether the owner is to be told that a date does not bind: once, while it is to come.

    They are told again where it was accepted in between.
    """
    is_known = any(
        told.declined == declined.date
        and told.declined_at is not None
        and told.declined_at >= declined.since
        for told in (state.told or {}).values()
    )
    is_past = any(at and at >= declined.date for at in (state.upto, state.known_at))
    return not is_known and not is_past


def _withdrawal(
    state: "Clocks", told: Told, said: dict[str, Any], cause: str, clock: Clock | None
) -> Iterator["ClocksFact"]:
    if not told.breach:
        return
    yield BreachWithdrawn(**said, number=told.breach, reason=cause)
    for climb in told.climbs:
        if climb.breach == told.breach and not climb.handed_on:
            yield _withdrawn(state, climb, said | {"reason": _why(clock, climb)})


def _why(clock: Clock | None, climb: Climb) -> str:
    """Say why what was told as late was not: it was done by then, or is owed no longer."""
    if clock is None:
        return _NEVER_APPLIED
    if clock.breach_at is not None:
        return ""
    if clock.met_at is not None:
        return "met" if clock.met_at <= climb.due_at else ""
    return clock.cancelled_by


def _settled(
    state: "Clocks", clock: str, told: Told, said: dict[str, Any], *, is_over: bool
) -> Iterator[EscalationWithdrawn]:
    """Who was told of a request for more time is asked no longer, once there is nothing to decide."""
    is_asked = any(
        isinstance(asked, Asked) and asked.clock == clock
        for asked in (state.extensions or {}).values()
    )
    if is_asked and not is_over:
        return
    for climb in told.climbs:
        if climb.is_request and not climb.handed_on and not climb.taken_by:
            yield _withdrawn(state, climb, said | {"settled": True})


def _handed_on(
    state: "Clocks", told: Told, said: dict[str, Any], merged: CaseFact
) -> Iterator[EscalationWithdrawn]:
    """Who was told is told which case goes on for this one; the breach stands."""
    for climb in told.climbs:
        if climb.breach in (0, told.breach) and not climb.handed_on:
            fields = merged.fields
            other = {"into": fields.get("into"), "into_number": fields.get("into_number", "")}
            yield _withdrawn(state, climb, said | other)


def _withdrawn(state: "Clocks", climb: Climb, said: dict[str, Any]) -> EscalationWithdrawn:
    return EscalationWithdrawn(
        **said,
        escalation_id=climb.escalation_id,
        to=climb.to,
        number=state.number,
        due_at=climb.due_at,
        zone=state.zone,
        policy=state.policy,
    )


def _merged(state: "Clocks") -> CaseFact | None:
    return next((fact for fact in reversed(state.facts) if fact.name == MERGED), None)


def _outcome(clock: Clock) -> Outcome:
    if clock.met_at is not None:
        if clock.breach_at is not None:
            return "breached"
        return "in_time" if clock.met_at <= clock.due else "with_approval"
    return "cancelled" if clock.cancelled_at is not None else ""
