"""A crowd's estates in a running system, and the judgement of what became of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from tests.support.crowd import Tickets, Told, registers, tickets_of
from tests.support.judge import Judge
from tests.support.system import System, entered

from steward_stack.supervisor import Stack


async def register(system: System) -> None:
    """Register group, projects, staff and roles."""
    await system.register(*registers())


async def minor_complaint(system: System, project: str) -> str:
    """Have a minor complaint come up; gives the case's ID."""
    said = {"project_id": project, "kind": "complaint", "summary": "电梯异响"}
    case: str = (await system.accepted("intake", "/v1/cases", said))["case_id"]
    minor = {"validity": "valid", "severity": "minor"}
    await system.accepted("intake", f"/v1/cases/{case}/classify", minor)
    return case


@asynccontextmanager
async def working(stack: Stack) -> AsyncIterator[tuple[System, Tickets]]:
    """Stand outside a running system, with another ticketing system at hand."""
    async with entered(stack) as system, tickets_of(system) as tickets:
        yield system, tickets


async def judged(
    system: System,
    told: Told,
    killed: Sequence[datetime] = (),
    seconds: float = 900,
    skew: timedelta = timedelta(),
) -> None:
    """Wait until all rests; no invariant may be violated then, and there must be what to judge.

    `killed` says when the sender or its database was taken away, `skew` by how much clocks differed.
    """
    rested_at = await system.quiet(seconds)
    found = await Judge(system, told, killed, rested_at, skew).verdict()
    assert not found.violations(), "\n".join(found.violations())
    assert min(found.effects, found.alarms, found.texts, found.mails) > 0
