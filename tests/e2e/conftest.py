"""The running system that most of these tests share."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.support.composed import composed_system
from tests.support.system import System, entered, running_services

from steward_stack.supervisor import Stack


@pytest.fixture(scope="package")
def services(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """All services on the system clock, until the last of these tests: idle they would slow others.

    Embedded, or with `--compose` those that docker-compose.yml builds.
    """
    if request.config.getoption("--compose"):
        with composed_system() as composed:
            yield composed
        return
    with running_services() as stack:
        yield stack


@pytest.fixture(scope="package")
async def system(services: Stack) -> AsyncIterator[System]:
    """The ways into the running system; bring names of your own."""
    async with entered(services) as running:
        yield running
