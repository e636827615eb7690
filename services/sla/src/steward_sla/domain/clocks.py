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

    more time: asked (told to the role that decides) --approved, refused--> decided
                 +---undecided--> told to the next role above the one that decides

What is true follows from the case's facts alone (`timeline`). `decide` tells the difference to
what was told before: a fact that comes late moves, withdraws or revives.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, assert_never
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
    OwnerDateDeclined,
)
from steward_events.vocabulary import Role
from steward_policy.almanac import NOTHING_PUBLISHED, Almanac, UnknownEdition
from steward_policy.ladder import TITLES, role_at_least
from steward_policy.packs import Rules, UnknownVersion
from steward_sla.domain.alarms import Alarm, alarms_of, requested, rung
from steward_sla.domain.case_facts import REAPPLIED, CaseFact
from steward_sla.domain.clock import Clock
from steward_sla.domain.differences import differences
from steward_sla.domain.timeline import Course, Instead, Timeline
from steward_sla.domain.told import (
    About,
    Asked,
    Climb,
    Decided,
    Extension,
    Told,
    said_before,
    said_of,
)

ZONE = "Asia/Shanghai"
"""The zone of a case that names none."""
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
    """The person told takes it over.

    Where somebody else has it, it is refused if it is said `alone`; of many at once it is left out.
    """

    at: datetime
    escalation_id: str
    person_id: str
    alone: bool = False


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
    | OwnerDateDeclined
    | ClockMet
    | ClockCancelled
    | Escalated
    | EscalationAcknowledged
    | EscalationWithdrawn
    | ExtensionRequested
    | ExtensionApproved
    | ExtensionRefused
)


class Era(NamedTuple):
    """A version of the policy, since when it counts, for which targets, and by which decision."""

    policy: str
    at: datetime | None = None
    targets: frozenset[str] = frozenset()
    reapply_id: str = ""


class _Known(NamedTuple):
    """What a state is made of; it is made anew with each fact, in this order and not by name."""

    case_id: str = ""
    project_id: str = ""
    number: str = ""
    policy: str = ""
    course: Course | None = None
    facts: tuple[CaseFact, ...] = ()
    history: datetime | None = None
    known_at: datetime | None = None
    """When the last fact of the case became known: what it makes late, nobody was told of before."""
    calendars: int = 0
    """How many publications of calendars are taken account of."""
    eras: tuple[Era, ...] = ()
    """The versions by which it went one after the other; most cases know one."""
    moved_at: datetime | None = None
    """When another project's case went on here: before, nobody here could be told of it."""
    upto: datetime | None = None
    told: Mapping[str, Told] | None = None
    extensions: Mapping[str, Extension] | None = None


class Clocks(_Known):
    """The case as noted, and what was told of its clocks; `upto` is the latest instant known of."""

    @property
    def zone(self) -> str:
        """The project's zone."""
        return "" if self.course is None else self.course.zone.key

    @cached_property
    def plan(self) -> tuple[Clock, ...]:
        """The clocks as they follow from the facts."""
        return () if self.course is None else self.course.clocks(self.facts)

    @cached_property
    def alarms(self) -> Sequence[Alarm]:
        """All that is planned and has not been told, clock by clock, in each in order of time."""
        return [alarm for clock in self.plan for alarm in alarms_of(self, clock)]

    def of(self, clock: str) -> Told | None:
        """What was told of a clock."""
        return self.told.get(clock) if self.told else None


