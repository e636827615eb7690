"""A warm parent of services: each is forked from it with everything imported, in no time.

test process --a line: what to run--> nursery --fork--> the program, a session of its own
             <------- its pid --------

What is forked ends with the nursery, and the nursery with whoever started it.
"""

import atexit
import ctypes
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

from steward_stack.supervisor import SERVICES, STAND_INS, Launcher

_PR_SET_PDEATHSIG = 1


class Nursery:
    """Launches programs; one nursery serves all stacks of a run."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None

    def launch(
        self,
        name: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        crash: Mapping[str, Any] | None = None,
    ) -> int:
        """Run `python ARGUMENTS`, which begin with -m; gives its pid.

        `crash` is for `tests.support.crashing`.
        """
        wanted = {
            "arguments": list(arguments),
            "env": dict(env),
            "log": str(log),
            "crash": dict(crash or {}),
        }
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.nursery"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                    cwd=Path(__file__).parents[2],
                )
                atexit.register(self._process.terminate)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(wanted) + "\n")
            self._process.stdin.flush()
            said = self._process.stdout.readline()
        assert said, f"The nursery has ended instead of starting {name}."
        return int(said)


NURSERY = Nursery()
LAUNCHER: Launcher | None = NURSERY.launch if sys.platform == "linux" else None
"""Elsewhere a fork may not go on by itself."""


def main() -> None:
    """Import everything, then fork what is asked for until nobody asks any more."""
    for name in SERVICES:
        import_module(f"steward_{name}.app")
    for name in STAND_INS:
        import_module(f"steward_stack.{name}")
    gc.collect()
    gc.freeze()
    # Nobody waits for what has ended: no zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        wanted = json.loads(line)
        alone, leads = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become(leads, **wanted)
        os.close(leads)
        os.read(alone, 1)  # until it leads a session, by which it can be killed
        os.close(alone)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become(
    leads: int,
    arguments: Sequence[str],
    env: Mapping[str, str],
    log: str,
    crash: Mapping[str, Any],
) -> NoReturn:
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.close(leads)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for number, file in enumerate((nothing, written, written)):
            os.dup2(file, number)
        os.environ.clear()
        os.environ.update(env)
        if crash:
            import_module("tests.support.crashing").install(**crash)
        _, module, *options = arguments
        sys.argv = [module, *options]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
        else:
            status = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
