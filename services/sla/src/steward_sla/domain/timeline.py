"""The clocks of a case as a pure function of its facts.

    facts in order of (occurred_at, stops before starts, version)
      --walk, target by target--> runs: from a start to met, cancelled, or still open
      --limits------------------> clocks: due, breach, warnings, steps of escalation

Nothing here asks what time it is: a clock says what happens unless another fact comes, and whoever
asks cuts it off at an instant. What comes after the due time no longer moves it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from steward_policy import durations
from steward_policy.almanac import NOTHING_PUBLISHED, Almanac, Stage
from steward_policy.ladder import Role
from steward_policy.packs import Rules
from steward_policy.targets import Target
from steward_sla.domain.case_facts import CHANGES, REAPPLIED, CaseFact, change
from steward_sla.domain.clock import Clock
from steward_sla.domain.measures import REMEMBERED, Measure, Wait, waits_of
from steward_sla.domain.runs import Walk

_KINDS_OF_CASE = 512


class Timeline:
    """What one version of the rules makes of a case's facts."""

    def __init__(self, rules: Rules, almanac: Almanac = NOTHING_PUBLISHED) -> None:
        self.version = rules.version
        self._almanac = almanac
        self._measures = tuple(Measure(target, rules, self._almanac) for target in rules.targets)
        self._by_id = {measure.target.id: measure for measure in self._measures}
        self._rules = rules
        self.names = frozenset(name for measure in self._measures for name in measure.names)
        """Facts that can change anything; all others are noted only."""
        self.concerned = lru_cache(self._concerned)
        self.answer_by = lru_cache(REMEMBERED)(self._answer_by)

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

    def __init__(self, measures: "Sequence[Measure]") -> None:
        self.measures = measures
        self.places = _places(measure.names for measure in measures)
        self.starts = _places(measure.starts for measure in measures)
        self.asked = frozenset[str]().union(*(measure.target.when.asked for measure in measures))
        self._fields = tuple(sorted(self.asked))
        self._applicable: dict[tuple[object, ...], frozenset[int]] = {}

    def applicable(self, case: Mapping[str, Any]) -> frozenset[int]:
        """The targets that may apply to such a case; very many cases are alike."""
        key = tuple([case.get(name) for name in self._fields])
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
        self.as_told: dict[str, tuple[Clock, Any]] = {}
        """Of each clock what was told of it, once nothing more is to be told until either moves."""
        self._begin(frozenset())

    def _begin(self, kinds: frozenset[str]) -> None:
        self._kinds = kinds
        self._concerned = self.timeline.concerned(kinds)
        self._walked: tuple[CaseFact, ...] = ()
        self._case: dict[str, Any] = {}
        self._applied: frozenset[int] = self._concerned.applicable(self._case)
        self._started: set[int] = set()
        self._walks: dict[int, Walk] = {}
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

    def least(self, clock: str, started_at: datetime, measure: "Measure") -> datetime | None:
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
        waits = waits_of(facts, self.zone)
        for place, taken in self._wanted(new).items():
            walk = self._walks.get(place)
            if walk is not None:
                taken.sort(key=walk.measure.place)
            if walk is None or walk.measure.place(taken[0]) < walk.last:
                measure = self._concerned.measures[place]
                walk = self._walks[place] = Walk(measure, self.zone)
                self._found.pop(place, None)
                taken = sorted([f for f in facts if f.name in measure.names], key=measure.place)
            moved = [fact for fact in taken if walk.take(fact)]
            walk.last = walk.measure.place(taken[-1])
            if moved and walk.runs:
                self._found[place] = self._clocks_of(walk, facts, waits)
        self._walked = facts
        return tuple([clock for place in sorted(self._found) for clock in self._found[place]])

    def _clocks_of(
        self, walk: Walk, facts: Sequence[CaseFact], waits: Sequence[Wait]
    ) -> tuple[Clock, ...]:
        """Give the clock of each run: the very same as before, of which nothing has moved.

        Else a case of very many progress reports would cost the square of them.
        """
        measure, made = walk.measure, walk.made
        # All of it only grows, so that its length tells whether it is another.
        of_all = (
            len(walk.wishes),
            len(walk.cases),
            len(facts) if measure.target.overdue is not None or self._instead is not None else 0,
            tuple(waits) if measure.target.pauses_on else (),
        )
        if of_all != walk.made_of:
            made.clear()
            walk.made_of = of_all
        for place, run in enumerate(walk.runs):
            of = (run.ended, run.severity, len(run.start.dues), len(run.start.moves))
            if place == len(made):
                made.append((of, measure.clock(run, walk, facts, waits, self)))
            elif made[place][0] != of:
                made[place] = (of, measure.clock(run, walk, facts, waits, self))
        return tuple([clock for _, clock in made])

    def _look_at(self, fact: CaseFact) -> None:
        """Note which targets apply from this fact on, and which it may start."""
        if fact.name in CHANGES:
            change(self._case, self._concerned.asked, fact)
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
    return clock._replace(
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
