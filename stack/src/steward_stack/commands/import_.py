"""`steward import`: another system's past, taken in as history; nobody is texted about it."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    help="Take in another system's past. Sending the same again changes nothing.",
    no_args_is_help=True,
)
STUCK_SECONDS = 60.0
SETTLED_SECONDS = 3.0
"""How long nothing may change before all is taken to be heard; services look that often."""
POLL_SECONDS = 0.5
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
    found = nyc311.read(file)
    for bad in found.rejected:
        err.print(f"{file.name}, line {bad['line']}: {bad['reason']}", soft_wrap=True)
    read = {**found.counts, "rejected": found.rejected}
    _take_in(state, found.registers(), found.past(), read, as_json=as_json)


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
    found = servicenow.read(file, zone)
    _take_in(state, found.registers(), found.records(found.last), found.counts, as_json=as_json)


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


def _take_in(
    state: Path,
    registers: Iterable[dict[str, Any]],
    records: Iterable[dict[str, Any]],
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
    figures = asyncio.run(_import(folder, registers, list(records)))
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
    endpoints = endpoints_of(state)
    if endpoints is None or "intake" not in endpoints.services:
        raise StewardError("Steward runs without its services: `steward down`, then try again.")
    # Asked for no ports: those of the running stack are taken, and would be chosen anew.
    door = Door(endpoints.services, state.settings(()).admin_key)
    try:
        with progress_on(err) as progress:
            await door.post_lines(progress, "Registers", "/v1/registers", registers)
            registered = door.counts["facts"]
            await door.post_lines(progress, "Records", "/v1/imports", records)
            heard = await _heard(door, progress)
        return {
            "facts_registered": registered,
            "facts_appended": door.counts["facts"] - registered,
            "refused": [
                {"error": sentence, "lines": lines}
                for sentence, lines in Counter(door.refusals).most_common()
            ],
            "facts": heard["facts"],
            "unheard": heard["unpublished"] + heard["unhandled"],
        }
    finally:
        await door.close()


async def _heard(door: Door, progress: Progress) -> Mapping[str, Any]:
    """Wait until every service has heard of everything, as long as what is under way changes."""
    task = progress.add_task("Worked off", total=None, now="")
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
