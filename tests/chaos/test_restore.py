"""The restore drill: databases are lost, come back from an older back-up, and are rebased.

Nothing that was published is lost, no version is used twice, and every effect happens once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.crowd import Crowd, Told
from tests.support.estate import judged, register, working
from tests.support.restoring import Dumps, Installation, installation
from tests.support.system import OWNERS, System, entered

from steward_service.provision import DATABASES, SERVICES
from steward_stack.supervisor import Stack

EVENTS = """
SELECT stream_id, version, partition, type, data, meta FROM events ORDER BY stream_id, version
"""

Facts = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Loss:
    """What is lost, how it comes back, and what is rebased."""

    lost: tuple[str, ...]
    back: Callable[[Installation, Dumps], None]
    rebase: tuple[str, ...] = ()


def in_a_new_cluster(place: Installation, older: Dumps) -> None:
    """Make a cluster whose transaction numbers begin anew; what was not lost is moved into it."""
    with place.up(services=False) as stack:
        moved = place.dump(stack, [name for name in DATABASES if name not in older])
    place.lose_cluster()
    with place.up(services=False) as stack:
        place.restore(stack, {**moved, **older})


def in_its_cluster(place: Installation, older: Dumps) -> None:
    """Put the lost databases back beside the others, which stay."""
    with place.up(services=False) as stack:
        place.restore(stack, older)


LOSSES = {
    "intake": Loss(("intake",), in_a_new_cluster),
    "sla": Loss(("sla",), in_its_cluster, ("--only", "sla")),
    "all": Loss(DATABASES, in_a_new_cluster),
}


@pytest.mark.long
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_restored_database_goes_on_where_it_was_lost(loss: Loss) -> None:
    told = Told()
    with installation() as place:
        with place.up() as stack:
            before, older = asyncio.run(lived(place, stack, told, loss))
        loss.back(place, older)
        with place.up(services=False) as stack:
            asyncio.run(rebased(place, stack, loss, before))
        with place.up() as stack:
            asyncio.run(goes_on(place, stack, told))


async def lived(place: Installation, stack: Stack, told: Told, loss: Loss) -> tuple[Facts, Dumps]:
    """Take back-ups while all works, go on, and give all facts as they stand at the loss."""
    async with working(stack) as (system, tickets):
        await register(system)
        await system.quiet()
        crowd = Crowd(system, told, tickets, "before")
        await asyncio.gather(*crowd.wave())
        wave = crowd.wave()
        older = await asyncio.to_thread(place.dump, stack, loss.lost)
        await asyncio.gather(*wave, *crowd.wave())
        await system.quiet(600)
        status, _, said = await asyncio.to_thread(place.steward, "rebase")
        assert status == 1
        assert "The services are running" in said
        return await facts(system), older


async def rebased(place: Installation, stack: Stack, loss: Loss, before: Facts) -> None:
    """Rebase, and find every fact word for word; the second time there is nothing to do."""
    async with entered(stack) as system:
        short = await facts(system)
        status, done, said = await asyncio.to_thread(place.steward, "rebase", *loss.rebase)
        assert status == 0, said
        assert await facts(system) == before
        for one in done["services"]:
            name = one["service"]
            lacked = len(before[name]) - len(short[name]) if name in OWNERS else 0
            assert one["appended"] == lacked
            if name in loss.lost:
                assert one["changed"]
                assert lacked or name == "audit"
                assert one["heard_again"]
        _, again, _ = await asyncio.to_thread(place.steward, "rebase", *loss.rebase)
        assert not any(one["changed"] for one in again["services"]), again
        assert not again["keys"]


async def goes_on(place: Installation, stack: Stack, told: Told) -> None:
    """Judge at once, and again when more has happened."""
    async with working(stack) as (system, tickets):
        for name in ("", "after"):
            if name:
                crowd = Crowd(system, told, tickets, name)
                await asyncio.gather(*crowd.wave())
            await judged(system, told)
            numbers = await system.query("intake", "SELECT number FROM cases")
            assert len({row["number"] for row in numbers}) == len(numbers) == len(told.facts)
            status, done, said = await asyncio.to_thread(place.steward, "verify")
            assert (status, [m for m in done["models"] if not m["equal"]]) == (0, []), said


async def facts(system: System) -> Facts:
    return {
        name: [tuple(row) for row in await system.query(name, EVENTS)]
        for name in SERVICES
        if name in OWNERS
    }
