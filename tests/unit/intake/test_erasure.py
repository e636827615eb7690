"""What is erased once stays erased."""

from datetime import UTC, datetime

from steward_decider import Ring
from steward_events.registry import SubjectErased
from steward_events.vocabulary import ErasureReason
from steward_intake.domain.erasure import EraseSubject, ErasureDecider

NOON = datetime(2026, 9, 28, 4, tzinfo=UTC)
ERASED = SubjectErased(subject="person-p1", reason=ErasureReason.ASKED, project_id="lakeside")
DECIDER = ErasureDecider()


def test_a_subject_is_erased_once() -> None:
    command = EraseSubject(NOON, ERASED)
    assert DECIDER.decide(command, DECIDER.initial) == [ERASED]
    gone = DECIDER.evolve(DECIDER.initial, ERASED)
    assert DECIDER.decide(command, gone) == []
    assert DECIDER.evolve(gone, ERASED) == gone


def test_an_erasure_asks_for_no_alarm() -> None:
    gone = DECIDER.evolve(DECIDER.initial, ERASED)
    for state in (DECIDER.initial, gone):
        assert DECIDER.wake_at(state) is None
        assert DECIDER.decide(Ring(NOON), state) == []
