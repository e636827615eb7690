"""One duty of a case in one round, and what has become of it."""

from datetime import datetime
from typing import Literal, NamedTuple

from steward_policy.durations import Pause
from steward_policy.targets import Target

Status = Literal["running", "paused", "met", "met_with_approval", "breached", "cancelled"]


class Step(NamedTuple):
    """A step of escalation and its instant; `place` is where it stands in the target's list."""

    at: datetime
    place: int


class Declined(NamedTuple):
    """An earlier date that the owner asked for and nobody accepted, and since when that is so."""

    date: datetime
    since: datetime


class Clock(NamedTuple):
    """One duty of a case in one round: what has become of it, and what will if nothing comes.

    `due` is the rule's own limit, `approved_due` the later one that an approval gave in time.
    `breach_at` is when it is unmet beyond its limit, None if that cannot happen any more. Warnings
    and steps are those that fall before its end.
    """

    id: str
    target: Target
    round: int
    severity: str
    started_at: datetime
    due: datetime
    provisional: bool
    approved_due: datetime | None
    excused: bool
    pauses: tuple[Pause, ...]
    pause_reason: str
    met_at: datetime | None
    cancelled_at: datetime | None
    cancelled_by: str
    breach_at: datetime | None
    warnings: tuple[datetime, ...]
    steps: tuple[Step, ...]
    raises: str = ""
    """The severity to which the breach raises the case, if that is more than it had."""
    approvals: int = 0
    """How often more time was approved in time."""
    declined: Declined | None = None

    @property
    def limit(self) -> datetime:
        """Until when it can be met without a breach."""
        return self.approved_due or self.due

    @property
    def ended_at(self) -> datetime | None:
        """When it was met or cancelled."""
        return self.met_at or self.cancelled_at

    def paused_at(self, at: datetime) -> bool:
        """Whether it stands still at that instant."""
        return any(pause.start <= at < pause.end for pause in self.pauses)

    def status(self, now: datetime) -> Status:
        """What it is at `now`, of which nothing later is known; exactly at its limit it runs."""
        if self.breach_at is not None and self.breach_at < now:
            return "breached"
        if self.met_at is not None:
            return "met" if self.met_at <= self.due else "met_with_approval"
        if self.cancelled_at is not None:
            return "cancelled"
        return "paused" if self.paused_at(now) else "running"

    def elapsed_seconds(self, now: datetime) -> float:
        """How long it ran until its end or `now`, without its pauses."""
        end = max(self.ended_at or now, self.started_at)
        paused = sum(
            (max(min(pause.end, end), pause.start) - pause.start).total_seconds()
            for pause in self.pauses
        )
        return (end - self.started_at).total_seconds() - paused
