"""All clocks of one case, and what has been told of them.

    started --> running <--paused, resumed--> standing still
                   |
                   +--met--------> met, in time or with approval
                   +--cancelled--> cancelled: it no longer applies
                   +--breached---> late --met--> met after its breach
                                    |
                                    +--escalated, step by step, until acknowledged;
                                    |    unanswered, role by role to the top
                                    +--excused: more time was approved too late

    more time: asked --approved, refused--> decided
                 +---undecided--> told to the next role above the one that decides

What is true follows from the case's facts alone (`timeline`). `decide` tells the difference to
what was told before: a fact that comes late moves, withdraws or revives.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple, assert_never
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.sealed import Sealed
from steward_events.sla import (
    BreachExcused,
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
    ExtensionApproved,
    ExtensionRefused,
    ExtensionRequested,
    MajorByAge,
)
from steward_events.vocabulary import Role
from steward_policy.almanac import NOTHING_PUBLISHED, Almanac, UnknownEdition
from steward_policy.ladder import TITLES, next_above, role_at_least
from steward_policy.packs import Rules, UnknownVersion
from steward_policy.targets import Deliver
from steward_sla.domain.timeline import (
    REAPPLIED,
    CaseFact,
    Clock,
    Course,
    Instead,
    Timeline,
)

ZONE = "Asia/Shanghai"
"""The zone of a case that names none."""
_NAMESPACE = uuid5(NAMESPACE_URL, "steward/escalation")
CALENDAR = "calendar_published"
"""What is noted of a case of which a clock waited for a calendar."""
_OWN = -1_000_000
"""Where the places of sla's own facts begin: below all versions of the case's stream."""


@dataclass(frozen=True, slots=True)
class HearCaseFact:
    """Take note of one fact of the case: `version` is its place in the case's own stream."""

    at: datetime
    case_id: str
    project_id: str
    name: str
    version: int
    fields: Mapping[str, Any]
    history: datetime | None = None
    """Up to when the case is history."""
    known_at: datetime | None = None
    """When it became known, where that was later."""


@dataclass(frozen=True, slots=True)
class AcknowledgeEscalation:
    """The person told takes it over."""

    at: datetime
    escalation_id: str
    person_id: str


@dataclass(frozen=True, slots=True)
class RequestExtension:
    """Ask for more time for one clock; the time must not be over."""

    at: datetime
    extension_id: str
    clock: str
    until: datetime
    asked_by: str
    reason: Sealed | None = None


@dataclass(frozen=True, slots=True)
class ApproveExtension:
    """Agree, in a role that may."""

    at: datetime
    extension_id: str
    person_id: str
    role: Role


@dataclass(frozen=True, slots=True)
class RefuseExtension:
    """Do not agree, in a role that may decide."""

    at: datetime
    extension_id: str
    person_id: str
    role: Role


@dataclass(frozen=True, slots=True)
class NoteCalendars:
    """A calendar was published: what was provisional for want of it is due by it now."""

    at: datetime
    edition: int


@dataclass(frozen=True, slots=True)
class ReapplyPolicy:
    """What runs goes by another version from now on, for a reason that stands elsewhere.

    `instead_of` names the only version that is left for it; no targets are all of them.
    """

    at: datetime
    reapply_id: str
    policy: str
    instead_of: str = ""
    targets: frozenset[str] = frozenset()


ClocksCommand = (
    HearCaseFact
    | NoteCalendars
    | ReapplyPolicy
    | AcknowledgeEscalation
    | RequestExtension
    | ApproveExtension
    | RefuseExtension
    | Ring
)
ClocksFact = (
    CaseNoted
    | ClockStarted
    | ClockRescheduled
    | ClockPaused
    | ClockResumed
    | ClockWarned
    | ClockBreached
    | BreachWithdrawn
    | BreachExcused
    | MajorByAge
    | ClockMet
    | ClockCancelled
    | Escalated
    | EscalationAcknowledged
    | EscalationWithdrawn
    | ExtensionRequested
    | ExtensionApproved
    | ExtensionRefused
)
Outcome = Literal["", "in_time", "with_approval", "breached", "cancelled"]


