"""docs/events.md names every topic, type, field and word that goes over Kafka."""

import pytest

from steward_events.asyncapi import asyncapi_document
from steward_events.jsonschema import published_facts
from steward_events.page import page
from steward_events.tickets import TICKET_EVENTS

PAGE = page(asyncapi_document())
ROWS = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize("topic", asyncapi_document()["channels"])
def test_every_topic_says_its_key(topic: str) -> None:
    _, _, after = PAGE.partition(f"## `{topic}`\n")
    assert " Key: " in after.split("## ")[0]


@pytest.mark.parametrize("kind", [*published_facts(), *TICKET_EVENTS.values()])
def test_every_type_says_its_sentence_and_its_fields(kind: type) -> None:
    names = {ticket: name for name, ticket in TICKET_EVENTS.items()}
    row = ROWS[names.get(kind) or kind.wire_type]  # type: ignore[attr-defined]
    assert (kind.__doc__ or "").strip().splitlines()[0] in row
    for field in kind.model_fields:  # type: ignore[attr-defined]
        assert f"`{field}`" in row


def test_what_is_optional_sealed_or_a_word_is_seen() -> None:
    row = ROWS["intake.case_received.v1"]
    for said in ("`number`,", "`summary`? (*sealed*)", "`kind` (Kind)", "`posted_at`? (instant)"):
        assert said in row
    assert "| Severity | minor, important, major |" in PAGE
