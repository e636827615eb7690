"""Measures every line in interleaved rounds and writes `.bench/bench.json`.

By default a run of some minutes that shows where things stand; docs/bench/README.md says how the
figures that count are made. Ends with 1 if more than two lines fall short, or one by more than a
fifth, or if a measure failed or nothing could be measured. A new line is a new module in
`tests/bench/lines` with `MEASURES` and `LINES`; nothing else.
"""

import argparse
import asyncio
import cProfile
import importlib
import json
import math
import pkgutil
import pstats
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import uvloop
from rich.console import Console
from rich.table import Table
from tests.bench import lines, plots
from tests.bench.frame import (
    Bench,
    Growth,
    Line,
    Measure,
    NotMeasuredError,
    Result,
    growth,
    result,
)

from steward_service import memory
from steward_stack.state import State
from steward_stack.supervisor import running_stack

OUTPUT = Path(".bench/bench.json")
GROWTH = Path(".bench/growth.json")
SIZES = (100_000, 1_000_000, 5_000_000)
PENDING = 200_000
MAY_MISS = 2
"""So many lines may fall short of their target, and none of them below `LEAST` of it."""
LEAST = 0.8
END_SECONDS = 10.0

Number = TypeVar("Number", int, float)


@dataclass(slots=True)
class Measured:
    """The figures of all rounds by name, and why some measure gave none."""

    rounds: dict[str, list[float]] = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)
    failed: bool = False


def main() -> None:
    """Run what the arguments ask for."""
    asked = _arguments()
    console = Console(stderr=True)
    wanted, measures = _registry(asked.only, growth=asked.growth)
    if not wanted:
        which = "line that --growth measures" if asked.growth else "line"
        sys.exit(f"The name of no {which} contains “{asked.only}”.")
    if asked.load and "load" not in measures:
        sys.exit(f"--load is for the lines of load, and “{asked.only}” leaves them out.")
    folder = Path(tempfile.mkdtemp(prefix="steward-bench-"))
    state = State(folder / "state")
    try:
        with running_stack(state, console, services=False) as stack:
            servers = stack.endpoints
            bench = Bench(
                servers.postgres,
                servers.kafka,
                asked.seconds,
                asked.pending,
                load=asked.load,
                profiles=OUTPUT.parent if asked.profile else None,
            )
            if asked.growth:
                grown = uvloop.run(_grow(bench, measures, asked.rounds, asked.sizes, console))
                _show_growth(wanted, grown, as_json=asked.json)
                return
            measured = uvloop.run(_measure(bench, measures, asked.rounds, console))
    finally:
        state.remove()
        shutil.rmtree(folder)
    results = [result(line, measured.rounds, measured.why_not) for line in wanted]
    _save(OUTPUT, [asdict(each) for each in results])
    if asked.plots:
        plots.write(bench.samples)
    said, enough = _verdict(results)
    if asked.json:
        print(json.dumps([asdict(each) for each in results], indent=1))
    else:
        out = Console(width=140)
        out.print(_table(results))
        out.print(said, highlight=False)
    if measured.failed or not enough:
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    parser.add_argument(
        "--rounds", type=_at_least(1), default=2, help="medians are of so many rounds"
    )
    parser.add_argument(
        "--seconds", type=_at_least(0.5), default=4.0, help="of one measure in one round"
    )
    parser.add_argument("--only", default="", help="lines whose name contains this")
    parser.add_argument(
        "--pending",
        type=_at_least(0),
        help=f"alarms in the table (the goal: 5000000; {PENDING} otherwise)",
    )
    parser.add_argument(
        "--load",
        type=_at_least(0.0),
        default=0,
        help="seconds of load to see memory by (the goal: 3600)",
    )
    parser.add_argument("--plots", action="store_true", help="draw docs/bench/*.svg anew")
    parser.add_argument(
        "--profile", action="store_true", help="write .bench/*-profile.txt; it slows all down"
    )
    parser.add_argument(
        "--growth", action="store_true", help="measure how cost grows instead, of --sizes"
    )
    parser.add_argument(
        "--sizes",
        type=_at_least(1),
        nargs="+",
        help=f"facts stored and alarms pending, of --growth ({' '.join(map(str, SIZES))})",
    )
    asked = parser.parse_args()
    if asked.sizes and not asked.growth:
        parser.error("Only --growth measures at --sizes.")
    asked.sizes = asked.sizes or SIZES
    if len(set(asked.sizes)) < 2:
        parser.error("Growth is from one of the --sizes to another; name two.")
    if asked.growth and (asked.pending is not None or asked.load or asked.plots):
        parser.error("--growth measures at --sizes: it takes no --pending, --load or --plots.")
    if asked.pending is None:
        asked.pending = PENDING
    return asked


