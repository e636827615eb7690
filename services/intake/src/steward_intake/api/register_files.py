"""Registers as files: a CSV or XLSX is taken in line by line, or only tried."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic_core import from_json, to_json
from starlette.responses import JSONResponse, Response

from steward_decider import Refused
from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.registry import RoleAssigned
from steward_events.sealed import Sealed
from steward_events.tickets import Name
from steward_eventstore.execute import Applied, Job, NotDone, Parked, Repeated, To
from steward_eventstore.port import ForeignMark
from steward_intake.api.by_line import side_by_side
from steward_intake.api.http import Intake, Served, always, cause_of, open_desk
from steward_intake.api.registry import Registrar, look_up, registering
from steward_intake.application.desk import Desk
from steward_intake.application.ports import Row, Seals
from steward_intake.application.register_files import (
    KINDS,
    Complaint,
    Entry,
    Found,
    Known,
    Place,
    kind_named,
    read,
)
from steward_intake.application.registration import batches
from steward_intake.application.spreadsheets import NoTable, sheets_of
from steward_service.auth import Principal
from steward_service.idempotency import idempotency_key
from steward_service.problems import Problem, problem_of
from steward_service.sealing import BrokenSeal, Erased, KeyNotHeard, erased

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_PROJECTS = 10_000

router = APIRouter()

Outcome = Literal["registered", "changed", "unchanged"]


FileName = Annotated[str, StringConstraints(max_length=300)]

# A workbook takes many times its size while it is read.
_ONE_BY_ONE = ThreadPoolExecutor(1, "register-file")


class Asked(BaseModel):
    """What is said beside the file: `name` is the file's own, which may say its kind."""

    # A slip in “dry_run” must not become a real import.
    model_config = ConfigDict(extra="forbid")

    kind: FileName | None = None
    name: FileName = ""
    group_id: Name | None = None
    project_id: Name | None = None
    dry_run: bool = False


@router.post(
    "/v1/registers/files",
    openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {}, _XLSX: {}}}},
)
async def post_register_file(
    request: Request, principal: Registrar, service: Served, asked: Annotated[Asked, Query()]
) -> Response:
    """Register what a CSV or XLSX file says; a bad line is named and stops no other.

    With `dry_run` nothing changes, and the answer says what would.
    """
    key = idempotency_key(request)
    kind = _kind(asked)
    known = await _known(service, principal, asked)
    content = await request.body()
    try:
        found = await asyncio.get_running_loop().run_in_executor(
            _ONE_BY_ONE, lambda: read(sheets_of(content), kind, known)
        )
    except NoTable as error:
        raise Problem(422, "no_table", str(error)) from None
    if not found.places:
        kinds = ", ".join(f"{kind.names.split()[0]} ({name})" for name, kind in KINDS.items())
        raise Problem(
            422, "no_table", f"No sheet has lines of a known kind; name the sheet or kind: {kinds}."
        )
    taken = await _Taking(request, principal, service, key, found, asked.dry_run).take()
    return JSONResponse(taken)


def _kind(asked: Asked) -> str | None:
    if asked.kind is None:
        return kind_named(asked.name.rpartition("/")[2].partition(".")[0])
    kind = asked.kind if asked.kind in KINDS else kind_named(asked.kind)
    if kind is None:
        raise Problem(
            422, "invalid", f"There is no such kind of register; there are {', '.join(KINDS)}."
        )
    return kind


async def _known(service: Intake, principal: Principal, asked: Asked) -> Known:
    theirs = principal.listed()
    projects, groups = [
        await service.registers.listed(register, theirs, {}, None, MOST_PROJECTS)
        for register in ("projects", "groups")
    ]
    return Known(
        service.sealer.digest,
        _by_name(projects, "project_id"),
        _by_name(groups, "group_id"),
        asked.group_id,
        asked.project_id,
        (service.clock.now() + timedelta(days=366)).date(),
    )


def _by_name(rows: Sequence[Row], its: str) -> dict[str, str | None]:
    """Give the IDs by ID and name; None for a name that two have."""
    times = Counter(row["name"] for row in rows)
    named = {row["name"]: row[its] if times[row["name"]] == 1 else None for row in rows}
    return named | {row[its]: row[its] for row in rows}


