"""Each line that takes a moment: it counts and checks what came out, and gives its figures."""

import asyncio
import io
from collections.abc import Mapping

import asyncpg
import pytest
from rich.console import Console
from tests.bench.frame import Bench
from tests.bench.lines import append, clocks, relay, relay_outbox, started, timers
from tests.bench.run import Measured, _take

from steward_eventstore.postgres import PostgresStore

MODULES = (append, clocks, relay, relay_outbox, started, timers)
FIGURES = {line.figure for module in MODULES for line in module.LINES}
MEASURES = {
    name: measure
    for module in MODULES
    for name, measure in module.MEASURES.items()
    if not name.startswith("burst")  # of a size of its own; it rings as timers do
}


@pytest.fixture(scope="module")
def bench(kafka_bootstrap: str, postgres_dsn_admin: str) -> Bench:
    return Bench(postgres_dsn_admin, kafka_bootstrap, seconds=0.5, pending=1_000, stored=1_000)


@pytest.mark.parametrize("name", MEASURES)
async def test_a_line_finds_nothing_amiss_and_gives_its_figures(bench: Bench, name: str) -> None:
    try:
        figures = await MEASURES[name](bench)
    finally:
        await bench.tidy()
    assert figures.keys() >= {figure for figure in FIGURES if figure.split(".")[0] == name}
    assert all(figure > 0 for figure in figures.values())


async def test_a_measure_that_is_interrupted_leaves_no_pool_and_no_task(bench: Bench) -> None:
    opened = asyncio.Queue[tuple[PostgresStore, asyncio.Task[bool]]]()

    async def measure(bench: Bench) -> Mapping[str, float]:
        for_ever = asyncio.Event().wait
        await opened.put((await append.store_of(bench), asyncio.create_task(for_ever())))
        await for_ever()
        return {}

    taking = _take(bench, "append", measure, Measured(), "round 1", Console(file=io.StringIO()))
    running = asyncio.create_task(taking)
    store, left = await asyncio.wait_for(opened.get(), 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert left.cancelled()
    with pytest.raises(asyncpg.InterfaceError, match="pool is closed"):
        await store.pool.fetchval("SELECT 1")
