"""What is dated back goes before nothing that it goes on from, whoever types it in when.

Deadlines go by when things happened, the case by what was said last: so both tell the same.
"""

from collections.abc import Sequence
from datetime import datetime

from steward_decider import Refused
from steward_events.fact import Fact
from steward_events.intake import BreachNoted
from steward_events.recorded import Recorded
from steward_events.vocabulary import Role
from steward_intake.application.actions import Action
from steward_intake.application.desk import Desk, invalid
from steward_intake.application.words import Merge, Move
from steward_policy.ladder import may_act


async def demand_order(
    desk: Desk, said: Action, at: datetime, project_id: str, story: Sequence[Recorded]
) -> None:
    """Refuse what is dated before what it goes on from, or before a duty was missed.

    Before that the centre manager may date what ends or holds up the duty.
    """
    before = max(
        (told for told in story if told.fact is not None and said.goes_on_from(told.fact)),
        key=lambda told: told.occurred_at,
        default=None,
    )
    if before is not None and at < before.occurred_at:
        assert before.fact is not None  # noqa: S101 - by what is looked for
        raise Refused(
            f"It goes on from what was at {before.occurred_at.isoformat()} ({_name(before.fact)})"
            " and cannot have been earlier: say when it was, or leave out occurred_at."
        )
    missed = _missed_at(story) if said.forgives else None
    if missed is not None and at < missed:
        roles = frozenset[Role]()
        if said.second is not None:
            roles = await desk.registers.acting(said.second, project_id, desk.clock.now())
        if not may_act(roles, Role.CENTRE_MANAGER):
            raise Refused(
                f"A duty of the case was missed at {missed.isoformat()}: only the"
                " centre manager agrees to what is dated before that. It counts from now without"
                " occurred_at."
            )


def ends_too_early(said: Merge | Move, at: datetime, story: Sequence[Recorded]) -> Refused | None:
    """Say why a case does not end here by what is dated before the last that was done in it."""
    last = max(told.occurred_at for told in story)
    if said.occurred_at is None or at >= last:
        return None
    return invalid(
        f"The last that happened in the case was at {last.isoformat()}: what is dated before that"
        " cannot end it here. Leave out occurred_at."
    )


def _missed_at(story: Sequence[Recorded]) -> datetime | None:
    """Give the last time at which a duty was missed that is missed still."""
    missed: dict[str, datetime] = {}
    for told in story:
        match told.fact:
            case BreachNoted(clock=clock, withdrawn=False):
                missed[clock] = told.occurred_at
            case BreachNoted(clock=clock):
                missed.pop(clock, None)
            case _:
                pass
    return max(missed.values(), default=None)


def _name(fact: Fact) -> str:
    return fact.wire_name.partition(".")[2]
