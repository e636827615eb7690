"""Working calendars: when a department works, with holidays, make-up days and unknown years.

All arithmetic runs on absolute time in whole microseconds, so that a change of clocks neither adds
nor loses working time. A year is laid out once, as sorted openings with running totals; every
question is then two binary searches.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import chinese_calendar.constants as mainland
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_WALK_YEARS = 200

END_OF_DAY = 24 * 60
"""The minute of the day that is written 24:00."""


class CalendarError(ValueError):
    """A calendar that cannot be used, or a question that it cannot answer; one plain sentence."""


def _minute_of_day(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        minute = value
    else:
        match = re.fullmatch(r"(\d{1,2}):(\d{2})(?::00)?", str(value))
        if match is None or int(match[2]) > 59:
            raise _no_time_of_day(value, "such as 09:00 or 24:00")
        minute = int(match[1]) * 60 + int(match[2])
    if not 0 <= minute <= END_OF_DAY:
        raise _no_time_of_day(value, "between 00:00 and 24:00")
    return minute


def _no_time_of_day(value: object, which: str) -> PydanticCustomError:
    context = {"value": repr(value), "which": which}
    return PydanticCustomError("time_of_day", "{value} is not a time of day {which}", context)


def clock_face(minute: int) -> str:
    """Write minutes since midnight as HH:MM."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


TimeOfDay = Annotated[
    int, BeforeValidator(_minute_of_day), PlainSerializer(clock_face, return_type=str)
]
"""Minutes since local midnight, written as HH:MM; 24:00 is the end of the day."""

Hours = tuple[tuple[TimeOfDay, TimeOfDay], ...]


def _day(value: object) -> object:
    # A bare number would be read as seconds since 1970.
    if not isinstance(value, str | date):
        raise ValueError(f"{value!r} is not a date such as 2026-10-01")
    return value


Day = Annotated[date, BeforeValidator(_day)]


@dataclass(frozen=True, slots=True)
class _Year:
    """One local year laid out: working days, and openings in absolute microseconds."""

    days: tuple[int, ...]
    opens: tuple[int, ...]
    closes: tuple[int, ...]
    worked_before: tuple[int, ...]
    total: int

    def worked_until(self, at: int) -> int:
        """Working microseconds of this year before `at`."""
        index = bisect_right(self.opens, at) - 1
        if index < 0:
            return 0
        return self.worked_before[index] + min(at, self.closes[index]) - self.opens[index]

    def instant_after(self, worked: int) -> int:
        """The first instant at which `worked` microseconds are done; 0 < worked <= total."""
        index = bisect_left(self.worked_before, worked) - 1
        return self.opens[index] + worked - self.worked_before[index]

    def instant_left(self, worked: int) -> int:
        """The last instant at which only `worked` microseconds are done; 0 <= worked < total."""
        index = bisect_right(self.worked_before, worked) - 1
        return self.opens[index] + worked - self.worked_before[index]


def _micros(at: datetime) -> int:
    if at.tzinfo is None:
        raise CalendarError(f"The time {at.isoformat()} has no offset from UTC.")
    return (at - _EPOCH) // _MICROSECOND


