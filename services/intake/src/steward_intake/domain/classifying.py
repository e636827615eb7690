"""What a case is: its validity, severity, urgency and kind of work, and who may change it."""

from collections.abc import Sequence

from steward_decider import Refused
from steward_events.intake import CaseClassified, SeverityRaised
from steward_events.vocabulary import Kind, Role, Severity, Urgency, Validity
from steward_intake.domain.approval import demand_second, refuse_own
from steward_intake.domain.commands import STANDING, ClassifyCase, RaiseSeverity
from steward_intake.domain.story import (
    Closed,
    Living,
    Story,
    differing,
    is_below,
    refuse_closed,
    strictest,
)
from steward_policy.classification import wrong_ground

BY_NOBODY = {"classified_by": None, "confirmed_by": None, "reason": "", "suggested": None}
"""What a classification says of how a person came to it."""


def classify(command: ClassifyCase, state: Living) -> Sequence[CaseClassified]:
    """Say what a case is: first, anew, or as another system does, whose silence changes nothing."""
    story, before = state.story, state.story.classified
    wanted = command.classified.model_copy(update={"case_id": story.case_id})
    if command.by == "external" and story.kind is not Kind.COMPLAINT:
        wanted = wanted.model_copy(update={"validity": None, "severity": None})
    if command.by == "external" and before is None and not _classes(wanted, story.kind):
        return []
    if command.by == "external" and before is not None:
        # Another system tells what has changed; what it leaves out stands.
        told = wanted.model_dump(exclude_defaults=True)
        told |= {name: getattr(wanted, name) for name in STANDING - command.unsaid}
        wanted = before.model_copy(update={**told, **BY_NOBODY, "cause": "correction"})
    elif before is not None:
        stands = {name: getattr(before, name) for name in command.unsaid}
        wanted = wanted.model_copy(update=stands)
    if story.kind is Kind.COMPLAINT:
        validity = wanted.validity
        if validity is None or (validity is Validity.VALID and wanted.severity is None):
            raise Refused(
                "A complaint is classified by its validity and, when valid, by its severity.",
                rule="RM-4.3.1a..g",
            )
        if validity is Validity.COORDINATION and not wanted.outside_party:
            wanted = wanted.model_copy(update={"outside_party": story.outside_party})
        if command.by == "steward":
            _demand_a_class(wanted, validity)
        if wanted.severity is not None:
            if command.by == "steward" and is_below(wanted.severity, story.least):
                raise Refused(
                    "A complaint that was reopened twice is at least important.", rule="RM-4.4.2"
                )
            if command.by == "steward" and before is None:
                _demand_as_weighty(wanted.severity, story.absorbed)
            if command.by != "steward":
                # Another system does not know our rules: what they have raised stands.
                least = strictest(wanted.severity, story.least, story.raised, story.absorbed)
                wanted = wanted.model_copy(update={"severity": least})
    elif wanted.severity is not None or wanted.validity is not None:
        raise Refused("Only a complaint has a validity and a severity.", rule="RM-4.3.1a..g")
    if before is None:
        wanted = wanted.model_copy(update={"cause": "first"})
    else:
        cause = "correction" if wanted.cause == "first" else wanted.cause
        how = {"cause", *BY_NOBODY}
        if wanted.model_dump(exclude=how) == before.model_dump(exclude=how):
            if command.by == "steward" and differing(wanted, before, ("confirmed_by",)):
                raise Refused(
                    "The case was classified so before, with another confirmed_by: leave it out, there"
                    " is nothing to confirm."
                )
            return []
        wanted = wanted.model_copy(update={"cause": cause})
    if command.by == "steward":
        refuse_closed(state, "classified")
        if before is not None and not wanted.reason:
            raise Refused("Say by reason why the case is classified anew.", rule="RC-4.2")
        if _demand_confirmation(command, wanted, story):
            confirmed_by = command.approver.person_id if command.approver else None
            wanted = wanted.model_copy(update={"confirmed_by": confirmed_by})
    return [wanted]


def _classes(wanted: CaseClassified, kind: Kind) -> bool:
    """Say whether it classifies at all: a complaint is by its validity or severity."""
    if kind is Kind.COMPLAINT:
        return wanted.validity is not None or wanted.severity is not None
    return bool(wanted.model_dump(exclude_defaults=True).keys() - {"case_id"})


_CLASSES = {
    Validity.VALID: "RM-4.3.1a..g",
    Validity.COORDINATION: "RM-4.3.2a..e",
    Validity.EXCESSIVE: "RM-4.3.3a..c",
}
"""The rule that names the grounds of each."""


def _demand_as_weighty(wanted: Severity, absorbed: Severity | None) -> None:
    if is_below(wanted, absorbed):
        raise Refused(
            f"A case that is {absorbed} was merged into this one, which is as weighty as either:"
            " classify it so, and anew if that was wrong.",
            rule="RC-4.2",
        )


def _demand_a_class(wanted: CaseClassified, validity: Validity) -> None:
    """Refuse what the rules know no class for."""
    rule = _CLASSES[validity]
    # It is the company's to answer for until it is known on which ground it is.
    needs_ground = wanted.ground or validity is not Validity.VALID
    if needs_ground and (problem := wrong_ground(validity, wanted.ground)):
        raise Refused(problem, rule=rule)
    if validity is not Validity.VALID and wanted.severity is not None:
        raise Refused("Only a valid complaint has a severity: leave it out.", rule=rule)
    if validity is Validity.COORDINATION and not wanted.outside_party:
        raise Refused(
            "A coordination matter names by outside_party who else has to act.", rule=rule
        )


def _demand_confirmation(command: ClassifyCase, wanted: CaseClassified, story: Story) -> bool:
    """Say whether the change needs a second person; refuse it without one who is high enough."""
    # Only a valid complaint has a severity that could be taken over.
    was_valid = story.is_valid_complaint if story.classified else story.absorbed is not None
    leaves_valid = was_valid and wanted.validity is not Validity.VALID
    was = story.severity or story.left_at
    lower = wanted.severity is not None and is_below(wanted.severity, was)
    milder = leaves_valid or lower or _is_calmer(wanted, story.classified)
    if milder and (story.raised or story.breached):
        least, rule = Role.CENTRE_MANAGER, "RM-4.4.1c" if story.raised else None
    elif leaves_valid:
        least, rule = Role.CS_SUPERVISOR, "RM-4.8"
    elif wanted.cause == "new_facts":
        least, rule = Role.CS_SUPERVISOR, None
    else:
        refuse_own(command.approver, wanted.classified_by)
        return False
    demand_second(
        *(command.approver, wanted.classified_by, rule),
        least=least,
        hands=story.handlers,
        named="confirmed_by",
    )
    return True


def _is_calmer(wanted: CaseClassified, before: CaseClassified | None) -> bool:
    return (
        before is not None
        and before.urgency is Urgency.EMERGENCY
        and wanted.urgency is not Urgency.EMERGENCY
    )


def raise_severity(command: RaiseSeverity, state: Living) -> Sequence[SeverityRaised]:
    """Let a valid complaint be weightier by a rule; never the other way round."""
    story = state.story
    if isinstance(state, Closed) or not story.is_valid_complaint:
        return []
    if not is_below(story.severity, command.severity):
        return []
    return [
        SeverityRaised(
            case_id=story.case_id,
            severity=command.severity,
            cause=command.cause,
            reason=command.reason,
        )
    ]
