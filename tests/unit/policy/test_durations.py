"""Due times by the reading of the rules: days run through holidays, hours day and night."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from steward_events.vocabulary import FIRST_YEAR, LAST_YEAR
from steward_policy.calendars import BUILT_IN, Calendar, CalendarError, built_in
from steward_policy.durations import Duration, Pause, due, earlier, later

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = built_in("cn-office")
TEN_O_CLOCK = "2026-09-29T10:00"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def due_at(
    start: str, *pauses: tuple[str, str], calendar: Calendar = OFFICE, **duration: Any
) -> datetime:
    return due(
        at(start),
        Duration.model_validate(duration),
        calendar,
        SHANGHAI,
        [Pause(at(begin), at(end)) for begin, end in pauses],
    ).at


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        # The first day is not counted, the last one ends at 24:00, holidays or not.
        (TEN_O_CLOCK, {"days": 2}, "2026-10-02T00:00"),
        ("2026-09-29T00:00", {"days": 2}, "2026-10-02T00:00"),
        ("2026-09-29T23:59", {"days": 2}, "2026-10-02T00:00"),
        (TEN_O_CLOCK, {"days": 0}, "2026-09-30T00:00"),
        (TEN_O_CLOCK, {"days": 2, "ending": "same_time"}, "2026-10-01T10:00"),
        (TEN_O_CLOCK, {"days": 2, "counting": "elapsed"}, "2026-10-01T10:00"),
        # A month ends on its date, or on the last of a shorter month.
        ("2026-09-15T10:00", {"months": 1}, "2026-10-16T00:00"),
        ("2026-01-31T10:00", {"months": 1}, "2026-03-01T00:00"),
        ("2026-11-30T10:00", {"months": 3}, "2027-03-01T00:00"),
        # Hours are elapsed time, day and night.
        ("2026-09-30T23:30", {"hours": 1}, "2026-10-01T00:30"),
        ("2026-09-30T23:30", {"minutes": 30}, "2026-10-01T00:00"),
        (TEN_O_CLOCK, {"hours": 1.5}, "2026-09-29T11:30"),
        # Working time asks the calendar.
        ("2026-09-30T17:00", {"hours": 2, "counting": "working"}, "2026-10-08T10:00"),
        ("2026-09-30T17:00", {"hours": 1, "counting": "working"}, "2026-09-30T18:00"),
        ("2026-09-30T17:00", {"days": 3, "counting": "working"}, "2026-10-11T00:00"),
        (
            "2026-09-30T17:00",
            {"days": 3, "counting": "working", "ending": "end_of_working_day"},
            "2026-10-10T18:00",
        ),
        (
            "2026-09-30T17:00",
            {"days": 3, "counting": "working", "ending": "same_time"},
            "2026-10-10T17:00",
        ),
        ("2026-10-03T17:00", {"days": 1, "counting": "working"}, "2026-10-09T00:00"),
        # What starts after the close is not due at a close that has passed.
        ("2026-09-29T20:00", {"days": 0, "ending": "end_of_working_day"}, "2026-09-30T18:00"),
        ("2026-09-30T17:30", {"hours": 1, "ending": "end_of_working_day"}, "2026-10-08T18:00"),
        # Civil Code 203 only where the pack asks for it.
        (TEN_O_CLOCK, {"days": 2, "roll": "next_working_day"}, "2026-10-09T00:00"),
        (TEN_O_CLOCK, {"days": 2, "ending": "end_of_working_day"}, "2026-10-08T18:00"),
    ],
)
def test_a_limit_ends_where_its_rule_says(start: str, duration: dict[str, Any], end: str) -> None:
    assert due_at(start, **duration) == at(end)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-09-29T19:59", "2026-09-30T00:00"),
        ("2026-09-29T20:00", "2026-09-30T00:00"),
        ("2026-09-29T20:01", "2026-09-30T12:00"),
        ("2026-09-29T23:59", "2026-09-30T12:00"),
    ],
)
def test_what_starts_late_in_the_evening_is_due_at_noon(start: str, end: str) -> None:
    assert due_at(start, days=0, late_start={"after": "20:00", "due": "12:00"}) == at(end)


def test_a_late_start_never_shortens_a_limit() -> None:
    late = {"after": "20:00", "due": "12:00"}
    assert due_at("2026-09-29T23:00", days=2, late_start=late) == at("2026-10-02T00:00")


def test_the_same_day_leaves_at_least_an_hour_before_midnight() -> None:
    assert due_at("2026-09-29T22:59", days=0, at_least={"hours": 1}) == at("2026-09-30T00:00")
    assert due_at("2026-09-29T23:50", days=0, at_least={"hours": 1}) == at("2026-09-30T00:50")


def test_the_least_is_counted_in_its_own_way() -> None:
    two_hours = {"hours": 2, "counting": "working"}
    assert due_at("2026-09-30T17:00", days=0, at_least=two_hours) == at("2026-10-08T10:00")
    assert due_at("2026-09-30T10:00", days=0, at_least={"days": 1}) == at("2026-10-01T10:00")
    assert due_at("2026-01-31T10:00", days=0, at_least={"months": 1}) == at("2026-02-28T10:00")


@pytest.mark.parametrize(
    ("pause", "duration", "end"),
    [
        # A count of dates moves by the midnights inside the pause.
        (("2026-09-30T15:00", "2026-10-01T09:00"), {"days": 2}, "2026-10-03T00:00"),
        (("2026-09-30T09:00", "2026-09-30T17:00"), {"days": 2}, "2026-10-02T00:00"),
        (("2026-09-30T00:00", "2026-10-01T00:00"), {"days": 2}, "2026-10-03T00:00"),
        (("2026-09-30T15:00", "2026-10-03T09:00"), {"months": 1}, "2026-11-02T00:00"),
        # Elapsed time moves by the pause's length.
        (("2026-09-29T10:30", "2026-09-29T12:30"), {"hours": 1}, "2026-09-29T13:00"),
        # Working time moves by the working time inside the pause.
        (
            ("2026-09-29T17:00", "2026-09-30T10:00"),
            {"hours": 10, "counting": "working"},
            "2026-09-30T13:00",
        ),
        (
            ("2026-09-30T12:00", "2026-10-08T12:00"),
            {"days": 2, "counting": "working"},
            "2026-10-10T00:00",
        ),
        # A working day is lost when its 24:00 falls inside the pause: no day ends in a pause.
        (
            ("2026-09-30T12:00", "2026-10-01T12:00"),
            {"days": 1, "counting": "working"},
            "2026-10-09T00:00",
        ),
        (
            ("2026-10-07T12:00", "2026-10-08T12:00"),
            {"days": 2, "counting": "working"},
            "2026-10-09T00:00",
        ),
        # What lies outside of the running time moves nothing.
        (("2026-09-20T10:00", "2026-09-28T10:00"), {"days": 2}, "2026-10-02T00:00"),
        (("2026-10-02T00:00", "2026-10-05T10:00"), {"days": 2}, "2026-10-02T00:00"),
    ],
)
def test_a_pause_moves_the_due_time_by_what_it_took(
    pause: tuple[str, str], duration: dict[str, Any], end: str
) -> None:
    assert due_at(TEN_O_CLOCK, pause, **duration) == at(end)


def test_a_limit_that_starts_on_a_holiday_moves_with_a_pause_on_its_last_day() -> None:
    pause = ("2026-10-08T10:00", "2026-10-09T10:00")
    assert due_at("2026-10-03T10:00", pause, days=0, counting="working") == at("2026-10-10T00:00")


def test_a_second_pause_may_begin_in_the_time_that_the_first_one_gave() -> None:
    first, second = (
        ("2026-09-30T15:00", "2026-10-01T09:00"),
        ("2026-10-02T15:00", "2026-10-04T09:00"),
    )
    assert due_at(TEN_O_CLOCK, second, first, days=2) == at("2026-10-05T00:00")


def test_only_an_end_that_asks_an_unpublished_calendar_is_provisional() -> None:
    start = at("2026-12-31T10:00")
    assert not due(start, Duration(days=5), OFFICE, SHANGHAI).provisional
    assert due(start, Duration(days=5, counting="working"), OFFICE, SHANGHAI).provisional
    assert due(start, Duration(days=5, roll="next_working_day"), OFFICE, SHANGHAI).provisional
    assert not due(start, Duration(hours=1, counting="working"), OFFICE, SHANGHAI).provisional


def test_day_limits_follow_the_wall_clock_over_a_change_of_clocks() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 24, 10, tzinfo=berlin)
    end = due(start, Duration(days=1, ending="same_time"), OFFICE, berlin).at
    assert end == datetime(2026, 10, 25, 10, tzinfo=berlin)
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=25)
    midnight = due(start, Duration(days=1), OFFICE, berlin).at
    assert midnight.astimezone(UTC) == datetime(2026, 10, 25, 23, tzinfo=UTC)
    day = due(start, Duration(hours=24), OFFICE, berlin).at
    assert day.astimezone(UTC) == start.astimezone(UTC) + timedelta(hours=24)


def test_a_working_day_that_lasts_until_midnight_ends_there() -> None:
    always = built_in("duty-24h")
    end = due_at(TEN_O_CLOCK, calendar=always, days=1, ending="end_of_working_day")
    assert end == at("2026-10-01T00:00")


def test_a_day_later_is_the_same_time_of_the_next_day() -> None:
    breach = at("2026-10-02T00:00")
    assert later(breach, Duration(days=1), OFFICE, SHANGHAI).at == at("2026-10-03T00:00")
    assert later(breach, Duration(hours=4), OFFICE, SHANGHAI).at == at("2026-10-02T04:00")


@pytest.mark.parametrize(
    ("duration", "warned"),
    [
        ({"hours": 4, "counting": "working"}, "2026-10-01T14:00"),
        ({"days": 1}, "2026-10-01T00:00"),
        ({"minutes": 15}, "2026-10-01T23:45"),
        ({"months": 1}, "2026-09-02T00:00"),
        ({"days": 1, "counting": "working"}, "2026-10-01T00:00"),
    ],
)
def test_a_warning_is_counted_backwards_from_the_due_time(
    duration: dict[str, Any], warned: str
) -> None:
    centre = built_in("service-centre")
    due_time = at("2026-10-02T00:00")
    assert earlier(due_time, Duration.model_validate(duration), centre, SHANGHAI) == at(warned)


@pytest.mark.parametrize(
    "duration",
    [
        {},
        {"days": 1, "hours": 1},
        {"days": -1},
        {"days": 1.5},
        {"hours": 1, "counting": "calendar"},
        {"months": 1, "counting": "working"},
        {"weeks": 1},
    ],
)
def test_a_duration_that_means_nothing_is_refused(duration: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Duration.model_validate(duration)


starts = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001
    max_value=datetime(2026, 12, 1),  # noqa: DTZ001
    timezones=st.just(SHANGHAI),
)
durations = st.builds(
    lambda unit, amount, counting, ending: Duration.model_validate(
        {unit: amount, "counting": counting, "ending": ending}
    ),
    st.sampled_from(["hours", "days"]),
    st.integers(0, 40),
    st.sampled_from(["elapsed", "working"]),
    st.sampled_from(["same_time", "end_of_day", "end_of_working_day"]),
) | st.builds(lambda days: Duration(days=days), st.integers(0, 40))


@given(starts, durations, st.integers(0, 100_000))
def test_a_later_start_is_never_due_earlier(
    start: datetime, duration: Duration, seconds: int
) -> None:
    # «The same time on the n-th working day» is the only length that knows no order: two starts on
    # one holiday end on one day, each at its own time.
    assume(
        duration.is_clock_time or (duration.counting, duration.ending) != ("working", "same_time")
    )
    once = due(start, duration, OFFICE, SHANGHAI).at
    assert once >= start or duration.counting == "working"
    assert due(start + timedelta(seconds=seconds), duration, OFFICE, SHANGHAI).at >= once


@given(starts, durations, st.integers(0, 400), st.integers(0, 400))
def test_a_pause_never_makes_a_limit_shorter(
    start: datetime, duration: Duration, after: int, length: int
) -> None:
    begin = start + timedelta(hours=after)
    pause = Pause(begin, begin + timedelta(hours=length))
    once = due(start, duration, OFFICE, SHANGHAI).at
    paused = due(start, duration, OFFICE, SHANGHAI, [pause]).at
    assert paused >= once
    if pause.start >= once:
        assert paused == once


def counted_by_hand(start: datetime, duration: Duration, pauses: list[Pause]) -> datetime:
    """When it ends, walked day by day or minute by minute: what falls into a pause does not count."""
    if duration.days is not None:

        def counts(day: date) -> bool:
            return duration.counting == "calendar" or OFFICE.is_working_day(day)

        # The first day is left out; one that is not worked is left out already.
        day, days = start.date(), duration.days - (not counts(start.date()))
        while True:
            midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), SHANGHAI)
            if counts(day) and not any(pause.start < midnight <= pause.end for pause in pauses):
                if days == 0:
                    return midnight
                days -= 1
            day += timedelta(days=1)
    left, now = round(duration.seconds / 60), start
    while left:
        stands = any(pause.start <= now < pause.end for pause in pauses)
        left -= not stands and (duration.counting == "elapsed" or OFFICE.is_open(now))
        now += timedelta(minutes=1)
    return now


@given(
    starts.map(lambda start: start.replace(second=0, microsecond=0)),
    st.builds(
        lambda unit, amount, counting: Duration.model_validate(
            {unit: amount, "counting": counting}
        ),
        st.just("hours"),
        st.integers(0, 30),
        st.sampled_from(["elapsed", "working"]),
    )
    | st.builds(
        lambda amount, counting: Duration.model_validate({"days": amount, "counting": counting}),
        st.integers(1, 6),
        st.sampled_from(["calendar", "working"]),
    ),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 5_000)), max_size=3),
)
def test_a_paused_limit_ends_where_a_count_by_hand_ends(
    start: datetime, duration: Duration, gaps: list[tuple[int, int]]
) -> None:
    pauses, now = list[Pause](), start
    for gap, length in gaps:
        pauses.append(Pause(now + timedelta(minutes=gap), now + timedelta(minutes=gap + length)))
        now = pauses[-1].end
    found = due(start, duration, OFFICE, SHANGHAI, pauses).at
    assert found == counted_by_hand(start, duration, pauses)


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize(
    "duration", [{"days": 2}, {"months": 1}, {"hours": 24}, {"days": 2, "counting": "working"}]
)
def test_at_the_ends_of_all_dates_nothing_worse_happens_than_a_refusal(
    start: str, duration: dict[str, Any]
) -> None:
    length, instant = Duration.model_validate(duration), datetime.fromisoformat(start)
    for count in (due, later, earlier):
        with suppress(ValueError):
            count(instant, length, OFFICE, SHANGHAI)
    with pytest.raises(CalendarError, match="out of reach"):
        OFFICE.is_open(instant)


@pytest.mark.parametrize(
    "longest",
    [
        *({"minutes": 52_560_000}, {"hours": 876_000}, {"days": 36_500}, {"months": 1_200}),
        *({"minutes": 5_256_000, "counting": "working"}, {"hours": 87_600, "counting": "working"}),
        {"days": 3_650, "counting": "working"},
    ],
)
def test_the_longest_durations_can_be_counted_and_longer_ones_are_refused(
    longest: dict[str, Any],
) -> None:
    duration = Duration.model_validate(longest)
    for calendar in map(built_in, BUILT_IN):
        for year in (FIRST_YEAR, LAST_YEAR):
            start = datetime(year, 7, 1, 12, tzinfo=SHANGHAI)
            for counted in (due, later):
                assert counted(start, duration, calendar, SHANGHAI).at > start
            assert earlier(start, duration, calendar, SHANGHAI) < start
    unit = next(iter(longest))
    with pytest.raises(ValidationError, match="A duration is at most 10+ years"):
        Duration.model_validate({**longest, unit: longest[unit] + 1})


@pytest.mark.parametrize("endless", ["inf", "nan", "1e308"])
def test_a_duration_has_an_end(endless: str) -> None:
    with pytest.raises(ValidationError):
        Duration.model_validate({"hours": endless})
