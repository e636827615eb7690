"""Which ends of a process count as kills, and where it is killed next."""

import random
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from tests.support.crashes import ANYWHERE, Crash, Crashes, Turns
from tests.support.crashing import mark
from tests.support.nursery import NURSERY
from tests.support.system import System

from steward_stack.processes import Process, Role

PASSED = "sla\tring/READ/after\n"


def test_a_kill_counts_by_the_word_of_what_was_killed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, pids = tmp_path / "passed", iter((1, 2, 3, 4))
    monkeypatch.setattr(NURSERY, "launch", lambda *_: next(pids))
    found = Crashes(file)
    found.plan({"sla": [Crash("ring/READ/after")] * 3})

    def life(written: str) -> None:
        found.launch("sla", [], {}, tmp_path / "log")
        file.write_text(written)

    life(PASSED + mark("sla", "ring/READ/after", 1))
    life(PASSED)  # and ended by itself
    life(PASSED + mark("sla", "ring/READ/after", 1))  # another's word
    life("")
    assert found.died == {("sla", "ring/READ/after"): 1}
    found.died["sla", ANYWHERE] += 1
    assert found.at_points == 1
    assert len(found.otherwise) == 2


def test_a_service_with_the_pid_of_a_killed_server_is_killed_like_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, pid = tmp_path / "passed", 7
    monkeypatch.setattr(NURSERY, "launch", lambda *_: pid)
    system = create_autospec(System, instance=True)
    system.process.return_value = Process("kafka", Role.KAFKA, pid, "")
    found = Crashes(file)
    found.kill(system, "kafka")
    found.plan({"sla": [Crash("ring/READ/after")]})
    found.launch("sla", [], {}, tmp_path / "log")
    file.write_text(PASSED + mark("sla", "ring/READ/after", pid))
    found.launch("sla", [], {}, tmp_path / "log")
    assert found.died == {("sla", "ring/READ/after"): 1}


def test_what_is_killed_is_what_runs_and_not_what_is_still_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = iter((1, 2, 3))
    monkeypatch.setattr(NURSERY, "launch", lambda *_: next(pids))
    system = create_autospec(System, instance=True)
    system.process.side_effect = [Process("sla", Role.SERVICE, pid, "") for pid in (1, 2)]
    found = Crashes(tmp_path / "passed")
    found.passed.touch()
    for _ in range(2):
        found.launch("sla", [], {}, tmp_path / "log")
    ended_before = list(found.otherwise)
    assert found.kill(system, "sla").pid == 2
    found.launch("sla", [], {}, tmp_path / "log")
    assert found.otherwise == ended_before
    assert len(found.ended_at["sla"]) == 2  # a kill is one end


def test_each_point_has_its_turn_before_any_comes_again() -> None:
    turns = Turns(random.Random(1))
    points = [f"ring/{number}/after" for number in range(7)]
    first = turns.draw("sla", points, 5)
    rest = turns.draw("sla", points, 2)
    assert {crash.point for crash in (*first, *rest)} == set(points)
    assert {crash.nth for crash in (*first, *rest)} == {1}
    [found_later] = turns.draw("sla", [*points, "ring/COMMIT/after"], 1)
    assert found_later == Crash("ring/COMMIT/after")
    assert turns.draw("visits", points, 1)[0].nth == 1
