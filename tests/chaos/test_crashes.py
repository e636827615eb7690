"""Services are killed wherever a statement, a send or a commit ends, and nothing is lost or doubled.

Judged from outside: by what the clients were told was accepted, by the topics, by the databases, and
by what the SMS provider and the mail server have taken.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import get_args

import pytest
from tests.support.crashes import ANYWHERE, Crash, Crashes, Turns, lines
from tests.support.crowd import Crowd, Told, registers, tickets_of
from tests.support.harm import Spoiling, harm, named, spoilt
from tests.support.judge import LATE, Judge, Verdict, facts_of, taken
from tests.support.last_words import LastWords
from tests.support.system import System, entered

from steward_stack.supervisor import Stack

AT_ONCE = 8
"""So many people and systems are at work at a time."""


def both(*statements: str) -> list[str]:
    """Name the points before and after."""
    return [f"{statement}/{when}" for statement in statements for when in ("before", "after")]


def commits(*statements: str) -> list[str]:
    """Name the points before and after what commits, and where its answer is not heard."""
    return both(*statements) + [f"{statement}/during" for statement in statements]


def before(*statements: str) -> list[str]:
    """Name the points before statements that only read: after them is before the next."""
    return [f"{statement}/before" for statement in statements]


POINTS: Mapping[str, Sequence[str]] = {
    "intake": [
        *before("append/READ", "inbox/READ", "inbox/BEGIN", "relay/TAKE_LEASE", "relay/RELAY_PAGE"),
        *before("append/BEGIN", "append/TAKE_FOREIGN", "append/INSERT INTO cases"),
        *commits("append/steward_commit", "append/COMMIT", "inbox/COMMIT"),
        *both("inbox/steward_commit", "inbox/PARK_STREAM", "inbox/PARK_MESSAGE", "inbox/offsets"),
        *before("retry/PARKED", "retry/LINE", "retry/READ", "retry/BEGIN"),
        *both("retry/steward_commit", "retry/LEAVE_LINE", "retry/FREE_STREAM"),
        *commits("retry/COMMIT"),
    ],
    "sla": [
        *before("inbox/READ", "ring/DUE", "ring/READ"),
        *commits("inbox/steward_commit", "ring/steward_commit"),
        *both("inbox/offsets", "relay/send_batch", "relay/RELAYED"),
    ],
    "visits": [
        *before("ring/DUE", "ring/READ", "relay/TAKE_LEASE"),
        *commits("ring/steward_commit"),
        *both("relay/RELAYED"),
    ],
    "notify": [
        *before("relay/RELAY_PAGE", "sender/lock", "sender/SELECT owed", "sender/SELECT left"),
        *before("sender/READ", "receipts/READ"),
        *both("relay/send_batch", "sender/post", "sender/data"),
        *commits("sender/steward_commit", "receipts/steward_commit"),
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
    with crashes.running() as stack:
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


@pytest.mark.timeout(1800)
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
    assert crashes.at_points == sum(map(len, POINTS.values()))
    assert_enough(found)


LEAST_FACTS = 2_000
LEAST_OF_EACH = 30
"""Until there are so many the crowd goes on."""
KILLS = 1_000
"""At points."""
A_ROUND = 40
"""So many kills of each service before all is judged."""
SOON_SECONDS = 30.0
"""A point that is not reached by then, since what passes it is rare, is passed over."""


@pytest.mark.long
@pytest.mark.timeout(12 * 3600)
async def test_nothing_is_lost_in_a_thousand_kills(
    system: System,
    crashes: Crashes,
    told: Told,
    capsys: pytest.CaptureFixture[str],
    last_words: LastWords,
) -> None:
    before = list(last_words.lines)
    turns = Turns(random.Random(1))
    crashes.seconds = SOON_SECONDS
    while crashes.at_points < KILLS or not passed(crashes) <= turns.came.keys():
        plans = {
            service: turns.draw(service, points, A_ROUND)
            for service, points in crashes.points().items()
            if service in SERVICES
        }
        name = f"people-{crashes.died.total()}"
        with capsys.disabled():
            found = await survived(system, crashes, told, name, plans)
        never = sorted(passed(crashes) - crashes.died.keys())
        report(last_words, before, crashes, found, never)
        assert crashes.otherwise == []
        assert found.violations() == []
        assert_enough(found)


def assert_enough(found: Verdict) -> None:
    """What was not there was not judged."""
    assert min(found.facts, found.effects) >= LEAST_FACTS
    assert min(found.alarms, found.texts, found.mails) >= LEAST_OF_EACH
    assert [name for name, each in found.invariants.items() if not each.judged] == []


def passed(crashes: Crashes) -> set[tuple[str, str]]:
    """Give every point that a service has passed."""
    found = crashes.points()
    return {(service, point) for service in SERVICES for point in found.get(service, ())}


@pytest.mark.long
@pytest.mark.parametrize("how", get_args(Spoiling))
async def test_the_judge_sees_each_kind_of_fact_that_comes_too_often_or_never(
    system: System, crashes: Crashes, told: Told, how: Spoiling
) -> None:
    rested_at = await some_cases(system, told)
    judge = Judge(system, told, killed_of(crashes), rested_at)
    spoilt_facts, chosen = spoilt(await facts_of(system), how)
    violations = judge.judge(spoilt_facts, *await taken(system)).violations()
    for kind, fact in chosen.items():
        assert any(name in one for name in named(fact) for one in violations), f"{kind}: {fact}"


# The last: nothing is as it was after it.
async def test_the_judge_sees_whatever_is_broken(system: System, told: Told) -> None:
    rested_at = await some_cases(system, told)
    await harm(system)
    found = await Judge(system, told, [], rested_at).verdict()
    assert [name for name, each in found.invariants.items() if not each.violations] == []


async def some_cases(system: System, told: Told) -> datetime:
    """See to it that there are cases; says as of when all rests."""
    if not told.facts:
        async with tickets_of(system) as tickets:
            await asyncio.gather(*Crowd(system, told, tickets, "few").wave())
    return await system.quiet(QUIET_SECONDS)


def killed_of(crashes: Crashes) -> list[datetime]:
    """Say when the sender or its database was killed."""
    return [*crashes.ended_at["notify"], *crashes.ended_at["postgres"]]


async def survived(
    system: System,
    crashes: Crashes,
    told: Told,
    name: str,
    plans: Mapping[str, Sequence[Crash]],
) -> Verdict:
    """Kill while a crowd is at work, then the servers; judge when all is quiet again.

    The crowd goes on until there is enough to judge.
    """
    stop = asyncio.Event()
    async with tickets_of(system) as tickets:
        crowd = Crowd(system, told, tickets, name)
        coming = asyncio.create_task(crowd.come(stop, AT_ONCE))
        try:
            await crashes.happen(system, plans)
            for server in SERVERS:
                # What starts while its servers are away ends, and is started again.
                await system.until(system.ready, "not all are ready")
                await system.back(crashes.kill(system, server))
                crashes.died[server, ANYWHERE] += 1
            await system.until(lambda: is_enough(system), "too little came", QUIET_SECONDS)
        finally:
            stop.set()
            await coming
    rested_at = await system.quiet(QUIET_SECONDS)
    return await Judge(system, told, killed_of(crashes), rested_at).verdict()


async def is_enough(system: System) -> bool:
    """Say whether there is as much as a run is judged on at least."""
    await asyncio.sleep(1)
    facts = list(itertools.chain(*(await facts_of(system)).values()))
    effects = [fact for fact in facts if not fact.type.startswith(("intake.", "registry."))]
    late = [fact for fact in effects if fact.type.removesuffix(".v1") in LATE]
    texts, mails = await taken(system)
    least = min(len(late), len(texts), len(mails))
    return len(effects) >= LEAST_FACTS and least >= LEAST_OF_EACH


def report(
    words: LastWords,
    before: Sequence[str],
    crashes: Crashes,
    found: Verdict,
    never: Sequence[tuple[str, str]] = (),
) -> None:
    """Say where what was killed and what was judged and found, behind what was said before."""
    kills = f"{crashes.at_points} at points, {crashes.died.total() - crashes.at_points} anywhere"
    words.lines[:] = [
        *before,
        *lines(crashes.died),
        *(f"passed, and never killed at: {point} of {service}" for service, point in never),
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
        f"\nnobody knows whether they were sent: texts {found.unknown['sms']},"
        f" mails {found.unknown['email']}",
    ]
    words.judged = (
        f"judged: facts {found.facts}, effects {found.effects}, alarms {found.alarms},"
        f" texts {found.texts}, mails {found.mails}; kills {kills}"
    )
    words.violations = len(found.violations())
