"""The README's day of a service-centre manager, typed as it stands into a shell on the real system.

What changes from run to run, IDs and instants, is compared by its shape alone, and lines in whatever
order: in the last days of a month a list by months has another.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.system import System

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEADING = "## A day of a service-centre manager\n"
SHAPES = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"willow-20\d\d-"), "willow-<year>-"),
)
SECONDS = 30.0
"""For what was said to become known everywhere."""
END = "--- the end of a command:"


@dataclass
class Step:
    """A command, and what the README shows below it."""

    command: str
    shown: list[str] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether it changes nothing, so that it may be typed again."""
        return self.command.startswith(
            ("steward get ", "steward policy explain ", "steward policy diff ")
        )

    @property
    def starts_servers(self) -> bool:
        """Whether the README leaves out what it says: it depends on the machine."""
        return self.command.startswith("steward up ")


def steps() -> list[Step]:
    """Give what is typed, in order."""
    _, _, section = README.partition(HEADING)
    section = section.partition("\n## ")[0]
    found: list[Step] = []
    for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        for line in block.splitlines():
            if found and found[-1].command.endswith("\\"):
                found[-1].command += f"\n{line}"
            elif line.startswith("$ "):
                found.append(Step(line.removeprefix("$ ")))
            else:
                found[-1].shown.append(line)
    return found


def shape(lines: list[str]) -> list[str]:
    """Give lines as they are compared."""

    def masked(line: str) -> str:
        for pattern, mask in SHAPES:
            line = pattern.sub(mask, line)
        return " ".join(line.split())

    return sorted(filter(None, map(masked, lines)))


class Shell:
    """A shell in which one command is typed after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    async def types(self, command: str) -> tuple[int, list[str]]:
        """Give the exit status of a command, and the lines that it has written."""
        self._in.write(f"{command}\nprintf '\\n{END} %s\\n' $?\n".encode())
        await self._in.drain()
        lines: list[str] = []
        async for raw in self._out:
            line = raw.decode().rstrip()
            if line.startswith(END):
                return int(line.removeprefix(END)), lines
            lines.append(line)
        raise AssertionError(f"The shell has ended at: {command}")


@asynccontextmanager
async def shell_beside(system: System, folder: Path) -> AsyncIterator[Shell]:
    """Open a shell in a project folder of which the system is the state."""
    for name in (".venv", "docs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".steward").symlink_to(system.stack.state.folder)
    process = await asyncio.create_subprocess_exec(
        "bash",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "VIRTUAL_ENV": "", "PYTHONUTF8": "1"},
    )
    try:
        yield Shell(process)
    finally:
        process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
        await process.wait()


async def typed(shell: Shell, step: Step) -> list[str]:
    """Type a command, again while what it asks for is not known yet; give what it shows."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SECONDS
    while True:
        status, lines = await shell.types(step.command)
        as_shown = status == 0 if step.starts_servers else shape(lines) == shape(step.shown)
        refused = status != 0 and "steward post" not in step.command
        if as_shown or not (step.asks or refused) or loop.time() > deadline:
            return [] if step.starts_servers and as_shown else lines
        await asyncio.sleep(0.2)


def told(done: list[tuple[Step, list[str]]]) -> Iterator[str]:
    """Write commands and what they show as the README would."""
    for step, lines in done:
        yield f"$ {step.command}"
        yield from filter(None, lines)


def test_the_day_has_ten_parts_and_shows_answers() -> None:
    _, _, section = README.partition(HEADING)
    assert re.findall(r"^\*\*(\d+)\. ", section, re.MULTILINE) == [str(n) for n in range(1, 11)]
    assert sum(bool(step.shown) for step in steps()) >= 12


async def test_the_readme_shows_what_the_day_shows(
    system: System, embedded_stack: None, tmp_path: Path
) -> None:
    async with shell_beside(system, tmp_path) as shell:
        done = [(step, await typed(shell, step)) for step in steps()]
    otherwise = [step.command for step, lines in done if shape(lines) != shape(step.shown)]
    assert otherwise == [], "The README would be right like this:\n" + "\n".join(told(done))
