"""Reads whatever a producer may have written: no header stops a partition.

Kafka looks at no names. aiokafka refuses one that is not UTF-8, and with it whatever it has fetched
of the partition, again each time that it asks. Whoever imports this reads such names with replacement
characters, which no header has that anybody asks for; and a header without a value, which Kafka allows,
as one whose value is empty.
"""

from collections.abc import Iterator
from itertools import islice
from struct import unpack_from
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from aiokafka.record import default_records
from aiokafka.record.memory_records import MemoryRecords

__all__ = ["COMMITTED", "AIOKafkaConsumer"]

COMMITTED: Literal["read_committed"] = "read_committed"
"""Steward itself uses no transactions of Kafka; another system may, and may give one up."""

_LENGTH = ">qi"
"""How a batch begins: its offset, and how long the rest is."""
_BEGIN = 12


class _Lenient(bytearray):
    """Bytes whose parts are texts, whatever they are."""

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return _Lenient(part) if isinstance(key, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, errors)


class _Batch:
    """A batch as aiokafka's fast reader has it; from a name that it cannot read on, the slow one's."""

    def __init__(self, fast: Any, data: memoryview) -> None:
        self._fast = fast
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def __next__(self) -> Any:
        return next(self._fast)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._fast:
                read += 1
                yield _whole(record)
        except UnicodeDecodeError:
            slow = default_records._DefaultRecordBatchPy(self._data)
            slow._maybe_uncompress()
            slow._buffer = _Lenient(slow._buffer)
            yield from map(_whole, islice(slow, read, None))


def _whole(record: Any) -> Any:
    headers = record.headers
    for _, value in headers:
        if value is None:
            break
    else:
        return record
    return default_records._DefaultRecordPy(
        record.offset,
        record.timestamp,
        record.timestamp_type,
        record.key,
        record.value,
        [(name, value or b"") for name, value in headers],
    )


class _Records:
    """What was fetched of a partition."""

    def __init__(self, data: bytes) -> None:
        self._fast = MemoryRecords(data)
        self._data = memoryview(data)
        self._at = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def next_batch(self) -> _Batch:
        begin, (_, length) = self._at, unpack_from(_LENGTH, self._data, self._at)
        self._at += _BEGIN + length
        return _Batch(self._fast.next_batch(), self._data[begin : self._at])


fetcher.MemoryRecords = _Records  # type: ignore[attr-defined, assignment]
