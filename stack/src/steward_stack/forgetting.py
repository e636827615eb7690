"""How the stand-ins forget: as whoever keeps copies of what Steward sent must.

They read the public topics: which message went to whom, and who was erased. What was kept of such a
message is removed, and what comes of it later is not kept.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from steward_events.cloudevents import from_kafka, type_in
from steward_events.fact import Fact, NewerVersion, Unreadable, known_facts
from steward_events.notify import MessageFact
from steward_events.registry import SubjectErased
from steward_service.hearing import passed_over

TOPICS = ("steward.intake", "steward.notify")
_PASSED_OVER = passed_over(
    [kind for kind in known_facts() if issubclass(kind, SubjectErased | MessageFact)]
)
"""What else comes on these topics, which is very much."""
_AGAIN_SECONDS = 1.0
_WAIT_MS = 1_000


class Forgotten:
    """The messages of which nothing may be kept; `forget` is called once for each."""

    def __init__(self, forget: Callable[[str], object]) -> None:
        self._forget = forget
        self._messages: dict[str, set[str]] = defaultdict(set)
        self._gone: set[str] = set()
        self._forgotten: set[str] = set()

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._forgotten

    def hear(self, fact: Fact | None) -> None:
        """Take a fact in, in any order and as often as it comes."""
        match fact:
            case SubjectErased(subject=subject):
                self._gone.add(subject)
                self._let_go(self._messages[subject])
            case MessageFact(message_id=message_id):
                subjects = set(_subjects_of(fact))
                for subject in subjects:
                    self._messages[subject].add(message_id)
                if subjects & self._gone:
                    self._let_go({message_id})
            case _:
                pass

    def _let_go(self, messages: set[str]) -> None:
        for message_id in messages - self._forgotten:
            self._forgotten.add(message_id)
            self._forget(message_id)

    async def listen(self, bootstrap: str | None) -> None:
        """Hear all from the beginning on until cancelled; nothing where no Kafka is named."""
        while bootstrap:
            try:
                await self._listen(bootstrap.split(","))
            except KafkaError as error:
                typer.echo(f"Erasures are not heard now: {error!r}", err=True)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _listen(self, bootstrap: list[str]) -> None:
        async with AIOKafkaConsumer(
            *TOPICS, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            while True:
                for records in (await consumer.getmany(timeout_ms=_WAIT_MS)).values():
                    for record in records:
                        self._read(record)

    def _read(self, record: "ConsumerRecord[bytes, bytes]") -> None:
        if type_in(record.headers) in _PASSED_OVER:
            return
        with contextlib.suppress(NewerVersion, Unreadable):
            self.hear(from_kafka(record.headers, record.key, record.value).fact)


def _subjects_of(fact: MessageFact) -> Iterator[str]:
    places = {
        "person_id": ("person", "staff"),
        "case_id": ("case",),
        "household_id": ("household",),
    }
    for name, kinds in places.items():
        id_ = getattr(fact, name, None)
        if id_ is not None:
            yield from (f"{kind}-{id_}" for kind in kinds)
