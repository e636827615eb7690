"""From the commit of a case at intake to the commit of its first clock at sla, through Kafka.

Intake's relay and sla's listener, the services' own, in one process and on one event loop: all
that they need of the processor counts against the time. Each has its database.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic

from tests.bench.frame import Bench, Line, percentile, store_at
from tests.bench.lines.append import WRITERS, store_of
from tests.bench.lines.clocks import BEGIN, listener_of, received
from tests.bench.lines.relay import PARTITIONS, WARM_UP, paced, relay_of
from tests.support.eventstore import StillClock, id_of, migrated
from tests.support.waiting import until

from steward_events.recorded import Recorded
from steward_events.sla import ClockStarted
from steward_eventstore.port import Head, StreamWrite, Write
from steward_policy import packs
from steward_service.partitions import partition_of
from steward_service.provision import make_tables
from steward_sla.adapters import read_models


async def started(bench: Bench) -> Mapping[str, float]:
    """Take in 300 cases a second, and see how long after each commit its first clock is committed."""
    topic = await bench.topic(PARTITIONS)
    intake = await store_of(bench, WRITERS)
    dsn = await bench.database(migrated)
    await make_tables(dsn, read_models.METADATA)
    sla = await store_at(dsn)
    committed: dict[str, float] = {}
    running: dict[str, float] = {}

    def take_down(facts: Sequence[Recorded]) -> None:
        now = monotonic()
        for fact in facts:
            if isinstance(fact.fact, ClockStarted):
                running.setdefault(fact.fact.case_id, now)

    clock = StillClock(BEGIN + timedelta(days=1))
    listener = listener_of(
        bench, sla, clock, topic, packs.built_in(), read_models.project, take_down
    )
    relay, stop = relay_of(bench, intake, topic), asyncio.Event()
    await listener.start()
    relaying = asyncio.create_task(relay.run(stop))

    async def commit(number: int) -> None:
        await intake.commit(Write(streams=[taken_in(number)]))
        committed[f"c{number:06}"] = monotonic()
        relay.wake()

    async def all_run() -> bool:
        return len(running) >= len(committed)

    await paced(bench, commit)
    await until(all_run, "Some cases have no clock.", 30)
    stop.set()
    await relaying
    await listener.drain()
    [found] = await sla.pool.fetch(
        "SELECT count(*) AS heard, count(*) FILTER (WHERE version = 1) AS once FROM inbox"
    )
    await intake.close()
    await sla.close()
    assert tuple(found) == (len(committed), len(committed)), "Some case was not heard once."
    late = [running[case] - at for case, at in list(committed.items())[WARM_UP:]]
    bench.keep("latency", "case committed → clock committed", late)
    return {"started": percentile(late, 0.99) * 1000}


def taken_in(number: int) -> StreamWrite:
    """Give the append of one case, as intake makes it."""
    fact = received(number)
    stream, key = f"case-{fact.case_id}", fact.project_id
    recorded = Recorded(
        id_of(stream), fact.wire_type, stream, 1, key, "/steward/intake", BEGIN, BEGIN, BEGIN, fact
    )
    head = Head(stream, key, partition_of(key, PARTITIONS), 1, BEGIN)
    return StreamWrite(head, 0, (recorded,))


MEASURES = {"started": started}
LINES = [Line("case → clock started (p99, 300/s)", "started", "ms", 150, at_most=True)]
