"""The lists of clocks, escalations and extensions in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import (
    ARRAY,
    DateTime,
    Subquery,
    Text,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import distinct_on

from steward_events.vocabulary import FIRST_YEAR, LAST_YEAR, Role, zone_exists
from steward_service.lists import Cursor
from steward_service.queries import fetch, page
from steward_service.roles import acting
from steward_service.telemetry import Metrics
from steward_sla.adapters.read_models import (
    CASES,
    CLOCKS,
    ESCALATIONS,
    EXTENSIONS,
    HOLDINGS,
    MOVES,
    PROJECTS,
    PUBLICATIONS,
    REAPPLICATIONS,
    ROLES,
    STAFF,
)
from steward_sla.adapters.sweeping import cases_after, concerned
from steward_sla.application.ports import (
    Asked,
    ClockStatus,
    EscalationStatus,
    ExtensionStatus,
    Holder,
    LateBy,
    PublishedFor,
    Reapplication,
    Row,
)
from steward_sla.domain.clocks import ZONE

STATUS = case(
    (CLOCKS.c.breached_at.is_not(None), "breached"),
    (CLOCKS.c.outcome == "with_approval", "met_with_approval"),
    else_=CLOCKS.c.state,
).label("status")
_BEFORE_MOVE = exists().where(
    MOVES.c.case_id == CLOCKS.c.case_id,
    func.coalesce(CLOCKS.c.breached_at, CLOCKS.c.met_at, CLOCKS.c.cancelled_at) < MOVES.c.at,
)
"""Of a moved case: what came of the clock did so in the project that it left, and counts there."""
OPEN = text("clocks.state IN ('running', 'paused')")
_RUNS = (
    select(CLOCKS.c.case_id)
    .where(
        CLOCKS.c.case_id == ESCALATIONS.c.case_id,
        CLOCKS.c.clock == ESCALATIONS.c.clock,
        CLOCKS.c.state.in_(("running", "paused")),
    )
    .exists()
)
ESCALATION_STATUS = case(
    (and_(ESCALATIONS.c.status == text("'open'"), ~_RUNS), "over"), else_=ESCALATIONS.c.status
).label("status")
"""Of what nobody took over: whether it is still to be done."""
_ESCALATION = [column for column in ESCALATIONS.c if column.name != "status"] + [ESCALATION_STATUS]
_HAS_IT = (CASES.c.number, CASES.c.person_id, CASES.c.department)
_WITH_CASES = CLOCKS.outerjoin(CASES, CASES.c.case_id == CLOCKS.c.case_id)
"""Clocks with what is known of their cases, where anything is."""
_CLOCK_ID = (CLOCKS.c.case_id + "/" + CLOCKS.c.clock).label("id")
_INSTANTS = ARRAY(DateTime(timezone=True))
_TEXTS = ARRAY(Text)
_MONTHS = [
    date(year, month, 1) for year in range(FIRST_YEAR, LAST_YEAR + 1) for month in range(1, 13)
]


@lru_cache(64)
def _begin_in(zone: str) -> list[datetime]:
    """Say when each month begins in a zone; in one that is known no more, as where none was named."""
    there = ZoneInfo(zone if zone_exists(zone) else ZONE)
    return [datetime.combine(month, time(), there).astimezone(UTC) for month in _MONTHS]


class PostgresLists:
    """`Lists` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def is_staff(self, person_id: str, projects: Collection[str]) -> bool:
        """Say whether a person is registered staff of the projects' group, as far as it was heard."""
        elsewhere = exists().where(
            PROJECTS.c.project_id.in_(list(projects)),
            PROJECTS.c.group_id != STAFF.c.group_id,
            STAFF.c.group_id != "",
        )
        query = select(STAFF.c.person_id).where(STAFF.c.person_id == person_id, ~elsewhere)
        return bool(await fetch(self._pool, query))

    async def acting(self, person_id: str, project_id: str, at: datetime) -> frozenset[Role]:
        """Give the roles in which a person may act at a project, as far as it was heard."""
        return await acting(self._pool, ROLES, project_id, person_id, at)

    async def clocks(
        self,
        projects: Sequence[str] | None,
        *,
        asked: Asked,
        status: ClockStatus | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give clocks in the order of their last change."""
        columns = CLOCKS.c
        wanted = _wanted(projects, asked)
        if status is not None:
            wanted.append(status == STATUS)
        after = None
        if since is not None:
            case_of, _, clock = since.id.partition("/")
            after = (since.changed_at, case_of, clock)
        query = select(CLOCKS, STATUS, _CLOCK_ID, *_HAS_IT).select_from(_WITH_CASES).where(*wanted)
        order = (columns.changed_at, columns.case_id, columns.clock)
        return list(await fetch(self._pool, page(query, order, after, limit)))

    async def compliance(self, projects: Sequence[str] | None, *, month: str | None) -> list[Row]:
        """Count clocks by target, month of the due day, status, and whether it was excused."""
        columns = CLOCKS.c
        wanted: list[Any] = [~_BEFORE_MOVE]
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        if month is not None:
            wanted.append(columns.month == month)
        line = (columns.month, columns.target, columns.rule, STATUS, columns.excused)
        query = select(*line, func.count().label("n")).where(*wanted).group_by(*line)
        return list(await fetch(self._pool, query))

    async def late(
        self,
        projects: Sequence[str] | None,
        *,
        asked: Asked,
        before: datetime,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give the clocks that are open and due before an instant, the latest first."""
        columns = CLOCKS.c
        wanted = [OPEN, columns.due_at < before, *_wanted(projects, asked)]
        # The place in this list is a due time; `changed_at` names it for the cursor.
        due = columns.due_at.label("changed_at")
        shown = [column for column in CLOCKS.c if column.name != "changed_at"]
        query = select(*shown, due, _CLOCK_ID, *_HAS_IT).select_from(_WITH_CASES).where(*wanted)
        after = None
        if since is not None:
            case_of, _, clock = since.id.partition("/")
            after = (since.changed_at, case_of, clock)
        order = (columns.due_at, columns.case_id, columns.clock)
        return list(await fetch(self._pool, page(query, order, after, limit)))

    async def late_by(
        self, projects: Sequence[str] | None, by: LateBy, *, now: datetime, before: datetime
    ) -> list[Row]:
        """Count the open clocks that are late `now`, or due `before`, by what they have in common."""
        columns = CLOCKS.c
        named: dict[LateBy, tuple[Any, ...]] = {
            "project": (columns.project_id.label("project"),),
            "target": (columns.target,),
            "role": (columns.policy.label("version"), columns.target),
            "person": (func.coalesce(CASES.c.person_id, "").label("person"),),
            "department": (func.coalesce(CASES.c.department, "").label("department"),),
        }
        is_late = columns.due_at < now
        counts = (
            func.count().filter(is_late).label("late"),
            func.count().filter(~is_late).label("soon"),
        )
        key = named[by]
        query = select(*key, *counts).select_from(_WITH_CASES)
        wanted = [OPEN, columns.due_at < before, *_wanted(projects, Asked())]
        return list(await fetch(self._pool, query.where(*wanted).group_by(*key).order_by(*key)))

    async def outcomes(
        self, projects: Sequence[str] | None, holder: Holder, *, month: str | None
    ) -> list[Row]:
        """Count clocks of complaints by who had the case when it was decided, month and status."""
        columns, held = CLOCKS.c, _held_by(holder, projects).c
        decided_at = func.coalesce(columns.breached_at, columns.met_at, columns.due_at)
        # What lets go of a case at the very instant decides it too: before that it was held.
        last = (
            select(held.holder)
            .where(
                held.case_id == columns.case_id,
                or_(held.at < decided_at, and_(held.at == decided_at, held.holder != "")),
            )
            .order_by(held.at.desc(), held.place.desc())
            .limit(1)
            .scalar_subquery()
        )
        named = func.coalesce(last, "").label(holder)
        is_complaint = CASES.c.kind == text("'complaint'")
        wanted = [is_complaint, ~_BEFORE_MOVE, *_wanted(projects, Asked())]
        if month is not None:
            wanted.append(columns.month == month)
        clocks = (
            select(columns.month, named, STATUS, columns.excused)
            .join_from(CLOCKS, CASES, CASES.c.case_id == columns.case_id)
            .where(*wanted)
            .subquery()
        )
        line = (clocks.c.month, clocks.c[holder], clocks.c.status, clocks.c.excused)
        return list(await fetch(self._pool, select(*line, func.count().label("n")).group_by(*line)))

    async def held(
        self, projects: Sequence[str] | None, holder: Holder, *, month: str | None, now: datetime
    ) -> list[Row]:
        """Add up how long complaints were held, by holder and month in which that began."""
        holdings = _held_by(holder, projects)
        columns = holdings.c
        until = func.coalesce(columns.until, now)
        zones = {zone: _begin_in(zone) for zone in await self.zones_of(projects or (), ())}
        if not zones:
            return []
        # Not by the database's own zones: it may lack one by which a case went.
        began = case(
            *(
                (CASES.c.zone == zone, func.width_bucket(columns.at, literal(begin, _INSTANTS)))
                for zone, begin in zones.items()
            )
        ).label("place")
        spans = (
            select(
                columns.holder,
                began,
                func.extract("epoch", until - columns.at).label("seconds"),
            )
            .join_from(holdings, CASES, CASES.c.case_id == columns.case_id)
            .where(
                CASES.c.kind == text("'complaint'"),
                CASES.c.zone.in_(zones),
                columns.holder != "",
                ~columns.rests,
            )
            .subquery()
        )
        sums = (func.count().label("times"), func.sum(spans.c.seconds).label("seconds"))
        key = spans.c.holder.label(holder)
        query = select(key, spans.c.place, *sums).group_by(key, spans.c.place)
        rows = await fetch(self._pool, query)
        told = [{**row, "month": f"{_MONTHS[max(0, row['place'] - 1)]:%Y-%m}"} for row in rows]
        return [row for row in told if month in (None, row["month"])]

    async def clock(self, case_id: str, clock: str) -> Row | None:
        """Give one clock."""
        columns = CLOCKS.c
        query = select(CLOCKS).where(columns.case_id == case_id, columns.clock == clock)
        rows = await fetch(self._pool, query)
        return rows[0] if rows else None

    async def extensions(
        self,
        projects: Sequence[str] | None,
        *,
        case_id: str | None,
        status: ExtensionStatus | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give extensions in the order of their last change."""
        columns = EXTENSIONS.c
        wanted: list[Any] = []
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        if case_id is not None:
            wanted.append(columns.case_id == case_id)
        if status is not None:
            wanted.append(columns.status == status)
        after = None if since is None else (since.changed_at, since.id)
        query = select(EXTENSIONS, columns.extension_id.label("id")).where(*wanted)
        order = (columns.changed_at, columns.extension_id)
        return list(await fetch(self._pool, page(query, order, after, limit)))

    async def extension(self, extension_id: str) -> Row | None:
        """Give one extension."""
        query = select(EXTENSIONS).where(EXTENSIONS.c.extension_id == extension_id)
        rows = await fetch(self._pool, query)
        return rows[0] if rows else None

    async def escalations(
        self,
        projects: Sequence[str] | None,
        *,
        case_id: str | None,
        status: EscalationStatus | None,
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give escalations in the order of their last change."""
        columns = ESCALATIONS.c
        wanted: list[Any] = []
        if projects is not None:
            wanted.append(columns.project_id.in_(projects))
        if case_id is not None:
            wanted.append(columns.case_id == case_id)
        if status is not None:
            wanted.append(status == ESCALATION_STATUS)
        after = None if since is None else (since.changed_at, since.id)
        query = select(*_ESCALATION, columns.escalation_id.label("id")).where(*wanted)
        order = (columns.changed_at, columns.escalation_id)
        return list(await fetch(self._pool, page(query, order, after, limit)))

    async def escalation(self, escalation_id: str) -> Row | None:
        """Give one escalation."""
        rows = await fetch(
            self._pool, select(*_ESCALATION).where(ESCALATIONS.c.escalation_id == escalation_id)
        )
        return rows[0] if rows else None

    async def projects_of_incident(self, incident: str) -> Sequence[str]:
        """Give the projects of an incident's cases."""
        query = select(CASES.c.project_id).where(CASES.c.incident == incident).distinct()
        return [row["project_id"] for row in await fetch(self._pool, query)]

    async def open_of_incident(
        self,
        incident: str,
        *,
        told: Mapping[str, Collection[Role]],
        target: str | None,
        limit: int,
    ) -> tuple[list[Row], int]:
        """Give the last escalation of each clock of an incident that nobody took over, and how many.

        Of each project those that any of its roles in `told` was told.
        """
        columns, taken = ESCALATIONS.c, ESCALATIONS.alias("taken").c
        of_incident = select(CASES.c.case_id).where(CASES.c.incident == incident)
        of_one_clock = (taken.case_id == columns.case_id, taken.clock == columns.clock)
        answered = select(taken.escalation_id).where(
            *of_one_clock, taken.breach == columns.breach, taken.status == "acknowledged"
        )
        wanted: list[Any] = [columns.case_id.in_(of_incident), ESCALATION_STATUS == "open"]
        wanted.append(~answered.exists())
        theirs = [
            and_(columns.project_id == project, columns.to.in_(map(str, roles)))
            for project, roles in told.items()
        ]
        wanted.append(or_(false(), *theirs))
        if target is not None:
            wanted.append(columns.target == target)
        clock = (columns.case_id, columns.clock)
        last = select(ESCALATIONS).where(*wanted).ext(distinct_on(*clock))
        found = last.order_by(*clock, columns.escalated_at.desc()).subquery()
        query = select(found, func.count().over().label("n")).limit(limit)
        rows: list[Row] = [*await fetch(self._pool, query)]
        return rows, int(rows[0]["n"]) if rows else 0

    async def projects_of(self, cases: Sequence[str]) -> Mapping[str, str]:
        """Name the project of each case that is known."""
        query = select(CASES.c.case_id, CASES.c.project_id).where(CASES.c.case_id.in_(cases))
        return {row["case_id"]: row["project_id"] for row in await fetch(self._pool, query)}

    async def published_for(self, version: str) -> PublishedFor:
        """Say for whom a policy was published, as far as it was heard."""
        columns = PUBLICATIONS.c
        query = select(columns.group_id, columns.project_id).where(columns.version == version)
        return next((PublishedFor(**row) for row in await fetch(self._pool, query)), PublishedFor())

    async def others(self, whom: PublishedFor, projects: Sequence[str]) -> Sequence[str]:
        """Name those of the projects that are not among these."""
        if whom.project_id is not None:
            return [project for project in projects if project != whom.project_id]
        if whom.group_id is None:
            return []
        columns = PROJECTS.c
        query = select(columns.project_id).where(
            columns.project_id.in_(projects), columns.group_id != whom.group_id
        )
        return [row["project_id"] for row in await fetch(self._pool, query)]

    async def zones_of(self, projects: Sequence[str], cases: Sequence[str]) -> Sequence[str]:
        """Name the zones in which the days of cases end, of all where none are named."""
        query = select(CASES.c.zone).distinct()
        if cases:
            query = query.where(CASES.c.case_id.in_(cases))
        if projects:
            query = query.where(CASES.c.project_id.in_(projects))
        return [row["zone"] for row in await fetch(self._pool, query)]

    async def concerned(self, which: Reapplication, after: str, limit: int) -> list[str]:
        """Give the cases that a reapplication is about, by name, those after one."""
        query = cases_after(concerned(which), after).limit(limit)
        return [row["case_id"] for row in await fetch(self._pool, query)]

    async def reached(self, which: Reapplication) -> tuple[int, int]:
        """Count the cases that a reapplication is about, and those that it has not reached yet."""
        counted = select(func.count(CLOCKS.c.case_id.distinct()).label("n"))
        [total] = await fetch(self._pool, counted.where(*concerned(which)))
        cursor = await self._pool.fetchval(
            "SELECT cursor FROM sweeps WHERE id = $1", which.sweep.id
        )
        if cursor is None:
            return total["n"], 0
        after = CLOCKS.c.case_id > cursor.removeprefix("clocks-")
        [rest] = await fetch(self._pool, counted.where(*concerned(which), after))
        return total["n"], rest["n"]

    async def reapplications(self, since: Cursor | None, limit: int) -> list[Row]:
        """Give reapplications in the order of their last change."""
        columns = REAPPLICATIONS.c
        after = None if since is None else (since.changed_at, since.id)
        order = (columns.changed_at, columns.reapply_id)
        return list(await fetch(self._pool, page(select(REAPPLICATIONS), order, after, limit)))

    async def reapplication(self, reapply_id: str) -> Row | None:
        """Give one reapplication."""
        query = select(REAPPLICATIONS).where(REAPPLICATIONS.c.reapply_id == reapply_id)
        rows = await fetch(self._pool, query)
        return rows[0] if rows else None


def _held_by(holder: Holder, projects: Sequence[str] | None) -> Subquery:
    """Say of each holding who had the case from then on, until when, and whether it rested.

    A row that gives the case says who has it, the others whether it rests, has ended or goes on:
    each counts until the next of its sort.
    """
    columns = HOLDINGS.c
    in_order: dict[str, Any] = {
        "partition_by": columns.case_id,
        "order_by": (columns.at, columns.place),
    }
    gives = columns.what == text("'gives'")

    def last(column: Any, among: Any) -> Any:
        said = func.array_agg(column).filter(among).over(**in_order)
        from_nothing = func.array_prepend(text("''"), said, type_=ARRAY(Text))
        return from_nothing[func.count().filter(among).over(**in_order) + 1]

    what = last(columns.what, ~gives)
    wanted: list[Any] = [columns.person == (holder == "person")]
    if projects is not None:
        wanted.append(columns.project_id.in_(projects))
    return (
        select(
            *(columns.case_id, columns.place, columns.at),
            func.lead(columns.at).over(**in_order).label("until"),
            case((what == "ends", ""), else_=last(columns.holder, gives)).label("holder"),
            (what == "rests").label("rests"),
        )
        .where(*wanted)
        .subquery("held")
    )


def _wanted(projects: Sequence[str] | None, asked: Asked) -> list[Any]:
    columns = CLOCKS.c
    compared: list[tuple[Any, Any]] = [
        (columns.case_id, asked.case_id),
        (columns.target, asked.target),
        (columns.severity, asked.severity),
        (columns.provisional, asked.provisional),
        (CASES.c.person_id, asked.person_id),
        (CASES.c.department, asked.department),
    ]
    wanted: list[Any] = [column == value for column, value in compared if value is not None]
    if projects is not None:
        wanted.append(columns.project_id.in_(projects))
    if asked.of is not None:
        # Two arrays: a statement takes no more than 32,767 parameters.
        named = [literal([pair[part] for pair in asked.of], _TEXTS) for part in (0, 1)]
        of = func.unnest(*named).table_valued("policy", "target").render_derived()
        wanted.append(tuple_(columns.policy, columns.target).in_(select(of.c.policy, of.c.target)))
    return wanted


async def count_running(pool: asyncpg.Pool, metrics: Metrics) -> None:
    """Set how many clocks of each target run."""
    columns = CLOCKS.c
    query = select(columns.target, func.count().label("n")).where(
        columns.state == text("'running'")
    )
    rows = await fetch(pool, query.group_by(columns.target))
    metrics.clocks_running.clear()  # also of targets of which none runs any more
    for row in rows:
        metrics.clocks_running.labels(row["target"]).set(row["n"])


async def count_unacknowledged(pool: asyncpg.Pool, metrics: Metrics) -> None:
    """Set how many escalations nobody has taken over."""
    is_open = ESCALATION_STATUS == "open"
    [row] = await fetch(pool, select(func.count().label("n")).where(is_open))
    metrics.escalations_unacknowledged.set(row["n"])
