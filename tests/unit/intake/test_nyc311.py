"""New York's 311 file: its figures, its times, and its bad rows."""

import csv
import json
import os
from datetime import time, timedelta
from functools import cache
from pathlib import Path

import pytest

from steward_events.cloudevents import foreign_from_json
from steward_events.tickets import OpenedTicket
from steward_intake.application.actions import Record
from steward_stack.imports.files import NotThisFormat
from steward_stack.imports.nyc311 import COLUMNS, Nyc311, read, scenario

DATA = os.environ.get("STEWARD_DATA", "")
FILE = Path(DATA) / "nyc311_2013-12-25" / "nyc311_2013-12-25.csv.gz"
real = pytest.mark.skipif(
    not (DATA and FILE.is_file()), reason="STEWARD_DATA does not name a folder with the 311 file."
)

ROW = dict.fromkeys(COLUMNS, "") | {
    "Unique Key": "1",
    "Created Date": "12/25/2013 12:00:00 AM",
    "Closed Date": "12/25/2013 12:00:00 AM",
    "Agency": "HPD",
    "Complaint Type": "HEATING",
    "Descriptor": "HEAT",
    "Incident Address": "1 MAIN STREET",
    "Community Board": "01 BRONX",
    "Borough": "BRONX",
}


def written(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="") as text:
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows({**ROW, **row} for row in rows)
    return path


@cache
def christmas() -> Nyc311:
    return read(FILE)


@real
def test_the_day_has_these_figures() -> None:
    assert christmas().counts == {
        "rows_read": 2386,
        "selected": 1591,
        "rejected": 0,
        "closed": 1572,
        "open": 19,
        "closed_live": 285,
        "closed_later": 1287,
        "date_only": 1460,
        "projects": 62,
        "households": 1051,
    }


@real
def test_every_event_can_be_read_back_as_a_ticket_and_stands_in_order_of_time() -> None:
    events = list(christmas().live())
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert len(events) == 1591 + 285
    for step in events:
        foreign = foreign_from_json(json.dumps(step.event), step.key)
        assert foreign.time == step.at
        if foreign.type == "ticket.opened.v1":
            OpenedTicket.model_validate(foreign.data)


@real
def test_nothing_closes_before_it_was_opened_and_date_only_rows_fall_into_the_day() -> None:
    steps = list(christmas().live())
    opened = {s.event["subject"]: s for s in steps if s.event["type"] == "ticket.opened.v1"}
    for step in opened.values():
        if step.event["data"]["date_only"]:
            assert step.at.time() < time(20)
    for step in steps:
        if step.event["type"] == "ticket.closed.v1":
            assert step.at >= opened[step.event["subject"]].at
    for line in christmas().later():
        record = Record.model_validate(line)
        [handled, _] = record.facts
        assert handled.occurred_at is not None
        assert christmas().live_end <= handled.occurred_at < record.history_until < christmas().end


def test_a_date_only_row_is_spread_by_its_key_and_always_alike(tmp_path: Path) -> None:
    rows = [{"Unique Key": str(number)} for number in range(1, 40)]
    first = read(written(tmp_path / "a.csv", *rows))
    again = read(written(tmp_path / "b.csv", *reversed(rows)))
    assert list(first.live()) == list(again.live())
    events = {step.event["id"]: step for step in first.live()}
    for number in range(1, 40):
        opened, closed = events[f"{number}-opened"], events[f"{number}-closed"]
        assert time(8) <= opened.at.time() <= closed.at.time() < time(20)
        assert opened.event["data"]["date_only"]
    assert len({event.at for event in events.values()}) > 70


def test_an_exact_time_stays_as_it_is(tmp_path: Path) -> None:
    found = read(
        written(tmp_path / "a.csv", {"Created Date": "12/25/2013 11:30:05 PM", "Closed Date": ""})
    )
    [event] = found.live()
    assert event.at.isoformat() == "2013-12-25T23:30:05-05:00"
    assert not event.event["data"]["date_only"]
    assert found.live_end - found.start == timedelta(hours=48)


def test_a_date_only_closing_lies_in_the_rest_of_the_day_of_an_exact_opening(
    tmp_path: Path,
) -> None:
    rows = [
        {"Unique Key": "1", "Created Date": "12/25/2013 11:30:05 AM"},
        {"Unique Key": "2", "Created Date": "12/25/2013 11:30:05 PM"},
        {"Unique Key": "3", "Created Date": "12/25/2013 05:00:00 AM"},
    ]
    found = read(written(tmp_path / "a.csv", *rows))
    assert found.rejected == []
    at = {step.event["id"]: step.at.time() for step in found.live()}
    assert time(11, 30, 5) == at["1-opened"] < at["1-closed"] < time(20)
    assert time(23, 30, 5) == at["2-opened"] < at["2-closed"]
    assert time(8) < at["3-closed"] < time(20)


def test_a_date_only_opening_lies_before_an_exact_closing_of_its_day(tmp_path: Path) -> None:
    early = [{"Unique Key": f"{n}", "Closed Date": "12/25/2013 08:05:00 AM"} for n in range(20)]
    earlier = [{"Unique Key": f"9{n}", "Closed Date": "12/25/2013 08:00:00 AM"} for n in range(20)]
    late = {"Unique Key": "80", "Closed Date": "12/25/2013 08:00:00 PM"}
    found = read(written(tmp_path / "a.csv", *early, *earlier, late))
    at = {step.event["id"]: step.at.time() for step in found.live()}
    for number in range(20):
        assert time(8) <= at[f"{number}-opened"] < at[f"{number}-closed"] == time(8, 5)
        assert at[f"9{number}-opened"] < at[f"9{number}-closed"] == time(8)
    alone = read(written(tmp_path / "b.csv", late | {"Closed Date": ""}))
    assert [step.at.time() for step in alone.live()] == [at["80-opened"]]


def test_bad_rows_are_reported_and_the_good_ones_taken(tmp_path: Path) -> None:
    found = read(
        written(
            tmp_path / "a.csv",
            {},
            {"Unique Key": "1"},
            {"Unique Key": ""},
            {"Unique Key": "4", "Created Date": "yesterday"},
            {"Unique Key": "5", "Closed Date": "12/24/2013 12:00:00 AM"},
            {"Unique Key": "6", "Community Board": "", "Borough": ""},
            {"Unique Key": "7", "Agency": "NYPD"},
        )
    )
    assert found.counts["rows_read"] == 7
    assert found.counts["selected"] == 1
    assert [bad["line"] for bad in found.rejected] == [3, 4, 5, 6, 7]
    assert all(bad["reason"].endswith(".") for bad in found.rejected)


def test_a_file_of_another_form_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(NotThisFormat, match="no column “Unique Key”"):
        read(path)
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(b"\x1f\x8b and then nothing that gzip knows")
    with pytest.raises(NotThisFormat, match="cannot be read"):
        read(broken)
    with pytest.raises(NotThisFormat, match="cannot be read"):
        read(tmp_path / "missing.csv")


def test_a_file_becomes_a_play(tmp_path: Path) -> None:
    later = {"Unique Key": "2", "Closed Date": "12/30/2013 12:00:00 AM"}
    play = scenario(written(tmp_path / "a.csv", {}, later))
    assert [step.at for step in play.live] == sorted(step.at for step in play.live)
    assert len(play.live) == 3
    assert [record["id"] for record in play.afterwards] == ["2-closed"]
    assert play.closes_at is not None
    assert play.begins < play.ends < play.closes_at
    assert play.figures["closed_later"] == 1