def _at_least(least: Number) -> Callable[[str], Number]:
    """Read a number of the same kind; with less there is nothing to measure."""

    def number(said: str) -> Number:
        kind = type(least)
        try:
            value = kind(said)
        except ValueError:
            value = None
        if value is None or not abs(value) < math.inf:
            what = "a whole number" if kind is int else "a finite number"
            raise argparse.ArgumentTypeError(f"{said} is not {what}.")
        if value < least:
            raise argparse.ArgumentTypeError(f"{said} measures nothing: {least} is the least.")
        return value

    return number


def _registry(only: str, *, growth: bool) -> tuple[list[Line], dict[str, Measure]]:
    """Give the lines asked for, and the measures that their figures come from."""
    wanted: list[Line] = []
    known: dict[str, Measure] = {}
    for found in sorted(module.name for module in pkgutil.iter_modules(lines.__path__)):
        module = importlib.import_module(f"{lines.__name__}.{found}")
        known |= module.MEASURES
        wanted += [
            line for line in module.LINES if only in line.line and (line.grows or not growth)
        ]
    figures = {line.figure for line in wanted}
    if not growth:
        figures |= {line.comparison for line in wanted if line.comparison}
    needed = {figure.split(".")[0] for figure in figures}
    return wanted, {name: measure for name, measure in known.items() if name in needed}


async def _measure(
    bench: Bench, measures: Mapping[str, Measure], rounds: int, console: Console
) -> Measured:
    await bench.assert_safe()
    measured = Measured()
    for number in range(1, rounds + 1):
        for name in measures:
            if name not in measured.why_not:
                await _take(bench, name, measures[name], measured, f"round {number}", console)
    return measured


async def _take(
    bench: Bench, name: str, measure: Measure, measured: Measured, when: str, console: Console
) -> None:
    memory.settle()  # as a service does when it is ready
    before = asyncio.all_tasks()
    try:
        with console.status(f"{when}: {name}"), _profiled(bench.profiles, name):
            figures = await measure(bench)
    except NotMeasuredError as error:
        measured.why_not[name] = str(error)
        return
    except Exception as error:
        # An hour's other figures are not lost for it; the run ends with a failure.
        console.print_exception()
        measured.why_not[name] = f"It failed: {error}"
        measured.failed = True
        return
    finally:
        await _end(asyncio.all_tasks() - before)
        await bench.tidy()
    for figure, value in figures.items():
        measured.rounds.setdefault(figure, []).append(value)
    if figures:
        told = ", ".join(f"{figure} {value:,.1f}" for figure, value in figures.items())
        console.print(f"{when}: {told}", highlight=False)


async def _end(tasks: Collection[asyncio.Task[object]]) -> None:
    """End what a measure that failed or was interrupted has left at work."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=END_SECONDS)


@contextmanager
def _profiled(folder: Path | None, name: str) -> Iterator[None]:
    """Write where the event loop's thread spent its time, the largest first."""
    if folder is None:
        yield
        return
    with cProfile.Profile() as profile:
        yield
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}-profile.txt").open("w") as file:
        pstats.Stats(profile, stream=file).strip_dirs().sort_stats("tottime").print_stats(30)


