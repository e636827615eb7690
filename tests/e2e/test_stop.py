"""However the stack ends, nothing of it is left; all on real processes, in a path with a space."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil
import pytest
from tests.support.waiting import wait_until

from steward_stack.jars import KAFKA, cache_folder
from steward_stack.state import LIVE, State
from steward_stack.supervisor import SERVICES, endpoints_of

pytestmark = pytest.mark.usefixtures("embedded_stack")

UP_SECONDS = 180
STOP_SECONDS = 15


@dataclass
class Runner:
    """Runs the `steward` command on one state folder."""

    state: State
    user: int | None = None
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def steward(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "steward_stack.cli", *arguments, "--state", self.state.folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
            user=self.user,
            group=self.user and pwd.getpwuid(self.user).pw_gid,
            extra_groups=None if self.user is None else [],
            cwd=self.state.folder.parent,
        )
        self.started.append(process)
        return process

    def up(self, *arguments: str) -> subprocess.Popen[str]:
        process = self.steward("up", *(arguments or ("--servers-only",)))
        wait_until(
            lambda: process.poll() is not None or self.state.is_up, UP_SECONDS, "The stack is down."
        )
        assert process.poll() is None, process.communicate()[1]
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.steward(*arguments)
        out, err = process.communicate(timeout=UP_SECONDS)
        return process.returncode, out, err

    def left(self) -> list[str]:
        """Name every process that has to do with the folder, recorded or not."""
        postgres = self.state.world(LIVE) / "postgres"
        places = {str(self.state.folder), str(postgres.resolve())}
        found = []
        for process in psutil.process_iter():
            try:
                seen = [process.cwd(), *process.cmdline()]
            except psutil.Error:
                continue
            if process.pid != os.getpid() and any(
                place in text for place in places for text in seen
            ):
                found.append(f"{process.pid} {' '.join(seen)[:120]}")
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state that all tests of this file go on with, so that it is made only once."""
    folder = tmp_path_factory.mktemp("管家 with a space") / ".steward"
    yield folder
    State(folder).remove()


