"""The clocks of a case as a pure function of its facts.

    facts in order of (occurred_at, stops before starts, version)
      --walk, target by target--> runs: from a start to met, cancelled, or still open
      --limits------------------> clocks: due, breach, warnings, steps of escalation

Nothing here asks what time it is: a clock says what happens unless another fact comes, and whoever
asks cuts it off at an instant. What comes after the due time no longer moves it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from steward_policy import durations
from steward_policy.almanac import NOTHING_PUBLISHED, Almanac, Stage
from steward_policy.calendars import END_OF_DAY, Calendar, first_instant
from steward_policy.durations import Ending, Pause
from steward_policy.ladder import Role, next_above, role_at_least
from steward_policy.packs import Rules
from steward_policy.targets import ALWAYS, CountFrom, FactPattern, OnReopen, Take, Target

Status = Literal["running", "paused", "met", "met_with_approval", "breached", "cancelled"]

ONCE = frozenset({"case_received", "case_classified", "severity_raised"})
"""Facts that start a target once a round; a reopening starts it again."""
CHANGES = ONCE | {"case_corrected"}
"""Facts whose fields say what the case is."""
UNSAID = {"case_classified": "first", "severity_raised": "age"}
"""The cause of a change that names none, as intake's facts have it."""
ENDS = frozenset({"case_closed", "case_withdrawn", "case_refused", "case_merged", "case_moved_out"})
"""Facts after which nothing is owed any longer: what still runs is cancelled."""
TOLD = frozenset({"owner_informed", "owner_told"})
"""Facts that bring the owner an extension's new date, unless they are about something else."""
REAPPLIED = "policy_reapplied"
"""What is noted of a case that goes by another version from then on."""
ABOUT_ELSE = frozenset({"solution", "progress", "other"})
WEIGHT = {"minor": 1, "important": 2, "major": 3}
"""How weighty a severity is; a case without one is the least."""

_REMEMBERED = 64
"""Limits of each kind and target; a case's facts mostly come close upon each other, or days apart."""
_KINDS_OF_CASE = 512
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class CaseFact:
    """A fact of the case by its short name, `case_handled`.

    Its fields are as JSON has them, without those that are null.
    """

    name: str
    at: datetime
    version: int
    fields: Mapping[str, Any]


class Step(NamedTuple):
    """A step of escalation and its instant; `place` is where it stands in the target's list."""

    at: datetime
    place: int


@dataclass(frozen=True, slots=True)
class Clock:
    """One duty of a case in one round: what has become of it, and what will if nothing comes.

    `due` is the rule's own limit, `approved_due` the later one that an approval gave in time.
    `breach_at` is when it is unmet beyond its limit, None if that cannot happen any more. Warnings
    and steps are those that fall before its end.
    """

    id: str
    target: Target
    round: int
    severity: str
    started_at: datetime
    due: datetime
    provisional: bool
    approved_due: datetime | None
    excused: bool
    pauses: tuple[Pause, ...]
    pause_reason: str
    met_at: datetime | None
    cancelled_at: datetime | None
    cancelled_by: str
    breach_at: datetime | None
    warnings: tuple[datetime, ...]
    steps: tuple[Step, ...]
    raises: str = ""
    """The severity to which the breach raises the case, if that is more than it had."""
    approvals: int = 0
    """How often more time was approved in time."""

    @property
    def limit(self) -> datetime:
        """Until when it can be met without a breach."""
        return self.approved_due or self.due

    @property
    def ended_at(self) -> datetime | None:
        """When it was met or cancelled."""
        return self.met_at or self.cancelled_at

    def paused_at(self, at: datetime) -> bool:
        """Whether it stands still at that instant."""
        return any(pause.start <= at < pause.end for pause in self.pauses)

    def status(self, now: datetime) -> Status:
        """What it is at `now`, of which nothing later is known; exactly at its limit it runs."""
        if self.breach_at is not None and self.breach_at < now:
            return "breached"
        if self.met_at is not None:
            return "met" if self.met_at <= self.due else "met_with_approval"
        if self.cancelled_at is not None:
            return "cancelled"
        return "paused" if self.paused_at(now) else "running"

    def elapsed_seconds(self, now: datetime) -> float:
        """How long it ran until its end or `now`, without its pauses."""
        end = max(self.ended_at or now, self.started_at)
        paused = sum(
            (max(min(pause.end, end), pause.start) - pause.start).total_seconds()
            for pause in self.pauses
        )
        return (end - self.started_at).total_seconds() - paused


