"""What `steward doctor` says of a machine: the fault, and what to do about it."""

import shutil
import subprocess
from collections import namedtuple
from datetime import date
from pathlib import Path

import pytest

from steward_stack import examination
from steward_stack.diagnosis import calendar
from steward_stack.examination import Finding, examine
from steward_stack.state import State

Usage = namedtuple("Usage", "total used free")


def found(state: State, check: str) -> Finding:
    [finding] = [finding for finding in examine(state) if finding.check == check]
    return finding


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / ".steward")
    state.claim()
    return state


def test_a_machine_that_is_well_needs_no_cure(state: State) -> None:
    assert all(finding.ok and not finding.cure for finding in examine(state))


def test_a_java_that_does_not_run_is_named(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setattr(examination, "find_java", lambda: java)
    finding = found(state, "Java")
    assert not finding.ok
    assert str(java) in finding.says
    assert "JAVA_HOME" in finding.cure


def test_a_disk_that_is_full_is_named(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 10**8))
    finding = found(state, "disk")
    assert (finding.ok, finding.says) == (False, "0.1 GB are free; 2 GB are needed.")
    assert "--state" in finding.cure


def test_a_state_of_another_version_is_named(state: State) -> None:
    (state.folder / "version").write_text("0\n")
    finding = found(state, "state")
    assert not finding.ok
    assert "--fresh" in finding.cure


def test_what_was_left_running_is_named(state: State) -> None:
    left = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
    try:
        birth = examination_birth(left.pid)
        record = f'[{{"name": "sla", "role": "service", "pid": {left.pid}, "birth": "{birth}"}}]'
        (state.folder / "processes.json").write_text(record)
        finding = found(state, "state")
    finally:
        left.kill()
        left.wait()
    assert (finding.ok, finding.says) == (False, "sla were left running.")
    assert "steward down" in finding.cure


def examination_birth(pid: int) -> str:
    from steward_stack.processes import birth

    began = birth(pid)
    assert began is not None
    return began


@pytest.mark.parametrize(
    ("today", "ok"),
    [(date(2026, 9, 1), True), (date(2026, 11, 26), False), (date(2030, 1, 1), False)],
)
def test_a_year_whose_holidays_are_not_published_is_named(today: date, ok: bool) -> None:
    finding = calendar(today)
    assert finding.ok is ok
    assert ("/v1/calendars" in finding.cure) is not ok


def test_a_year_that_was_published_here_is_known() -> None:
    assert calendar(date(2026, 11, 26), frozenset({2027})).ok
