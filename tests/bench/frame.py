"""What a benchmark line is, and where it runs: a real PostgreSQL and Kafka of its own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

import asyncpg
from tests.support.stack import database_dsn

SAFE = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass(slots=True)
class Bench:
    """One run: the servers, how long each measure takes, and how large the timers' table is."""

    postgres: str
    kafka: str
    seconds: float
    pending: int
    _databases: list[str] = field(default_factory=list)
    _made: int = 0

    async def database(self, prepare: Callable[[str], Awaitable[None]] | None = None) -> str:
        """Make a database and give its address; it is dropped after the measure."""
        self._made += 1
        name = f"bench_{self._made}"
        admin = await asyncpg.connect(self.postgres)
        await admin.execute(f'CREATE DATABASE "{name}"')
        await admin.close()
        self._databases.append(name)
        dsn = database_dsn(self.postgres, name)
        if prepare is not None:
            await prepare(dsn)
        return dsn

    async def tidy(self) -> None:
        """Drop what a measure made, and leave the server at rest for the next."""
        admin = await asyncpg.connect(self.postgres)
        for name in self._databases:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.execute("CHECKPOINT")
        await admin.close()
        self._databases.clear()

    async def assert_safe(self) -> None:
        """Refuse to measure a server that may lose what it has acknowledged."""
        admin = await asyncpg.connect(self.postgres)
        for setting in SAFE:
            assert await admin.fetchval(f"SHOW {setting}") == "on", f"{setting} is not on."
        await admin.close()


Measure = Callable[[Bench], Awaitable[Mapping[str, float]]]
"""Runs for `bench.seconds` and gives its figures by name; it counts and checks what came out."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    With a comparison, `target` is the least ratio of figure to comparison; without one it is the
    figure itself. `at_most` turns that round.
    """

    line: str
    figure: str
    unit: str
    target: float
    comparison: str | None = None
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A line with what was measured, the medians of all rounds."""

    line: str
    figure: float
    unit: str
    comparison: float | None
    ratio: float | None
    target: float
    reached: bool


def result(line: Line, rounds: Mapping[str, list[float]]) -> Result:
    """Judge a line by the medians of its rounds."""
    figure = median(rounds[line.figure])
    compared = median(rounds[line.comparison]) if line.comparison else None
    ratio = figure / compared if compared else None
    judged = figure if ratio is None else ratio
    reached = judged <= line.target if line.at_most else judged >= line.target
    return Result(line.line, figure, line.unit, compared, ratio, line.target, reached)


def percentile(values: list[float], part: float) -> float:
    """Give the value below which `part` of all values lie, as 0.99."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
