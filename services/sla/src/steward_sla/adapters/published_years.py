"""The years of calendars that registries publish: whether they can be used, and what they say."""

from datetime import datetime

from pydantic import BaseModel

from steward_decider import Refused
from steward_events.registry import CalendarPublished
from steward_policy.almanac import PublishedYear
from steward_policy.calendars import BUILT_IN, Hours, built_in

_ALWAYS_OPEN = "duty-24h"


class _Hours(BaseModel):
    intervals: Hours


def published_year(edition: int, fact: CalendarPublished, at: datetime) -> PublishedYear:
    """Give what a fact publishes.

    Raises `Refused` for what no calendar can have as a year; of a pack's own calendars it is not
    known here when they work.
    """
    try:
        days = {
            day.day: _Hours.model_validate({"intervals": day.hours}).intervals
            if day.hours
            else None
            for day in fact.working_days
        }
    except ValueError as error:
        raise _unusable("its working_days have hours that cannot be read") from error
    holidays = frozenset(fact.holidays)
    below = built_in(fact.calendar if fact.calendar in BUILT_IN else _ALWAYS_OPEN)
    try:
        below.with_year(fact.year, holidays, days, fact.version)
    except (ValueError, OverflowError) as error:
        raise _unusable("its year, holidays and working_days do not go together") from error
    return PublishedYear(edition, fact.calendar, fact.version, fact.year, holidays, days, at)


def _unusable(why: str) -> Refused:
    return Refused(f"The published year of a calendar cannot be used: {why}.", code="unreadable")
