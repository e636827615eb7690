"""The shell that every service runs in: it starts, wires, watches and ends everything.

start: settings -> clock -> store -> listener, relay, ticker, retries, sweeps -> HTTP -> ready
SIGTERM: unready -> listener drains -> ticker -> relay's page -> HTTP, within ten seconds
"""

import asyncio
import contextlib
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NoReturn

import asyncpg
import structlog
import uvicorn
import uvloop
from aiokafka.errors import KafkaError
from fastapi import APIRouter
from faststream.kafka.prometheus import KafkaPrometheusMiddleware

from steward_decider import AnyDecider
from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.registry import SubjectErased
from steward_eventstore.execute import Executor
from steward_eventstore.port import Projection, Sweep, Unavailable
from steward_eventstore.postgres import PostgresStore
from steward_service import forgetting, gauges, keys, memory
from steward_service.auth import Authenticator
from steward_service.clocks import Readings, SteppedClock, SystemClock
from steward_service.hearing import Boxes, ForeignReaction, Hearing, Reaction, passed_over
from steward_service.http import MAX_FILE_BYTES, InFlight, build_app
from steward_service.listening import EverythingHeard, Heard, Listener
from steward_service.partitions import partition_of
from steward_service.queries import DATABASE_FAULTS
from steward_service.relay import Relay
from steward_service.retries import SOON_ATTEMPTS, Retries
from steward_service.sealing import Sealer
from steward_service.settings import ServiceSettings
from steward_service.sweeps import Reach, Select, Sweeps
from steward_service.telemetry import Metrics, configure_logs, tracer_provider
from steward_service.ticker import Ticker

_LOG = structlog.get_logger(__name__)

STOP_SECONDS = 10.0
_HTTP_START_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies keep an idle connection: who closes one that a request is under
way on, as a server with the same 5 s as its client does, leaves it without an answer."""

Background = Callable[["Service"], Awaitable[None]]
"""Work of the service's own, until cancelled; if it ends with an error it is started again."""


class CannotStart(Exception):
    """One sentence that says why the service cannot run."""


@contextlib.contextmanager
def _database_there() -> Iterator[None]:
    """Let a database that cannot be used be a sentence."""
    try:
        yield
    except Unavailable as error:
        raise CannotStart(str(error)) from error
    except DATABASE_FAULTS as error:
        raise CannotStart(f"PostgreSQL cannot be used: {error or type(error).__name__}") from error


