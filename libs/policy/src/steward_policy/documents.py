"""Reading YAML so that every complaint about it can name file and line.

YAML 1.2's idea of plain values: `20:00` is a text and not 1200, `on` and `no` are words, and a date
is a text until a model reads it. A key that stands twice in one mapping is refused.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader  # libyaml's: several times as fast
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

Place = tuple[str | int, ...]

_MOST_PARTS = 100_000
"""Aliases of aliases can make a small text endless."""
_DEEPEST = 100
"""Parts within parts: libyaml sets no limit, and what goes too deep ends its process."""


class DocumentError(ValueError):
    """A document that cannot be read, with the place where."""

    def __init__(self, name: str, line: int, problem: str) -> None:
        super().__init__(f"{name}:{line}: {problem}")


class _PlainLoader(SafeLoader):
    """SafeLoader without YAML 1.1's surprises."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rpartition(":")[2] not in ("int", "float", "bool", "timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?[0-9]*\.[0-9]+", "-+.0123456789"),
):
    _PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML text as plain data, and the line of every part of it."""

    name: str
    data: Any
    lines: dict[Place, int]

    def line_of(self, place: Sequence[str | int]) -> int:
        """Find the line of a place, or of the nearest part around it."""
        parts = tuple(place)
        while parts not in self.lines and parts:
            parts = parts[:-1]
        return self.lines.get(parts, 1)


def read(text: str, name: str) -> Document:
    """Read one YAML document; a `DocumentError` says what is wrong and where."""
    try:
        _check_depth(text)
        loader = _PlainLoader(text)
        try:
            node = loader.get_single_node()
            lines: dict[Place, int] = {}
            data = None if node is None else _build(loader, node, (), lines, name)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        # The end of the text is no line of its own.
        line = min(line, text.count("\n") + 1)
        raise DocumentError(name, line, f"not readable as YAML: {error.problem}.") from error
    except yaml.reader.ReaderError as error:
        line = 1 + text.count("\n", 0, error.position)
        problem = f"the character U+{error.character:04X} has no place in YAML."
        raise DocumentError(name, line, problem) from error
    except yaml.YAMLError as error:
        raise DocumentError(name, 1, f"not readable as YAML: {error}.") from error
    except RecursionError as error:
        raise DocumentError(name, 1, "not readable as YAML: it is nested too deeply.") from error
    return Document(name, data, lines)


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, _PlainLoader):
        match event:
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
        if depth > _DEEPEST:
            raise RecursionError


def _build(
    loader: _PlainLoader, node: yaml.Node, place: Place, lines: dict[Place, int], name: str
) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(place, line)
    if len(lines) > _MOST_PARTS:
        raise DocumentError(name, line, f"it has more than {_MOST_PARTS} parts.")
    match node:
        case yaml.MappingNode():
            mapping: dict[Hashable, Any] = {}
            for key_node, value_node in node.value:
                key = _plain(loader, key_node, name)
                line = key_node.start_mark.line + 1
                if not isinstance(key, Hashable):
                    raise DocumentError(name, line, "a key must be a plain word.")
                if key in mapping:
                    raise DocumentError(name, line, f"the key {key!r} stands here twice.")
                part = key if isinstance(key, int) else str(key)
                lines[(*place, part)] = line
                mapping[key] = _build(loader, value_node, (*place, part), lines, name)
            return mapping
        case yaml.SequenceNode():
            return [
                _build(loader, item, (*place, index), lines, name)
                for index, item in enumerate(node.value)
            ]
        case _:
            return _plain(loader, node, name)


def _plain(loader: _PlainLoader, node: yaml.Node, name: str) -> Any:
    if isinstance(node, yaml.ScalarNode):
        plain = not node.style  # otherwise it is quoted
        of_itself = loader.resolve(  # type: ignore[no-untyped-call]
            yaml.ScalarNode, node.value, (plain, not plain)
        )
        if node.tag != of_itself:
            line = node.start_mark.line + 1
            raise DocumentError(name, line, "a tag, as !!int, cannot be read here.")
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, LookupError) as error:
        line = node.start_mark.line + 1
        raise DocumentError(name, line, f"{str(node.value)[:60]!r} cannot be read here.") from error
