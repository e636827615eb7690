"""Read models change with the facts, and the same in every store."""

from typing import Any

import pytest
from tests.contracts.eventstore.conftest import OpenShop
from tests.support.eventstore import CLOCKS, START, TALLY, Meet, Note, Start, at, heard, job, noted

from steward_events.recorded import Recorded
from steward_eventstore.execute import Parked, To
from steward_eventstore.port import Change, Delete, Increment, Upsert, Write
from steward_eventstore.read_models import statements

KEY = {"stream": "clock-1"}


async def test_you_read_what_you_wrote(shop: OpenShop) -> None:
    executor = shop.executor()
    await executor.execute(job("clock-1", Start(START, (at(10), at(20)))))
    shop.clock.instant = at(15)
    await executor.execute(job("clock-1", Note(at(15), "late")))
    await executor.execute(job("clock-1", Meet(at(15))))
    assert await shop.rows(CLOCKS) == [
        {"stream": "clock-1", "status": "met", "breaches": 1, "note": "late"}
    ]
    assert [(row["kind"], row["count"]) for row in await shop.rows(TALLY)] == [
        ("sla.case_noted.v1", 1),
        ("sla.clock_breached.v1", 1),
        ("sla.clock_met.v1", 1),
        ("sla.clock_started.v1", 2),
    ]


async def test_facts_of_others_are_projected_with_the_inbox_once(shop: OpenShop) -> None:
    executor = shop.executor()
    done = await executor.execute(job("clock-1", Note(START, "told")))
    fact = done.facts[0]  # type: ignore[union-attr]
    other = Recorded(
        fact.id, fact.type, "case-7", 1, "p-7", "intake", START, START, START, noted("heard", START)
    )
    for _ in range(2):
        await executor.execute_batch([heard("case-7", 1, heard=other)])
    rows = {row["stream"]: row["note"] for row in await shop.rows(CLOCKS)}
    assert rows == {"clock-1": "told", "case-7": "heard"}
    assert [row["count"] for row in await shop.rows(TALLY)] == [1, 1]


@pytest.mark.parametrize("beside", ["kept", "forget"], ids=["in one statement", "in several"])
async def test_a_value_that_no_column_takes_parks_its_message_alone(
    shop: OpenShop, beside: str
) -> None:
    executor = shop.executor()
    done = await executor.execute(job("clock-1", Note(START, "told")))
    fact = done.facts[0]  # type: ignore[union-attr]

    def told(stream: str, text: str) -> Recorded:
        return Recorded(
            fact.id, fact.type, stream, 1, "p-7", "intake", START, START, START, noted(text, START)
        )

    outcomes = await executor.execute_batch(
        [
            heard("case-7", 1, heard=told("case-7", "\0")),
            heard("case-8", 1, To("clock-8", "p-1", Note(START, "fine"))),
            heard("case-9", 1, heard=told("case-9", beside)),
        ]
    )
    assert isinstance(outcomes[0], Parked)
    rows = {row["stream"] for row in await shop.rows(CLOCKS)}
    assert rows - {"case-9"} == {"clock-1", "clock-8"}


def test_rows_are_written_in_one_order() -> None:
    changes: list[Change] = [
        Upsert(CLOCKS, {"stream": "clock-2"}),
        Upsert(CLOCKS, {"stream": "clock-1"}),
        Delete(CLOCKS, {"stream": "clock-4"}),
        Delete(CLOCKS, {"stream": "clock-3"}),
    ]
    (_, deleted), (_, written) = statements(changes)
    assert deleted == [("clock-3",), ("clock-4",)]
    assert written == [(["clock-1", "clock-2"],)]


FOLDS: dict[str, tuple[list[Change], dict[str, Any] | None]] = {
    "an insert takes the defaults": (
        [Upsert(CLOCKS, KEY)],
        {"status": "new", "breaches": 0, "note": None},
    ),
    "the last value wins": (
        [Upsert(CLOCKS, KEY | {"note": "a"}), Upsert(CLOCKS, KEY | {"note": "b"})],
        {"status": "new", "breaches": 0, "note": "b"},
    ),
    "columns that are not named stay": (
        [Upsert(CLOCKS, KEY | {"note": "a"}), Upsert(CLOCKS, KEY | {"status": "met"})],
        {"status": "met", "breaches": 0, "note": "a"},
    ),
    "counters add up": (
        [Increment(CLOCKS, KEY, {"breaches": 1}), Increment(CLOCKS, KEY, {"breaches": 2})],
        {"status": "new", "breaches": 3, "note": None},
    ),
    "a counter goes on from a value set": (
        [Upsert(CLOCKS, KEY | {"breaches": 5}), Increment(CLOCKS, KEY, {"breaches": 2})],
        {"status": "new", "breaches": 7, "note": None},
    ),
    "a value set overrides the counter": (
        [Increment(CLOCKS, KEY, {"breaches": 2}), Upsert(CLOCKS, KEY | {"breaches": 5})],
        {"status": "new", "breaches": 5, "note": None},
    ),
    "a counter down to below zero": (
        [Increment(CLOCKS, KEY, {"breaches": -2})],
        {"status": "new", "breaches": -2, "note": None},
    ),
    "what is deleted is gone": ([Upsert(CLOCKS, KEY), Delete(CLOCKS, KEY)], None),
    "what comes after a deletion starts anew": (
        [
            Upsert(CLOCKS, KEY | {"note": "a", "breaches": 4}),
            Delete(CLOCKS, KEY),
            Increment(CLOCKS, KEY, {"breaches": 1}),
        ],
        {"status": "new", "breaches": 1, "note": None},
    ),
    "deleting what is not there does nothing": ([Delete(CLOCKS, KEY)], None),
    "a value may be emptied": (
        [Upsert(CLOCKS, KEY | {"note": "a"}), Upsert(CLOCKS, KEY | {"note": None})],
        {"status": "new", "breaches": 0, "note": None},
    ),
}


@pytest.mark.parametrize("together", [True, False], ids=["in one commit", "one by one"])
@pytest.mark.parametrize("name", FOLDS)
async def test_changes_fold_alike(shop: OpenShop, name: str, together: bool) -> None:
    changes, expected = FOLDS[name]
    for part in [changes] if together else [[change] for change in changes]:
        await shop.store.commit(Write(changes=part))
    assert await shop.rows(CLOCKS) == ([] if expected is None else [KEY | expected])
