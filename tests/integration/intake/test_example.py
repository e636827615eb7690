"""The example, taken in by intake as it is: registers, then twelve days of history."""

from collections import Counter
from typing import Any

from tests.integration.intake.conftest import Caller, Office

from steward_stack.example import example


async def test_nothing_of_the_example_is_refused_and_a_repeat_adds_nothing(
    caller: Caller, office: Office
) -> None:
    play = example()
    office.clock.instant = play.begins
    for path, lines, size in (("registers", play.registers, 500), ("imports", play.history, 100)):
        for start in range(0, len(lines), size):
            answer = await caller.post(
                path, list(lines[start : start + size]), key=f"{path}{start}"
            )
            assert answer.status_code == 200, answer.text
            refused = [line for line in answer.json()["results"] if "error" in line]
            assert refused == []
    cases: list[dict[str, Any]] = []
    since = ""
    while True:
        page = (await caller.get("cases", limit=200, since=since)).json()
        cases += page["items"]
        since = page["next"]
        if not page["more"]:
            break
    assert len({case["number"] for case in cases}) == len(cases) == len(play.history)
    assert {case["history_until"] is None for case in cases} == {False}
    statuses = Counter(case["status"] for case in cases)
    assert statuses["closed"] > statuses["open"] > 0
    again = await caller.post("imports", list(play.history[:100]), key="again")
    assert all(line["repeated"] for line in again.json()["results"])
