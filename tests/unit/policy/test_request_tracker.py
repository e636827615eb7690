"""Steward's due dates beside those that Request Tracker gave; `make compare-rt` asks it anew."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.compare.rt import (
    ANSWERS,
    CASES,
    Compared,
    Habit,
    compare,
    count_by,
    random_cases,
    read_answers,
)
from tests.compare.rt import explained as explained_by

PAGE = Path(__file__).parents[3] / "docs" / "request-tracker.md"


@pytest.fixture(scope="module")
def compared() -> Compared:
    return compare(read_answers(ANSWERS.read_text()))


def test_every_due_date_is_request_trackers_or_differs_by_a_habit_of_its_own(
    compared: Compared,
) -> None:
    assert compared.unexplained == []
    assert compared.equal + compared.habits.total() == CASES
    assert compared.equal > CASES / 2


def test_every_habit_that_is_described_was_met_and_has_its_example_on_the_page(
    compared: Compared,
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert compared.examples.keys() == set(Habit)
    assert [row for row in compared.examples.values() if row not in page] == []


def test_the_answers_say_what_gave_them() -> None:
    first = json.loads(ANSWERS.read_text().splitlines()[0])
    assert first["rt"].startswith("5.")
    assert first["hours"]


def test_without_habits_the_count_is_stewards_own() -> None:
    for case in random_cases():
        assert count_by(case, ()) == case.due, case.id


def test_no_habit_explains_a_due_date_that_is_off_by_a_few_seconds() -> None:
    answers = read_answers(ANSWERS.read_text())
    for case in random_cases()[:100]:
        theirs = answers[case.id]
        if theirs is not None:
            assert explained_by(case, theirs + timedelta(seconds=7)) is None, case.id
