"""The estates at which a crowd complains: registered once, with somebody for every rung."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from tests.chaos.test_kill_and_restart import LADDER, PROJECTS, Judge, Tickets, Told
from tests.support.system import System, entered

from steward_stack.supervisor import Stack


async def register(system: System) -> None:
    """Register group, projects, staff and roles."""
    holders = [(project, role) for project in PROJECTS for role in LADDER]
    await system.register(
        {"type": "group", "group_id": "estates", "name": "恢复集团"},
        *(
            {"type": "project", "project_id": name, "group_id": "estates", "name": name}
            for name in PROJECTS
        ),
        *(
            {
                "type": "staff",
                "person_id": f"{project}-{role}",
                "group_id": "estates",
                "name": "王芳",
                "phone": f"1380{number:03d}1111",
                "email": f"{role}@{project}.example.cn",
            }
            for number, (project, role) in enumerate(holders)
        ),
        *(
            {"type": "role", "project_id": p, "role": r, "person_id": f"{p}-{r}"}
            for p, r in holders
        ),
    )


@asynccontextmanager
async def working(stack: Stack) -> AsyncIterator[tuple[System, Tickets]]:
    """Stand outside a running system, with another ticketing system at hand."""
    # Not idempotent: such a producer goes on by itself after its broker was away.
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.endpoints.kafka.split(","),
        enable_idempotence=False,
        acks="all",
        request_timeout_ms=10_000,
    )
    await producer.start()
    try:
        async with entered(stack) as system:
            yield system, Tickets(producer)
    finally:
        await producer.stop()


async def judged(system: System, told: Told, seconds: float = 240) -> None:
    """Wait until all rests; nothing may be lost, doubled or left unpublished then."""
    await system.quiet(seconds)
    found = await Judge(system, told).verdict()
    assert (found.lost, found.doubled, found.unpublished) == ([], [], [])
