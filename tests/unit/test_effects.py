"""What the judge of the fault tests sees in facts alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.crowd import Told
from tests.support.effects import Fact
from tests.support.judge import Judge

from steward_notify.application.sender import AT_ONCE

NOW = datetime(2026, 11, 27, tzinfo=UTC)
DUE = (NOW - timedelta(days=1)).isoformat()
CLOCK = {"case_id": "c", "clock": "triage#1", "target": "triage"}
MESSAGE = {"message_id": "m", "channel": "sms", "group_id": None}
FOLLOWUP = {"case_id": "c", "followup_id": "f", "by": DUE}


def fact(type_: str, **data: Any) -> Fact:
    meta = {"id": "01999a3c-0000-7000-8000-000000000001", "recorded": NOW.isoformat()}
    return Fact("clocks-c", 1, 0, f"{type_}.v1", data, meta)


STARTED = fact("sla.clock_started", **CLOCK, started_at=DUE, due_at=DUE, provisional=False)
RANG = fact("sla.clock_breached", **CLOCK, due_at=DUE, breached_at=DUE, number=1)
RANG_AGAIN = fact("sla.clock_breached", **CLOCK, due_at=DUE, breached_at=DUE, number=2)
OWED = fact("visits.followup_due", **FOLLOWUP)
OVERDUE = fact("visits.followup_overdue", **FOLLOWUP)
SENT = [
    fact("notify.message_requested", **MESSAGE, escalation_id=None, role=None, template="t"),
    fact("notify.message_sending", **MESSAGE, attempt=1),
    fact("notify.message_sent", **MESSAGE, attempt=1),
]
ARRIVED, KNOWN = [
    fact("notify.message_delivered", **MESSAGE, about=about) for about in ("", "refusal")
]
TWICE, RUNG = "nothing is told twice of ", "what is due has rung"


@pytest.mark.parametrize(
    ("facts", "seen"),
    [
        ([STARTED, RANG], ""),
        ([STARTED, STARTED, RANG], f"{TWICE}a clock"),
        ([STARTED, RANG, RANG_AGAIN], f"{TWICE}a clock"),
        ([STARTED], RUNG),
        ([OWED, OVERDUE], ""),
        ([OWED, OVERDUE, OVERDUE], f"{TWICE}what is owed"),
        ([OWED], RUNG),
        ([*SENT, ARRIVED, KNOWN], ""),
        ([*SENT, ARRIVED, ARRIVED], f"{TWICE}a message"),
        ([*SENT, KNOWN, KNOWN], f"{TWICE}a message"),
    ],
)
def test_what_comes_twice_or_never_is_seen_by_its_meaning(facts: list[Fact], seen: str) -> None:
    stored: dict[str, list[Fact]] = {"intake": [], "sla": [], "visits": [], "notify": []}
    for one in facts:
        stored[one.type.split(".")[0]].append(one)
    found = judged(stored)
    judged_here = [name for name in found if name.startswith(TWICE) or name == RUNG]
    assert judged_here == ([seen] if seen else [])


UNKNOWN = "nobody knows only what the sender was killed over"


def test_what_nobody_knows_without_a_kill_is_a_violation() -> None:
    assert UNKNOWN in judged(all_unknown(1))
    assert UNKNOWN not in judged(all_unknown(1), killed=[NOW])


def test_what_nobody_knows_is_no_more_than_what_is_sent_at_a_time_for_each_kill() -> None:
    soon = NOW + timedelta(seconds=0.5)
    for killed, most in (([NOW], AT_ONCE), ([NOW, soon], 2 * AT_ONCE)):
        assert UNKNOWN not in judged(all_unknown(most), killed)
        assert UNKNOWN in judged(all_unknown(most + 1), killed)


def all_unknown(n: int) -> dict[str, list[Fact]]:
    """Give the facts of so many messages whose outcome nobody knows."""
    facts = []
    for number in range(n):
        said = {"message_id": f"m{number}", "channel": "sms", "group_id": None, "attempt": 1}
        owed = {"escalation_id": f"e{number}", "role": None, "template": "alarm"}
        facts += [
            fact("notify.message_requested", **said, **owed),
            fact("notify.message_sending", **said),
            fact("notify.message_unknown", **said, reason="its outcome was not stored"),
        ]
    return {"intake": [], "sla": [], "visits": [], "notify": facts}


def judged(
    stored: dict[str, list[Fact]], killed: tuple[datetime, ...] | list[datetime] = ()
) -> list[str]:
    """Name the invariants that are violated."""
    found = Judge(None, Told(), killed, NOW).judge(stored, [], [])  # type: ignore[arg-type]
    return [name for name, each in found.invariants.items() if each.violations]
