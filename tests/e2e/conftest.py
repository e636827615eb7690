"""The running system that most of these tests share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.composed import composed_system
from tests.support.system import System, entered, running_services

from steward_stack.supervisor import Stack

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Let each report say which rules its test proves, and the shared system stand as short as it can.

    Files that bring systems of their own come first: beside an idle one they would take longer.
    """
    for item in items:
        for mark in item.iter_markers("rule"):
            item.user_properties += [("rule", name) for name in mark.args]
    shared = {item.path for item in items if "services" in item.fixturenames}
    items.sort(key=lambda item: (item.path.parent != _HERE, item.path in shared))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """With `-m rule`, name the rules that were proven by a test which passed."""
    if config.option.markexpr != "rule":
        return
    proven = {
        value
        for report in terminalreporter.stats.get("passed", ())
        for name, value in report.user_properties
        if name == "rule"
    }
    terminalreporter.write_line(f"{len(proven)} rules: {', '.join(sorted(proven))}")


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
