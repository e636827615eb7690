"""What the README tells people to type."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)


def test_the_readme_says_two_commands() -> None:
    assert COMMANDS == ["make run", "make test"]


@pytest.mark.parametrize("command", COMMANDS)
def test_make_knows_each_command(command: str) -> None:
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_folder_and_page_that_it_names_is_there() -> None:
    named = re.findall(r"`((?:libs|services|stack|tests|docs)[^`]*)`|\]\(([^)#]+)\)", README)
    assert named
    for folder, page in named:
        assert (ROOT / (folder or page)).exists()
