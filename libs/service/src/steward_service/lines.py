"""Many lines in one body: each is read by itself, so that one bad line stops no other."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    Field,
    InstanceOf,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from steward_service.problems import Problem, invalid

MOST = 500


def _or_problem(said: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(said)
    except ValidationError as error:
        kind = said.get("type") if isinstance(said, dict) else None
        return invalid([wrong | {"loc": _place(wrong["loc"], kind)} for wrong in error.errors()])


def _place(found: Sequence[Any], kind: Any) -> tuple[Any, ...]:
    """Give the place in a line; pydantic puts the line's kind before it."""
    return ("line", *(found[1:] if found[:1] == (kind,) else found))


def _or_sentence(said: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(said)
    except ValidationError:  # never a line's own, which became a problem
        raise PydanticCustomError("lines", f"must be a JSON array of 1 to {MOST} lines") from None


Line = TypeVar("Line")

Lines = Annotated[
    list[Annotated[Line, WrapValidator(_or_problem)] | SkipJsonSchema[InstanceOf[Problem]]],
    Field(min_length=1, max_length=MOST),
    WrapValidator(_or_sentence),
]
"""A body of lines of one type; a line that cannot be read is a `Problem` in its place."""
