"""Ends work in order: a signal is raised once, and cancels asyncio work before that."""

import asyncio
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Result = TypeVar("Result")


def interrupt_once() -> None:
    """Let Ctrl-C, SIGTERM and the terminal's end raise KeyboardInterrupt, and no second one.

    A second would leave the work of ending half done, and each step of that is bounded.
    """
    # Set also for Ctrl-C: a shell starts what it puts into the background with SIGINT ignored.
    for number in ENDING_SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def run_until_interrupted(work: Coroutine[Any, Any, Result]) -> Result:
    """Run work on a loop of its own; raises KeyboardInterrupt after a signal, outside the loop."""
    interrupted = False
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}

    async def cancellable() -> Result:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None  # noqa: S101 - a coroutine runs in one

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            nonlocal interrupted
            interrupted = True
            for number in ENDING_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            loop.call_soon_threadsafe(task.cancel)

        for number in ENDING_SIGNALS:
            signal.signal(number, interrupt)
        return await work

    try:
        result = asyncio.run(cancellable())
    except BaseException:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        if not interrupted:
            for number, handler in before.items():
                signal.signal(number, handler)
    if interrupted:
        raise KeyboardInterrupt
    return result
