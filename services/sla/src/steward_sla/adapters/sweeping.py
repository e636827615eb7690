"""What moves many cases at once: a published calendar, a policy that is reapplied."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import asyncpg
import structlog
from sqlalchemy import ColumnElement, Select, select, text

from steward_decider import Refused
from steward_events.recorded import Recorded
from steward_events.registry import CalendarPublished
from steward_eventstore.execute import To
from steward_eventstore.port import EventStore, Sweep, Write
from steward_policy.almanac import Almanac, PublishedYear, UnknownEdition
from steward_service.policies import Policies
from steward_service.queries import fetch
from steward_sla.adapters.published_years import published_year
from steward_sla.adapters.read_models import CALENDARS, CLOCKS, POLICIES
from steward_sla.application.ports import Reapplication, Row
from steward_sla.application.reactions import stream_of
from steward_sla.domain.clocks import NoteCalendars

_LOG = structlog.get_logger(__name__)

CALENDAR = "calendar"
"""The kind of the sweep of a published calendar."""

_OPEN = text("clocks.state IN ('running', 'paused')")


class Calendars:
    """The published years, in the order of their publication; what deciders ask.

    Filled from the table at the start and from what is heard, like the policies.
    """

    def __init__(self) -> None:
        self._almanac = Almanac()

    def __call__(self) -> Almanac:
        """Give the almanac as it is known now."""
        return self._almanac

    async def load(self, pool: asyncpg.Pool | asyncpg.Connection) -> None:
        """Read what was heard before."""
        rows = await fetch(pool, select(CALENDARS).order_by(CALENDARS.c.edition))
        kept: list[PublishedYear] = []
        for row in rows:
            # What was given up before it keeps its number, and says nothing.
            kept += [_silent(number, row["at"]) for number in range(len(kept) + 1, row["edition"])]
            kept.append(_kept(row))
        self._almanac = Almanac(kept)

    def lacks(self, edition: int) -> bool:
        """Say whether not all is known up to an edition; the table may have it."""
        try:
            for upto in (edition, edition - 1):
                self._almanac.upto(upto)
        except UnknownEdition:
            return True
        return False

    async def heard(self, facts: Sequence[Recorded]) -> None:
        """Take note of calendars among the facts that were heard."""
        for recorded in facts:
            if isinstance(recorded.fact, CalendarPublished):
                with suppress(Refused):  # it was parked, with the reason
                    year = published_year(recorded.version, recorded.fact, recorded.known_at)
                    self._almanac = self._almanac.with_year(year)


def _kept(row: Row) -> PublishedYear:
    try:
        fact = CalendarPublished.model_validate_json(row["said"])
        return published_year(row["edition"], fact, row["at"])
    except (Refused, ValueError) as error:
        # Another release took it.
        _LOG.error(
            "A published calendar cannot be used.",
            edition=row["edition"],
            reason=error.reason if isinstance(error, Refused) else type(error).__name__,
        )
        return _silent(row["edition"], row["at"])


def _silent(edition: int, at: datetime) -> PublishedYear:
    return PublishedYear(edition, "", "", 0, frozenset(), {}, at)


def begun_by(heard: Recorded) -> Iterable[Sweep]:
    """Give the sweep that a fact begins."""
    if isinstance(heard.fact, CalendarPublished):
        yield _of_edition(heard.version, "heard")


def _of_edition(edition: int, by: str) -> Sweep:
    return Sweep(f"{CALENDAR}-{edition}-{by}", CALENDAR, "clocks-", str(edition))


class Sweeping:
    """Which cases a sweep is about, and what it tells each of them."""

    def __init__(self, calendars: Calendars, policies: Policies) -> None:
        self._calendars = calendars
        self._policies = policies
        self.pool: asyncpg.Pool

    async def load(self, pool: asyncpg.Pool) -> None:
        """Read what was heard before."""
        self.pool = pool
        await self._calendars.load(pool)
        await self._policies.load(pool, POLICIES)

    async def sweep_again(self, store: EventStore, process: str) -> None:
        """Begin a sweep of this process, once it knows an edition.

        What it decided before by an older one may lie where another process's sweep has passed.
        """
        edition = self._calendars().edition
        if edition:
            await store.commit(Write(sweeps=[_of_edition(edition, process)]))

    def note_calendars(self, sweep: Sweep, stream: str) -> Iterable[To]:
        """Let a case take account of a published calendar."""
        edition = int(sweep.payload)
        command = NoteCalendars(self._calendars().published_at(edition), edition)
        return [To(stream, "", command)]

    def reapply(self, sweep: Sweep, stream: str) -> Iterable[To]:
        """Let a case go by another version."""
        command = Reapplication.model_validate_json(sweep.payload).command
        return [To(stream, "", command)]

    async def provisional(self, sweep: Sweep, limit: int) -> Sequence[str]:
        """Give the next cases of which a clock that runs waits for a calendar."""
        if self._calendars.lacks(int(sweep.payload)):
            # Another process heard of it; in the table it stands since the sweep does.
            await self._calendars.load(self.pool)
        columns = CLOCKS.c
        provisional = (_OPEN, columns.provisional, columns.breached_at.is_(None))
        return await self._streams(provisional, sweep.cursor, limit)

    async def concerned(self, sweep: Sweep, limit: int) -> Sequence[str]:
        """Give the next cases that a reapplication is about."""
        which = Reapplication.model_validate_json(sweep.payload)
        if self._policies.get(which.policy) is None:
            await self._policies.load(self.pool, POLICIES)
        return await self._streams(concerned(which), sweep.cursor, limit)

    async def _streams(
        self, wanted: Sequence[ColumnElement[bool] | Any], cursor: str, limit: int
    ) -> Sequence[str]:
        query = cases_after(wanted, cursor.removeprefix("clocks-")).limit(limit)
        return [stream_of(row["case_id"]) for row in await fetch(self.pool, query)]


def concerned(which: Reapplication) -> Sequence[Any]:
    """Say which open clocks a reapplication is about."""
    columns = CLOCKS.c
    wanted: list[Any] = [_OPEN, columns.breached_at.is_(None)]
    if which.projects:
        wanted.append(columns.project_id.in_(which.projects))
    if which.targets:
        wanted.append(columns.target.in_(which.targets))
    if which.cases:
        wanted.append(columns.case_id.in_(which.cases))
    return wanted


def cases_after(wanted: Sequence[Any], case_id: str) -> Select[tuple[Any, ...]]:
    """Give the cases of such clocks by name, those after a case."""
    columns = CLOCKS.c
    query = select(columns.case_id).distinct().where(*wanted, columns.case_id > case_id)
    return query.order_by(columns.case_id)
