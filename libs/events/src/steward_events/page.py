"""The page `docs/events.md`, made from the AsyncAPI document: `python -m steward_events.page`."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from steward_events.asyncapi import asyncapi_document

Schema = Mapping[str, Any]

_BEGINNING = """\
# What Steward says on Kafka

Made by `make rules` from the declared facts; not edited by hand. Every service gives the same as an
AsyncAPI 3 document, with the JSON Schema of each content, at `/asyncapi`.

All messages are CloudEvents 1.0 in binary mode: the content is the JSON value, all else stands in
headers. Delivery is at least once; a stream's facts come in the order of their versions, and those of
a project on one topic in one order. A released fact never changes; new optional fields may join, so
pass over fields and names that you do not know.

In the tables a field with ? may be missing, *sealed* is personal data under its subject's key, and
names with a capital are [words](#words).
"""

_KINDS = {"integer": "number", "number": "number", "boolean": "true or false", "object": "object"}


def page(document: Mapping[str, Any]) -> str:
    """Write an AsyncAPI document of Steward as a page for readers."""
    lines = [_BEGINNING]
    traits = document["components"]["messageTraits"]
    lines += ["## Headers of a fact", "", *_headers(traits["fact"]["headers"])]
    for topic, channel in document["channels"].items():
        names = list(channel["messages"])
        messages = [document["components"]["messages"][name] for name in names]
        [key] = {message["bindings"]["kafka"]["key"]["description"] for message in messages}
        lines += ["", f"## `{topic}`", "", f"{channel['description']} Key: {_within(key)}"]
        if topic.startswith("steward.inbound."):
            lines += ["", "Headers that another system sends:", ""]
            lines += _headers(traits["foreign"]["headers"])
        lines += ["", "| Type | What it says | Fields |", "|---|---|---|"]
        lines += [_row(message) for message in messages]
    lines += ["", "## Words", "", "| Name | One of |", "|---|---|"]
    lines += [f"| {name} | {', '.join(words)} |" for name, words in sorted(_words(document))]
    return "\n".join(lines) + "\n"


def _words(document: Mapping[str, Any]) -> set[tuple[str, tuple[str, ...]]]:
    return {
        (name, tuple(definition["enum"]))
        for message in document["components"]["messages"].values()
        for name, definition in message["payload"]["schema"].get("$defs", {}).items()
        if "enum" in definition
    }


def _headers(headers: Schema) -> list[str]:
    needed = headers["required"]
    rows = [
        f"| `{name}`{'' if name in needed else '?'} | {said['description']} |"
        for name, said in headers["properties"].items()
    ]
    return ["| Header | What it says |", "|---|---|", *rows]


def _row(message: Mapping[str, Any]) -> str:
    schema = message["payload"]["schema"]
    said = " ".join([message["summary"], message.get("description", "")]).strip()
    cells = (f"`{message['name']}`", said, ", ".join(_fields(schema)))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _fields(schema: Schema) -> Iterator[str]:
    for name, field in schema["properties"].items():
        optional = "" if name in schema.get("required", ()) else "?"
        kind = _kind(field, schema.get("$defs", {}))
        yield f"`{name}`{optional}" + (f" ({kind})" if kind else "")


def _kind(field: Schema, definitions: Mapping[str, Schema]) -> str:
    """Say in a word or two what a field holds; nothing for a plain text."""
    match field:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            named = name if "enum" in definitions[name] else _kind(definitions[name], definitions)
            return "*sealed*" if name == "Sealed" else named
        case {"anyOf": list(choices)}:
            kinds = (_kind(choice, definitions) for choice in choices if choice != _NULL)
            return " or ".join(dict.fromkeys(kind for kind in kinds if kind))
        case {"enum": list(words)}:
            return " | ".join(map(str, words))
        case {"const": word}:
            return str(word)
        case {"type": "array", "items": dict(items)}:
            return f"list of {_kind(items, definitions) or 'texts'}"
        case {"format": "date-time"}:
            return "instant"
        case {"type": str(kind)}:
            return _KINDS.get(kind, "")
        case _:
            return ""


_NULL = {"type": "null"}


def _within(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def main() -> None:
    """Write the page to standard output."""
    sys.stdout.write(page(asyncapi_document()))


if __name__ == "__main__":
    main()
