"""Fixtures that every folder of tests may use."""

import signal

import pytest
from hypothesis import settings
from tests.support.docker import demand_docker

# A busy machine is no failure: tests have their own limit.
settings.register_profile("steward", deadline=None)
settings.load_profile("steward")

pytest_plugins = ["tests.support.stack", "tests.support.system"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let tests run on other servers than the embedded ones."""
    group = parser.getgroup("steward")
    group.addoption(
        "--containers",
        action="store_true",
        help="integration tests: Kafka and PostgreSQL in containers instead of the embedded ones",
    )
    group.addoption(
        "--compose",
        action="store_true",
        help="e2e tests: the system that docker-compose.yml builds instead of the embedded one",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say at once, in a sentence, when there is no Docker for what was asked."""
    # A stack that cannot be kept up ends its test by it; what a shell starts in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--containers") or config.getoption("--compose"):
        demand_docker()
        # A time limit from outside ends it as Ctrl-C does: containers would outlive it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
