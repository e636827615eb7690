"""Reading read models: SQLAlchemy Core writes the statement, asyncpg runs it."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import ColumnElement, Executable, Select, tuple_
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

DATABASE_FAULTS: tuple[type[Exception], ...] = (
    OSError,  # a TimeoutError is one
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What the driver raises while a database is away, or when it does not answer as it should."""

_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]


async def fetch(
    pool: asyncpg.Pool | asyncpg.Connection | PoolConnectionProxy, query: Executable
) -> list[dict[str, Any]]:
    """Run a statement of SQLAlchemy Core and give its rows."""
    assert isinstance(query, ClauseElement)  # noqa: S101 - every Core statement is one
    compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    assert isinstance(compiled, SQLCompiler)  # noqa: S101
    values = [compiled.params[name] for name in compiled.positiontup or ()]
    return [dict(row) for row in await pool.fetch(str(compiled), *values)]


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
