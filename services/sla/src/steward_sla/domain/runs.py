"""From facts to runs: a target's way through the facts of a case, each start to its end.

a fact --stops what runs, changes what the case is, starts what it may--> the next fact
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from steward_policy.calendars import END_OF_DAY, first_instant
from steward_policy.durations import Ending
from steward_policy.targets import CountFrom, OnReopen, Take
from steward_sla.domain.case_facts import (
    ABSORBED,
    CHANGES,
    MOMENT,
    ONCE,
    CaseFact,
    change,
    instant_of,
)
from steward_sla.domain.clock import Clock

if TYPE_CHECKING:
    from steward_sla.domain.measures import Measure

_NO_LONGER = "no_longer_applies"


class Move(NamedTuple):
    """From `at` on it counts from an earlier reception than its own."""

    at: datetime
    earlier: datetime


class Wish(NamedTuple):
    """From `at` on this date of `or_by` is in force, None if none is, and how it is taken."""

    at: datetime
    date: datetime | None
    take: Take


@dataclass(slots=True)
class Start:
    """What lets a target begin, when that was told, and where the facts that may meet it begin."""

    at: datetime
    told_at: datetime
    index: int
    dues: list[tuple[datetime, datetime]] = field(default_factory=list)
    """When which due time was named, for a target whose start names it."""
    is_reception: bool = False
    moves: list[Move] = field(default_factory=list)
    """The receptions of the cases that were merged into this one, each earlier than the last."""

    @property
    def counts_from(self) -> datetime:
        """From where a clock counts that begins now."""
        return self.moves[-1].earlier if self.moves else self.at

    def due(self, end: datetime | None = None) -> datetime:
        """The due time that holds: one that is named when the last has passed moves it no more.

        Nor does what is named after the `end`.
        """
        (_, due), *moved = self.dues
        for at, other in moved:
            if at <= due and (end is None or at <= end):
                due = other
        return due


@dataclass(slots=True)
class Run:
    """One clock on its way."""

    key: str
    round: int
    number: int
    start: Start
    started_at: datetime
    not_before: datetime
    """A duty taken up again after its limit is late only from then on."""
    severity: str
    met_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancelled_by: str = ""

    @property
    def is_open(self) -> bool:
        return self.met_at is None and self.cancelled_at is None

    @property
    def ended(self) -> tuple[datetime | None, datetime | None, str]:
        """When and how it ended."""
        return self.met_at, self.cancelled_at, self.cancelled_by

    @property
    def moves(self) -> Sequence[Move]:
        """The moves of its start that concern it: it counts from there, and was open then."""
        start = self.start
        if not start.moves or self.started_at not in (start.at, *(m.earlier for m in start.moves)):
            return ()
        end = self.met_at or self.cancelled_at
        return [
            move
            for move in start.moves
            if move.earlier < self.started_at and (end is None or move.at < end)
        ]

    @property
    def counts_from(self) -> datetime:
        """Where it began, or the earlier reception to which that was moved."""
        moves = self.moves
        return moves[-1].earlier if moves else self.started_at


class Walk:
    """One target's way through the facts of a case."""

    def __init__(self, measure: "Measure", zone: ZoneInfo) -> None:
        self.measure = measure
        self.zone = zone
        self.runs: list[Run] = []
        self.wishes: list[Wish] = []
        self.cases: list[tuple[datetime, Mapping[str, Any]]] = []
        """What the case was from when on, for targets that ask what it was before."""
        self._case: dict[str, Any] = {}
        self._round = 1
        self._round_began = 0
        self._classified = False
        self._applies = measure.target.when.holds(self._case)
        self._starts: dict[str, Start] = {}
        self._seen: list[tuple[CaseFact, int]] = []
        """Every fact that may stop the target, with its round: for what begins later."""
        self.last: tuple[datetime, int, int]
        """The place of the last fact taken, in the target's own order."""
        self.made: list[tuple[Hashable, Clock]] = []
        """The clock of each run as it was made last, and of what of it."""
        self.made_of: Hashable = None
        """Of what else they all were made."""

    def take(self, fact: CaseFact) -> bool:
        """Go past one more fact: what stops first, then what changes, then what starts.

        Answers whether that may have moved a clock.
        """
        name = fact.name
        said = fact.fields.get("round")
        round_ = said if isinstance(said, int) and name != "case_reopened" else self._round
        stopped = False
        if name in self.measure.stops:
            for run in [run for run in self.runs if run.is_open]:
                following = self._stop(run, fact, round_)
                if following is not None:
                    self.runs.append(following)
                stopped = stopped or not run.is_open
        if name == "case_reopened":
            self._reopen(fact, said)
        if name == ABSORBED:
            self._absorb(fact)
        if name in CHANGES:
            self._change(fact)
        if name == self.measure.dated_by:
            self._ask(fact, fact.fields)
        if name in self.measure.starts:
            self._start(fact)
        if name in self.measure.stops:
            self._seen.append((fact, round_))
        return stopped or name not in self.measure.only_stops

    def case_before(self, at: datetime) -> Mapping[str, Any]:
        """What the case was just before an instant."""
        return next((case for since, case in reversed(self.cases) if since < at), {})

    def _open(self, key: str, start: Start, started_at: datetime, not_before: datetime) -> None:
        number = 1 + sum(run.key == key and run.round == self._round for run in self.runs)
        severity = self._case.get("severity") or ""
        self._replay(
            Run(key, self._round, number, start, started_at, not_before, severity), start.index
        )

    def _replay(self, run: Run, index: int) -> None:
        """Let a run, and what follows on it, take what happened before it was known to run."""
        self.runs.append(run)
        for place in range(index, len(self._seen)):
            following = self._stop(run, *self._seen[place])
            if following is not None:
                run = following
                self.runs.append(run)
            elif not run.is_open:
                return

    def _stop(self, run: Run, fact: CaseFact, round_: int) -> Run | None:
        """Stop a run if the fact does; gives the one that begins with what reset it."""
        measure, before = self.measure, fact.at < run.started_at
        if not before and measure.matches(measure.resets, fact, run.key, named=False):
            run.met_at = fact.at
            return Run(
                run.key, run.round, run.number + 1, run.start, fact.at, fact.at, run.severity
            )
        if round_ >= run.round and measure.matches(measure.met, fact, run.key, named=True):
            run.met_at = run.started_at if before else fact.at
        elif (
            round_ >= run.round
            and fact.at >= run.start.told_at
            and (
                fact.name in measure.ends
                or measure.matches(measure.cancels, fact, run.key, named=False)
            )
        ):
            run.cancelled_at, run.cancelled_by = max(fact.at, run.started_at), fact.name
        return None

    def _reopen(self, fact: CaseFact, said: object) -> None:
        measure = self.measure
        self._round = said if isinstance(said, int) else self._round + 1
        self._round_began = len(self._seen)
        match measure.target.on_reopen:
            case OnReopen.RESTART if measure.restarts:
                for run in self.runs:
                    if run.is_open:
                        run.cancelled_at, run.cancelled_by = fact.at, fact.name
                for key, before in self._starts.items():
                    start = Start(fact.at, fact.at, len(self._seen), before.dues[-1:])
                    self._starts[key] = start
                    if self._applies:
                        self._open(key, start, fact.at, fact.at)
            case OnReopen.CONTINUE if self._applies:
                for run in {run.key: run for run in self.runs}.values():
                    if not run.is_open:
                        began, seen = run.counts_from, len(self._seen)
                        received = run.start.is_reception
                        start = Start(began, fact.at, seen, run.start.dues, received)
                        self._starts[run.key] = start
                        self._open(run.key, start, began, fact.at)
            case _:
                pass

    def _absorb(self, fact: CaseFact) -> None:
        """Let what counts from the reception count from the other case's, if that is earlier."""
        received_at = instant_of(fact.fields.get("received_at"), self.zone)
        for start in self._starts.values():
            if start.is_reception and received_at and received_at < start.counts_from:
                start.moves.append(Move(fact.at, received_at))

    def _change(self, fact: CaseFact) -> None:
        measure, target = self.measure, self.measure.target
        change(self._case, measure.asks, fact)
        if measure.looks_back:
            self.cases.append((fact.at, dict(self._case)))
        if target.or_by is not None and target.or_by.fact is None:
            self._ask(fact, self._case)
        cause = self._cause(fact)
        applied, self._applies = self._applies, target.when.holds(self._case)
        stays = self._applies or (
            target.stays_when is not None and target.stays_when.holds(self._case)
        )
        for run in self.runs:
            if run.is_open:
                if stays:
                    run.severity = self._case.get("severity") or ""
                else:
                    run.cancelled_at, run.cancelled_by = fact.at, _NO_LONGER
        if applied or not self._applies:
            return
        latest = {run.key: run for run in self.runs}
        for key, start in self._starts.items():
            last = latest.get(key)
            if last is None or last.start is not start or last.cancelled_by == _NO_LONGER:
                at = fact.at if cause is CountFrom.CHANGE else start.counts_from
                self._open(key, start, at, at)

    def _ask(self, fact: CaseFact, fields: Mapping[str, Any]) -> None:
        """Note the date of `or_by` that is in force from this fact on."""
        or_by = self.measure.target.or_by
        assert or_by is not None  # noqa: S101 - asked by the caller
        binds = or_by.if_.holds(self._case)
        asked = instant_of(fields.get(or_by.field), self.zone) if binds else None
        if asked is not None and or_by.ending is Ending.END_OF_DAY:
            day = (asked.astimezone(self.zone) - MOMENT).date()
            asked = first_instant(day, END_OF_DAY, self.zone).astimezone(self.zone)
        wish = Wish(fact.at, asked, or_by.takes(self._case))
        if wish[1:] != (self.wishes[-1][1:] if self.wishes else (None, wish.take)):
            self.wishes.append(wish)

    def _cause(self, fact: CaseFact) -> CountFrom:
        """From where a clock counts that begins to apply with this fact."""
        first = fact.name == "case_classified" and not self._classified
        self._classified = self._classified or fact.name == "case_classified"
        if first or fact.name == "case_received":
            return CountFrom.START
        how = self.measure.target.on_reclassify
        match fact.fields.get("cause"):
            case "new_facts":
                return how.new_facts
            case "age":
                return how.age
            case _:
                return how.correction

    def _start(self, fact: CaseFact) -> None:
        target = self.measure.target
        for pattern in self.measure.starts[fact.name]:
            if not pattern.when.holds(fact.fields):
                continue
            at = instant_of(fact.fields.get(pattern.at), self.zone) if pattern.at else fact.at
            value = fact.fields.get(target.per) if target.per else ""
            unnamed = target.due is not None and fact.fields.get(target.due.field) is None
            if at is None or value is None or unnamed:
                continue
            is_reception = fact.name == "case_received" and not pattern.at
            self._begin(fact, at, str(value), is_reception=is_reception)
            return

    def _begin(self, fact: CaseFact, at: datetime, key: str, *, is_reception: bool) -> None:
        target = self.measure.target
        start = self._starts.get(key)
        last = next((run for run in reversed(self.runs) if run.key == key), None)
        later_round = last is not None and self._round > last.round
        again = self._is_over(fact, start, last)
        if start is None or again:
            self._end_before(fact, key)
            afresh = (again and not later_round) or not target.met_before
            index = self._behind(fact) if afresh else self._round_began
            start = Start(at, fact.at, index, is_reception=is_reception)
            self._starts[key] = start
            self._note_due(start, fact)
            if self._applies:
                self._open(key, start, at, at)
        elif target.due is not None:
            self._note_due(start, fact)

    def _behind(self, fact: CaseFact) -> int:
        """Give the place in what was seen from which all came behind a fact.

        What was told behind it of the same instant has been seen already; and a case that ends in
        that instant starts nothing, whichever was told first.
        """
        index = len(self._seen)
        while index:
            seen, _ = self._seen[index - 1]
            if seen.at != fact.at or not (
                seen.version > fact.version or seen.name in self.measure.ends
            ):
                break
            index -= 1
        return index

    def _is_over(self, fact: CaseFact, start: Start | None, last: Run | None) -> bool:
        """Whether what began before under a key has ended, or its time or its round is past.

        What a fact says the case is starts nothing anew once that was done.
        """
        if fact.name in ONCE:
            return False
        if last is not None and not last.is_open:
            return fact.name not in CHANGES
        if self.measure.target.due is not None:
            return start is not None and fact.at > start.due()
        return last is not None and self._round > last.round

    def _end_before(self, fact: CaseFact, key: str) -> None:
        """End what a start takes the place of: its own time that has passed, or what is another's."""
        target = self.measure.target
        for run in self.runs:
            if run.is_open and (target.due is not None if run.key == key else target.one_at_a_time):
                run.cancelled_at, run.cancelled_by = fact.at, fact.name
        if target.one_at_a_time:
            self._starts.clear()

    def _note_due(self, start: Start, fact: CaseFact) -> None:
        if self.measure.target.due is not None:
            due = instant_of(fact.fields.get(self.measure.target.due.field), self.zone)
            if due is not None:
                start.dues.append((fact.at, self.measure.with_grace(due, self.zone)))
