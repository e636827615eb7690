"""How long a person waits to be told why a case's clocks are due, by the whole pack.

Over HTTP: from the request to the whole answer, of a stack of its own that does nothing beside. By the
command: also Python's start.
"""

from collections.abc import Mapping
from statistics import median, quantiles
from time import monotonic

from tests.bench.frame import Bench, Line, once
from tests.bench.lines.whole import stack, steward

from steward_stack.door import Door
from steward_stack.state import State
from steward_stack.supervisor import endpoints_of

CASES = 200
COMMANDS = 5


@once
async def explained(bench: Bench) -> Mapping[str, float]:
    """Explain so many imported cases, one after the other."""
    async with stack() as (state, _):
        await steward("import", "example", "--json", state=state)
        endpoints = endpoints_of(State(state))
        assert endpoints is not None
        door = Door(endpoints.services, State(state).settings(()).admin_key)
        page = await door.get("intake", "/v1/cases", {"limit": str(CASES)})
        cases = [row["case_id"] for row in page["items"]]
        took, clocks = [], 0
        for case in cases:
            begin = monotonic()
            told = await door.get("sla", f"/v1/clocks/{case}/explain", {})
            took.append((monotonic() - begin) * 1000)
            clocks += len(told["clocks"])
        await door.close()
        typed = []
        for case in cases[:COMMANDS]:
            begin = monotonic()
            await steward("policy", "explain", "--case", case, "--json", state=state)
            typed.append((monotonic() - begin) * 1000)
    assert len(cases) == CASES
    assert clocks > CASES, "Too few clocks were explained."
    return {"explain": quantiles(took, n=100)[98], "explain.command": median(typed)}


MEASURES = {"explain": explained}
LINES = [
    Line("explain a case over HTTP, p99", "explain", "ms", None),
    Line("explain a case by the command", "explain.command", "ms", None),
]
