"""The HTTP side that all services share: one application, one door, one way to say what is wrong."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from steward_events.asyncapi import ALL_TOPICS, asyncapi_document
from steward_service import counters, problems
from steward_service.auth import Authenticator, is_guard
from steward_service.idempotency import HEADER
from steward_service.problems import Problem
from steward_service.telemetry import Metrics

MAX_BODY_BYTES = 1_000_000
MAX_FILE_BYTES = 10_500_000
"""Of a body that is a file, where a service takes files."""
CORRELATION_HEADER = "X-Correlation-ID"

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}

log = structlog.get_logger(__name__)


class Served(Protocol):
    """What a service must have for its HTTP side; routes find it in `request.app.state.service`."""

    @property
    def name(self) -> str: ...

    @property
    def topic(self) -> str:
        """The service's own topic; empty where it has none."""
        ...

    @property
    def foreign(self) -> Mapping[str, object]:
        """The topics of other systems that the service listens to."""
        ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def authenticator(self) -> Authenticator: ...

    @property
    def routers(self) -> Sequence[APIRouter]: ...

    async def reasons_not_ready(self) -> Sequence[str]:
        """Say in sentences why no requests should come now; nothing when they may."""
        ...


class InFlight:
    """How many requests of the interface are being answered now."""

    def __init__(self) -> None:
        self.count = 0


def build_app(
    service: Served,
    in_flight: InFlight | None = None,
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
    max_file_bytes: int | None = None,
) -> FastAPI:
    """Build the application of a service. Raises TypeError for a route that lets anybody pass.

    `max_file_bytes` is of bodies that are not JSON, where they may be larger.
    """
    app = FastAPI(
        title=f"Steward: {service.name}",
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses={
            "default": {
                "description": "A problem (RFC 9457).",
                "content": {problems.MEDIA_TYPE: {"schema": _PROBLEM_SCHEMA}},
            }
        },
    )
    app.state.service = service
    app.state.authenticator = service.authenticator
    app.state.in_flight = in_flight or InFlight()
    problems.install(app)
    app.include_router(_operations(service))
    for router in (counters.router, *service.routers):
        _check_guards(router)
        app.include_router(router, dependencies=[Depends(_known_parameters)])
    app.add_middleware(
        Door,
        in_flight=app.state.in_flight,
        max_body_bytes=max_body_bytes,
        max_file_bytes=max_file_bytes or max_body_bytes,
    )
    _document_idempotency(app)
    return app


def _operations(service: Served) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse({"live": True})

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        reasons = list(await service.reasons_not_ready())
        if reasons:
            raise Problem(503, "not_ready", reasons[0], members={"reasons": reasons})
        return JSONResponse({"ready": True})

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/asyncapi")
    async def asyncapi() -> JSONResponse:
        topics = {service.topic, *service.foreign} & ALL_TOPICS
        return JSONResponse(asyncapi_document(topics))

    return router


def _check_guards(router: APIRouter) -> None:
    for route in router.routes:
        if isinstance(route, APIRoute) and not _is_guarded(route.dependant):
            raise TypeError(
                f"{route.path} lets anybody pass: give it require(…), or [anyone] on purpose."
            )


def _is_guarded(dependant: Dependant) -> bool:
    return any(is_guard(inner.call) or _is_guarded(inner) for inner in dependant.dependencies)


async def _known_parameters(request: Request) -> None:
    """Refuse a parameter that an address does not know: a filter with a slip would filter nothing."""
    route = request.scope["route"]
    if request.method != "GET" or not isinstance(route, APIRoute):
        return
    known = [
        field.alias
        for field in get_flat_params(route.dependant)
        # What stands in a model of parameters has no place of its own.
        if getattr(field.field_info, "in_", ParamTypes.query) is ParamTypes.query
    ]
    for name in request.query_params:
        if name not in known:
            may = f"it knows {', '.join(known)}" if known else "it knows none"
            raise Problem(
                400, "parameter", f"The parameter “{name[:60]}” is not known here: {may}."
            )


