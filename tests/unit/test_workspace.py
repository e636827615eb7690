"""What the workspace promises about itself."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = [*sorted(p.parent for p in ROOT.glob("*/*/pyproject.toml")), ROOT / "stack"]


def test_every_package_stands_in_the_import_rules() -> None:
    assert {f"steward_{folder.name}" for folder in FOLDERS} == set(
        SETTINGS["tool"]["importlinter"]["root_packages"]
    )


def test_every_dependency_says_why_it_is_there() -> None:
    said = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    reasons = set(re.findall(r"[a-z0-9][a-z0-9-]*", said))
    wanted = {name for group in SETTINGS["dependency-groups"].values() for name in group}
    for folder in FOLDERS:
        package = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        wanted |= set(package["project"]["dependencies"])
    names = {w.split(">=")[0].split("[")[0].split("==")[0].split(",")[0] for w in wanted}
    missing = {name for name in names if not name.startswith("steward-") and name not in reasons}
    assert not missing


def test_the_lock_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "index-url" not in lock