@lru_cache(2_048)
def first_instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The first instant of `day` at which the wall clock shows `minute` or later, in UTC.

    A time that the change of clocks skips is the change itself; one that comes twice is the first.
    Remembered, since the days of very many cases end at the same instants.
    """
    if minute == END_OF_DAY:
        day, minute = day + timedelta(days=1), 0
    wall = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
    before = wall.astimezone(UTC)
    if before.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return before
    low, high = wall.replace(fold=1).astimezone(UTC), before
    old = low.astimezone(zone).utcoffset()
    while high - low > _MICROSECOND:
        middle = low + (high - low) // 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == old else (low, middle)
    return high


class Calendar(BaseModel):
    """When somebody works: a time zone, hours per weekday, holidays and make-up working days.

    `working_days` are the make-up days; they win over holidays and have Monday's hours unless given
    their own. `known_years` are the years whose holidays have been published; None means all.
    Refused with a `CalendarError` when it holds no working time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    version: str = ""
    tz: str
    hours: Mapping[Weekday, Hours]
    holidays: frozenset[Day] = frozenset()
    working_days: Mapping[Day, Hours | None] = {}
    known_years: frozenset[int] | None = None

    @classmethod
    def from_dict(cls, data: object) -> Calendar:
        """Read a calendar as `steward calendar calc` writes it; one sentence when it is refused."""
        if not isinstance(data, dict):
            raise CalendarError("A calendar is an object with 'tz' and 'hours'.")
        return cls._read(data)

    @classmethod
    def _read(cls, data: dict[str, Any]) -> Calendar:
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            reason = first["msg"].removeprefix("Value error, ").rstrip(".")
            if not place:
                raise CalendarError(f"{reason}.") from error
            raise CalendarError(f"The calendar's {place} cannot be read: {reason}.") from error

    @model_validator(mode="before")
    @classmethod
    def _spell_out_make_up_days(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("working_days"), list | tuple):
            return data
        days: dict[Any, Any] = {}
        for entry in data["working_days"]:
            written = entry if isinstance(entry, dict) else {"date": entry}
            day = written.get("date")
            if not isinstance(day, str | date) or not written.keys() <= {"date", "hours"}:
                raise ValueError("A make-up working day is a date, or {date, hours}.")
            days[day] = written.get("hours")
        return {**data, "working_days": days}

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        try:
            ZoneInfo(self.tz)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"The time zone {self.tz!r} is unknown.") from error
        for label, intervals in self._labelled_hours():
            end = -1
            for start, stop in sorted(intervals):
                if start >= stop:
                    raise ValueError(
                        f"The hours of {label} end at {clock_face(stop)}, not after they begin at"
                        f" {clock_face(start)}; hours past midnight are two intervals, with 24:00."
                    )
                if start < end:
                    raise ValueError(f"The hours of {label} overlap at {clock_face(start)}.")
                end = stop
        if not self._has_working_time():
            raise ValueError("The calendar has no working time.")
        return self

    def _labelled_hours(self) -> Iterator[tuple[str, Hours]]:
        yield from self.hours.items()
        for day, intervals in self.working_days.items():
            if intervals is not None:
                yield day.isoformat(), intervals

    def _has_working_time(self) -> bool:
        return any(self.hours.values()) or any(self._hours_of(day) for day in self.working_days)

    def _hours_of(self, day: date) -> Hours:
        if day in self.working_days:
            own = self.working_days[day]
            return self.hours.get("mon", ()) if own is None else own
        if day in self.holidays:
            return ()
        return self.hours.get(WEEKDAYS[day.weekday()], ())

    @cached_property
    def zone(self) -> ZoneInfo:
        """The calendar's time zone."""
        return ZoneInfo(self.tz)

    @cached_property
    def laid_out(self) -> dict[int, _Year]:
        """The years laid out so far; a cache, not part of the calendar's value."""
        return {}

    def _year(self, year: int) -> _Year:
        known = self.laid_out.get(year)
        if known is None:
            known = self.laid_out[year] = self._lay_out(year)
        return known

    def _lay_out(self, year: int) -> _Year:
        days: list[int] = []
        spans: list[list[int]] = []
        first = date(year, 1, 1).toordinal()
        for ordinal in range(first, date(year, 12, 31).toordinal() + 1):
            day = date.fromordinal(ordinal)
            intervals = self._hours_of(day)
            if intervals:
                days.append(ordinal)
            for start, stop in sorted(intervals):
                opens = _micros(first_instant(day, start, self.zone))
                closes = _micros(first_instant(day, stop, self.zone))
                if spans and spans[-1][1] == opens:
                    spans[-1][1] = closes
                elif opens < closes:
                    spans.append([opens, closes])
        before, total = [], 0
        for opens, closes in spans:
            before.append(total)
            total += closes - opens
        return _Year(
            tuple(days),
            tuple(s[0] for s in spans),
            tuple(s[1] for s in spans),
            tuple(before),
            total,
        )

    def _years_from(self, year: int, step: int) -> Iterator[int]:
        """Years to walk through, within reason: a walk always ends."""
        for walked in range(_LONGEST_WALK_YEARS):
            at = year + step * walked
            # The first and the last year of `datetime` cannot be shown in every zone.
            if not 2 <= at <= 9998:
                break
            yield at
        raise CalendarError(
            f"The calendar has too little working time {'after' if step > 0 else 'before'} {year}."
        )

    def _local_year(self, at: datetime) -> int:
        if at.tzinfo is None:
            raise CalendarError(f"The time {at.isoformat()} has no offset from UTC.")
        if not 2 <= at.year <= 9998:
            raise CalendarError(f"The year {at.year} is out of reach.")
        year = at.astimezone(self.zone).year
        if not 2 <= year <= 9998:
            raise CalendarError(f"The year {year} is out of reach.")
        return year

    def _instant(self, micros: int) -> datetime:
        return (_EPOCH + timedelta(microseconds=micros)).astimezone(self.zone)

    # ---- whole days ----

    def is_working_day(self, day: date) -> bool:
        """Whether there is any working time on that local date."""
        return bool(self._hours_of(day))

    def working_day_after(self, day: date, count: int) -> date:
        """The `count`-th working day strictly after `day`; strictly before it when negative."""
        if count == 0:
            return day
        step = 1 if count > 0 else -1
        left, ordinal = abs(count), day.toordinal()
        for year in self._years_from(day.year, step):
            days = self._year(year).days
            if step > 0:
                start = bisect_right(days, ordinal)
                if left <= len(days) - start:
                    return date.fromordinal(days[start + left - 1])
                left -= len(days) - start
            else:
                start = bisect_left(days, ordinal)
                if left <= start:
                    return date.fromordinal(days[start - left])
                left -= start
        raise AssertionError("unreachable: the walk ends with an error")

    def roll(self, day: date, *, forward: bool = True) -> date:
        """`day` itself when it is a working day, else the next (or the last) working day."""
        if self.is_working_day(day):
            return day
        return self.working_day_after(day, 1 if forward else -1)

    def add_working_days(self, day: date, count: int) -> date:
        """Walk `count` working days; from a non-working day it first rolls in that direction."""
        return self.working_day_after(self.roll(day, forward=count >= 0), count)

    def working_days_between(self, start: date, end: date) -> int:
        """Working days after `start` up to and with `end`; reversed, the same number negative."""
        if end < start:
            return -self.working_days_between(end, start)
        return self._count_days(start.toordinal() + 1, end.toordinal())

    def _count_days(self, first: int, last: int) -> int:
        if last < first:
            return 0
        low, high = date.fromordinal(first).year, date.fromordinal(last).year
        self._refuse_too_far(low, high)
        return sum(
            bisect_right(self._year(year).days, last) - bisect_left(self._year(year).days, first)
            for year in range(low, high + 1)
        )

    def _refuse_too_far(self, low: int, high: int) -> None:
        if high - low >= _LONGEST_WALK_YEARS:
            raise CalendarError(
                f"From {low} to {high} is too far: at most {_LONGEST_WALK_YEARS} years are counted."
            )

    # ---- instants ----

    def add_working_seconds(self, at: datetime, seconds: float) -> datetime:
        """Walk that much working time; what ends exactly at closing time ends there.

        Backwards with a negative amount, and then it ends at the opening, not the closing before.
        """
        left = round(seconds * 1_000_000)
        start, year = _micros(at), self._local_year(at)
        if left > 0:
            left += self._year(year).worked_until(start)
            for walked in self._years_from(year, 1):
                if left <= self._year(walked).total:
                    return self._instant(self._year(walked).instant_after(left))
                left -= self._year(walked).total
        elif left < 0:
            left += self._year(year).worked_until(start)
            for walked in self._years_from(year - 1, -1):
                if left >= 0:
                    return self._instant(self._year(walked + 1).instant_left(left))
                left += self._year(walked).total
        return at.astimezone(self.zone)

    def working_seconds_between(self, start: datetime, end: datetime) -> float:
        """Working seconds from `start` to `end`; negative when reversed."""
        return self._worked(start, end) / 1_000_000

    def _worked(self, start: datetime, end: datetime) -> int:
        if end < start:
            return -self._worked(end, start)
        low, high = self._local_year(start), self._local_year(end)
        self._refuse_too_far(low, high)
        whole = sum(self._year(year).total for year in range(low, high))
        return (
            whole
            + self._year(high).worked_until(_micros(end))
            - self._year(low).worked_until(_micros(start))
        )

    def is_open(self, at: datetime) -> bool:
        """Whether somebody works at that instant; at closing time nobody does."""
        year, instant = self._year(self._local_year(at)), _micros(at)
        index = bisect_right(year.opens, instant) - 1
        return index >= 0 and instant < year.closes[index]

    def next_open(self, at: datetime) -> datetime:
        """The first working instant from `at` on: `at` itself when open."""
        if self.is_open(at):
            return at.astimezone(self.zone)
        instant = _micros(at)
        for walked in self._years_from(self._local_year(at), 1):
            year = self._year(walked)
            index = bisect_left(year.opens, instant)
            if index < len(year.opens):
                return self._instant(year.opens[index])
        raise AssertionError("unreachable: the walk ends with an error")

    def next_close(self, at: datetime) -> datetime:
        """The first closing time after `at`, of the opening that runs or of the next one."""
        opening = self.next_open(at)
        instant, first = _micros(opening), self._local_year(opening)
        for walked in range(first, first + _LONGEST_WALK_YEARS):
            year = self._year(walked)
            index = bisect_right(year.closes, instant)
            if index < len(year.closes):
                close = self._instant(year.closes[index])
                # Hours that run on into the new year do not close at midnight.
                if not self.is_open(close):
                    return close
        raise CalendarError("The calendar never closes.")

    def last_open(self, at: datetime) -> datetime:
        """The latest working instant at or before `at`: itself when open, else the last closing."""
        if self.is_open(at):
            return at.astimezone(self.zone)
        instant = _micros(at)
        for walked in self._years_from(self._local_year(at), -1):
            year = self._year(walked)
            index = bisect_right(year.closes, instant) - 1
            if index >= 0:
                return self._instant(year.closes[index])
        raise AssertionError("unreachable: the walk ends with an error")

    # ---- what is not published yet ----

    def with_year(
        self,
        year: int,
        holidays: Collection[date],
        working_days: Mapping[date, Hours | None],
        version: str,
    ) -> Calendar:
        """Give the calendar with one year as it was published, whatever it said of it before.

        Raises `CalendarError` where a day is of another year, or the year has no working time.
        """
        for day in sorted({*holidays, *working_days}):
            if day.year != year:
                raise CalendarError(f"The day {day.isoformat()} is not one of {year}.")
        others = {day: hours for day, hours in self.working_days.items() if day.year != year}
        known = self.known_years
        made = Calendar._read(
            {
                "name": self.name,
                "version": version,
                "tz": self.tz,
                "hours": self.hours,
                "holidays": {day for day in self.holidays if day.year != year} | {*holidays},
                "working_days": {**others, **working_days},
                "known_years": None if known is None else known | {year},
            }
        )
        if not made.worked_in(year):
            raise CalendarError(f"The calendar has no working time in {year}.")
        return made

    def worked_in(self, year: int) -> float:
        """Working seconds of a year."""
        return self._year(year).total / 1_000_000

    def is_provisional(self, start: date, end: date) -> bool:
        """Whether the local dates or instants from `start` to `end` touch an unpublished year."""
        if self.known_years is None:
            return False
        years = sorted(
            self._local_year(at) if isinstance(at, datetime) else at.year for at in (start, end)
        )
        return not self.known_years.issuperset(range(years[0], years[1] + 1))


