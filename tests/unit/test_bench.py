"""How the bench judges a line by the medians of its rounds."""

import pytest
from tests.bench.frame import Line, result
from tests.bench.lines.timers import cron

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
