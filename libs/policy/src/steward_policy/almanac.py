"""The years that were published after a calendar was: what was unknown, and since when it is known.

A clock goes by what was published when it started. A year that was unknown then counts from its
first publication on; what was known and is corrected later holds for what starts from then.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from steward_policy.calendars import Calendar, Hours

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class PublishedYear:
    """The holidays and make-up days of one year of one calendar; `number` counts publications."""

    number: int
    calendar: str
    version: str
    year: int
    holidays: frozenset[date]
    working_days: Mapping[date, Hours | None]
    at: datetime


class UnknownEdition(KeyError):
    """More was published than has been heard here: park it, it mends itself."""

    def __init__(self, edition: int) -> None:
        super().__init__(edition)
        self.edition = edition

    def __str__(self) -> str:
        return f"The publication number {self.edition} of the calendars is not known here yet."


class Stage(NamedTuple):
    """A calendar as it is known since `at`; None from the start."""

    at: datetime | None
    calendar: Calendar


class Almanac:
    """All publications up to one of them, whose number is its edition; 0 without any."""

    def __init__(self, published: Iterable[PublishedYear] = ()) -> None:
        self._published = sorted(published, key=lambda one: one.number)
        self.edition = self._published[-1].number if self._published else 0
        self._by_name: dict[str, list[PublishedYear]] = {}
        for one in self._published:
            self._by_name.setdefault(one.calendar, []).append(one)
        self._instants = sorted(one.at for one in self._published)
        self._stages: dict[tuple[str, int, int], tuple[Stage, ...]] = {}

    def with_year(self, published: PublishedYear) -> "Almanac":
        """Give the almanac with one publication more; one that it has stays as it is."""
        others = [one for one in self._published if one.number != published.number]
        return Almanac([*others, published])

    def upto(self, edition: int) -> "Almanac":
        """Give it as it was at an edition; raises `UnknownEdition`."""
        if edition == self.edition:
            return self
        numbers = {one.number for one in self._published}
        if not numbers.issuperset(range(1, edition + 1)):
            raise UnknownEdition(edition)
        return Almanac(one for one in self._published if one.number <= edition)

    def published_at(self, edition: int) -> datetime:
        """Give when an edition was published; raises `UnknownEdition`."""
        for one in self._published:
            if one.number == edition:
                return one.at
        raise UnknownEdition(edition)

    def last_before(self, start: datetime) -> datetime:
        """Give the last publication until `start`: what started since then goes by the same calendars."""
        known = bisect_right(self._instants, start)
        return self._instants[known - 1] if known else _LONG_AGO

    def stages(self, name: str, calendar: Calendar, start: datetime) -> Sequence[Stage]:
        """Give the calendar as known at `start`, and as years become known that were not then."""
        listed = self._by_name.get(name)
        if listed is None:
            return (Stage(None, calendar),)
        known = sum([one.at <= start for one in listed])
        key = (name, id(calendar), known)
        found = self._stages.get(key)
        if found is None:
            found = self._stages[key] = tuple(_stages(calendar, listed, known))
        return found

    def calendar(self, name: str, calendar: Calendar, start: datetime) -> Calendar:
        """Give the calendar by which what started then goes, with all that is known by now."""
        if name not in self._by_name:
            return calendar
        return self.stages(name, calendar, start)[-1].calendar


NOTHING_PUBLISHED = Almanac()


def _stages(calendar: Calendar, listed: Sequence[PublishedYear], known: int) -> Iterable[Stage]:
    for one in listed[:known]:
        calendar = _with(calendar, one)
    yield Stage(None, calendar)
    for one in listed[known:]:
        if calendar.known_years is not None and one.year not in calendar.known_years:
            calendar = _with(calendar, one)
            yield Stage(one.at, calendar)


def _with(calendar: Calendar, one: PublishedYear) -> Calendar:
    return calendar.with_year(one.year, one.holidays, one.working_days, one.version)