class Climb(NamedTuple):
    """An escalation that was told; `beside` the steps of the pack where nobody had answered."""

    escalation_id: str
    breach: int
    step: int
    to: Role
    due_at: datetime
    at: datetime | None = None
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """More time was asked for and not decided on; `told` once the role above was told of that."""

    clock: str
    at: datetime
    until: datetime
    asked_by: str
    told: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """More time was granted or not."""

    clock: str
    approved: bool


Extension = Asked | Decided


class About(NamedTuple):
    """What every fact about a clock repeats."""

    target: str
    rule: tuple[str, ...]
    basis: Literal["rule", "default"]
    severity: str


class Told(NamedTuple):
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
    excused: bool = False
    known_at: datetime | None = None
    """When the clock became known, where that was after its start."""
    provisional: bool = False
    """Whether its limit was said to wait for a calendar."""

    @property
    def climbed(self) -> Collection[int]:
        """The steps that were told, of the breach that stands or of the start."""
        return [
            climb.step
            for climb in self.climbs
            if climb.breach in (0, self.breach) and not climb.beside
        ]


class Era(NamedTuple):
    """A version of the policy, since when it counts, for which targets, and by which decision."""

    policy: str
    at: datetime | None = None
    targets: frozenset[str] = frozenset()
    reapply_id: str = ""


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
    extensions: Mapping[str, Extension] | None = None
    history: datetime | None = None
    known_at: datetime | None = None
    """When the last fact of the case became known, where that was later."""
    calendars: int = 0
    """How many publications of calendars are taken account of."""
    eras: tuple[Era, ...] = ()
    """The versions by which it went one after the other; most cases know one."""

    @property
    def zone(self) -> str:
        """The project's zone."""
        return "" if self.course is None else self.course.zone.key

    @cached_property
    def plan(self) -> tuple[Clock, ...]:
        """The clocks as they follow from the facts."""
        return () if self.course is None else self.course.clocks(self.facts)

    @cached_property
    def alarms(self) -> Sequence["Alarm"]:
        """All that is planned and has not been told, clock by clock, in each in order of time."""
        return [alarm for clock in self.plan for alarm in _alarms_of(self, clock)]

    def of(self, clock: str) -> Told | None:
        """What was told of a clock."""
        return self.told.get(clock) if self.told else None


