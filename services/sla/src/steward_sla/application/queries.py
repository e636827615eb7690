"""How the clocks of a group stand against its rules."""

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
        excused = row["status"] == "breached" and row.get("excused")
        line[WORDS["excused" if excused else row["status"]]] += row["n"]
    for line in found.values():
        decided = line["met"] + line["approved"] + line["breached"] + line["excused"]
        line["rate"] = round(line["met"] / decided, 4) if decided else None
    return [found[place] for place in sorted(found)]