class Timeline:
    """What one version of the rules makes of a case's facts."""

    def __init__(self, rules: Rules, almanac: Almanac = NOTHING_PUBLISHED) -> None:
        self.version = rules.version
        self._almanac = almanac
        self._measures = tuple(_Measure(target, rules, self._almanac) for target in rules.targets)
        self._by_id = {measure.target.id: measure for measure in self._measures}
        self._rules = rules
        self.names = frozenset(name for measure in self._measures for name in measure.names)
        """Facts that can change anything; all others are noted only."""
        self.concerned = lru_cache(self._concerned)
        self.answer_by = lru_cache(_REMEMBERED)(self._answer_by)

    def course(self, zone: ZoneInfo, instead: "Instead | None" = None) -> "Course":
        """Begin a case whose days end in this zone; `instead` of what went before."""
        return Course(self, zone, instead)

    @property
    def calendar(self) -> str:
        """The calendar of all targets that name none."""
        return self._rules.pack.calendar

    def knows(self, target: Target) -> bool:
        """Whether this very target is one of its own."""
        known = self._by_id.get(target.id)
        return known is not None and known.target is target

    def stages(self, clock: Clock) -> Sequence[Stage]:
        """The calendar by which a clock is counted, as it became known."""
        return self._by_id[clock.target.id].stages(clock.started_at)

    def approver(self, clock: Clock, until: datetime, zone: ZoneInfo) -> Role | None:
        """Who may let a clock run until then, or whoever is above; None if nobody may."""
        measure = self._by_id[clock.target.id]
        if measure.target.overdue is None:
            return None
        return measure.approver(until, clock.due, clock.approvals, zone)

    def decide_by(self, clock: Clock, asked_at: datetime, zone: ZoneInfo) -> datetime:
        """Until when more time is to be decided on: at latest at the limit."""
        return self._by_id[clock.target.id].decide_by(asked_at, clock.limit, zone)

    def _answer_by(self, told_at: datetime, urgent: bool, zone: ZoneInfo) -> datetime:
        """Until when an escalation is to be acknowledged before the next role is told."""
        within = self._rules.pack.acknowledge
        limit = within.emergency if urgent else within.within
        name = self._rules.pack.duty_calendar
        calendar = self._almanac.calendar(name, self._rules.duty_calendar, told_at)
        return durations.later(told_at, limit, calendar, zone).at

    def _concerned(self, kinds: frozenset[str]) -> "_Concerned":
        """The targets that a case of these kinds may have."""
        return _Concerned([m for m in self._measures if m.kinds is None or m.kinds & kinds])

    def clocks(self, facts: Sequence[CaseFact], zone: ZoneInfo) -> tuple[Clock, ...]:
        """Give all clocks of a case; `facts` are in order of (occurred_at, version)."""
        return self.course(zone).clocks(tuple(facts))


class _Concerned:
    """The targets of one kind of case, by place, and which of them a fact is of interest to."""

    def __init__(self, measures: "Sequence[_Measure]") -> None:
        self.measures = measures
        self.places = _places(measure.names for measure in measures)
        self.starts = _places(measure.starts for measure in measures)
        self.asked = frozenset[str]().union(*(measure.target.when.asked for measure in measures))
        self._fields = tuple(sorted(self.asked))
        self._applicable: dict[tuple[object, ...], frozenset[int]] = {}

    def applicable(self, case: Mapping[str, Any]) -> frozenset[int]:
        """The targets that may apply to such a case; very many cases are alike."""
        key = tuple(case.get(name) for name in self._fields)
        try:
            known = self._applicable.get(key)
        except TypeError:  # a list among the fields
            return self._applying(case)
        if known is None:
            if len(self._applicable) >= _KINDS_OF_CASE:
                self._applicable.clear()
            known = self._applicable[key] = self._applying(case)
        return known

    def _applying(self, case: Mapping[str, Any]) -> frozenset[int]:
        return frozenset(
            place
            for place, measure in enumerate(self.measures)
            if measure.always_walked or measure.target.when.holds(case)
        )


def _places(names: Iterable[Iterable[str]]) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    for place, of_one in enumerate(names):
        for name in of_one:
            found.setdefault(name, []).append(place)
    return found


@dataclass(frozen=True, slots=True)
class Instead:
    """From when on which targets go by another version than before; no targets are all of them."""

    at: datetime
    targets: frozenset[str]
    before: "Course"

    def concerns(self, target: Target) -> bool:
        """Whether a target goes by the other version."""
        return not self.targets or target.id in self.targets

    def leaves(self, clock: Clock) -> bool:
        """Whether a clock of before stays as it was: it is not concerned, has ended, or is late."""
        late = clock.breach_at is not None and clock.breach_at <= self.at
        return late or _is_over(clock, self.at) or not self.concerns(clock.target)


