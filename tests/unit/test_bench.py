"""How the bench judges a line by the medians of its rounds."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.bench.frame import Line, Result, growth, result
from tests.bench.lines.timers import cron
from tests.bench.run import Measured, _arguments, _save, _show_growth, _verdict, main

ROUNDS = {"ours": [100.0, 300.0, 200.0], "theirs": [400.0, 500.0, 100.0]}


@pytest.mark.parametrize(
    ("line", "of_target"),
    [
        (Line("at least", "ours", "facts/s", 100), 2),
        (Line("at most", "ours", "ms", 100, at_most=True), 0.5),
        (Line("as a part of theirs", "ours", "facts/s", 0.25, "theirs", of="ratio"), 2),
        (Line("above theirs", "theirs", "ms", 400, "ours", of="above", at_most=True), 2),
        (Line("only compared", "ours", "ms", None, "theirs"), None),
    ],
    ids=lambda value: value.line if isinstance(value, Line) else "",
)
def test_a_line_is_judged_by_what_its_target_speaks_of(line: Line, of_target: float | None) -> None:
    assert result(line, ROUNDS, {}).of_target == of_target


def test_a_line_that_was_not_measured_says_why_and_is_not_judged() -> None:
    judged = result(Line("a", "ours.p99", "ms", 1), {}, {"ours": "The log is not there."})
    assert (judged.figure, judged.of_target) == (None, None)
    assert judged.why_not == "The log is not there."


def test_a_cron_of_five_minutes_is_late_by_any_second_of_them() -> None:
    assert sorted(cron([0.0])) == [float(second) for second in range(300)]


@pytest.mark.parametrize(
    "typed",
    [
        "--rounds 0",
        "--rounds -1",
        "--seconds 0",
        "--seconds -1",
        "--seconds nan",
        "--seconds inf",
        "--seconds 1e9999",
        "--rounds 1.5",
        "--pending -1",
        "--load -1",
        "--sizes 0 1000",
        "--growth --sizes 1000",
        "--growth --pending 5",
        "--growth --plots",
    ],
)
def test_numbers_that_measure_nothing_are_refused_in_one_sentence(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *typed.split()])
    with pytest.raises(SystemExit) as ended:
        _arguments()
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("bench: error: ")
    assert said.endswith(
        (
            "is the least.",
            "is not a finite number.",
            "is not a whole number.",
            "name two.",
            "it takes no --pending, --load or --plots.",
        )
    )


def test_a_load_that_only_leaves_out_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--load", "60", "--only", "append"])
    with pytest.raises(SystemExit, match="--load is for the lines of load, and “append” leaves"):
        main()


def test_the_least_numbers_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = "--rounds 1 --seconds 0.5 --pending 0 --load 0"
    monkeypatch.setattr(sys, "argv", ["bench", *typed.split()])
    asked = _arguments()
    assert (asked.rounds, asked.seconds, asked.pending, asked.load) == (1, 0.5, 0, 0)
    monkeypatch.setattr(sys, "argv", ["bench", "--growth", "--sizes", "1", "2"])
    assert _arguments().sizes == [1, 2]


def test_that_no_line_could_be_measured_is_no_success() -> None:
    missing = Result("import", "s", 300, why_not="The log is not there.")
    compared = Result("load (the largest service)", "MB", None, figure=100)
    assert _verdict([]) == ("Nothing was measured.", False)
    assert _verdict([missing]) == ("Nothing was measured.", False)
    assert _verdict([missing, compared]) == ("Nothing was judged.", True)


def test_what_is_not_measured_this_time_keeps_its_figure_and_its_day(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    early = {"line": "import", "figure": 218.0, "measured_on": "2026-11-01"}
    file.write_text(json.dumps([early]))
    _save(file, [{"line": "import", "figure": None}, {"line": "relay", "figure": 1.0}])
    kept, new = json.loads(file.read_text())
    assert (kept, new["figure"]) == (early, 1.0)
    assert new["measured_on"] > early["measured_on"]


RATE = Line("append", "append", "facts/s", 0.5, grows=True)
SECONDS = Line("burst", "burst", "s", 35, at_most=True, grows=True)


@pytest.mark.parametrize(
    ("line", "smallest", "largest", "flat", "why_not"),
    [
        (RATE, [100, 100, 100], [81, 81, 81], True, ""),
        (RATE, [100, 100, 100], [79, 79, 79], False, ""),
        (RATE, [90, 100, 110], [71, 71, 71], True, ""),
        (RATE, [90, 100, 110], [69, 69, 69], False, ""),
        (RATE, [100, 100, 100], [500, 500, 500], True, ""),
        (SECONDS, [10, 10, 10], [11, 11, 11], True, ""),
        (SECONDS, [10, 10, 10], [13, 13, 13], False, ""),
        (RATE, [79, 100, 100], [100, 100, 100], None, "too far apart"),
        (RATE, [79, 100, 100], [60, 60, 60], None, "too far apart"),
        (RATE, [79, 100, 100], [58, 58, 58], False, ""),
        (RATE, [100, 100, 100], [50, 100, 150], None, "too far apart"),
        (RATE, [100, 100, 100], [], None, "not measured with 5,000,000"),
        (RATE, [], [100, 100, 100], None, "not measured with 1,000"),
    ],
)
def test_a_line_is_flat_not_flat_or_without_a_verdict(
    line: Line, smallest: list[float], largest: list[float], flat: bool | None, why_not: str
) -> None:
    sizes = {1_000: smallest, 5_000_000: largest}
    rounds = {size: {line.figure: each} if each else {} for size, each in sizes.items()}
    found = growth(line, rounds)
    assert found.flat is flat
    assert why_not in found.why_not


@pytest.mark.parametrize(
    ("largest", "ends"),
    [({"append": [100.0]}, False), ({"append": [50.0, 150.0]}, True), ({}, True)],
)
def test_a_line_without_a_verdict_ends_the_bench_as_one_that_is_not_flat(
    largest: Mapping[str, list[float]],
    ends: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tests.bench.run._save", lambda *_: None)
    grown = {1_000: Measured({"append": [100.0]}), 5_000: Measured(dict(largest))}
    status = None
    try:
        _show_growth([RATE], grown, as_json=False)
    except SystemExit as ended:
        status = ended.code
    assert status == (1 if ends else None)
    assert ("no verdict" in capsys.readouterr().out) is ends
