"""The facts of a case by their short names, and what they say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from steward_policy.calendars import END_OF_DAY, first_instant

ONCE = frozenset({"case_received", "case_classified", "severity_raised"})
"""Facts that start a target once a round; a reopening starts it again."""
ABSORBED = "case_absorbed"
"""Another case was merged into this one: it is as early and as weighty as either from then on."""
CHANGES = ONCE | {"case_corrected", ABSORBED}
"""Facts whose fields say what the case is."""
MERGED = "case_merged"
"""The end of a case for which another goes on."""
ENDS = frozenset({"case_closed", "case_withdrawn", "case_refused", MERGED, "case_moved_out"})
"""Facts after which nothing is owed any longer: what still runs is cancelled."""
TOLD = frozenset({"owner_informed", "owner_told"})
"""Facts that bring the owner an extension's new date, unless they are about something else."""
REAPPLIED = "policy_reapplied"
"""What is noted of a case that goes by another version from then on."""
ABOUT_ELSE = frozenset({"solution", "progress", "other"})
WEIGHT = {"minor": 1, "important": 2, "major": 3}
"""How weighty a severity is; a case without one is the least."""
MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class CaseFact:
    """A fact of the case by its short name, `case_handled`.

    Its fields are as JSON has them, without those that are null.
    """

    name: str
    at: datetime
    version: int
    fields: Mapping[str, Any]


def change(case: dict[str, Any], asked: frozenset[str], fact: CaseFact) -> None:
    """Change what a case is by what a fact says, as far as it is asked for."""
    if fact.name == ABSORBED:
        other = fact.fields.get("severity")
        if WEIGHT.get(other or "", 0) > WEIGHT.get(case.get("severity") or "", 0):
            case["severity"] = other
        return
    for name in asked & fact.fields.keys():
        case[name] = fact.fields[name]


def instant_of(value: object, zone: ZoneInfo, minute: int = END_OF_DAY) -> datetime | None:
    """Read a field that says when; a bare date means its 24:00, or that minute of it.

    Raises ValueError.
    """
    try:
        match value:
            case None:
                return None
            case str() if len(value) == 10:
                return first_instant(date.fromisoformat(value), minute, zone)
            case str():
                at = datetime.fromisoformat(value)
                return at if at.tzinfo is not None else at.replace(tzinfo=zone)
            case _:
                pass
    except (ValueError, OverflowError):
        pass
    raise ValueError("a field that says when is neither a date nor an instant.")  # not quoted
