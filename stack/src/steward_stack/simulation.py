"""What would have been met: the past of every case under rules that may be others.

The clocks of a case are a pure function of its facts, so each case is walked once, in memory, from
what intake has stored of it; nothing is written. What a rule itself did to a case (a severity that
was raised by age) is left out and follows anew from the rules that are tried.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from rich.progress import Progress
from sqlalchemy import func, select

from steward_events.recorded import Recorded
from steward_events.sla import CaseNoted, ExtensionApproved, ExtensionRefused, ExtensionRequested
from steward_policy.packs import Rules, UnknownVersion
from steward_service.policies import Policies
from steward_service.queries import DATABASE_FAULTS, fetch
from steward_sla.adapters.clock_lists import STATUS
from steward_sla.adapters.read_models import CLOCKS, POLICIES, month_of
from steward_sla.adapters.sweeping import Calendars
from steward_sla.application.queries import WORDS, word
from steward_sla.application.reactions import follow
from steward_sla.domain.case_facts import REAPPLIED, CaseFact
from steward_sla.domain.clock import Clock
from steward_sla.domain.clocks import Era, HearCaseFact, course_of, era_of, extension_noted
from steward_sla.domain.timeline import Course, Timeline
from steward_stack.errors import StewardError
from steward_stack.snapshots import facts_of, snapshot
from steward_stack.supervisor import Endpoints

_CASES = """
SELECT stream_id, version, type, data::text, meta::text FROM events
 WHERE starts_with(stream_id, 'case-') ORDER BY stream_id, version
"""
_OWN = """
SELECT stream_id, version, type, data::text, meta::text FROM events
 WHERE type = 'sla.case_noted.v1' AND (data ->> 'version')::bigint < 0
    OR type IN ('sla.extension_requested.v1', 'sla.extension_approved.v1',
                'sla.extension_refused.v1')
 ORDER BY stream_id, version
"""
_EXTENT = """
SELECT count(*), max(greatest((meta ->> 'occurred')::timestamptz,
                              CASE type WHEN 'intake.history_ended.v1'
                                        THEN (data ->> 'until')::timestamptz END))
  FROM events WHERE starts_with(stream_id, 'case-')