def _document_idempotency(app: FastAPI) -> None:
    """Name the header of every write in the OpenAPI document."""
    plain: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            for operations in document.get("paths", {}).values():
                for method, operation in operations.items():
                    if method.upper() in _WRITES and operation.get("security"):
                        operation.setdefault("parameters", []).append(_IDEMPOTENCY_PARAMETER)
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]


_IDEMPOTENCY_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "New for each write, the same when it is sent again.",
}

_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "title_zh": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "rule": {"type": "string"},
        "correlation_id": {"type": "string"},
    },
}


class Door:
    """What every request passes: its correlation ID, the limits of a body, the last catch."""

    def __init__(
        self, app: ASGIApp, in_flight: InFlight, max_body_bytes: int, max_file_bytes: int
    ) -> None:
        self._app = app
        self._in_flight = in_flight
        self._max_body_bytes = max_body_bytes
        self._max_file_bytes = max_file_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = scope["path"].startswith("/v1/")
        self._in_flight.count += counted
        try:
            await self._answer(scope, receive, send)
        finally:
            self._in_flight.count -= counted

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        said = headers.get(CORRELATION_HEADER, "")
        correlation_id = said if _CORRELATION_ID.fullmatch(said) else str(uuid7())
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message)[CORRELATION_HEADER] = correlation_id
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            try:
                await self._pass(scope, headers, receive, send_on)
            except Problem as problem:
                await problem.response()(scope, receive, send_on)
            except Exception:
                # The path as it is declared: as it was asked for it may hold a name, or a secret.
                path = getattr(scope.get("route"), "path", "")
                log.exception("A request failed unexpectedly.", path=path)
                if begun:
                    raise
                unexpected = Problem(
                    500,
                    "unexpected",
                    "Something went wrong on our side. Tell us the correlation ID and we will find "
                    "out what.",
                    members={"correlation_id": correlation_id},
                )
                await unexpected.response()(scope, receive, send_on)

    async def _pass(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
            raise _nul()
        body = b"" if scope["method"] not in _WRITES else await self._body(headers, receive)
        if _is_json(headers):
            _check_text(body)
        await self._app(scope, _replayed(body, receive), send)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        most = self._max_body_bytes if _is_json(headers) else self._max_file_bytes
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > most:
            raise _too_large(most)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return bytes(body)
            body += message.get("body", b"")
            if len(body) > most:
                raise _too_large(most)
            if not message.get("more_body", False):
                return bytes(body)


def _too_large(most: int) -> Problem:
    return Problem(413, "too_large", f"The body is too large: at most {most} bytes go in.")


def _replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _is_json(headers: Headers) -> bool:
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _check_text(body: bytes) -> None:
    """Refuse what PostgreSQL cannot keep: NUL characters, halves of characters, other encodings."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Problem(422, "encoding", "The body must be UTF-8.") from None
    if "\0" in text:
        raise _nul()  # or UTF-16, which some readers of JSON would take
    if text.startswith("\ufeff"):
        raise Problem(422, "encoding", "The body must be UTF-8, without a byte order mark.")
    if "\\u0000" not in text and "\\ud" not in text.lower():
        return
    try:
        waiting = [json.loads(text, strict=False)]
    except (ValueError, RecursionError):
        return  # said by the application, with the place
    while waiting:
        match waiting.pop():
            case dict() as entries:
                waiting += [*entries.keys(), *entries.values()]
            case list() as entries:
                waiting += entries
            case str() as value if "\0" in value:
                raise _nul()
            case str() as value if any("\ud800" <= letter <= "\udfff" for letter in value):
                raise Problem(
                    422, "encoding", "The body contains half of a character (a surrogate)."
                )
            case _:
                pass


def _nul() -> Problem:
    return Problem(422, "nul_character", "The request contains a NUL character; take it out.")
