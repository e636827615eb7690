"""Notes about households: kept for twelve months, or until somebody retires them."""

from datetime import datetime

from tests.support.given import given
from tests.support.rules import rule

from steward_decider import Ring
from steward_events.intake import (
    HouseholdNoteAdded,
    HouseholdNoteRetired,
    HouseholdNoteRevealed,
)
from steward_intake.domain.note import AddNote, NoteDecider, RetireNote, RevealNote

NOON = datetime.fromisoformat("2026-09-28T12:00:00+08:00")
A_YEAR_LATER = NOON.replace(year=2027)
ADDED = HouseholdNoteAdded(
    note_id="n", household_id="h", project_id="p", about="mood", until=A_YEAR_LATER
)
REVEALED = HouseholdNoteRevealed(note_id="n", reveal_id="r", principal_id="k", reason="回访前")
AGED = HouseholdNoteRetired(note_id="n", household_id="h", because="age")


@rule("FU-S1")
def test_a_note_is_retired_after_twelve_months() -> None:
    kept = given(ADDED, by=NoteDecider())
    assert NoteDecider().wake_at(kept.state) == A_YEAR_LATER
    kept.when(Ring(NOON)).then()
    aged = kept.when(Ring(A_YEAR_LATER)).then(AGED)
    assert NoteDecider().wake_at(aged.state) is None


@rule("FU-S1")
def test_a_note_that_was_retired_is_shown_no_longer() -> None:
    kept = given(AddNote(NOON, ADDED), by=NoteDecider())
    kept.when(RevealNote(NOON, REVEALED)).then(REVEALED)
    retired = kept.when(RetireNote(NOON, "asked", "a")).then(HouseholdNoteRetired)
    retired.when(RetireNote(NOON, "asked", "a")).then()
    again = given(ADDED, AGED, by=NoteDecider())
    assert "no longer" in str(again.refuses(RevealNote(NOON, REVEALED)))
