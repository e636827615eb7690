"""Runs jobs so that neither a broken store nor a defect in a decider stops those behind."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from steward_decider import Refused
from steward_eventstore.execute import Executor, Job, NotDone, Outcome
from steward_eventstore.port import Changed, Unavailable
from steward_service.telemetry import named

_LOG = structlog.get_logger(__name__)
_GAPS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


class GivenUp(Exception):
    """The store stayed away until we were told to stop waiting."""


async def run_batch(
    executor: Executor, jobs: Sequence[Job], give_up: Callable[[], bool] = lambda: False
) -> list[Outcome]:
    """Run jobs; waits while the store cannot be reached; never raises for a bad job.

    A defect (any error that is no refusal) is pinned to its job by halving the batch; that job is
    parked, or answered with `NotDone` if it has no parcel. Raises `GivenUp` when `give_up` says so
    between two tries.
    """
    tried = 0
    while True:
        try:
            return await executor.execute_batch(jobs)
        except (Unavailable, Changed) as error:
            if give_up():
                raise GivenUp(str(error)) from error
            gap = _GAPS_SECONDS[min(tried, len(_GAPS_SECONDS) - 1)]
            tried += 1
            _LOG.warning("The store does not take a batch now.", reason=named(error), wait=gap)
            await asyncio.sleep(gap)
        except Exception as error:
            if len(jobs) > 1:
                half = len(jobs) // 2
                first = await run_batch(executor, jobs[:half], give_up)
                return [*first, *await run_batch(executor, jobs[half:], give_up)]
            [job] = jobs
            _LOG.exception("A job met a defect.", consumer=job.cause.consumer)
            refusal = Refused(
                f"The program failed with {type(error).__name__}; its log says where.",
                code="defect",
            )
            if job.parcel is None or job.broken is not None:
                return [NotDone(refusal)]
            jobs = [job._replace(broken=refusal)]
