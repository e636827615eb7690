"""docs/policy.md shows only what works."""

import re
from pathlib import Path

import yaml

from steward_policy import packs
from steward_policy.classification import INPUTS, ClassificationRow
from steward_policy.durations import Duration
from steward_policy.lint import lint

PAGE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")

YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_override_of_the_page_is_sound_and_does_what_it_says() -> None:
    override, _ = YAML
    upon = (packs.built_in_text(), "residential-cn.yaml", (override, "riverside.yaml"))
    assert lint(*upon) == []
    rules = packs.load(*upon)
    within = rules.by_id["minor-resolve"].within
    assert within is not None
    assert within.days == 1
    assert "ordinary-repair" not in {followup.id for followup in rules.followups}
    assert rules.calendar("riverside-office").tz == "Asia/Shanghai"


def test_the_row_of_the_page_is_one_of_the_pack() -> None:
    _, table = YAML
    (row,) = yaml.safe_load(table)["classification"]
    assert ClassificationRow.model_validate(row) in packs.built_in().classification


def test_what_the_page_says_a_row_may_ask_for_is_all_that_it_may() -> None:
    (table,) = re.findall(r"\| asked for in `when` .*?\n\n", PAGE, re.DOTALL)
    cells = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", cells)) == INPUTS


def test_the_durations_of_the_page_can_be_read() -> None:
    written = re.findall(r"^\| `(\{.*?\})` \|", PAGE, re.MULTILINE)
    assert len(written) == 6
    for duration in written:
        Duration.model_validate(yaml.safe_load(duration))
