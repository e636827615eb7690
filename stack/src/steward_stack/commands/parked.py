"""`steward parked`: the streams that wait because a message could not be taken, and help for them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from steward_events.cloudevents import place_of
from steward_eventstore.port import LinedUp, ParkedStream, Unavailable
from steward_eventstore.postgres import PostgresStore
from steward_service import retries
from steward_service.clocks import SystemClock
from steward_stack.errors import StewardError
from steward_stack.options import STATE, WIDEST, JsonOption, StateOption, print_json
from steward_stack.state import State
from steward_stack.supervisor import Endpoints, endpoints_of_running

ALL = 10_000
POLL_SECONDS = 0.05

app = typer.Typer(
    help="Streams that wait because a message could not be taken: see why, try again, give up.",
    no_args_is_help=True,
)
err = Console(stderr=True)

ServiceOption = Annotated[
    str | None, typer.Option("--service", help="Only this service, such as sla.")
]
Stream = Annotated[
    str, typer.Argument(help="The parked stream, as `list` names it.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class Found:
    """A parked stream, and the service in whose database it waits."""

    service: str
    store: PostgresStore
    wall: SystemClock
    parked: ParkedStream

    def shown(self) -> dict[str, Any]:
        """Give what a person or a program may know of it; nothing of its content."""
        parked = self.parked
        return {
            "service": self.service,
            "consumer": parked.consumer,
            "stream": parked.stream,
            "code": parked.code,
            "reason": parked.reason,
            "since": _iso(parked.since),
            "retry_at": _iso(parked.retry_at),
            "attempts": parked.attempts,
            "waiting": parked.waiting,
        }


@app.command("list", epilog="Example: steward parked list --service sla --json | jq '.[].reason'")
def list_(
    *, state: StateOption = STATE, service: ServiceOption = None, as_json: JsonOption = False
) -> None:
    """List the streams that wait, why, and when they are tried again by themselves."""

    async def listed(found: list[Found]) -> list[dict[str, Any]]:
        return [one.shown() for one in found]

    lines = _with_parked(state, service, listed)
    if as_json:
        print_json(lines)
        return
    if not lines:
        err.print("Nothing is parked.")
        return
    Console(width=WIDEST).print(_table(lines))


@app.command(epilog="Example: steward parked retry case-0199b1c2 --service visits")
def retry(
    stream: Stream,
    *,
    state: StateOption = STATE,
    service: ServiceOption = None,
    wait: Annotated[
        float, typer.Option("--wait", help="Seconds to wait for what becomes of it.")
    ] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """Try a stream now, once its cause is mended; the exit status is 1 while it stays parked."""

    async def tried(found: list[Found]) -> list[dict[str, Any]]:
        return [await _tried(one, wait) for one in _named(found, stream)]

    results = _with_parked(state, service, tried)
    if as_json:
        print_json(results)
    for result in results:
        err.print(_sentence(result), soft_wrap=True, highlight=False, markup=False)
    if not all(result["free"] for result in results):
        raise typer.Exit(1)


@app.command(epilog="Example: steward parked discard case-0199b1c2 --service visits --yes")
def discard(
    stream: Stream,
    *,
    state: StateOption = STATE,
    service: ServiceOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give up the message at the head of a stream's line, so that the rest goes on without it."""

    async def given_up(found: list[Found]) -> list[dict[str, Any]]:
        chosen = _named(found, stream)
        for one in chosen:
            if not yes and not _agreed(one):
                raise StewardError("Nothing was given up.")
        return [await _discarded(one) for one in chosen]

    results = _with_parked(state, service, given_up)
    if as_json:
        print_json(results)
        return
    for result in results:
        what = f"message {result['message']}" if result["message"] else "the missing version"
        err.print(
            f"{result['service']}: {what} of {result['stream']} is given up.",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


def _table(lines: list[dict[str, Any]]) -> Table:
    """Give a line for each, however narrow the terminal: names are there to be copied whole."""
    table = Table("service", "stream", "waiting", "tried", "next try", "reason", box=None)
    for column in table.columns:
        column.no_wrap = True
    for line in lines:
        said = ("service", "stream", "waiting", "attempts", "retry_at", "reason")
        table.add_row(*(Text(str(line[name])) for name in said))
    return table


async def _tried(found: Found, seconds: float) -> dict[str, Any]:
    """Ask the running service to try, and watch what becomes of it."""
    await retries.retry_now(found.store, found.parked, found.wall)
    in_vain = found.parked.attempts + 2  # the asking counts as one
    deadline = monotonic() + seconds
    now = await _again(found)
    while now is not None and now.attempts < in_vain and monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        now = await _again(found)
    result = {"service": found.service, "stream": found.parked.stream, "free": now is None}
    return result if now is None else result | {"code": now.code, "reason": now.reason}


async def _again(found: Found) -> ParkedStream | None:
    try:
        return await retries.find_parked(found.store, found.parked.stream, found.parked.consumer)
    except retries.NotParked:
        return None


def _sentence(result: dict[str, Any]) -> str:
    if result["free"]:
        return f"{result['service']}: {result['stream']} is free again."
    return f"{result['service']}: {result['stream']} is still parked. {result['reason']}"


def _agreed(found: Found) -> bool:
    parked = found.parked
    return typer.confirm(
        f"{found.service}: {parked.stream} waits because: {parked.reason}\n"
        "Give up the message at the head of its line for good?",
        err=True,
    )


async def _discarded(found: Found) -> dict[str, Any]:
    message: LinedUp | None = await retries.discard(found.store, found.parked, found.wall)
    place = place_of(message.parcel.headers) if message is not None else None
    return {
        "service": found.service,
        "stream": found.parked.stream,
        "message": message.id if message is not None else None,
        "version": place[1] if place is not None else None,
    }


def _named(found: list[Found], stream: str) -> list[Found]:
    chosen = [one for one in found if one.parked.stream == stream]
    if not chosen:
        raise StewardError(
            f"The stream {stream} is not parked; `steward parked list` says what is."
        )
    return chosen


Work = Callable[[list[Found]], Awaitable[list[dict[str, Any]]]]


def _with_parked(state: Path, service: str | None, work: Work) -> list[dict[str, Any]]:
    """Do something with what is parked in the running stack's databases."""
    endpoints = endpoints_of_running(State(state))
    if service is not None and service not in endpoints.services:
        known = ", ".join(endpoints.services)
        raise StewardError(f"There is no service {service}; there are {known}.")
    services = [service] if service is not None else list(endpoints.services)
    try:
        return asyncio.run(_on_databases(endpoints, services, work))
    except retries.NotParked as error:
        raise StewardError(str(error)) from error
    except (OSError, asyncpg.PostgresError, Unavailable) as error:
        raise StewardError(f"The databases cannot be read: {error}") from error


async def _on_databases(
    endpoints: Endpoints, services: list[str], work: Work
) -> list[dict[str, Any]]:
    async with AsyncExitStack() as opened:
        found: list[Found] = []
        for name in services:
            store = await PostgresStore.connect(
                endpoints.database(name), application="steward-parked"
            )
            opened.push_async_callback(store.close)
            wall = await SystemClock.connect(_time_of(store))
            opened.push_async_callback(wall.close)
            found += [Found(name, store, wall, parked) for parked in await store.parked(limit=ALL)]
        return await work(found)


def _time_of(store: PostgresStore) -> Callable[[], Awaitable[datetime]]:
    async def read() -> datetime:
        now: datetime = await store.pool.fetchval("SELECT clock_timestamp()")
        return now

    return read


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
