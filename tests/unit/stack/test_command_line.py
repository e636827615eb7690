"""What the command line says to orders that it cannot carry out, and to programs that read it."""

import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from tests.support.waiting import wait_until
from tests.unit.stack.test_servicenow import written_log

from steward_stack import cli
from steward_stack.commands import import_, parked
from steward_stack.commands.simulate import compliance
from steward_stack.demo import scenario_of, show
from steward_stack.door import progress_on
from steward_stack.errors import StewardError
from steward_stack.options import WIDEST
from steward_stack.simulation import Outcomes
from steward_stack.state import State


@pytest.mark.parametrize(
    ("tickets", "named", "words"),
    [
        (None, "nyc311", "no file of tickets"),
        (Path("tickets.csv"), None, r"FORMAT=nyc311 of make \(--format nyc311\)"),
        (Path("tickets.csv"), "zzz", r"unknown: zzz; known is FORMAT=nyc311"),
    ],
)
def test_tickets_and_their_form_are_named_together(
    tickets: Path | None, named: str | None, words: str
) -> None:
    with pytest.raises(StewardError, match=words):
        scenario_of(tickets, named)


def test_a_file_is_no_state_folder(tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("Chapter 1")
    for folder in (tmp_path / "novel.txt", tmp_path / "novel.txt" / "below"):
        with pytest.raises(StewardError, match="is a file"):
            State(folder)


def test_a_parked_stream_is_named_whole_on_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "urn:example:[desk]|" + "7" * 90
    said = ("service", "stream", "waiting", "attempts", "retry_at", "reason")
    line = dict.fromkeys(said, "x" * 40) | {"stream": name}
    monkeypatch.setattr(parked, "_with_parked", lambda *_: [line])
    monkeypatch.setenv("COLUMNS", "30")
    parked.list_()
    _, row = capsys.readouterr().out.splitlines()
    assert row.split()[1] == name


def test_the_summary_is_lines_of_aligned_columns_with_paths_whole() -> None:
    logs = f"/[logs]/{'x' * 90}"
    counts = {"complaint": {"closed": 5, "open": 2}, "enquiry": {"open": 1}}
    summary = {
        "cases": {"total": 8, "by_status": {"closed": 5, "open": 3}, "by_kind": counts},
        "escalations": {"total": 7, "silent": 5, "to": {"centre_manager": 7}},
        "audit": {"unpublished": 0, "agree": True},
        "where": {"openapi": {"sla": "http://127.0.0.1:1/v1/openapi.json"}, "logs": logs},
    }
    told = io.StringIO()
    show(summary, Console(file=told, width=WIDEST))
    assert [line.split() for line in told.getvalue().splitlines() if line] == [
        ["Cases"],
        ["closed", "open", "all"],
        ["complaint", "5", "2", "7"],
        ["enquiry", "0", "1", "1"],
        ["all", "5", "3", "8"],
        ["Escalations"],
        ["total", "7"],
        ["silent,", "being", "history", "5"],
        ["to", "centre", "manager", "7"],
        ["Audit"],
        ["unpublished", "0"],
        ["agree", "yes"],
        ["Where"],
        ["openapi", "sla", "http://127.0.0.1:1/v1/openapi.json"],
        ["logs", logs],
    ]


def test_long_work_is_told_in_plain_lines_where_there_is_no_terminal() -> None:
    told, said = io.StringIO(), "Live: 7 of 1,200, 05-13 14:00; under way: notify: outstanding 3.\n"
    with progress_on(Console(file=told), lambda: "notify: outstanding 3", every=0.01) as progress:
        task = progress.add_task("Live", total=1200, now="")
        progress.update(task, completed=7, now="05-13 14:00")
        wait_until(lambda: said in told.getvalue(), 10, "It was not told.")


def test_each_figure_of_a_simulation_stands_under_its_own_heading() -> None:
    place = ("minor-resolve", "p1", "2026-11")
    would_be, was = {"met": 1, "excused": 2, "running": 3}, {"breached": 4, "cancelled": 5}
    found = Outcomes(1, None, {place: Counter(would_be)}, {place: Counter(was)})
    table = compliance(found.lines())
    read = {str(column.header): list(column.cells) for column in table.columns}
    figures = {name: cells for name, cells in read.items() if cells != ["0", "0"]}
    assert figures == {
        "target": ["minor-resolve", "minor-resolve"],
        "project": ["p1", "all"],
        "month": ["2026-11", "all"],
        **{word: [str(n)] * 2 for word, n in would_be.items()},
        **{f"was {word}": [str(n)] * 2 for word, n in was.items()},
    }


def test_work_that_is_not_counted_is_told_by_its_name() -> None:
    told = io.StringIO()
    with progress_on(Console(file=told), every=0.01) as progress:
        progress.add_task("log.csv is read", total=0, now="")
        wait_until(told.getvalue, 10, "Nothing was told.")
    assert told.getvalue().startswith("log.csv is read.\n")


def test_an_import_says_at_once_that_it_reads_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = io.StringIO()
    monkeypatch.setattr(import_, "err", Console(file=told))
    log = written_log(tmp_path / "log.csv", {"number": "no number"})
    with pytest.raises(StewardError, match="holds no incident"):
        import_.import_servicenow(log)
    assert told.getvalue() == "log.csv is read.\n"


def test_refused_records_are_named_by_their_number_and_reason() -> None:
    again = {"error": "This ID was used before with another content.", "code": "key_reused"}
    unknown = {"error": "There is no project “p1”.", "code": "unknown"}
    assert import_.refused_of(
        [unknown, {"id": "INC45", **again}, {"id": "INC1", "facts": 3}, {"id": "INC46", **again}]
    ) == [
        {"error": import_.IMPORTED_BEFORE, "records": 2, "ids": ["INC45", "INC46"]},
        {"error": "There is no project “p1”.", "records": 1, "ids": []},
    ]


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Give every command that can be typed, by its whole name."""
    below = getattr(group, "commands", {})
    for name, command in below.items():
        yield from commands(command, *names, name)
    if not below:
        yield " ".join(names), group


def test_every_command_shows_an_example() -> None:
    cli._mount_commands("")
    found = dict(commands(typer.main.get_command(cli.app)))
    assert {"get", "post", "policy reapply", "simulate", "import registers"} <= found.keys()
    without = [name for name, command in found.items() if "Example" not in (command.epilog or "")]
    assert without == []


@pytest.mark.parametrize(
    ("typed", "status", "title", "words"),
    [
        ("policy explain no-such-entry", 1, "Not possible", "no entry 'no-such-entry'"),
        ("get sla /v1/late", 1, "Not possible", "does not run here"),
        ("policy explain --no-such-option", 2, "Typed wrongly", "--no-such-option"),
    ],
)
def test_with_json_an_error_is_one_problem_on_stderr_with_the_same_exit_status(
    tmp_path: Path, typed: str, status: int, title: str, words: str
) -> None:
    command = [sys.executable, "-m", "steward_stack.cli", *typed.split(), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    [line] = done.stderr.splitlines()
    problem = json.loads(line)
    assert (done.returncode, done.stdout, problem["title"]) == (status, "", title)
    assert words in problem["detail"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_status_of_what_does_not_run_is_told_and_is_an_exit_status(
    tmp_path: Path, options: list[str]
) -> None:
    command = [sys.executable, "-m", "steward_stack.cli", "status", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    said = json.loads(done.stdout)["running"] if options else done.stdout
    assert (done.returncode, said) == (3, False if options else "Steward is not running.\n")
    assert done.stderr == ""
