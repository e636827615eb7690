"""What a person asks of a service, or tells it, from the command line; and its answer in columns."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.table import Table
from rich.text import Text

from steward_stack.door import Door, answered
from steward_stack.errors import StewardError

_ASIDE = re.compile(r"([+-])(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def said(words: Sequence[str]) -> dict[str, Any]:
    """Read `name=text`, `name:=JSON` and `name=@file`; raises StewardError.

    A text such as -90m, -2h or +3d is the instant that long ago or from now.
    """
    return dict(map(_field, words))


def _field(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals or not name.strip(":"):
        raise StewardError(f"“{word}” says nothing: write name=text, name:=JSON or name=@file.")
    if name.endswith(":"):
        try:
            return name[:-1], json.loads(text)
        except ValueError as error:
            raise StewardError(f"What stands after {name}= is not JSON.") from error
    if text.startswith("@"):
        return name, _text(Path(text[1:]))
    if aside := _ASIDE.fullmatch(text):
        sign, count, unit = aside.groups()
        span = timedelta(**{_UNITS[unit]: int(f"{sign}{count}")})
        return name, (_now() + span).isoformat(timespec="seconds")
    return name, text


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # “two hours ago” is meant by the clock of whoever types


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise StewardError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise StewardError(f"{file} is not UTF-8 text.") from error


async def asked(door: Door, service: str, path: str, words: Sequence[str]) -> Any:
    """Give what a service answers to a question; raises StewardError."""
    query = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in said(words).items()
    }
    return await door.get(door.known(service), _address(path), query)


async def told(door: Door, service: str, path: str, words: Sequence[str], key: str | None) -> Any:
    """Give what a service answers to a write; raises StewardError."""
    body, known = said(words), door.known(service)
    return answered(await door.post(known, _address(path), body, key or secrets.token_hex(16)))


def _address(path: str) -> str:
    """Write a path as an address has it: a clock's name, as minor-resolve#1, is a part of it."""
    return quote(path, safe="/%?=&")


def rows_of(answer: Any, member: str | None) -> list[Mapping[str, Any]]:
    """Give the rows of an answer: those of a member, its items, or the answer itself."""
    if member is None:
        found = answer.get("items", [answer]) if isinstance(answer, dict) else answer
    else:
        found = answer.get(member) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise StewardError(f"The answer has no rows in “{member or 'items'}”.")
    return found


def shown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[list[str]]:
    """Give cells for these columns; `rules.id` is the `id` in each of the `rules`."""
    for column in columns:
        first = column.partition(".")[0]
        if rows and not any(first in row for row in rows):
            there = ", ".join(dict.fromkeys(name for row in rows for name in row))
            raise StewardError(f"There is no column “{first}”; there are {there}.")
    return [[_cell(_at(row, column)) for column in columns] for row in rows]


def table_of(cells: Sequence[Sequence[str]], columns: Sequence[str]) -> Table:
    """Lay cells below the names of their columns; one column stands alone, as a shell takes it."""
    table = Table(*columns, box=None, show_header=len(columns) > 1, pad_edge=False)
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(value, list):
            value = [each.get(name) if isinstance(each, dict) else None for each in value]
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def _cell(value: Any) -> str:
    if value in (None, "", [], {}):
        return "–"
    match value:
        case bool():
            return "yes" if value else "no"
        case str() if _INSTANT.match(value):
            return _local(value)
        case list():
            return ", ".join(map(_cell, value))
        case dict():
            return ", ".join(f"{name} {_cell(inner)}" for name, inner in value.items())
        case _:
            return str(value)


def _local(instant: str) -> str:
    """Give an instant by the clock of whoever reads it, and how far that is from UTC."""
    try:
        return datetime.fromisoformat(instant).astimezone().isoformat(" ", "minutes")
    except ValueError:
        return instant
