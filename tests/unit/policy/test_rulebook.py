"""The list of the rules: complete, found and not written by hand."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steward_policy.catalogue import BY_ID, RULES
from steward_stack import rulebook
from steward_stack.commands.rules import app

PROJECT = Path(__file__).parents[3]


def test_every_rule_is_listed_once_in_the_order_of_the_procedures() -> None:
    assert len(RULES) == len(BY_ID) == 134
    assert [place.rule for place in rulebook.places(PROJECT)] == list(RULES)
    assert {rule.id.partition("-")[0] for rule in RULES} == {"FU", "RM", "CV", "RC", "HV"}


def test_marks_and_facts_name_only_rules_that_exist() -> None:
    assert rulebook.in_tests(PROJECT).keys() <= BY_ID.keys()
    assert rulebook.in_facts().keys() <= BY_ID.keys()


def test_every_rule_of_intake_and_of_sla_is_proven_on_the_whole_system() -> None:
    marked = rulebook.in_tests(PROJECT)
    theirs = [rule.id for rule in RULES if {"intake", "sla", "all"} & set(rule.service.split(", "))]
    assert "RC-7" in theirs
    assert [
        rule
        for rule in theirs
        if not any(test.startswith("tests/e2e/") for test in marked.get(rule, ()))
    ] == []


def test_a_rule_is_carried_out_only_with_a_place_and_a_test() -> None:
    planned, unplanned = BY_ID["RM-4.9"], BY_ID["RM-4.10.2"]
    assert rulebook.Place(planned, (), (), ()).state == "planned"
    assert rulebook.Place(planned, ("entry",), (), ()).state == "planned"
    assert rulebook.Place(planned, (), (), ("test",)).state == "planned"
    assert rulebook.Place(planned, ("entry",), (), ("test",)).state == "carried out"
    assert rulebook.Place(unplanned, (), ("fact",), ("test",)).state == "carried out"
    assert rulebook.Place(unplanned, ("entry",), (), ()).state == "hole"


def test_marks_are_found_without_running_a_test(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text(
        "from tests.support.rules import rule\n"
        "@rule('RM-4.9', 'RM-3.1')\nasync def test_alone(): raise SystemExit\n"
        "@rule('RM-4.9')\nclass TestGroup:\n    @rule('RM-3.1')\n    def test_in_it(self): ...\n",
        encoding="utf-8",
    )
    assert rulebook.in_tests(tmp_path) == {
        "RM-4.9": ["tests/test_one.py::test_alone", "tests/test_one.py::TestGroup"],
        "RM-3.1": ["tests/test_one.py::test_alone", "tests/test_one.py::TestGroup::test_in_it"],
    }


def test_the_command_writes_a_json_line_for_each_rule() -> None:
    result = CliRunner().invoke(app, ["--json"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["id"] for line in lines] == [rule.id for rule in RULES]
    (minor,) = (line for line in lines if line["id"] == "RM-4.5.2c")
    assert minor["state"] == "carried out"
    assert minor["policy"] == ["declined-date-told", "minor-resolve"]
    assert any(test.startswith("tests/unit/policy/") for test in minor["tests"])


@pytest.mark.parametrize("options", [["--markdown"], ["--json"]])
def test_the_answer_is_the_same_every_time(options: list[str]) -> None:
    once, twice = (CliRunner().invoke(app, options).stdout for _ in range(2))
    assert once == twice
    assert once
