"""Each expected error has its status, and a sentence that gives nothing away."""

from typing import Annotated, Any, Literal

import asyncpg
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from steward_decider import NotHeardYet, Refused
from steward_events.tickets import Line, Name, Text
from steward_events.vocabulary import Day, Id, Instant, Kind, Mode, Moment, Word
from steward_eventstore.port import BadData, Changed, FactTooLarge, Unavailable
from steward_service.lists import Month
from steward_service.problems import Problem, invalid, not_found, problem_of, sentence


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refused("No.", rule="RC-2"), 409, "refused"),
        (Refused("No.", code="precondition"), 412, "precondition"),
        (Refused("No.", code="key_reused"), 422, "key_reused"),
        (Refused("No.", code="not_found"), 404, "not_found"),
        (Refused("No.", code="forbidden"), 403, "forbidden"),
        (NotHeardYet("Not yet."), 503, "not_heard_yet"),
        (FactTooLarge("x"), 413, "too_large"),
        (BadData("x"), 422, "bad_data"),
        (Unavailable("x"), 503, "unavailable"),
        (Changed("x"), 503, "unavailable"),
        (TimeoutError(), 503, "unavailable"),
        (ConnectionRefusedError(), 503, "unavailable"),
        (FileNotFoundError(), 503, "unavailable"),
        (asyncpg.PostgresConnectionError("x"), 503, "unavailable"),
        (asyncpg.CannotConnectNowError("x"), 503, "unavailable"),
        (asyncpg.AdminShutdownError("x"), 503, "unavailable"),
        (asyncpg.CrashShutdownError("x"), 503, "unavailable"),
        (asyncpg.TooManyConnectionsError("x"), 503, "unavailable"),
        (asyncpg.DiskFullError("x"), 503, "unavailable"),
        (asyncpg.PostgresIOError("x"), 503, "unavailable"),
        (not_found("case 42"), 404, "not_found"),
    ],
)
def test_an_expected_error_is_a_problem(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert (problem.status, problem.code) == (status, code)
    assert ("Retry-After" in problem.headers) == (status == 503)
    response = problem.response()
    assert response.media_type == "application/problem+json"


def test_an_error_that_nobody_expected_is_none() -> None:
    assert problem_of(ZeroDivisionError()) is None


def test_a_refusal_names_its_rule() -> None:
    problem = problem_of(Refused("Two days are over.", rule="RM-4.5.2c"))
    assert problem is not None
    assert problem.document() == {
        "type": "urn:steward:problem:refused",
        "title": "Conflict",
        "title_zh": "当前状态不允许",
        "status": 409,
        "detail": "Two days are over.",
        "code": "refused",
        "rule": "RM-4.5.2c",
    }


class Resident(BaseModel):
    phone: str

    @field_validator("phone")
    @classmethod
    def _is_number(cls, value: str) -> str:
        raise ValueError(f"{value} is no number")


def test_a_field_is_named_and_its_content_is_not() -> None:
    with pytest.raises(ValidationError) as caught:
        Resident(phone="13800138000x")
    errors = [error | {"loc": ("body", *error["loc"])} for error in caught.value.errors()]
    problem = invalid(errors)
    assert problem.detail == "The field “phone” is not valid."
    assert "13800138000" not in str(problem.document())


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


INSTANT = "must be an instant with its offset, as 2026-10-01T08:00:00+08:00."


@pytest.mark.parametrize(
    ("type_", "said", "predicate"),
    [
        (Word, "a\0b", "must not contain the character NUL."),
        (Line, "a\0b", "must not contain the character NUL."),
        (Text, "a\0b", "must not contain the character NUL."),
        (Id, "a b", "must be an ID, without a space, slash, bar or NUL."),
        (Name, "a/b", "must be an ID, without a space, slash, bar or NUL."),
        (Name, "", "is too short: it needs 1 or more characters."),
        (Word, "x" * 201, "is too long: it may have 200 characters at most."),
        (Word, 5, "must be a text."),
        (Moment, "2026-10-01T08:00:00", INSTANT),
        (Moment, "soon", INSTANT),
        (Moment, [], INSTANT),
        (Moment, 1_760_060_000, INSTANT),
        (Moment, 0.0, INSTANT),
        (Moment, "1760060000", INSTANT),
        (Moment, "-1760060000.5", INSTANT),
        (Instant, "0000", INSTANT),
        (Day, "0", "must be a date, as 2026-10-01."),
        (Day, 86_400, "must be a date, as 2026-10-01."),
        (Moment, "9999-01-01T00:00:00Z", "must be an instant of the years 1970 to 2150."),
        (
            Kind,
            "song",
            "must be one of “complaint”, “service_request”, “consultation” or “suggestion”.",
        ),
        (Literal["phone", "letter"], "song", "must be one of “phone” or “letter”."),
        (
            Literal[Mode.PHONE, Mode.ON_SITE],
            "song",
            "must be one of “phone” or “on_site”.",
        ),
        (Month, "0000-01", "must be a month, as 2026-10."),
        (Month, "1969-12", "must be a month, as 2026-10."),
        (Month, "2026-13", "must be a month, as 2026-10."),
        (Month, "2151-01", "must be a month, as 2026-10."),
        (Annotated[int, Field(ge=1, le=5)], 0, "must be 1 or more."),
        (Annotated[int, Field(ge=1, le=5)], 6, "must be 5 or less."),
        (int, "x", "must be a whole number."),
        (bool, "x", "must be true or false."),
        (Strict, 5, "must be a JSON object."),
        (list[int], 5, "must be a JSON array."),
        (Annotated[list[int], Field(min_length=1)], [], "needs 1 or more entries."),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "may have 1 entries at most."),
    ],
)
def test_what_is_wrong_with_a_field_is_said_in_plain_words(
    type_: Any, said: object, predicate: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(type_).validate_python(said)
    assert sentence(caught.value.errors()[0], "It") == f"It {predicate}"


def test_a_field_that_is_not_known_or_missing_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        Strict.model_validate({"surprise": 1})
    errors = [error | {"loc": ("body", *error["loc"])} for error in caught.value.errors()]
    assert invalid(errors).detail == "The field “surprise” is not known here."
    missing = {"type": "missing", "loc": ("query", "month"), "msg": "Field required"}
    assert invalid([missing]).detail == "The parameter “month” is missing."


def test_an_error_without_words_of_ours_keeps_its_own() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(bytes).validate_python(5)
    assert sentence(caught.value.errors()[0], "It") == (
        "It is wrong: input should be a valid bytes."
    )


def test_members_come_with_the_document() -> None:
    document = Problem(503, "not_ready", "Not yet.", members={"reasons": ["Not yet."]}).document()
    assert document["reasons"] == ["Not yet."]