BUILT_IN = ("cn-office", "service-centre", "duty-24h")
"""The calendars that every pack may name."""


@lru_cache
def built_in(name: str) -> Calendar:
    """A built-in calendar; a `CalendarError` names the known ones when there is none.

    `cn-office`: Monday to Friday 09:00-18:00 with mainland China's holidays and make-up days.
    `service-centre`: every day 08:30-18:00. `duty-24h`: always.
    """
    tz = "Asia/Shanghai"
    match name:
        case "cn-office":
            years = frozenset(day.year for day in mainland.holidays)
            return Calendar(
                name=name,
                version=f"cn-{max(years)}",
                tz=tz,
                hours=dict.fromkeys(WEEKDAYS[:5], ((9 * 60, 18 * 60),)),
                holidays=frozenset(mainland.holidays),
                working_days=dict.fromkeys(mainland.workdays),
                known_years=years,
            )
        case "service-centre":
            return Calendar(
                name=name, version="1", tz=tz, hours=dict.fromkeys(WEEKDAYS, ((510, 1080),))
            )
        case "duty-24h":
            return Calendar(
                name=name, version="1", tz=tz, hours=dict.fromkeys(WEEKDAYS, ((0, END_OF_DAY),))
            )
        case _:
            raise CalendarError(
                f"The calendar {name!r} is unknown; the built-in ones are {', '.join(BUILT_IN)}."
            )
