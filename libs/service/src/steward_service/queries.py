"""Reading read models: SQLAlchemy Core writes the statement, asyncpg runs it."""

from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

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
