"""The topics of Steward: made by us, with equal partition counts, fixed for good."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

_WAIT_SECONDS = 30.0


class WrongTopics(Exception):
    """A topic cannot be made, or is there with another number of partitions."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and how long it keeps its messages; None keeps the last of each key for good."""

    name: str
    retention: timedelta | None

    def settings(self) -> dict[str, str]:
        """Give Kafka's own settings of the topic."""
        if self.retention is None:
            return {
                "cleanup.policy": "compact",
                "max.compaction.lag.ms": _milliseconds(timedelta(days=1)),
                "delete.retention.ms": _milliseconds(timedelta(days=30)),
            }
        return {
            "cleanup.policy": "delete",
            "retention.ms": _milliseconds(self.retention),
            # What is deleted leaves the disk when its segment closes.
            "segment.ms": _milliseconds(min(self.retention, timedelta(days=1))),
        }


_FACTS = timedelta(days=30)
_INBOUND = timedelta(days=7)

TOPICS: Sequence[Topic] = (
    Topic("steward.intake", _FACTS),
    Topic("steward.sla", _FACTS),
    Topic("steward.visits", _FACTS),
    Topic("steward.notify", _FACTS),
    Topic("steward.keys", None),
    Topic("steward.inbound.tickets", _INBOUND),
    Topic("steward.inbound.weather", _INBOUND),
)


async def create_topics(
    bootstrap: Sequence[str],
    partitions: int,
    *,
    replication: int = 1,
    topics: Sequence[Topic] = TOPICS,
) -> list[str]:
    """Make the topics that are missing and wait until all have their leaders; names the new ones.

    Raises `WrongTopics` and aiokafka's KafkaError.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=list(bootstrap))
    await admin.start()
    try:
        return await _create(admin, partitions, replication, topics)
    finally:
        await admin.close()


async def _create(
    admin: AIOKafkaAdminClient, partitions: int, replication: int, topics: Sequence[Topic]
) -> list[str]:
    there = set(await admin.list_topics())
    missing = [
        NewTopic(topic.name, partitions, replication, topic_configs=topic.settings())
        for topic in topics
        if topic.name not in there
    ]
    made = []
    if missing:
        answer = await admin.create_topics(missing)
        for said in answer.to_object()["topic_errors"]:
            error = for_code(said["error_code"])
            if said["error_code"] == 0:
                made.append(str(said["topic"]))
            elif error is not TopicAlreadyExistsError:
                reason = said.get("error_message") or error.__name__
                raise WrongTopics(f"The topic {said['topic']} cannot be made: {reason}")
    await _wait(admin, partitions, [topic.name for topic in topics])
    return made


async def _wait(admin: AIOKafkaAdminClient, partitions: int, names: Sequence[str]) -> None:
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            for name in names:
                while not await _is_there(admin, partitions, name):  # noqa: ASYNC110 - Kafka tells nobody
                    await asyncio.sleep(0.05)
    except TimeoutError:
        raise WrongTopics(
            f"The topics did not get their leaders within {_WAIT_SECONDS:.0f} s."
        ) from None


async def _is_there(admin: AIOKafkaAdminClient, partitions: int, name: str) -> bool:
    [topic] = await admin.describe_topics([name])
    if topic["error_code"] != 0 or any(part["leader"] < 0 for part in topic["partitions"]):
        return False
    if len(topic["partitions"]) != partitions:
        raise WrongTopics(
            f"The topic {name} has {len(topic['partitions'])} partitions and not {partitions}; "
            "the number is fixed for good."
        )
    return True


def _milliseconds(duration: timedelta) -> str:
    return str(duration // timedelta(milliseconds=1))
