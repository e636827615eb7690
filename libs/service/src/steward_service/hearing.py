"""Turns a message from Kafka, as it came or out of a parked line, into a job."""

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.cloudevents import (
    ForeignEvent,
    Headers,
    content_of,
    ends_history,
    envelope_of,
    foreign_from_kafka,
    place_of,
    type_in,
)
from steward_events.fact import Fact, NewerVersion, Unreadable, known_facts
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_eventstore.execute import Cause, Job, To
from steward_eventstore.port import ForeignMark, OwnMark, Parcel, Sweep, Unavailable
from steward_service.queries import DATABASE_FAULTS
from steward_service.sealing import KeyNotHeard

Reaction = Callable[[Recorded], Iterable[To]]
"""What a fact that was heard makes a service do; pure."""

ForeignReaction = Callable[[ForeignEvent], Awaitable[Iterable[To]]]
"""The same for another system's event. It may wait: personal data is sealed on the way in. Raises
`Refused` for what cannot be mapped."""

_NAMESPACE = uuid5(NAMESPACE_URL, "steward/foreign")
ALONE = "unreadable:"
"""Begins the line of a message that names no stream of its own; its place on the topic follows."""
_SEALED = (("steward-sealed", b"1"),)
_PLAIN_PLACE = re.compile(
    rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12} [1-9][0-9]{0,8} [!-~]{1,200}"
)


class Seals(Protocol):
    """Seals and unseals texts; unsealing may find them erased."""

    async def seal(self, subject: str, field: str, text: str) -> Sealed: ...

    async def unseal(self, sealed: Sealed) -> object: ...


class Boxes:
    """Keeps a foreign message sealed while it waits in a line: it may name people.

    Each has a key of its own, so that one that names an erased person can be erased by itself.
    """

    def __init__(self, sealer: Seals, topics: Collection[str]) -> None:
        self._sealer = sealer
        self._topics = topics

    async def close(self, parcel: Parcel) -> Parcel:
        """Seal all of a foreign message, its headers too; raises `Unavailable`."""
        if parcel.topic not in self._topics:
            return parcel  # one of Steward's own facts is sealed already
        try:
            sealed = await self._sealer.seal(f"parked-{uuid7()}", "parcel", _packed(parcel))
        except DATABASE_FAULTS as error:
            raise Unavailable("The keys database is away.") from error
        return Parcel(parcel.topic, b"", _SEALED, sealed.model_dump_json().encode())

    async def open(self, parcel: Parcel) -> Parcel:
        """Unseal what `close` sealed; raises `Refused` while or since the key is not there."""
        sealed = sealed_in(parcel)
        if sealed is None:
            return parcel
        try:
            content = await self._sealer.unseal(sealed)
        except KeyNotHeard as error:
            raise Refused(str(error), code="not_heard_yet") from error
        if not isinstance(content, str):
            raise Refused("The content of this message was erased for good.", code="erased")
        return _unpacked(parcel.topic, content)


def sealed_in(parcel: Parcel) -> Sealed | None:
    """Give the sealed content of a foreign message that waits; None for any other."""
    return Sealed.model_validate_json(parcel.value) if parcel.headers == _SEALED else None


def _packed(parcel: Parcel) -> str:
    content = [parcel.key, parcel.value, *(part for header in parcel.headers for part in header)]
    return json.dumps(
        [part if isinstance(part, str) else base64.b64encode(part).decode() for part in content]
    )


def _unpacked(topic: str, content: str) -> Parcel:
    key, value, *headers = json.loads(content)
    names, values = headers[::2], map(base64.b64decode, headers[1::2])
    packed = tuple(zip(names, values, strict=True))
    return Parcel(topic, base64.b64decode(key), packed, base64.b64decode(value))


