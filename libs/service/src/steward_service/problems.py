"""Every error of the HTTP interface as an RFC 9457 problem, with a sentence for a person."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from steward_decider import Refused
from steward_eventstore.port import BadData, Changed, FactTooLarge, Unavailable

MEDIA_TYPE = "application/problem+json"

_CHINESE_TITLES = {
    400: "请求有误",
    401: "未登录",
    403: "没有权限",
    404: "找不到",
    405: "不支持此方法",
    409: "当前状态不允许",
    410: "已被删除",
    412: "内容已被他人修改",
    413: "内容过大",
    415: "不支持此格式",
    422: "内容不符合要求",
    500: "系统内部错误",
    503: "暂时不可用",
}

_STATUS_OF_REFUSAL = {
    "precondition": 412,
    "key_reused": 422,
    "bad_data": 422,
    "not_found": 404,
    "forbidden": 403,
    "not_heard_yet": 503,
}


_AWAY: tuple[type[Exception], ...] = (
    Unavailable,
    OSError,  # also a socket's file that is not there while a server starts again
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it is ending, or beginning
    asyncpg.InsufficientResourcesError,  # a full disk is one
    asyncpg.PostgresSystemError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What says that a database cannot be reached now."""


class Problem(Exception):
    """Something that is answered as a problem; `detail` is a full sentence without personal data.

    `code` says what it is to a program, `members` are further members of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.members = dict(members or {})
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """Give the JSON object of RFC 9457."""
        document = {
            "type": f"urn:steward:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "title_zh": _CHINESE_TITLES.get(self.status, "请求未能完成"),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return document | self.members

    def response(self) -> Response:
        """Give the answer itself."""
        return Response(
            to_json(self.document()), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def not_found(what: str) -> Problem:
    """Say that something does not exist, or not for this caller; `what` as in “case 42”."""
    return Problem(404, "not_found", f"There is no {what} that you may see.")


def unavailable(detail: str = "The database cannot be reached now; try again.") -> Problem:
    """Say that it may work in a second."""
    return Problem(503, "unavailable", detail, headers={"Retry-After": "1"})


def problem_of(error: Exception) -> Problem | None:
    """Give the problem of an expected error; None for one that nobody expected."""
    match error:
        case Problem():
            return error
        case Refused():
            return _refusal(error)
        case RequestValidationError():
            return invalid(error.errors())
        case HTTPException():
            return _http(error)
        case FactTooLarge():
            return Problem(413, "too_large", "The content is too large to be stored.")
        case BadData():
            return Problem(422, "bad_data", "The content cannot be stored.")
        case Changed():
            return unavailable("Others keep changing the same things; try again.")
        case _ if isinstance(error, _AWAY):
            return unavailable()
        case _:
            return None


def install(app: FastAPI) -> None:
    """Let an application answer every expected error as a problem."""
    for kind in (Problem, Refused, RequestValidationError, HTTPException, BadData, Changed, *_AWAY):
        app.add_exception_handler(kind, _answer)


async def _answer(_: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem is None:
        raise error
    return problem.response()


def _refusal(error: Refused) -> Problem:
    status = _STATUS_OF_REFUSAL.get(error.code, 409)
    return Problem(
        status,
        error.code,
        error.reason,
        members={"rule": error.rule} if error.rule else None,
        headers={"Retry-After": "1"} if status == 503 else None,
    )


def _http(error: HTTPException) -> Problem:
    match error.status_code:
        case 404:
            sentence = "There is nothing at this address."
        case 405:
            sentence = "This address does not answer to this method."
        case 400:
            sentence = (
                "The body cannot be read: it is damaged, nested too deeply,"
                " or has a number of thousands of digits."
            )
        case _:
            sentence = f"{HTTPStatus(error.status_code).phrase}."
    code = HTTPStatus(error.status_code).name.lower()
    return Problem(error.status_code, code, sentence, headers=error.headers)


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Name the fields that are wrong, and never what stood in them: it may be personal."""
    said = [_said(error) for error in errors[:20]]
    members = {"errors": [{"field": field, "detail": sentence} for field, sentence in said]}
    return Problem(422, "invalid", said[0][1], members=members)


def _said(error: Mapping[str, Any]) -> tuple[str, str]:
    place = [str(part)[:60] for part in error["loc"]]
    if error["type"] == "json_invalid":
        return "body", f"The body is not JSON: what is wrong begins at character {place[-1]}."
    where, field = place[0], ".".join(place[1:])
    if not field:
        said = sentence(error, f"The {where}")
        if where == "body" and error["type"] in _OTHER_SHAPES:
            said = f"{said[:-1]}, sent as application/json."
        return where, said
    name = {"header": "header", "path": "part of the path", "query": "parameter"}.get(
        where, "field"
    )
    return field, sentence(error, f"The {name} “{field}”")


_OTHER_SHAPES = {"model_type", "model_attributes_type", "dict_type", "list_type", "lines"}
"""What a body is said to be when it was sent as something else than JSON."""

_INSTANT = "must be an instant with its offset, as 2026-10-01T08:00:00+08:00"
_DATE = "must be a date, as 2026-10-01"
_PREDICATES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be a text",
    "string_too_short": "is too short: it needs {min_length} or more characters",
    "string_too_long": "is too long: it may have {max_length} characters at most",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number that is not so large",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "datetime_type": _INSTANT,
    "datetime_parsing": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "datetime_object_invalid": _INSTANT,
    "timezone_aware": _INSTANT,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "time_of_day": "must be a time of day, as 09:00 or 24:00",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "tuple_type": "must be a JSON array",
    "too_short": "needs {min_length} or more entries",
    "too_long": "may have {max_length} entries at most",
    "union_tag_not_found": "must say its {discriminator}",
    "union_tag_invalid": "must have as its {discriminator} one of {expected_tags}",
    "value_error": "is not valid",
    "assertion_error": "is not valid",
    # Our own errors say it themselves.
    "out_of_reach": "{msg}",
    "several_lines": "{msg}",
    "lines": "{msg}",
}
"""What is wrong with a thing, by the type of pydantic's error."""

MONTH = r"^(19[7-9][0-9]|20[0-9]{2}|21([0-4][0-9]|50))-(0[1-9]|1[0-2])$"

_PATTERNS = {
    r"^[^\x00]*$": "must not contain the character NUL",
    r"^[^\x00]+$": "must not contain the character NUL",
    r"^[^\x00\s/|]+$": "must be an ID, without a space, slash, bar or NUL",
    MONTH: "must be a month, as 2026-10",
}
"""What a text must be that does not match."""


_QUOTED = re.compile(r"(<\w+\.\w+: )?'([^']*)'(?(1)>)")
"""A word as pydantic quotes it, alone or as the value of an enum's member."""


def sentence(error: Mapping[str, Any], subject: str) -> str:
    """Say in a full sentence what is wrong with a thing, and never what stood in it.

    `error` is one of pydantic's, with its context; one of an unknown type keeps pydantic's words.
    """
    message, context = str(error["msg"]), error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch":
        return f"{subject} {_PATTERNS.get(context['pattern'], 'has not the right form')}."
    predicate = _PREDICATES.get(error["type"])
    if predicate is None:
        return f"{subject} is wrong: {message[:1].lower()}{message[1:].rstrip('.')}."
    quoted = {name: _QUOTED.sub(r"“\2”", str(value)) for name, value in context.items()}
    return f"{subject} {predicate.format_map({**quoted, 'msg': message})}."
