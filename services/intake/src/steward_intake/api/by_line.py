"""Many lines in one request: each has its result, and one bad line stops no other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic_core import from_json, to_json
from starlette.responses import JSONResponse, Response

from steward_decider import Refused
from steward_events.recorded import Recorded
from steward_eventstore.execute import (
    Applied,
    Cause,
    Executor,
    Job,
    NotDone,
    Parked,
    Repeated,
    To,
)
from steward_eventstore.port import ForeignMark
from steward_intake.application.words import Said
from steward_service.problems import Problem, problem_of

Prepared = TypeVar("Prepared")
AnyLine = TypeVar("AnyLine", bound=Said)


def read_lines(
    body: Sequence[AnyLine | Problem],
) -> tuple[dict[int, AnyLine], dict[int, dict[str, Any]]]:
    """Give the lines that could be read, and the results of those that could not, by place."""
    read: dict[int, AnyLine] = {}
    results: dict[int, dict[str, Any]] = {}
    for place, line in enumerate(body):
        if isinstance(line, Problem):
            results[place] = error_of(line)
        else:
            read[place] = line
    return read, results


async def side_by_side(work: Iterable[Awaitable[Prepared]]) -> list[Prepared | Exception]:
    """Prepare many lines at once; a line that fails gives its error in its place."""
    found = await asyncio.gather(*work, return_exceptions=True)
    return [_expected(one) if isinstance(one, BaseException) else one for one in found]


def _expected(error: BaseException) -> Exception:
    if isinstance(error, Refused | Problem):
        return error
    raise error


def line_of(
    cause: Cause, mark: tuple[str, str, str], to: Sequence[To], said: Mapping[str, Any]
) -> Job:
    """Make the job of one line; the mark is who says it, the line's own key, and a fingerprint."""
    by, key, fingerprint = mark
    place = ForeignMark("http", by, key, to[0].stream, fingerprint)
    return Job(cause, lambda: to, place, answer=always_said(to_json(said)))


def with_cases(case_ids: Sequence[str], results: Mapping[int, dict[str, Any]]) -> Response:
    """Answer with a result for each case, in their order."""
    lines = [{"case_id": id_, **results[place]} for place, id_ in enumerate(case_ids)]
    return JSONResponse({"results": lines})


def always_said(said: bytes) -> Callable[[Sequence[Recorded]], bytes]:
    return lambda _: said


async def results_of(executor: Executor, jobs: Mapping[int, Job]) -> dict[int, dict[str, Any]]:
    """Run the lines together and say of each what became of it."""
    outcomes = await executor.execute_batch(list(jobs.values()))
    results: dict[int, dict[str, Any]] = {}
    for place, outcome in zip(jobs, outcomes, strict=True):
        match outcome:
            case Applied(facts, answer):
                results[place] = {**from_json(answer or b"{}"), "facts": len(facts)}
            case Repeated(answer):
                results[place] = {**from_json(answer or b"{}"), "facts": 0, "repeated": True}
            case Parked(reason, _):
                results[place] = {"error": reason}
            case NotDone(error):
                results[place] = error_of(error)
    return results


def error_of(error: Exception) -> dict[str, Any]:
    problem = problem_of(error)
    if problem is None:
        raise error
    said = {"error": problem.detail, "code": problem.code}
    return said | ({"rule": error.rule} if isinstance(error, Refused) and error.rule else {})
