"""Working calendars: known answers, changes of clocks, properties, and the State Council's notices."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import chinese_calendar
import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward_policy.calendars import BUILT_IN, WEEKDAYS, Calendar, CalendarError, built_in

OFFICE = {
    "tz": "Asia/Shanghai",
    "hours": {day: [["09:00", "18:00"]] for day in WEEKDAYS[:5]},
    "holidays": ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"],
    "working_days": ["2026-10-10"],
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def office() -> Calendar:
    return Calendar.from_dict(OFFICE)


@pytest.fixture(scope="module")
def with_lunch() -> Calendar:
    hours = {day: [["09:00", "12:00"], ["13:30", "18:00"]] for day in WEEKDAYS[:5]}
    return Calendar.from_dict({**OFFICE, "hours": hours})


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-09-30", "2026-10-11", 3),
        ("2026-09-30", "2026-09-30", 0),
        ("2026-09-30", "2026-10-07", 0),
        ("2026-10-08", "2026-10-09", 1),
        ("2026-10-09", "2026-10-08", -1),
        ("2026-10-11", "2026-09-30", -3),
        ("2025-12-31", "2026-01-02", 2),
    ],
)
def test_working_days_between_leave_out_the_first_and_count_the_last(
    office: Calendar, start: str, end: str, days: int
) -> None:
    assert office.working_days_between(date.fromisoformat(start), date.fromisoformat(end)) == days


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2026-09-30", 1, "2026-10-08"),
        ("2026-09-30", 3, "2026-10-10"),
        ("2026-09-30", 4, "2026-10-12"),
        ("2026-10-03", 1, "2026-10-09"),
        ("2026-10-03", -1, "2026-09-29"),
        ("2026-10-03", 0, "2026-10-08"),
        ("2026-10-12", -1, "2026-10-10"),
    ],
)
def test_adding_working_days_rolls_first_in_the_direction_of_the_walk(
    office: Calendar, start: str, count: int, end: str
) -> None:
    assert office.add_working_days(date.fromisoformat(start), count) == date.fromisoformat(end)


@pytest.mark.parametrize(
    ("start", "seconds", "end"),
    [
        ("2026-10-09T17:00:00+08:00", 7200, "2026-10-10T10:00:00+08:00"),
        ("2026-10-09T17:00:00+08:00", 3600, "2026-10-09T18:00:00+08:00"),
        ("2026-10-09T18:00:00+08:00", 1, "2026-10-10T09:00:01+08:00"),
        ("2026-10-10T10:00:00+08:00", -7200, "2026-10-09T17:00:00+08:00"),
        ("2026-10-10T10:00:00+08:00", -3600, "2026-10-10T09:00:00+08:00"),
        ("2026-10-10T09:00:00+08:00", -1, "2026-10-09T17:59:59+08:00"),
        ("2026-10-10T20:00:00+08:00", 0, "2026-10-10T20:00:00+08:00"),
        ("2026-09-30T17:59:59.500+08:00", 1, "2026-10-08T09:00:00.500+08:00"),
        ("2025-12-31T17:00:00+08:00", 7200, "2026-01-01T10:00:00+08:00"),
        ("2026-01-01T10:00:00+08:00", -7200, "2025-12-31T17:00:00+08:00"),
    ],
)
def test_working_seconds_end_at_closing_time_and_not_at_the_next_opening(
    office: Calendar, start: str, seconds: float, end: str
) -> None:
    assert office.add_working_seconds(at(start), seconds) == at(end)


def test_the_lunch_break_is_not_worked(with_lunch: Calendar) -> None:
    assert with_lunch.add_working_seconds(at("2026-10-09T11:00:00+08:00"), 7200) == at(
        "2026-10-09T14:30:00+08:00"
    )
    assert with_lunch.add_working_seconds(at("2026-10-09T11:00:00+08:00"), 3600) == at(
        "2026-10-09T12:00:00+08:00"
    )
    assert not with_lunch.is_open(at("2026-10-09T12:00:00+08:00"))
    assert with_lunch.next_close(at("2026-10-09T12:00:00+08:00")) == at("2026-10-09T18:00+08:00")


@pytest.mark.parametrize(
    ("instant", "is_open", "next_open", "next_close", "last_open"),
    [
        (
            "2026-10-09T09:00+08:00",
            True,
            "2026-10-09T09:00",
            "2026-10-09T18:00",
            "2026-10-09T09:00",
        ),
        (
            "2026-10-09T18:00+08:00",
            False,
            "2026-10-10T09:00",
            "2026-10-10T18:00",
            "2026-10-09T18:00",
        ),
        (
            "2026-10-03T10:00+08:00",
            False,
            "2026-10-08T09:00",
            "2026-10-08T18:00",
            "2026-09-30T18:00",
        ),
        (
            "2026-10-09T04:00+00:00",
            True,
            "2026-10-09T12:00",
            "2026-10-09T18:00",
            "2026-10-09T12:00",
        ),
    ],
)
def test_open_and_closed(
    office: Calendar, instant: str, is_open: bool, next_open: str, next_close: str, last_open: str
) -> None:
    moment = at(instant)
    assert office.is_open(moment) is is_open
    assert office.next_open(moment) == at(next_open + "+08:00")
    assert office.next_close(moment) == at(next_close + "+08:00")
    assert office.last_open(moment) == at(last_open + "+08:00")


def test_a_make_up_day_may_have_hours_of_its_own_and_wins_over_a_holiday() -> None:
    calendar = Calendar.from_dict(
        {
            **OFFICE,
            "holidays": ["2026-10-10"],
            "working_days": ["2026-10-11", {"date": "2026-10-10", "hours": [["10:00", "12:00"]]}],
        }
    )
    assert calendar.next_open(at("2026-10-10T08:00+08:00")) == at("2026-10-10T10:00+08:00")
    assert calendar.next_close(at("2026-10-10T11:00+08:00")) == at("2026-10-10T12:00+08:00")
    assert calendar.next_open(at("2026-10-11T08:00+08:00")) == at("2026-10-11T09:00+08:00")


def test_a_night_shift_does_not_close_at_midnight() -> None:
    calendar = Calendar.from_dict(
        {
            "tz": "Asia/Shanghai",
            "hours": {"thu": [["20:00", "24:00"]], "fri": [["00:00", "08:00"]]},
        }
    )
    # 2026-12-31 is a Thursday: the shift runs into the new year.
    evening = at("2026-12-31T21:00+08:00")
    assert calendar.next_close(evening) == at("2027-01-01T08:00+08:00")
    assert calendar.add_working_seconds(evening, 4 * 3600) == at("2027-01-01T01:00+08:00")


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Africa/Cairo", "2026-04-24", 23),
        ("Asia/Shanghai", "2026-03-08", 24),
    ],
)
def test_a_day_on_which_clocks_change_has_its_real_length(
    zone: str, day: str, hours: float
) -> None:
    calendar = Calendar.from_dict(
        {"tz": zone, "hours": {name: [["00:00", "24:00"]] for name in WEEKDAYS}}
    )
    start = datetime.combine(date.fromisoformat(day), datetime.min.time(), ZoneInfo(zone))
    end = start + timedelta(days=1)
    assert calendar.working_seconds_between(start, end) == hours * 3600
    assert calendar.add_working_seconds(start, hours * 3600) == end


def test_hours_that_the_change_of_clocks_skips_are_not_worked() -> None:
    calendar = Calendar.from_dict(
        {"tz": "America/New_York", "hours": {"sun": [["01:30", "02:30"], ["02:45", "03:15"]]}}
    )
    night = at("2026-03-08T00:00-05:00")
    assert calendar.next_open(night) == at("2026-03-08T01:30-05:00")
    assert calendar.working_seconds_between(night, night + timedelta(days=1)) == (30 + 15) * 60


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hours": {}}, "The calendar has no working time."),
        (
            {"hours": {"mon": []}, "working_days": ["2026-10-10"]},
            "The calendar has no working time.",
        ),
        ({"tz": "Asia/Nowhere"}, "The time zone 'Asia/Nowhere' is unknown."),
        ({"hours": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}}, "overlap at 11:00"),
        ({"hours": {"mon": [["18:00", "09:00"]]}}, "hours past midnight are two intervals"),
        ({"hours": {"mon": [["09:00", "24:01"]]}}, "not a time of day"),
        ({"hours": {"monday": [["09:00", "18:00"]]}}, "hours.monday"),
        ({"holidays": ["the first of May"]}, "holidays"),
        ({"holidays": [86_400]}, "86400 is not a date such as 2026-10-01"),
        ({"working_days": [{"day": "2026-10-10"}]}, "A make-up working day is a date"),
        ({"working_days": [["2026-10-10"]]}, "A make-up working day is a date"),
        ({"working_days": [{"date": {}}]}, "A make-up working day is a date"),
        ({"hollidays": []}, "hollidays"),
    ],
)
def test_a_calendar_that_cannot_be_used_is_refused_in_one_sentence(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CalendarError, match=".") as refusal:
        Calendar.from_dict({**OFFICE, **change})
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_walk_always_ends() -> None:
    once = Calendar.from_dict(
        {
            "tz": "UTC",
            "hours": {},
            "working_days": [{"date": "2026-10-10", "hours": [["09:00", "10:00"]]}],
        }
    )
    assert once.add_working_seconds(at("2026-01-01T00:00Z"), 3600) == at("2026-10-10T10:00Z")
    with pytest.raises(CalendarError, match="too little working time after 2026"):
        once.add_working_seconds(at("2026-01-01T00:00Z"), 3601)
    with pytest.raises(CalendarError, match="too little working time before 2026"):
        once.add_working_days(date(2026, 1, 1), -1)
    with pytest.raises(CalendarError, match="never closes"):
        built_in("duty-24h").next_close(at("2026-01-01T00:00Z"))


def test_an_instant_without_offset_is_refused(office: Calendar) -> None:
    with pytest.raises(CalendarError, match="no offset"):
        office.is_open(datetime(2026, 10, 1))  # noqa: DTZ001


def test_what_touches_an_unpublished_year_is_provisional() -> None:
    office = built_in("cn-office")
    assert not office.is_provisional(date(2026, 10, 1), date(2026, 12, 31))
    assert office.is_provisional(date(2026, 12, 31), date(2027, 1, 1))
    assert office.is_provisional(at("2026-12-31T15:00Z"), at("2026-12-31T16:00Z"))
    assert not built_in("service-centre").is_provisional(date(2026, 1, 1), date(2031, 1, 1))


def test_there_is_no_silent_fallback_for_an_unknown_calendar() -> None:
    assert [built_in(name).name for name in BUILT_IN] == list(BUILT_IN)
    with pytest.raises(CalendarError, match="'cn-offce' is unknown"):
        built_in("cn-offce")


def test_a_calendar_is_the_same_after_it_was_written_and_read() -> None:
    for name in BUILT_IN:
        calendar = built_in(name)
        assert Calendar.from_dict(json.loads(calendar.model_dump_json())) == calendar


# ---- mainland China's holidays, against two other sources ----


def test_the_office_calendar_agrees_with_the_notices_of_the_state_council() -> None:
    data = os.environ.get("STEWARD_DATA")
    if not data:
        pytest.skip("STEWARD_DATA is not set, so the stored notices are not at hand")
    office = built_in("cn-office")
    published = set()
    for file in sorted((Path(data) / "holiday_cn").glob("20*.json")):
        notice = json.loads(file.read_text(encoding="utf-8"))
        if not notice["days"]:
            assert office.is_provisional(date(notice["year"], 1, 1), date(notice["year"], 1, 1))
            continue
        published.add(notice["year"])
        named = {date.fromisoformat(day["date"]): day["isOffDay"] for day in notice["days"]}
        for ordinal in range(
            date(notice["year"], 1, 1).toordinal(), date(notice["year"], 12, 31).toordinal() + 1
        ):
            day = date.fromordinal(ordinal)
            works = not named[day] if day in named else day.weekday() < 5
            assert office.is_working_day(day) is works, day
    assert published == {2023, 2024, 2025, 2026}


def every_published_day() -> Iterator[date]:
    published = built_in("cn-office").known_years or frozenset()
    assert sorted(published) == list(range(2004, 2027))
    for year in sorted(published):
        for ordinal in range(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal()):
            yield date.fromordinal(ordinal)


def test_the_office_calendar_agrees_with_chinesecalendar_on_every_published_day() -> None:
    office = built_in("cn-office")
    for day in every_published_day():
        assert office.is_working_day(day) is chinese_calendar.is_workday(day), day


def test_the_office_calendar_agrees_with_the_holidays_library_on_every_published_day() -> None:
    office = built_in("cn-office")
    china = holidays.country_holidays("CN", years=range(2003, 2028))
    different = [
        day
        for day in every_published_day()
        if office.is_working_day(day) is not china.is_working_day(day)
    ]
    # Worked for the days off after New Year 2006, which chinesecalendar has and this day it has not.
    assert different == [date(2005, 12, 31)]


# ---- properties ----

ZONES = ("Asia/Shanghai", "America/New_York", "Europe/Berlin", "UTC", "Africa/Cairo")
instants = st.datetimes(
    min_value=datetime(2025, 12, 1),  # noqa: DTZ001
    max_value=datetime(2027, 2, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=0))
days = st.dates(min_value=date(2025, 12, 1), max_value=date(2027, 2, 1))


@st.composite
def hours_of_a_day(draw: st.DrawFn) -> list[list[str]]:
    edges = sorted(draw(st.sets(st.integers(0, 24), min_size=2, max_size=6)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [[f"{start:02d}:00", f"{end:02d}:00"] for start, end in pairs]


@st.composite
def some_calendars(draw: st.DrawFn) -> Calendar:
    hours = draw(st.dictionaries(st.sampled_from(WEEKDAYS), hours_of_a_day(), min_size=1))
    return Calendar.from_dict(
        {
            "tz": draw(st.sampled_from(ZONES)),
            "hours": hours,
            "holidays": draw(st.lists(days, max_size=20)),
            "working_days": draw(st.lists(days, max_size=5)),
        }
    )


def works_at(calendar: Calendar, moment: datetime) -> bool:
    """The plain reading, an hour of the wall clock at a time."""
    wall = moment.astimezone(calendar.zone)
    day = wall.date()
    if day in calendar.working_days:
        hours = calendar.hours.get("mon", ())
    elif day in calendar.holidays:
        hours = ()
    else:
        hours = calendar.hours.get(WEEKDAYS[day.weekday()], ())
    minute = wall.hour * 60 + wall.minute
    return any(start <= minute < end for start, end in hours)


@given(some_calendars(), instants, st.integers(0, 400))
def test_working_seconds_are_those_of_the_plain_reading(
    calendar: Calendar, start: datetime, hours: int
) -> None:
    start = start.replace(minute=0, second=0)
    ticks = [start + timedelta(hours=tick) for tick in range(hours)]
    worked = sum(works_at(calendar, tick) for tick in ticks)
    end = start + timedelta(hours=hours)
    assert calendar.working_seconds_between(start, end) == worked * 3600
    assert calendar.working_seconds_between(end, start) == -worked * 3600


@given(some_calendars(), instants)
def test_open_and_next_open_are_those_of_the_plain_reading(
    calendar: Calendar, moment: datetime
) -> None:
    assert calendar.is_open(moment) is works_at(calendar, moment)
    opening = calendar.next_open(moment)
    assert opening >= moment
    assert works_at(calendar, opening)
    assert calendar.working_seconds_between(moment, opening) == 0
    assert calendar.working_seconds_between(calendar.last_open(moment), moment) == 0


@given(some_calendars(), instants, st.integers(-2_000_000, 2_000_000))
def test_what_was_added_lies_between(calendar: Calendar, start: datetime, seconds: int) -> None:
    end = calendar.add_working_seconds(start, seconds)
    assert calendar.working_seconds_between(start, end) == seconds
    back = calendar.add_working_seconds(end, -seconds)
    assert calendar.working_seconds_between(start, back) == 0


@given(some_calendars(), instants, st.integers(0, 500_000), st.integers(0, 500_000))
def test_more_working_time_never_ends_earlier(
    calendar: Calendar, start: datetime, first: int, more: int
) -> None:
    once = calendar.add_working_seconds(start, first)
    assert calendar.add_working_seconds(start, first + more) >= once
    if first and more:
        assert calendar.add_working_seconds(once, more) == calendar.add_working_seconds(
            start, first + more
        )


@given(some_calendars(), days, days, days)
def test_working_days_add_up_in_every_direction(
    calendar: Calendar, first: date, second: date, third: date
) -> None:
    between = calendar.working_days_between
    assert between(first, second) + between(second, third) == between(first, third)


@given(some_calendars(), days, st.integers(-200, 200))
def test_working_days_walk_there_and_back(calendar: Calendar, start: date, count: int) -> None:
    if not any(calendar.hours.values()) or not any(
        calendar.is_working_day(date(2030, 1, 1) + timedelta(days=n)) for n in range(7)
    ):
        return
    from_working_day = calendar.roll(start)
    end = calendar.add_working_days(from_working_day, count)
    assert calendar.is_working_day(end)
    assert calendar.working_days_between(from_working_day, end) == count
    assert calendar.add_working_days(end, -count) == from_working_day
