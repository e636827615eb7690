"""The registry of guards and what it names belong together."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.mutation.guard import Guard
from tests.mutation.guards import GUARDS

from steward_stack.rulebook import places

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_each_guard_stands_in_its_file_once(guard: Guard) -> None:
    source = (ROOT / guard.file).read_text(encoding="utf-8")
    assert guard.without(source) != source


def test_every_test_that_is_named_is_there() -> None:
    files = {guard.test.partition("::")[0] for guard in GUARDS}
    there = {f"{file}::{name}" for file in files for name in _tests(ROOT / file)}
    assert {guard.test.partition("[")[0] for guard in GUARDS} <= there


def test_no_two_guards_have_one_name() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_every_rule_that_no_entry_of_the_pack_carries_out_has_a_guard() -> None:
    named = {rule for guard in GUARDS for rule in re.split(r"[(), ]+", guard.guarantee)}
    theirs = [
        place.rule.id
        for place in places(ROOT)
        if place.state == "carried out" and not place.policy
        if {"intake", "sla", "all"} & set(place.rule.service.split(", "))
    ]
    assert theirs
    assert [rule for rule in theirs if rule not in named] == []


def _tests(file: Path) -> Iterator[str]:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