async def _grow(
    bench: Bench,
    measures: Mapping[str, Measure],
    rounds: int,
    sizes: Sequence[int],
    console: Console,
) -> dict[int, Measured]:
    """Measure with so many facts stored and so many alarms pending, the sizes in turn."""
    await bench.assert_safe()
    grown = {size: Measured() for size in sizes}
    for number in range(1, rounds + 1):
        for name, measure in measures.items():
            for size in sizes:
                bench.stored = bench.pending = size
                when = f"round {number}, {size:,}"
                await _take(bench, name, measure, grown[size], when, console)
    return grown


def _show_growth(wanted: Sequence[Line], grown: Mapping[int, Measured], *, as_json: bool) -> None:
    """Say for each line whether the largest size costs as much as the smallest."""
    sizes = sorted(grown)
    told = [growth(line, {size: grown[size].rounds for size in sizes}) for line in wanted]
    _save(GROWTH, [asdict(each) for each in told])
    if as_json:
        print(json.dumps([asdict(each) for each in told], indent=1))
    else:
        Console(width=140).print(_growth_table(sizes, told))
    if any(measured.failed for measured in grown.values()) or not all(each.flat for each in told):
        sys.exit(1)


def _growth_table(sizes: Sequence[int], told: Sequence[Growth]) -> Table:
    table = Table("line", "unit", *(f"{size:,}" for size in sizes), "change", "spread", "flat")
    for each in told:
        table.add_row(
            each.line,
            each.unit,
            *(f"{each.figures[size]:,.1f}" if size in each.figures else "" for size in sizes),
            "" if each.change is None else f"{each.change:+.0%}",
            "" if each.spread is None else f"{each.spread:.0%}",
            each.why_not or ("yes" if each.flat else "NO"),
        )
    return table


def _save(file: Path, told: Sequence[Mapping[str, object]]) -> None:
    """Write the results, each with its day; lines that were not measured this time keep theirs."""
    file.parent.mkdir(exist_ok=True)
    kept = {each["line"]: each for each in json.loads(file.read_text())} if file.exists() else {}
    day = datetime.now(UTC).date().isoformat()
    for each in told:
        if each.get("figure") is not None or each.get("figures") or each["line"] not in kept:
            kept[each["line"]] = {**each, "measured_on": day}
    file.write_text(json.dumps(list(kept.values()), indent=1) + "\n")


def _table(results: Sequence[Result]) -> Table:
    table = Table("line", "figure", "comparison", "ratio", "target", "of target", "reached")
    for each in results:
        figure = each.why_not if each.figure is None else f"{_rounded(each.figure)} {each.unit}"
        reached = "" if each.of_target is None else "yes" if each.of_target >= 1 else "NO"
        table.add_row(
            each.line,
            figure,
            "" if each.comparison is None else _rounded(each.comparison),
            "" if each.ratio is None else f"{each.ratio:.3g}",
            "" if each.target is None else f"{each.target:,g}",
            "" if each.of_target is None else f"{each.of_target:.2f}",
            reached,
        )
    return table


def _rounded(figure: float) -> str:
    return f"{figure:,.1f}" if figure >= 10 else f"{figure:.2f}"


def _verdict(results: Sequence[Result]) -> tuple[str, bool]:
    """Sum the lines up, and say whether that is enough."""
    judged = {each.line: each.of_target for each in results if each.of_target is not None}
    if not judged:
        measured = any(each.figure is not None for each in results)
        return f"Nothing was {'judged' if measured else 'measured'}.", measured
    aims = sum(each.target is not None for each in results)
    missed = sum(ratio < 1 for ratio in judged.values())
    least = min(judged, key=judged.__getitem__)
    said = (
        f"Judged {len(judged)} of the {aims} lines with a target: missed {missed},"
        f" least ratio {judged[least]:.2f} ({least})."
    )
    return said, missed <= MAY_MISS and judged[least] >= LEAST
