"""What people write and nobody seals: each interface says so, and the documentation names it."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from steward_events.tickets import TICKET_EVENTS
from steward_events.vocabulary import Clear, Word
from steward_intake.api.routers import ROUTERS
from steward_visits.api import http as followups
from steward_visits.api import visits

CLEAR, WORD = (TypeAdapter(kind).json_schema() for kind in (Clear, Word))
CHOSEN = {"zone", "policy", "calendar"}
"""Words that name something of the policy; nobody makes them up."""
PAGE = Path(__file__).parents[2] / "docs" / "personal-data.md"


def interfaces() -> Iterator[dict[str, Any]]:
    """Give what may be sent: bodies and tickets, and why something is revealed."""
    app = FastAPI()
    unasked: Any = None
    ours = [each.router(lambda: unasked, lambda: unasked) for each in (followups, visits)]
    for router in (*ROUTERS, *ours):
        app.include_router(router)
    document = app.openapi()
    for schema in document["components"]["schemas"].values():
        yield schema.get("properties", {})
    for path in document["paths"].values():
        for parameter in path.get("get", {}).get("parameters", ()):
            if parameter["name"] == "reason":
                yield {"reason": parameter["schema"]}
    for ticket in TICKET_EVENTS.values():
        yield ticket.model_json_schema()["properties"]


def forms(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a field's own schema, and those of its choices and items."""
    yield schema
    for inner in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from forms(inner)


@cache
def words() -> frozenset[tuple[str, bool]]:
    """Name every word, and say whether it is described as kept in clear."""
    return frozenset(_words())


def _words() -> Iterator[tuple[str, bool]]:
    for fields in interfaces():
        for name, schema in fields.items():
            for form in forms(schema):
                if WORD.items() <= form.items():
                    yield name, form.get("description") == CLEAR["description"]


def test_whoever_writes_what_stands_in_clear_is_told_so() -> None:
    assert {name for name, told in words() if not told} == CHOSEN


def test_the_documentation_names_all_that_stands_in_clear() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert CLEAR["description"] in text.replace("\n", " ")
    section = text.split("## What stands in clear\n")[1].split("\n## ")[0]
    first = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    named = {name for cell in first for name in re.findall(r"`(\w+)`", cell)}
    assert named == {name for name, told in words() if told}
