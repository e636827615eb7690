"""What of a clock's time counts, interval by interval; and what a published year changes."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward_policy import durations
from steward_policy.almanac import Almanac, PublishedYear, UnknownEdition
from steward_policy.calendars import Calendar, CalendarError, built_in
from steward_policy.durations import Counting, Duration, Pause
from steward_policy.spans import spans

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = built_in("cn-office")
TEN = datetime(2026, 9, 29, 10, tzinfo=SHANGHAI)
"""A Tuesday before the National Day holidays; Sunday 20 September was and 10 October is worked."""
HOURS = [
    Duration(hours=12, counting=Counting.WORKING),
    Duration(days=3, counting=Counting.WORKING),
    Duration(days=2),
    Duration(hours=30),
]


def whys(start: datetime, end: datetime, duration: Duration, *pauses: Pause) -> list[str]:
    return [span.why for span in spans(start, end, duration, OFFICE, SHANGHAI, pauses)]


def test_working_hours_leave_out_nights_weekends_and_holidays() -> None:
    end = datetime(2026, 10, 10, 12, tzinfo=SHANGHAI)
    found = whys(TEN, end, HOURS[0])
    assert found[:3] == ["counts", "night", "counts"]
    assert found[-1] == "make_up_day"
    assert "holiday" in found


def test_a_calendar_of_day_and_night_counts_throughout() -> None:
    half_an_hour = Duration(minutes=30, counting=Counting.WORKING)
    begin = datetime(2026, 9, 29, 23, 45, tzinfo=SHANGHAI)
    [span] = spans(
        begin, begin + timedelta(minutes=30), half_an_hour, built_in("duty-24h"), SHANGHAI
    )
    assert (span.why, span.end - span.start) == ("counts", timedelta(minutes=30))


def test_dates_count_from_the_second_day_on_through_weekends() -> None:
    assert whys(TEN, TEN + timedelta(days=20), Duration(days=20)) == ["first_day", "counts"]


def test_a_pause_is_told_where_it_lies() -> None:
    pause = Pause(TEN + timedelta(hours=1), TEN + timedelta(hours=2))
    assert whys(TEN, TEN + timedelta(hours=5), HOURS[3], pause) == ["counts", "pause", "counts"]


@given(
    st.sampled_from(HOURS),
    st.integers(0, 60 * 24 * 400),
    st.integers(1, 60 * 24 * 30),
    st.integers(0, 60 * 24 * 30),
)
def test_intervals_leave_no_gap_and_count_what_the_calendar_counts(
    duration: Duration, begins: int, lasts: int, paused: int
) -> None:
    start = TEN - timedelta(days=200) + timedelta(minutes=begins)
    end = start + timedelta(minutes=lasts)
    pause = Pause(start + timedelta(minutes=paused), start + timedelta(minutes=paused + 90))
    found = spans(start, end, duration, OFFICE, SHANGHAI, [pause])
    assert (found[0].start, found[-1].end) == (start, end)
    assert all(one.end == other.start and one.why != other.why for one, other in pairwise(found))
    assert all(span.start < span.end for span in found)
    if duration is HOURS[0]:
        counted = sum((span.end - span.start).total_seconds() for span in found if span.counts)
        stopped = [(max(pause.start, start), min(pause.end, end))]
        lost = sum(OFFICE.working_seconds_between(a, b) for a, b in stopped if a < b)
        assert counted == OFFICE.working_seconds_between(start, end) - lost


def year(number: int, at: datetime, *holidays: date) -> PublishedYear:
    return PublishedYear(number, "cn-office", f"v{number}", 2027, frozenset(holidays), {}, at)


def test_a_published_year_is_known_to_what_starts_then_and_comes_to_what_started_before() -> None:
    almanac = Almanac([year(1, TEN, date(2027, 1, 4)), year(2, TEN + timedelta(days=9))])
    before = almanac.stages("cn-office", OFFICE, TEN - timedelta(days=1))
    assert [(stage.at, stage.calendar.version) for stage in before] == [
        (None, OFFICE.version),
        (TEN, "v1"),  # and the correction moves nothing any more
    ]
    then = almanac.stages("cn-office", OFFICE, TEN)
    assert [stage.calendar.version for stage in then] == ["v1"]
    assert almanac.calendar("cn-office", OFFICE, TEN + timedelta(days=9)).version == "v2"
    assert almanac.calendar("service-centre", OFFICE, TEN) is OFFICE
    assert almanac.upto(1).calendar("cn-office", OFFICE, TEN + timedelta(days=9)).version == "v1"
    with pytest.raises(UnknownEdition):
        almanac.upto(3)


def test_a_year_without_working_time_or_with_days_of_another_is_refused() -> None:
    house = Calendar.from_dict({"tz": "Asia/Shanghai", "hours": {"fri": [["09:00", "12:00"]]}})
    fridays = {date(2027, 1, 1) + timedelta(days=7 * week) for week in range(53)}
    with pytest.raises(CalendarError, match="no working time in 2027"):
        house.with_year(2027, fridays, {}, "v1")
    with pytest.raises(CalendarError, match="2028-01-03 is not one of 2027"):
        house.with_year(2027, {date(2028, 1, 3)}, {}, "v1")


@given(st.integers(0, 60 * 24 * 20), st.integers(0, 60 * 24 * 20), st.integers(1, 15))
def test_no_publication_makes_anything_due_before_the_next_working_day_has_ended(
    starts: int, published: int, days: int
) -> None:
    start = datetime(2026, 12, 20, tzinfo=SHANGHAI) + timedelta(minutes=starts)
    at = start + timedelta(minutes=published)
    limit = Duration(days=days, counting=Counting.WORKING)
    # All Saturdays and Sundays of January are worked: everything could end earlier.
    january = [date(2027, 1, 1) + timedelta(days=n) for n in range(31)]
    worked = {day: None for day in january if day.weekday() > 4}
    news = PublishedYear(1, "cn-office", "v1", 2027, frozenset(), worked, at)
    stages = Almanac([news]).stages("cn-office", OFFICE, start - timedelta(microseconds=1))
    before = durations.due(start, limit, OFFICE, SHANGHAI)
    after = durations.due_by_stages(start, limit, stages, SHANGHAI)
    freed = durations.freed(at, stages[-1].calendar, SHANGHAI)
    assert after.at >= min(before.at, freed)
    assert after.at == before.at or before.provisional