class ClocksDecider:
    """The clocks of one case, by the rules of the version under which it was taken in."""

    initial = Clocks()

    def __init__(
        self,
        rules_of: Callable[[str], Rules],
        almanac: Callable[[], Almanac] = lambda: NOTHING_PUBLISHED,
    ) -> None:
        self._rules_of = rules_of
        self._almanac = almanac
        self._timelines: dict[tuple[str, int], Timeline] = {}
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
                    history=command.history,
                    known_at=command.known_at,
                    calendars=self._almanac().edition,
                )
                after = self._note(state, noted)
                # The shell evolves with this very fact next: the plan is not made twice.
                self._last = (state, noted, after)
                try:
                    return [noted, *_differences(after, command.name)]
                except ValueError as error:
                    raise Refused(f"The clocks cannot be computed: {error}") from error
            case NoteCalendars():
                return self._move(state, command)
            case ReapplyPolicy():
                return self._reapply(state, command)
            case Ring():
                return [
                    fact
                    for alarm in state.alarms
                    if alarm.at <= command.at
                    for fact in _rung(state, alarm, unheard=command.unheard)
                ]
            case AcknowledgeEscalation():
                return _acknowledge(command, state)
            case RequestExtension():
                return self._with_differences(state, _request(command, state))
            case ApproveExtension() | RefuseExtension():
                return self._with_differences(state, _decide_extension(command, state))
            case _:
                assert_never(command)

    def evolve(self, state: Clocks, fact: ClocksFact) -> Clocks:
        """Give the state after one more fact."""
        if isinstance(fact, CaseNoted):
            if self._last is not None and self._last[0] is state and self._last[1] is fact:
                return self._last[2]
            return self._note(state, fact)
        if isinstance(fact, _ExtensionFact):
            return _extend(state, fact)
        return _tell(state, fact)

    def wake_at(self, state: Clocks) -> datetime | None:
        """Ask for the earliest of pause ends, warnings, due times, escalations and decisions."""
        return min([alarm.at for alarm in state.alarms], default=None)

    def _move(self, state: Clocks, command: NoteCalendars) -> Sequence[ClocksFact]:
        """Take account of a published calendar; only what is provisional and runs is moved."""
        if state.course is None or state.calendars >= command.edition:
            return []
        if not any(clock.provisional and _runs(clock, command.at) for clock in state.plan):
            return []
        return self._note_here(state, CALENDAR, command.at, {}, command.edition)

    def _reapply(self, state: Clocks, command: ReapplyPolicy) -> Sequence[ClocksFact]:
        """Let what runs go by another version; what ended or is late stays as it was."""
        known = {era.reapply_id for era in state.eras}
        if state.course is None or command.reapply_id in known:
            return []
        if state.policy == command.policy or command.instead_of not in ("", state.policy):
            return []
        if not any(
            _runs(clock, command.at) and (not command.targets or clock.target.id in command.targets)
            for clock in state.plan
        ):
            return []
        fields = {
            "policy": command.policy,
            "reapply_id": command.reapply_id,
            "targets": sorted(command.targets),
        }
        return self._note_here(state, REAPPLIED, command.at, fields, state.calendars)

    def _note_here(
        self, state: Clocks, name: str, at: datetime, fields: dict[str, Any], calendars: int
    ) -> Sequence[ClocksFact]:
        noted = CaseNoted(
            case_id=state.case_id,
            project_id=state.project_id,
            noted=name,
            at=at,
            version=_OWN + sum(fact.version < 0 for fact in state.facts),
            fields=fields,
            calendars=calendars,
        )
        after = self._note(state, noted)
        try:
            return [noted, *_differences(after, name)]
        except ValueError as error:
            raise Refused(f"The clocks cannot be computed: {error}") from error

    def _with_differences(
        self,
        state: Clocks,
        facts: Sequence[ExtensionRequested | ExtensionApproved | ExtensionRefused],
    ) -> Sequence[ClocksFact]:
        """What is decided on more time, and what that does to the clock."""
        after = state
        for fact in facts:
            after = self.evolve(after, fact)
        return [*facts, *(d for fact in facts for d in _differences(after, _short_name(fact)))]

    def _note(self, state: Clocks, noted: CaseNoted) -> Clocks:
        counts = state.course is None or noted.noted in state.course.names
        calendars = max(state.calendars, noted.calendars)
        # Its fields also where they move nothing: another version may be reapplied that asks for them.
        fact = CaseFact(noted.noted, noted.at, noted.version, noted.fields)
        after = Clocks(
            case_id=noted.case_id,
            project_id=noted.project_id,
            number=state.number,
            policy=state.policy,
            course=state.course,
            facts=_and(state.facts, fact),
            told=state.told,
            upto=noted.at if state.upto is None else max(state.upto, noted.at),
            extensions=state.extensions,
            history=noted.history or state.history,
            known_at=noted.known_at,
            calendars=calendars,
            eras=state.eras,
        )
        if noted.noted == "case_received" and state.course is None:
            policy = str(noted.fields.get("policy", ""))
            zone = ZoneInfo(str(noted.fields.get("zone", ZONE)))
            eras: tuple[Era, ...] = (Era(policy),)
            return replace(
                after,
                number=str(noted.fields.get("number", "")),
                policy=policy,
                eras=eras,
                course=self._course(eras, calendars, zone),
            )
        if state.course is None:
            return after
        if noted.noted == REAPPLIED:
            targets = frozenset(map(str, noted.fields.get("targets", ())))
            policy = str(noted.fields["policy"])
            era = Era(policy, noted.at, targets, str(noted.fields["reapply_id"]))
            eras = (*state.eras, era)
            course = self._course(eras, calendars, state.course.zone)
            return replace(after, policy=policy, eras=eras, course=course)
        if calendars != state.calendars:
            return replace(after, course=self._course(state.eras, calendars, state.course.zone))
        if not counts:
            _same_plan(state, after)
        return after

    def _course(self, eras: Sequence[Era], calendars: int, zone: ZoneInfo) -> Course:
        """Begin the case anew by these versions, one instead of the other."""
        first, *others = eras
        course = self._timeline(first.policy, calendars).course(zone)
        for era in others:
            assert era.at is not None  # noqa: S101 - only the first has no beginning
            instead = Instead(era.at, era.targets, course)
            course = self._timeline(era.policy, calendars).course(zone, instead)
        return course

    def _timeline(self, version: str, calendars: int) -> Timeline:
        known = self._timelines.get((version, calendars))
        if known is None:
            try:
                known = Timeline(self._rules_of(version), self._almanac().upto(calendars))
            except (UnknownVersion, UnknownEdition) as unknown:
                raise NotHeardYet(str(unknown)) from None
            self._timelines[version, calendars] = known
        return known