class Course:
    """How far a case's facts were walked: with one fact more at their end it goes on from there.

    It only saves work. Asked about other facts than those walked, it begins anew. A target is walked
    once something may have started it and it has applied: until then it has nothing to remember.
    Where another version counts `instead` of the one before, what ran then goes by the new one: due
    when that says, yet not before the next working day has ended, unless it was due earlier anyway.
    """

    def __init__(self, timeline: Timeline, zone: ZoneInfo, instead: Instead | None = None) -> None:
        self.timeline = timeline
        self.zone = zone
        self._instead = instead
        older: frozenset[str] = instead.before.names if instead else frozenset()
        self.names: frozenset[str] = timeline.names | older
        self._ran: dict[str, datetime] = {}
        self.alarms: dict[str, Any] = {}
        """For whoever asks for more than the clocks: what it found for each of them."""
        self._begin(frozenset())

    def _begin(self, kinds: frozenset[str]) -> None:
        self._kinds = kinds
        self._concerned = self.timeline.concerned(kinds)
        self._walked: tuple[CaseFact, ...] = ()
        self._case: dict[str, Any] = {}
        self._applied: frozenset[int] = self._concerned.applicable(self._case)
        self._started: set[int] = set()
        self._walks: dict[int, _Walk] = {}
        self._found: dict[int, tuple[Clock, ...]] = {}

    def approver(self, clock: Clock, until: datetime) -> Role | None:
        """Who may let a clock run until then, or whoever is above; None if nobody may."""
        return self.timeline_of(clock).approver(clock, until, self.zone)

    def timeline_of(self, clock: Clock) -> Timeline:
        """The version of the rules by which a clock goes."""
        if self._instead is None or self.timeline.knows(clock.target):
            return self.timeline
        return self._instead.before.timeline_of(clock)

    def clocks(self, facts: Sequence[CaseFact]) -> tuple[Clock, ...]:
        """Give all clocks; `facts` are in order of (occurred_at, version). Raises ValueError."""
        instead = self._instead
        if instead is None:
            return self._clocks(facts)
        before = {clock.id: clock for clock in instead.before.clocks(facts)}
        kept = {name: clock for name, clock in before.items() if instead.leaves(clock)}
        ran = {
            name: clock
            for name, clock in before.items()
            if name not in kept and clock.started_at <= instead.at
        }
        self._ran = {name: clock.limit for name, clock in ran.items()}
        self._walked = ()  # what may have moved is what was before
        found = {
            clock.id: clock
            for clock in self._clocks(facts)
            if instead.concerns(clock.target)
            and (clock.id in ran or not _is_over(clock, instead.at))
        }
        ended = {name: _replaced(ran[name], instead.at) for name in ran.keys() - found.keys()}
        return (*(found | ended | kept).values(),)

    def least(self, clock: str, started_at: datetime, measure: "_Measure") -> datetime | None:
        """Before when a clock is not due that came to go by this version while it ran."""
        if self._instead is None or started_at > self._instead.at:
            return None
        freed = measure.freed(self._instead.at, self.zone)
        limit = self._ran.get(clock)
        return freed if limit is None else min(limit, freed)

    def _clocks(self, facts: Sequence[CaseFact]) -> tuple[Clock, ...]:
        facts = tuple([fact for fact in facts if fact.name in self.names])
        walked = self._walked
        goes_on = bool(walked) and facts[: len(walked)] == walked
        new = facts[len(walked) :] if goes_on else facts
        kinds = _kinds(new)
        if not goes_on or not kinds <= self._kinds:
            self._begin(self._kinds | kinds if goes_on else kinds)
            new, walked = facts, ()
        self._walked = ()  # until all went well
        for fact in new:
            self._look_at(fact)
        waits = _waits(facts, self.zone)
        for place, taken in self._wanted(new).items():
            walk = self._walks.get(place)
            if walk is not None:
                taken.sort(key=walk.measure.place)
            if walk is None or walk.measure.place(taken[0]) < walk.last:
                measure = self._concerned.measures[place]
                walk = self._walks[place] = _Walk(measure, self.zone)
                self._found.pop(place, None)
                taken = sorted([f for f in facts if f.name in measure.names], key=measure.place)
            moved = [fact for fact in taken if walk.take(fact)]
            walk.last = walk.measure.place(taken[-1])
            if moved and walk.runs:
                self._found[place] = tuple(
                    [walk.measure.clock(run, walk, facts, waits, self) for run in walk.runs]
                )
        self._walked = facts
        return tuple([clock for place in sorted(self._found) for clock in self._found[place]])

    def _look_at(self, fact: CaseFact) -> None:
        """Note which targets apply from this fact on, and which it may start."""
        if fact.name in CHANGES:
            _change(self._case, self._concerned.asked, fact)
            self._applied |= self._concerned.applicable(self._case)
        for place in self._concerned.starts.get(fact.name, ()):
            if place not in self._started and self._concerned.measures[place].may_start(fact):
                self._started.add(place)

    def _wanted(self, new: Sequence[CaseFact]) -> dict[int, list[CaseFact]]:
        """By target what it has to take; of one that is to begin only that it is to."""
        wanted: dict[int, list[CaseFact]] = {
            place: [] for place in self._applied & self._started if place not in self._walks
        }
        for fact in new:
            for place in self._concerned.places.get(fact.name, ()):
                if place in self._walks:
                    wanted.setdefault(place, []).append(fact)
        return wanted


def _is_over(clock: Clock, at: datetime) -> bool:
    return clock.ended_at is not None and clock.ended_at <= at


def _replaced(clock: Clock, at: datetime) -> Clock:
    """End a clock that the version which counts instead does not know."""
    return replace(
        clock,
        met_at=None,
        cancelled_at=at,
        cancelled_by=REAPPLIED,
        breach_at=None,
        warnings=tuple(warning for warning in clock.warnings if warning < at),
        steps=tuple(step for step in clock.steps if step.at < at),
        raises="",
    )


