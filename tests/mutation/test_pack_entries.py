"""Each entry of the built-in pack is removed in turn; a test of its rule must then fail.

The tests are those in tests/unit that carry the rule's mark. They run on the mutant pack in a
process of their own, through the plugin `tests.support.mutated_pack`; as many at once as there are
cores.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from steward_policy import packs
from steward_stack.rulebook import in_tests

PROJECT = Path(__file__).parents[2]
ENTRIES = [(kind, entry.id, entry.rule) for kind, _, entry in packs.built_in().pack.entries()]


@pytest.fixture(scope="module")
def marked() -> Mapping[str, list[str]]:
    """The fast tests of each rule."""
    return {
        rule_id: [test for test in tests if test.startswith("tests/unit/")]
        for rule_id, tests in in_tests(PROJECT).items()
    }


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest,
    marked: Mapping[str, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, "Future[set[str]]"]]:
    """By the entries that were asked for, the tests of their rules that fail without them."""
    asked_for = {item.name for item in request.session.items}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            entry_id: pool.submit(
                failed_on,
                without(kind, entry_id),
                [test for rule_id in rules for test in marked.get(rule_id, ())],
                tmp_path_factory.mktemp("mutant"),
            )
            for kind, entry_id, rules in ENTRIES
            if f"{test_a_removed_entry_makes_a_test_of_its_rule_fail.__name__}[{entry_id}]"
            in asked_for
        }
        pool.shutdown(cancel_futures=True)


def without(kind: str, entry_id: str | None) -> str:
    pack = yaml.safe_load(packs.built_in_text())
    pack[kind] = [entry for entry in pack[kind] if entry["id"] != entry_id]
    return yaml.safe_dump(pack, allow_unicode=True)


def failed_on(pack: str, tests: list[str], folder: Path) -> set[str]:
    """Run the tests on this pack and name those that fail."""
    file = folder / "pack.yaml"
    file.write_text(pack, encoding="utf-8")
    options = [
        "-q",
        "-rfE",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.support.mutated_pack",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *sorted(set(tests))],
        cwd=PROJECT,
        env={**os.environ, "STEWARD_PACK": str(file), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return set(
        re.findall(r"^(?:FAILED|ERROR) (\S+?)(?:\[.*)?(?: - .*)?$", run.stdout, re.MULTILINE)
    )


def test_the_tests_of_the_rules_hold_on_the_whole_pack(
    marked: Mapping[str, list[str]], tmp_path: Path
) -> None:
    rules = {rule_id for _, _, entry_rules in ENTRIES for rule_id in entry_rules}
    tests = [test for rule_id in rules for test in marked.get(rule_id, ())]
    assert failed_on(without("targets", None), tests, tmp_path) == set()


@pytest.mark.parametrize(
    ("entry_id", "rules"), [e[1:] for e in ENTRIES], ids=[e[1] for e in ENTRIES]
)
def test_a_removed_entry_makes_a_test_of_its_rule_fail(
    marked: Mapping[str, list[str]],
    failures: Mapping[str, "Future[set[str]]"],
    entry_id: str,
    rules: tuple[str, ...],
) -> None:
    tests = {rule_id: marked.get(rule_id, []) for rule_id in rules}
    assert all(tests.values()), f"a rule of {entry_id} has no test: {tests}"
    failed = failures[entry_id].result()
    unmoved = [rule_id for rule_id in rules if failed.isdisjoint(tests[rule_id])]
    assert not unmoved, f"without {entry_id} the tests of {unmoved} still pass"
