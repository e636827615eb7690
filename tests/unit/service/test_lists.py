"""A list goes on from where it ended, and a cursor that no list gave is refused."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest

from steward_service.auth import EVERY_PROJECT, Principal
from steward_service.lists import Cursor, cursor_of, page_of
from steward_service.problems import Problem

NOON = datetime(2026, 9, 28, 12, tzinfo=UTC)


def _as_text(place: str) -> str:
    return urlsafe_b64encode(place.encode()).decode()


def test_the_next_page_begins_after_the_last_row() -> None:
    rows = [{"changed_at": NOON, "case_id": name} for name in ("a|b", "c|楼/1")]
    page = page_of(rows, "case_id", None, limit=2)
    assert (page.items, page.more) == (rows, True)
    assert cursor_of(page.next) == Cursor(NOON, "c|楼/1")
    end = page_of([], "case_id", page.next, limit=2)
    assert (end.items, end.next, end.more) == ([], page.next, False)
    assert cursor_of(None) is cursor_of("") is None


@pytest.mark.parametrize(
    "since",
    [
        *("%%", "bm8gdGltZXxh", "楼", "_w=="),
        *map(
            _as_text,
            ["2026-09-28T12:00:00|a", f"{NOON}|a\0b", "9999-12-31T23:59:59-12:00|a"],
        ),
    ],
)
def test_a_cursor_that_no_list_gave_is_refused_in_one_sentence(since: str) -> None:
    with pytest.raises(Problem) as problem:
        cursor_of(since)
    assert (problem.value.status, problem.value.code) == (400, "since")


def test_lists_show_the_projects_that_are_the_readers() -> None:
    reader = Principal("k", "reader", frozenset({"*.read"}), frozenset({"p2", "p1"}))
    assert reader.listed() == ["p1", "p2"]
    assert reader.listed("p2") == ["p2"]
    with pytest.raises(Problem):
        reader.listed("p3")
    everywhere = Principal("k", "reader", frozenset({"*.read"}), frozenset({EVERY_PROJECT}))
    assert everywhere.listed() is None
    assert everywhere.listed("p3") == ["p3"]
