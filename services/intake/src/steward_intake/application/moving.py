"""What was decided in a case before it goes on at another project, and counts there too."""

from collections.abc import Iterator, Sequence

from steward_events.intake import CaseAbsorbed, CaseAccepted, CaseClassified, SeverityRaised
from steward_events.recorded import Recorded
from steward_events.vocabulary import Severity
from steward_intake.domain.commands import AcceptCase, CaseCommand, ClassifyCase, RaiseSeverity
from steward_intake.domain.story import WEIGHT


def decided_before(story: Sequence[Recorded]) -> Iterator[CaseCommand]:
    """Say anew how the case was classified and who took it over, each at its own time.

    What raised its severity counts while nobody has classified it below that since.
    """
    for place, recorded in enumerate(story, 1):
        at = recorded.occurred_at
        match recorded.fact:
            case CaseClassified() as fact:
                yield ClassifyCase(at, fact, "history")
            case CaseAccepted() as fact:
                yield AcceptCase(at, fact.role, fact.person_id, "history")
            case SeverityRaised() as fact if not _is_lowered(fact.severity, story[place:]):
                yield RaiseSeverity(at, fact.severity, fact.cause, fact.reason)
            case CaseAbsorbed(severity=Severity() as severity) if not _is_lowered(
                severity, story[place:]
            ):
                yield RaiseSeverity(at, severity, "new_facts")
            case _:
                pass


def _is_lowered(severity: Severity, later: Sequence[Recorded]) -> bool:
    return any(
        WEIGHT.index(recorded.fact.severity) < WEIGHT.index(severity)
        for recorded in later
        if isinstance(recorded.fact, CaseClassified)
    )
