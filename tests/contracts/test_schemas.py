"""A released fact never changes; only optional fields may join.

`python -m steward_events.jsonschema --write tests/contracts/schemas` pins what is new.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import create_model

from steward_events.fact import Fact
from steward_events.intake import CaseReceived
from steward_events.jsonschema import (
    breaking_changes,
    published_facts,
    schema_of,
    structure_of,
    text_of,
)
from steward_events.sealed import Sealed
from steward_events.vocabulary import Word

PINS = Path(__file__).parent / "schemas"
COMMAND = "Run: python -m steward_events.jsonschema --write tests/contracts/schemas"
FACTS = {fact.wire_type: fact for fact in published_facts()}


@pytest.mark.parametrize("file", sorted(PINS.glob("*.json")), ids=lambda file: file.stem)
def test_a_released_fact_is_still_what_it_was(file: Path) -> None:
    assert file.stem in FACTS, "A released fact is never taken away: old messages carry it."
    pinned = json.loads(file.read_text(encoding="utf-8"))
    assert breaking_changes(pinned, structure_of(FACTS[file.stem])) == []


def test_every_fact_and_every_field_is_pinned() -> None:
    behind = [
        wire_type
        for wire_type, fact in FACTS.items()
        if not (file := PINS / f"{wire_type}.json").exists()
        or file.read_text(encoding="utf-8") != text_of(structure_of(fact))
    ]
    assert behind == [], COMMAND


@pytest.mark.parametrize("wire_type", FACTS)
def test_every_schema_is_a_json_schema(wire_type: str) -> None:
    Draft202012Validator.check_schema(schema_of(FACTS[wire_type]))
    Draft202012Validator.check_schema(structure_of(FACTS[wire_type]))


class Before(Fact):
    case_id: Word
    how: Literal["phone", "letter"]
    remark: Sealed | None = None


def changed(**fields: object) -> list[str]:
    kept = {name: (info.annotation, info) for name, info in Before.model_fields.items()}
    wanted = {name: field for name, field in (kept | fields).items() if field is not None}
    after = create_model("Before", __base__=Fact, **wanted)  # type: ignore[call-overload]
    return breaking_changes(structure_of(Before), structure_of(after))


def test_an_optional_field_may_join() -> None:
    assert changed(owner=(str | None, None), count=(int, 0)) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"owner": (str, ...)}, "The fact, field “owner”: it is needed now."),
        ({"remark": None}, "The fact, field “remark”: it is gone."),
        ({"case_id": (Word, "")}, "The fact, field “case_id”: it may be missing now."),
        ({"how": (Literal["phone"], ...)}, "The fact, field “how”"),
        ({"how": (Literal["phone", "letter", "fax"], ...)}, "The fact, field “how”"),
        ({"case_id": (int, ...)}, "The fact, field “case_id”"),
        ({"remark": (str | None, None)}, "The fact, field “remark”"),
    ],
)
def test_every_other_change_is_found(fields: dict[str, object], sentence: str) -> None:
    changes = changed(**fields)
    assert any(change.startswith(sentence) for change in changes), changes


def test_a_change_inside_a_field_is_found() -> None:
    pinned = structure_of(CaseReceived)
    now = json.loads(text_of(pinned))
    [sealed] = [o for o in now["properties"]["summary"]["anyOf"] if o.get("type") == "object"]
    sealed["properties"]["more"] = {"type": "string"}
    assert breaking_changes(pinned, now) == []
    del sealed["properties"]["box"]
    assert breaking_changes(pinned, now) == ["The fact, field “summary”, field “box”: it is gone."]


def test_the_command_pins_what_is_new_and_refuses_what_was_changed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "steward_events.jsonschema", "--write", str(tmp_path)]
    subprocess.run(command, check=True)
    assert {file.stem for file in tmp_path.iterdir()} == FACTS.keys()

    file = tmp_path / "registry.group_registered.v1.json"
    pinned = json.loads(file.read_text(encoding="utf-8"))
    pinned["properties"]["colour"] = {"type": "string"}
    file.write_text(text_of(pinned), encoding="utf-8")
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr == (
        "registry.group_registered.v1: The fact, field “colour”: it is gone. "
        "A released fact never changes: declare its next version.\n"
    )
    assert json.loads(file.read_text(encoding="utf-8")) == pinned