def _kinds(facts: Iterable[CaseFact]) -> frozenset[str]:
    return frozenset(
        [
            kind
            for fact in facts
            if fact.name in CHANGES and isinstance(kind := fact.fields.get("kind"), str)
        ]
    )


def _change(case: dict[str, Any], asked: frozenset[str], fact: CaseFact) -> None:
    """Change what a case is by what a fact says, as far as it is asked for."""
    for name in asked & fact.fields.keys():
        case[name] = fact.fields[name]
    if "cause" in asked and "cause" not in fact.fields and fact.name in UNSAID:
        case["cause"] = UNSAID[fact.name]


def instant_of(value: object, zone: ZoneInfo, minute: int = END_OF_DAY) -> datetime | None:
    """Read a field that says when; a bare date means its 24:00, or that minute of it.

    Raises ValueError.
    """
    try:
        match value:
            case None:
                return None
            case str() if len(value) == 10:
                return first_instant(date.fromisoformat(value), minute, zone)
            case str():
                at = datetime.fromisoformat(value)
                return at if at.tzinfo is not None else at.replace(tzinfo=zone)
            case _:
                pass
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{value!r} is neither a date nor an instant.")


# ---- from facts to runs ----


@dataclass(slots=True)
class _Start:
    """What lets a target begin, when that was told, and where the facts that may meet it begin."""

    at: datetime
    told_at: datetime
    index: int
    dues: list[tuple[datetime, datetime]] = field(default_factory=list)
    """When which due time was named, for a target whose start names it."""


@dataclass(slots=True)
class _Run:
    """One clock on its way."""

    key: str
    round: int
    number: int
    start: _Start
    started_at: datetime
    not_before: datetime
    """A duty taken up again after its limit is late only from then on."""
    severity: str
    met_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancelled_by: str = ""

    @property
    def is_open(self) -> bool:
        return self.met_at is None and self.cancelled_at is None


_NO_LONGER = "no_longer_applies"


