"""All clocks of one case, and what has been told of them.

    started --> running <--paused, resumed--> standing still
                   |
                   +--met--------> met, in time or with approval
                   +--cancelled--> cancelled: it no longer applies
                   +--breached---> late --met--> met after its breach
                                    |
                                    +--escalated, step by step, until acknowledged

What is true follows from the case's facts alone (`timeline`). `decide` tells the difference to
what was told before: a fact that comes late moves, withdraws or revives.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple, assert_never
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.sla import (
    BreachWithdrawn,
    CaseNoted,
    ClockBreached,
    ClockCancelled,
    ClockMet,
    ClockPaused,
    ClockRescheduled,
    ClockResumed,
    ClockStarted,
    ClockWarned,
    Escalated,
    EscalationAcknowledged,
    EscalationWithdrawn,
)
from steward_events.vocabulary import Role
from steward_policy.packs import Rules, UnknownVersion
from steward_sla.domain.timeline import CaseFact, Clock, Course, Timeline

_NAMESPACE = uuid5(NAMESPACE_URL, "steward/escalation")
_NO_FIELDS: dict[str, Any] = {}
"""Of facts that move no clock; states of very many cases are kept in memory."""


@dataclass(frozen=True, slots=True)
class HearCaseFact:
    """Take note of one fact of the case: `version` is its place in the case's own stream."""

    at: datetime
    case_id: str
    project_id: str
    name: str
    version: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AcknowledgeEscalation:
    """The person told takes it over."""

    at: datetime
    escalation_id: str
    person_id: str


ClocksCommand = HearCaseFact | AcknowledgeEscalation | Ring
ClocksFact = (
    CaseNoted
    | ClockStarted
    | ClockRescheduled
    | ClockPaused
    | ClockResumed
    | ClockWarned
    | ClockBreached
    | BreachWithdrawn
    | ClockMet
    | ClockCancelled
    | Escalated
    | EscalationAcknowledged
    | EscalationWithdrawn
)
Outcome = Literal["", "in_time", "with_approval", "breached", "cancelled"]


class Climb(NamedTuple):
    """A step of escalation that was told."""

    escalation_id: str
    breach: int
    step: int
    to: Role
    due_at: datetime


class About(NamedTuple):
    """What every fact about a clock repeats."""

    target: str
    rule: tuple[str, ...]
    basis: Literal["rule", "default"]
    severity: str


@dataclass(frozen=True, slots=True)
class Told:
    """What has been said of one clock; `breach` is the number of the breach that stands."""

    started_at: datetime
    limit: datetime
    about: About
    paused: bool = False
    outcome: Outcome = ""
    met_at: datetime | None = None
    warned: frozenset[datetime] = frozenset()
    breaches: int = 0
    breach: int = 0
    breach_at: datetime | None = None
    climbs: tuple[Climb, ...] = ()
    acknowledged: bool = False

    def climbed(self, step: int) -> bool:
        """Whether this step was told, of the breach that stands or of the start."""
        return any(climb.step == step and climb.breach in (0, self.breach) for climb in self.climbs)


@dataclass(frozen=True)
class Clocks:
    """The case as noted, and what was told of its clocks; `upto` is the latest instant known of."""

    case_id: str = ""
    project_id: str = ""
    number: str = ""
    policy: str = ""
    course: Course | None = None
    facts: tuple[CaseFact, ...] = ()
    told: Mapping[str, Told] | None = None
    upto: datetime | None = None

    @property
    def zone(self) -> str:
        """The project's zone."""
        return "" if self.course is None else self.course.zone.key

    @cached_property
    def plan(self) -> tuple[Clock, ...]:
        """The clocks as they follow from the facts."""
        return () if self.course is None else self.course.clocks(self.facts)

    @cached_property
    def wake_at(self) -> datetime | None:
        """The earliest alarm."""
        return min((alarm.at for alarm in _alarms(self)), default=None)

    def of(self, clock: str) -> Told | None:
        """What was told of a clock."""
        return self.told.get(clock) if self.told else None


