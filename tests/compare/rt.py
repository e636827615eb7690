"""Request Tracker's due dates beside Steward's, for 500 random cases.

`rt_answers.pl` lets RT's own code answer; what it said is kept in `rt_answers.jsonl`. RT counts by
other habits in a few places. Each is described here as a change to Steward's own count, and a
difference is explained when the habits that the case calls for give RT's answer to the second.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from steward_policy.calendars import WEEKDAYS, Calendar, built_in
from steward_stack import due_times

ANSWERS = Path(__file__).with_name("rt_answers.jsonl")
PROGRAM = Path(__file__).with_name("rt_answers.pl")
CASES = 500
_LONGEST = timedelta(days=29)
"""RT looks for the end within whole days that stay below thirty."""
_NOWHERE = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
"""What RT goes on with where it found no end: -1, a second before 1970."""


class Habit(StrEnum):
    """Where RT counts otherwise than Steward."""

    NO_MAKE_UP_DAYS = "no make-up days"
    """Its calendars know weekdays and holidays: a Saturday that is worked instead is not worked."""
    NEXT_OPENING = "closing time is the next opening"
    """A span that ends exactly at closing time ends at the next opening."""
    BOTH_ENDS = "a pause has both its seconds"
    """The second in which the ticket is opened again counts as paused, if it is a working one."""
    LATE_PAUSE = "a pause after the due time moves it"
    """However late it begins: the ticket that was overdue is no longer."""
    THIRTY_DAYS = "no end within thirty days"
    """What does not end within thirty days of its start is due never, or in 1970 if it was paused."""
    LONG_HOLIDAY = "a holiday has 24 hours and a second"
    """A holiday is taken off from its midnight for 86,401 seconds, whatever clocks do meanwhile."""


@dataclass(frozen=True, slots=True)
class Case:
    """A ticket: when it came, how long it may take by which calendar, and when it waited."""

    id: str
    received: datetime
    minutes: int
    counting: str
    calendar: Mapping[str, Any]
    pauses: tuple[tuple[datetime, datetime], ...]

    def for_rt(self) -> dict[str, Any]:
        """Give the line that `rt_answers.pl` reads."""
        return {
            "id": self.id,
            "received": int(self.received.timestamp()),
            "minutes": self.minutes,
            "counting": self.counting,
            "tz": self.calendar["tz"],
            "hours": self.calendar["hours"],
            "holidays": self.calendar["holidays"],
            "pauses": [[int(at.timestamp()) for at in pause] for pause in self.pauses],
        }

    def for_steward(self) -> dict[str, Any]:
        """Give the line that `steward policy due` reads."""
        target = {
            "id": "resolve",
            "rule": ["RT-1"],
            "basis": "default",
            "starts": "case_received",
            "met_by": "case_handled",
            "within": {"minutes": self.minutes, "counting": self.counting},
            "pauses_on": {"waiting_owner": {"max": {"days": 400}}},
        }
        facts = [{"type": "case_received", "time": self.received.isoformat()}]
        for begin, end in self.pauses:
            said = {"type": "case_paused", "reason": "waiting_owner"}
            facts += [
                {**said, "time": begin.isoformat()},
                {"type": "case_resumed", "time": end.isoformat()},
            ]
        return {"facts": facts, "targets": [target], "calendar": dict(self.calendar)}


def steward_due(case: Case) -> datetime:
    """Ask Steward."""
    [clock] = due_times.answer(case.for_steward())["clocks"]
    return datetime.fromisoformat(clock["due"])


# ---- random cases ----

_NINE_TO_SIX = {day: [["09:00", "18:00"]] for day in WEEKDAYS[:5]}
_WITH_LUNCH = {day: [["09:00", "12:00"], ["13:30", "18:00"]] for day in WEEKDAYS[:5]}
_DAILY = {day: [["08:30", "18:00"]] for day in WEEKDAYS}
_ALWAYS = {day: [["00:00", "24:00"]] for day in WEEKDAYS}
_NIGHTS = {day: [["00:00", "06:00"]] for day in WEEKDAYS}
_YEARS = (2025, 2026)


def _calendars() -> Sequence[Mapping[str, Any]]:
    mainland = built_in("cn-office")
    off = sorted(day.isoformat() for day in mainland.holidays if day.year in _YEARS)
    worked = sorted(day.isoformat() for day in mainland.working_days if day.year in _YEARS)
    china = {"tz": "Asia/Shanghai", "holidays": off, "working_days": worked}
    berlin = {
        "tz": "Europe/Berlin",
        "holidays": ["2025-10-03", "2025-12-25", "2025-12-26", "2026-03-29", "2026-04-03"],
        "working_days": [],
    }
    new_york = {"tz": "America/New_York", "holidays": ["2025-11-27"], "working_days": []}
    return [
        {**china, "hours": _NINE_TO_SIX},
        {**china, "hours": _WITH_LUNCH},
        {**china, "hours": _DAILY, "holidays": [], "working_days": []},
        {**berlin, "hours": _NINE_TO_SIX},
        {**berlin, "hours": _ALWAYS},
        {**berlin, "hours": _NIGHTS},
        {**new_york, "hours": _WITH_LUNCH},
        {**new_york, "hours": _ALWAYS, "holidays": []},
    ]


def random_cases() -> Iterator[Case]:
    """Give the cases, the same for ever."""
    calendars = _calendars()
    for number in range(CASES):
        name = f"t{number:03}"
        chance = Random(f"request-tracker|{name}")
        calendar = chance.choice(calendars)
        received = datetime(2025, 9, 1, tzinfo=UTC) + timedelta(
            minutes=chance.randrange(420 * 24 * 60), seconds=chance.choice((0, 0, 1, 59))
        )
        minutes = chance.choice((chance.randint(5, 600), chance.randint(600, 6_000)))
        if chance.random() < 0.25:  # a whole number of days from an opening ends at a closing
            laid_out = _calendar(json.dumps(calendar))
            received = laid_out.next_open(received).astimezone(UTC)
            minutes = chance.choice((60, 180, 270, 360, 540, 450, 1_080))
        if chance.random() < 0.03:
            minutes = 12_000
        pauses: list[tuple[datetime, datetime]] = []
        at = received
        for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
            begin = at + timedelta(minutes=chance.choice((30, 240, 1_500, 6_000)) * chance.random())
            begin = begin.replace(microsecond=0) + timedelta(seconds=1)
            at = begin + timedelta(seconds=chance.randint(60, 400_000))
            pauses.append((begin, at))
        counting = "elapsed" if chance.random() < 0.15 else "working"
        yield Case(name, received, minutes, counting, calendar, tuple(pauses))


@lru_cache
def _calendar(written: str) -> Calendar:
    return Calendar.from_dict(json.loads(written))


# ---- RT's habits ----


def explained(case: Case, due: datetime | None) -> frozenset[Habit] | None:
    """Name the fewest habits by which RT comes to this answer; None if none do."""
    called_for = [habit for habit, holds in _CALLED_FOR.items() if holds(case)]
    for count in range(1, len(called_for) + 1):
        for habits in itertools.combinations(called_for, count):
            if count_by(case, habits) == due:
                return frozenset(habits)
    return None


def count_by(case: Case, habits: Collection[Habit]) -> datetime | None:
    """Count a case as Steward does, but for these habits."""
    left_out = {"working_days": []} if Habit.NO_MAKE_UP_DAYS in habits else {}
    calendar = _calendar(json.dumps({**case.calendar, **left_out}))
    if case.counting == "elapsed":
        amounts = [(end - begin).total_seconds() for begin, end in case.pauses]
    else:
        amounts = [
            calendar.working_seconds_between(begin, end)
            + (Habit.BOTH_ENDS in habits and calendar.is_open(end))
            for begin, end in case.pauses
        ]
    due = _reach(case, calendar, [60 * case.minutes], habits)
    for number, (begin, _) in enumerate(case.pauses, 1):
        if due is not None and begin >= due and Habit.LATE_PAUSE not in habits:
            break
        due = _reach(case, calendar, [*amounts[:number], 60 * case.minutes], habits)
    return due


def _reach(
    case: Case, calendar: Calendar, amounts: Sequence[float], habits: Collection[Habit]
) -> datetime | None:
    """Go so far from the reception, one amount after the other."""
    if case.counting == "elapsed":
        return case.received + timedelta(seconds=sum(amounts))
    at = case.received
    for amount in amounts:
        if amount == 0:
            continue
        begin, at = at, _worked(case, calendar, at, amount, habits)
        if Habit.NEXT_OPENING in habits:
            at = calendar.next_open(at)
        if Habit.THIRTY_DAYS in habits and at > begin + _LONGEST:
            at = _NOWHERE
    return None if at == _NOWHERE else at


def _worked(
    case: Case, calendar: Calendar, at: datetime, amount: float, habits: Collection[Habit]
) -> datetime:
    end = calendar.add_working_seconds(at, amount)
    if Habit.LONG_HOLIDAY not in habits:
        return end
    # What the holidays on the way take more, or less, than their day; that may reach a further one.
    while True:
        more = sum(_beyond(calendar, day, at, end) for day in case.calendar["holidays"])
        further = calendar.add_working_seconds(at, amount + more)
        if further == end:
            return end
        end = further


def _beyond(calendar: Calendar, day: str, begin: datetime, end: datetime) -> float:
    """Working seconds that are lost because a holiday lasts 86,401 seconds from its midnight."""
    midnight = datetime.combine(date.fromisoformat(day), datetime.min.time(), calendar.zone)
    last = midnight.astimezone(UTC) + timedelta(seconds=86_401)
    if not begin < last < end:
        return 0
    return calendar.working_seconds_between(max(begin, midnight), last)


def _is_working(case: Case) -> bool:
    return case.counting == "working"


def _has_make_up_days(case: Case) -> bool:
    until = (steward_due(case) + timedelta(days=1)).date()
    days = map(date.fromisoformat, case.calendar["working_days"])
    return _is_working(case) and any(case.received.date() <= day <= until for day in days)


def _ends_at_closing_time(case: Case) -> bool:
    calendar = _calendar(json.dumps(case.calendar))
    counted = count_by(case, [h for h in _CALLED_FOR if h is not Habit.NEXT_OPENING])
    ends = [steward_due(case), *([counted] if counted else [])]
    return _is_working(case) and not all(map(calendar.is_open, ends))


def _opens_while_working(case: Case) -> bool:
    calendar = _calendar(json.dumps(case.calendar))
    return _is_working(case) and any(calendar.is_open(end) for _, end in case.pauses)


def _pauses_when_overdue(case: Case) -> bool:
    return any(begin >= steward_due(case) for begin, _ in case.pauses)


def _takes_long(case: Case) -> bool:
    return _is_working(case) and steward_due(case) - case.received > _LONGEST


def _works_after_a_holiday_of_24_hours(case: Case) -> bool:
    calendar = _calendar(json.dumps(case.calendar))
    due = steward_due(case)
    return _is_working(case) and any(
        _beyond(calendar, day, case.received, due) for day in case.calendar["holidays"]
    )


_CALLED_FOR: Mapping[Habit, Callable[[Case], bool]] = {
    Habit.NO_MAKE_UP_DAYS: _has_make_up_days,
    Habit.NEXT_OPENING: _ends_at_closing_time,
    Habit.BOTH_ENDS: _opens_while_working,
    Habit.LATE_PAUSE: _pauses_when_overdue,
    Habit.THIRTY_DAYS: _takes_long,
    Habit.LONG_HOLIDAY: _works_after_a_holiday_of_24_hours,
}
"""Which habits may matter to a case, by what the case is like."""


# ---- side by side ----


@dataclass(slots=True)
class Compared:
    """How many due dates are equal, by which habits the others differ, and which nobody explains."""

    equal: int = 0
    habits: Counter[frozenset[Habit]] = field(default_factory=Counter)
    examples: dict[frozenset[Habit], str] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        explained_ = self.habits.total()
        return f"equal {self.equal}, explained {explained_}, unexplained {len(self.unexplained)}"


def compare(answers: Mapping[str, datetime | None]) -> Compared:
    """Lay RT's answers beside Steward's."""
    compared = Compared()
    for case in random_cases():
        ours, theirs = steward_due(case), answers[case.id]
        if ours == theirs:
            compared.equal += 1
            continue
        habits = explained(case, theirs)
        said = f"{case.id}: Steward {ours}, RT {theirs and theirs.astimezone(ours.tzinfo)}"
        if habits is None:
            compared.unexplained.append(f"{said}\n  {json.dumps(case.for_rt())}")
        else:
            compared.habits[habits] += 1
            compared.examples.setdefault(habits, said)
    return compared


def read_answers(text: str) -> dict[str, datetime | None]:
    """Read what `rt_answers.pl` wrote, without its first line, which says what answered."""
    said = [json.loads(line) for line in text.splitlines()[1:]]
    return {
        each["id"]: None if each["due"] is None else datetime.fromtimestamp(each["due"], UTC)
        for each in said
    }


def ask_rt() -> str:
    """Let RT answer anew, in a database of its own; raises OSError or CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="steward-rt-") as folder:
        run = subprocess.run(
            ["perl", PROGRAM, folder],
            input="".join(json.dumps(case.for_rt()) + "\n" for case in random_cases()),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return run.stdout


def main() -> None:
    """Ask RT anew, keep what it says, and lay it beside Steward's due dates."""
    parser = argparse.ArgumentParser(prog="compare-rt", description=__doc__)
    parser.add_argument("--kept", action="store_true", help="take the answers that are kept")
    if not parser.parse_args().kept:
        ANSWERS.write_text(ask_rt())
    compared = compare(read_answers(ANSWERS.read_text()))
    for habits, count in compared.habits.most_common():
        print(f"{count:4} {' and '.join(sorted(habits))}: {compared.examples[habits]}")
    for difference in compared.unexplained:
        print(difference, file=sys.stderr)
    print(f"{CASES} cases: {compared}")
    sys.exit(bool(compared.unexplained))


if __name__ == "__main__":
    main()
