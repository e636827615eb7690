"""How long something may take, and when that ends.

Day limits run through weekends and holidays: the first day is not counted, the last one ends at
24:00 of the project's zone, that is 00:00 of the next day. A month ends on its date. Hours are
elapsed time, day and night. Only `counting: working` asks a calendar.
"""

from __future__ import annotations

import calendar as months_of
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from steward_policy.almanac import Stage
from steward_policy.calendars import END_OF_DAY, Calendar, CalendarError, TimeOfDay, first_instant

_DAY = timedelta(days=1)
_A_YEAR = {"minutes": 525_600, "hours": 8_760, "days": 365, "months": 12}
"""So many of each unit, about."""
_LONGEST, _LONGEST_WORKING = 100, 10
"""In years. A calendar that is seldom open takes many years for one of working time."""


class Counting(StrEnum):
    """What time counts: all of it, whole dates, or a calendar's working time."""

    ELAPSED = "elapsed"
    CALENDAR = "calendar"
    WORKING = "working"


class Ending(StrEnum):
    """Where on its last day a duration ends."""

    SAME_TIME = "same_time"
    END_OF_DAY = "end_of_day"
    END_OF_WORKING_DAY = "end_of_working_day"


class Roll(StrEnum):
    """What happens to an end on a day that is not worked (Civil Code 203); by default nothing."""

    NONE = "none"
    NEXT_WORKING_DAY = "next_working_day"