"""
"""Other facts name an `until` that is still to come."""

OUTCOMES = tuple(dict.fromkeys(WORDS.values()))
"""What can come of a clock."""

Place = tuple[str, str, str]
"""Target, project and month of the due day."""


@dataclass(slots=True)
class Own:
    """What sla itself noted of a case: under which other versions it went, what time was granted."""

    eras: list[Era] = field(default_factory=list)
    facts: list[CaseFact] = field(default_factory=list)
    noted: int = 0


@dataclass(slots=True)
class Outcomes:
    """What would have been and what was, by place; `until` is the last instant known of."""

    cases: int = 0
    until: datetime | None = None
    simulated: dict[Place, Counter[str]] = field(default_factory=dict)
    recorded: dict[Place, Counter[str]] = field(default_factory=dict)

    def lines(self) -> list[dict[str, Any]]:
        """Lay both side by side, in order of target, project and month."""
        return [
            {
                "target": target,
                "project": project,
                "month": month,
                "simulated": _figures(self.simulated.get((target, project, month))),
                "recorded": _figures(self.recorded.get((target, project, month))),
            }
            for target, project, month in sorted(self.simulated.keys() | self.recorded.keys())
        ]


async def simulate(endpoints: Endpoints, rules: Rules | None, progress: Progress) -> Outcomes:
    """Walk every case under these rules, or each under its own, reapplied ones among them.

    Raises StewardError when the databases cannot be read.
    """
    found = Outcomes()
    try:
        async with snapshot(endpoints, "sla") as sla, snapshot(endpoints, "intake") as intake:
            timelines = await _timelines(sla, rules)
            own = await _own(sla, reapplied=rules is None)
            [(total, found.until)] = await intake.fetch(_EXTENT)
            task = progress.add_task("Facts", total=total, now="")
            async for case in _cases(intake):
                walk(case, timelines, own, found)
                progress.advance(task, len(case))
            await _look_up(sla, found)
    except DATABASE_FAULTS as error:
        raise StewardError(f"The databases cannot be read: {error}") from error
    return found


async def _timelines(sla: asyncpg.Connection, rules: Rules | None) -> Callable[[str], Timeline]:
    calendars = Calendars()
    await calendars.load(sla)
    if rules is not None:
        tried = Timeline(rules, calendars())
        return lambda _: tried
    policies = Policies()
    await policies.load(sla, POLICIES)
    known: dict[str, Timeline] = {}

    def timeline_of(version: str) -> Timeline:
        if version not in known:
            try:
                known[version] = Timeline(policies[version], calendars())
            except UnknownVersion as unknown:
                raise StewardError(f"{unknown} Name a pack by --pack.") from None
        return known[version]

    return timeline_of


async def _own(sla: asyncpg.Connection, *, reapplied: bool) -> Mapping[str, Own]:
    """Give by case what sla noted; without `reapplied` no case goes by another version."""
    found: dict[str, Own] = {}
    async for recorded in facts_of(sla, _OWN):
        match recorded.fact:
            case CaseNoted() as noted:
                own = found.setdefault(noted.case_id, Own())
                if reapplied and noted.noted == REAPPLIED:
                    own.eras.append(era_of(noted))
            case ExtensionRequested() | ExtensionApproved() | ExtensionRefused() as extension:
                own = found.setdefault(extension.case_id, Own())
                own.facts.append(extension_noted(extension, own.noted))
            case _:
                continue
        own.noted += 1
    return found


async def _cases(intake: asyncpg.Connection) -> AsyncIterator[list[Recorded]]:
    """Give the facts of one case after the other."""
    case: list[Recorded] = []
    async for recorded in facts_of(intake, _CASES):
        if case and case[0].stream != recorded.stream:
            yield case
            case = []
        case.append(recorded)
    if case:
        yield case


def walk(
    case: Sequence[Recorded],
    timeline_of: Callable[[str], Timeline],
    own: Mapping[str, Own],
    found: Outcomes,
) -> None:
    """Count what would have come of one case."""
    told = [
        to.command
        for recorded in case
        for to in follow(recorded)
        if isinstance(to.command, HearCaseFact)
    ]
    facts = [
        CaseFact(said.name, said.at, said.version, said.fields)
        for said in told
        if not (said.name == "severity_raised" and said.fields.get("cause") == "age")
    ]
    received = next((fact for fact in facts if fact.name == "case_received"), None)
    if received is None or found.until is None:
        return
    found.cases += 1
    first = Era(str(received.fields.get("policy", "")))
    zone = ZoneInfo(str(received.fields["zone"]))
    noted = own.get(told[0].case_id, Own())
    course = course_of([first, *noted.eras], timeline_of, zone)
    for clock in _clocks(course, [*facts, *noted.facts], found.until):
        place = (clock.target.id, told[0].project_id, month_of(clock.limit))
        status = word(clock.status(found.until), excused=clock.excused)
        found.simulated.setdefault(place, Counter())[status] += 1


def _clocks(course: Course, facts: list[CaseFact], until: datetime) -> Sequence[Clock]:
    """Give the clocks of a case; what a breach does to the case is done, and all is walked again."""
    raised: set[str] = set()
    while True:
        facts.sort(key=lambda fact: (fact.at, fact.version))
        clocks = course.clocks(tuple(facts))
        for clock in clocks:
            at, then = clock.breach_at, clock.target.on_breach
            if then is None or at is None or at >= until or clock.id in raised:
                continue
            raised.add(clock.id)
            fields = {"severity": then.raise_severity, "cause": "age"}
            version = max(fact.version for fact in facts) + 1
            facts.append(CaseFact("severity_raised", at, version, fields))
            break
        else:
            return clocks


async def _look_up(sla: asyncpg.Connection, found: Outcomes) -> None:
    columns = CLOCKS.c
    line = (columns.target, columns.project_id, columns.month, STATUS, columns.excused)
    for row in await fetch(sla, select(*line, func.count().label("n")).group_by(*line)):
        place = (row["target"], row["project_id"], row["month"])
        status = word(row["status"], excused=row["excused"])
        found.recorded.setdefault(place, Counter())[status] += row["n"]


def _figures(counts: Counter[str] | None) -> dict[str, int]:
    return {word: (counts or Counter())[word] for word in OUTCOMES}
