"""`steward import`: registers, and another system's past, taken in as history; nobody is texted."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.progress import Progress

from steward_stack.detaching import detach
from steward_stack.door import Door, progress_on
from steward_stack.errors import StewardError
from steward_stack.example.fortnight import HOUSEHOLDS, PROJECTS, Fortnight
from steward_stack.imports import nyc311, servicenow
from steward_stack.options import STATE, JsonOption, StateOption, print_json
from steward_stack.state import State
from steward_stack.supervisor import endpoints_of

app = typer.Typer(
    help="Take in registers, or another system's past. The same again changes nothing. `facts` of a"
    " past's summary counts by type what the whole installation then holds.",
    no_args_is_help=True,
)
STUCK_SECONDS = 60.0
SETTLED_SECONDS = 3.0
"""How long nothing may change before all is taken to be heard; services look that often."""
POLL_SECONDS = 0.5
AHEAD = 6_000
"""In facts that sla has not handled: of some 700 cases; sla remembers 1,200."""
IMPORTED_BEFORE = "Imported before with another content: what was taken in stays."
out = Console()
err = Console(stderr=True)


@app.command("nyc311", epilog="Example: steward import nyc311 nyc311_2013-12-25.csv.gz --json")
def import_nyc311(
    file: Annotated[Path, typer.Argument(help="A file of 311 service requests, plain or gzipped.")],
    *,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Import the housing and water requests of New York City's 311."""
    if not file.is_file():
        raise StewardError(f"There is no file {file}.")
    with _reading(file):
        found = nyc311.read(file)
        registers, records = list(found.registers()), list(found.past())
    for bad in found.rejected:
        err.print(f"{file.name}, line {bad['line']}: {bad['reason']}", soft_wrap=True)
    read = {**found.counts, "rejected": found.rejected}
    _take_in(state, registers, records, read, as_json=as_json)


