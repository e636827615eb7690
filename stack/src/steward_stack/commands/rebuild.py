"""`steward rebuild`: read models of stopped services are written anew from the facts."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from steward_stack.door import progress_on
from steward_stack.options import STATE, JsonOption, StateOption, print_json
from steward_stack.stopped import chosen, servers_alone
from steward_stack.supervisor import SERVICES
from steward_stack.verifying import rebuild

app = typer.Typer(subcommand_metavar="")
out = Console()
err = Console(stderr=True)


@app.callback(
    invoke_without_command=True,
    epilog="Example: steward up --servers-only --detach && steward rebuild && steward down",
)
def rebuilt(
    *,
    only: Annotated[
        list[str],
        typer.Option("--only", help=f"One of {', '.join(SERVICES)}; may be repeated. Else all."),
    ] = [],  # noqa: B006 - typer copies it
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Write those read models of stopped services anew that are not what the facts say.

    An upgrade may add read models that stay empty of what was heard before it; `steward verify`
    names them. Of a service all are written or none; a second time writes nothing.
    """
    names = chosen(only, SERVICES)
    endpoints = servers_alone(state)
    with progress_on(err) as progress:
        models = asyncio.run(rebuild(endpoints, names, progress))
    if as_json:
        print_json(
            {
                "written": any(model.written for model in models),
                "models": [asdict(model) for model in models],
            }
        )
        return
    table = Table("service", "read model", "rows before", "rows after", "", box=None)
    for model in models:
        became = "written" if model.written else "the same"
        table.add_row(model.service, model.model, str(model.before), str(model.after), became)
    out.print(table)
