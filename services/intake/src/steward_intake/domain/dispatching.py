"""A department is given a case, and accepts or refuses it."""

from collections.abc import Sequence
from typing import assert_never

from steward_decider import Refused
from steward_events.intake import CaseDispatched, DispatchAccepted, DispatchRefused
from steward_intake.domain.commands import AcceptDispatch, DispatchCase, RefuseDispatch
from steward_intake.domain.story import Living, differing, refuse_closed


def dispatch(command: DispatchCase, state: Living) -> Sequence[CaseDispatched]:
    """Give the case to a department; the same again is nothing."""
    story, last = state.story, state.story.efforts.dispatch
    before = story.said.get((CaseDispatched.wire_name, command.dispatch_id))
    if before is not None:
        if command.by == "steward" and differing(command, before, ("department",)):
            raise Refused("This dispatch_id is another department's: leave it out.")
        return []
    if last is not None and last.department == command.department and last.answer != "refused":
        return []
    if command.by == "steward":
        refuse_closed(state, "dispatched")
    return [
        CaseDispatched(
            case_id=story.case_id,
            dispatch_id=command.dispatch_id,
            round=story.round,
            department=command.department,
            reason=command.reason,
            person_id=command.person_id,
        )
    ]


def answer_dispatch(
    command: AcceptDispatch | RefuseDispatch, state: Living
) -> Sequence[DispatchAccepted | DispatchRefused]:
    """Say what the department answers that has the case."""
    story, last = state.story, state.story.efforts.dispatch
    kind = DispatchAccepted if isinstance(command, AcceptDispatch) else DispatchRefused
    answered = command.dispatch_id or (last.id if last else "")
    before = story.said.get((kind.wire_name, answered))
    if before is not None:
        words = ("person_id",) if kind is DispatchAccepted else ("reason", "person_id")
        if command.by == "steward" and (other := differing(command, before, words)):
            raise Refused(
                f"The department has answered before, with another {', '.join(other)}:"
                " say what there is to add by report-progress."
            )
        return []
    refuse_closed(state, "accepted or refused by a department")
    if last is None or last.id != answered:
        raise Refused("The case was not given to this department, or no longer is.")
    if last.answer != "none":
        raise Refused(f"The department has {last.answer} the case before: dispatch it anew.")
    match command:
        case AcceptDispatch():
            return [
                DispatchAccepted(
                    case_id=story.case_id,
                    dispatch_id=last.id,
                    department=last.department,
                    person_id=command.person_id,
                )
            ]
        case RefuseDispatch():
            if command.reason is None and command.by == "steward":
                raise Refused("A department that refuses a case says why.")
            return [
                DispatchRefused(
                    case_id=story.case_id,
                    dispatch_id=last.id,
                    department=last.department,
                    refusal=story.efforts.refusals + 1,
                    reason=command.reason,
                    person_id=command.person_id,
                )
            ]
        case _:
            assert_never(command)
