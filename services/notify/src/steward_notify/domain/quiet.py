"""When owners are left in peace."""

from datetime import datetime, time, timedelta, tzinfo


def until_when(at: datetime, zone: tzinfo, since: time, until: time) -> datetime | None:
    """Give the end of the night in which an instant lies, None by day; both times are local."""
    local = at.astimezone(zone)
    over_midnight = until <= since
    evening, morning = local.time() >= since, local.time() < until
    if not (evening or morning if over_midnight else evening and morning):
        return None
    day = local.date() + timedelta(days=over_midnight and evening)
    return datetime.combine(day, until, zone)
