"""JSON Schema of every fact, and the pins that keep a released fact as it is.

`python -m steward_events.jsonschema --write DIR` pins what is new; it never changes what is pinned.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Declares them all.
from steward_events import intake, notify, registry, sla, visits  # noqa: F401
from steward_events.fact import Fact, known_facts

DRAFT = "https://json-schema.org/draft/2020-12/schema"

# They explain and forbid nothing, so that they may change.
_ANNOTATIONS = ("title", "description", "examples", "$id", "$schema", "x-rules")


def published_facts() -> list[type[Fact]]:
    """Give the facts that this package declares, by wire type."""
    return [fact for fact in known_facts() if fact.__module__.startswith("steward_events.")]


def schema_of(fact: type[Fact]) -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of a fact's content as a reader must be able to take it."""
    schema = fact.model_json_schema(mode="validation")
    return {
        "$schema": DRAFT,
        "$id": f"urn:steward:fact:{fact.wire_type}",
        **schema,
        "title": fact.wire_type,
        "x-rules": list(fact.rules),
    }


def structure_of(fact: type[Fact]) -> dict[str, Any]:
    """Give what a pin holds: the schema with its references resolved and without explanations."""
    schema = schema_of(fact)
    structure = _plain(schema, schema.get("$defs", {}))
    assert isinstance(structure, dict)  # noqa: S101 - a model's schema is an object
    return structure


def breaking_changes(pinned: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say in sentences what differs from the pin; a new optional field does not count."""
    return list(_changes(pinned, now, "The fact"))


def pin(folder: Path) -> list[str]:
    """Pin new facts and new optional fields in `<wire type>.json`; answer what may not change."""
    refused = []
    folder.mkdir(parents=True, exist_ok=True)
    for fact in published_facts():
        file = folder / f"{fact.wire_type}.json"
        structure = structure_of(fact)
        changes = (
            breaking_changes(json.loads(file.read_text(encoding="utf-8")), structure)
            if file.exists()
            else []
        )
        if changes:
            refused += [f"{fact.wire_type}: {change}" for change in changes]
        else:
            file.write_text(text_of(structure), encoding="utf-8")
    return refused


def text_of(document: Mapping[str, Any]) -> str:
    """Give the JSON of a document, always the same for the same content."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _plain(schema: Any, definitions: Mapping[str, Any], *, names: bool = False) -> Any:
    # Below `properties` the keys are names of fields, not words of JSON Schema.
    match schema:
        case {"$ref": str(reference), **rest}:
            target = definitions[reference.removeprefix("#/$defs/")]
            return _plain({**target, **rest}, definitions)
        case dict():
            return {
                key: _plain(value, definitions, names=not names and key == "properties")
                for key, value in schema.items()
                if names or (key not in _ANNOTATIONS and key != "$defs")
            }
        case list():
            return [_plain(value, definitions) for value in schema]
        case _:
            return schema


def _changes(pinned: Any, now: Any, where: str) -> Iterator[str]:
    match pinned, now:
        case dict(), dict():
            for key in sorted(pinned.keys() | now.keys()):
                if key == "properties":
                    yield from _field_changes(pinned.get(key, {}), now.get(key, {}), where)
                elif key not in now:
                    yield f"{where}: “{key}” is gone."
                elif key not in pinned:
                    yield f"{where}: “{key}” is new."
                elif key == "required":
                    yield from _required_changes(pinned[key], now[key], where)
                else:
                    yield from _changes(pinned[key], now[key], where)
        case list(), list() if len(pinned) == len(now):
            for before, after in zip(pinned, now, strict=True):
                yield from _changes(before, after, where)
        case _ if pinned != now:
            yield f"{where}: {json.dumps(pinned)} has become {json.dumps(now)}."
        case _:
            pass


def _field_changes(pinned: Mapping[str, Any], now: Mapping[str, Any], where: str) -> Iterator[str]:
    for field, schema in pinned.items():
        place = f"{where}, field “{field}”"
        if field in now:
            yield from _changes(schema, now[field], place)
        else:
            yield f"{place}: it is gone."


def _required_changes(pinned: list[str], now: list[str], where: str) -> Iterator[str]:
    for field in sorted(set(now) - set(pinned)):
        yield f"{where}, field “{field}”: it is needed now."
    for field in sorted(set(pinned) - set(now)):
        yield f"{where}, field “{field}”: it may be missing now."


def main() -> None:
    """Pin the facts; status 1 where a released one was changed."""
    parser = argparse.ArgumentParser(prog="python -m steward_events.jsonschema")
    parser.add_argument("--write", metavar="DIR", type=Path, required=True)
    refused = pin(parser.parse_args().write)
    for line in refused:
        sys.stderr.write(f"{line} A released fact never changes: declare its next version.\n")
    raise SystemExit(1 if refused else 0)


if __name__ == "__main__":
    main()
