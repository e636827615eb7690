"""From runs to clocks: when a run is due, late, and whom it is told to.

A measure is a target laid out for quick asking; what it has counted once it remembers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from steward_policy import durations
from steward_policy.almanac import Almanac, Stage
from steward_policy.calendars import Calendar
from steward_policy.durations import Pause
from steward_policy.ladder import Role, next_above, role_at_least
from steward_policy.packs import Rules
from steward_policy.targets import ALWAYS, FactPattern, Take, Target
from steward_sla.domain.case_facts import (
    ABOUT_ELSE,
    CHANGES,
    ENDS,
    MOMENT,
    ONCE,
    TOLD,
    WEIGHT,
    CaseFact,
    instant_of,
)
from steward_sla.domain.clock import Clock, Declined, Step
from steward_sla.domain.runs import Run, Walk, Wish

if TYPE_CHECKING:
    from steward_sla.domain.timeline import Course

REMEMBERED = 64
"""Limits of each kind and target; a case's facts mostly come close upon each other, or days apart."""


class Wait(NamedTuple):
    """The case waits: since when, why, and until when at the latest."""

    start: datetime
    reason: str
    end: datetime | None


def waits_of(facts: Iterable[CaseFact], zone: ZoneInfo) -> list[Wait]:
    """Give when the case waited and why."""
    found: list[Wait] = []
    open_: Wait | None = None
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
            open_ = Wait(fact.at, reason, end)
        elif fact.name in ("case_resumed", "case_reopened") and open_ is not None:
            end = fact.at if open_.end is None else min(open_.end, fact.at)
            found.append(open_._replace(end=end))
            open_ = None
    return found if open_ is None else [*found, open_]