class _Walk:
    """One target's way through the facts of a case."""

    def __init__(self, measure: "_Measure", zone: ZoneInfo) -> None:
        self.measure = measure
        self.zone = zone
        self.runs: list[_Run] = []
        self.asked: list[tuple[datetime, datetime | None]] = []
        """When which date of `or_by` was in force."""
        self.cases: list[tuple[datetime, Mapping[str, Any]]] = []
        """What the case was from when on, for targets that ask what it was before."""
        self._case: dict[str, Any] = {}
        self._round = 1
        self._round_began = 0
        self._classified = False
        self._applies = measure.target.when.holds(self._case)
        self._starts: dict[str, _Start] = {}
        self._seen: list[tuple[CaseFact, int]] = []
        """Every fact that may stop the target, with its round: for what begins later."""
        self.last: tuple[datetime, int, int]
        """The place of the last fact taken, in the target's own order."""

    def take(self, fact: CaseFact) -> bool:
        """Go past one more fact: what stops first, then what changes, then what starts.

        Answers whether that may have moved a clock.
        """
        name = fact.name
        said = fact.fields.get("round")
        round_ = said if isinstance(said, int) and name != "case_reopened" else self._round
        stopped = False
        if name in self.measure.stops:
            for run in [run for run in self.runs if run.is_open]:
                self._stop(run, fact, round_, len(self._seen))
                stopped = stopped or not run.is_open
        if name == "case_reopened":
            self._reopen(fact, said)
        if name in CHANGES:
            self._change(fact)
        if name == self.measure.dated_by:
            self._ask(fact, fact.fields)
        if name in self.measure.starts:
            self._start(fact)
        if name in self.measure.stops:
            self._seen.append((fact, round_))
        return stopped or name not in self.measure.only_stops

    def case_before(self, at: datetime) -> Mapping[str, Any]:
        """What the case was just before an instant."""
        return next((case for since, case in reversed(self.cases) if since < at), {})

    def _open(self, key: str, start: _Start, started_at: datetime, not_before: datetime) -> None:
        number = 1 + sum(run.key == key and run.round == self._round for run in self.runs)
        severity = self._case.get("severity") or ""
        self._replay(
            _Run(key, self._round, number, start, started_at, not_before, severity), start.index
        )

    def _replay(self, run: _Run, index: int) -> None:
        """Let a run take what happened before it was known to run."""
        self.runs.append(run)
        for place in range(index, len(self._seen)):
            self._stop(run, *self._seen[place], place + 1)
            if not run.is_open:
                return

    def _stop(self, run: _Run, fact: CaseFact, round_: int, index: int) -> None:
        measure, before = self.measure, fact.at < run.started_at
        if not before and measure.matches(measure.resets, fact, run.key, named=False):
            run.met_at = fact.at
            self._replay(
                _Run(
                    run.key,
                    run.round,
                    run.number + 1,
                    run.start,
                    fact.at,
                    fact.at,
                    run.severity,
                ),
                index,
            )
        elif round_ >= run.round and measure.matches(measure.met, fact, run.key, named=True):
            run.met_at = run.started_at if before else fact.at
        elif fact.at >= run.start.told_at and (
            fact.name in ENDS or measure.matches(measure.cancels, fact, run.key, named=False)
        ):
            run.cancelled_at, run.cancelled_by = max(fact.at, run.started_at), fact.name

    def _reopen(self, fact: CaseFact, said: object) -> None:
        measure = self.measure
        self._round = said if isinstance(said, int) else self._round + 1
        self._round_began = len(self._seen)
        match measure.target.on_reopen:
            case OnReopen.RESTART if measure.restarts:
                for run in self.runs:
                    if run.is_open:
                        run.cancelled_at, run.cancelled_by = fact.at, fact.name
                for key, before in self._starts.items():
                    start = _Start(fact.at, fact.at, len(self._seen), before.dues[-1:])
                    self._starts[key] = start
                    if self._applies:
                        self._open(key, start, fact.at, fact.at)
            case OnReopen.CONTINUE if self._applies:
                for run in {run.key: run for run in self.runs}.values():
                    if not run.is_open:
                        seen = len(self._seen)
                        start = _Start(run.started_at, fact.at, seen, run.start.dues)
                        self._starts[run.key] = start
                        self._open(run.key, start, run.started_at, fact.at)
            case _:
                pass

    def _change(self, fact: CaseFact) -> None:
        measure, target = self.measure, self.measure.target
        _change(self._case, measure.asks, fact)
        if measure.looks_back:
            self.cases.append((fact.at, dict(self._case)))
        if target.or_by is not None and target.or_by.fact is None:
            self._ask(fact, self._case)
        cause = self._cause(fact)
        applied, self._applies = self._applies, target.when.holds(self._case)
        stays = self._applies or (
            target.stays_when is not None and target.stays_when.holds(self._case)
        )
        for run in self.runs:
            if run.is_open:
                if stays:
                    run.severity = self._case.get("severity") or ""
                else:
                    run.cancelled_at, run.cancelled_by = fact.at, _NO_LONGER
        if applied or not self._applies:
            return
        latest = {run.key: run for run in self.runs}
        for key, start in self._starts.items():
            last = latest.get(key)
            if last is None or last.start is not start or last.cancelled_by == _NO_LONGER:
                at = fact.at if cause is CountFrom.CHANGE else start.at
                self._open(key, start, at, at)

    def _ask(self, fact: CaseFact, fields: Mapping[str, Any]) -> None:
        """Note the date of `or_by` that is in force from this fact on."""
        or_by = self.measure.target.or_by
        assert or_by is not None  # noqa: S101 - asked by the caller
        binds = or_by.if_.holds(self._case)
        asked = instant_of(fields.get(or_by.field), self.zone) if binds else None
        if asked is not None and or_by.ending is Ending.END_OF_DAY:
            day = (asked.astimezone(self.zone) - _MOMENT).date()
            asked = first_instant(day, END_OF_DAY, self.zone).astimezone(self.zone)
        if asked != (self.asked[-1][1] if self.asked else None):
            self.asked.append((fact.at, asked))

    def _cause(self, fact: CaseFact) -> CountFrom:
        """From where a clock counts that begins to apply with this fact."""
        first = fact.name == "case_classified" and not self._classified
        self._classified = self._classified or fact.name == "case_classified"
        unsaid = "age" if fact.name == "severity_raised" else "correction"
        cause = fact.fields.get("cause") or unsaid
        if first or fact.name == "case_received":
            return CountFrom.START
        how = self.measure.target.on_reclassify
        match cause:
            case "new_facts":
                return how.new_facts
            case "age":
                return how.age
            case _:
                return how.correction

    def _start(self, fact: CaseFact) -> None:
        target = self.measure.target
        for pattern in self.measure.starts[fact.name]:
            if not pattern.when.holds(fact.fields):
                continue
            at = instant_of(fact.fields.get(pattern.at), self.zone) if pattern.at else fact.at
            value = fact.fields.get(target.per) if target.per else ""
            unnamed = target.due is not None and fact.fields.get(target.due.field) is None
            if at is None or value is None or unnamed:
                continue
            self._begin(fact, at, str(value))
            return

    def _begin(self, fact: CaseFact, at: datetime, key: str) -> None:
        target = self.measure.target
        start = self._starts.get(key)
        last = next((run for run in reversed(self.runs) if run.key == key), None)
        later_round = last is not None and self._round > last.round
        again = fact.name not in ONCE and last is not None and (later_round or not last.is_open)
        if start is None or again:
            afresh = (again and not later_round) or not target.met_before
            # A case that ends in the same instant has been seen to end, and starts nothing.
            ends = bool(self._seen) and _ends_at(self._seen[-1][0], fact.at)
            start = _Start(at, fact.at, len(self._seen) - ends if afresh else self._round_began)
            self._starts[key] = start
            self._note_due(start, fact)
            if self._applies:
                self._open(key, start, at, at)
        elif target.due is not None:
            self._note_due(start, fact)

    def _note_due(self, start: _Start, fact: CaseFact) -> None:
        if self.measure.target.due is not None:
            due = instant_of(fact.fields.get(self.measure.target.due.field), self.zone)
            if due is not None:
                start.dues.append((fact.at, self.measure.with_grace(due, self.zone)))