class ClocksDecider:
    """The clocks of one case, by the rules of the version under which it was taken in."""

    initial = Clocks()

    def __init__(self, rules_of: Callable[[str], Rules]) -> None:
        self._rules_of = rules_of
        self._timelines: dict[str, Timeline] = {}
        self._last: tuple[Clocks, CaseNoted, Clocks] | None = None

    def decide(self, command: ClocksCommand, state: Clocks) -> Sequence[ClocksFact]:
        """Answer a command. A version heard before is answered with nothing."""
        match command:
            case HearCaseFact():
                if any(fact.version == command.version for fact in state.facts):
                    return []
                noted = CaseNoted(
                    case_id=command.case_id,
                    project_id=command.project_id,
                    noted=command.name,
                    at=command.at,
                    version=command.version,
                    fields=dict(command.fields),
                )
                after = self._note(state, noted)
                # The shell evolves with this very fact next: the plan is not made twice.
                self._last = (state, noted, after)
                try:
                    return [noted, *_differences(after, command.name)]
                except ValueError as error:
                    raise Refused(f"The clocks cannot be computed: {error}") from error
            case Ring():
                return [
                    fact
                    for alarm in _alarms(state)
                    if alarm.at <= command.at
                    for fact in _rung(state, alarm, unheard=command.unheard)
                ]
            case AcknowledgeEscalation():
                return _acknowledge(command, state)
            case _:
                assert_never(command)

    def evolve(self, state: Clocks, fact: ClocksFact) -> Clocks:
        """Give the state after one more fact."""
        if isinstance(fact, CaseNoted):
            if self._last is not None and self._last[0] is state and self._last[1] is fact:
                return self._last[2]
            return self._note(state, fact)
        return _tell(state, fact)

    def wake_at(self, state: Clocks) -> datetime | None:
        """Ask for the earliest of pause ends, warnings, due times and escalation steps."""
        return state.wake_at

    def _note(self, state: Clocks, noted: CaseNoted) -> Clocks:
        counts = state.course is None or noted.noted in state.course.names
        fields = noted.fields if counts else _NO_FIELDS
        fact = CaseFact(noted.noted, noted.at, noted.version, fields)
        facts = (*state.facts, fact)
        if state.facts and (fact.at, fact.version) < _place(state.facts[-1]):
            facts = tuple(sorted(facts, key=_place))
        after = Clocks(
            case_id=noted.case_id,
            project_id=noted.project_id,
            number=state.number,
            policy=state.policy,
            course=state.course,
            facts=facts,
            told=state.told,
            upto=noted.at if state.upto is None else max(state.upto, noted.at),
        )
        if noted.noted == "case_received" and state.course is None:
            policy = str(noted.fields.get("policy", ""))
            zone = ZoneInfo(str(noted.fields.get("zone", "Asia/Shanghai")))
            return replace(
                after,
                number=str(noted.fields.get("number", "")),
                policy=policy,
                course=self._timeline(policy).course(zone),
            )
        return after

    def _timeline(self, version: str) -> Timeline:
        known = self._timelines.get(version)
        if known is None:
            try:
                known = Timeline(self._rules_of(version))
            except UnknownVersion as unknown:
                raise NotHeardYet(str(unknown)) from None
            self._timelines[version] = known
        return known


def _place(fact: CaseFact) -> tuple[datetime, int]:
    return fact.at, fact.version


# ---- what is due to be told ----


class Alarm(NamedTuple):
    """Something that rings at its instant; `step` is the place of an escalation step."""

    at: datetime
    what: Literal["resume", "warn", "breach", "step"]
    clock: Clock
    step: int = -1


