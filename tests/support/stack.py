"""Real servers for tests: one Kafka and one PostgreSQL, shared by all tests of a run.

Embedded ones, or with `--containers` those of the images that docker-compose.yml names.
"""

import itertools
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from rich.console import Console
from tests.support.containers import running_servers

from steward_stack import postgres
from steward_stack.state import State
from steward_stack.supervisor import Endpoints, running_stack

RUN = secrets.token_hex(4)
"""Part of the names that this run makes: servers may outlive it, and its process ID comes again."""

_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
"""Many times what the servers of one worker take, 0.2 GB."""

Prepare = Callable[[str], Awaitable[None]]
"""Fills an empty database, given its address; done once per run and cloned from then on."""


class FreshDatabase(Protocol):
    """Makes a database of the test's own and answers its address."""

    async def __call__(self, prepare: Prepare | None = None) -> str: ...


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Endpoints]:
    """A running Kafka and PostgreSQL without any service; gone after the run."""
    if request.config.getoption("--containers"):
        with running_servers() as endpoints:
            yield endpoints
        return
    with short_lived_servers(Console(stderr=True)) as endpoints:
        yield endpoints


@contextmanager
def short_lived_servers(console: Console) -> Iterator[Endpoints]:
    """Run a Kafka and a PostgreSQL whose data are in memory, where that has room.

    ext4 looks at each file that was deleted in the last minutes before it makes one: of a run that
    makes and drops a thousand databases that was a tenth of all processor time.
    """
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM
    folder = Path(tempfile.mkdtemp(prefix="steward-tests-", dir=_MEMORY if in_memory else None))
    state = State(folder / "state")
    with ExitStack() as opened:
        opened.callback(shutil.rmtree, folder)
        opened.callback(state.remove)  # PostgreSQL's data lie elsewhere when we are root
        with pytest.MonkeyPatch.context() as patch:
            if in_memory:
                # The account that PostgreSQL runs as for root must get through.
                folder.chmod(0o711)
                patch.setattr(postgres, "ROOTS_DATA", folder)
            stack = opened.enter_context(running_stack(state, console, services=False))
        yield stack.endpoints


@pytest.fixture(scope="session")
def kafka_bootstrap(servers: Endpoints) -> str:
    """The address of a running Kafka; use topic names of your own."""
    return servers.kafka


@pytest.fixture(scope="session")
def postgres_dsn_admin(servers: Endpoints) -> str:
    """The address of a running PostgreSQL's own database, for an administrator."""
    return servers.postgres


@pytest.fixture(scope="session")
def templates() -> dict[Prepare, str]:
    """The databases that were prepared in this run and are cloned for each test."""
    return {}


@pytest.fixture
async def fresh_database(
    postgres_dsn_admin: str, templates: dict[Prepare, str]
) -> AsyncIterator[FreshDatabase]:
    """Make databases that no other test sees: empty, or a clone of what `prepare` has filled.

    `prepare` must be the same function object for tests that share a template, and must leave no
    session open.
    """
    made: list[str] = []
    admin = await asyncpg.connect(postgres_dsn_admin)

    async def make(prepare: Prepare | None = None) -> str:
        name = f"test_{RUN}_{next(_numbers)}"
        if prepare is None:
            await admin.execute(f'CREATE DATABASE "{name}"')
        else:
            if prepare not in templates:
                template = f"template_{name}"
                await admin.execute(f'CREATE DATABASE "{template}"')
                await prepare(database_dsn(postgres_dsn_admin, template))
                templates[prepare] = template
            await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{templates[prepare]}"')
        made.append(name)
        return database_dsn(postgres_dsn_admin, name)

    try:
        yield make
    finally:
        for name in made:
            await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.close()


_numbers = itertools.count(1)


def database_dsn(dsn: str, database: str) -> str:
    """Name another database of the same server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))
