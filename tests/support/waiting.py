"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float, otherwise: str) -> None:
    """Return as soon as the condition holds; fails with `otherwise` when it takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{otherwise} (waited {seconds} s)")
        time.sleep(0.02)
