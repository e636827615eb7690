"""Reading read models: SQLAlchemy Core writes the statement, asyncpg runs it."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import ColumnElement, Executable, Select, tuple_
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.util import LRUCache

DATABASE_FAULTS: tuple[type[Exception], ...] = (
    OSError,  # a TimeoutError is one
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What the driver raises while a database is away, or when it does not answer as it should."""

_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]
_COMPILED: LRUCache[Any, SQLCompiler] = LRUCache(1_000)
"""Statements by their form: to write one takes longer than to run it."""


async def fetch(
    pool: asyncpg.Pool | asyncpg.Connection | PoolConnectionProxy, query: Executable
) -> list[dict[str, Any]]:
    """Run a statement of SQLAlchemy Core and give its rows."""
    sql, values = written(query)
    return [dict(row) for row in await pool.fetch(sql, *values)]


def written(query: Executable) -> tuple[str, list[Any]]:
    """Write a statement; one of the same form that was written before is taken as it was."""
    assert isinstance(query, ClauseElement)  # noqa: S101 - every Core statement is one
    # As SQLAlchemy's own engines do; they are not had with a pool of asyncpg's.
    form = query._generate_cache_key()
    assert form is not None  # noqa: S101 - no part of ours lacks one
    compiled = _COMPILED.get(form.key)
    if compiled is None:
        new = query.compile(dialect=_DIALECT, cache_key=form)
        assert isinstance(new, SQLCompiler)  # noqa: S101
        compiled = _COMPILED[form.key] = new
    params = compiled.construct_params(extracted_parameters=form.bindparams)
    state = compiled.construct_expanded_state(params)
    return state.statement, [state.parameters[name] for name in state.positiontup or ()]


def page(
    query: Select[Any],
    order: Sequence[ColumnElement[Any]],
    after: Sequence[object] | None,
    limit: int,
) -> Select[Any]:
    """Give the rows in an order, those after a place in it where one is named."""
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*after))
    return query.order_by(*order).limit(limit)
