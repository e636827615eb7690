"""`steward get | post`: what is typed becomes a question or a body, and an answer becomes columns."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from steward_stack.asking import rows_of, said, shown
from steward_stack.errors import StewardError


def test_what_is_typed_becomes_a_body(tmp_path: Path) -> None:
    pack = tmp_path / "pack.yaml"
    pack.write_text("夜班", encoding="utf-8")
    words = ["kind=complaint", "summary=1=1", "place=", "slips:=[1, null]", f"text=@{pack}"]
    assert said(words) == {
        "kind": "complaint",
        "summary": "1=1",
        "place": "",
        "slips": [1, None],
        "text": "夜班",
    }


@pytest.mark.parametrize(
    ("text", "aside"),
    [
        ("-90m", -timedelta(minutes=90)),
        ("-2h", -timedelta(hours=2)),
        ("+3d", timedelta(days=3)),
    ],
)
def test_an_instant_may_be_so_long_ago_or_from_now(text: str, aside: timedelta) -> None:
    at = datetime.fromisoformat(said([f"occurred_at={text}"])["occurred_at"])
    assert abs(at - datetime.now(UTC) - aside) < timedelta(seconds=5)


@pytest.mark.parametrize("word", ["complaint", "=complaint", "slips:=[1", "text=@nowhere.yaml"])
def test_what_cannot_be_understood_is_told_in_one_sentence(word: str) -> None:
    with pytest.raises(StewardError, match=r"\.$"):
        said([word])


def test_columns_are_taken_from_the_rows_as_a_person_reads_them() -> None:
    row = {
        "row": "valid-supplier",
        "gives": {"validity": "valid", "ground": "g"},
        "rules": [{"id": "RM-4.3.1a..g"}, {"id": "RM-4.8"}],
        "taken": True,
        "closed_at": None,
        "received_at": "2026-10-01T08:00:00+00:00",
    }
    assert rows_of({"items": [row], "next": None}, None) == [row]
    assert rows_of({"reasons": [row]}, "reasons") == [row]
    assert rows_of(row, None) == [row]
    here = datetime(2026, 10, 1, 8, tzinfo=UTC).astimezone()
    columns = ["row", "gives", "gives.ground", "rules.id", "taken", "closed_at", "received_at"]
    assert shown([row], columns) == [
        [
            "valid-supplier",
            "validity valid, ground g",
            "g",
            "RM-4.3.1a..g, RM-4.8",
            "yes",
            "–",
            here.isoformat(" ", "minutes"),
        ]
    ]


def test_a_column_or_a_member_that_is_not_there_is_named() -> None:
    with pytest.raises(StewardError, match="no column “numbre”; there are number, due_at"):
        shown([{"number": "L-1", "due_at": None}], ["numbre"])
    with pytest.raises(StewardError, match="no rows in “reasons”"):
        rows_of({"items": []}, "reasons")
