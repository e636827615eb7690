"""Makes the databases, tables and topics that are missing: `python -m steward_service.provision`.

`databases` or `topics` behind it makes only these. Safe to run again, and twice at once.
"""

import asyncio
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.errors import KafkaError
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from steward_service import clocks, keys
from steward_service.settings import ServiceSettings
from steward_service.topics import WrongTopics, create_topics

SERVICES = ("intake", "sla", "visits", "notify", "audit")
LISTENERS_KEYS = tuple(f"keys_{service}" for service in keys.OWN_STORES)
DATABASES = (*SERVICES, "keys", *LISTENERS_KEYS, "clock")

_LOCK = 7_311_954_020_002


class CannotProvision(Exception):
    """A sentence that says what could not be made."""


async def provision(settings: ServiceSettings) -> None:
    """Make everything that is missing, saying each thing in a line on stderr.

    Raises `CannotProvision`.
    """
    await provision_databases(settings)
    await provision_topics(settings)


async def provision_databases(settings: ServiceSettings) -> None:
    """Make the databases, and bring their tables to this version. Raises `CannotProvision`."""
    await make_databases(settings)
    for service in SERVICES:
        await _migrate(service, settings.database_dsn(service))
    await make_tables(settings.database_dsn("keys"), keys.METADATA)
    for name in LISTENERS_KEYS:
        await make_tables(settings.database_dsn(name), keys.STORE_METADATA)
    await clocks.prepare(settings.database_dsn("clock"))
    _say("The tables of keys and clock are there.")


async def provision_topics(settings: ServiceSettings) -> None:
    """Make the topics. Raises `CannotProvision`."""
    try:
        made = await create_topics(
            settings.kafka, settings.partitions, replication=settings.replication
        )
    except KafkaError as error:
        raise CannotProvision(f"Kafka at {', '.join(settings.kafka)} says: {error}") from error
    except WrongTopics as error:
        raise CannotProvision(str(error)) from error
    _say(f"The topics are there, {len(made)} of them new.")


async def make_databases(settings: ServiceSettings, names: Sequence[str] = DATABASES) -> None:
    """Make the databases that are missing, `steward_<name>` each."""
    for name in names:
        dsn = settings.database_dsn(name)
        database = urlsplit(dsn).path.removeprefix("/")
        server = urlunsplit(urlsplit(dsn)._replace(path="/postgres"))
        connection = await _connect(server)
        try:
            # Held until the session ends: CREATE DATABASE takes no transaction.
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            there = await connection.fetchval(
                "SELECT true FROM pg_database WHERE datname = $1", database
            )
            if not there:
                await connection.execute(f'CREATE DATABASE "{database}"')
                _say(f"The database {database} is made.")
        except asyncpg.PostgresError as error:
            raise CannotProvision(f"The database {database} cannot be made: {error}") from error
        finally:
            await connection.close()


async def make_tables(dsn: str, metadata: MetaData) -> None:
    """Make the tables and indexes of a metadata that are missing in a database.

    Raises `CannotProvision`.
    """
    if not metadata.tables:
        return
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)))
        statements += [
            str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect))
            for index in sorted(table.indexes, key=lambda index: str(index.name))
        ]
    connection = await _connect(dsn)
    try:
        async with connection.transaction():
            # IF NOT EXISTS alone fails when two sessions make the same table.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            for statement in statements:
                await connection.execute(statement)
    except asyncpg.PostgresError as error:
        raise CannotProvision(f"The tables cannot be made: {error}") from error
    finally:
        await connection.close()


async def _migrate(service: str, dsn: str) -> None:
    # Here, since Alembic takes long to import and a running service never migrates.
    from steward_eventstore import migrations

    try:
        await migrations.upgrade(dsn, own_versions(service))
    except (OSError, asyncpg.PostgresError) as error:
        raise CannotProvision(f"The tables of {service} cannot be made: {error}") from error
    _say(f"The tables of {service} are there.")


def own_versions(service: str) -> Path | None:
    """Find the migrations that a service brings along, without importing it."""
    package = importlib.util.find_spec(f"steward_{service}")
    if package is None or package.origin is None:
        return None
    versions = Path(package.origin).parent / "adapters" / "versions"
    return versions if versions.is_dir() else None


async def _connect(dsn: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(dsn)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotProvision(f"PostgreSQL cannot be reached: {error}") from error


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


PARTS = {"": provision, "databases": provision_databases, "topics": provision_topics}


def main() -> None:
    """Make what is missing; ends with a sentence and status 1 where that fails."""
    asked = " ".join(sys.argv[1:])
    if asked not in PARTS:
        raise SystemExit(f"There is no part “{asked}”; there are databases and topics.")
    settings = ServiceSettings()
    try:
        asyncio.run(PARTS[asked](settings))
    except CannotProvision as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
