"""`steward simulate`: the past under rules that may be others."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from steward_policy.packs import PackError, load
from steward_stack.door import progress_on
from steward_stack.errors import StewardError
from steward_stack.options import STATE, WIDEST, JsonOption, StateOption, print_json
from steward_stack.simulation import OUTCOMES, Outcomes, simulate
from steward_stack.state import State
from steward_stack.supervisor import endpoints_of_running

app = typer.Typer(
    help="Say what would have been met, against what was; nothing is changed.",
    invoke_without_command=True,
    subcommand_metavar="",
)
err = Console(stderr=True)


@app.callback(epilog="Example: steward simulate --pack stricter.yaml --json")
def simulated(
    *,
    pack: Annotated[
        Path | None,
        typer.Option(help="Rules to try; each case's own rules where none are named."),
    ] = None,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Walk all recorded and imported cases in memory: met and breached by target, project, month."""
    endpoints = endpoints_of_running(State(state))
    try:
        rules = None if pack is None else load(pack.read_text(encoding="utf-8"), pack.name)
    except PackError as error:
        raise StewardError(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StewardError(f"The pack {pack} cannot be read: {error}.") from None
    with progress_on(err) as progress:
        found = asyncio.run(simulate(endpoints, rules, progress))
    lines = found.lines()
    if as_json:
        until = found.until and found.until.isoformat()
        print_json({"cases": found.cases, "until": until, "lines": lines})
        return
    _show(found, lines)


def _show(found: Outcomes, lines: list[dict[str, Any]]) -> None:
    out = Console(width=WIDEST)
    out.print(f"{found.cases} cases, known until {found.until}.", highlight=False)
    out.print(compliance(lines))


def compliance(lines: list[dict[str, Any]]) -> Table:
    """Lay what would have been beside what was, and the totals of each target below."""
    table = Table(
        "target", "project", "month", *OUTCOMES, *(f"was {o}" for o in OUTCOMES), box=None
    )
    totals: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for line in lines:
        sides = line["simulated"], line["recorded"]
        table.add_row(line["target"], line["project"], line["month"], *_figures(sides))
        for total, counts in zip(
            totals.setdefault(line["target"], (Counter(), Counter())), sides, strict=True
        ):
            total.update(counts)
    for target, both in totals.items():
        table.add_row(target, "all", "all", *_figures(both), style="bold")
    return table


def _figures(sides: tuple[Mapping[str, int], ...]) -> list[str]:
    return [str(counts[outcome]) for counts in sides for outcome in OUTCOMES]
