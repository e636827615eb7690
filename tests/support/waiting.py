"""Waiting for a condition instead of for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable


def wait_until(condition: Callable[[], object], seconds: float, otherwise: str) -> None:
    """Return as soon as the condition holds; fails with `otherwise` when it takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{otherwise} (waited {seconds} s)")
        time.sleep(0.02)


async def until(
    condition: Callable[[], Awaitable[object]], otherwise: str, seconds: float = 40.0
) -> None:
    """Return as soon as the condition holds; fails with `otherwise` when it takes longer."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"{otherwise} (waited {seconds} s)"
        await asyncio.sleep(0.01)
