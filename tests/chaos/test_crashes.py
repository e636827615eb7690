"""Services are killed wherever a statement, a send or a commit ends, and nothing is lost or doubled.

Judged from outside: by what the clients were told was accepted, by the topics, by the databases, and
by what the SMS provider and the mail server have taken.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import pytest
from tests.support.crashes import ANYWHERE, Crash, Crashes
from tests.support.crowd import Crowd, Told, registers, tickets_of
from tests.support.harm import harm
from tests.support.judge import Judge, Verdict
from tests.support.last_words import LastWords
from tests.support.system import System, entered, running_services

from steward_stack import supervisor
from steward_stack.supervisor import Stack

AT_ONCE = 8
"""So many people and systems are at work at a time."""


def both(*statements: str) -> list[str]:
    """Name the points before and after."""
    return [f"{statement}/{when}" for statement in statements for when in ("before", "after")]


POINTS: Mapping[str, Sequence[str]] = {
    "intake": [
        *both("append/READ", "inbox/PARK_STREAM", "append/BEGIN", "inbox/PARK_MESSAGE"),
        *both("append/steward_commit", "retry/LINE", "append/TAKE_FOREIGN", "retry/LEAVE_LINE"),
        *both("append/INSERT INTO cases", "retry/FREE_STREAM", "append/COMMIT", "retry/COMMIT"),
    ],
    "sla": [
        *both("inbox/READ", "inbox/steward_commit", "inbox/COMMIT"),
        *both("inbox/INSERT INTO clocks", "inbox/offsets"),
    ],
    "visits": [
        *both("ring/DUE", "ring/READ", "ring/steward_commit", "ring/COMMIT"),
        *both("ring/INSERT INTO followups", "relay/TAKE_LEASE", "relay/RELAYED"),
    ],
    "notify": [
        *both("relay/RELAY_PAGE", "relay/send_batch"),
        *both("sender/READ", "sender/BEGIN", "sender/steward_commit", "sender/COMMIT"),
        *both("sender/post", "sender/data"),
    ],
}
"""Where each is killed by `make chaos`, once; the code is the same in all of them."""

QUIET_SECONDS = 900
"""So long may what was caused take to come to its end; mostly texts, each sent by itself."""

SERVERS = ("kafka", "postgres")
SERVICES = (*POINTS, "audit")
NAMED = 20
"""Violations of an invariant that are named."""


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> Crashes:
    return Crashes(tmp_path_factory.mktemp("chaos") / "passed")


@pytest.fixture(scope="module")
def stack(crashes: Crashes) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch, running_services(launcher=crashes.launch) as stack:
        # They end far more often than anything that the stack should start again.
        patch.setattr(supervisor, "RESTARTS", 1_000)
        yield stack


@pytest.fixture(scope="module")
async def system(stack: Stack) -> AsyncIterator[System]:
    async with entered(stack) as system:
        await system.register(*registers())
        await system.quiet()
        yield system


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.mark.timeout(900)
async def test_nothing_is_lost_wherever_a_process_is_killed(
    system: System,
    crashes: Crashes,
    told: Told,
    capsys: pytest.CaptureFixture[str],
    last_words: LastWords,
) -> None:
    plans = {service: list(map(Crash, points)) for service, points in POINTS.items()}
    with capsys.disabled():
        found = await survived(system, crashes, told, "people", plans)
    report(last_words, list(last_words.lines), crashes, found)
    assert crashes.missed == []
    assert crashes.otherwise == []
    assert found.violations() == []
    # What was not there was not judged.
    assert crashes.died.total() >= LEAST_KILLS
    assert min(found.facts, found.effects) >= LEAST_FACTS
    assert min(found.alarms, found.texts, found.mails) >= LEAST_OF_EACH
    assert [name for name, each in found.invariants.items() if not each.judged] == []


LEAST_KILLS = 60
LEAST_FACTS = 2_000
LEAST_OF_EACH = 30
KILLS = 1_000
A_ROUND = 40
"""So many kills of each service before all is judged."""
SOON_SECONDS = 30.0
"""A point that is not reached by then, since what passes it is rare, is passed over."""


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
async def test_nothing_is_lost_in_a_thousand_kills(
    system: System,
    crashes: Crashes,
    told: Told,
    capsys: pytest.CaptureFixture[str],
    last_words: LastWords,
) -> None:
    before = list(last_words.lines)
    chance = random.Random(1)
    crashes.seconds = SOON_SECONDS
    while crashes.died.total() < KILLS:
        plans = {
            service: [Crash(chance.choice(points), chance.randint(1, 3)) for _ in range(A_ROUND)]
            for service, points in crashes.points().items()
            if service in SERVICES
        }
        name = f"people-{crashes.died.total()}"
        with capsys.disabled():
            found = await survived(system, crashes, told, name, plans)
        report(last_words, before, crashes, found)
        assert crashes.otherwise == []
        assert found.violations() == []


# The last: nothing is as it was after it.
@pytest.mark.timeout(900)
async def test_the_judge_sees_whatever_is_broken(system: System, told: Told) -> None:
    if not told.facts:
        async with tickets_of(system) as tickets:
            await asyncio.gather(*Crowd(system, told, tickets, "few").wave())
    await system.quiet(QUIET_SECONDS)
    await harm(system)
    found = await Judge(system, told, killed=[]).verdict()
    assert [name for name, each in found.invariants.items() if not each.violations] == []


async def survived(
    system: System,
    crashes: Crashes,
    told: Told,
    name: str,
    plans: Mapping[str, Sequence[Crash]],
) -> Verdict:
    """Kill while a crowd is at work, then the servers; judge when all is quiet again."""
    stop = asyncio.Event()
    async with tickets_of(system) as tickets:
        crowd = Crowd(system, told, tickets, name)
        coming = asyncio.create_task(crowd.come(stop, AT_ONCE))
        try:
            await crashes.happen(system, plans)
            for server in SERVERS:
                # What starts while its servers are away ends, and is started again.
                await system.until(system.ready, "not all are ready", 120)
                await system.back(crashes.kill(system, server))
                crashes.died[server, ANYWHERE] += 1
        finally:
            stop.set()
            await coming
    await system.quiet(QUIET_SECONDS)
    killed = [*crashes.ended_at["notify"], *crashes.ended_at["postgres"]]
    return await Judge(system, told, killed).verdict()


def report(words: LastWords, before: Sequence[str], crashes: Crashes, found: Verdict) -> None:
    """Say where what was killed and what was judged and found, behind what was said before."""
    kills, anywhere = (
        crashes.died.total(),
        sum(n for (_, point), n in crashes.died.items() if point == ANYWHERE),
    )
    words.lines[:] = [
        *before,
        f"\n{'killed at':<40} {'what':<8} {'kills':>5}",
        *(
            f"{point:<40} {service:<8} {n:>5}"
            for (service, point), n in sorted(crashes.died.items())
        ),
        f"{'all':<49} {kills:>5}",
        *(f"ended without being killed: {one}" for one in crashes.otherwise),
        f"\n{'invariant':<60} {'judged':>7} violations",
        *(
            "\n    ".join(
                [
                    f"{name:<60} {each.judged:>7} {len(each.violations):>10}",
                    *each.violations[:NAMED],
                ]
            )
            for name, each in found.invariants.items()
        ),
        f"\nkilled at their points {kills - anywhere}, anywhere {anywhere}; nobody knows whether they"
        f" were sent: texts {found.unknown['sms']}, mails {found.unknown['email']}",
    ]
    words.judged = (
        f"judged: facts {found.facts}, effects {found.effects}, alarms {found.alarms},"
        f" texts {found.texts}, mails {found.mails}; kills {kills}"
    )
    words.violations = len(found.violations())