@dataclass(frozen=True, slots=True)
class Hearing:
    """What one consumer does with each topic.

    `feeds` gives, for a source stream, the derived stream whose alarms wait while it is parked.
    `passes_over` names, by topic, the wire types with which it does nothing: only their place is read.
    `begins` gives the sweeps over many streams that a fact begins.
    """

    consumer: str
    listens: Mapping[str, Reaction] = field(default_factory=dict)
    foreign: Mapping[str, ForeignReaction] = field(default_factory=dict)
    feeds: Callable[[str], str] = lambda _: ""
    boxes: Boxes | None = None
    passes_over: Mapping[str, Collection[bytes]] = field(default_factory=dict)
    begins: Callable[[Recorded], Iterable[Sweep]] = lambda _: ()

    @property
    def topics(self) -> tuple[str, ...]:
        """Name all topics, in one order."""
        return (*sorted(self.listens), *sorted(self.foreign))

    async def job(self, parcel: Parcel, place: str) -> Job:
        """Make the job of a message; `place` is its topic, partition and offset.

        A message that cannot be read becomes a job that parks it.
        """
        if parcel.topic in self.listens:
            return self.own_job(parcel, place)
        return await self._foreign_job(parcel, place)

    async def defect(self, parcel: Parcel, place: str) -> Job:
        """Make the job that parks a foreign message on which the program itself failed."""
        refusal = Refused("The program failed on it; its log says where.", code="defect")
        try:
            event = foreign_from_kafka(parcel.headers, parcel.key or None, parcel.value)
        except Exception:  # it may be this that fails
            return self._alone(parcel, place, refusal)
        cause = Cause(foreign_cause_id(event), self.consumer)
        mark = self._foreign_mark(event, parcel)
        return Job(cause, _nothing, mark, parcel, order=event.order, broken=refusal)

    async def job_from_line(self, parcel: Parcel, place: str) -> Job:
        """Make the job of a message that was parked; raises `Refused` if it cannot be unsealed."""
        if self.boxes is not None and parcel.topic in self.foreign:
            parcel = await self.boxes.open(parcel)
        return await self.job(parcel, place)

    def passes(self, topic: str, headers: Headers) -> tuple[str, int] | None:
        """Give stream and version of a fact of which only its place is read; None for all else."""
        if type_in(headers) not in self.passes_over.get(topic, ()):
            return None
        said = dict(headers)
        place = b" ".join([said.get(name, b"") for name in ("ce_id", "ce_sequence", "ce_subject")])
        if _PLAIN_PLACE.fullmatch(place) is None:
            return None  # whatever it is, it is looked at closely
        _, version, stream = place.decode().split(" ")
        return stream, int(version)

    def own_job(self, parcel: Parcel, place: str) -> Job:
        """Make the job of one of Steward's own facts."""
        wire_type = type_in(parcel.headers)
        if wire_type in self.passes_over.get(parcel.topic, ()):
            found = place_of(parcel.headers)
            if found is not None:
                return self._waiting(parcel, found, None)
        fact, broken = _content(wire_type, parcel.value)
        try:
            envelope = envelope_of(parcel.headers, parcel.key or None, fact)
        except Unreadable as error:
            return self._unreadable(parcel, place, error)
        mark = OwnMark(self.consumer, envelope.stream, envelope.version, envelope.id)
        cause = Cause(
            envelope.id,
            self.consumer,
            known_at=envelope.known_at,
            correlation_id=envelope.correlation_id,
            traceparent=envelope.traceparent,
            history=envelope.history,
            ends_history=ends_history(envelope.type),
        )
        reaction = self.listens[parcel.topic]
        known = fact is not None
        return Job(
            cause,
            (lambda: reaction(envelope)) if known else _nothing,
            mark,
            parcel,
            heard=envelope if known else None,
            order=mark.version,
            sweeps=tuple(self.begins(envelope)) if known else (),
            feeds=self.feeds(mark.stream),
            broken=broken,
        )

    def _unreadable(self, parcel: Parcel, place: str, error: Exception) -> Job:
        # With stream, version and ID the message waits in its stream's own line; without them it
        # waits alone, and the stream's next version finds that one is missing.
        found = place_of(parcel.headers)
        if found is not None:
            return self._waiting(parcel, found, _refusal(error))
        return self._alone(parcel, place, _refusal(error))

    def _alone(self, parcel: Parcel, place: str, broken: Refused) -> Job:
        mark = ForeignMark(self.consumer, parcel.topic, place, f"{ALONE}{place}")
        cause = Cause(uuid5(_NAMESPACE, place), self.consumer)
        return Job(cause, _nothing, mark, parcel, broken=broken)

    def _waiting(self, parcel: Parcel, found: tuple[str, int, UUID], broken: Refused | None) -> Job:
        """Make the job of a fact of which only the place is known: it is next, or waits in line."""
        stream, version, id_ = found
        mark = OwnMark(self.consumer, stream, version, id_)
        feeds = self.feeds(stream)
        cause = Cause(id_, self.consumer)
        return Job(cause, _nothing, mark, parcel, order=version, feeds=feeds, broken=broken)

    async def _foreign_job(self, parcel: Parcel, place: str) -> Job:
        try:
            event = foreign_from_kafka(parcel.headers, parcel.key or None, parcel.value)
        except Unreadable as error:
            return self._alone(parcel, place, _refusal(error))
        mark = self._foreign_mark(event, parcel)
        cause = Cause(
            foreign_cause_id(event),
            self.consumer,
            known_at=event.time if event.history is not None else None,
            traceparent=event.traceparent,
            history=event.history,
            ends_history=ends_history(event.type),
        )
        try:
            commands = list(await self.foreign[parcel.topic](event))
        except Refused as refusal:
            return Job(cause, _nothing, mark, parcel, order=event.order, broken=refusal)
        return Job(cause, lambda: commands, mark, parcel, order=event.order)

    def _foreign_mark(self, event: ForeignEvent, parcel: Parcel) -> ForeignMark:
        return ForeignMark(
            self.consumer,
            event.source,
            event.id,
            f"{event.source}|{event.subject}",
            hashlib.sha256(parcel.value).hexdigest(),
        )


def passed_over(heeds: Collection[type[Fact]]) -> frozenset[bytes]:
    """Name all wire types of known facts but these; what is newer than known is not among them."""
    names = {kind.wire_name for kind in heeds}
    return frozenset(
        kind.wire_type.encode() for kind in known_facts() if kind.wire_name not in names
    )


def _content(wire_type: bytes, value: bytes) -> tuple[Fact | None, Refused | None]:
    try:
        return content_of(wire_type.decode(errors="replace"), value), None
    except (NewerVersion, Unreadable) as error:
        return None, _refusal(error)


def foreign_cause_id(event: ForeignEvent) -> UUID:
    """Give the ID by which a foreign event is a cause: the same for each of its copies."""
    return uuid5(_NAMESPACE, f"{event.source}|{event.id}")


def _refusal(error: Exception) -> Refused:
    code = "newer_version" if isinstance(error, NewerVersion) else "unreadable"
    return Refused(str(error), code=code)


def _nothing() -> Iterable[To]:
    return ()
