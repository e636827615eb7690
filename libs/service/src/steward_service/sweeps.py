"""One cause that touches many streams: worked off some hundreds at a time, each time committed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from uuid import NAMESPACE_URL, uuid5

import structlog

from steward_eventstore.execute import Cause, Executor, Job, NotDone, To
from steward_eventstore.port import Sweep, SweepStep
from steward_service.batches import run_batch
from steward_service.telemetry import named

_LOG = structlog.get_logger(__name__)

Reach = Callable[[Sweep, str], Iterable[To]]
"""What a sweep does to one stream; it must change nothing when it is repeated."""

Select = Callable[[Sweep, int], Awaitable[Sequence[str]]]
"""Gives the next streams that a sweep is about, by name after its cursor; so many at most."""

STREAMS_AT_ONCE = 500
PAUSE_SECONDS = 0.25
_NAMESPACE = uuid5(NAMESPACE_URL, "steward/sweeps")


class Sweeps:
    """Works off open sweeps.

    `reaches` says by the sweep's kind what to do to each stream, `selects` which these are where
    they are not all of the sweep's prefix.
    """

    def __init__(
        self,
        executor: Executor,
        reaches: Mapping[str, Reach],
        selects: Mapping[str, Select] | None = None,
    ) -> None:
        self._executor = executor
        self._reaches = reaches
        self._selects = selects or {}

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until told to stop."""
        while not stop.is_set():
            try:
                while not stop.is_set() and await self.step():
                    pass
            except Exception as error:
                _LOG.warning("Sweeps cannot go on now.", reason=named(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)

    async def step(self) -> bool:
        """Take one step of every open sweep; False when there is none."""
        found = [s for s in await self._executor.store.sweeps() if s.kind in self._reaches]
        for sweep in found:
            await self._step(sweep)
        return bool(found)

    async def _step(self, sweep: Sweep) -> None:
        select = self._selects.get(sweep.kind, self._all)
        streams = await select(sweep, STREAMS_AT_ONCE)
        reach = self._reaches[sweep.kind]
        cause = Cause(uuid5(_NAMESPACE, sweep.id), "sweeps")

        def reached(stream: str) -> Iterable[To]:
            # What was heard of its partition may be less than what began the sweep.
            return [to._replace(aside=True) for to in reach(sweep, stream)]

        jobs = [Job(cause, partial(reached, stream)) for stream in streams]
        step = SweepStep(sweep.id, sweep.cursor, streams[-1] if streams else None)
        jobs.append(Job(cause, _nothing, sweep_step=step))
        for stream, outcome in zip(
            streams, await run_batch(self._executor, jobs, lambda: True), strict=False
        ):
            if isinstance(outcome, NotDone):
                _LOG.warning("A sweep passed a stream over.", stream=stream, kind=sweep.kind)

    async def _all(self, sweep: Sweep, limit: int) -> Sequence[str]:
        return await self._executor.store.streams_after(sweep.prefix, sweep.cursor, limit)


def _nothing() -> Iterable[To]:
    return ()
