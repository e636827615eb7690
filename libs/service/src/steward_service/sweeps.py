"""One cause that touches many streams: worked off some hundreds at a time, each time committed."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from uuid import NAMESPACE_URL, uuid5

import structlog

from steward_eventstore.execute import Cause, Executor, Job, NotDone, To
from steward_eventstore.port import Sweep, SweepStep
from steward_service.batches import run_batch

_LOG = structlog.get_logger(__name__)

Reach = Callable[[Sweep, str], Iterable[To]]
"""What a sweep does to one stream; it must change nothing when it is repeated."""

STREAMS_AT_ONCE = 500
PAUSE_SECONDS = 0.25
_NAMESPACE = uuid5(NAMESPACE_URL, "steward/sweeps")


class Sweeps:
    """Works off open sweeps; `reaches` says by the sweep's kind what to do to each stream."""

    def __init__(self, executor: Executor, reaches: Mapping[str, Reach]) -> None:
        self._executor = executor
        self._reaches = reaches

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until told to stop."""
        while not stop.is_set():
            try:
                while not stop.is_set() and await self.step():
                    pass
            except Exception as error:
                _LOG.warning("Sweeps cannot go on now.", reason=repr(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)

    async def step(self) -> bool:
        """Take one step of every open sweep; False when there is none."""
        found = [s for s in await self._executor.store.sweeps() if s.kind in self._reaches]
        for sweep in found:
            await self._step(sweep)
        return bool(found)

    async def _step(self, sweep: Sweep) -> None:
        store = self._executor.store
        streams = await store.streams_after(sweep.prefix, sweep.cursor, STREAMS_AT_ONCE)
        reach = self._reaches[sweep.kind]
        cause = Cause(uuid5(_NAMESPACE, sweep.id), "sweeps")
        jobs = [Job(cause, lambda stream=stream: reach(sweep, stream)) for stream in streams]  # type: ignore[misc]
        step = SweepStep(sweep.id, sweep.cursor, streams[-1] if streams else None)
        jobs.append(Job(cause, _nothing, sweep_step=step))
        for stream, outcome in zip(
            streams, await run_batch(self._executor, jobs, lambda: True), strict=False
        ):
            if isinstance(outcome, NotDone):
                _LOG.warning("A sweep passed a stream over.", stream=stream, kind=sweep.kind)


def _nothing() -> Iterable[To]:
    return ()
