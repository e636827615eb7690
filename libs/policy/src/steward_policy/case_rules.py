"""What the desk allows and counts of a case, beside what is owed: no rule gives these numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from steward_policy import durations
from steward_policy.calendars import built_in
from steward_policy.durations import Duration
from steward_policy.ladder import Role, may_act
from steward_policy.targets import Basis, Entry

_AROUND_THE_CLOCK = built_in("duty-24h")


class Backdating(Entry):
    """How far back it may be dated what is typed in: by anybody, or by a role and those above it."""

    within: Duration
    by: Role | None = None


class CaseRules(Entry):
    """How far back a case may be dated, how long it waits, and until when what is over comes back.

    All of it is counted through weekends and holidays.
    """

    basis: Basis = "default"
    backdating: Annotated[tuple[Backdating, ...], Field(min_length=1)] = (
        Backdating(within=Duration(days=30)),
    )
    waits_at_most: Duration = Duration(days=7)
    """For its owner."""
    failed_contacts: Annotated[int, Field(ge=1)] = 2
    """So many times the owner was not reached before the case may wait for them."""
    closes_after: Duration = Duration(days=3)
    """A request that nobody closes, from its completion."""
    reopened_within: Duration = Duration(days=30)
    """Of its closing; after that a new case begins."""
    mentioned_within: Duration = Duration(months=12)
    """Before the reception, for an earlier case to be a mention of the matter."""

    @model_validator(mode="after")
    def _asks_no_calendar(self) -> Self:
        lengths = [value for _, value in self if isinstance(value, Duration)]
        if any(each.asks_calendar for each in (*lengths, *(one.within for one in self.backdating))):
            raise ValueError("What the desk allows is not counted in working time.")
        return self

    def dated_since(self, now: datetime, zone: ZoneInfo, roles: Iterable[Role] = ()) -> datetime:
        """Give the earliest instant at which who acts in these roles may date what they type in.

        Nobody may where the pack names roles only, none of which is theirs: then it is now.
        """
        acting = frozenset(roles)
        within = [
            one.within for one in self.backdating if one.by is None or may_act(acting, one.by)
        ]
        return min((_before(now, each, zone) for each in within), default=now)

    def waits_until(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Give until when a case that begins to wait then may wait."""
        return durations.later(at, self.waits_at_most, _AROUND_THE_CLOCK, zone).at

    def closes_on(self, handled_at: datetime, zone: ZoneInfo) -> datetime:
        """Give when a request that was handled then closes by itself."""
        return durations.due(handled_at, self.closes_after, _AROUND_THE_CLOCK, zone).at

    def reopens_until(self, closed_at: datetime, zone: ZoneInfo) -> datetime:
        """Give until when a case that was closed then is reopened."""
        return durations.later(closed_at, self.reopened_within, _AROUND_THE_CLOCK, zone).at

    def mentioned_since(self, received_at: datetime, zone: ZoneInfo) -> datetime:
        """Give since when earlier cases count as mentions of a case that was received then."""
        return _before(received_at, self.mentioned_within, zone)


DEFAULTS = CaseRules()
"""What a pack allows that says nothing of it."""


def _before(at: datetime, length: Duration, zone: ZoneInfo) -> datetime:
    return durations.earlier(at, length, _AROUND_THE_CLOCK, zone)