@contextmanager
def _computed() -> Iterator[None]:
    """Refuse what no clock can be computed from."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise Refused(f"The clocks cannot be computed: {error}") from error


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

    @_computed()
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
                return [noted, *differences(after, command.name)]
            case NoteCalendars():
                return self._move(state, command)
            case ReapplyPolicy():
                return self._reapply(state, command)
            case Ring():
                return [
                    fact
                    for alarm in state.alarms
                    if alarm.at <= command.at
                    for fact in rung(state, alarm, unheard=command.unheard)
                ]
            case AcknowledgeEscalation():
                return _acknowledge(command, state)
            case RequestExtension():
                asked = _request(command, state)
                told = [told for fact in asked for told in requested(state, fact)]
                return [*self._with_differences(state, asked), *told]
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
        if isinstance(fact, ExtensionFact):
            return _extend(state, fact)
        return _tell(state, fact)

    @_computed()
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
        course, known = state.course, {era.reapply_id for era in state.eras}
        if course is None or command.reapply_id in known:
            return []
        if command.instead_of not in ("", state.policy):
            return []
        if not any(
            _runs(clock, command.at)
            and (not command.targets or clock.target.id in command.targets)
            and course.timeline_of(clock).version != command.policy
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
        return [noted, *differences(after, name)]

    def _with_differences(
        self,
        state: Clocks,
        facts: Sequence[ExtensionRequested | ExtensionApproved | ExtensionRefused],
    ) -> Sequence[ClocksFact]:
        """What is decided on more time, and what that does to the clock."""
        after = state
        for fact in facts:
            after = self.evolve(after, fact)
        return [*facts, *(d for fact in facts for d in differences(after, _short_name(fact)))]

    def _note(self, state: Clocks, noted: CaseNoted) -> Clocks:
        number, policy, course, eras = state.number, state.policy, state.course, state.eras
        calendars = max(state.calendars, noted.calendars)
        if course is None:
            if noted.noted == "case_received":
                number = str(noted.fields.get("number", ""))
                policy = str(noted.fields.get("policy", ""))
                eras = (Era(policy),)
                zone = ZoneInfo(str(noted.fields.get("zone", ZONE)))
                course = self._course(eras, calendars, zone)
        elif noted.noted == REAPPLIED:
            eras = (*eras, era_of(noted))
            policy = eras[-1].policy
            course = self._course(eras, calendars, course.zone)
        elif calendars != state.calendars:
            course = self._course(eras, calendars, course.zone)
        after = Clocks(
            noted.case_id,
            noted.project_id,
            number,
            policy,
            course,
            # Its fields also where they move nothing: another version may be reapplied that asks for them.
            _and(state.facts, CaseFact(noted.noted, noted.at, noted.version, noted.fields)),
            noted.history or state.history,
            noted.known_at or noted.at,
            calendars,
            eras,
            state.moved_at or _moved_at(noted),
            noted.at if state.upto is None else max(state.upto, noted.at),
            state.told,
            state.extensions,
        )
        if course is not None and course is state.course and noted.noted not in course.names:
            _same_plan(state, after)
        return after

    def _course(self, eras: Sequence[Era], calendars: int, zone: ZoneInfo) -> Course:
        return course_of(eras, lambda version: self._timeline(version, calendars), zone)

    def _timeline(self, version: str, calendars: int) -> Timeline:
        known = self._timelines.get((version, calendars))
        if known is None:
            try:
                known = Timeline(self._rules_of(version), self._almanac().upto(calendars))
            except (UnknownVersion, UnknownEdition) as unknown:
                raise NotHeardYet(str(unknown)) from None
            self._timelines[version, calendars] = known
        return known


def _moved_at(noted: CaseNoted) -> datetime | None:
    return (noted.known_at or noted.at) if noted.fields.get("moved_from") else None


def course_of(
    eras: Sequence[Era], timeline_of: Callable[[str], Timeline], zone: ZoneInfo
) -> Course:
    """Begin a case by these versions, one instead of the other."""
    first, *others = eras
    course = timeline_of(first.policy).course(zone)
    for era in others:
        assert era.at is not None  # noqa: S101 - only the first has no beginning
        course = timeline_of(era.policy).course(zone, Instead(era.at, era.targets, course))
    return course


def era_of(noted: CaseNoted) -> Era:
    """Read since when and for what a case goes by another version."""
    targets = frozenset(map(str, noted.fields.get("targets", ())))
    fields = noted.fields
    return Era(str(fields["policy"]), noted.at, targets, str(fields["reapply_id"]))


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


def _acknowledge(command: AcknowledgeEscalation, state: Clocks) -> Sequence[ClocksFact]:
    """Let somebody answer for the clock: for all that was told of it and that nobody took."""
    for name, told in (state.told or {}).items():
        meant = next((c for c in told.climbs if c.escalation_id == command.escalation_id), None)
        if meant is None:
            continue
        if command.alone and meant.taken_by not in ("", command.person_id):
            raise Refused(f"This was acknowledged already: “{meant.taken_by}” has taken it over.")
        standing = [climb.escalation_id for climb in told.standing]
        if command.escalation_id not in standing:
            return []
        return [
            EscalationAcknowledged(
                **said_before(state, name, told),
                escalation_id=escalation_id,
                person_id=command.person_id,
            )
            for escalation_id in standing
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
            **said_of(state, clock),
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
        case Decided(person_id=command.person_id, role=command.role, approved=approved) if (
            approved is approves
        ):
            return []
        case Decided():
            raise Refused(
                "This request has been decided on, by somebody else or otherwise: for another time"
                " ask anew."
            )
        case Asked() as asked:
            pass
    clock = next((clock for clock in state.plan if clock.id == asked.clock), None)
    if clock is None or state.course is None:
        raise Refused("What more time was asked for does not apply any longer.")
    rule = clock.target.rule[0]
    if approves and clock.breach_at is None and clock.ended_at and clock.ended_at <= command.at:
        raise Refused("This has ended; it needs no more time.", rule=rule)
    needed = state.course.approver(clock, asked.until)
    if command.person_id == asked.asked_by:
        raise Refused("Who asked for more time does not decide on it.", rule=rule)
    if needed is None or not role_at_least(command.role, needed):
        title = TITLES[needed or Role.GENERAL_MANAGER][1]
        raise Refused(f"Only the {title} or above decides on this.", rule=rule)
    said = {**said_of(state, clock), "extension_id": command.extension_id, "at": command.at}
    if approves:
        return [
            ExtensionApproved(
                **said, until=asked.until, approved_by=command.person_id, role=command.role
            )
        ]
    return [ExtensionRefused(**said, refused_by=command.person_id, role=command.role)]


ExtensionFact = ExtensionRequested | ExtensionApproved | ExtensionRefused


def _extend(state: Clocks, fact: ExtensionFact) -> Clocks:
    """Note what was asked for or decided; the clocks follow from it as from the case's facts."""
    extensions = state.extensions or {}
    after: Extension
    match fact:
        case ExtensionRequested():
            after = Asked(fact.clock, fact.at, fact.until, fact.asked_by)
        case ExtensionApproved():
            after = Decided(fact.clock, fact.approved_by, fact.role, approved=True)
        case ExtensionRefused():
            after = Decided(fact.clock, fact.refused_by, fact.role, approved=False)
        case _:
            assert_never(fact)
    noted = extension_noted(fact, sum(noted.version < 0 for noted in state.facts))
    return state._replace(
        facts=_and(state.facts, noted),
        extensions={**extensions, fact.extension_id: after},
        upto=fact.at if state.upto is None else max(state.upto, fact.at),
    )


