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


def test_an_unknown_entry_or_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    for options in (["explain", "minor-reslove"], ["lint", str(tmp_path / "none.yaml")]):
        result = CliRunner().invoke(app, options)
        assert isinstance(result.exception, StewardError)
