"""The one listener of a service: Kafka's messages become jobs, in order, none of them lost.

poll --> decode --> cut at barriers --> execute_batch --> commit the offset --> poll
                                             |
                          a bad message waits in its stream's line

FastStream's default is «at most once»; what makes it «at least once» is set here and nowhere else.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Protocol

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage, KafkaMessage
from faststream.kafka.schemas import Topic
from faststream.message import AckStatus

from steward_events.recorded import Recorded
from steward_events.vocabulary import in_reach
from steward_eventstore.execute import (
    Applied,
    Executor,
    Job,
    NotDone,
    Outcome,
    Parked,
    Repeated,
    Run,
)
from steward_eventstore.port import EVERYWHERE, Clock, OwnMark, Parcel, Reading, Unavailable
from steward_service.batches import GivenUp, run_batch
from steward_service.fetched import COMMITTED, AIOKafkaConsumer
from steward_service.hearing import Hearing
from steward_service.queries import DATABASE_FAULTS
from steward_service.telemetry import Metrics, named

_LOG = structlog.get_logger(__name__)

MAX_RECORDS = 500
POLL_MS = 100
"""How long Kafka holds an empty answer back. What comes meanwhile comes at once; only partitions
that were still being worked on when it was asked wait so long."""
FETCH_BYTES = 256 * 1024
"""Of each partition at once: some hundred facts, of some dozens of partitions."""
DRAIN_SECONDS = 5.0
_DECODED_AT_ONCE = 100
_COMMIT_SECONDS = 10.0
_POSITION_SECONDS = 1.0
_WATCH_SECONDS = 2.0
_LOOK_SECONDS = 10.0
_BACK_OFF_SECONDS = 1.0
_AHEAD = timedelta(minutes=10)
"""So far another's clock may be ahead of ours; what names a later time says nothing of what is known."""

Records = tuple["ConsumerRecord[bytes, bytes]", ...]
_Passed = list["ConsumerRecord[bytes, bytes]"]
"""Facts of one stream, one version after the other, that are passed over."""


class Heard(Protocol):
    """What the ticker must know of the listener."""

    def partitions(self) -> Collection[int]:
        """Give the partitions whose alarms are this process's business."""
        ...

    async def heard(self, partitions: Collection[int]) -> Mapping[int, datetime]:
        """Give, by partition, the instant up to which everything was heard there."""
        ...


class EverythingHeard:
    """For a service that listens to nobody: all partitions are its own, all is heard."""

    def __init__(self, clock: Clock, partitions: int) -> None:
        self._clock = clock
        self._partitions = (*range(partitions), EVERYWHERE)

    def partitions(self) -> Collection[int]:
        """Give all partitions; of two replicas one rings and the other finds nothing to do."""
        return self._partitions

    async def heard(self, partitions: Collection[int]) -> Mapping[int, datetime]:
        """Give the time itself."""
        return dict.fromkeys(partitions, self._clock.now())


