"""Each expected error has its status, and a sentence that gives nothing away."""

import asyncpg
import pytest
from pydantic import BaseModel, ValidationError, field_validator

from steward_decider import NotHeardYet, Refused
from steward_eventstore.port import BadData, Changed, FactTooLarge, Unavailable
from steward_service.problems import Problem, invalid, not_found, problem_of


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
        (asyncpg.PostgresConnectionError("x"), 503, "unavailable"),
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


def test_members_come_with_the_document() -> None:
    document = Problem(503, "not_ready", "Not yet.", members={"reasons": ["Not yet."]}).document()
    assert document["reasons"] == ["Not yet."]
