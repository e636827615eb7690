"""What the tests have to say is said last, below pytest's own words."""

import pytest

LAST_WORDS = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LAST_WORDS] = []


def pytest_unconfigure(config: pytest.Config) -> None:
    for words in config.stash[LAST_WORDS]:
        print(words)


@pytest.fixture(scope="session")
def last_words(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the end of the run."""
    return request.config.stash[LAST_WORDS]
