"""Migrations make the very tables that the read models declare, and `provision` finds them."""

from importlib import import_module
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from tests.support.stack import FreshDatabase

from steward_eventstore import migrations
from steward_service.provision import SERVICES, own_versions


def differences(connection: Connection, declared: MetaData) -> list[Any]:
    """Say what would have to change for the tables to be as declared."""

    def is_ours(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name in declared.tables  # the rest is the event store's

    context = MigrationContext.configure(
        connection, opts={"include_name": is_ours, "compare_type": True}
    )
    return list(compare_metadata(context, declared))


@pytest.mark.parametrize("service", SERVICES)
async def test_the_migrations_of_a_service_make_what_its_read_models_declare(
    service: str, fresh_database: FreshDatabase
) -> None:
    dsn = await fresh_database()
    await migrations.upgrade(dsn, own_versions(service))
    declared = import_module(f"steward_{service}.adapters.read_models").METADATA
    assert declared.tables
    engine = create_async_engine(migrations.url_of(dsn))
    async with engine.connect() as connection:
        found = await connection.run_sync(differences, declared)
    await engine.dispose()
    assert found == []
