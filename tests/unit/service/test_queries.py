"""A statement that is written once for many values says with each what it would have said alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, DateTime, MetaData, Select, Table, Text, and_, func, or_, select
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql.compiler import SQLCompiler

from steward_service.queries import page, written

CASES = Table(
    "cases",
    MetaData(),
    Column("case_id", Text, primary_key=True),
    Column("project_id", Text),
    Column("changed_at", DateTime(timezone=True)),
)
WORDS = st.text("abc", max_size=3)
INSTANTS = st.integers(0, 9).map(lambda day: datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=day))


@st.composite
def queries(draw: st.DrawFn) -> Select[Any]:
    columns = CASES.c
    parts = [
        columns.case_id == draw(st.one_of(st.none(), WORDS)),
        columns.project_id.in_(draw(st.lists(WORDS, max_size=3))),
        or_(columns.changed_at < draw(INSTANTS), columns.case_id == draw(WORDS)),
        and_(func.lower(columns.case_id) == draw(WORDS), columns.project_id != draw(WORDS)),
    ]
    wanted = draw(st.lists(st.sampled_from(parts), max_size=3))
    after = draw(st.one_of(st.none(), st.tuples(INSTANTS, WORDS)))
    order = (columns.changed_at, columns.case_id)
    return page(select(CASES).where(*wanted), order, after, draw(st.integers(1, 9)))


@given(queries())
def test_what_was_written_before_says_what_is_asked_now(query: Select[Any]) -> None:
    alone = query.compile(
        dialect=dialect.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"render_postcompile": True},
    )
    assert isinstance(alone, SQLCompiler)
    values = [alone.params[name] for name in alone.positiontup or ()]
    assert written(query) == (str(alone), values)
