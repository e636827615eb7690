"""Of a list without end whose entries are all wrong only the first is looked at."""

import json
from collections.abc import Collection, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from steward_events.fact import Unreadable, read_fact
from steward_events.jsonschema import published_facts
from steward_events.tickets import TICKET_EVENTS
from steward_intake.application import actions, registration, words
from steward_sla.api.http import TakenOver
from steward_sla.api.policy_work import OtherVersion
from steward_visits.api.visits import Visited

READ: list[type[BaseModel]] = [
    *published_facts(),
    *TICKET_EVENTS.values(),
    *(
        kind
        for module in (actions, registration, words)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, words.Said)
    ),
    OtherVersion,
    TakenOver,
    Visited,
]
"""What others may send: facts, tickets, and the bodies that services take."""


def parts(annotation: Any) -> Iterator[Any]:
    """Give an annotation, what it may be instead, and what its entries are."""
    yield annotation
    for inner in get_args(annotation):
        yield from parts(inner)


def reached(models: Collection[type[BaseModel]]) -> set[type[BaseModel]]:
    """Give the models, and those that their fields hold."""
    found: set[type[BaseModel]] = set()
    waiting = set(models)
    while waiting:
        model = waiting.pop()
        found.add(model)
        fields = (part for field in model.model_fields.values() for part in parts(field.annotation))
        waiting |= {
            part for part in fields if isinstance(part, type) and issubclass(part, BaseModel)
        } - found
    return found


def wrong(annotation: Any, many: int) -> Any:
    """Give so many wrong entries of a field that holds many; None for any other field."""
    origin, its = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return wrong(its[0], many)
    if origin in (Union, UnionType):
        return next((found for each in its if (found := wrong(each, many))), None)
    if origin is dict and its[1] is not Any:
        return {str(key): None for key in range(many)}
    if origin in (list, set, frozenset) or (origin is tuple and its[1:] == (...,)):
        return [None] * many
    return None


FIELDS = [
    (model, name, field.annotation)
    for model in sorted(reached(READ), key=lambda model: (model.__module__, model.__qualname__))
    for name, field in model.model_fields.items()
    if wrong(field.annotation, 1)
]


@pytest.mark.parametrize(
    ("model", "name", "annotation"),
    FIELDS,
    ids=[f"{model.__name__}.{name}" for model, name, _ in FIELDS],
)
def test_every_list_is_read_up_to_its_first_wrong_entry(
    model: type[BaseModel], name: str, annotation: Any
) -> None:
    counts = []
    for many in (1, 3_000):
        with pytest.raises(ValidationError) as caught:
            model.model_validate_json(json.dumps({name: wrong(annotation, many)}))
        counts.append(caught.value.error_count())
    assert counts[0] == counts[1]


def test_a_fact_of_a_million_bytes_of_wrong_entries_has_few_errors() -> None:
    data = f'{{"shifts":[{",".join(["{}"] * 330_000)}]}}'
    with pytest.raises(Unreadable) as caught:
        read_fact("registry.duty_roster_published.v1", data)
    cause = caught.value.__cause__
    assert isinstance(cause, ValidationError)
    assert cause.error_count() < 10