def _alarms(state: Clocks) -> Iterator[Alarm]:
    """All that is planned and has not been told, clock by clock, in each in order of time.

    Of a clock that has ended only its breach and the steps before its end are still told.
    """
    for clock in state.plan:
        told = state.of(clock.id)
        if told is None:
            continue
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
        if not told.acknowledged:
            for at, step in clock.steps:
                if not told.climbed(step):
                    yield Alarm(at, "step", clock, step)


def _rung(state: Clocks, alarm: Alarm, *, unheard: bool) -> Iterator[ClocksFact]:
    clock = alarm.clock
    told, said = state.of(clock.id), _said(state, clock)
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
        case "step":
            step = clock.target.escalate[alarm.step]
            breach = 0 if step.at == "start" else told.breach or told.breaches + 1
            key = f"{state.case_id}|{clock.limit.isoformat()}|{clock.id}|{alarm.step}|{breach}"
            yield Escalated(
                **said,
                escalation_id=str(uuid5(_NAMESPACE, key)),
                breach=breach,
                step=alarm.step,
                to=step.to,
                deliver=step.deliver.value,
                due_at=clock.limit,
                number=state.number,
                zone=state.zone,
                policy=state.policy,
            )


# ---- the difference to what was told ----


def _differences(state: Clocks, cause: str) -> Iterator[ClocksFact]:
    planned: set[str] = set()
    for clock in state.plan:
        planned.add(clock.id)
        yield from _difference(state, clock, cause)
    for name, told in (state.told or {}).items():
        if name not in planned and (told.outcome != "cancelled" or told.breach):
            said = _said_before(state, name, told)
            if told.outcome != "cancelled":
                yield ClockCancelled(**said, reason="never_applied")
            yield from _withdrawal(state, told, said, cause)


def _difference(state: Clocks, clock: Clock, cause: str) -> Iterator[ClocksFact]:
    told, said = state.of(clock.id), _said(state, clock)
    outcome = _outcome(clock)
    starts = (
        told is None or told.started_at != clock.started_at or (bool(told.outcome) and not outcome)
    )
    if starts or told is None:
        yield ClockStarted(
            **said,
            started_at=clock.started_at,
            due_at=clock.limit,
            provisional=clock.provisional,
            policy=state.policy,
            calendar=clock.target.calendar or "",
        )
    elif told.limit != clock.limit:
        yield ClockRescheduled(
            **said,
            old_due=told.limit,
            new_due=clock.limit,
            cause=cause,
            provisional=clock.provisional,
        )
    paused = not outcome and state.upto is not None and clock.paused_at(state.upto)
    was_paused = told is not None and told.paused
    if paused and not was_paused:
        yield ClockPaused(**said, reason=clock.pause_reason)
    elif was_paused and not paused and not outcome and state.upto is not None:
        yield ClockResumed(**said, resumed_at=state.upto, due_at=clock.limit)
    if outcome and (
        starts or told is None or (told.outcome, told.met_at) != (outcome, clock.met_at)
    ):
        if outcome == "cancelled":
            yield ClockCancelled(**said, reason=clock.cancelled_by)
        elif clock.met_at is not None:
            yield ClockMet(**said, met_at=clock.met_at, outcome=outcome)
    if told is not None and told.breach and told.breach_at != clock.breach_at:
        yield from _withdrawal(state, told, said, cause)


def _withdrawal(
    state: Clocks, told: Told, said: dict[str, Any], cause: str
) -> Iterator[ClocksFact]:
    if not told.breach:
        return
    yield BreachWithdrawn(**said, number=told.breach, reason=cause)
    for climb in told.climbs:
        if climb.breach == told.breach:
            yield EscalationWithdrawn(
                **said,
                escalation_id=climb.escalation_id,
                to=climb.to,
                number=state.number,
                due_at=climb.due_at,
                zone=state.zone,
                policy=state.policy,
            )


def _outcome(clock: Clock) -> Outcome:
    if clock.met_at is not None:
        if clock.breach_at is not None:
            return "breached"
        return "in_time" if clock.met_at <= clock.due else "with_approval"
    return "cancelled" if clock.cancelled_at is not None else ""


