"""Which ends of a process count as kills."""

from pathlib import Path

import pytest
from tests.support.crashes import Crash, Crashes
from tests.support.crashing import mark
from tests.support.nursery import NURSERY

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
    assert len(found.otherwise) == 2
