"""Faults of other systems' deadlines, each told as a case of ours.

Where each was found stands in docs/what-others-got-wrong.md.
"""

import importlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.few_targets import only

from steward_decider import Ring
from steward_events.fact import Fact
from steward_events.sla import ClockBreached, ClockStarted, ClockWarned, Escalated
from steward_policy import packs
from steward_policy.calendars import WEEKDAYS
from steward_policy.packs import Rules
from steward_sla.domain.clocks import Clocks, ClocksDecider, HearCaseFact
from steward_stack import due_times

PAGE = Path(__file__).parents[3] / "docs" / "what-others-got-wrong.md"
SHANGHAI = ZoneInfo("Asia/Shanghai")
RECEIVED = datetime(2026, 9, 29, 10, tzinfo=SHANGHAI)
DUE = datetime(2026, 10, 2, tzinfo=SHANGHAI)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def hours(*spans: tuple[str, str], tz: str = "Asia/Shanghai") -> dict[str, Any]:
    """A calendar with these hours from Monday to Friday."""
    return {"tz": tz, "hours": {day: [list(span) for span in spans] for day in WEEKDAYS[:5]}}


NINE_TO_SIX = hours(("09:00", "18:00"))


def fact(name: str, at: str, **fields: Any) -> dict[str, Any]:
    return {"type": name, "time": at if at[-6] in "+-" else f"{at}+08:00", **fields}


def received(at: str, **fields: Any) -> dict[str, Any]:
    return fact("case_received", at, kind="complaint", **fields)


def classified(at: str, severity: str, **fields: Any) -> dict[str, Any]:
    return fact("case_classified", at, severity=severity, validity="valid", **fields)


def own(**keys: Any) -> dict[str, Any]:
    """A target from the reception to the handling."""
    said = {"id": "own", "rule": ["X-1"], "basis": "default", "starts": "case_received"}
    return {**said, "met_by": ["case_handled"], **keys}


def answer(target: str, facts: Sequence[dict[str, Any]], **asked: Any) -> dict[str, Any]:
    clocks = due_times.answer({"facts": list(facts), **asked})["clocks"]
    [clock] = [clock for clock in clocks if clock["target"] == target]
    return dict(clock)


def due(facts: Sequence[dict[str, Any]], calendar: dict[str, Any], **within: Any) -> str:
    """When a target of one's own with this limit is due."""
    targets = [own(within=within, pauses_on={"waiting_owner": {"max": {"days": 90}}})]
    said: str = answer("own", facts, calendar=calendar, targets=targets)["due"]
    return said


class Stream:
    """The clocks of a case as the shell keeps them."""

    def __init__(self, *rules: Rules) -> None:
        self.published = {each.version: each for each in rules}
        self.decider = ClocksDecider(self.published.__getitem__)
        self.state: Clocks = self.decider.initial
        self.told: list[Fact] = []

    def hear(
        self, name: str, version: int, at: datetime, known: datetime | None = None, **said: Any
    ) -> None:
        self._do(HearCaseFact(at, "c1", "p1", name, version, said, None, known))

    def ring_out(self) -> None:
        while (at := self.decider.wake_at(self.state)) is not None:
            self._do(Ring(at))

    def _do(self, command: HearCaseFact | Ring) -> None:
        for each in self.decider.decide(command, self.state):
            self.state = self.decider.evolve(self.state, each)
            self.told.append(each)

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.told if isinstance(each, kind)]


def minor(stream: Stream, policy: str, known: datetime | None = None) -> None:
    """A minor complaint of a Tuesday morning."""
    stream.hear("case_received", 1, RECEIVED, known, kind="complaint", policy=policy)
    later = RECEIVED + timedelta(minutes=5)
    stream.hear("case_classified", 2, later, known, severity="minor", validity="valid")


# ---- pauses ----


def test_a_pause_counts_for_the_class_that_the_case_has_afterwards() -> None:
    facts = [
        received("2026-09-29T10:00:00"),
        classified("2026-09-29T10:05:00", "minor"),
        fact("case_paused", "2026-09-29T12:00:00", reason="waiting_owner"),
        fact("case_resumed", "2026-10-02T09:00:00"),
        classified("2026-10-02T10:00:00", "important", cause="correction"),
    ]
    assert answer("important-resolve", facts)["due"] == "2026-10-06T00:00:00+08:00"


