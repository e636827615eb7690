"""`python -m tests.mutation` takes each guard out in turn."""

from tests.mutation.run import main

main()
