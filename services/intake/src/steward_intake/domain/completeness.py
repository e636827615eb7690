"""What a record must hold (RM-4.5.1a, RC-3.1), and what of it is lacking.

Its time every record has. What was asked for and is unknown or was declined lacks no longer; whoever
speaks anonymously has declined to be reached. Where something is in a common area, no household says.
"""

from collections.abc import Mapping, Sequence

from steward_events.intake import CaseCorrected, CaseReceived
from steward_events.vocabulary import Area, Kind, Party

FIELDS: Mapping[str, Sequence[str]] = {
    "place": ("place", "asset", "household_id"),
    "complained_of": ("complained_of",),
    "matter": ("summary", "description"),
    "demand": ("demand",),
    "contact": ("reporter_phone", "reporter_email", "household_id"),
}
"""By what must be held, the fields of which one at least holds it."""

HELD: Mapping[Kind, Sequence[str]] = {
    Kind.COMPLAINT: ("place", "complained_of", "matter", "demand", "contact"),
    Kind.CONSULTATION: ("place", "matter"),
}
"""What the records of each kind must hold."""


def lacking(received: CaseReceived) -> tuple[str, ...]:
    """Name what the record of a case lacks when it is taken in."""
    wanted = HELD.get(received.kind, ())
    if received.party is Party.ANONYMOUS:
        wanted = [what for what in wanted if what != "contact"]
    return _still(wanted, received)


def still_lacking(before: Sequence[str], corrected: CaseCorrected) -> tuple[str, ...]:
    """Name what it lacks after a correction."""
    return _still(before, corrected)


def _still(wanted: Sequence[str], fact: CaseReceived | CaseCorrected) -> tuple[str, ...]:
    return tuple(
        what
        for what in wanted
        if what not in fact.not_given
        and not any(getattr(fact, name) for name in _held_by(what, fact))
    )


def _held_by(what: str, fact: CaseReceived | CaseCorrected) -> Sequence[str]:
    if what == "place" and fact.area is Area.COMMON_AREA:
        return [name for name in FIELDS[what] if name != "household_id"]
    return FIELDS[what]
