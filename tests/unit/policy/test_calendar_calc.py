"""`steward calendar calc`: a line in, a line out, and one sentence for what is refused."""

import json
from io import BytesIO
from typing import Any

import pytest
from typer.testing import CliRunner

from steward_stack.commands.calendar import app
from steward_stack.jsonlines import answer_lines

HOURS = {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
OFFICE = {
    "tz": "Asia/Shanghai",
    "hours": HOURS,
    "holidays": ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"],
    "working_days": ["2026-10-10"],
}


def answers(*lines: str | bytes | dict[str, Any]) -> list[dict[str, Any]]:
    source = b"\n".join(
        line
        if isinstance(line, bytes)
        else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    )
    result = CliRunner().invoke(app, ["calc"], input=source)
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("op", "given", "result"),
    [
        ("working_days_between", {"from": "2026-09-30", "to": "2026-10-11"}, 3),
        (
            "add_working_seconds",
            {"at": "2026-10-09T17:00:00+08:00", "seconds": 7200},
            "2026-10-10T10:00:00+08:00",
        ),
        ("add_working_days", {"date": "2026-09-30", "n": 1}, "2026-10-08"),
        (
            "working_seconds_between",
            {"from": "2026-09-30T17:00:00+08:00", "to": "2026-10-08T10:00:00+08:00"},
            7200,
        ),
        ("is_open", {"at": "2026-10-10T04:00:00Z"}, True),
        ("next_open", {"at": "2026-10-01T10:00:00+08:00"}, "2026-10-08T09:00:00+08:00"),
        ("next_close", {"at": "2026-10-01T10:00:00+08:00"}, "2026-10-08T18:00:00+08:00"),
        ("last_open", {"at": "2026-10-01T10:00:00+08:00"}, "2026-09-30T18:00:00+08:00"),
    ],
)
def test_each_op_answers_with_the_id_of_its_line(
    op: str, given: dict[str, Any], result: object
) -> None:
    asked = {"id": "1", "op": op, "calendar": OFFICE, "input": given}
    assert answers(asked) == [{"id": "1", "result": result}]


def test_a_built_in_calendar_is_named_and_an_unpublished_year_makes_it_provisional() -> None:
    asked = {"id": 7, "op": "next_open", "calendar": "cn-office"}
    assert answers(
        {**asked, "input": {"at": "2026-12-30T20:00:00+08:00"}},
        {**asked, "input": {"at": "2026-12-31T20:00:00+08:00"}},
    ) == [
        {"id": 7, "result": "2026-12-31T09:00:00+08:00"},
        {"id": 7, "result": "2027-01-01T09:00:00+08:00", "provisional": True},
    ]


@pytest.mark.parametrize("line", ["nonsense", b"\xff\xfe", "[]", "7", '{"id": 1', '{"id": NaN}'])
def test_a_line_that_cannot_be_read_has_no_id(line: str | bytes) -> None:
    (answer,) = answers(line)
    assert answer.keys() == {"id", "error"}
    assert answer["id"] is None


GOOD = {"id": "1", "op": "is_open", "calendar": OFFICE, "input": {"at": "2026-10-10T12:00:00Z"}}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"op": "is_opne"}, "The op 'is_opne' is unknown"),
        ({"op": None}, "The op None is unknown"),
        ({"calendar": "moon"}, "The calendar 'moon' is unknown"),
        ({"calendar": 7}, "A calendar is an object"),
        ({"calendar": {**OFFICE, "hours": {}}}, "The calendar has no working time."),
        ({"input": None}, "The line has no 'input'"),
        ({"input": {}}, "The input has no 'at'"),
        ({"input": {"at": "2026-10-10T12:00:00"}}, "an instant with its offset"),
        ({"input": {"at": "9999-12-31T23:59:59-12:00"}}, "out of reach"),
        ({"op": "add_working_days", "input": {"date": "2026-10-10", "n": 1.5}}, "a whole number"),
        ({"op": "add_working_days", "input": {"date": "soon", "n": 1}}, "must be a date"),
        ({"op": "add_working_days", "input": {"date": 20261010, "n": 1}}, "must be a date"),
        ({"calendar": {**OFFICE, "working_days": [[]]}}, "A make-up working day is a date"),
        ({"input": {"at": float("nan")}}, "NaN is not a number"),
        ({"op": "add_working_days", "input": {"date": "2026-10-10", "n": 10**9}}, "too little"),
    ],
)
def test_a_refused_line_keeps_its_id_and_the_next_one_is_answered(
    change: dict[str, Any], sentence: str
) -> None:
    refused, answered = answers({**GOOD, **change}, {**GOOD, "id": "2"})
    assert refused["id"] == "1"
    assert sentence in refused["error"]
    assert "\n" not in refused["error"]
    assert answered == {"id": "2", "result": False}


def test_a_calendar_that_is_null_is_the_office_calendar() -> None:
    asked = {**GOOD, "calendar": None, "input": {"at": "2026-10-10T12:00:00+08:00"}}
    assert answers(asked) == [{"id": "1", "result": True}]


def test_a_number_without_end_is_refused_and_never_written() -> None:
    end = '"op":"is_open","input":{"at":"2026-10-10T12:00:00Z"}}'
    first, second = answers(f'{{"id":1e999,{end}', f'{{"id":[-Infinity],{end}')
    assert (first["id"], first["error"].split()[0]) == (None, "1e999")
    assert (second["id"], second["error"].split()[0]) == ([None], "-Infinity")


def test_a_defect_of_our_own_takes_one_line_and_not_the_next() -> None:
    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        return {"result": {"right": 1}[asked["id"]]}

    sink = BytesIO()
    answer_lines(answer, [b'{"id": "wrong"}', b'{"id": "right"}'], sink)
    first, second = map(json.loads, sink.getvalue().splitlines())
    assert first == {
        "id": "wrong",
        "error": "Steward itself failed on this line: KeyError('wrong').",
    }
    assert second == {"id": "right", "result": 1}


def test_amounts_of_nothing_stay_where_they_are_but_a_date_rolls_forward() -> None:
    closed = {"at": "2026-10-01T10:00:00+08:00", "seconds": 0}
    holiday = {"date": "2026-10-01", "n": 0}
    stays, rolls = answers(
        {**GOOD, "op": "add_working_seconds", "input": closed},
        {**GOOD, "op": "add_working_days", "input": holiday},
    )
    assert stays["result"] == closed["at"]
    assert rolls["result"] == "2026-10-08"


def test_a_lone_surrogate_in_an_id_comes_back_as_it_was() -> None:
    (answer,) = answers('{"id":"\\ud800","op":"is_open","input":{"at":"2026-10-10T12:00:00Z"}}')
    assert answer == {"id": "\ud800", "result": False}
