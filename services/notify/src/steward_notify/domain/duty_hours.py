"""When people are told what is not urgent (at 08:30, not at midnight)."""

from datetime import datetime, time, timedelta, tzinfo

BEGIN, END = time(8, 30), time(18, 0)


def from_when(at: datetime, zone: tzinfo) -> datetime | None:
    """Give the 08:30 before which nobody is told, None in duty hours; in the project's zone."""
    local = at.astimezone(zone)
    if BEGIN <= local.time() < END:
        return None
    day = local.date() + timedelta(days=local.time() >= END)
    return datetime.combine(day, BEGIN, zone)