def extension_noted(fact: ExtensionFact, own: int) -> CaseFact:
    """Give what was asked for or decided as a fact of the case, behind so many of sla's own."""
    said = {"target", "extension_id", "until", "asked_by", "approved_by", "role"}
    fields = fact.model_dump(mode="json", include=said)
    return CaseFact(_short_name(fact), fact.at, _OWN + own, fields)


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
    | OwnerDateDeclined
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
            after = told._replace(
                limit=fact.new_due,
                provisional=fact.provisional,
                known_at=state.known_at,
            )
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
        case OwnerDateDeclined():
            after = told._replace(declined=fact.asked_for, declined_at=state.upto)
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
                fact.decide_by is not None,
            )
            after = told._replace(climbs=(*told.climbs, climb))
            if fact.because == "undecided" and fact.decide_by is None:
                extensions = {
                    name: replace(asked, told=True)
                    if isinstance(asked, Asked) and asked.clock == fact.clock
                    else asked
                    for name, asked in (extensions or {}).items()
                }
        case EscalationAcknowledged():
            # Whoever takes over a request for more time has not answered for the duty.
            answered = any(
                c.escalation_id == fact.escalation_id and not c.is_request for c in told.climbs
            )
            after = told._replace(
                acknowledged=told.acknowledged or answered,
                climbs=tuple(
                    c._replace(taken_by=fact.person_id)
                    if c.escalation_id == fact.escalation_id
                    else c
                    for c in told.climbs
                ),
            )
        case EscalationWithdrawn(into=None):
            after = told._replace(
                climbs=tuple(c for c in told.climbs if c.escalation_id != fact.escalation_id)
            )
        case EscalationWithdrawn():
            after = told._replace(
                climbs=tuple(
                    c._replace(handed_on=True) if c.escalation_id == fact.escalation_id else c
                    for c in told.climbs
                )
            )
        case _:
            assert_never(fact)
    next_ = Clocks(*state[:-3], upto, {**(state.told or {}), fact.clock: after}, extensions)
    _same_plan(state, next_)
    return next_


def _same_plan(before: Clocks, after: Clocks) -> None:
    """Hand on what was computed; nothing that it depends on has changed."""
    if "plan" in before.__dict__:
        after.__dict__["plan"] = before.plan
