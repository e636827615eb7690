"""What was started is ended, whatever it does to stay."""

import signal
from pathlib import Path

import psutil
import pytest
from tests.support.waiting import wait_until

from steward_stack import processes
from steward_stack.processes import Ending, Processes, Role

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
