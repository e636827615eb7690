"""Measures every line in interleaved rounds and writes `.bench/bench.json`.

By default a run of some minutes that shows where things stand; the figures that count come from
`--rounds 5 --seconds 20 --pending 5000000` on a machine at rest. A new line is a new module in `tests/bench/lines` with `MEASURES` and `LINES`; nothing else.
"""

import argparse
import importlib
import json
import pkgutil
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table
from tests.bench import lines
from tests.bench.frame import Bench, Line, Measure, Result, result

from steward_service import memory
from steward_stack.state import State
from steward_stack.supervisor import running_stack

OUTPUT = Path(".bench/bench.json")


def main() -> None:
    """Run what the arguments ask for."""
    asked = _arguments()
    console = Console(stderr=True)
    wanted, measures = _registry(asked.only)
    if not wanted:
        sys.exit(f"No line's name contains “{asked.only}”.")
    folder = Path(tempfile.mkdtemp(prefix="steward-bench-"))
    state = State(folder / "state")
    try:
        with running_stack(state, console, services=False) as stack:
            servers = stack.endpoints
            bench = Bench(servers.postgres, servers.kafka, asked.seconds, asked.pending)
            results = uvloop.run(_measure(bench, wanted, measures, asked.rounds, console))
    finally:
        state.remove()
        shutil.rmtree(folder)
    _save(results)
    if asked.json:
        print(json.dumps([asdict(each) for each in results], indent=1))
    else:
        Console(width=110).print(_table(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    parser.add_argument("--rounds", type=int, default=2, help="medians are of so many rounds")
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measure in one round")
    parser.add_argument("--only", default="", help="lines whose name contains this")
    parser.add_argument(
        "--pending", type=int, default=200_000, help="alarms in the table (the goal: 5000000)"
    )
    return parser.parse_args()


def _registry(only: str) -> tuple[list[Line], dict[str, Measure]]:
    """Give the lines asked for, and the measures that their figures come from."""
    wanted: list[Line] = []
    measures: dict[str, Measure] = {}
    for found in sorted(module.name for module in pkgutil.iter_modules(lines.__path__)):
        module = importlib.import_module(f"{lines.__name__}.{found}")
        chosen: list[Line] = [line for line in module.LINES if only in line.line]
        figures = {name for line in chosen for name in (line.figure, line.comparison)}
        wanted += chosen
        measures |= {
            name: measure
            for name, measure in module.MEASURES.items()
            if any(figure and figure.split(".")[0] == name for figure in figures)
        }
    return wanted, measures


async def _measure(
    bench: Bench,
    wanted: Sequence[Line],
    measures: dict[str, Measure],
    rounds: int,
    console: Console,
) -> list[Result]:
    await bench.assert_safe()
    figures: dict[str, list[float]] = {}
    for number in range(1, rounds + 1):
        for name, measure in measures.items():
            memory.settle()  # as a service does when it is ready
            with console.status(f"round {number} of {rounds}: {name}"):
                measured = await measure(bench)
                await bench.tidy()
            for figure, value in measured.items():
                figures.setdefault(figure, []).append(value)
            told = ", ".join(f"{figure} {value:,.1f}" for figure, value in measured.items())
            console.print(f"round {number}: {told}", highlight=False)
    return [result(line, figures) for line in wanted]


def _save(results: Sequence[Result]) -> None:
    """Write the results; lines that were not measured this time keep theirs."""
    OUTPUT.parent.mkdir(exist_ok=True)
    known = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else []
    kept = {each["line"]: each for each in known} | {each.line: asdict(each) for each in results}
    OUTPUT.write_text(json.dumps(list(kept.values()), indent=1) + "\n")


def _table(results: Sequence[Result]) -> Table:
    table = Table("line", "figure", "comparison", "ratio", "target", "reached")
    for each in results:
        table.add_row(
            each.line,
            f"{each.figure:,.1f} {each.unit}",
            "" if each.comparison is None else f"{each.comparison:,.1f}",
            "" if each.ratio is None else f"{each.ratio:.2f}",
            f"{each.target:,g}",
            "yes" if each.reached else "NO",
        )
    return table


if __name__ == "__main__":
    main()
