"""What was started is ended, whatever it does to stay."""

import signal
import sys
from pathlib import Path

import psutil
import pytest
from tests.support.waiting import wait_until

from steward_stack import processes
from steward_stack.processes import Ending, Processes, Role

THREADED = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""
"""Its first thread ends before the others, as Kafka's does: dead to see, and not yet to be reaped."""
STUBBORN = "trap '' TERM; setsid sleep 600 & echo $! > child; while :; do sleep 1; done"


def test_who_does_not_end_in_time_is_killed_with_children_in_sessions_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(processes.ENDINGS, Role.SERVICE, Ending(signal.SIGTERM, 0.1))
    started = Processes(tmp_path / "processes.json")
    stubborn = started.spawn(
        "stubborn",
        Role.SERVICE,
        ["/bin/sh", "-c", STUBBORN],
        env={"PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        log=tmp_path / "log",
    )
    pid = tmp_path / "child"
    wait_until(lambda: pid.exists() and pid.read_text().strip(), 10, "The child did not start.")
    child = psutil.Process(int(pid.read_text()))
    assert started.end() == ["stubborn"]
    assert not stubborn.alive
    assert not child.is_running()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not seen dead so early")
def test_a_dead_process_whose_threads_end_later_is_reaped_all_the_same(tmp_path: Path) -> None:
    process = Processes(tmp_path / "processes.json").spawn(
        "threaded",
        Role.SERVICE,
        [sys.executable, "-c", THREADED],
        env={},
        cwd=tmp_path,
        log=tmp_path / "log",
    )
    wait_until(lambda: not process.alive, 30, "The process did not end.")
    processes.reap()

    def is_gone() -> bool:
        # Waited for: whoever keeps another stack in this process may be reaping it already.
        return process.pid not in {child.pid for child in psutil.Process().children()}

    wait_until(is_gone, 30, "It stays as a zombie.")