def _said(state: Clocks, clock: Clock) -> dict[str, Any]:
    return {
        "case_id": state.case_id,
        "project_id": state.project_id,
        "clock": clock.id,
        "target": clock.target.id,
        "rule": clock.target.rule,
        "basis": clock.target.basis,
        "severity": clock.severity,
    }


def _said_before(state: Clocks, clock: str, told: Told) -> dict[str, Any]:
    return {
        "case_id": state.case_id,
        "project_id": state.project_id,
        "clock": clock,
        **told.about._asdict(),
    }


def _acknowledge(command: AcknowledgeEscalation, state: Clocks) -> Sequence[ClocksFact]:
    for name, told in (state.told or {}).items():
        for climb in told.climbs:
            if climb.escalation_id == command.escalation_id:
                if told.acknowledged or climb.breach not in (0, told.breach):
                    return []
                return [
                    EscalationAcknowledged(
                        **_said_before(state, name, told),
                        escalation_id=command.escalation_id,
                        person_id=command.person_id,
                    )
                ]
    raise Refused("There is no such escalation of this case.", code="unknown")


# ---- what has been told ----


def _tell(
    state: Clocks,
    fact: ClockStarted
    | ClockRescheduled
    | ClockPaused
    | ClockResumed
    | ClockWarned
    | ClockBreached
    | BreachWithdrawn
    | ClockMet
    | ClockCancelled
    | Escalated
    | EscalationAcknowledged
    | EscalationWithdrawn,
) -> Clocks:
    told, upto = state.of(fact.clock), state.upto
    match fact:
        case ClockStarted():
            about = About(fact.target, fact.rule, fact.basis, fact.severity)
            fresh = Told(fact.started_at, fact.due_at, about)
            after = (
                fresh
                if told is None
                else replace(
                    told,
                    started_at=fact.started_at,
                    limit=fact.due_at,
                    about=about,
                    outcome="",
                    met_at=None,
                )
            )
        case _ if told is None:
            raise Refused(f"The clock {fact.clock} was never started.", code="unknown")
        case ClockRescheduled():
            after = replace(told, limit=fact.new_due)
        case ClockPaused():
            after = replace(told, paused=True)
        case ClockResumed():
            after = replace(told, paused=False, limit=fact.due_at)
            upto = fact.resumed_at if upto is None else max(upto, fact.resumed_at)
        case ClockWarned():
            after = replace(told, warned=told.warned | {fact.warned_at})
        case ClockBreached():
            # Whoever acknowledged an alarm of the start has not answered for the breach.
            after = replace(
                told,
                breaches=fact.number,
                breach=fact.number,
                breach_at=fact.breached_at,
                acknowledged=False,
            )
        case BreachWithdrawn():
            after = replace(told, breach=0, breach_at=None, acknowledged=False)
        case ClockMet():
            after = replace(told, outcome=fact.outcome, met_at=fact.met_at, paused=False)
        case ClockCancelled():
            after = replace(told, outcome="cancelled", met_at=None, paused=False)
        case Escalated():
            climb = Climb(fact.escalation_id, fact.breach, fact.step, fact.to, fact.due_at)
            after = replace(told, climbs=(*told.climbs, climb))
        case EscalationAcknowledged():
            after = replace(told, acknowledged=True)
        case EscalationWithdrawn():
            after = replace(
                told, climbs=tuple(c for c in told.climbs if c.escalation_id != fact.escalation_id)
            )
        case _:
            assert_never(fact)
    next_ = Clocks(
        state.case_id,
        state.project_id,
        state.number,
        state.policy,
        state.course,
        state.facts,
        {**(state.told or {}), fact.clock: after},
        upto,
    )
    _same_plan(state, next_)
    return next_


def _same_plan(before: Clocks, after: Clocks) -> None:
    """Hand on what was computed; nothing that it depends on has changed."""
    if "plan" in before.__dict__:
        after.__dict__["plan"] = before.plan
