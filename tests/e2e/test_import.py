"""`steward import`: pasts are taken in whole and once, and nobody is texted about them."""

import json
from pathlib import Path
from typing import Any

import asyncpg
from tests.support.stack import database_dsn
from tests.support.system import System, entered, steward
from tests.unit.intake.test_nyc311 import written
from tests.unit.stack.test_servicenow import at, written_log

from steward_policy import packs
from steward_service.clocks import SteppedDriver
from steward_stack.example.fortnight import BOUNDARY
from steward_stack.state import State
from steward_stack.supervisor import Stack, endpoints_of


async def imported(system: System, *what: str) -> dict[str, Any]:
    """Run `steward import …` on the system, and read its summary."""
    state = str(system.stack.state.folder)
    code, said, told = await steward("import", *what, "--state", state, "--json")
    assert code == 0, told
    summary: dict[str, Any] = json.loads(said)
    return summary


async def test_pasts_are_imported_one_after_the_other_and_a_second_run_adds_nothing(
    stepped_services: Stack, tmp_path: Path
) -> None:
    file = written(tmp_path / "311.csv", {}, {"Unique Key": "2"}, {"Unique Key": "no number"})
    clock = database_dsn(stepped_services.endpoints.postgres, "steward_clock")
    driver = await SteppedDriver.connect(clock, BOUNDARY)
    async with entered(stepped_services) as system:
        cases = 0
        for what in (["nyc311", str(file)], ["example"]):
            first = await imported(system, *what)
            assert first["facts_registered"] > 0
            assert first["facts_appended"] > 0
            assert first["refused"] == []
            cases += first["records"] if what == ["example"] else first["selected"]
            again = await imported(system, *what)
            nothing = {"facts_registered": 0, "facts_appended": 0}
            assert again == {**first, **nothing}
        assert (first["projects"], first["households"]) == (6, 600)
        assert first["records"] > 300
        await driver.wait_drained(120)
        assert await system.count("intake", "SELECT count(*) FROM cases") == cases
        assert await system.count("sla", "SELECT count(*) FROM clocks") > 0
        assert await system.count("notify", "SELECT count(*) FROM messages") == 0
        for service in ("intake", "sla", "visits", "notify"):
            assert await system.count(service, "SELECT count(*) FROM parked_streams") == 0
    await driver.close()


async def test_an_import_brings_the_stack_up_and_what_is_read_follows_from_the_facts(
    tmp_path: Path,
) -> None:
    state = ["--state", str(tmp_path / "state")]
    log = written_log(tmp_path / "log.csv", {}, at(9, "Resolved"), at(12, "Closed"), at(13, "?"))
    try:
        code, said, told = await steward("import", "servicenow", str(log), *state, "--json")
        assert code == 0, told
        summary = json.loads(said)
        assert (summary["cases"], summary["closed"], summary["unheard"]) == (1, 1, 0)
        assert [bad["line"] for bad in summary["rows_refused"]] == [5]
        assert summary["facts"]["intake.case_closed.v1"] == 1
        code, said, told = await steward("verify", *state, "--json")
        assert code == 0, told
        verdict = json.loads(said)
        assert verdict["equal"]
        rows = {f"{m['service']}.{m['model']}": m["rows"] for m in verdict["models"]}
        assert rows["intake.cases"] == rows["audit.cases"] == 1
        assert rows["sla.clocks"] > 0
        code, said, told = await steward("simulate", *state, "--json")
        assert code == 0, told
        tried = json.loads(said)
        assert tried["cases"] == 1
        assert tried["lines"]
        assert all(line["simulated"] == line["recorded"] for line in tried["lines"])
        assert (await steward("simulate", *state, "--json"))[1] == said
        [case_id] = await asked_of(tmp_path / "state", "SELECT case_id FROM cases")
        code, said, told = await steward("policy", "explain", "--case", case_id, *state, "--json")
        assert code == 0, told
        assert any(json.loads(line)["intervals"] for line in said.splitlines())
        [number] = await asked_of(tmp_path / "state", "SELECT number FROM cases")
        by_number = await steward("policy", "explain", "--case", number, *state, "--json")
        assert by_number == (code, said, told)
        tried = ["policy", "diff", packs.built_in().version, "residential-cn", "--running"]
        code, said, told = await steward(*tried, *state, "--json")
        assert (code, said) == (0, ""), told
        await edited_by_hand(tmp_path / "state", "UPDATE cases SET topic = 'other'")
        code, said, told = await steward("verify", *state, "--json")
        assert code == 1
        [differs] = [m for m in json.loads(said)["models"] if not m["equal"]]
        assert (differs["service"], differs["model"]) == ("intake", "cases")
        assert len(differs["differing"]) == 1
    finally:
        await steward("down", *state)


async def asked_of(state: Path, question: str) -> list[str]:
    endpoints = endpoints_of(State(state))
    assert endpoints is not None
    connection = await asyncpg.connect(database_dsn(endpoints.postgres, "steward_intake"))
    rows = await connection.fetch(question)
    await connection.close()
    return [str(row[0]) for row in rows]


async def edited_by_hand(state: Path, statement: str) -> None:
    endpoints = endpoints_of(State(state))
    assert endpoints is not None
    connection = await asyncpg.connect(database_dsn(endpoints.postgres, "steward_intake"))
    await connection.execute(statement)
    await connection.close()


async def test_registers_are_imported_from_files_and_bad_lines_are_named(
    stepped_services: Stack, tmp_path: Path
) -> None:
    book = tmp_path / "places.csv"
    book.write_bytes("集团编号,集团名称\nyun,云山物业\n".encode("gb18030"))
    projects = tmp_path / "项目.csv"
    projects.write_text("项目编号,项目名称\nys,云山郡\n", encoding="utf-8-sig")
    residents = tmp_path / "住户.csv"
    residents.write_text("房号;姓名;手机\n1-1;王芳;13800138000\n1-2;李强;138\n1-3;陈晨;\n")
    state = ["--state", str(stepped_services.state.folder), "--json"]
    groups = await steward("import", "registers", str(book), "--kind", "groups", *state)
    assert groups[0] == 0, groups[2]
    both = ["import", "registers", str(projects), str(residents), "--group-id", "yun"]
    both += ["--project-id", "ys", *state]
    dry = json.loads((await steward(*both, "--dry-run"))[1])
    # Of a dry run each file stands alone: the project of the first is not there for the second.
    assert (dry["registered"], len(dry["refused"])) == (1, 3)
    code, said, _ = await steward(*both)
    report = json.loads(said)
    assert (code, report["rows_read"], report["registered"]) == (1, 4, 3)
    [refused] = report["refused"]
    assert (refused["file"], refused["line"], refused["column"]) == ("住户.csv", 3, "手机")
    again = json.loads((await steward(*both))[1])
    assert (again["registered"], again["changed"], again["unchanged"]) == (0, 0, 3)
    async with entered(stepped_services) as system:
        people = "SELECT count(*) FROM people WHERE project_id = 'ys'"
        assert await system.count("intake", people) == 2