class _DrySeals:
    """Seals nothing and makes no keys."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self.digest = seals.digest
        self.unseal = seals.unseal

    async def seal(self, subject: str, field: str, _: str) -> Sealed:
        """Give a seal that holds nothing; refuses what is sealed no more."""
        empty = Sealed(subject=subject, field=field, value_id="-", box="")
        with suppress(KeyNotHeard, BrokenSeal):
            if isinstance(await self.unseal(empty), Erased):
                raise erased()
        return empty


class _Taking:
    """One file while it is taken in, or tried."""

    def __init__(
        self,
        request: Request,
        principal: Principal,
        service: Intake,
        key: str,
        found: Found,
        dry_run: bool,
    ) -> None:
        self._request = request
        self._principal = principal
        self._service = service
        self._key = key
        self._found = found
        self._dry_run = dry_run
        self._outcomes: dict[Place, set[Outcome]] = {}
        self._desk = Desk(service.registers, _DrySeals(service.sealer), service.clock)
        self._supposed: dict[str, tuple[int, Any]] = {}

    async def take(self) -> dict[str, Any]:
        """Take every entry, what others name before these, and report."""
        entries = self._found.entries
        for batch in batches({key: entry.says for key, entry in entries.items()}):
            await self._some([entries[key] for key in batch])
        return self._report()

    async def _some(self, entries: Sequence[Entry]) -> None:
        desk = self._desk if self._dry_run else open_desk(self._service)
        await look_up(desk, [entry.says for entry in entries])
        prepared = await side_by_side(
            registering(desk, self._principal, entry.says) for entry in entries
        )
        jobs: dict[int, Job] = {}
        for at, (entry, to) in enumerate(zip(entries, prepared, strict=True)):
            if isinstance(to, Exception):
                self._refuse(entry, to)
            elif self._dry_run:
                await self._suppose(entry, to[0])
            else:
                jobs[at] = self._job(entry, to)
        outcomes = await self._service.executor.execute_batch(list(jobs.values()))
        for at, outcome in zip(jobs, outcomes, strict=True):
            match outcome:
                case Applied(_, answer) | Repeated(answer):
                    self._count(entries[at], from_json(answer or b"{}").get("outcome", "unchanged"))
                case Parked(reason, _):
                    self._refuse(entries[at], Refused(reason))
                case NotDone(error):
                    self._refuse(entries[at], error)

    def _job(self, entry: Entry, to: list[To]) -> Job:
        place = entry.places[0]
        where = f"{place.sheet}|{place.line}|{to[0].stream}"  # a sheet may have any name
        mark = ForeignMark(
            "http",
            self._principal.id,
            f"{self._key}|{hashlib.sha256(where.encode()).hexdigest()}",
            to[0].stream,
            hashlib.sha256(entry.says.model_dump_json().encode()).hexdigest(),
        )
        return Job(cause_of(self._request), always(to), mark, answer=_answer)

    async def _suppose(self, entry: Entry, to: To) -> None:
        """Decide as if all before had been taken, and keep it in mind alone."""
        decider = self._service.executor.decider_of(to.stream)
        if to.stream not in self._supposed:
            state, version = decider.initial, 0
            for recorded in await self._service.executor.store.facts_of(to.stream):
                if recorded.fact is not None:
                    state = decider.evolve(state, recorded.fact)
                version = recorded.version
            self._supposed[to.stream] = (version, state)
        version, state = self._supposed[to.stream]
        try:
            facts = decider.decide(to.command, state)
        except Refused as refused:
            self._refuse(entry, refused)
            return
        for fact in facts:
            state = decider.evolve(state, fact)
        self._supposed[to.stream] = (version + len(facts), state)
        self._count(entry, _outcome(facts, new=version == 0))
        self._remember(facts)

    def _remember(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            register, id_ = _REGISTERS.get(fact.wire_name, ("", ""))
            if register:
                row = fact.model_dump()
                sealed = {name: None for name, value in fact if isinstance(value, Sealed)}
                self._desk.suppose(register, row[id_], row | sealed)

    def _count(self, entry: Entry, outcome: Outcome) -> None:
        for place in entry.places:
            self._outcomes.setdefault(place, set()).add(outcome)

    def _refuse(self, entry: Entry, error: Exception) -> None:
        problem = problem_of(error)
        if problem is None:
            raise error
        said = problem.detail
        if problem.code == "not_found" and (bad := self._found.bad_line_of(entry.says, said)):
            where = f"line {bad.line} of {bad.sheet}" if bad.sheet else f"line {bad.line}"
            said = f"{said.removesuffix('.')}: its own {where} is bad."
        for place in entry.places:
            self._found.refused.setdefault(place, Complaint(said))

    def _report(self) -> dict[str, Any]:
        counted: dict[str, int] = {"registered": 0, "changed": 0, "unchanged": 0}
        for place in self._found.places:
            outcomes = self._outcomes.get(place, set())
            if place not in self._found.refused:
                counted[next((name for name in counted if name in outcomes), "unchanged")] += 1
        return {
            "rows_read": len(self._found.places),
            **counted,
            "refused": [
                {
                    "sheet": place.sheet,
                    "line": place.line,
                    "column": complaint.column,
                    "error": complaint.error,
                }
                for place, complaint in sorted(
                    self._found.refused.items(), key=lambda each: (each[0].sheet, each[0].line)
                )
            ],
            "ignored": [
                {"sheet": sheet} | ({} if column is None else {"column": column})
                for sheet, column in self._found.ignored
            ],
            "dry_run": self._dry_run,
        }


_REGISTERS: Mapping[str, tuple[str, str]] = {
    "registry.group_registered": ("groups", "group_id"),
    "registry.project_registered": ("projects", "project_id"),
    "registry.department_registered": ("departments", "department_id"),
    "registry.household_registered": ("households", "household_id"),
    "registry.person_registered": ("people", "person_id"),
    "registry.staff_registered": ("staff", "person_id"),
    "registry.zone_assigned": ("zones", "zone_id"),
}


def _outcome(facts: Sequence[Fact | None], *, new: bool) -> Outcome:
    if not facts:
        return "unchanged"
    return "registered" if new or isinstance(facts[0], RoleAssigned) else "changed"


def _answer(facts: Sequence[Recorded]) -> bytes:
    new = bool(facts) and facts[0].version == 1
    return to_json({"outcome": _outcome([fact.fact for fact in facts], new=new)})
