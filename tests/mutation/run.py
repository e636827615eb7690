"""Takes each guard out in turn, in a copy of its package, and runs the test that must fail.

every test named: passes --> copy of one package, one text replaced --> its test: must fail

The copy stands in front of the installed packages, so that nothing else changes. Two workers, each
with a Kafka and a PostgreSQL of its own: an open transaction holds up the relays of its whole server.

A guard is caught when its test fails by what it expects, or by a check of the program. A test's time
limit, a test that cannot begin and a program that is broken without the guard show nothing.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from tests.mutation.guard import Guard
from tests.mutation.guards import GUARDS
from tests.mutation.page import page
from tests.support.stack import short_lived_servers

from steward_stack.interrupting import interrupt_once
from steward_stack.supervisor import Endpoints

ROOT = Path(__file__).parents[2]
WORKERS = 2
PATIENCE = 10
"""Times what the slowest of the tests takes with all guards in place: then it hangs, on any machine."""
LEAST_PATIENCE = 100.0
"""In seconds; a test of few milliseconds tells nothing of how long one may take."""
STEPS = "1000"
"""Of the test that goes by steps: the beginning of its ordinary run."""
HOW_LONG = 100
"""Characters that are told of a failure."""
_BROKEN = frozenset(
    {
        *("AttributeError", "CancelledError", "ImportError", "ModuleNotFoundError"),
        *("NameError", "TypeError", "UnboundLocalError"),
        *("MemoryError", "RecursionError", "SystemExit"),
        *("IndentationError", "SyntaxError"),
        # What is said of a statement that cannot be prepared.
        *("AmbiguousColumnError", "AmbiguousParameterError", "DatatypeMismatchError"),
        *("IndeterminateDatatypeError", "PostgresSyntaxError", "UndefinedColumnError"),
        *("UndefinedFunctionError", "UndefinedObjectError", "UndefinedParameterError"),
        "UndefinedTableError",
        # Of servers that are gone, or have no room.
        *("AdminShutdownError", "CannotConnectNowError", "ConnectionDoesNotExistError"),
        *("ConnectionRefusedError", "ConnectionResetError", "CrashShutdownError", "DiskFullError"),
        *("KafkaConnectionError", "NodeNotReadyError", "OSError", "TooManyConnectionsError"),
    }
)
_RAISED = re.compile(r"(?:\w+\.)*(\w+)(?:: (.*))?")


@dataclass(frozen=True, slots=True)
class Caught:
    """What became of one guard's test without the guard."""

    guard: str
    section: str
    removed_in: str
    test: str
    caught: bool
    how: str
    """The first line of the failure, or why there is none."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """How a run of pytest ended; `failure` is that of the first test that failed itself."""

    status: int
    failure: str
    said: str
    slowest: float
    """How long its slowest test took, in seconds."""


class _Programs:
    """What runs for us beside each other, and does not outlive an interruption."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._over = False

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; raises KeyboardInterrupt where nothing is to begin any more."""
        with self._lock:
            if self._over:
                raise KeyboardInterrupt
            process = subprocess.Popen(
                arguments,
                env=environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C reaches us alone, and it once
            )
            self._running.add(process)
        said, complained = process.communicate()
        with self._lock:
            self._running.remove(process)
        return subprocess.CompletedProcess(arguments, process.returncode, said, complained)

    @contextmanager
    def ended_with_us(self) -> Iterator[None]:
        """After an interruption begin nothing more, and interrupt what runs: it ends in order."""
        try:
            yield
        except KeyboardInterrupt:
            with self._lock:
                self._over = True
                for process in self._running:
                    process.send_signal(signal.SIGINT)
            raise


_PROGRAMS = _Programs()


def main() -> None:
    """Run what the arguments ask for; the exit status is 1 when a guard's test did not fail."""
    asked = _arguments()
    if asked.page:
        sys.stdout.write(page())
        return
    guards = [guard for guard in GUARDS if asked.only in f"{guard.name} {guard.file} {guard.test}"]
    if not guards:
        sys.exit(f"No guard, file or test contains “{asked.only}”.")
    console = Console(stderr=True)
    interrupt_once()
    try:
        with _servers(guards, console) as servers:
            slowest = _all_pass(guards, servers, console)
            if slowest is None:
                sys.exit(
                    "A named test fails with all guards in place: nothing can be said of them."
                )
            patience = max(LEAST_PATIENCE, PATIENCE * slowest)
            found = list(_without_each(guards, servers, patience, console))
    except KeyboardInterrupt:
        console.print("It was ended before all guards were taken out.")
        sys.exit(130)
    found.sort(key=lambda each: [guard.name for guard in guards].index(each.guard))
    caught = sum(each.caught for each in found)
    if asked.json:
        print(json.dumps([asdict(each) for each in found], indent=1, ensure_ascii=False))
    else:
        output = Console(width=None if sys.stdout.isatty() else 180)
        output.print(_table(found))
        output.print(f"{caught}/{len(found)} caught", highlight=False)
    sys.exit(caught < len(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__)
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    parser.add_argument("--only", default="", help="guards whose name, file or test contains this")
    parser.add_argument("--page", action="store_true", help="docs/guarantees.md as it should be")
    return parser.parse_args()


@contextmanager
def _servers(guards: Sequence[Guard], console: Console) -> Iterator[list[Mapping[str, str]]]:
    """Start servers for each worker; gives the variables by which tests find them."""
    if all(guard.test.startswith("tests/unit/") for guard in guards):
        yield [{}] * WORKERS
        return
    with ExitStack() as stack:
        yield [
            _variables(stack.enter_context(short_lived_servers(console)))
            for _ in range(min(WORKERS, len(guards)))
        ]


def _variables(endpoints: Endpoints) -> dict[str, str]:
    return {"STEWARD_KAFKA": endpoints.kafka, "STEWARD_POSTGRES": endpoints.postgres}


def _all_pass(
    guards: Sequence[Guard], servers: Sequence[Mapping[str, str]], console: Console
) -> float | None:
    """Run the tests with all guards; gives how long the slowest took, None if one of them fails."""
    tests = sorted({guard.test for guard in guards})
    parts = [part for n in range(len(servers)) if (part := tests[n :: len(servers)])]
    with (
        console.status(f"The {len(tests)} tests with all guards in place"),
        ThreadPoolExecutor(len(parts)) as pool,
        _PROGRAMS.ended_with_us(),
    ):
        runs = list(pool.map(_pytest, parts, servers))
    for run in runs:
        if run.status:
            console.print(run.said, markup=False, highlight=False)
    return None if any(run.status for run in runs) else max(run.slowest for run in runs)


def _without_each(
    guards: Sequence[Guard],
    servers: Sequence[Mapping[str, str]],
    patience: float,
    console: Console,
) -> Iterator[Caught]:
    free: SimpleQueue[Mapping[str, str]] = SimpleQueue()
    for each in servers:
        free.put(each)

    def one(guard: Guard) -> Caught:
        mine = free.get()
        try:
            return _without(guard, mine, patience)
        finally:
            free.put(mine)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeElapsedColumn(), console=console) as progress,
        ThreadPoolExecutor(len(servers)) as pool,
        _PROGRAMS.ended_with_us(),
    ):
        task = progress.add_task("Guards taken out", total=len(guards))
        for found in pool.map(one, guards):
            progress.advance(task)
            if not found.caught:
                progress.console.print(f"Not shown: {found.guard} ({found.how})", markup=False)
            yield found


