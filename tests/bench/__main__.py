"""`python -m tests.bench` is `python -m tests.bench.run`."""

import sys

from steward_stack.interrupting import interrupt_once

interrupt_once()
try:
    # What is compared with takes seconds to import.
    from tests.bench.run import main

    main()
except KeyboardInterrupt:
    print("The bench was ended.", file=sys.stderr)
    sys.exit(130)