@dataclass(eq=False)
class Service:
    """One service: what it is made of, and, while it runs, what it is made with.

    `listens` and `foreign`: what it does with each topic; `heeds`: of a topic the only facts that it
    does anything with, all others are passed over unread; `feeds`: source stream to the derived
    stream whose alarms wait while the source is parked; `barriers`: names of facts after which a
    batch is cut; `on_heard`: runs after the commit of what was heard; `prepare`: runs once before
    anything is heard (fill caches); `outstanding`: how many sends and receipts are under way;
    `counts`: what sets the gauges of its own; `sweeps`: by its kind what a sweep does to each
    stream, `selects`: to which, `begins`: which sweeps begin with a fact that was heard;
    `for_good`: the consumers whose foreign messages are never forgotten.
    """

    name: str
    settings: ServiceSettings
    deciders: Mapping[str, AnyDecider] = field(default_factory=dict)
    topic: str = ""
    listens: Mapping[str, Reaction] = field(default_factory=dict)
    foreign: Mapping[str, ForeignReaction] = field(default_factory=dict)
    heeds: Mapping[str, Collection[type[Fact]]] = field(default_factory=dict)
    feeds: Callable[[str], str] = lambda _: ""
    barriers: Collection[str] = ()
    on_heard: Callable[[Sequence[Recorded]], Awaitable[None]] | None = None
    on_facts: Callable[[Sequence[Recorded]], None] | None = None
    project: Projection = lambda _: ()
    routers: Sequence[APIRouter] = ()
    background: Sequence[Background] = ()
    sweeps: Mapping[str, Reach] = field(default_factory=dict)
    selects: Mapping[str, Select] = field(default_factory=dict)
    begins: Callable[[Recorded], Iterable[Sweep]] = lambda _: ()
    prepare: Callable[["Service"], Awaitable[None]] | None = None
    outstanding: Callable[[], Awaitable[int]] | None = None
    counts: Sequence[gauges.Count] = ()
    for_good: Collection[str] = ()
    hears_keys: bool = False
    owns_keys: bool = False
    takes_files: bool = False

    def __post_init__(self) -> None:
        """Make what needs no server."""
        self.metrics = Metrics()
        self.in_flight = InFlight()
        # The same after a restart, so that a clock's driver waits for a process that was killed.
        self.process = f"{self.name}-{socket.gethostname()}-{self.settings.http_port}"
        self.store: PostgresStore
        self.executor: Executor
        self.clock: SystemClock | SteppedClock
        self.wall: SystemClock
        self.keys_pool: asyncpg.Pool
        self.keys_store: asyncpg.Pool
        self.authenticator: Authenticator
        self.sealer: Sealer
        self.listener: Listener | None = None
        self.relay: Relay | None = None
        self.ticker: Ticker
        self.retries: Retries
        self._sweeper: Sweeps
        self._stopping = False
        self._ready = False
        self._appended = 0
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()
        self._tasks: dict[str, tuple[asyncio.Event, asyncio.Task[None]]] = {}
        self._server: uvicorn.Server | None = None
        self._http: asyncio.Task[None] | None = None
        self._background: list[asyncio.Task[None]] = []
        self._failure = ""

    def run(self) -> NoReturn:
        """Run until SIGTERM or SIGINT; the process ends with a sentence when it cannot start."""
        configure_logs(self.name, self.settings.log_level)
        try:
            uvloop.run(self._main())
        except CannotStart as error:
            sys.exit(f"steward-{self.name} cannot start: {error}")
        sys.exit(self._failure or 0)

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ask_to_stop)
        try:
            await self.start()
            _LOG.info("The service is ready.", process=self.process)
            await self._stop.wait()
        finally:
            await self.stop()

    def ask_to_stop(self) -> None:
        """Begin the end, as SIGTERM does."""
        self._stop.set()

    async def start(self) -> None:
        """Start everything; raises `CannotStart`."""
        roles = self.settings.roles
        if (self.listens or self.foreign) and ("tick" in roles) != ("listen" in roles):
            raise CannotStart(
                "The roles listen and tick go together: who hears a partition rings its alarms."
            )
        with _database_there():
            await self._open()
            if self.prepare is not None:
                await self.prepare(self)
        if "tick" in roles and self.deciders:
            self._begin("ticker", self.ticker.run)
        if "listen" in roles:
            self._begin("retries", self.retries.run)
            self._begin("sweeps", self._sweeper.run)
        if self.relay is not None:
            self._begin("relay", self.relay.run)
        self._begin_background()
        if "http" in roles:
            await self._serve()
        if "listen" in roles and (self.listens or self.foreign):
            # Last: takes ten seconds where a member of the group was killed, and nothing waits.
            await self._join()
        if isinstance(self.clock, SteppedClock):
            with _database_there():
                await self.clock.register(self.round)
        memory.settle()
        self._ready = True

    async def _join(self) -> None:
        assert self.listener is not None  # noqa: S101 - made by _open
        try:
            await self.listener.start()
        except KafkaError as error:
            raise CannotStart(
                f"Kafka at {', '.join(self.settings.kafka)} cannot be reached"
                f" ({type(error).__name__})."
            ) from error

    async def stop(self) -> None:
        """End everything in order, within ten seconds."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._stopping = True
        began = monotonic()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._end_in_order()
        except TimeoutError:
            _LOG.warning("Not everything ended in time; what is left is repeated safely.")
        await self._close()
        _LOG.info("The service has ended.", seconds=round(monotonic() - began, 3))

    async def _end_in_order(self) -> None:
        if self.listener is not None and "listen" in self.settings.roles:
            await self.listener.drain()
        for name in ("ticker", "retries", "sweeps"):
            await self._end(name)
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._end("relay")
        if self._server is not None and self._http is not None:
            self._server.should_exit = True
            await self._http

    async def _close(self) -> None:
        for _, task in self._tasks.values():
            task.cancel()
        if self._http is not None and not self._http.done():
            self._http.cancel()
        for name in ("clock", "wall"):
            clock = getattr(self, name, None)
            if clock is not None:
                await clock.close()
        for pool in (getattr(self, name, None) for name in ("keys_store", "keys_pool", "store")):
            if pool is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(pool.close(), 2.0)

    # Health.

    async def reasons_not_ready(self) -> Sequence[str]:
        """Say in sentences why no requests should come now; nothing when they may."""
        if self._stopping or self._stop.is_set():
            return ["The service is stopping."]
        if not self._ready:
            return ["The service is starting."]
        found = [
            f"The {name} has ended by itself."
            for name, (_, task) in self._tasks.items()
            if task.done()
        ]
        if self.listener is not None and "listen" in self.settings.roles:
            found += await self.listener.reasons()
        if self.relay is not None and self.relay.failure:
            found.append(self.relay.failure)
        try:
            async with asyncio.timeout(2.0):
                await self.store.pool.fetchval("SELECT 1")
        except DATABASE_FAULTS:
            found.append("The database does not answer.")
        return found

    async def round(self) -> Readings:
        """Work off what is due at the stepped clock's time, then read what is under way."""
        listening = self.listener is not None and "listen" in self.settings.roles
        if "tick" in self.settings.roles:
            await self.ticker.ring_due()
        lag, (backlog, ready, sweeps), due, outstanding = await asyncio.gather(
            self.listener.lag() if listening and self.listener is not None else _none(),
            self.store.under_way(SOON_ATTEMPTS),
            self.ticker.due(),
            self.outstanding() if self.outstanding is not None else _none(),
        )
        return Readings(
            lag=lag,
            backlog=backlog,
            http=self.in_flight.count,
            due=due,
            ready=ready,
            sweeps=sweeps,
            outstanding=outstanding,
            next_timer=self.ticker.next,
            counters={
                "appended": self._appended,
                "relayed": self.relay.relayed_facts if self.relay is not None else 0,
                "handled": self.listener.handled_messages if self.listener is not None else 0,
                "rung": self.ticker.rung,
            },
        )

    # What it is made with.

    async def _open(self) -> None:
        settings = self.settings
        self.store = await PostgresStore.connect(
            settings.database_dsn(self.name), application=self.process
        )
        if await self.store.comes_from_elsewhere():
            raise CannotStart("Its database was restored: `steward rebase` has to come first.")
        self.wall = await SystemClock.connect(self._database_time)
        self.clock = self.wall
        if settings.clock == "stepped":
            self.clock = await SteppedClock.connect(
                settings.database_dsn("clock"), self.process, self.wall
            )
        self.keys_pool = self.keys_store = await keys.open_keys(settings)
        if self.hears_keys:
            self.keys_store = await keys.open_keys(settings, f"keys_{self.name}")
        self.sealer = Sealer(self.keys_pool, settings.master_key_bytes, self.keys_store)
        boxes = Boxes(self.sealer, self.foreign.keys())
        self.authenticator = Authenticator(self.keys_pool, settings.admin_key)
        self.executor = Executor(
            self.store,
            self.clock,
            self.deciders,
            source=f"/steward/{self.name}",
            partition_of=lambda key: partition_of(key, settings.partitions),
            project=self.project,
            on_facts=self._on_facts,
            wall=self.wall,
            pack=boxes.close,
        )
        passes_over = {topic: passed_over(kinds) for topic, kinds in self.heeds.items()}
        hearing = Hearing(
            *(self.name, self.listens, self.foreign, self.feeds, boxes, passes_over),
            begins=self.begins,
        )
        heard: Heard = EverythingHeard(self.clock, settings.partitions)
        if self.listens or self.foreign:
            heard = self.listener = Listener(
                hearing,
                self.executor,
                self.clock,
                settings.kafka,
                self.metrics,
                group=f"steward.{self.name}",
                barriers=self.barriers,
                on_heard=self._after_hearing,
                middlewares=self._middlewares(),
            )
        if self.topic and "relay" in settings.roles:
            self.relay = Relay(
                self.store,
                self.clock,
                settings.kafka,
                self.topic,
                settings.partitions,
                self.metrics,
                # Never the same: who was stopped and continued must not pass for who came after.
                holder=f"{self.process}-{secrets.token_hex(6)}",
            )
        self.ticker = Ticker(self.executor, self.clock, self.wall, heard, self.metrics)
        self.retries = Retries(self.executor, self.wall, hearing, self.metrics, self._after_hearing)
        self._sweeper = Sweeps(self.executor, self.sweeps, self.selects)

    async def _database_time(self) -> Any:
        return await self.store.pool.fetchval("SELECT clock_timestamp()")

    def _middlewares(self) -> list[Any]:
        found: list[Any] = [
            KafkaPrometheusMiddleware(registry=self.metrics.registry, app_name=self.name)
        ]
        provider = tracer_provider(self.settings, self.name)
        if provider is not None:
            # Here, since most services run without traces.
            from faststream.kafka.opentelemetry import (
                KafkaTelemetryMiddleware,
            )

            found.append(KafkaTelemetryMiddleware(tracer_provider=provider))
        return found

    def _on_facts(self, facts: Sequence[Recorded]) -> None:
        if not facts:
            return
        self._appended += len(facts)
        self.metrics.facts_appended.inc(len(facts))
        self.ticker.wake()
        if self.relay is not None:
            self.relay.wake(len(facts))
        if self.on_facts is not None:
            self.on_facts(facts)

    async def _after_hearing(self, heard: Sequence[Recorded]) -> None:
        erased = [fact.fact.subject for fact in heard if isinstance(fact.fact, SubjectErased)]
        for subject in erased:
            self.sealer.forget(subject)
        if self.hears_keys:
            await keys.forget_keys(self.keys_store, erased)
        if self.on_heard is not None:
            await self.on_heard(heard)
        if any(fact.type.rpartition(".v")[0] in self.barriers for fact in heard):
            self.retries.hurry()

    def _begin(self, name: str, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        stop = asyncio.Event()
        self._tasks[name] = (stop, asyncio.ensure_future(work(stop)))

    async def _end(self, name: str) -> None:
        if name in self._tasks:
            stop, task = self._tasks[name]
            stop.set()
            await asyncio.gather(task, return_exceptions=True)

    def _begin_background(self) -> None:
        works: list[Background] = [*self.background, _keep_counting, _keep_forgetting]
        if self.owns_keys and "relay" in self.settings.roles:
            works.append(lambda s: keys.relay_keys(s.keys_pool, s.settings.kafka))
        if (self.hears_keys or self.owns_keys) and "listen" in self.settings.roles:
            works.append(_hear_keys)
        self._background = [asyncio.create_task(self._kept_up(work)) for work in works]

    async def _kept_up(self, work: Background) -> None:
        while True:
            try:
                await work(self)
                return
            except Exception:
                _LOG.exception("Background work failed and is started again.")
                await asyncio.sleep(1.0)

    async def _serve(self) -> None:
        config = uvicorn.Config(
            build_app(
                self,
                self.in_flight,
                max_file_bytes=MAX_FILE_BYTES if self.takes_files else None,
            ),
            host=self.settings.http_host,
            port=self.settings.http_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=3,
        )
        self._server = _Server(config)
        self._http = asyncio.create_task(self._http_loop(self._server))
        deadline = monotonic() + _HTTP_START_SECONDS
        while not self._server.started:
            if self._http.done() or monotonic() > deadline:
                address = f"{self.settings.http_host}:{self.settings.http_port}"
                raise CannotStart(f"The address {address} cannot be listened on.")
            await asyncio.sleep(0.01)

    async def _http_loop(self, server: uvicorn.Server) -> None:
        # uvicorn ends the process by itself when it cannot bind.
        with contextlib.suppress(SystemExit):
            await server.serve()


async def _keep_counting(service: Service) -> None:
    await gauges.keep_counting(
        service.store.pool,
        service.metrics,
        service.clock,
        service.settings.partitions,
        service.counts,
    )


async def _keep_forgetting(service: Service) -> None:
    await forgetting.keep_forgetting(service.store, service.clock, service.for_good)


async def _hear_keys(service: Service) -> None:
    await keys.hear_keys(
        service.keys_store,
        service.settings.kafka,
        service.name,
        owner=service.owns_keys,
        forget=service.sealer.forget,
    )


async def _none() -> int:
    return 0


class _Server(uvicorn.Server):
    """Leaves signals to the service: it ends HTTP last."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Capture none."""
        yield
