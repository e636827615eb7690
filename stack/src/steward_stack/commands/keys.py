"""`steward keys`: API keys for people and for other systems, known to all services at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from steward_service.auth import EVERY_PROJECT, ROLES, Authenticator
from steward_stack.errors import StewardError
from steward_stack.options import STATE, WIDEST, JsonOption, StateOption, print_json
from steward_stack.state import State
from steward_stack.supervisor import endpoints_of_running

app = typer.Typer(
    help="API keys: make one, list all, let one be worth nothing.", no_args_is_help=True
)
err = Console(stderr=True)

Answer = TypeVar("Answer")


@app.command(epilog="Example: steward keys create hotline --role ticketing --project pier-1")
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses it.", show_default=False)],
    *,
    role: Annotated[
        list[str], typer.Option("--role", help=f"One of {', '.join(ROLES)}; may be repeated.")
    ],
    project: Annotated[
        list[str],
        typer.Option(
            "--project",
            help=f"A project's or a group's ID, or {EVERY_PROJECT} for all; may be repeated.",
        ),
    ],
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Make a key: it stands on standard output, this once."""
    key_id, key = _with_keys(state, lambda keys: keys.make_key(name, role, project))
    if as_json:
        print_json({"id": key_id, "name": name, "roles": role, "projects": project, "key": key})
        return
    err.print(f"The key {key_id} is made; it is shown this once.", highlight=False)
    typer.echo(key)


@app.command("list", epilog="Example: steward keys list --json | jq -r '.[].name'")
def list_(*, state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """List all keys, without the keys themselves."""
    listed = _with_keys(state, Authenticator.listed)
    if as_json:
        print_json([asdict(key) for key in listed])
        return
    table = Table("id", "name", "roles", "projects", "state", box=None)
    for key in listed:
        said = (key.id, key.name, ", ".join(key.roles), ", ".join(key.projects))
        table.add_row(*map(Text, said), "in force" if key.in_force else "revoked")
    Console(width=WIDEST).print(table)


@app.command(epilog="Example: steward keys revoke 0199b1c2-5d3e-7c41-9d0a-2f6b8e4a1c77")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's ID.", show_default=False)],
    *,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Let a key be worth nothing; it is refused five seconds later at most."""
    if not _with_keys(state, lambda keys: keys.revoke(key_id)):
        raise StewardError(f"There is no key {key_id} that is in force.")
    if as_json:
        print_json({"id": key_id, "in_force": False})
        return
    err.print(f"The key {key_id} is worth nothing from now on.", highlight=False, markup=False)


def _with_keys(state: Path, work: Callable[[Authenticator], Awaitable[Answer]]) -> Answer:
    """Do something with the keys of the running stack."""
    dsn = endpoints_of_running(State(state)).database("keys")

    async def done() -> Answer:
        async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
            return await work(Authenticator(pool))

    try:
        return asyncio.run(done())
    except ValueError as error:
        raise StewardError(str(error)) from error
    except (OSError, asyncpg.PostgresError) as error:
        raise StewardError(f"The keys cannot be reached: {error}") from error
