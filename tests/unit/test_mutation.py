"""What counts as a guard that is caught."""

import pytest
from tests.mutation.run import shows


@pytest.mark.parametrize(
    "failure",
    [
        "assert ['a'] == []\n  At index 0 diff",
        "assert 1 == 2",
        "AssertionError: Timeout is no word of ours: nothing was published (waited 40.0 s)",
        "Failed: DID NOT RAISE <class 'steward_decider.Refused'>",
        "steward_decider.refused.Refused: Only a manager does so.",
        "ValueError: not enough values to unpack (expected 1, got 0)",
    ],
)
def test_what_was_expected_and_did_not_come_shows_a_guard(failure: str) -> None:
    assert shows(failure)


@pytest.mark.parametrize(
    "failure",
    [
        "",
        "Failed: Timeout (>100.0s) from pytest-timeout.",
        "TimeoutError",
        "httpx2.ReadTimeout: nothing came",
        "TypeError: 'NoneType' object is not subscriptable",
        "ImportError: cannot import name 'x'",
        "NameError: name 'x' is not defined",
        "RecursionError: maximum recursion depth exceeded",
        'asyncpg.exceptions.PostgresSyntaxError: syntax error at or near "AND"',
        "asyncpg.exceptions.IndeterminateDatatypeError: could not determine data type of $2",
        "asyncpg.exceptions.CannotConnectNowError: the database system is starting up",
        "ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 5432)",
        "aiokafka.errors.KafkaConnectionError: Unable to bootstrap from [('127.0.0.1', 9092)]",
        "OSError: [Errno 28] No space left on device",
        '  File "a.py", line 1\nSyntaxError: invalid syntax',
    ],
)
def test_a_program_that_is_broken_or_stands_still_shows_nothing(failure: str) -> None:
    assert not shows(failure)
