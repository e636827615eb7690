"""What the sender must know before it begins, since what has begun is never sent again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid5

import pytest
from tests.support.eventstore import StillClock, partition_of

from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_eventstore.execute import Cause, Executor, Job
from steward_eventstore.memory import MemoryStore
from steward_notify.application.ports import Outbox, OwedMessage, Person
from steward_notify.application.reactions import stream_of, to_message
from steward_notify.application.sender import Sender
from steward_notify.domain.message import MessageDecider, RequestMessage

EMAIL = Sealed(subject="staff-s1", field="email", value_id="1", box="")
VALUES = {
    "case_number": "P1-1",
    "severity": "minor",
    "target": "minor-resolve",
    "due": "2026-10-01 24:00",
    "rule": "RM-4.5.2c",
}


class Register:
    """One holder of every role; it goes away after so many questions for a project's name."""

    def __init__(self, names: int) -> None:
        self._names = names

    async def holders(self, *_: object) -> list[Person]:
        return [Person("s1", "zh", email=EMAIL)]

    async def on_duty(self, *_: object) -> list[Person]:
        return []

    async def delegates(self, *_: object) -> Mapping[str, Sequence[Person]]:
        return {}

    async def hands(self, _: str) -> Mapping[str, str]:
        return {}

    async def household(self, _: str) -> list[Person]:
        return []

    async def project_name(self, _: str) -> str:
        self._names -= 1
        if self._names < 0:
            raise ConnectionError
        return "星河湾"


class Opens:
    """Opens every seal."""

    async def unseal(self, _: Sealed) -> str:
        return "wang@example.cn"


async def owe(executor: Executor, at: datetime, *ids: str) -> None:
    for id_ in ids:
        request: Any = RequestMessage(
            at, id_, "email", "p1", "escalation", Role.CS_SUPERVISOR, VALUES, together=True
        )
        cause = Cause(uuid5(UUID(int=0), id_), "test")
        to = to_message(id_, "p1", request)
        await executor.execute(Job(cause, lambda to=to: [to]))  # type: ignore[misc]


@pytest.mark.parametrize("names", [0, 1, 2])
async def test_a_text_for_several_that_cannot_be_written_now_stays_owed(names: int) -> None:
    clock = StillClock()
    store = MemoryStore(clock)
    executor = Executor(
        store, clock, {"message": MessageDecider()}, source="test", partition_of=partition_of
    )
    sender = Sender(executor, cast("Outbox", None), Register(names), {}, Opens(), clock, clock)
    await owe(executor, clock.now(), "m1", "m2")
    owed = [
        OwedMessage(id_, "p1", "email", "escalation", Role.CS_SUPERVISOR, VALUES, together=True)
        for id_ in ("m1", "m2")
    ]
    with pytest.raises(ConnectionError):
        await sender._send_together(owed)
    for id_ in ("m1", "m2"):
        told = [fact.type for fact in await store.facts_of(stream_of(id_))]
        assert told == ["notify.message_requested.v1"]
