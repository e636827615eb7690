"""Each line that takes a moment: it counts and checks what came out, and gives its figures."""

import pytest
from tests.bench.frame import Bench
from tests.bench.lines import append, clocks, relay, relay_outbox, started, timers

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
