"""What of a clock's time counted and what did not, interval by interval, and why."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from steward_policy.calendars import END_OF_DAY, Calendar, first_instant
from steward_policy.durations import Counting, Duration, Pause

Why = Literal["counts", "make_up_day", "first_day", "night", "weekend", "holiday", "pause"]
WORDS: dict[Why, tuple[str, str]] = {
    "counts": ("计时", "counts"),
    "make_up_day": ("计时(调休上班日)", "counts: a make-up working day"),
    "first_day": ("首日不计", "the first day is not counted"),
    "night": ("非工作时间", "outside the working hours of that day"),
    "weekend": ("休息日", "a day of the week that is not worked"),
    "holiday": ("节假日", "a holiday"),
    "pause": ("暂停", "paused"),
}
"""Each reason in Chinese and English."""

MOST_DAYS = 400
"""So many days are told of one by one; a longer clock is told up to there."""


class Span(NamedTuple):
    """An interval, and why it counted or did not."""

    start: datetime
    end: datetime
    why: Why

    @property
    def counts(self) -> bool:
        """Whether time went by for the clock."""
        return self.why in ("counts", "make_up_day")


def spans(
    start: datetime,
    end: datetime,
    duration: Duration | None,
    calendar: Calendar,
    tz: ZoneInfo,
    pauses: Sequence[Pause] = (),
) -> list[Span]:
    """Divide the time from start to end; adjoining intervals of one reason are one.

    Without a duration (the due time was named) all that is no pause counts.
    """
    counting = duration.counted if duration is not None else Counting.ELAPSED
    match counting:
        case Counting.ELAPSED:
            whole: Iterator[Span] = iter([Span(start, end, "counts")])
        case Counting.CALENDAR:
            whole = _dates(start, end, tz)
        case Counting.WORKING if duration is not None and duration.days is not None:
            whole = _working_dates(start, end, calendar, tz)
        case Counting.WORKING:
            whole = _working_hours(start, end, calendar)
    return list(_joined(_paused(whole, pauses)))


def _days(
    start: datetime, end: datetime, tz: ZoneInfo
) -> Iterator[tuple[date, datetime, datetime]]:
    """Each local day with the part of it that lies between."""
    day = start.astimezone(tz).date()
    for _ in range(MOST_DAYS):
        after = first_instant(day, END_OF_DAY, tz)
        begin = max(start, first_instant(day, 0, tz))
        if begin < end:
            yield day, begin, min(after, end)
        if after >= end:
            return
        day += timedelta(days=1)


def _dates(start: datetime, end: datetime, tz: ZoneInfo) -> Iterator[Span]:
    first = start.astimezone(tz).date()
    for day, begin, until in _days(start, end, tz):
        yield Span(begin, until, "first_day" if day == first else "counts")


def _working_dates(
    start: datetime, end: datetime, calendar: Calendar, tz: ZoneInfo
) -> Iterator[Span]:
    first = start.astimezone(tz).date()
    for day, begin, until in _days(start, end, tz):
        yield Span(begin, until, "first_day" if day == first else _of_day(day, calendar))


def _working_hours(start: datetime, end: datetime, calendar: Calendar) -> Iterator[Span]:
    for day, begin, until in _days(start, end, calendar.zone):
        why = _of_day(day, calendar)
        if why not in ("counts", "make_up_day"):
            yield Span(begin, until, why)
            continue
        at = begin
        while at < until:
            if calendar.is_open(at):
                # A calendar of day and night never closes: it is not asked when.
                through = (
                    calendar.working_seconds_between(at, until) >= (until - at).total_seconds()
                )
                close = until if through else min(calendar.next_close(at), until)
                yield Span(at, close, why)
            else:
                close = min(calendar.next_open(at), until)
                yield Span(at, close, "night")
            at = close


def _of_day(day: date, calendar: Calendar) -> Why:
    if calendar.is_working_day(day):
        return "make_up_day" if day in calendar.working_days else "counts"
    return "holiday" if day in calendar.holidays else "weekend"


def _paused(whole: Iterator[Span], pauses: Sequence[Pause]) -> Iterator[Span]:
    for span in whole:
        inside = {span.start, span.end}
        for pause in pauses:
            inside.update(at for at in pause if span.start < at < span.end)
        for begin, until in pairwise(sorted(inside)):
            stands = any(pause.start <= begin < pause.end for pause in pauses)
            yield Span(begin, until, "pause" if stands else span.why)


def _joined(found: Iterator[Span]) -> Iterator[Span]:
    before: Span | None = None
    for span in found:
        if before is not None and before.why == span.why and before.end == span.start:
            before = before._replace(end=span.end)
            continue
        if before is not None:
            yield before
        before = span
    if before is not None:
        yield before