def _place(fact: CaseFact) -> tuple[datetime, int]:
    return fact.at, fact.version


def _and(facts: tuple[CaseFact, ...], fact: CaseFact) -> tuple[CaseFact, ...]:
    """The facts of the case with one more, in their order."""
    if facts and _place(fact) < _place(facts[-1]):
        return tuple(sorted((*facts, fact), key=_place))
    return (*facts, fact)


def _runs(clock: Clock, at: datetime) -> bool:
    """Whether a clock has begun, is not late and has not ended."""
    return (
        clock.started_at <= at
        and (clock.ended_at is None or clock.ended_at > at)
        and (clock.breach_at is None or clock.breach_at > at)
    )


def _short_name(fact: ClocksFact) -> str:
    return fact.wire_name.partition(".")[2]


# ---- what is due to be told ----


class Alarm(NamedTuple):
    """Something that rings at its instant; `step` is the place of an escalation step."""

    at: datetime
    what: Literal["resume", "warn", "breach", "step", "unacknowledged", "undecided"]
    clock: Clock
    step: int = -1
    to: Role | None = None
    extension: str = ""


def _alarms_of(state: Clocks, clock: Clock) -> Sequence[Alarm]:
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


def _alarms(state: Clocks, clock: Clock, told: Told) -> Iterator[Alarm]:
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
    if not told.acknowledged:
        climbed = told.climbed
        for at, step in clock.steps:
            if step not in climbed:
                yield Alarm(at, "step", clock, step)
        if told.climbs:
            yield from _unanswered(state, clock, told)
    for name, asked in (state.extensions or {}).items():
        if isinstance(asked, Asked) and asked.clock == clock.id and not asked.told:
            yield from _undecided(state, clock, name, asked)