@pytest.mark.parametrize(
    ("begin", "end", "due_at"),
    [
        ("2026-09-18T19:00:00", "2026-09-21T08:00:00", "2026-09-21T12:00:00"),
        ("2026-09-18T17:00:00", "2026-09-21T10:00:00", "2026-09-21T14:00:00"),
    ],
)
def test_a_pause_over_the_weekend_moves_working_time_by_what_was_worked_in_it(
    begin: str, end: str, due_at: str
) -> None:
    facts = [
        received("2026-09-18T16:00:00"),
        fact("case_paused", begin, reason="waiting_owner"),
        fact("case_resumed", end),
    ]
    assert due(facts, NINE_TO_SIX, hours=5, counting="working") == f"{due_at}+08:00"


def test_after_a_long_pause_a_count_of_dates_has_moved_by_its_midnights_and_no_more() -> None:
    facts = [
        received("2026-09-01T10:00:00"),
        fact("case_paused", "2026-09-01T23:59:59", reason="waiting_owner"),
        fact("case_resumed", "2026-10-01T00:00:00"),
    ]
    assert due(facts, NINE_TO_SIX, days=2) == "2026-10-04T00:00:00+08:00"


# ---- what changes under a clock that runs ----


def test_a_policy_edited_under_a_running_clock_moves_nothing() -> None:
    first = only("minor-resolve")
    stream = Stream(first)
    minor(stream, first.version)
    text = packs.built_in_text().replace('version: "', 'version: "other-', 1)
    second = packs.load(text.replace("within: {days: 2", "within: {days: 1"), "pack.yaml")
    stream.published[second.version] = second
    stream.hear("case_chased", 3, RECEIVED + HOUR)
    stream.ring_out()
    [breach] = stream.of(ClockBreached)
    assert breach.breached_at == DUE


def test_a_case_written_down_when_it_was_late_already_is_late_since_its_due_time() -> None:
    rules, noon = only("minor-resolve"), DUE + 3 * DAY + 12 * HOUR
    stream = Stream(rules)
    minor(stream, rules.version, known=noon)
    assert not stream.of(ClockBreached)
    stream.ring_out()
    [breach] = stream.of(ClockBreached)
    assert (breach.breached_at, breach.number) == (DUE, 1)
    assert min(each.told_at for each in stream.of(Escalated)) == noon
    assert len(stream.of(ClockStarted)) == 1


def test_a_case_that_comes_while_nobody_works_is_not_late_at_its_birth() -> None:
    asked = {"calendar": NINE_TO_SIX, "targets": [own(within={"hours": 1, "counting": "working"})]}
    clock = answer("own", [received("2026-09-19T03:00:00")], **asked)
    assert (clock["status"], clock["due"]) == ("running", "2026-09-21T10:00:00+08:00")


@pytest.mark.parametrize(
    "names", [("case_handled", "case_closed"), ("case_closed", "case_handled")]
)
def test_two_updates_of_one_second_mean_the_same_in_either_order(names: tuple[str, str]) -> None:
    begun = [received("2026-09-29T10:00:00"), classified("2026-09-29T10:05:00", "minor")]
    ended = [fact(name, "2026-09-30T10:00:00") for name in names]
    clock = answer("minor-resolve", [*begun, *ended])
    assert (clock["status"], clock["met_at"]) == ("met", "2026-09-30T10:00:00+08:00")


# ---- hours ----


@pytest.mark.parametrize(
    ("start", "due_at"),
    [
        ("2026-09-21T11:00:00", "2026-09-21T16:30:00"),
        ("2026-09-21T12:15:00", "2026-09-21T17:30:00"),
        ("2026-09-21T08:00:00", "2026-09-21T14:30:00"),
    ],
)
def test_a_day_may_have_several_intervals(start: str, due_at: str) -> None:
    with_lunch = hours(("09:00", "12:00"), ("13:30", "18:00"))
    assert due([received(start)], with_lunch, hours=4, counting="working") == f"{due_at}+08:00"


def test_a_span_that_ends_at_closing_time_is_not_due_the_next_morning() -> None:
    facts = [received("2026-09-21T17:00:00")]
    assert due(facts, NINE_TO_SIX, hours=1, counting="working") == "2026-09-21T18:00:00+08:00"


def test_hours_round_the_clock_lose_nothing_at_midnight() -> None:
    always = {"tz": "Asia/Shanghai", "hours": {day: [["00:00", "24:00"]] for day in WEEKDAYS}}
    facts = [received("2026-09-21T22:00:00")]
    assert due(facts, always, hours=4, counting="working") == "2026-09-22T02:00:00+08:00"


