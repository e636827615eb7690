"""What a record must hold (RM-4.5.1a, RC-3.1), and what of it is lacking.

Its time every record has. What was asked for and is unknown or was declined lacks no longer; whoever
speaks anonymously has declined to be reached. Where something is in a common area, no household says.
"""

from collections.abc import Mapping, Sequence

from steward_events.intake import CaseCorrected, CaseReceived
from steward_events.vocabulary import Area, Kind, Party
from steward_intake.domain.story import Story

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
    placed = is_placed(received, received.area, received.household_id)
    return tuple(
        what for what in wanted if not (placed if what == "place" else _says(what, received))
    )


def still_lacking(story: Story, corrected: CaseCorrected) -> tuple[str, ...]:
    """Name what it lacks after a correction; one that moves it may have taken its place away."""
    lacks = [what for what in story.lacks if what == "place" or not _says(what, corrected)]
    if "place" not in HELD.get(story.kind, ()) or not _says_where(corrected):
        return tuple(lacks)
    area, household = corrected.area or story.area, corrected.household_id or story.household
    placed = story.placed or is_placed(corrected, area, household)
    others = [what for what in lacks if what != "place"]
    return tuple(others if placed else ["place", *others])


def is_placed(
    fact: CaseReceived | CaseCorrected, area: Area | None = None, household: str | None = None
) -> bool:
    """Say whether it is known where the matter is: what a fact says of it, or whose home that is."""
    at_home = household is not None and area is not Area.COMMON_AREA
    return at_home or "place" in fact.not_given or bool(fact.place or fact.asset)


def _says(what: str, fact: CaseReceived | CaseCorrected) -> bool:
    return what in fact.not_given or any(getattr(fact, name) for name in FIELDS[what])


def _says_where(fact: CaseCorrected) -> bool:
    return fact.area is not None or _says("place", fact)
