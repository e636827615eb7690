"""`python -m tests.bench` runs the bench; a signal ends it with a sentence, also while it is loaded."""

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