@pytest.mark.parametrize(
    ("at", "warned"),
    [
        ("2026-09-21T10:00:00+08:00", "2026-09-21T13:00:00+08:00"),
        ("2026-09-21T17:00:00+08:00", "2026-09-22T11:00:00+08:00"),
        ("2026-09-21T14:30:00+08:00", "2026-09-21T17:30:00+08:00"),
    ],
)
def test_a_warning_before_the_due_time_falls_into_working_hours(at: str, warned: str) -> None:
    office = packs.built_in()
    working = {"counting": "working", "calendar": "cn-office"}
    warns = [{"hours": 1, **working}]
    target = own(
        calendar="cn-office", within={"hours": 4, "counting": "working"}, warn_before=warns
    )
    targets = packs.read_targets([target], office)
    stream = Stream(replace(office, pack=office.pack.model_copy(update={"targets": targets})))
    start = datetime.fromisoformat(at)
    stream.hear("case_received", 1, start, kind="complaint", policy=office.version)
    stream.ring_out()
    assert [each.warned_at.isoformat() for each in stream.of(ClockWarned)] == [warned]


def test_nothing_is_told_twice_and_no_midnight_brings_a_reminder() -> None:
    rules = only("minor-resolve")
    stream = Stream(rules)
    minor(stream, rules.version)
    stream.ring_out()
    assert len(stream.of(ClockWarned)) == len(stream.of(ClockBreached)) == 1
    told = Counter(each.escalation_id for each in stream.of(Escalated))
    assert set(told.values()) == {1}
    climbed = [each.told_at for each in stream.of(Escalated) if each.because == "unacknowledged"]
    assert climbed
    assert all(at.astimezone(SHANGHAI).time().hour in range(8, 18) for at in climbed)


# ---- the calendar itself ----


@pytest.mark.parametrize(
    ("start", "day_later", "day_of_hours"),
    [
        ("2026-03-07T12:00:00-05:00", "2026-03-09T00:00:00-04:00", "2026-03-08T13:00:00-04:00"),
        ("2026-10-31T12:00:00-04:00", "2026-11-02T00:00:00-05:00", "2026-11-01T11:00:00-05:00"),
    ],
)
def test_where_clocks_change_dates_end_at_midnight_and_hours_have_sixty_minutes(
    start: str, day_later: str, day_of_hours: str
) -> None:
    new_york = hours(("09:00", "17:00"), tz="America/New_York")
    facts = [received(start, zone="America/New_York")]
    assert due(facts, new_york, days=1) == day_later
    assert due(facts, new_york, hours=24) == day_of_hours


@pytest.mark.parametrize("start", ["2026-03-06T16:00:00-05:00", "2026-10-30T16:00:00-04:00"])
def test_opening_hours_stay_where_the_wall_clock_has_them(start: str) -> None:
    new_york = hours(("09:00", "17:00"), tz="America/New_York")
    found = due([received(start)], new_york, hours=2, counting="working")
    assert datetime.fromisoformat(found).astimezone(ZoneInfo("America/New_York")).hour == 10


@pytest.mark.parametrize(
    ("start", "months", "due_at"),
    [
        ("2028-01-31T10:00:00", 1, "2028-03-01T00:00:00"),
        ("2027-01-31T10:00:00", 1, "2027-03-01T00:00:00"),
        ("2028-02-29T10:00:00", 12, "2029-03-01T00:00:00"),
        ("2027-02-28T10:00:00", 12, "2028-02-29T00:00:00"),
    ],
)
def test_a_month_that_has_no_such_date_ends_with_its_last_day(
    start: str, months: int, due_at: str
) -> None:
    assert due([received(start)], NINE_TO_SIX, months=months) == f"{due_at}+08:00"


@pytest.mark.parametrize(("start", "provisional"), [("2026-12-21", False), ("2026-12-30", True)])
def test_a_year_that_is_not_published_makes_a_due_time_provisional(
    start: str, provisional: bool
) -> None:
    within = {"days": 5, "counting": "working"}
    facts = [received(f"{start}T10:00:00")]
    clock = answer("own", facts, calendar="cn-office", targets=[own(within=within)])
    assert clock["provisional"] is provisional


# ---- the page ----


def test_every_sentence_of_the_page_is_a_test() -> None:
    named = re.findall(r"`(tests/[\w/]+)\.py::(test_\w+)`", PAGE.read_text(encoding="utf-8"))
    here = {name for name in globals() if name.startswith("test_")}
    assert here - {test_every_sentence_of_the_page_is_a_test.__name__} <= {
        test for _, test in named
    }
    for module, test in named:
        assert hasattr(importlib.import_module(module.replace("/", ".")), test), test