def _without(guard: Guard, servers: Mapping[str, str], patience: float) -> Caught:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="steward-mutant-") as folder:
        source = ROOT / guard.file
        package = next(parent for parent in source.parents if parent.parent.name == "src")
        copy = Path(folder) / package.name
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        mutant = copy / source.relative_to(package)
        mutant.write_text(guard.without(source.read_text(encoding="utf-8")), encoding="utf-8")
        run = _pytest([guard.test], {**servers, "PYTHONPATH": folder}, package.name, patience)
    # A test that failed may fail once more as it ends; one that could not begin has proved nothing.
    return Caught(
        guard.name,
        guard.section,
        guard.file,
        guard.test,
        run.status == 1 and shows(run.failure),
        (run.failure or run.said).strip().partition("\n")[0][:HOW_LONG],
        round(time.monotonic() - began, 1),
    )


def shows(failure: str) -> bool:
    """Whether a failure, as pytest tells it, is of what was expected; no failure is none."""
    raised = _RAISED.fullmatch(failure.partition("\n")[0])
    if raised is None:
        # An assertion; only what cannot be compiled is told by its place.
        return bool(failure) and not failure.lstrip().startswith("File ")
    name, words = raised[1], raised[2] or ""
    timed_out = "Timeout" in name or (name == "Failed" and words.startswith("Timeout"))
    return name not in _BROKEN and not timed_out


def _pytest(
    tests: Sequence[str], variables: Mapping[str, str], package: str = "", patience: float = 0
) -> Run:
    """Run tests; with a package, only if the copy of it is what they import.

    `patience` is for how many seconds one test may run; 0 for as long as tests may run anyway.
    """
    environment = {**os.environ, "STEWARD_STEPS": STEPS, **variables}
    if package:
        where = f"import {package}; print({package}.__file__)"
        found = _PROGRAMS.run([sys.executable, "-c", where], environment).stdout
        if not found.startswith(variables["PYTHONPATH"]):
            raise RuntimeError(f"The copy of {package} is not what Python imports, but {found}")
    with tempfile.TemporaryDirectory(prefix="steward-report-") as folder:
        report = Path(folder) / "report.xml"
        ended = _PROGRAMS.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
                *(("--timeout", f"{patience:.0f}") if patience else ()),
                *("--junitxml", str(report), *tests),
            ],
            environment,
        )
        if not report.exists():
            return Run(ended.returncode, "", (ended.stdout + ended.stderr)[-3000:], 0.0)
        suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    failures = [str(each.get("message")) for each in suite.iter("failure")]
    errors = [str(each.get("message")) for each in suite.iter("error")]
    ended_so = f"the test ended with {errors[0]}" if errors else "the test passes"
    return Run(
        ended.returncode,
        failures[0] if failures else "",
        ended_so if package else (ended.stdout + ended.stderr)[-3000:],
        max([float(each.get("time", 0)) for each in suite.iter("testcase")], default=0.0),
    )


def _table(found: Sequence[Caught]) -> Table:
    columns = ("guard", "removed in", "its test", "how it failed")
    # Folded, not cut: whoever wants to run a test again needs its whole name.
    table = Table(*(Column(column, overflow="fold") for column in columns))
    for each in found:
        how = each.how if each.caught else f"NOT SHOWN: {each.how}"
        package = each.removed_in.rpartition("/src/")[2]
        table.add_row(*map(escape, (each.guard, package, each.test.removeprefix("tests/"), how)))
    return table