def _ends_at(fact: CaseFact, at: datetime) -> bool:
    return fact.name in ENDS and fact.at == at


# ---- from runs to clocks ----


class _Wait(NamedTuple):
    """The case waits: since when, why, and until when at the latest."""

    start: datetime
    reason: str
    end: datetime | None


def _waits(facts: Iterable[CaseFact], zone: ZoneInfo) -> list[_Wait]:
    found: list[_Wait] = []
    open_: _Wait | None = None
    for fact in facts:
        if fact.name == "case_paused":
            end = instant_of(fact.fields.get("resume_on"), zone, minute=0)
            reason = str(fact.fields.get("reason") or "")
            if open_ is not None and (open_.end is None or open_.end > fact.at):
                if open_.reason == reason:
                    open_ = open_._replace(end=end)
                    continue
                found.append(open_._replace(end=fact.at))
            elif open_ is not None:
                found.append(open_)
            open_ = _Wait(fact.at, reason, end)
        elif fact.name == "case_resumed" and open_ is not None:
            end = fact.at if open_.end is None else min(open_.end, fact.at)
            found.append(open_._replace(end=end))
            open_ = None
    return found if open_ is None else [*found, open_]


def _by_name(patterns: Iterable[FactPattern]) -> dict[str, list[FactPattern]]:
    found: dict[str, list[FactPattern]] = {}
    for pattern in patterns:
        found.setdefault(pattern.fact, []).append(pattern)
    return found


