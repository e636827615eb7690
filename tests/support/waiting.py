"""Waiting for a condition instead of for a time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any


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


@asynccontextmanager
async def beside(*work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run work beside the test and end it with the test, however that ends.

    What it raises by itself is raised here.
    """
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
