"""Changes of read models, folded per row and turned into few sorted statements."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import ARRAY, Table, cast, literal
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from steward_eventstore.port import Change, Delete, Increment, Upsert

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_PARAMETER = re.compile(r"\$(\d+)")


@dataclass(slots=True)
class _Row:
    values: dict[str, Any] = field(default_factory=dict)
    add: dict[str, int] = field(default_factory=dict)
    deleted: bool = False
    gone: bool = False
    """Deleted, and nothing came after."""


@lru_cache
def keys_of(table: Table) -> tuple[str, ...]:
    """Name the columns of a table's primary key."""
    return tuple(column.name for column in table.primary_key)


def key_of(table: Table, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give a row's primary key."""
    return tuple([values[name] for name in keys_of(table)])


@lru_cache
def defaults_of(table: Table) -> Mapping[str, Any]:
    """Give the scalar defaults that a row starts with; other columns start as None."""
    return {
        column.name: column.default.arg
        for column in table.columns
        if isinstance(column.default, ScalarElementColumnDefault)
    }


def blank(table: Table) -> dict[str, Any]:
    """Give a whole row as it starts."""
    return {column.name: None for column in table.columns} | dict(defaults_of(table))


def statements(changes: Iterable[Change]) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """Give SQL with its rows, tables and keys sorted, so that writers cannot deadlock."""
    tables: dict[str, Table] = {}
    rows: dict[str, dict[tuple[Any, ...], _Row]] = {}
    for change in changes:
        tables[change.table.name] = change.table
        _fold(rows.setdefault(change.table.name, {}), change)
    made: list[tuple[str, list[tuple[Any, ...]]]] = []
    for name in sorted(rows):
        made += _table_statements(tables[name], rows[name])
    return made


def _fold(rows: dict[tuple[Any, ...], _Row], change: Change) -> None:
    match change:
        case Upsert(table, values):
            row = rows.setdefault(key_of(table, values), _Row())
            if row.add:
                row.add = {column: n for column, n in row.add.items() if column not in values}
            row.values |= values
            row.gone = False
        case Increment(table, key, add):
            row = rows.setdefault(key_of(table, key), _Row())
            row.values |= key
            for column, amount in add.items():
                if column in row.values:
                    row.values[column] += amount
                else:
                    row.add[column] = row.add.get(column, 0) + amount
            row.gone = False
        case Delete(table, key):
            # Its key alone: what else a fact says is no part of the row that may come after.
            only = {name: key[name] for name in keys_of(table)}
            rows[key_of(table, key)] = _Row(only, deleted=True, gone=True)


def _table_statements(
    table: Table, rows: Mapping[tuple[Any, ...], _Row]
) -> list[tuple[str, list[tuple[Any, ...]]]]:
    keys = keys_of(table)
    made: list[tuple[str, list[tuple[Any, ...]]]] = []
    deleted = sorted(key for key, row in rows.items() if row.deleted)
    if deleted:
        where = " AND ".join(f"{_name(k)} = ${n}" for n, k in enumerate(keys, 1))
        made.append((f"DELETE FROM {_name(table.name)} WHERE {where}", deleted))  # noqa: S608
    shapes: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[Any, ...]]] = {}
    for key in sorted(rows):
        row = rows[key]
        if row.gone:
            continue
        columns, added = tuple(sorted(row.values)), tuple(sorted(row.add))
        content = tuple([row.values[n] for n in columns] + [row.add[n] for n in added])
        shapes.setdefault((columns, added), []).append(content)
    for (columns, added), content_rows in shapes.items():
        upsert, given = _upsert(table, columns, added), content_rows
        if _goes_by_columns(table):
            # One statement for all rows: a third of what one for each costs on either side.
            given = [tuple(map(list, zip(*content_rows, strict=True)))]
        made.append((upsert, given))
    return made


@lru_cache(maxsize=1_024)
def in_turn(first: str, parameters: int, *upserts: str) -> str:
    """Make one statement of the first, which has so many parameters, and of upserts after it.

    Each begins when the one before it is done, so that locks are taken in the same order as where
    they are sent one by one. Its parameters come behind those of all before it.
    """
    if not upserts:
        return first
    steps = [f"step_0 AS MATERIALIZED ({first})"]
    for place, upsert in enumerate(upserts, 1):
        wants = max(map(int, _PARAMETER.findall(upsert)))
        moved = _PARAMETER.sub(lambda found: f"${int(found[1]) + parameters}", upsert)  # noqa: B023
        parameters += wants
        before = f"WHERE (SELECT count(*) FROM step_{place - 1}) >= 0"  # noqa: S608
        steps.append(f"step_{place} AS ({moved.replace('WHERE true', before)} RETURNING 1)")
    return f"WITH {', '.join(steps)} SELECT count(*) FROM step_{len(upserts)}"  # noqa: S608


@lru_cache(maxsize=1_024)
def _upsert(table: Table, columns: tuple[str, ...], added: tuple[str, ...]) -> str:
    names, keys, starts = (*columns, *added), keys_of(table), _starts(table)
    # What a new row starts with stands in the statement: it is sent with no row.
    others = [n for n in starts if n not in names]
    into = ", ".join(_name(n) for n in (*names, *others))
    changed = [
        *(f"{_name(c)} = excluded.{_name(c)}" for c in columns if c not in keys),
        *(f"{_name(c)} = {_name(table.name)}.{_name(c)} + excluded.{_name(c)}" for c in added),
    ]
    action = f"UPDATE SET {', '.join(changed)}" if changed else "NOTHING"
    conflict = ", ".join(_name(k) for k in keys)
    types = [table.columns[name].type.compile(dialect=_DIALECT) for name in names]
    if _goes_by_columns(table):
        lists = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(types, 1))
        given, source = ["q.*"], f" FROM unnest({lists}) AS q"
    else:
        given, source = [f"${n}::{type_}" for n, type_ in enumerate(types, 1)], ""
    values = ", ".join([*given, *(starts[n] for n in others)])
    # The condition is where `in_turn` adds another.
    into = f"INSERT INTO {_name(table.name)} ({into})"
    return f"{into} SELECT {values}{source} WHERE true ON CONFLICT ({conflict}) DO {action}"


@lru_cache
def _goes_by_columns(table: Table) -> bool:
    """Whether rows can be given column by column; a list of lists would be taken apart."""
    return not any(isinstance(column.type, ARRAY) for column in table.columns)


@lru_cache
def _starts(table: Table) -> Mapping[str, str]:
    """The scalar defaults of a table's columns, as SQL."""
    found = {}
    for name, value in defaults_of(table).items():
        kind = table.columns[name].type
        said = cast(literal(value, kind), kind)  # of an empty list nobody could tell of what
        found[name] = str(said.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
    return found


def _name(identifier: str) -> str:
    return str(_DIALECT.identifier_preparer.quote(identifier))
