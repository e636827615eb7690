"""How the clocks of a group stand against its rules, and whose doing it was."""

from collections.abc import Iterable
from typing import Any

from steward_sla.application.ports import Row

WORDS = {
    "met": "met",
    "met_with_approval": "approved",
    "breached": "breached",
    "excused": "excused",
    "running": "running",
    "paused": "running",
    "cancelled": "cancelled",
}
"""What the statuses of clocks are counted as."""


def word(status: str, *, excused: bool) -> str:
    """Say as what a clock counts; what was approved too late is excused (RM-4.10.1)."""
    return WORDS["excused" if excused and status == "breached" else status]


def compliance(counts: Iterable[Row]) -> list[dict[str, Any]]:
    """Lay counts of (target, rule, month, status, excused) side by side, with the share in time.

    What was approved too late is `excused` and not `breached`, and in time it is not. `rate` leaves
    out what still runs or was cancelled; None where nothing is decided yet.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in counts:
        line = found.setdefault(
            (row["month"], row["target"]),
            {
                "month": row["month"],
                "target": row["target"],
                "rule": row["rule"].split(),
                **dict.fromkeys(WORDS.values(), 0),
            },
        )
        _count(line, row)
    return [_rated(found[place]) for place in sorted(found)]


def appraisal(outcomes: Iterable[Row], held: Iterable[Row], by: str) -> list[dict[str, Any]]:
    """Lay what became of complaints beside how long each holder had them, month by month.

    A holder without a name is nobody: nobody had the case when the clock was decided.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def line_of(row: Row) -> dict[str, Any]:
        key = (row["month"], row[by])
        said = {"month": row["month"], by: row[by], **dict.fromkeys(WORDS.values(), 0)}
        return found.setdefault(key, {**said, "times_held": 0, "held_seconds": 0})

    for row in outcomes:
        _count(line_of(row), row)
    for row in held:
        line = line_of(row)
        line["times_held"] += row["times"]
        line["held_seconds"] += int(row["seconds"])
    return [_rated(found[place]) for place in sorted(found)]


def _count(line: dict[str, Any], row: Row) -> None:
    line[word(row["status"], excused=bool(row.get("excused")))] += row["n"]


def _rated(line: dict[str, Any]) -> dict[str, Any]:
    decided = line["met"] + line["approved"] + line["breached"] + line["excused"]
    return {**line, "rate": round(line["met"] / decided, 4) if decided else None}
