"""When people are told what is not urgent (at 08:30, not at midnight)."""

from datetime import datetime, time, timedelta, tzinfo

from steward_policy.calendars import Calendar
from steward_policy.packs import Rules

BUILT_IN = "service-centre"
BEGIN, END = time(8, 30), time(18, 0)


def calendar_of(rules: Rules) -> Calendar | None:
    """Give a policy's own duty calendar; None where it has the built-in hours."""
    named = rules.pack.duty_calendar
    return None if named == BUILT_IN and named not in rules.pack.calendars else rules.duty_calendar


def from_when(at: datetime, zone: tzinfo, calendar: Calendar | None = None) -> datetime | None:
    """Give the opening before which nobody is told, None in duty hours.

    Without a calendar these are the built-in hours, every day alike, in the project's zone.
    """
    if calendar is not None:
        return None if calendar.is_open(at) else calendar.next_open(at)
    local = at.astimezone(zone)
    if BEGIN <= local.time() < END:
        return None
    day = local.date() + timedelta(days=local.time() >= END)
    return datetime.combine(day, BEGIN, zone)
