"""Where the example's staff see that they will be late, and ask for more time (RM-4.10.1, RM-4.10.2)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from steward_stack.scenario import Asked, Decided, Happened

_DAYS = {"minor": 2, "important": 3}
_DECIDES = {"minor": "centre_manager", "important": "general_manager"}


def more_time(
    name: str,
    steps: Sequence[tuple[datetime, str, dict[str, Any]]],
    staff: Mapping[str, Sequence[str]],
) -> Iterator[Asked | Decided | Happened]:
    """Give who asks, who decides, and the word to the owner, for a case that goes as `steps` say."""
    at = {what: at for at, what, _ in reversed(steps)}
    said = {what: body for _, what, body in reversed(steps)}
    classified = said["case_classified"]
    severity = classified.get("severity")
    chance = Random(f"late work {name}")  # noqa: S311 - an example, not a secret
    if severity not in _DAYS or "case_paused" in at:
        return
    midnight = at["case_received"].replace(hour=0, minute=0, second=0, microsecond=0)
    due = midnight + timedelta(days=_DAYS[severity] + 1)
    if at.get("case_handled", due) < due:
        return
    clock = f"{severity}-resolve#1"
    # In the afternoon of the last day; the owner hears of it before the day ends.
    asked = due - timedelta(hours=8, minutes=chance.randrange(60))
    until = (due + timedelta(days=chance.choice((2, 3, 5)), hours=-1)).isoformat()
    yield Asked(asked, name, clock, until, "等待配件到货", staff["cs_supervisor"][0])
    if chance.random() < 0.15:
        return  # nobody decides
    role = _DECIDES[severity]
    decided = asked + timedelta(minutes=20 + chance.randrange(150))
    agreed = chance.random() < 0.7
    yield Decided(decided, name, clock, agreed, staff[role][0], role)
    if agreed:
        told = decided + timedelta(minutes=5 + chance.randrange(60))
        yield Happened(told, name, "inform", {"about": "new_date", "how": "phone"})
