"""How long to wait before a message is tried again; wall time, since providers live in it."""

from datetime import timedelta

_GAPS = tuple(timedelta(seconds=s) for s in (2, 5, 15, 60, 300, 900, 3600))

UNREACHABLE = "unreachable"
_UNREACHABLE_AT_MOST = timedelta(minutes=1)

GIVE_UP_AFTER = 40
"""Attempts; with these gaps more than a day, after which an escalation is no news."""


def gap_after(attempts: int, code: str) -> timedelta | None:
    """Give the pause after so many attempts, None when it is enough.

    A provider that cannot be reached is asked again within the minute: it says nothing about the
    message, and everybody waits for it.
    """
    if attempts >= GIVE_UP_AFTER and code != UNREACHABLE:
        return None
    gap = _GAPS[min(attempts, len(_GAPS)) - 1]
    return min(gap, _UNREACHABLE_AT_MOST) if code == UNREACHABLE else gap
