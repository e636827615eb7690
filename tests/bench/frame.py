"""What a benchmark line is, and where it runs: a real PostgreSQL and Kafka of its own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Literal

import asyncpg
from aiokafka import AIOKafkaConsumer
from tests.support.stack import database_dsn

from steward_eventstore.postgres import PostgresStore
from steward_service.topics import Topic, create_topics

SAFE = ("fsync", "synchronous_commit", "full_page_writes")
FLAT = 0.2
"""How much more the largest size may cost than the smallest, beside the rounds' own spread."""

Prepare = Callable[[str], Awaitable[None]]
_stores: list[PostgresStore] = []
"""What a measure has opened."""


async def store_at(dsn: str, connections: int = 8) -> PostgresStore:
    """Open a store; it ends with the measure, also with one that fails or is interrupted."""
    store = await PostgresStore.connect(dsn, connections=connections)
    _stores.append(store)
    return store


class NotMeasuredError(Exception):
    """A measure cannot run here; the sentence says why."""


@dataclass(slots=True)
class Bench:
    """One run: the servers, how long each measure takes, and how large the tables are."""

    postgres: str
    kafka: str
    seconds: float
    pending: int
    """Alarms in the table of timers that are not due yet."""
    stored: int = 0
    """Facts that were stored and relayed before."""
    profiles: Path | None = None
    """Where a profile of each measure is written, if one is asked for."""
    load: float = 0.0
    """For how many seconds the services are loaded to see their memory; 0 for not at all."""
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By plot and by curve, in milliseconds."""
    _databases: list[str] = field(default_factory=list)
    _templates: dict[tuple[Prepare, str, int], str] = field(default_factory=dict)
    _made: int = 0

    async def database(self, prepare: Prepare | None = None, fill: str = "", rows: int = 0) -> str:
        """Make a database and give its address; it is dropped after the measure.

        `fill` is SQL with `{rows}` in it. What was prepared and filled is kept for the next.
        """
        if prepare is None:
            return await self._create()
        asked = (prepare, fill, rows)
        if asked not in self._templates:
            self._templates[asked] = await self._template(prepare, fill, rows)
        return await self._create(f'TEMPLATE "{self._templates[asked]}" STRATEGY FILE_COPY')

    async def _template(self, prepare: Prepare, fill: str, rows: int) -> str:
        dsn = await self._create()
        await prepare(dsn)
        connection = await asyncpg.connect(dsn)
        if rows:
            await connection.execute(fill.replace("{rows}", str(rows)))
        await connection.execute("VACUUM (FREEZE, ANALYZE)")
        await connection.close()
        return self._databases.pop()

    async def _create(self, how: str = "") -> str:
        self._made += 1
        name = f"bench_{self._made}"
        admin = await asyncpg.connect(self.postgres)
        await admin.execute(f'CREATE DATABASE "{name}" {how}')
        await admin.close()
        self._databases.append(name)
        return database_dsn(self.postgres, name)

    async def topic(self, partitions: int) -> str:
        """Make a topic and give its name."""
        self._made += 1
        name = f"bench-{self._made}"
        await create_topics([self.kafka], partitions, topics=[Topic(name, timedelta(days=1))])
        return name

    async def read_topic(self, topic: str, messages: int) -> list[tuple[str, int]]:
        """Read so many messages back: stream and version of each, a partition in its order."""
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=self.kafka, auto_offset_reset="earliest"
        )
        await consumer.start()
        found: list[tuple[str, int]] = []
        while len(found) < messages:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    said = dict(record.headers)
                    found.append((said["ce_subject"].decode(), int(said["ce_sequence"])))
        await consumer.stop()
        return found

    def keep(self, plot: str, curve: str, seconds: list[float]) -> None:
        """Keep how long each took, for a plot."""
        kept = self.samples.setdefault(plot, {}).setdefault(curve, [])
        kept += [1000 * each for each in seconds]

    async def tidy(self) -> None:
        """Drop what a measure made, and leave the server at rest for the next."""
        # Before their databases: a pool that lives on opens its connections again.
        while _stores:
            _stores.pop().pool.terminate()
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


def once(measure: Measure) -> Measure:
    """Let a long measure run in the first round only."""
    done = False

    async def first(bench: Bench) -> Mapping[str, float]:
        nonlocal done
        if done:
            return {}
        done = True
        return await measure(bench)

    return first


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    `target` is for the figure itself; with `of` "ratio" for its ratio to the comparison, with
    "above" for what it is above the comparison. Without a target the line only compares.
    `at_most` turns it round. `grows`: `--growth` measures how the figure grows.
    """

    line: str
    figure: str
    unit: str
    target: float | None
    comparison: str | None = None
    of: Literal["figure", "ratio", "above"] = "figure"
    at_most: bool = False
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A line with what was measured, the medians of all rounds; or why it was not."""

    line: str
    unit: str
    target: float | None
    figure: float | None = None
    comparison: float | None = None
    ratio: float | None = None
    of_target: float | None = None
    """How much of the target was reached: 1 and more is reached."""
    why_not: str = ""


def result(line: Line, rounds: Mapping[str, list[float]], why_not: Mapping[str, str]) -> Result:
    """Judge a line by the medians of its rounds."""
    reason = why_not.get(line.figure.split(".")[0], "")
    if reason or line.figure not in rounds:
        return Result(line.line, line.unit, line.target, why_not=reason)
    figure = median(rounds[line.figure])
    others = rounds.get(line.comparison or "")
    compared = median(others) if others else None
    ratio = figure / compared if compared else None
    judged: float | None
    match line.of:
        case "figure":
            judged = figure
        case "ratio":
            judged = ratio
        case "above":
            judged = None if compared is None else figure - compared
    of_target = None
    if judged is not None and line.target is not None:
        judged = max(judged, line.target / 100)
        of_target = line.target / judged if line.at_most else judged / line.target
    return Result(line.line, line.unit, line.target, figure, compared, ratio, of_target)


@dataclass(frozen=True, slots=True)
class Growth:
    """A line by size, the medians of all rounds; or why there is no verdict."""

    line: str
    unit: str
    figures: Mapping[int, float]
    change: float | None = None
    """From the smallest size to the largest."""
    spread: float | None = None
    """How far a round lies from the median of its size at most."""
    flat: bool | None = None
    why_not: str = ""


def growth(line: Line, by_size: Mapping[int, Mapping[str, list[float]]]) -> Growth:
    """Judge by the rounds of each size whether the largest costs as much as the smallest."""
    rounds = {size: by_size[size].get(line.figure) for size in sorted(by_size)}
    figures = {size: median(each) for size, each in rounds.items() if each}
    if lacking := [f"{size:,}" for size in rounds if size not in figures]:
        why_not = f"no verdict: not measured with {' and '.join(lacking)}"
        return Growth(line.line, line.unit, figures, why_not=why_not)
    spread = max(
        abs(value / figures[size] - 1) for size, each in rounds.items() for value in each or ()
    )
    change = figures[max(figures)] / figures[min(figures)] - 1
    found = Growth(line.line, line.unit, figures, change, spread)
    flat = (change if line.at_most else -change) <= FLAT + spread
    if flat and spread > FLAT:
        return replace(found, why_not="no verdict: the rounds lie too far apart")
    return replace(found, flat=flat)


def percentile(values: list[float], part: float) -> float:
    """Give the value below which `part` of all values lie, as 0.99."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
