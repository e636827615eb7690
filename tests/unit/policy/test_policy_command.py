"""`steward policy lint | show | explain`, as a person meets them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steward_policy import packs
from steward_stack.commands.policy import app
from steward_stack.errors import StewardError

GROUP = (
    "overrides: residential-cn\nversion: g1\ntargets:\n  - {id: minor-resolve, within: {days: 1}}\n"
)


@pytest.fixture
def group(tmp_path: Path) -> Path:
    file = tmp_path / "group.yaml"
    file.write_text(GROUP, encoding="utf-8")
    return file


def test_lint_is_silent_about_a_sound_pack_and_fails_on_another(tmp_path: Path) -> None:
    file = tmp_path / "pack.yaml"
    file.write_text(packs.built_in_text(), encoding="utf-8")
    sound = CliRunner().invoke(app, ["lint", str(file)])
    assert (sound.exit_code, sound.stdout) == (0, "")
    lines = packs.built_in_text().splitlines()
    line = 1 + lines.index("  - id: minor-resolve")
    number = 1 + [target.id for target in packs.built_in().targets].index("minor-resolve")
    file.write_text(packs.built_in_text().replace("id: minor-resolve", "idd: x"), encoding="utf-8")
    broken = CliRunner().invoke(app, ["lint", str(file), "--json"])
    assert broken.exit_code == 1
    findings = json.loads(broken.stdout)["findings"]
    assert any(
        f.startswith(f"{file}:{line}: target number {number}, id: this key is") for f in findings
    )


def test_show_gives_the_pack_with_its_overrides_as_json(group: Path) -> None:
    result = CliRunner().invoke(app, ["show", "--override", str(group), "--json"])
    shown = json.loads(result.stdout)
    assert shown["version"].endswith("+g1")
    (minor,) = (t for t in shown["pack"]["targets"] if t["id"] == "minor-resolve")
    assert minor["within"] == {"days": 1}


@pytest.mark.parametrize("entry", [entry.id for _, _, entry in packs.built_in().pack.entries()])
def test_every_entry_is_explained_with_its_rules_words_and_basis(entry: str) -> None:
    result = CliRunner().invoke(app, ["explain", entry])
    assert result.exit_code == 0
    assert "basis: " in result.stdout
    assert any(word in result.stdout for word in ("due: ", "the owner is told after: ", "gives: "))


def test_an_explanation_says_how_the_due_time_is_counted() -> None:
    text = CliRunner().invoke(app, ["explain", "minor-resolve"]).stdout
    assert "RM-4.5.2c: 轻微投诉,不超过2天,或在业户要求的期限内解决" in text
    assert "2 days through weekends and holidays, the first day not counted" in text
    assert "until 24:00 of the last day" in text
    assert "or by: the later of that and owner_requested_date\n" in text
    assert "an earlier one only if owner_date_accepted is yes" in text
    answer = CliRunner().invoke(app, ["explain", "reasoned-answer"]).stdout
    assert "goes on after: case_refused" in answer


def test_what_the_desk_allows_is_explained_with_its_basis(tmp_path: Path) -> None:
    file = tmp_path / "group.yaml"
    rows = "[{within: {days: 3}}, {within: {days: 30}, by: centre_manager}]"
    file.write_text(f"overrides: residential-cn\nversion: g1\ncases: {{backdating: {rows}}}\n")
    on = ["--override", str(file)]
    text = CliRunner().invoke(app, ["explain", "cases", *on]).stdout
    assert text.splitlines()[1:3] == [
        "  basis: default (no rule gives this number; it is Steward's default, or the house's own)",
        "  may be dated back: 3 days by anybody; 30 days by the service-centre manager"
        " (物业服务中心经理) or above",
    ]
    said = json.loads(CliRunner().invoke(app, ["explain", "cases", "--json", *on]).stdout)
    assert said["words"] == text.splitlines()
    assert "cases  basis default" in CliRunner().invoke(app, ["show", *on]).stdout


def test_of_a_rule_each_entry_that_carries_it_out_is_explained() -> None:
    lines = CliRunner().invoke(app, ["explain", "RM-4.10.1", "--json"]).stdout.splitlines()
    entries = [json.loads(line)["entry"]["id"] for line in lines]
    assert entries == ["minor-resolve", "new-date-told"]


def test_an_unknown_entry_or_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    for options in (["explain", "minor-reslove"], ["lint", str(tmp_path / "none.yaml")]):
        result = CliRunner().invoke(app, options)
        assert isinstance(result.exception, StewardError)


def test_a_difference_is_told_entry_by_entry_in_words(group: Path, tmp_path: Path) -> None:
    ours = tmp_path / "ours.yaml"
    ours.write_text(
        GROUP
        + "drop: [ordinary-repair]\n"
        + "add:\n  targets:\n    - {id: call-back, rule: [RM-4.6.3], basis: default,"
        + " starts: case_received, met_by: result_told, within: {hours: 2}}\n",
        encoding="utf-8",
    )
    result = CliRunner().invoke(app, ["diff", "residential-cn", str(ours), "--json"])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["what"], one["id"]) for one in found] == [
        ("changed", "minor-resolve"),
        ("removed", "ordinary-repair"),
        ("added", "call-back"),
    ]
    [minor, *_] = found
    assert minor["keys"] == ["basis", "within"]
    assert minor["before"] == [
        "basis: rule (the number stands in the rule)",
        "due: 2 days through weekends and holidays, the first day not counted,"
        " until 24:00 of the last day",
    ]
    assert minor["after"][0].startswith("basis: default (no rule gives this number")
    assert minor["after"][1].startswith("due: 1 day")
    text = CliRunner().invoke(app, ["diff", "residential-cn", str(ours)]).stdout
    assert "changed: target minor-resolve  RM-4.5.2c, RM-4.10.1  (basis, within)" in text
    same = CliRunner().invoke(app, ["diff", str(group), str(group)])
    assert (same.exit_code, same.stdout) == (0, "")


def test_what_no_sentence_says_is_told_by_its_key(tmp_path: Path) -> None:
    ours = tmp_path / "ours.yaml"
    ours.write_text(
        "overrides: residential-cn\nversion: u1\nduty_calendar: duty-24h\n"
        "targets:\n  - {id: minor-resolve, urgent: true}\n",
        encoding="utf-8",
    )
    result = CliRunner().invoke(app, ["diff", "residential-cn", str(ours), "--json"])
    pack, minor = [json.loads(line) for line in result.stdout.splitlines()]
    assert (pack["kind"], pack["keys"], pack["after"]) == (
        "pack",
        ["duty_calendar"],
        ["duty_calendar: duty-24h"],
    )
    assert (minor["before"], minor["after"]) == (["urgent: False"], ["urgent: True"])