class Listener(ConsumerRebalanceListener):
    """Listens to all topics of one consumer with one subscriber of one group.

    `barriers` names facts (without version) after which a batch is cut, so that the next message is
    decided with what `on_heard` made of them; `on_heard` runs after their commit, and for what was
    parked once it is taken. After `stuck_seconds` in which messages wait and none is handled, the
    consumer is started anew.
    """

    def __init__(
        self,
        hearing: Hearing,
        executor: Executor,
        clock: Clock,
        bootstrap: Sequence[str],
        metrics: Metrics,
        *,
        group: str,
        barriers: Collection[str] = (),
        on_heard: Callable[[Sequence[Recorded]], Awaitable[None]] | None = None,
        middlewares: Sequence[Any] = (),
        stuck_seconds: float = 30.0,
    ) -> None:
        self._stuck_seconds = stuck_seconds
        self._hearing = hearing
        self._executor = executor
        self._clock = clock
        self._metrics = metrics
        self._bootstrap = list(bootstrap)
        self._barriers = frozenset(barriers)
        self._on_heard = on_heard
        self._broker = KafkaBroker(
            self._bootstrap,
            client_id=f"steward-{hearing.consumer}",
            graceful_timeout=DRAIN_SECONDS,
            apply_types=False,
            logger=None,
            middlewares=middlewares,
        )
        self._subscriber = self._broker.subscriber(
            *(Topic(name, declare=False) for name in hearing.topics),
            group_id=group,
            batch=True,
            batch_timeout_ms=POLL_MS,
            max_records=MAX_RECORDS,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            partition_assignment_strategy=[RangePartitionAssignor],
            listener=self,
            fetch_max_wait_ms=POLL_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
            isolation_level=COMMITTED,
            parser=self._parse,
            decoder=_as_it_is,
        )
        self._subscriber(self._handle)
        self._get = self._subscriber.get_msg
        self._subscriber.get_msg = self._take  # type: ignore[method-assign]
        # Asks for the ends of topics over a connection of its own: on the listener's they would
        # wait behind its long polls.
        self._ends: AIOKafkaConsumer | None = None
        self._watch: asyncio.Task[None] | None = None
        self._taken = False
        """Whether Kafka's client has given out what is not handled yet."""
        self._free = asyncio.Event()
        self._free.set()
        self._leaving = False
        self._joined = False
        self._settled = False
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._handled: dict[TopicPartition, int] = {}
        self._known: dict[TopicPartition, datetime] = {}
        self._lag: dict[TopicPartition, int] = {}
        # Group-wide facts by stream and version: each process has heard them for itself.
        self._parked: dict[tuple[str, int], Recorded] = {}
        self._progress_at = monotonic()
        self._watched_at: float | None = None
        self.handled_messages = 0

    async def start(self) -> None:
        """Join the group; raises KafkaError when Kafka cannot be reached."""
        self._ends = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=f"steward-{self._hearing.consumer}-ends",
            request_timeout_ms=5_000,
            isolation_level=COMMITTED,
        )
        await self._ends.start()
        await self._broker.start()
        self._watch = asyncio.create_task(self._watching())

    async def drain(self) -> None:
        """Finish the batch in hand, commit it, and leave the group."""
        self._leaving = True
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._broker.stop()
        self._forget()
        if self._ends is not None:
            await self._ends.stop()

    async def reasons(self) -> list[str]:
        """Say in sentences why this listener is not well; nothing if it is."""
        if not self._joined:
            return ["The listener has not joined its consumer group yet."]
        found = []
        if self._watched_at is None or monotonic() - self._watched_at > 10 * _WATCH_SECONDS:
            found.append("Kafka does not say where its topics end.")
        behind = self.waiting
        still = monotonic() - self._progress_at
        if behind and still > self._stuck_seconds / 2:
            found.append(f"{behind} messages wait, and none was handled for {still:.0f} s.")
        return found

    # What the ticker asks.

    def partitions(self) -> Collection[int]:
        """Give the partitions assigned here on every topic; 0 brings group-wide streams along."""
        by_topic: dict[str, set[int]] = {topic: set() for topic in self._hearing.topics}
        for place in self._assigned:
            by_topic[place.topic].add(place.partition)
        mine = set.intersection(*by_topic.values())
        return mine | {EVERYWHERE} if 0 in mine else mine

    async def heard(self, partitions: Collection[int]) -> Mapping[int, datetime]:
        """Give, by partition, the instant up to which everything was heard there.

        It is the least over its topics of the last handled live fact's `known_at`, or, where the
        handled offset is the topic's end, the time as read before asking for that end.
        """
        places = [
            TopicPartition(topic, max(partition, 0))
            for topic in self._hearing.topics
            for partition in partitions
        ]
        now = self._clock.now()
        try:
            behind = await self._behind(places)
        except KafkaError:
            behind = {}  # then what was handled is all that is known
        least: dict[int, datetime] = {}
        for place in places:
            if behind.get(place) == 0:
                self._known[place] = max(now, self._known.get(place, now))
            known = self._known.get(place)
            if known is None:
                known = datetime.min.replace(tzinfo=now.tzinfo)
            least[place.partition] = min(known, least.get(place.partition, known))
        return {partition: least[max(partition, 0)] for partition in partitions}

    @property
    def waiting(self) -> int:
        """Give how many messages waited when Kafka was last asked."""
        return sum(self._lag.values())

    async def lag(self) -> int:
        """Give how many messages Kafka holds that are not handled; raises KafkaError."""
        places = sorted(self._assigned)
        behind = await self._behind(places)
        if not self._settled or len(behind) < len(places):
            raise KafkaError("The partitions are being shared out.")
        return sum(behind.values())

    async def _behind(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        assert self._ends is not None  # noqa: S101 - made by start
        mine = [place for place in places if place in self._assigned]
        for place in mine:
            if place not in self._handled:
                await self._find_start(place)
        if not mine:
            return {}
        ends = await self._ends.end_offsets(mine)
        behind = [place for place, end in ends.items() if end > self._handled.get(place, end)]
        if behind and not self._taken:
            await self._pass_over(behind)
        # Read again: a rebalance may have come between.
        return {
            place: max(0, end - self._handled[place])
            for place, end in ends.items()
            if place in self._handled
        }

    async def _pass_over(self, places: Collection[TopicPartition]) -> None:
        """Count what is no message as handled: the end of a transaction, and what one gave up."""
        consumer, assigned = self._subscriber.consumer, self._assigned
        if consumer is None:
            return
        # It may be assigned no more, or Kafka may not have said yet where it begins.
        with contextlib.suppress(IllegalStateError, KafkaError, TimeoutError):
            async with asyncio.timeout(_POSITION_SECONDS):  # in all: alarms wait for it
                for place in places:
                    position = await consumer.position(place)
                    if not self._taken and self._assigned is assigned:
                        self._handled[place] = max(position, self._handled[place])

    async def _find_start(self, place: TopicPartition) -> None:
        consumer, assigned = self._subscriber.consumer, self._assigned
        if consumer is None or self._ends is None:
            return
        offset = await consumer.committed(place)
        if offset is None:
            offset = (await self._ends.beginning_offsets([place]))[place]
        if self._assigned is assigned:
            self._handled.setdefault(place, offset)

    # What Kafka's client calls.

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Finish the batch in hand, five seconds at most; compare-and-set covers the rest."""
        if revoked:
            self._leaving = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._free.wait(), DRAIN_SECONDS)
        self._forget()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Begin anew with what is assigned."""
        self._forget()
        self._assigned = frozenset(assigned)
        self._leaving = False
        self._joined = self._settled = True
        self._progress_at = monotonic()

    def _forget(self) -> None:
        self._settled = False
        self._assigned = frozenset()
        self._handled.clear()
        self._known.clear()
        self._lag.clear()

    # One batch.

    async def _take(self, consumer: AIOKafkaConsumer) -> Records:
        records = await self._get(consumer)
        # Nothing runs between: Kafka's client has just moved its position behind them.
        self._taken = self._taken or bool(records)
        return records

    async def _parse(self, records: Records) -> KafkaMessage:
        # The default parser decodes headers and raises for one that is not UTF-8: the message
        # would be lost without a trace.
        consumer = self._subscriber.consumer
        assert consumer is not None  # noqa: S101 - it gave us the records
        return KafkaAckableMessage(
            raw_message=records,
            body=[record.value or b"" for record in records],
            consumer=consumer,
        )

    async def _handle(self, message: KafkaMessage) -> None:
        records = message.raw_message
        assert isinstance(records, tuple)  # noqa: S101 - a batch subscriber gives tuples
        assigned = self._assigned
        self._free.clear()
        try:
            for jobs in await self._chunks(records):
                outcomes = await run_batch(self._executor, jobs, self._gives_up)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    if isinstance(outcome, NotDone):
                        _LOG.error(
                            "A message can neither be taken nor wait; its topic still has it.",
                            topic=job.parcel.topic if job.parcel else "",
                            stream=job.mark.stream if job.mark else "",
                            id=str(job.cause.id),
                        )
                await self._after(jobs, outcomes)
            await self._acknowledge(message)
        except GivenUp:
            # Not committed: whoever gets the partitions next hears these messages again.
            raise
        except ConsumerStoppedError:
            return
        except Exception:
            # The framework would try again at once and for ever.
            _LOG.exception("A batch met a defect of the listener itself.")
            await asyncio.sleep(_BACK_OFF_SECONDS)
            raise
        finally:
            self._free.set()
        self._note(records, assigned)
        # Decoded as itself the message keeps itself until a full collection, and whatever was begun
        # within the batch keeps it by its context: some thirty batches, in a service that is busy.
        message.raw_message, message.body = (), []

    async def _acknowledge(self, message: KafkaMessage) -> None:
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await message.ack()
        except (KafkaError, TimeoutError) as error:
            # The next commit covers it. FastStream would wait once more, perhaps for ever: after its
            # broker was away, the client's search for the coordinator has been seen to hang.
            message.committed = AckStatus.ACKED
            _LOG.warning("The offset was not committed.", reason=type(error).__name__)

    def _gives_up(self) -> bool:
        return self._leaving

    async def _chunks(self, records: Records) -> list[list[Job]]:
        """Make jobs, cut at barriers; what is passed over one after the other in a stream is one."""
        chunks: list[list[Job | _Passed]] = [[]]
        passed: dict[str, tuple[int, _Passed]] = {}
        for number, record in enumerate(records):
            if number % _DECODED_AT_ONCE == _DECODED_AT_ONCE - 1:
                await asyncio.sleep(0)  # others run between
            found = self._hearing.passes(record.topic, record.headers)
            if found is not None:
                stream, version = found
                before, run = passed.get(stream, (0, []))
                if before + 1 != version or not run:
                    run = []
                    chunks[-1].append(run)
                run.append(record)
                passed[stream] = version, run
                continue
            if record.topic in self._hearing.listens:
                job = self._own_job(record)
            else:
                job = await self._foreign_job(_parcel(record), _place(record))
            chunks[-1].append(job)
            if job.heard is not None and _name(job.heard) in self._barriers:
                chunks.append([])
        return [
            [self._run_of(each) if isinstance(each, list) else each for each in chunk]
            for chunk in chunks
            if chunk
        ]

    def _own_job(self, record: "ConsumerRecord[bytes, bytes]") -> Job:
        return self._hearing.own_job(_parcel(record), _place(record))

    def _run_of(self, records: "_Passed") -> Job:
        last = self._own_job(records[-1])
        if len(records) == 1 or not isinstance(last.mark, OwnMark):
            return last
        first = last.mark.version - len(records) + 1
        return last._replace(run=Run(first, lambda: [self._own_job(record) for record in records]))

    async def _foreign_job(self, parcel: Parcel, place: str) -> Job:
        make = self._hearing.job
        while True:
            try:
                return await make(parcel, place)
            except DATABASE_FAULTS as error:
                # Sealing needs the keys database; nothing is taken in without it.
                if self._leaving:
                    raise GivenUp("The keys database is away.") from error
                _LOG.warning("The keys database is away.", reason=type(error).__name__)
                await asyncio.sleep(_BACK_OFF_SECONDS)
            except Exception:
                _LOG.exception("A foreign message met a defect.", place=place)
                make = self._hearing.defect

    async def _after(self, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        heard = []
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.heard is None:
                continue
            if isinstance(outcome, Applied | Repeated):
                heard.append(job.heard)
            elif isinstance(outcome, Parked) and job.heard.everywhere:
                self._parked[job.heard.stream, job.heard.version] = job.heard
        await self._tell(heard)

    async def _tell(self, heard: Sequence[Recorded]) -> None:
        if self._on_heard is not None and heard:
            try:
                await self._on_heard(heard)
            except Exception:
                _LOG.exception("What was heard was stored, but a cache could not be refreshed.")

    async def _hear_parked(self) -> None:
        """Hear what was parked here and was taken since, whichever process tried it again."""
        if not self._parked:
            return
        consumer = self._hearing.consumer
        own = sorted({(consumer, stream) for stream, _ in self._parked})
        view = await self._executor.store.read(Reading({}, own=own))
        done = {stream: version for (_, stream), (version, _) in view.own.items()}
        taken = sorted(place for place in self._parked if place[1] <= done.get(place[0], 0))
        await self._tell([self._parked[place] for place in taken])
        for place in taken:
            del self._parked[place]

    def _note(self, records: Records, assigned: frozenset[TopicPartition]) -> None:
        self.handled_messages += len(records)
        self._progress_at = monotonic()
        self._taken = False
        if assigned is not self._assigned:
            return
        ahead = self._clock.now() + _AHEAD
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            self._handled[place] = record.offset + 1
            known = _live_known_at(record)
            if known is not None and known <= ahead:
                self._known[place] = max(known, self._known.get(place, known))

    # Whether all is well.

    async def _watching(self) -> None:
        while True:
            try:
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._look()
                except TimeoutError:
                    _LOG.warning("The consumer does not answer.")
                await self._restart_if_stuck()
                with contextlib.suppress(Unavailable, TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._hear_parked()
            except KafkaError as error:
                _LOG.warning("Kafka does not say where its topics end.", reason=named(error))
            except Exception:
                _LOG.exception("The watch over the listener failed.")
            await asyncio.sleep(_WATCH_SECONDS)

    async def _look(self) -> None:
        self._lag = await self._behind(self._assigned)
        self._watched_at = monotonic()
        now = self._clock.now()
        for topic in self._hearing.topics:
            late = [
                (now - self._known[place]).total_seconds() if place in self._known else 0.0
                for place, waiting in self._lag.items()
                if place.topic == topic and waiting
            ]
            self._metrics.heard_behind.labels(topic).set(max([0.0, *late]))
        if not any(self._lag.values()) and self._joined:
            self._progress_at = monotonic()

    async def _restart_if_stuck(self) -> None:
        # A batch in hand is progress, even if it waits for the database.
        if not self._free.is_set() or monotonic() - self._progress_at <= self._stuck_seconds:
            return
        _LOG.error("The listener makes no progress and is started again.")
        self._progress_at = monotonic()
        self._joined = False
        with contextlib.suppress(TimeoutError):  # what hangs may hang here too
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._subscriber.stop()
        self._forget()
        await self._subscriber.start()


async def _as_it_is(message: KafkaMessage) -> KafkaMessage:
    return message


def _place(record: "ConsumerRecord[bytes, bytes]") -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _parcel(record: "ConsumerRecord[bytes, bytes]") -> Parcel:
    return Parcel(record.topic, record.key or b"", tuple(record.headers), record.value or b"")


def _name(recorded: Recorded) -> str:
    return recorded.type.rpartition(".v")[0]


def _live_known_at(record: "ConsumerRecord[bytes, bytes]") -> datetime | None:
    said = dict(record.headers)
    known = said.get("ce_knowntime")
    # History is told long after it happened: it says nothing of what else was heard.
    if known is None or "ce_history" in said:
        return None
    try:
        instant = datetime.fromisoformat(known.decode())
    except ValueError:
        return None
    return instant if instant.tzinfo is not None and in_reach(instant) else None
