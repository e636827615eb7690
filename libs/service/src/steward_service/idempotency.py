"""A write that is sent twice happens once, and both times the answer is the same."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic_core import from_json, to_json
from starlette.responses import Response
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.recorded import Recorded
from steward_eventstore.execute import Cause, Executor, Job, To
from steward_eventstore.port import ForeignMark, Sweep
from steward_service.auth import Principal
from steward_service.problems import Problem

HEADER = "Idempotency-Key"

Answer = Mapping[str, Any] | Callable[[Sequence[Recorded]], Mapping[str, Any]]

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


async def handle(
    request: Request,
    principal: Principal,
    executor: Executor,
    *,
    to: Sequence[To] | Refused,
    answer: Answer,
    status: int = 201,
    sweeps: Sequence[Sweep] = (),
) -> Response:
    """Carry out the commands of a write and answer it, once for each Idempotency-Key.

    `answer` is the JSON object of the answer, or makes it of the facts. A repeat gets the status
    and the answer of the first time, with the IDs made then. The key of every command must be one
    of the principal's projects. `sweeps` begin with it. A `Refused` instead of the commands refuses all but a repeat.
    Raises a `Problem`, `Refused`, and what `execute` raises; what was refused is not remembered.
    """
    key = idempotency_key(request)
    commands = () if isinstance(to, Refused) else to
    for command in commands:
        principal.demand(command.key)

    def wanted() -> Sequence[To]:
        if isinstance(to, Refused):
            raise to
        return to

    def remembered(facts: Sequence[Recorded]) -> bytes:
        return to_json({"status": status, "body": answer(facts) if callable(answer) else answer})

    job = Job(
        Cause(
            id=uuid7(),
            consumer="http",
            correlation_id=getattr(request.state, "correlation_id", ""),
            traceparent=_traceparent(request),
        ),
        wanted,
        mark=ForeignMark(
            "http",
            principal.id,
            key,
            stream=commands[0].stream if commands else "",
            fingerprint=await _fingerprint(request),
        ),
        answer=remembered,
        sweeps=tuple(sweeps),
    )
    done = await executor.execute(job)
    said = from_json(done.answer or b'{"status":200,"body":{}}')
    return Response(to_json(said["body"]), said["status"], media_type="application/json")


def idempotency_key(request: Request) -> str:
    """Give the request's Idempotency-Key; raises a 400 problem where it is missing or too long."""
    key = request.headers.get(HEADER, "")
    if not 1 <= len(key) <= 200 or not key.isprintable():
        raise Problem(
            400,
            "idempotency_key",
            f"Every write needs the header {HEADER}: 1 to 200 printable characters, new for each "
            "write and the same when it is sent again.",
        )
    return key


async def _expected_version(request: Request) -> int | None:
    tag = request.headers.get("If-Match")
    if tag is None:
        return None
    if not re.fullmatch(r'"[0-9]{1,9}"', tag):
        raise Problem(
            400, "if_match", 'The header If-Match must be the ETag that was read, as "7".'
        )
    return int(tag.strip('"'))


IfMatch = Annotated[int | None, Depends(_expected_version)]
"""The version that the sender saw, for `To.expected`; None where they do not say."""


def etag(version: int) -> str:
    """Give the ETag of what stands at this version."""
    return f'"{version}"'


async def _fingerprint(request: Request) -> str:
    target = f"{request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(target.encode() + await request.body()).hexdigest()


def _traceparent(request: Request) -> str:
    said = request.headers.get("traceparent", "")
    return said if _TRACEPARENT.fullmatch(said) else ""