class LateStart(BaseModel):
    """What starts after `after` is due at `due` of the next day, if that is later."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: TimeOfDay
    due: TimeOfDay


class Duration(BaseModel):
    """A length of time as a rule words it: one of minutes, hours, days and months.

    Without `counting`, days and months are calendar dates, minutes and hours elapsed time. Without
    `ending`, a limit in days or months ends at 24:00, one of elapsed or clock time to the second.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: Annotated[float, Field(ge=0)] | None = None
    hours: Annotated[float, Field(ge=0)] | None = None
    days: Annotated[int, Field(ge=0)] | None = None
    months: Annotated[int, Field(ge=0)] | None = None
    counting: Counting | None = None
    ending: Ending | None = None
    at_least: Duration | None = None
    late_start: LateStart | None = None
    roll: Roll = Roll.NONE

    @model_validator(mode="after")
    def _is_one_amount(self) -> Self:
        amounts = [
            (amount, each)
            for unit, each in _A_YEAR.items()
            if (amount := getattr(self, unit)) is not None
        ]
        if len(amounts) != 1:
            raise ValueError("A duration has exactly one of minutes, hours, days and months.")
        [(amount, a_year)] = amounts
        longest = _LONGEST_WORKING if self.counting is Counting.WORKING else _LONGEST
        if amount > longest * a_year:
            of = " of working time" if longest == _LONGEST_WORKING else ""
            raise ValueError(f"A duration is at most {longest} years{of} long.")
        if self.counting is Counting.CALENDAR and self.is_clock_time:
            raise ValueError("Minutes and hours are counted elapsed or working, not by calendar.")
        if self.months is not None and self.counting not in (None, Counting.CALENDAR):
            raise ValueError("Months are counted by calendar.")
        return self

    @cached_property
    def amount(self) -> str:
        """How much it is, as a person reads it: 1 day."""
        amount, unit = next((n, u) for u in _A_YEAR if (n := getattr(self, u)) is not None)
        return f"{amount:g} {unit.removesuffix('s') if amount == 1 else unit}"

    @cached_property
    def is_clock_time(self) -> bool:
        """Whether it is measured in minutes or hours."""
        return self.minutes is not None or self.hours is not None

    @cached_property
    def seconds(self) -> float:
        """Its length in seconds; a month has no such length and is refused."""
        if self.months is not None:
            raise ValueError("A month has no fixed length in seconds.")
        return (self.minutes or 0) * 60 + (self.hours or 0) * 3600 + (self.days or 0) * 86_400

    @cached_property
    def counted(self) -> Counting:
        """How it is counted when the pack does not say."""
        if self.counting is not None:
            return self.counting
        return Counting.ELAPSED if self.is_clock_time else Counting.CALENDAR

    @cached_property
    def final(self) -> Ending:
        """Where it ends when the pack does not say, as a limit."""
        if self.ending is not None:
            return self.ending
        exact = self.is_clock_time or self.counting is Counting.ELAPSED
        return Ending.SAME_TIME if exact else Ending.END_OF_DAY

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is elapsed time and nothing else, as most limits in hours are."""
        return (
            self.counted is Counting.ELAPSED
            and self.at_least is None
            and self.late_start is None
            and self.roll is Roll.NONE
        )

    @cached_property
    def asks_calendar(self) -> bool:
        """Whether its end depends on a working calendar."""
        return (
            self.counting is Counting.WORKING
            or self.ending is Ending.END_OF_WORKING_DAY
            or self.roll is Roll.NEXT_WORKING_DAY
            or (self.at_least is not None and self.at_least.asks_calendar)
        )


class Due(NamedTuple):
    """When something is due; provisional while it reaches into a year not yet published."""

    at: datetime
    provisional: bool


class Pause(NamedTuple):
    """A pause from `start` until `end`."""

    start: datetime
    end: datetime


def due(
    start: datetime,
    duration: Duration,
    calendar: Calendar,
    tz: ZoneInfo,
    pauses: Iterable[Pause] = (),
) -> Due:
    """When a limit that starts at `start` ends, in the project's zone `tz`.

    A pause moves it: a count of dates by the midnights inside the pause, elapsed time by the
    pause's length, working time by the working time inside. A pause that begins at or after the
    due time comes too late to move it.
    """
    return _end(start, duration, duration.final, calendar, tz, pauses)


def freed(at: datetime, calendar: Calendar, tz: ZoneInfo) -> datetime:
    """Before when nothing may become due by what was decided at `at`: the next working day's 24:00.

    Nobody is blamed for what was decided later.
    """
    day = calendar.working_day_after(at.astimezone(tz).date(), 1)
    return first_instant(day, END_OF_DAY, tz).astimezone(tz)


def postponed(at: datetime, agreed_at: datetime, pauses: Iterable[Pause], tz: ZoneInfo) -> datetime:
    """A date that was agreed on, later by the midnights inside the pauses from then on.

    A pause that begins at or after it comes too late to move it.
    """
    for pause in sorted(pauses):
        if pause.start >= at:
            break
        begun = max(pause.start, agreed_at).astimezone(tz).date()
        at = _shift_days(at, max((pause.end.astimezone(tz).date() - begun).days, 0), tz)
    return at


def due_by_stages(
    start: datetime,
    duration: Duration,
    stages: Sequence[Stage],
    tz: ZoneInfo,
    pauses: Iterable[Pause] = (),
    ended: datetime | None = None,
) -> Due:
    """When a limit ends as its calendar becomes known, stage by stage.

    Only what is provisional and still runs moves, and never to before `freed`; `ended` is when it
    ran no longer.
    """
    found = due(start, duration, stages[0].calendar, tz, pauses)
    for at, calendar in stages[1:]:
        if at is None or not found.provisional or found.at <= at:
            break
        if ended is not None and ended <= at:
            break
        anew = due(start, duration, calendar, tz, pauses)
        least = min(found.at, freed(at, calendar, tz))
        found = Due(max(anew.at, least), anew.provisional)
    return found


def later(start: datetime, duration: Duration, calendar: Calendar, tz: ZoneInfo) -> Due:
    """That much time after `start`, at the same time of day unless the duration says otherwise.

    For the steps of an escalation and the longest pause, where «a day later» is meant.
    """
    return _end(start, duration, duration.ending or Ending.SAME_TIME, calendar, tz, ())


def earlier(end: datetime, duration: Duration, calendar: Calendar, tz: ZoneInfo) -> datetime:
    """That much time before `end`; for warnings. Its ending and its exceptions play no part."""
    try:
        return _before(end, duration, calendar, tz)
    except OverflowError:
        raise _out_of_reach(end) from None


def _before(end: datetime, duration: Duration, calendar: Calendar, tz: ZoneInfo) -> datetime:
    match duration.counted:
        case Counting.WORKING if duration.days is not None:
            # The end of a day is 00:00 of the next: its own day is the one that is counted from.
            last = (end.astimezone(tz) - timedelta(microseconds=1)).date()
            return _shift_days(
                end, (calendar.working_day_after(last, -duration.days) - last).days, tz
            )
        case Counting.WORKING:
            return calendar.add_working_seconds(end, -duration.seconds).astimezone(tz)
        case Counting.CALENDAR:
            wall = end.astimezone(tz)
            if duration.months is not None:
                return _shift_days(
                    end, (_add_months(wall.date(), -duration.months) - wall.date()).days, tz
                )
            return _shift_days(end, -(duration.days or 0), tz)
        case Counting.ELAPSED:
            return _elapsed(end, -duration.seconds, tz)


def _end(
    start: datetime,
    duration: Duration,
    ending: Ending,
    calendar: Calendar,
    tz: ZoneInfo,
    pauses: Iterable[Pause],
) -> Due:
    if start.tzinfo is None:
        raise ValueError(f"The time {start.isoformat()} has no offset from UTC.")
    try:
        if duration.is_plain and ending is Ending.SAME_TIME and not pauses:
            return Due(_elapsed(start, duration.seconds, tz), False)
        return _moved(start.astimezone(tz), duration, ending, calendar, tz, pauses)
    except OverflowError:
        raise _out_of_reach(start) from None


def _out_of_reach(at: datetime) -> CalendarError:
    """No date is left to end on, at either end of all dates."""
    return CalendarError(f"What is counted from {at.isoformat()} is out of reach.")


def _moved(
    start: datetime,
    duration: Duration,
    ending: Ending,
    calendar: Calendar,
    tz: ZoneInfo,
    pauses: Iterable[Pause],
) -> Due:
    at = _count(start, duration, ending, calendar, tz, ())
    served: tuple[Pause, ...] = ()
    for pause in sorted(pauses):
        if pause.start >= at:
            break
        clipped = Pause(max(pause.start, start), pause.end)
        if clipped.end <= clipped.start:
            continue
        served = (*served, clipped)
        at = _count(start, duration, ending, calendar, tz, served)
    return Due(at, duration.asks_calendar and calendar.is_provisional(start, at))


def _count(
    start: datetime,
    duration: Duration,
    ending: Ending,
    calendar: Calendar,
    tz: ZoneInfo,
    pauses: tuple[Pause, ...],
) -> datetime:
    midnights, paused_seconds = 0, 0.0
    for pause in pauses:
        midnights += (pause.end.astimezone(tz).date() - pause.start.astimezone(tz).date()).days
        paused_seconds += (pause.end - pause.start).total_seconds()
    first = start.date()
    match duration.counted:
        case Counting.ELAPSED:
            at = _elapsed(start, duration.seconds + paused_seconds, tz)
            at = _finish(at.date(), at, ending, duration.roll, calendar, tz)
        case Counting.WORKING if duration.days is not None:
            # A working day is lost when its 24:00 falls inside: no day ends while the clock stands.
            lost = sum(
                calendar.working_days_between(
                    pause.start.astimezone(tz).date() - _DAY, pause.end.astimezone(tz).date() - _DAY
                )
                for pause in pauses
            )
            last = calendar.roll(calendar.working_day_after(first, duration.days))
            last = calendar.working_day_after(last, lost)
            at = _finish(last, start, ending, duration.roll, calendar, tz)
        case Counting.WORKING:
            worked_seconds = sum(
                calendar.working_seconds_between(pause.start, pause.end) for pause in pauses
            )
            at = calendar.add_working_seconds(start, duration.seconds + worked_seconds)
            at = at.astimezone(tz)
            at = _finish(at.date(), at, ending, duration.roll, calendar, tz)
        case Counting.CALENDAR:
            last = (
                _add_months(first, duration.months)
                if duration.months is not None
                else first + timedelta(days=duration.days or 0)
            )
            at = _finish(
                last + timedelta(days=midnights), start, ending, duration.roll, calendar, tz
            )
    if duration.late_start is not None and _is_late(start, duration.late_start):
        day = first + timedelta(days=1 + midnights)
        at = max(at, first_instant(day, duration.late_start.due, tz).astimezone(tz))
    if duration.at_least is not None:
        least = duration.at_least
        ending = least.ending or Ending.SAME_TIME
        at = max(at, _count(start, least, ending, calendar, tz, pauses))
    return at


def _is_late(start: datetime, late: LateStart) -> bool:
    return start.replace(tzinfo=None) > datetime.combine(
        start.date(), datetime.min.time()
    ) + timedelta(minutes=late.after)


def _finish(
    day: date, at: datetime, ending: Ending, roll: Roll, calendar: Calendar, tz: ZoneInfo
) -> datetime:
    """The end on its last day; `at` gives the time of day, and the end is never before it."""
    if roll is Roll.NEXT_WORKING_DAY or ending is Ending.END_OF_WORKING_DAY:
        day = calendar.roll(day)
    match ending:
        case Ending.SAME_TIME:
            return at if day == at.date() else _shift_days(at, (day - at.date()).days, tz)
        case Ending.END_OF_DAY:
            return first_instant(day, END_OF_DAY, tz).astimezone(tz)
        case Ending.END_OF_WORKING_DAY:
            close = _closing(day, calendar)
            if close < at:
                close = _closing(calendar.working_day_after(day, 1), calendar)
            return close.astimezone(tz)


def _closing(day: date, calendar: Calendar) -> datetime:
    midnight = first_instant(day, END_OF_DAY, calendar.zone)
    just_before = midnight - timedelta(microseconds=1)
    last = calendar.last_open(just_before)
    return midnight if last == just_before else last


def _elapsed(at: datetime, seconds: float, tz: ZoneInfo) -> datetime:
    return (at.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(tz)


def _shift_days(at: datetime, days: int, tz: ZoneInfo) -> datetime:
    """The same time of day on another date; a time that the change of clocks skips is after it."""
    wall = at.astimezone(tz)
    moved = wall.replace(fold=0) + timedelta(days=days)
    return moved.astimezone(UTC).astimezone(tz)


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    month += 1
    return date(year, month, min(day.day, months_of.monthrange(year, month)[1]))
