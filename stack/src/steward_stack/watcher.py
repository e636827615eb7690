"""Waits for the end of the process that runs the stack, and ends what that one could not.

    python -m steward_stack.watcher STATE      standard input: a pipe held by the supervisor

A pipe says it however the supervisor died, also by SIGKILL, on every system.
"""

import signal
import sys
from pathlib import Path

from steward_stack.state import State


def main(state: State) -> None:
    """Return when the supervisor is gone and nothing of it is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.buffer.read()
    with state.held_by_watcher() as held:
        if held:
            state.processes.end()


if __name__ == "__main__":
    main(State(Path(sys.argv[1])))
