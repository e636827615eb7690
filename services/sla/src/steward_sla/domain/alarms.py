"""What is due to be told of a clock and has not been: when it rings, and what is said then."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import NAMESPACE_URL

from uuid_utils.compat import uuid5

from steward_events.sla import (
    BreachExcused,
    ClockBreached,
    ClockResumed,
    ClockWarned,
    Escalated,
    ExtensionRequested,
    MajorByAge,
)
from steward_events.vocabulary import Role
from steward_policy.ladder import next_above, role_at_least
from steward_policy.targets import Deliver
from steward_sla.domain.clock import Clock
from steward_sla.domain.told import Asked, Told, said_of

if TYPE_CHECKING:
    from steward_sla.domain.clocks import Clocks, ClocksFact

_NAMESPACE = uuid5(NAMESPACE_URL, "steward/escalation")


class Alarm(NamedTuple):
    """Something that rings at its instant; `step` is the place of an escalation step."""

    at: datetime
    what: Literal["resume", "warn", "breach", "step", "unacknowledged", "requested", "undecided"]
    clock: Clock
    step: int = -1
    to: Role | None = None
    extension: str = ""


def alarms_of(state: "Clocks", clock: Clock) -> Sequence[Alarm]:
    """The alarms of one clock; they stay while it and what was told of it do."""
    told = state.of(clock.id)
    if told is None or (clock.ended_at and not clock.breach_at and not clock.steps):
        return ()
    course = state.course
    if course is None or told.paused or state.extensions:
        return list(_alarms(state, clock, told))
    known = course.alarms.get(clock.id)
    if known is None or known[0] is not clock or known[1] is not told or known[2] != state.history:
        known = (clock, told, state.history, list(_alarms(state, clock, told)))
        course.alarms[clock.id] = known
    return known[3]


def _alarms(state: "Clocks", clock: Clock, told: Told) -> Iterator[Alarm]:
    """Of a clock that has ended only its breach and the steps before its end are still told."""
    if clock.ended_at is None:
        if told.paused and state.upto is not None:
            for pause in clock.pauses:
                if pause.start <= state.upto < pause.end:
                    yield Alarm(pause.end, "resume", clock)
        for at in clock.warnings:
            if at not in told.warned:
                yield Alarm(at, "warn", clock)
    if clock.breach_at is not None and not told.breach:
        yield Alarm(clock.breach_at, "breach", clock)
    climbed = told.climbed
    for at, step in clock.steps:
        # Whoever acknowledged an alarm of the start has not answered for the breach.
        of_start = clock.target.escalate[step].at == "start"
        to_come = not told.breach and not of_start
        if step in climbed or _is_told_late(clock, step, told):
            continue
        if of_start and state.moved_at is not None:
            # What moves along is heard first: of what was done before, nobody here is told.
            at = max(at, state.moved_at)
            if clock.ended_at is not None and clock.ended_at <= at:
                continue
        if to_come or not told.acknowledged:
            yield Alarm(at, "step", clock, step)
    if told.climbs and not told.acknowledged:
        yield from _unanswered(state, clock, told)
    for name, asked in (state.extensions or {}).items():
        if isinstance(asked, Asked) and asked.clock == clock.id and not asked.told:
            yield from _undecided(state, clock, name, asked)


def _is_told_late(clock: Clock, step: int, told: Told) -> bool:
    """Whether whom an alarm of the start is for hears at once that it is late, and so only that.

    It was late already when it became known.
    """
    if clock.breach_at is None or told.known_at is None or told.known_at < clock.breach_at:
        return False
    steps = clock.target.escalate
    return steps[step].at == "start" and any(
        later.at == "breach" and later.after is None and later.to == steps[step].to
        for later in steps
    )


def _unanswered(state: "Clocks", clock: Clock, told: Told) -> Iterator[Alarm]:
    """Nobody answered for the last escalation: the next role above is told.

    Of history nobody was told, so nobody could answer.
    """
    undecided = any(
        isinstance(asked, Asked) and asked.clock == clock.id and asked.told
        for asked in (state.extensions or {}).values()
    )
    # What was told of a request (no step of the pack) ends with the decision on it; who has to
    # decide is given the time for that.
    standing = [
        (climb.at, climb)
        for climb in told.climbs
        if climb.breach == told.breach
        and climb.at
        and not climb.is_request
        and (climb.step >= 0 or undecided)
    ]
    if not standing or state.course is None:
        return
    highest = standing[0][1].to
    for _, climb in standing:
        highest = climb.to if role_at_least(climb.to, highest) else highest
    told_at, last = max(standing, key=lambda one: one[0])
    to = next_above(highest)
    urgent = clock.target.urgent and _deliver(clock, last.step) is Deliver.AT_ONCE
    at = state.course.timeline_of(clock).answer_by(told_at, urgent, state.course.zone)
    # A breach has a ladder of its own.
    ends = (clock.ended_at, None if told.breach else clock.breach_at)
    is_over = any(end is not None and at >= end for end in ends)
    was_silent = state.history is not None and at < state.history
    if to is not None and not is_over and not was_silent:
        yield Alarm(at, "unacknowledged", clock, last.step, to)


def _undecided(state: "Clocks", clock: Clock, name: str, asked: Asked) -> Iterator[Alarm]:
    """A request for more time that nobody decides on is told to the next role above."""
    if state.course is None or clock.ended_at is not None:
        return
    timeline, zone = state.course.timeline_of(clock), state.course.zone
    role = timeline.approver(clock, asked.until, zone)
    if role is not None:
        at = timeline.decide_by(clock, asked.at, zone)
        yield Alarm(at, "undecided", clock, to=next_above(role) or role, extension=name)


def requested(state: "Clocks", request: ExtensionRequested) -> Iterator[Escalated]:
    """Who has to decide on a request for more time is told of it; of history nobody is."""
    if state.course is None or (state.history is not None and request.at < state.history):
        return
    clock = next(clock for clock in state.plan if clock.id == request.clock)
    timeline, zone = state.course.timeline_of(clock), state.course.zone
    role = timeline.approver(clock, request.until, zone)
    if role is not None:
        asked = Alarm(request.at, "requested", clock, to=role, extension=request.extension_id)
        decide_by = timeline.decide_by(clock, request.at, zone)
        yield _escalated(state, asked, 0, role, "undecided", decide_by)


def _deliver(clock: Clock, step: int) -> Deliver:
    return clock.target.escalate[step].deliver if step >= 0 else Deliver.DUTY_HOURS


def rung(state: "Clocks", alarm: Alarm, *, unheard: bool) -> Iterator["ClocksFact"]:
    """Say what an alarm says when it rings."""
    clock = alarm.clock
    told, said = state.of(clock.id), said_of(state, clock)
    assert told is not None  # noqa: S101 - only what was told of rings
    match alarm.what:
        case "resume":
            yield ClockResumed(**said, resumed_at=alarm.at, due_at=clock.limit)
        case "warn":
            yield ClockWarned(
                **said,
                warned_at=alarm.at,
                due_at=clock.limit,
                warning=1 + clock.warnings.index(alarm.at),
                number=state.number,
            )
        case "breach":
            yield ClockBreached(
                **said,
                due_at=clock.limit,
                breached_at=alarm.at,
                number=told.breaches + 1,
                unheard=unheard,
            )
            if clock.raises:
                yield MajorByAge(**said)
            if clock.excused:
                yield BreachExcused(**said, number=told.breaches + 1)
        case "step":
            step = clock.target.escalate[alarm.step]
            breach = 0 if step.at == "start" else told.breach or told.breaches + 1
            yield _escalated(state, alarm, breach, step.to)
        case "unacknowledged" | "undecided":
            assert alarm.to is not None  # noqa: S101 - such an alarm names whom it tells
            breach = told.breach if alarm.what == "unacknowledged" else 0
            yield _escalated(state, alarm, breach, alarm.to, alarm.what)


def _escalated(
    state: "Clocks",
    alarm: Alarm,
    breach: int,
    to: Role,
    because: Literal["unacknowledged", "undecided"] | None = None,
    decide_by: datetime | None = None,
) -> Escalated:
    clock, told = alarm.clock, state.of(alarm.clock.id)
    known_at = told.known_at if told is not None else None
    key = f"{state.case_id}|{clock.limit.isoformat()}|{clock.id}|{alarm.step}|{breach}"
    if because is not None:
        key += f"|{alarm.what}|{alarm.extension or to}"
    return Escalated(
        **said_of(state, clock),
        escalation_id=str(uuid5(_NAMESPACE, key)),
        breach=breach,
        step=alarm.step,
        to=to,
        deliver=_deliver(clock, alarm.step).value,
        due_at=clock.limit,
        number=state.number,
        zone=state.zone,
        policy=state.policy,
        because=because,
        told_at=max(alarm.at, known_at or alarm.at),
        decide_by=decide_by,
    )
