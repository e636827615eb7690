"""`steward rules`: every service rule, and where it is carried out."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from steward_stack import rulebook
from steward_stack.errors import StewardError

app = typer.Typer(help="The service rules and where they are carried out.")

CHECKOUT = Path(__file__).parents[4]


@app.callback(invoke_without_command=True, epilog="Example: steward rules --json | jq .state")
def rules(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line for each rule.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/rules.md.")] = False,
    project: Annotated[
        Path, typer.Option(help="The checkout whose tests are looked through.")
    ] = CHECKOUT,
) -> None:
    """List every rule as carried out, planned or hole."""
    if not (project / "tests").is_dir():
        raise StewardError(f"{project} has no tests to look through; name the checkout.")
    found = rulebook.places(project)
    if markdown:
        sys.stdout.write(rulebook.page(found))
        return
    if as_json:
        for place in found:
            line = {
                "id": place.rule.id,
                "service": place.rule.service,
                "state": place.state,
                "policy": place.policy,
                "facts": place.facts,
                "tests": place.tests,
            }
            sys.stdout.write(f"{json.dumps(line, ensure_ascii=False)}\n")
        return
    table = Table("rule", "service", "state", "policy", "tests", box=None)
    for place in found:
        table.add_row(
            place.rule.id,
            place.rule.service,
            place.state,
            ", ".join(place.policy),
            str(len(place.tests) or ""),
        )
    Console().print(table)
