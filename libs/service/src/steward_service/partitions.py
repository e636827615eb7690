"""Which Kafka partition a key belongs to: the default of Kafka's own clients."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=100_000)
def partition_of(key: str, count: int) -> int:
    """Give a key's partition of a topic with so many, as a Java producer would choose it."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % count