class _Measure:
    """One target, laid out for quick asking; the limits it has given are remembered."""

    def __init__(self, target: Target, rules: Rules, almanac: Almanac) -> None:
        self.target = target
        self.starts = _by_name(target.starts)
        self.met = _by_name(target.met_by)
        self.resets = _by_name(target.resets_on)
        self.cancels = _by_name(target.cancels_on)
        self.stops = frozenset({*self.met, *self.resets, *self.cancels, *ENDS})
        stays = target.stays_when.asked if target.stays_when is not None else frozenset()
        asks = {"severity", *target.when.asked, *stays}
        if target.or_by is not None:
            asks |= {target.or_by.field, *target.or_by.if_.asked}
        self.asks = frozenset(asks).union(*(step.when.asked for step in target.escalate))
        """The fields of the case that count; only they are kept, for very many cases at once."""
        kinds = target.when.fields.get("kind", (None,))
        self.kinds = None if None in kinds else frozenset(kinds)
        """The kinds of case that it may concern; None for any."""
        self.dated_by = target.or_by.fact if target.or_by is not None else None
        """The fact that names the date of `or_by`, if the case does not."""
        self.looks_back = target.on_breach is not None or any(
            step.when != ALWAYS for step in target.escalate
        )
        self.restarts = not ONCE.isdisjoint(self.starts)
        self.always_walked = target.or_by is not None or not CHANGES.isdisjoint(self.stops)
        """It reads a date that may be wrong, or takes changes in an order of its own."""
        self.names = {*self.stops, *self.starts, *CHANGES, "case_reopened"}
        if self.dated_by is not None:
            self.names.add(self.dated_by)
        if target.pauses_on:
            self.names |= {"case_paused", "case_resumed"}
        if target.overdue is not None:
            self.names |= {"extension_requested", "extension_approved", *TOLD}
        moving = (self.names - self.stops) | CHANGES | {*self.starts, *TOLD, self.dated_by}
        self.only_stops = self.stops - moving
        """Facts that change nothing unless they stop a clock that runs."""
        self._rules = rules
        self._almanac = almanac
        self._within = lru_cache(_REMEMBERED)(self._count_within)
        self._warnings = lru_cache(_REMEMBERED)(self._place_warnings)
        self._steps = lru_cache(_REMEMBERED)(self._place_steps)

    def stages(self, start: datetime) -> Sequence[Stage]:
        """Its own calendar as it became known to what started then."""
        name = self.target.calendar or self._rules.pack.calendar
        return self._almanac.stages(name, self._rules.calendar(name), start)

    def _own_calendar(self, start: datetime) -> Calendar:
        return self.stages(start)[-1].calendar

    def _calendar(self, name: str | None, start: datetime) -> Calendar:
        wanted = name or self.target.calendar or self._rules.pack.calendar
        return self._almanac.calendar(wanted, self._rules.calendar(wanted), start)

    def freed(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Before when nothing may become due by what was decided at `at`."""
        return durations.freed(at, self._own_calendar(at), zone)

    def place(self, fact: CaseFact) -> tuple[datetime, int, int]:
        """The order in which this target takes facts: at one instant, what meets it goes first.

        What cancels it comes next, then all that starts or changes.
        """
        meets = fact.name in self.met or fact.name in self.resets
        return fact.at, 0 if meets else 1 if fact.name in self.stops else 2, fact.version

    def may_start(self, fact: CaseFact) -> bool:
        """Whether the target may begin with this fact."""
        return fact.name in self.starts and any(
            (not pattern.at or pattern.at in fact.fields) and pattern.when.holds(fact.fields)
            for pattern in self.starts[fact.name]
        )

    def matches(
        self, patterns: Mapping[str, list[FactPattern]], fact: CaseFact, key: str, *, named: bool
    ) -> bool:
        """Whether one of the patterns means this fact, and the fact the clock of this key.

        A clock per value is met only by a fact that names the value (`named`); a fact without one
        resets and cancels all.
        """
        listed = patterns.get(fact.name)
        if listed is None or not any(pattern.when.holds(fact.fields) for pattern in listed):
            return False
        if not self.target.per:
            return True
        value = fact.fields.get(self.target.per)
        return str(value) == key if value is not None else not named

    def clock(
        self,
        run: _Run,
        walk: _Walk,
        facts: Sequence[CaseFact],
        waits: Sequence[_Wait],
        course: Course,
    ) -> Clock:
        """Give a run its due time, its breach, and what is told when."""
        target, zone = self.target, course.zone
        name = f"{target.id}#{run.round}" + (f":{run.key}" if target.per else "")
        name = name if run.number == 1 else f"{name}.{run.number}"
        end = run.met_at or run.cancelled_at
        pauses, reason = self._pauses(run.started_at, end, waits, zone)
        due, provisional = self._due(run, end, walk.asked, pauses, zone)
        least = course.least(name, run.started_at, self)
        due = max(due, least or due)
        approved, excused, approvals = (
            self._extensions(facts, run, end, due, zone) if target.overdue else (None, False, 0)
        )
        limit = approved or due
        breach = max(limit, run.not_before) if end is None or end > limit else None
        return Clock(
            id=name,
            target=target,
            round=run.round,
            severity=run.severity,
            started_at=run.started_at,
            due=due,
            provisional=provisional,
            approved_due=approved,
            excused=excused and breach is not None,
            pauses=pauses,
            pause_reason=reason,
            met_at=run.met_at,
            cancelled_at=run.cancelled_at,
            cancelled_by=run.cancelled_by,
            breach_at=breach,
            warnings=tuple(
                at
                for at in self._warnings(run.started_at, limit, zone)
                if at >= run.not_before and (end is None or at < end)
            ),
            steps=tuple(
                step
                for step in self._steps(run.started_at, breach, zone)
                if (end is None or step.at < end)
                and (not self.looks_back or self._is_meant(step, walk, run, breach))
            ),
            raises=self._raises(walk, breach),
            approvals=approvals,
        )

    def _is_meant(self, step: Step, walk: _Walk, run: _Run, breach: datetime | None) -> bool:
        planned = self.target.escalate[step.place]
        base = run.started_at if planned.at == "start" or breach is None else breach
        return planned.when.holds(walk.case_before(base))

    def _raises(self, walk: _Walk, breach: datetime | None) -> str:
        if self.target.on_breach is None or breach is None:
            return ""
        raised = self.target.on_breach.raise_severity
        before = str(walk.case_before(breach).get("severity") or "")
        return raised if WEIGHT.get(before, 0) < WEIGHT[raised] else ""

    def with_grace(self, due: datetime, zone: ZoneInfo) -> datetime:
        """A due time that was named, and the grace upon it."""
        grace = self.target.due.grace if self.target.due is not None else None
        return durations.later(due, grace, self._own_calendar(due), zone).at if grace else due

    def decide_by(self, asked_at: datetime, limit: datetime, zone: ZoneInfo) -> datetime:
        """Until when a request for more time is to be decided on."""
        within = self.target.overdue.decide_within if self.target.overdue is not None else None
        if within is None:
            return limit
        return min(limit, durations.later(asked_at, within, self._own_calendar(asked_at), zone).at)

    def _pauses(
        self, start: datetime, end: datetime | None, waits: Sequence[_Wait], zone: ZoneInfo
    ) -> tuple[tuple[Pause, ...], str]:
        if not waits or not self.target.pauses_on:
            return (), ""
        found: list[Pause] = []
        why = ""
        for wait in waits:
            allowed = self.target.pauses_on.get(wait.reason) or self.target.pauses_on.get("any")
            if allowed is None or (end is not None and wait.start >= end):
                continue
            longest = durations.later(wait.start, allowed.max, self._own_calendar(start), zone).at
            stop = min(at for at in (wait.end, longest, end) if at is not None)
            if stop > max(wait.start, start):
                found.append(Pause(max(wait.start, start), stop))
                why = wait.reason
        return tuple(found), why

    def _due(
        self,
        run: _Run,
        end: datetime | None,
        asked: Sequence[tuple[datetime, datetime | None]],
        pauses: tuple[Pause, ...],
        zone: ZoneInfo,
    ) -> tuple[datetime, bool]:
        provisional = False
        if self.target.within is not None:
            # Later stages of the calendar count only for what ran until then; most have one.
            ended = end if self._almanac.edition and len(self.stages(run.started_at)) > 1 else None
            due, provisional = self._within(run.started_at, pauses, ended, zone)
        else:
            (_, due), *moved = run.start.dues
            for at, other in moved:
                if at <= due and (end is None or at <= end):
                    due = other
        if self.target.or_by is not None:
            base = due
            for at, date_ in asked:
                if at <= max(due, run.started_at) and (end is None or at <= end):
                    due = _governs(self.target.or_by.take, base, date_, run.started_at)
        return due, provisional and due > run.started_at

    def _extensions(
        self,
        facts: Iterable[CaseFact],
        run: _Run,
        end: datetime | None,
        due: datetime,
        zone: ZoneInfo,
    ) -> tuple[datetime | None, bool, int]:
        """The later due time that was approved in time, whether one was afterwards, how often."""
        overdue = self.target.overdue
        assert overdue is not None  # noqa: S101 - asked by the caller
        asked: dict[str, CaseFact] = {}
        elsewhere = {
            fact.fields.get("extension_id")
            for fact in facts
            if fact.name == "extension_requested"
            and fact.fields.get("target") not in (None, self.target.id)
        }
        pending: tuple[str, datetime] | None = None
        limit, times, excused = due, 0, False
        for fact in facts:
            if fact.at < run.started_at or fact.fields.get("target") not in (None, self.target.id):
                continue
            if end is not None and fact.at > end and not fact.name.startswith("extension"):
                break
            name = str(fact.fields.get("extension_id") or "")
            match fact.name:
                case "extension_requested":
                    asked[name] = fact
                case "extension_approved" if name not in elsewhere:
                    request = asked.get(name)
                    until = instant_of(
                        fact.fields.get("until") or (request and request.fields.get("until")), zone
                    )
                    if until is None or until <= limit:
                        continue
                    too_late = fact.at > limit or (
                        overdue.ask == "before_due" and request is not None and request.at > limit
                    )
                    if not self._may_approve(fact, request, until, due, times, zone):
                        continue
                    if too_late:
                        excused = True
                    elif end is None or fact.at <= end:
                        times += 1
                        if overdue.effective == "approved":
                            limit = until
                        else:
                            pending = name, until
                case told if told in TOLD and pending and _brings(fact, pending[0]):
                    if fact.at > limit:
                        excused = True
                    else:
                        limit, pending = pending[1], None
                case _:
                    pass
        return (limit if limit != due else None), excused, times

    def _may_approve(
        self,
        approval: CaseFact,
        request: CaseFact | None,
        until: datetime,
        due: datetime,
        times: int,
        zone: ZoneInfo,
    ) -> bool:
        """The role or above, never the asker."""
        person = approval.fields.get("approved_by")
        if request is not None and person is not None and person == request.fields.get("asked_by"):
            return False
        needed, role = self.approver(until, due, times, zone), approval.fields.get("role")
        if role is not None:
            return role_at_least(str(role), needed)
        return self.target.overdue is not None and needed == self.target.overdue.approval

    def approver(self, until: datetime, due: datetime, times: int, zone: ZoneInfo) -> Role:
        """The role of the pack; past the pack's numbers the next role above."""
        overdue = self.target.overdue
        assert overdue is not None  # noqa: S101 - asked by the caller
        beyond = overdue.max_times is not None and times >= overdue.max_times
        if overdue.max_total is not None:
            longest = durations.later(due, overdue.max_total, self._own_calendar(due), zone).at
            beyond = beyond or until > longest
        return (beyond and next_above(overdue.approval)) or overdue.approval

    # Remembered per case: the same start gives the same limits again with every further fact.

    def _count_within(
        self,
        start: datetime,
        pauses: tuple[Pause, ...],
        ended: datetime | None,
        zone: ZoneInfo,
    ) -> durations.Due:
        assert self.target.within is not None  # noqa: S101 - asked by the caller
        stages = self.stages(start)
        return durations.due_by_stages(start, self.target.within, stages, zone, pauses, ended)

    def _place_warnings(
        self, start: datetime, limit: datetime, zone: ZoneInfo
    ) -> tuple[datetime, ...]:
        found: set[datetime] = set()
        for warning in self.target.warn_before:
            if warning.before is not None:
                calendar = self._calendar(warning.calendar, start)
                at = durations.earlier(limit, warning.before, calendar, zone)
            else:
                at = start + (limit - start) * (warning.share or 0)
            if start <= at < limit:
                found.add(at)
        return tuple(sorted(found))

    def _place_steps(
        self, start: datetime, breach: datetime | None, zone: ZoneInfo
    ) -> tuple[Step, ...]:
        found: list[Step] = []
        for index, step in enumerate(self.target.escalate):
            base = start if step.at == "start" else breach
            if base is None:
                continue
            calendar = self._calendar(step.calendar, start)
            at = durations.later(base, step.after, calendar, zone).at if step.after else base
            found.append(Step(at, index))
        return tuple(sorted(found))


def _brings(fact: CaseFact, extension: str) -> bool:
    """Whether a word to the owner is of this extension's new date."""
    named = fact.fields.get("extension_id")
    return fact.fields.get("about") not in ABOUT_ELSE and named in (None, extension)


def _governs(take: Take, base: datetime, asked: datetime | None, start: datetime) -> datetime:
    if asked is None or asked <= start:
        return base
    match take:
        case Take.LATER:
            return max(base, asked)
        case Take.EARLIER:
            return min(base, asked)
        case Take.REPLACE:
            return asked