def _unanswered(state: Clocks, clock: Clock, told: Told) -> Iterator[Alarm]:
    """Nobody answered for the last escalation: the next role above is told.

    Of history nobody was told, so nobody could answer.
    """
    standing = [
        (climb.at, climb) for climb in told.climbs if climb.breach == told.breach and climb.at
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


def _undecided(state: Clocks, clock: Clock, name: str, asked: Asked) -> Iterator[Alarm]:
    """A request for more time that nobody decides on is told to the next role above."""
    if state.course is None or clock.ended_at is not None:
        return
    timeline, zone = state.course.timeline_of(clock), state.course.zone
    role = timeline.approver(clock, asked.until, zone)
    if role is not None:
        at = timeline.decide_by(clock, asked.at, zone)
        yield Alarm(at, "undecided", clock, to=next_above(role) or role, extension=name)


def _deliver(clock: Clock, step: int) -> Deliver:
    return clock.target.escalate[step].deliver if step >= 0 else Deliver.DUTY_HOURS


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
    state: Clocks,
    alarm: Alarm,
    breach: int,
    to: Role,
    because: Literal["unacknowledged", "undecided"] | None = None,
) -> Escalated:
    clock, told = alarm.clock, state.of(alarm.clock.id)
    known_at = told.known_at if told is not None else None
    key = f"{state.case_id}|{clock.limit.isoformat()}|{clock.id}|{alarm.step}|{breach}"
    if because is not None:
        key += f"|{because}|{alarm.extension or to}"
    return Escalated(
        **_said(state, clock),
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
            yield ClockCancelled(**said, reason=clock.cancelled_by)
        elif clock.met_at is not None:
            yield ClockMet(**said, met_at=clock.met_at, outcome=outcome)
    if told is not None and told.breach and told.breach_at != clock.breach_at:
        yield from _withdrawal(state, told, said, cause)
    elif told is not None and told.breach and clock.excused and not told.excused:
        yield BreachExcused(**said, number=told.breach)


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


# ---- more time ----


def _request(command: RequestExtension, state: Clocks) -> Sequence[ExtensionRequested]:
    extensions = state.extensions or {}
    if command.extension_id in extensions:
        return []
    clock = next((clock for clock in state.plan if clock.id == command.clock), None)
    if clock is None:
        raise Refused("There is no such clock of this case.", code="unknown")
    rule = clock.target.rule[0]
    overdue = clock.target.overdue
    if overdue is None:
        raise Refused("The rules let nobody grant more time for this.", rule=rule)
    if clock.ended_at is not None:
        raise Refused("This has ended; it needs no more time.", rule=rule)
    if overdue.ask == "before_due" and command.at > clock.limit:
        raise Refused("More time is asked for before the due time, and that has passed.", rule=rule)
    if command.until <= clock.limit:
        raise Refused("The new date is not later than the due time.", rule=rule)
    if any(isinstance(one, Asked) and one.clock == clock.id for one in extensions.values()):
        raise Refused("Another request for more time is still to be decided on.", rule=rule)
    return [
        ExtensionRequested(
            **_said(state, clock),
            extension_id=command.extension_id,
            at=command.at,
            until=command.until,
            asked_by=command.asked_by,
            reason=command.reason,
        )
    ]


def _decide_extension(
    command: ApproveExtension | RefuseExtension, state: Clocks
) -> Sequence[ExtensionApproved | ExtensionRefused]:
    """The role or above decides, never who asked; a repeat is answered with nothing."""
    approves = isinstance(command, ApproveExtension)
    match (state.extensions or {}).get(command.extension_id):
        case None:
            raise Refused("There is no such request of this case.", code="unknown")
        case Decided(approved=approved) if approved is approves:
            return []
        case Decided():
            raise Refused("This request has been decided on.")
        case Asked() as asked:
            pass
    clock = next((clock for clock in state.plan if clock.id == asked.clock), None)
    if clock is None or state.course is None:
        raise Refused("What more time was asked for does not apply any longer.")
    rule = clock.target.rule[0]
    needed = state.course.approver(clock, asked.until)
    if command.person_id == asked.asked_by:
        raise Refused("Who asked for more time does not decide on it.", rule=rule)
    if needed is None or not role_at_least(command.role, needed):
        title = TITLES[needed or Role.GENERAL_MANAGER][1]
        raise Refused(f"Only the {title} or above decides on this.", rule=rule)
    said = {**_said(state, clock), "extension_id": command.extension_id, "at": command.at}
    if approves:
        return [
            ExtensionApproved(
                **said, until=asked.until, approved_by=command.person_id, role=command.role
            )
        ]
    return [ExtensionRefused(**said, refused_by=command.person_id, role=command.role)]


_ExtensionFact = ExtensionRequested | ExtensionApproved | ExtensionRefused


def _extend(state: Clocks, fact: _ExtensionFact) -> Clocks:
    """Note what was asked for or decided; the clocks follow from it as from the case's facts."""
    extensions = state.extensions or {}
    after: Extension
    match fact:
        case ExtensionRequested():
            after = Asked(fact.clock, fact.at, fact.until, fact.asked_by)
        case ExtensionApproved():
            after = Decided(fact.clock, approved=True)
        case ExtensionRefused():
            after = Decided(fact.clock, approved=False)
        case _:
            assert_never(fact)
    own = sum(noted.version < 0 for noted in state.facts)
    said = {"target", "extension_id", "until", "asked_by", "approved_by", "role"}
    fields = fact.model_dump(mode="json", include=said)
    noted = CaseFact(_short_name(fact), fact.at, _OWN + own, fields)
    return replace(
        state,
        facts=_and(state.facts, noted),
        extensions={**extensions, fact.extension_id: after},
        upto=fact.at if state.upto is None else max(state.upto, fact.at),
    )


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
    | BreachExcused
    | MajorByAge
    | ClockMet
    | ClockCancelled
    | Escalated
    | EscalationAcknowledged
    | EscalationWithdrawn,
) -> Clocks:
    told, upto, extensions = state.of(fact.clock), state.upto, state.extensions
    match fact:
        case ClockStarted():
            about = About(fact.target, fact.rule, fact.basis, fact.severity)
            fresh = Told(
                fact.started_at,
                fact.due_at,
                about,
                known_at=state.known_at,
                provisional=fact.provisional,
            )
            after = (
                fresh
                if told is None
                else told._replace(
                    started_at=fact.started_at,
                    limit=fact.due_at,
                    about=about,
                    paused=False,
                    outcome="",
                    met_at=None,
                    known_at=state.known_at,
                    provisional=fact.provisional,
                )
            )
        case _ if told is None:
            raise Refused(f"The clock {fact.clock} was never started.", code="unknown")
        case ClockRescheduled():
            after = told._replace(limit=fact.new_due, provisional=fact.provisional)
        case ClockPaused():
            after = told._replace(paused=True)
        case ClockResumed():
            after = told._replace(paused=False, limit=fact.due_at)
            upto = fact.resumed_at if upto is None else max(upto, fact.resumed_at)
        case ClockWarned():
            after = told._replace(warned=told.warned | {fact.warned_at})
        case ClockBreached():
            # Whoever acknowledged an alarm of the start has not answered for the breach.
            after = told._replace(
                breaches=fact.number,
                breach=fact.number,
                breach_at=fact.breached_at,
                acknowledged=False,
            )
        case BreachWithdrawn():
            after = told._replace(breach=0, breach_at=None, acknowledged=False, excused=False)
        case BreachExcused():
            after = told._replace(excused=True)
        case MajorByAge():
            after = told
        case ClockMet():
            after = told._replace(outcome=fact.outcome, met_at=fact.met_at, paused=False)
        case ClockCancelled():
            after = told._replace(outcome="cancelled", met_at=None, paused=False)
        case Escalated():
            climb = Climb(
                fact.escalation_id,
                fact.breach,
                fact.step,
                fact.to,
                fact.due_at,
                fact.told_at,
                fact.because is not None,
            )
            after = told._replace(climbs=(*told.climbs, climb))
            if fact.because == "undecided":
                extensions = {
                    name: replace(asked, told=True)
                    if isinstance(asked, Asked) and asked.clock == fact.clock
                    else asked
                    for name, asked in (extensions or {}).items()
                }
        case EscalationAcknowledged():
            after = told._replace(acknowledged=True)
        case EscalationWithdrawn():
            after = told._replace(
                climbs=tuple(c for c in told.climbs if c.escalation_id != fact.escalation_id)
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
        extensions,
        state.history,
        state.known_at,
        state.calendars,
        state.eras,
    )
    _same_plan(state, next_)
    return next_


def _same_plan(before: Clocks, after: Clocks) -> None:
    """Hand on what was computed; nothing that it depends on has changed."""
    if "plan" in before.__dict__:
        after.__dict__["plan"] = before.plan
