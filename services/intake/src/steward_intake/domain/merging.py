"""A case goes on for another that is the same: it has whatever either had."""

from collections.abc import Sequence

from steward_decider import Refused
from steward_events.intake import CaseAbsorbed, HarmReported, HouseholdConcerned
from steward_events.vocabulary import Kind, Part
from steward_intake.domain.commands import AbsorbCase
from steward_intake.domain.story import Closed, Living, Story, strictest


def absorb(
    command: AbsorbCase, state: Living
) -> Sequence[CaseAbsorbed | HarmReported | HouseholdConcerned]:
    """Let a case go on for another as well; what would lose a duty of either is refused."""
    story = state.story
    if absorbed_mark(command.merged) in story.said:
        return []
    if isinstance(state, Closed):
        raise Refused("The case that is to go on for both is closed: reopen it first.")
    if command.kind is Kind.COMPLAINT and story.kind is not Kind.COMPLAINT:
        raise Refused("A complaint goes on only in a complaint, whose duties are stricter.")
    if command.severity is not None and story.classified and not story.is_valid_complaint:
        raise Refused(
            "A valid complaint goes on only in a valid one: merge the other into it instead.",
            rule="RM-4.8",
        )
    concerned = _concerned_too(command, story)
    absorbed = CaseAbsorbed(
        case_id=story.case_id,
        merged=command.merged,
        received_at=command.received_at,
        severity=strictest(story.severity, command.severity),
    )
    if command.harm_ongoing and not story.harm_ongoing:
        # The other's clock has ended with it, and nobody has stopped the harm (RM-4.9).
        harm = HarmReported(case_id=story.case_id, harm_id=f"merged-{command.merged}")
        return [absorbed, harm, *concerned]
    return [absorbed, *concerned]


def _concerned_too(command: AbsorbCase, story: Story) -> Sequence[HouseholdConcerned]:
    """Let the case concern whom the other concerned; of whom the one complains does not gain it."""
    before = dict(story.concerns)
    if story.household is not None:
        before[story.household] = Part.COMPLAINANT
    found: list[HouseholdConcerned] = []
    for fact in command.concerned:
        part = before.get(fact.household_id)
        gains = fact.part is Part.COMPLAINANT and (
            part is Part.AFFECTED or (part is fact.part and _says_how_to_tell(fact, story))
        )
        if part is None or gains:
            found.append(fact.model_copy(update={"case_id": story.case_id}))
        elif Part.COUNTERPART in (part, fact.part) and part is not fact.part:
            raise Refused(
                "A household of which one of the two cases complains has a part of its own in the"
                " other: they stay two cases."
            )
    return found


def _says_how_to_tell(fact: HouseholdConcerned, story: Story) -> bool:
    """Say whether another household that complains is told by that number or address."""
    given = fact.number or fact.phone or fact.email
    return bool(given) and fact.household_id != story.household


def absorbed_mark(case_id: str) -> tuple[str, str]:
    """Give by what it is known that a case was merged into this one."""
    return CaseAbsorbed.wire_name, case_id