class Measure:
    """One target, laid out for quick asking; the limits it has given are remembered."""

    def __init__(self, target: Target, rules: Rules, almanac: Almanac) -> None:
        self.target = target
        self.starts = _by_name(target.starts)
        self.met = _by_name(target.met_by)
        self.resets = _by_name(target.resets_on)
        self.cancels = _by_name(target.cancels_on)
        self.ends = ENDS.difference(target.stays_after)
        """The facts that end the case, and this target with it."""
        self.stops = frozenset({*self.met, *self.resets, *self.cancels, *self.ends})
        stays = target.stays_when.asked if target.stays_when is not None else frozenset()
        asks = {"severity", *target.when.asked, *stays}
        if target.or_by is not None:
            asks |= target.or_by.asked
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
        self._within = lru_cache(REMEMBERED)(self._count_within)
        self._shares = [warning.share for warning in target.warn_before if warning.share]
        self._climbs_from_start = any(step.at == "start" for step in target.escalate)
        self._ahead_of = lru_cache(REMEMBERED)(self._warn_ahead_of)
        self._climbs_from = lru_cache(REMEMBERED)(self._climb_from)

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

        What cancels it comes next, then all that starts or changes, a reopening among it. A start
        looks back at what was told behind it.
        """
        if fact.name in self.met or fact.name in self.resets:
            return fact.at, 0, fact.version
        cancels = fact.name in self.stops and fact.name != "case_reopened"
        return fact.at, 1 if cancels else 2, fact.version

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
        run: Run,
        walk: Walk,
        facts: Sequence[CaseFact],
        waits: Sequence[Wait],
        course: "Course",
    ) -> Clock:
        """Give a run its due time, its breach, and what is told when.

        A late clock is not moved by a merger any more, and more time that was granted stands.
        """
        name, zone, end = self._name(run), course.zone, run.met_at or run.cancelled_at
        started = seen_at = run.started_at
        least = course.least(name, started, self)
        pauses, reason = self._pauses(started, end, waits, zone)
        due, provisional = self._due(run, started, seen_at, walk.wishes, pauses, least, zone)
        dues = [(started, due)]
        approved, excused, approvals = self._extensions(facts, run, end, dues, zone)
        for move in run.moves:
            if (approved or due) < move.at:
                break
            started, seen_at = move.earlier, move.at + MOMENT
            pauses, reason = self._pauses(started, end, waits, zone)
            due, provisional = self._due(run, started, seen_at, walk.wishes, pauses, least, zone)
            dues.append((move.at, due))
            approved, excused, approvals = self._extensions(facts, run, end, dues, zone)
        limit = approved or due
        declined = self._declined(run, started, walk.wishes, seen_at, zone)
        # What a reopening takes up late is late from then on; all else at its own time.
        not_before = started if run.not_before == run.started_at else run.not_before
        breach = max(limit, not_before) if end is None or end > limit else None
        return Clock(
            id=name,
            target=self.target,
            round=run.round,
            severity=run.severity,
            started_at=started,
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
                [
                    at
                    for at in self._warnings(started, limit, zone)
                    if at >= not_before and (end is None or at < end)
                ]
            ),
            steps=tuple(
                [
                    step
                    for step in self._steps(started, breach, zone)
                    if (end is None or step.at < end)
                    and (not self.looks_back or self._is_meant(step, walk, seen_at, breach))
                ]
            ),
            raises=self._raises(walk, breach, seen_at),
            approvals=approvals,
            declined=declined,
        )

    def _name(self, run: Run) -> str:
        name = f"{self.target.id}#{run.round}" + (f":{run.key}" if self.target.per else "")
        return name if run.number == 1 else f"{name}.{run.number}"

    def _is_meant(self, step: Step, walk: Walk, seen_at: datetime, breach: datetime | None) -> bool:
        planned = self.target.escalate[step.place]
        base = seen_at if planned.at == "start" or breach is None else max(breach, seen_at)
        return planned.when.holds(walk.case_before(base))

    def _raises(self, walk: Walk, breach: datetime | None, seen_at: datetime) -> str:
        if self.target.on_breach is None or breach is None:
            return ""
        raised = self.target.on_breach.raise_severity
        before = str(walk.case_before(max(breach, seen_at)).get("severity") or "")
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
        self, start: datetime, end: datetime | None, waits: Sequence[Wait], zone: ZoneInfo
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
        run: Run,
        started: datetime,
        seen_at: datetime,
        wishes: Sequence[Wish],
        pauses: tuple[Pause, ...],
        least: datetime | None,
        zone: ZoneInfo,
    ) -> tuple[datetime, bool]:
        """When a run is due that counts from `started`, and whether that may still move.

        Dates that were asked for count if they were before it was due, or before `seen_at`.
        """
        provisional, end = False, run.met_at or run.cancelled_at
        if self.target.within is not None:
            # Later stages of the calendar count only for what ran until then; most have one.
            ended = end if self._almanac.edition and len(self.stages(started)) > 1 else None
            due, provisional = self._within(started, pauses, ended, zone)
        else:
            due = run.start.due(end)
        base = due
        for wish in wishes:
            if wish.at <= max(due, seen_at) and (end is None or wish.at <= end):
                due = self._governs(wish, base, started, pauses, zone)
        return max(due, least or due), provisional and due > started

    def _governs(
        self,
        wish: Wish,
        base: datetime,
        start: datetime,
        pauses: tuple[Pause, ...],
        zone: ZoneInfo,
    ) -> datetime:
        """The limit that `base` becomes by a date. One that was accepted waits with the case."""
        if wish.date is None or wish.date <= start:
            return base
        match wish.take:
            case Take.LATER:
                return max(base, wish.date)
            case Take.EARLIER:
                return min(base, wish.date)
            case Take.REPLACE if self.target.or_by and self.target.or_by.earlier_if:
                moved = durations.postponed(wish.date, wish.at, pauses, zone)
                return max(wish.date, min(base, moved))
            case Take.REPLACE:
                return wish.date

    def _declined(
        self,
        run: Run,
        started: datetime,
        wishes: Sequence[Wish],
        seen_at: datetime,
        zone: ZoneInfo,
    ) -> Declined | None:
        """The date that the owner asked for last and in time, if it is earlier and does not bind.

        No wait of the case makes a date earlier than it was.
        """
        or_by, end = self.target.or_by, run.met_at or run.cancelled_at
        if or_by is None or or_by.earlier_if is None or not wishes:
            return None
        due, _ = self._due(run, started, seen_at, (), (), None, zone)
        found = None
        for wish in wishes:
            if wish.at <= max(due, seen_at) and (end is None or wish.at <= end):
                found = None
                if wish.take is Take.LATER and wish.date and started < wish.date < due:
                    found = Declined(wish.date, wish.at)
        return found

    def _extensions(
        self,
        facts: Iterable[CaseFact],
        run: Run,
        end: datetime | None,
        dues: Sequence[tuple[datetime, datetime]],
        zone: ZoneInfo,
    ) -> tuple[datetime | None, bool, int]:
        """The later due time that was approved in time, whether one was afterwards, how often.

        `dues` says from when on it was due when.
        """
        overdue = self.target.overdue
        if overdue is None:
            return None, False, 0
        (_, due), *moved = dues
        asked: dict[str, CaseFact] = {}
        elsewhere = {
            fact.fields.get("extension_id")
            for fact in facts
            if fact.name == "extension_requested"
            and fact.fields.get("target") not in (None, self.target.id)
        }
        untold: dict[str, datetime] = {}  # approved, and the owner does not know yet
        limit, times, excused = due, 0, False
        for fact in facts:
            if fact.at < run.started_at or fact.fields.get("target") not in (None, self.target.id):
                continue
            while moved and moved[0][0] <= fact.at:
                before, (_, due) = due, moved.pop(0)
                limit = due if limit == before else limit
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
                            untold[name] = until
                case told if told in TOLD:
                    brought = [name for name in untold if _brings(fact, name)]
                    if brought and fact.at > limit:
                        excused = True
                    elif brought and (end is None or fact.at <= end):
                        limit = max(limit, *map(untold.pop, brought))
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

    def _warnings(self, start: datetime, limit: datetime, zone: ZoneInfo) -> Sequence[datetime]:
        found = {start + (limit - start) * share for share in self._shares}
        found.update(self._ahead_of(limit, self._almanac.last_before(start), zone))
        return sorted([at for at in found if start <= at < limit])

    def _steps(self, start: datetime, breach: datetime | None, zone: ZoneInfo) -> Sequence[Step]:
        found, since = list[Step](), self._almanac.last_before(start)
        if self._climbs_from_start:
            found += self._climbs_from("start", start, since, zone)
        if breach is not None:
            found += self._climbs_from("breach", breach, since, zone)
        return sorted(found)

    # Remembered: the same start gives the same limit again with every further fact of a case, and
    # the days of very many cases end at the same instants. `since` stands for all starts since then.

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

    def _warn_ahead_of(
        self, limit: datetime, since: datetime, zone: ZoneInfo
    ) -> Sequence[datetime]:
        return [
            durations.earlier(limit, warning.before, self._calendar(warning.calendar, since), zone)
            for warning in self.target.warn_before
            if warning.before is not None
        ]

    def _climb_from(
        self, what: str, base: datetime, since: datetime, zone: ZoneInfo
    ) -> Sequence[Step]:
        return [
            Step(
                durations.later(base, step.after, self._calendar(step.calendar, since), zone).at
                if step.after
                else base,
                place,
            )
            for place, step in enumerate(self.target.escalate)
            if step.at == what
        ]


def _by_name(patterns: Iterable[FactPattern]) -> dict[str, list[FactPattern]]:
    found: dict[str, list[FactPattern]] = {}
    for pattern in patterns:
        found.setdefault(pattern.fact, []).append(pattern)
    return found


def _brings(fact: CaseFact, extension: str) -> bool:
    """Whether a word to the owner is of this extension's new date."""
    named = fact.fields.get("extension_id")
    return fact.fields.get("about") not in ABOUT_ELSE and named in (None, extension)