@pytest.fixture
def runner(folder: Path) -> Iterator[Runner]:
    runner = Runner(State(folder))
    yield runner
    for process in runner.started:
        process.kill()
        process.communicate()
    if runner.state.supervisor is not None:  # a detached one, left by a test that failed
        runner.state.stop(STOP_SECONDS)
    wait_until(lambda: not runner.left(), STOP_SECONDS, "Something was left running.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_in_order(runner: Runner, number: signal.Signals) -> None:
    up = runner.up()
    assert len(runner.left()) > 3
    up.send_signal(number)
    up.send_signal(number)  # an impatient second one leaves nothing half done
    _, said = up.communicate(timeout=STOP_SECONDS)
    assert up.returncode in (0, 130)  # done, or still finishing the start
    assert said.endswith("Steward has ended.\n")
    assert runner.left() == []
    assert not (runner.state.folder / "socket").is_symlink()


def test_a_start_that_is_interrupted_leaves_nothing(runner: Runner) -> None:
    up = runner.steward("up", "--servers-only")
    wait_until(runner.state.processes.recorded, 10, "Nothing was started.")
    up.send_signal(signal.SIGINT)
    up.communicate(timeout=STOP_SECONDS)
    assert up.returncode == 130
    assert runner.left() == []


def test_a_killed_supervisor_leaves_nothing_behind(runner: Runner) -> None:
    up = runner.up()
    up.kill()
    up.communicate()
    wait_until(lambda: not runner.left(), STOP_SECONDS, "Something was left running.")


def test_the_start_after_a_kill_takes_over(runner: Runner) -> None:
    up = runner.up()
    up.kill()
    up.wait()
    again = runner.up()
    assert runner.state.supervisor == again.pid
    assert all(process.alive for process in runner.state.processes.recorded())


def test_what_even_the_watcher_could_not_end_is_ended_by_the_next_command(runner: Runner) -> None:
    up = runner.up()
    watcher = next(
        child for child in psutil.Process(up.pid).children() if "watcher" in str(child.cmdline())
    )
    watcher.kill()
    up.kill()
    up.communicate()
    assert runner.left() != []
    code, _, said = runner.run("down")
    assert (code, said) == (0, "Steward has ended.\n")
    assert runner.left() == []


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(runner: Runner) -> None:
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    record = {"name": "kafka", "role": "kafka", "pid": bystander.pid, "birth": "long ago"}
    (runner.state.folder / "processes.json").write_text(json.dumps([record]))
    runner.run("down")
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_detached_stack_is_found_by_a_second_start_and_by_down(runner: Runner) -> None:
    code, out, said = runner.run("up", "--servers-only", "--detach")
    assert (code, out) == (0, "")
    assert "Steward is up" in said
    code, out, _ = runner.run("status", "--json")
    status = json.loads(out)
    assert (code, status["running"]) == (0, True)
    for second in (["up"], ["up", "--detach"]):
        code, out, said = runner.run(*second)
        assert (code, out) == (0, "")
        assert said.startswith(f"Steward is running already in {runner.state.folder}")
        assert str(status["supervisor"]) in said
    assert runner.run("down")[0] == 0
    assert runner.left() == []
    code, out, _ = runner.run("status", "--json")
    assert (code, json.loads(out)["running"]) == (3, False)


async def test_facts_outlive_another_time_zone_and_a_fresh_start_is_asked_for(
    runner: Runner,
) -> None:
    for zone in ("Asia/Shanghai", "America/New_York"):
        runner.env["TZ"] = zone
        up = runner.up()
        endpoints = endpoints_of(runner.state)
        assert endpoints is not None
        connection = await asyncpg.connect(endpoints.postgres)
        await connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT now() AS at")
        assert await connection.fetchval("SHOW timezone") == "UTC"
        assert await connection.fetchval("SELECT count(*) FROM kept") == 1
        await connection.close()
        up.send_signal(signal.SIGTERM)
        up.communicate(timeout=STOP_SECONDS)
    runner.up("--servers-only", "--fresh")
    endpoints = endpoints_of(runner.state)
    assert endpoints is not None
    connection = await asyncpg.connect(endpoints.postgres)
    assert await connection.fetchval("SELECT to_regclass('kept')") is None
    await connection.close()


def test_a_state_of_another_version_is_refused_and_kept(runner: Runner) -> None:
    version = runner.state.folder / "version"
    before = version.read_text()
    version.write_text("0\n")
    code, _, said = runner.run("up", "--servers-only")
    assert code == 1
    assert "--fresh" in said
    assert (runner.state.world(LIVE) / "postgres").exists()
    version.write_text(before)


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("Chapter 1")
    code, _, said = Runner(State(tmp_path)).run("up", "--servers-only", "--fresh")
    assert code == 1
    assert "holds files but no state of Steward" in said
    assert [path.name for path in tmp_path.iterdir()] == ["novel.txt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as somebody else as well")
def test_root_and_a_plain_user_can_run_it(runner: Runner, tmp_path: Path) -> None:
    runner.up()
    postgres = next(
        process for process in runner.state.processes.recorded() if process.name == "postgres"
    )
    assert psutil.Process(postgres.pid).uids().real != 0

    plain = pwd.getpwnam("nobody")
    home = Path("/var/tmp") / f"steward-{os.getpid()} plain"
    shutil.copytree(cache_folder() / KAFKA, home / "cache" / "steward" / KAFKA)
    for path in (home, *home.rglob("*")):
        os.chown(path, plain.pw_uid, plain.pw_gid)
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    theirs = Runner(State(home / ".steward"), plain.pw_uid, env)
    try:
        try:
            subprocess.run([sys.executable, "-V"], user=plain.pw_uid, check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("the project or its Python lies where only root may read")
        up = theirs.up()
        up.send_signal(signal.SIGTERM)
        up.communicate(timeout=STOP_SECONDS)
        assert theirs.left() == []
    finally:
        shutil.rmtree(home)


def test_ctrl_c_drains_the_services_first(runner: Runner) -> None:
    up = runner.up("--fresh")
    names = {process.name for process in runner.state.processes.recorded()}
    assert set(SERVICES) < names
    up.send_signal(signal.SIGINT)
    up.communicate(timeout=STOP_SECONDS)
    assert runner.left() == []