@app.command(
    "servicenow",
    epilog="Example: steward import servicenow incident_event_log.csv.gz --tz America/Sao_Paulo",
)
def import_servicenow(
    file: Annotated[Path, typer.Argument(help="An incident log, plain or gzipped.")],
    *,
    tz: Annotated[str, typer.Option("--tz", help="The time zone of the log.")] = "UTC",
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Import the incident log of a ServiceNow system: a row for each change of an incident."""
    if not file.is_file():
        raise StewardError(f"There is no file {file}.")
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise StewardError(f"There is no time zone “{tz}”.") from None
    with _reading(file):
        found = servicenow.read(file, zone)
        registers, records = list(found.registers()), list(found.records(found.last))
    _take_in(state, registers, records, found.counts, as_json=as_json)


@app.command("example", epilog="Example: steward import example --json")
def import_example(*, state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """Import the example's twelve days of history: six projects, 600 households, made from a seed."""
    found = Fortnight()
    records = list(found.history())
    read = {
        "records": len(records),
        "projects": len(PROJECTS),
        "households": len(PROJECTS) * HOUSEHOLDS,
    }
    _take_in(state, found.registers, records, read, as_json=as_json)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    err.print(f"{file.name} is read.", soft_wrap=True, highlight=False, markup=False)
    with progress_on(err) as progress:
        progress.add_task(f"{file.name} is read", total=0, now="")
        yield


@app.command(
    "registers",
    epilog="Example: steward import registers registers.xlsx households.csv --project-id lakeside",
)
def import_registers(
    files: Annotated[list[Path], typer.Argument(help="CSV or XLSX files.", show_default=False)],
    *,
    kind: Annotated[
        str | None,
        typer.Option(
            help="What the files hold, where neither a sheet's nor a file's name says it."
        ),
    ] = None,
    group_id: Annotated[str | None, typer.Option(help="The group of lines that name none.")] = None,
    project_id: Annotated[
        str | None, typer.Option(help="The project of lines that name none.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; say what would change.")
    ] = False,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Register groups, projects, departments, households, people, staff, roles and zones."""
    for file in files:
        if not file.is_file():
            raise StewardError(f"There is no file {file}.")
    folder = State(state)
    if not folder.is_up:
        detach(folder, err)
    said = {"kind": kind, "group_id": group_id, "project_id": project_id}
    query = {name: word for name, word in said.items() if word is not None}
    query["dry_run"] = str(dry_run).lower()
    summary = asyncio.run(_register(folder, files, query))
    if as_json:
        print_json(summary)
    else:
        _tell_registered(summary)
    if summary["refused"]:
        raise typer.Exit(1)


async def _register(
    state: State, files: Sequence[Path], query: Mapping[str, str]
) -> dict[str, Any]:
    door = _door(state)
    total: dict[str, Any] = dict.fromkeys(("rows_read", "registered", "changed", "unchanged"), 0)
    total |= {"refused": [], "ignored": [], "dry_run": query["dry_run"] == "true"}
    try:
        with progress_on(err) as progress:
            task = progress.add_task("Files", total=len(files), now="")
            for file in files:
                progress.update(task, now=file.name)
                answer = await door.post_file(
                    "intake",
                    "/v1/registers/files",
                    file.read_bytes(),
                    f"file-{secrets.token_hex(8)}",
                    {**query, "name": file.name},
                )
                report = answer.json()
                if not answer.is_success:
                    whole = {"sheet": "", "line": 0, "column": "", "error": report["detail"]}
                    report = {"refused": [whole]}
                for name, said in report.items():
                    if isinstance(said, list):
                        total[name] += [{"file": file.name, **each} for each in said]
                    elif name != "dry_run":
                        total[name] += said
                progress.advance(task)
    finally:
        await door.close()
    return total


def _tell_registered(summary: Mapping[str, Any]) -> None:
    for each in summary["refused"]:
        sheet = f", {each['sheet']}" if each["sheet"] else ""
        line = f", line {each['line']}" if each["line"] else ""
        err.print(
            f"{each['file']}{sheet}{line}: {each['error']}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )
    for each in summary["ignored"]:
        what = f"the column “{each['column']}”" if "column" in each else "the sheet"
        sheet = f", {each['sheet']}" if each["sheet"] else ""
        err.print(f"{each['file']}{sheet}: {what} is not known and was left out.", soft_wrap=True)
    for name, figure in summary.items():
        if not isinstance(figure, bool):
            count = len(figure) if isinstance(figure, list) else figure
            out.print(f"{name.replace('_', ' ')}: {count}")
    if summary["dry_run"]:
        out.print("Nothing was changed: this was a dry run.")


def _take_in(
    state: Path,
    registers: Sequence[dict[str, Any]],
    records: Sequence[dict[str, Any]],
    read: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Import, and sum up what was read and what became of it."""
    # Whoever imports a past registers its places today; the play registers them at its own time.
    registers = [
        {name: said for name, said in line.items() if name != "occurred_at"} for line in registers
    ]
    folder = State(state)
    if not folder.is_up:
        detach(folder, err)
    figures = asyncio.run(_import(folder, registers, records))
    summary = {**read, **figures}
    if as_json:
        print_json(summary)
    else:
        for name, figure in summary.items():
            out.print(f"{name.replace('_', ' ')}: {figure}")
    if figures["refused"] or figures["unheard"]:
        raise typer.Exit(1)


async def _import(
    state: State, registers: Sequence[dict[str, Any]], records: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    door = _door(state)
    try:
        with progress_on(err) as progress:
            results = await door.post_lines(progress, "Registers", "/v1/registers", registers)
            registered = door.counts["facts"]
            pace = Pace(lambda: _behind(door))
            results += await door.post_lines(progress, "Records", "/v1/imports", records, pace.keep)
            heard = await _heard(door, progress)
        return {
            "facts_registered": registered,
            "facts_appended": door.counts["facts"] - registered,
            "refused": refused_of(results),
            "facts": heard["facts"],
            "unheard": heard["unpublished"] + heard["unhandled"],
        }
    finally:
        await door.close()


def refused_of(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give each reason of a refusal, how many records have it, and their numbers in their system."""
    by_reason: dict[str, list[str]] = {}
    for line in results:
        if "error" in line:
            before = line.get("code") == "key_reused"
            ids = by_reason.setdefault(IMPORTED_BEFORE if before else line["error"], [])
            ids.append(line.get("id", ""))
    return [
        {"error": reason, "records": len(ids), "ids": [id_ for id_ in ids if id_]}
        for reason, ids in sorted(by_reason.items(), key=lambda each: -len(each[1]))
    ]


def _door(state: State) -> Door:
    endpoints = endpoints_of(state)
    if endpoints is None or "intake" not in endpoints.services:
        raise StewardError("Steward runs without its services: `steward down`, then try again.")
    # Asked for no ports: those of the running stack are taken, and would be chosen anew.
    return Door(endpoints.services, state.settings(()).admin_key)


class Pace:
    """Goes no further ahead of sla than its memory reaches, as long as sla goes on.

    A case of which more is heard after it has fallen out of that memory is read and told anew.
    """

    def __init__(self, behind: Callable[[], Awaitable[int]], stuck: float = STUCK_SECONDS) -> None:
        self._behind = behind
        self._stuck = stuck
        self._given_up = False

    async def keep(self) -> None:
        """Wait until sla is near enough."""
        before, moved_at = -1, time.monotonic()
        while not self._given_up and (behind := await self._behind()) > AHEAD:
            if behind != before:
                before, moved_at = behind, time.monotonic()
            self._given_up = time.monotonic() - moved_at > self._stuck
            await asyncio.sleep(POLL_SECONDS)


async def _behind(door: Door) -> int:
    """Count what sla has not handled; nothing if it does not say."""
    try:
        counters = await door.get("sla", "/v1/counters", {})
    except StewardError:
        return 0
    return int(counters.get("unhandled", 0))


async def _heard(door: Door, progress: Progress) -> Mapping[str, Any]:
    """Wait until every service has heard of everything, as long as what is under way changes."""
    task = progress.add_task("Worked off", total=0, now="")
    before: Mapping[str, Any] = {}
    moved_at = time.monotonic()
    while True:
        now: dict[str, Any] = await door.get("audit", "/v1/facts", {})
        under_way = now["unpublished"] + now["unhandled"]
        still = time.monotonic() - moved_at
        if now != before:
            before, moved_at = now, time.monotonic()
        elif still > (STUCK_SECONDS if under_way else SETTLED_SECONDS):
            return now
        total = sum(now["facts"].values())
        progress.update(task, completed=total, total=total + under_way)
        await asyncio.sleep(POLL_SECONDS)
