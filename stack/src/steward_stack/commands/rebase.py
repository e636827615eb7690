"""`steward rebase`: services go on with databases that came back from a back-up."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import import_module
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from steward_eventstore import migrations
from steward_service.provision import LISTENERS_KEYS, SERVICES, own_versions
from steward_service.rebase import CannotRebase, Rebased, Tell, rebase, rebase_keys
from steward_stack.door import progress_on
from steward_stack.errors import StewardError
from steward_stack.options import STATE, JsonOption, StateOption, print_json
from steward_stack.stopped import chosen, servers_alone
from steward_stack.supervisor import Endpoints

KEYS = "keys"
KNOWN = (*SERVICES, KEYS)

app = typer.Typer(subcommand_metavar="")
err = Console(stderr=True)


@app.callback(
    invoke_without_command=True,
    epilog="Example: steward up --servers-only --detach && steward rebase && steward down",
)
def rebased(
    *,
    only: Annotated[
        list[str],
        typer.Option("--only", help=f"One of {', '.join(KNOWN)}; may be repeated. Else all."),
    ] = [],  # noqa: B006 - typer copies it
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Let stopped services go on with databases that were restored from a back-up.

    What a database lacks of its own published facts is appended again, word for word; what it had
    not published is published; what it has not heard is heard again. Nothing that was published is
    lost, and no version is used twice. A second time changes nothing.
    """
    names = chosen(only, KNOWN)
    endpoints = servers_alone(state)
    with progress_on(err) as progress:
        services, keys = asyncio.run(_rebase(endpoints, names, progress))
    if as_json:
        print_json({"services": [asdict(one) for one in services], "keys": keys})
        return
    for one in services:
        err.print(_sentence(one), soft_wrap=True, highlight=False)
    if keys is not None:
        err.print(f"keys: {keys} came back from steward.keys.", highlight=False)


async def _rebase(
    endpoints: Endpoints, names: Sequence[str], progress: Progress
) -> tuple[list[Rebased], int | None]:
    tell, kafka = _teller(progress), endpoints.kafka.split(",")
    try:
        # Keys first: what is sealed with them is appended next.
        keys = None
        if KEYS in names:
            stores = [_keys_dsn(endpoints, name) for name in (KEYS, *LISTENERS_KEYS)]
            keys = await rebase_keys(stores, kafka, tell)
        services = [
            await _service(endpoints, name, kafka, tell) for name in SERVICES if name in names
        ]
    except CannotRebase as error:
        raise StewardError(str(error)) from error
    return services, keys


def _keys_dsn(endpoints: Endpoints, name: str) -> str:
    server = os.environ.get("STEWARD_KEYS_POSTGRES") or endpoints.postgres
    return replace(endpoints, postgres=server).database(name)


async def _service(endpoints: Endpoints, name: str, kafka: list[str], tell: Tell) -> Rebased:
    dsn = endpoints.database(name)
    try:
        # A back-up may be older than the program.
        await migrations.upgrade(dsn, own_versions(name))
    except (OSError, asyncpg.PostgresError) as error:
        raise CannotRebase(f"The database of {name} cannot be used: {error}") from error
    read_models: Any = import_module(f"steward_{name}.adapters.read_models")
    return await rebase(
        dsn,
        name,
        kafka,
        project=read_models.project,
        owns_topic=name != "audit",
        mending=getattr(read_models, "MENDING", ()),
        tell=tell,
    )


def _teller(progress: Progress) -> Tell:
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total, now="")
        progress.update(tasks[what], completed=done, total=total)

    return tell


def _sentence(one: Rebased) -> str:
    if not one.changed:
        return f"{one.service}: nothing was lacking."
    return (
        f"{one.service}: {one.appended} facts appended again, {one.published} published, "
        f"{one.heard_again} messages to be heard again."
    )
