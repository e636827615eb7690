"""Waits for the end of the process that runs the stack, and ends what that one could not.

    python -m steward_stack.watcher STATE PID      standard input: a pipe held by that process

A pipe says it however the other died, also by SIGKILL, and on every system.
"""

import sys
from pathlib import Path

from steward_stack.state import NOTHING_LEFT, State


def main(state: State, holder: int) -> None:
    """Return when the holder is gone and nothing of it is left."""
    if sys.stdin.buffer.read() != NOTHING_LEFT:
        state.end_leftovers(holder)


if __name__ == "__main__":
    main(State(Path(sys.argv[1])), int(sys.argv[2]))
