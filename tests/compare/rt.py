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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Any

from steward_policy.calendars import WEEKDAYS, Calendar, built_in
from steward_stack import due_times

ANSWERS = Path(__file__).with_name("rt_answers.jsonl")
PROGRAM = Path(__file__).with_name("rt_answers.pl")
CASES = 500
_PAGE = "docs/request-tracker.md"
_AT_ONCE = 4
"""RT takes a tenth of a second for a ticket, and seconds for one that may take long."""
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


@dataclass(frozen=True)
class Case:
    """A ticket: when it came, how long it may take by which calendar, and when it waited."""

    id: str
    received: datetime
    minutes: int
    counting: str
    calendar: Mapping[str, Any]
    pauses: tuple[tuple[datetime, datetime], ...]

    @cached_property
    def due(self) -> datetime:
        """When Steward wants it done."""
        [clock] = due_times.answer(self.for_steward())["clocks"]
        return datetime.fromisoformat(clock["due"])

    @cached_property
    def hours(self) -> Calendar:
        """Its calendar, laid out."""
        return Calendar.from_dict(dict(self.calendar))

    @property
    def is_working(self) -> bool:
        """Whether working time is what counts."""
        return self.counting == "working"

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


@cache
def random_cases() -> Sequence[Case]:
    """Give the cases, the same for ever."""
    return tuple(_random_cases())


def _random_cases() -> Iterator[Case]:
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
            received = Calendar.from_dict(calendar).next_open(received).astimezone(UTC)
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
    calendar = case.hours
    if Habit.NO_MAKE_UP_DAYS in habits:
        calendar = Calendar.from_dict({**case.calendar, "working_days": []})
    if not case.is_working:
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
    if not case.is_working:
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


def _has_make_up_days(case: Case) -> bool:
    until = (case.due + timedelta(days=1)).date()
    days = map(date.fromisoformat, case.calendar["working_days"])
    return case.is_working and any(case.received.date() <= day <= until for day in days)


def _ends_at_closing_time(case: Case) -> bool:
    counted = count_by(case, [h for h in _CALLED_FOR if h is not Habit.NEXT_OPENING])
    ends = [case.due, *([counted] if counted else [])]
    return case.is_working and not all(map(case.hours.is_open, ends))


def _opens_while_working(case: Case) -> bool:
    return case.is_working and any(case.hours.is_open(end) for _, end in case.pauses)


def _pauses_when_overdue(case: Case) -> bool:
    return any(begin >= case.due for begin, _ in case.pauses)


def _takes_long(case: Case) -> bool:
    return case.is_working and case.due - case.received > _LONGEST


def _works_after_a_holiday_of_24_hours(case: Case) -> bool:
    return case.is_working and any(
        _beyond(case.hours, day, case.received, case.due) for day in case.calendar["holidays"]
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
    examples: dict[Habit, str] = field(default_factory=dict)
    """For each habit the first ticket that differs by it, by it alone if there is one: a row of
    docs/request-tracker.md."""
    unexplained: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        explained_ = self.habits.total()
        return f"equal {self.equal}, explained {explained_}, unexplained {len(self.unexplained)}"


def compare(answers: Mapping[str, datetime | None]) -> Compared:
    """Lay RT's answers beside Steward's."""
    compared = Compared()
    found: dict[frozenset[Habit], str] = {}
    for case in random_cases():
        theirs = answers[case.id]
        if case.due == theirs:
            compared.equal += 1
            continue
        habits = explained(case, theirs)
        if habits is None:
            compared.unexplained.append(f"{_row(case, theirs)}\n  {json.dumps(case.for_rt())}")
        else:
            compared.habits[habits] += 1
            found.setdefault(habits, _row(case, theirs))
    for habit in Habit:
        by = sorted((len(habits), row) for habits, row in found.items() if habit in habits)
        if by:
            compared.examples[habit] = f"| {habit} {by[0][1]}"
    return compared


def _row(case: Case, theirs: datetime | None) -> str:
    def said(at: datetime | None) -> str:
        return f"{at.astimezone(case.hours.zone):%Y-%m-%d %H:%M:%S}" if at else "never"

    what = "worked" if case.is_working else "elapsed"
    waits = "".join(f"; waits {said(begin)} to {said(end)}" for begin, end in case.pauses)
    told = f"{case.id}, {case.calendar['tz']}: {case.minutes} minutes {what} from {said(case.received)}"
    return f"| {told}{waits} | {said(case.due)} | {said(theirs)} |"


def read_answers(text: str) -> dict[str, datetime | None]:
    """Read what `rt_answers.pl` wrote, without its first line, which says what answered."""
    said = [json.loads(line) for line in text.splitlines()[1:]]
    return {
        each["id"]: None if each["due"] is None else datetime.fromtimestamp(each["due"], UTC)
        for each in said
    }


def ask_rt() -> str:
    """Let RT answer anew, each part in a database of its own.

    Raises SystemExit with a sentence where RT does not answer; what its program said stands above.
    """
    cases = random_cases()
    with ThreadPoolExecutor(_AT_ONCE) as parts:
        try:
            said = list(parts.map(_ask_part, (cases[part::_AT_ONCE] for part in range(_AT_ONCE))))
        except (OSError, subprocess.CalledProcessError):
            sys.exit(f"Request Tracker did not answer; it needs the packages that {_PAGE} names.")
    lines = sorted(line for part in said for line in part.splitlines()[1:])
    return "\n".join([said[0].splitlines()[0], *lines, ""])


def _ask_part(cases: Sequence[Case]) -> str:
    with tempfile.TemporaryDirectory(prefix="steward-rt-") as folder:
        run = subprocess.run(
            ["perl", PROGRAM, folder],
            input="".join(json.dumps(case.for_rt()) + "\n" for case in cases),
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
        print(f"{count:4} {' and '.join(sorted(habits))}")
    print(*compared.examples.values(), sep="\n")
    for difference in compared.unexplained:
        print(difference, file=sys.stderr)
    print(f"{CASES} cases: {compared}")
    sys.exit(bool(compared.unexplained))


if __name__ == "__main__":
    main()
