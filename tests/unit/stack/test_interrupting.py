"""A signal lets work on a loop end in order."""

import asyncio
import os
import signal

import pytest

from steward_stack.interrupting import ENDING_SIGNALS, run_until_interrupted


@pytest.mark.parametrize("number", ENDING_SIGNALS)
def test_a_signal_is_raised_after_the_work_has_cleaned_up(number: signal.Signals) -> None:
    cleaned: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # the loop still turns
            cleaned.append("all")

    before = [signal.getsignal(each) for each in ENDING_SIGNALS]
    try:
        with pytest.raises(KeyboardInterrupt):
            run_until_interrupted(work())
    finally:
        for each, handler in zip(ENDING_SIGNALS, before, strict=True):
            signal.signal(each, handler)
    assert cleaned == ["all"]


def test_work_that_is_left_alone_gives_its_result() -> None:
    async def work() -> int:
        return 7

    before = signal.getsignal(signal.SIGTERM)
    assert run_until_interrupted(work()) == 7
    assert signal.getsignal(signal.SIGTERM) is before
