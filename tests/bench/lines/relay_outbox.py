"""The relay's peer: faststream-outbox, as its documentation sets it up, with the same payload.

It keeps no order and no keys, and takes each row out of its table when Kafka has it.
"""

import asyncio
import json
from collections.abc import Mapping
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream.kafka import KafkaBroker
from faststream_outbox import OutboxBroker, make_outbox_table
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.bench.frame import Bench, Line, NotMeasuredError
from tests.bench.lines.append import BATCH, recorded
from tests.bench.lines.relay import PARTITIONS

from steward_eventstore.migrations import url_of
from steward_eventstore.rows import data_of

ROWS_A_SECOND = 6_000
"""How many rows are laid out for each second: more than it relays."""
QUEUE = "bench"


async def outbox(bench: Bench) -> Mapping[str, float]:
    """Relay for `bench.seconds`; gives the messages that are in the topic, a second."""
    topic = await bench.topic(PARTITIONS)
    metadata = MetaData()
    table = make_outbox_table(metadata)
    engine = create_async_engine(url_of(await bench.database()))
    # It would write a line for each message.
    broker = OutboxBroker(engine, outbox_table=table, logger=None)
    kafka = KafkaBroker(bench.kafka, acks="all", enable_idempotence=True, logger=None)
    publisher = kafka.publisher(topic)
    relayed = asyncio.Event()

    @publisher
    @broker.subscriber(QUEUE)
    async def relay(body: dict[str, Any]) -> dict[str, Any]:
        relayed.set()
        return body

    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await lay_out(broker, engine, round(ROWS_A_SECOND * bench.seconds))
    await kafka.start()
    await broker.start()
    await relayed.wait()
    first, begin = await messages_in(bench, topic), monotonic()
    await asyncio.sleep(bench.seconds)
    last, took = await messages_in(bench, topic), monotonic() - begin
    await broker.stop()
    await kafka.stop()
    await engine.dispose()
    assert first < last, "It did nothing."
    if last >= round(ROWS_A_SECOND * bench.seconds):
        raise NotMeasuredError("There was not enough for it to do all the time.")
    return {"outbox": (last - first) / took}


async def lay_out(broker: OutboxBroker, engine: AsyncEngine, rows: int) -> None:
    """Publish so many facts into the outbox, as it wants it: within transactions."""
    body = json.loads(data_of(recorded("case-0", 1)))
    for first in range(0, rows, BATCH):
        bodies = [body] * min(BATCH, rows - first)
        async with engine.begin() as connection:
            await broker.publish_batch(*bodies, queue=QUEUE, session=connection)


async def messages_in(bench: Bench, topic: str) -> int:
    """Count the messages of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bench.kafka)
    await consumer.start()
    ends = await consumer.end_offsets([TopicPartition(topic, n) for n in range(PARTITIONS)])
    await consumer.stop()
    return sum(ends.values())


MEASURES = {"outbox": outbox}
LINES = [Line("relay (faststream-outbox)", "relay", "facts/s", None, "outbox")]
