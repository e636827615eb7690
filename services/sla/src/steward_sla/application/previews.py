"""What a reapplied policy would do, case by case, without doing it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from steward_decider import Refused
from steward_events.sla import ClockCancelled, ClockRescheduled, ClockStarted
from steward_eventstore.port import EventStore, Reading
from steward_sla.domain.clocks import Clocks, ClocksDecider, ReapplyPolicy


async def states(
    store: EventStore, decider: ClocksDecider, streams: Sequence[str]
) -> dict[str, Clocks]:
    """Read cases as they stand."""
    view = await store.read(Reading(dict.fromkeys(streams, 0)))
    found = {}
    for stream in streams:
        state = decider.initial
        for fact in view.facts.get(stream, ()):
            state = decider.evolve(state, fact)  # type: ignore[arg-type]
        found[stream] = state
    return found


async def moves(
    store: EventStore, decider: ClocksDecider, streams: Sequence[str], command: ReapplyPolicy
) -> list[dict[str, Any]]:
    """Say which clocks of these cases would move, start or end, and to when."""
    found = []
    for state in (await states(store, decider, streams)).values():
        try:
            found += list(_moves(state, decider, command))
        except Refused as refused:
            found.append({"case_id": state.case_id, "error": refused.reason})
    return found


def _moves(
    state: Clocks, decider: ClocksDecider, command: ReapplyPolicy
) -> Iterator[dict[str, Any]]:
    for fact in decider.decide(command, state):
        match fact:
            case ClockRescheduled() if fact.old_due != fact.new_due:
                what: str = "moves"
                old: datetime | None = fact.old_due
                new: datetime | None = fact.new_due
            case ClockStarted():
                what, old, new = "starts", None, fact.due_at
            case ClockCancelled():
                told = state.of(fact.clock)
                what, old, new = "ends", told.limit if told else None, None
            case _:
                continue
        yield {
            "case_id": state.case_id,
            "number": state.number,
            "project_id": state.project_id,
            "clock": fact.clock,
            "target": fact.target,
            "rule": list(fact.rule),
            "what": what,
            "old_due": old.isoformat() if old else None,
            "new_due": new.isoformat() if new else None,
        }
