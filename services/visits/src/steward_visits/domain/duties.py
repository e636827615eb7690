"""What is seen to every week of one thing, such as a suggestion box (RM-4.2.8).

For each week of the project's zone, and each duty that the rules of its first day name:

Nothing --week begins--> Due --done--> Done
                          |              ^
                          +--week ends--> Missed --a doing written down late--+

Nothing is owed for the week in which the thing was first heard of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TypedDict, assert_never
from zoneinfo import ZoneInfo

from steward_decider import NotHeardYet, Ring
from steward_events.visits import DutyDone, DutyDue, DutyMissed, DutyNoted
from steward_events.vocabulary import Role
from steward_policy.calendars import first_instant
from steward_visits.domain.ledger import InForce

KEPT_WEEKS = 8
"""So far back it may still be written down that something was done."""


@dataclass(frozen=True, slots=True)
class NoteThing:
    """Take note of what is to be seen to, where it is, and whose rules hold there."""

    at: datetime
    subject: str
    project_id: str
    zone: str
    group_id: str
    pack: str
    ended: bool


@dataclass(frozen=True, slots=True)
class NoteDone:
    """Take note that somebody has seen to it."""

    at: datetime


Command = NoteThing | NoteDone | Ring
DutyFact = DutyNoted | DutyDue | DutyDone | DutyMissed


@dataclass(frozen=True, slots=True)
class Unheard:
    """Nobody has spoken of it yet."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The thing as it was noted, and what is or was owed for it in the last weeks."""

    noted: DutyNoted
    owed: Mapping[tuple[str, str], DutyDue]
    """What nobody has done so far, in time or late, by week and duty."""


State = Unheard | Watched


class DutiesDecider:
    """Decides about one thing; `in_force` gives the rules of a day."""

    initial: State = Unheard()

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force

    def decide(self, command: Command, state: State) -> Sequence[DutyFact]:
        """Answer a command. Repeats are answered with nothing."""
        if isinstance(command, NoteThing):
            return self._noted(command, state)
        if isinstance(state, Unheard):
            if isinstance(command, NoteDone):
                raise NotHeardYet("What was seen to has not been heard of yet.")
            return []
        match command:
            case NoteDone(at=at):
                return self._done(at, state)
            case Ring(at=at):
                end = self.wake_at(state)
                return [] if end is None or at < end else self._turned(at, state)
            case _:
                assert_never(command)

    def evolve(self, state: State, fact: DutyFact) -> State:
        """Give the state after one more fact."""
        if isinstance(fact, DutyNoted):
            return _kept(state, fact)
        if isinstance(state, Unheard):
            return state
        match fact:
            case DutyDue():
                return replace(state, owed={**state.owed, _key(fact): fact})
            case DutyDone():
                owed = {key: due for key, due in state.owed.items() if key != _key(fact)}
                return replace(state, owed=owed)
            case DutyMissed():
                return state
            case _:
                assert_never(fact)

    def wake_at(self, state: State) -> datetime | None:
        """Ask to be woken at 24:00 of the week's Sunday."""
        if isinstance(state, Unheard) or state.noted.ended:
            return None
        return end_of(state.noted.period, state.noted.zone)

    def _noted(self, command: NoteThing, state: State) -> Sequence[DutyFact]:
        period = (
            week_of(command.at, command.zone)
            if isinstance(state, Unheard) or state.noted.ended
            else state.noted.period
        )
        noted = DutyNoted(
            subject=command.subject,
            project_id=command.project_id,
            zone=command.zone,
            group_id=command.group_id,
            pack=command.pack,
            period=period,
            ended=command.ended,
        )
        return [] if isinstance(state, Watched) and noted == state.noted else [noted]

    def _done(self, at: datetime, state: Watched) -> Sequence[DutyFact]:
        end = self.wake_at(state)
        # It may be heard before the bell that ends the week before.
        turned = self._turned(at, state) if end is not None and at >= end else []
        now: State = state
        for fact in turned:
            now = self.evolve(now, fact)
        assert isinstance(now, Watched)  # noqa: S101 - it was before
        week = week_of(at, now.noted.zone)
        done = [
            DutyDone(**_named(due), done_at=at)
            for (period, _), due in now.owed.items()
            if period == week
        ]
        return [*turned, *done]

    def _turned(self, at: datetime, state: Watched) -> Sequence[DutyFact]:
        """End the week: name what was missed, and begin the one of that instant."""
        ended = state.noted.period
        missed = [
            DutyMissed(**_named(due), by=due.by)
            for (period, _), due in state.owed.items()
            if period == ended
        ]
        noted = state.noted.model_copy(update={"period": week_of(at, state.noted.zone)})
        return [*missed, noted, *self._owed(noted, at)]

    def _owed(self, noted: DutyNoted, at: datetime) -> list[DutyDue]:
        day = at.astimezone(ZoneInfo(noted.zone)).date()
        try:
            rules = self._in_force(noted.pack, day, noted.group_id, noted.project_id)
        except KeyError as error:
            raise NotHeardYet(f"{error}") from None
        if rules is None:
            return []
        by = end_of(noted.period, noted.zone)
        return [
            DutyDue(
                subject=noted.subject,
                project_id=noted.project_id,
                duty=duty.id,
                period=noted.period,
                rule=duty.rule,
                role=duty.role,
                zone=noted.zone,
                policy=rules.version,
                by=by,
            )
            for duty in rules.duties
        ]


def week_of(at: datetime, zone: str) -> str:
    """Name the week of an instant in a zone, Monday to Sunday, as `2026-W42`."""
    return f"{at.astimezone(ZoneInfo(zone)):%G-W%V}"


def end_of(week: str, zone: str) -> datetime:
    """Give 24:00 of a week's Sunday, in its zone."""
    year, number = map(int, week.split("-W"))
    monday = date.fromisocalendar(year, number, 1) + timedelta(days=7)
    return first_instant(monday, 0, ZoneInfo(zone)).astimezone(ZoneInfo(zone))


def _kept(state: State, noted: DutyNoted) -> Watched:
    """Take what was noted; what is too long ago is let go, and all of what is there no longer."""
    if isinstance(state, Unheard) or noted.ended:
        return Watched(noted, {})
    begins = end_of(noted.period, noted.zone) - timedelta(weeks=KEPT_WEEKS)
    owed = {key: due for key, due in state.owed.items() if due.by > begins}
    return Watched(noted, owed)


def _key(fact: DutyDue | DutyDone) -> tuple[str, str]:
    return fact.period, fact.duty


class _Name(TypedDict):
    subject: str
    project_id: str
    duty: str
    period: str
    rule: tuple[str, ...]
    role: Role
    zone: str
    policy: str


def _named(due: DutyDue) -> _Name:
    return {
        "subject": due.subject,
        "project_id": due.project_id,
        "duty": due.duty,
        "period": due.period,
        "rule": due.rule,
        "role": due.role,
        "zone": due.zone,
        "policy": due.policy,
    }
