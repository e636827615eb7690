"""What a benchmark line is, and where it runs: a real PostgreSQL and Kafka of its own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median

import asyncpg
from aiokafka import AIOKafkaConsumer
from tests.support.stack import database_dsn

from steward_service.topics import Topic, create_topics

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

    With a comparison, `target` is the least ratio of figure to comparison, or with `above` what
    the figure may be above it; without one it is the figure itself. `at_most` turns that round.
    """

    line: str
    figure: str
    unit: str
    target: float
    comparison: str | None = None
    at_most: bool = False
    above: bool = False


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
    if line.above and compared is not None:
        judged = figure - compared
    reached = judged <= line.target if line.at_most else judged >= line.target
    return Result(line.line, figure, line.unit, compared, ratio, line.target, reached)


def percentile(values: list[float], part: float) -> float:
    """Give the value below which `part` of all values lie, as 0.99."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
