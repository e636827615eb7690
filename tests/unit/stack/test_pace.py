"""How an import keeps near enough to sla."""

from collections.abc import Awaitable, Callable

import pytest

from steward_stack.commands import import_
from steward_stack.commands.import_ import AHEAD, Pace


def behind(*counts: int) -> tuple[Callable[[], Awaitable[int]], list[int]]:
    """Give these counts in turn, the last for good, and note which were given."""
    asked: list[int] = []

    async def count() -> int:
        asked.append(counts[min(len(asked), len(counts) - 1)])
        return asked[-1]

    return count, asked


async def test_an_import_waits_until_sla_is_near_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(import_, "POLL_SECONDS", 0.0)
    count, asked = behind(2 * AHEAD, AHEAD + 1, AHEAD)
    await Pace(count).keep()
    assert asked == [2 * AHEAD, AHEAD + 1, AHEAD]


async def test_an_import_does_not_wait_for_an_sla_that_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(import_, "POLL_SECONDS", 0.0)
    count, asked = behind(2 * AHEAD)
    pace = Pace(count, stuck=0.0)
    await pace.keep()
    before = len(asked)
    await pace.keep()
    assert len(asked) == before
