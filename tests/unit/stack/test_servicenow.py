"""Incident logs of ServiceNow: what each incident's rows tell, and which rows tell nothing."""

import csv
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from steward_stack.imports.files import NotThisFormat
from steward_stack.imports.servicenow import COLUMNS, ServiceNow, read

UTC = ZoneInfo("UTC")
ROW = {
    "number": "INC1",
    "incident_state": "New",
    "reopen_count": "0",
    "sys_mod_count": "0",
    "caller_id": "Caller 1",
    "opened_at": "29/2/2016 01:16",
    "sys_updated_at": "29/2/2016 01:23",
    "contact_type": "Phone",
    "location": "Location 143",
    "category": "Category 55",
    "subcategory": "Subcategory 170",
    "u_symptom": "Symptom 72",
    "priority": "3 - Moderate",
    "assigned_to": "?",
    "u_priority_confirmation": "false",
}


def written_log(path: Path, *rows: dict[str, str]) -> Path:
    """Write rows, each with what it changes of an ordinary one."""
    with path.open("w", newline="") as text:
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows({**ROW, **row} for row in rows)
    return path


def read_rows(folder: Path, *rows: dict[str, str], zone: ZoneInfo = UTC) -> ServiceNow:
    return read(written_log(folder / "log.csv", *rows), zone)


def told(found: ServiceNow) -> list[tuple[str, str]]:
    """Give the facts of the only incident: type, and time of day."""
    [record] = found.records(found.last)
    return [(fact["type"], fact["occurred_at"][11:16]) for fact in record["facts"]]


def at(hour: int, state: str, **more: str) -> dict[str, str]:
    """Give a row of the same day."""
    return {"sys_updated_at": f"29/2/2016 {hour:02}:00", "incident_state": state, **more}


def test_an_incident_is_received_classified_handled_and_closed(tmp_path: Path) -> None:
    found = read_rows(tmp_path, {}, at(9, "Resolved"), at(12, "Closed"))
    assert told(found) == [
        ("case_received", "01:16"),
        ("case_classified", "01:23"),
        ("case_handled", "09:00"),
        ("case_closed", "12:00"),
    ]
    assert found.counts["closed"] == 1


def test_waiting_for_the_caller_is_a_pause_and_for_a_vendor_is_none(tmp_path: Path) -> None:
    states = ("Awaiting User Info", "Active", "Awaiting Vendor", "Resolved")
    found = read_rows(tmp_path, {}, *(at(9 + hour, state) for hour, state in enumerate(states)))
    assert [fact for fact, _ in told(found)][2:] == ["case_paused", "case_resumed", "case_handled"]
    [record] = found.records(found.last)
    assert record["facts"][2]["resume_on"] == "2016-03-07T09:00:00+00:00"


def test_a_wait_over_the_end_of_summer_time_lasts_seven_days(tmp_path: Path) -> None:
    opened = {"opened_at": "18/2/2016 08:00", "sys_updated_at": "18/2/2016 08:00"}
    waits = {**opened, **at(9, "Awaiting User Info"), "sys_updated_at": "18/2/2016 09:00"}
    found = read_rows(tmp_path, opened, waits, zone=ZoneInfo("America/Sao_Paulo"))
    [record] = found.records(found.last)
    pause = record["facts"][2]
    began, ends = (datetime.fromisoformat(pause[name]) for name in ("occurred_at", "resume_on"))
    assert ends - began == timedelta(days=7)


def test_a_reopening_is_told_when_its_count_goes_up(tmp_path: Path) -> None:
    rows = [
        at(9, "Resolved"),
        at(10, "Active", reopen_count="1"),
        at(11, "Closed", reopen_count="1"),
    ]
    found = read_rows(tmp_path, {}, *rows)
    facts = [fact for fact, _ in told(found)]
    assert facts[2:] == ["case_handled", "case_reopened", "case_handled", "case_closed"]
    assert found.counts["cases_reopened"] == 1


def test_a_changed_priority_is_new_only_where_it_was_confirmed(tmp_path: Path) -> None:
    rows = [
        at(9, "Active", priority="2 - High"),
        at(10, "Active", priority="1 - Critical", u_priority_confirmation="true"),
    ]
    [record] = read_rows(tmp_path, {}, *rows).records(datetime(2016, 3, 1, tzinfo=UTC))
    said = [(f["severity"], f.get("cause")) for f in record["facts"] if "severity" in f]
    assert said == [("minor", None), ("important", None), ("major", "new_facts")]


def test_times_are_of_the_zone_that_is_named(tmp_path: Path) -> None:
    [record] = read_rows(tmp_path, {}, zone=ZoneInfo("America/Sao_Paulo")).records(
        datetime(2016, 3, 1, tzinfo=UTC)
    )
    assert record["facts"][0]["occurred_at"] == "2016-02-29T01:16:00-03:00"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"incident_state": "-100"}, "its incident_state is unknown: -100."),
        ({"priority": "9"}, "its priority is unknown: 9."),
        ({"sys_updated_at": "2/29/2016 01:16"}, "its sys_updated_at is not a time like"),
        ({"sys_updated_at": "29/2/2016 01:15"}, "it was saved before its incident was opened."),
        ({"number": "?"}, "it has no usable number."),
        ({"sys_mod_count": "-1"}, "its sys_mod_count is not a number."),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_reason(
    row: dict[str, str], reason: str, tmp_path: Path
) -> None:
    found = read_rows(tmp_path, {}, row)
    [refused] = found.refused
    assert refused["line"] == 3
    assert refused["reason"].startswith(reason)


def test_a_row_that_is_open_again_though_nobody_reopened_it_is_refused(tmp_path: Path) -> None:
    found = read_rows(tmp_path, {}, at(9, "Resolved"), at(10, "New"), at(12, "Closed"))
    assert [bad["line"] for bad in found.refused] == [4]
    assert [fact for fact, _ in told(found)][2:] == ["case_handled", "case_closed"]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", ",".join(COLUMNS) + "\n"])
def test_another_file_is_refused_in_a_sentence(content: str, tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text(content)
    with pytest.raises(NotThisFormat, match=r"\.$"):
        read(file, UTC)


@pytest.mark.skipif("STEWARD_DATA" not in os.environ, reason="STEWARD_DATA names no real data")
def test_the_year_of_a_real_company_is_read_whole() -> None:
    folder = Path(os.environ["STEWARD_DATA"]) / "uci_servicenow_incident_log"
    found = read(folder / "incident_event_log.csv.gz", UTC)
    counts: dict[str, Any] = found.counts
    refused = counts.pop("rows_refused")
    assert counts == {
        "rows_read": 141712,
        "cases": 24918,
        "closed": 24918,
        "cases_reopened": 275,
        "projects": 220,
    }
    assert len(refused) == 11
    for record in found.records(found.last):
        times = [datetime.fromisoformat(fact["occurred_at"]) for fact in record["facts"]]
        assert times == sorted(times)
