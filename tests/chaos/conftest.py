"""What the tests have to say is said last, below pytest's own words."""

import pytest
from tests.support.last_words import LastWords

LAST_WORDS = pytest.StashKey[LastWords]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LAST_WORDS] = LastWords()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run of which a test failed has no good end, whatever another test has found."""
    words = session.config.stash[LAST_WORDS]
    if not words.lines:
        return
    words.lines += _left_out(session.config)
    if words.judged:
        words.lines.append(words.judged)
    if words.violations or (words.judged and exitstatus == pytest.ExitCode.OK):
        words.lines.append(f"violations {words.violations}")
    elif exitstatus == pytest.ExitCode.OK:
        words.lines.append("no verdict: what was to judge the services was not among these tests")
    elif exitstatus == pytest.ExitCode.INTERRUPTED:
        words.lines.append("no verdict: this run was ended")
    else:
        words.lines.append(f"no verdict: {session.testsfailed} tests of this run failed")


def _left_out(config: pytest.Config) -> list[str]:
    """Name what this machine could not be asked, so that nobody takes it for tried."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return [
        f"not tried: {report.nodeid} ({report.longrepr[2].removeprefix('Skipped: ')})"
        for report in skipped
    ]


def pytest_unconfigure(config: pytest.Config) -> None:
    for line in config.stash[LAST_WORDS].lines:
        print(line)


@pytest.fixture(scope="session")
def last_words(request: pytest.FixtureRequest) -> LastWords:
    """What is said at the end of the run."""
    return request.config.stash[LAST_WORDS]
