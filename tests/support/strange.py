"""Messages as other clients may write them, which Kafka takes and aiokafka's producer would not."""

from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

_ENOUGH = 2**20


class _Name(str):
    """The name of a header that is not what it says."""

    __slots__ = ("raw",)
    raw: bytes

    def encode(self, *_: str) -> bytes:
        return self.raw


def _name(raw: bytes) -> str:
    name = _Name(raw.decode(errors="replace"))
    name.raw = raw
    return name


async def send_strange(
    kafka: str,
    topic: str,
    partition: int,
    *messages: tuple[bytes, Sequence[tuple[bytes, bytes | None]]],
) -> None:
    """Send values with headers of any names in one batch; the key is `p-1`."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    batch = producer.create_batch()
    batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, _ENOUGH)
    for value, headers in messages:
        said = [(_name(raw), content) for raw, content in headers]
        assert batch.append(key=b"p-1", value=value, timestamp=None, headers=said) is not None
    await (await producer.send_batch(batch, topic, partition=partition))
    await producer.stop()
