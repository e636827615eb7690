"""What befalls servers, processes and clocks under load: nothing is lost, doubled or unpublished.

Judged from outside, as in the kill test, and by what each fault would do first.
"""

import asyncio
import contextlib
import itertools
import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import pytest
from rich.console import Console
from tests.support.crowd import PROJECTS, Crowd, Tickets, Told
from tests.support.estate import judged, minor_complaint, register, working
from tests.support.members import Member, Members, members_of
from tests.support.stack import database_dsn
from tests.support.system import SOURCE, System, running_services

from steward_events.vocabulary import External
from steward_intake.application.desk import external_case_id
from steward_service.clocks import SteppedDriver
from steward_stack.postgres import ROOTS_DATA, UNPRIVILEGED
from steward_stack.processes import Process
from steward_stack.state import LIVE, State
from steward_stack.supervisor import Stack, running_stack

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

OPEN_SECONDS = 60.0
STOPPED_SECONDS = 30.0
AWAY_SECONDS = 45.0
"""Longer than producers (10 and 40 s) and listeners (40 s) wait for an answer of their broker."""
WAVE_SECONDS = 6.0
"""A wave brings some 500 texts: as many as are sent until the next one comes."""


class Estate:
    """A running system at which people complain without end."""

    def __init__(self, system: System, tickets: Tickets) -> None:
        self.system = system
        self.told = Told()
        self.tickets = tickets
        self.killed: list[datetime] = []
        """When the sender's database was taken away, or came back."""
        self.skew = timedelta()
        """By how much the clocks of two services differ."""
        self._names = itertools.count(1)

    def crowd(self) -> Crowd:
        return Crowd(self.system, self.told, self.tickets, f"crowd-{next(self._names)}")

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Have waves come one after the other, at least one before and one after; then judge."""
        crowd, enough = self.crowd(), asyncio.Event()
        await asyncio.gather(*crowd.wave())

        async def come() -> None:
            while not enough.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(enough.wait(), WAVE_SECONDS)
                await asyncio.gather(*crowd.wave())

        coming = asyncio.create_task(come())
        try:
            yield
        finally:
            enough.set()
            await coming
        await judged(self.system, self.told, self.killed, skew=self.skew)

    async def relay(self, service: str) -> tuple[str, int, tuple[Any, ...]]:
        """Give who holds a relay's lease, the fence, and how far it has come."""
        sql = "SELECT holder, fence, epoch, xid::text::bigint, pos FROM relay"
        [(holder, fence, *where)] = await self.system.query(service, sql)
        return str(holder), int(fence), tuple(where)

    async def grows(self, service: str, otherwise: str) -> None:
        """Wait until something more is published."""
        _, _, before = await self.relay(service)

        async def has_grown() -> bool:
            return (await self.relay(service))[2] > before

        await self.system.until(has_grown, otherwise)

    async def next_of(self, killed: Process) -> Process:
        """Wait until a killed process is started again."""

        async def is_started() -> bool:
            return self.system.process(killed.name) != killed

        await self.system.until(is_started, f"{killed.name} is not started again")
        return self.system.process(killed.name)

    async def metric(self, service: str, name: str) -> float:
        text = (await self.system.client.get(self.url(service, "/metrics"))).text
        return max(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    def url(self, service: str, path: str) -> str:
        return self.system.stack.endpoints.services[service] + path


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_services() as stack:
        yield stack


@pytest.fixture(scope="module")
async def estate(stack: Stack) -> AsyncIterator[Estate]:
    async with working(stack) as (system, tickets):
        await register(system)
        await system.quiet()
        yield Estate(system, tickets)


@pytest.fixture
def members(stack: Stack) -> Iterator[Members]:
    with members_of(stack) as members:
        yield members


async def test_a_relay_that_was_stopped_and_wakes_up_late_moves_nothing(
    estate: Estate, members: Members
) -> None:
    other = await members.join("intake")
    # The stack's own stands still until the other has taken the lease.
    own = estate.system.process("intake")
    own.send(signal.SIGSTOP)

    async def has_it() -> bool:
        return await holds(estate, other)

    await estate.system.until(has_it, "the other relay did not take the lease")
    own.send(signal.SIGCONT)
    async with estate.under_load():
        await estate.grows("intake", "nothing was published")
        _, fence, _ = await estate.relay("intake")
        other.send(signal.SIGSTOP)
        stopped_at = monotonic()

        async def is_taken() -> bool:
            return not await holds(estate, other)

        await estate.system.until(is_taken, "nobody took the lease from a stopped relay")
        while monotonic() < stopped_at + STOPPED_SECONDS:
            await estate.grows("intake", "the second relay publishes nothing")
        holder, new_fence, _ = await estate.relay("intake")
        assert new_fence > fence
        other.send(signal.SIGCONT)
        await other.is_ready()
        for _ in range(5):
            await estate.grows("intake", "nothing is published beside the one that woke up")
            assert (await estate.relay("intake"))[:2] == (holder, new_fence)
    assert await other.end() == 0


async def holds(estate: Estate, member: Member) -> bool:
    holder, _, _ = await estate.relay(member.service)
    return f"-{member.port}-" in holder


@pytest.mark.parametrize("database", ["steward_intake", "steward_clock"])
async def test_an_open_transaction_delays_what_is_published_and_nothing_is_skipped(
    estate: Estate, database: str
) -> None:
    dsn = database_dsn(estate.system.stack.endpoints.postgres, database)
    forgotten = await asyncpg.connect(
        dsn, server_settings={"idle_in_transaction_session_timeout": "0"}
    )
    async with estate.under_load():
        transaction = forgotten.transaction()
        await transaction.start()
        since = await forgotten.fetchval("SELECT pg_current_xact_id()::text::bigint")
        opened_at = monotonic()

        async def is_seen() -> bool:
            metric = "steward_oldest_write_transaction_seconds"
            return await estate.metric("intake", metric) > OPEN_SECONDS / 2

        await estate.system.until(is_seen, "the metric does not rise")
        later = "SELECT count(*) FROM events WHERE xid > $1::text::xid8"
        assert await estate.system.count("intake", later, str(since)) > 0
        _, _, (_, xid, _) = await estate.relay("intake")
        assert xid < since, "what is newer than an open transaction was published"
        await asyncio.sleep(max(0.0, opened_at + OPEN_SECONDS - monotonic()))
        await transaction.rollback()
        await estate.grows("intake", "nothing is published after the transaction has ended")
    await forgotten.close()


@pytest.mark.parametrize("how", ["silent", "gone"])
async def test_a_broker_that_does_not_answer_for_a_while_loses_nothing(
    estate: Estate, how: str
) -> None:
    async with estate.under_load():
        broker = estate.system.process("kafka")
        if how == "gone":
            broker.send(signal.SIGKILL)
            broker = await estate.next_of(broker)  # stopped before it listens
        broker.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(AWAY_SECONDS)  # it is the time-outs that must pass
        finally:
            broker.send(signal.SIGCONT)
        await estate.grows("intake", "nothing is published since the broker is back")


async def test_a_database_that_restarts_at_once_loses_nothing(estate: Estate) -> None:
    async with estate.under_load():
        for _ in range(3):
            server = estate.system.process("postgres")
            estate.killed.append(datetime.now(UTC))
            server.send(signal.SIGQUIT)
            await estate.system.back(server)
            await estate.grows("intake", "nothing is published since the database is back")


async def test_members_join_and_leave_a_group_and_every_fact_is_heard_once(
    estate: Estate, members: Members
) -> None:
    async with estate.under_load():
        second = await members.join("sla")
        third = await members.join("sla")
        await estate.grows("sla", "three members publish nothing")
        await second.end(signal.SIGKILL)
        await estate.grows("sla", "nothing is published after a member was killed")
        fourth = await members.join("sla")
        assert await third.end(signal.SIGTERM) == 0
        await estate.grows("sla", "nothing is published after a member has left")
        await fourth.end(signal.SIGKILL)


TOMORROW = """
import steward_events.intake as intake
from steward_events.fact import upcaster

class CaseChased(intake.CaseChased, name="intake.case_chased", version=2):
    tone: str = "calm"

@upcaster("intake.case_chased", 1)
def with_tone(content):
    return {**content, "tone": "calm"}

intake.CaseChased = CaseChased
"""
"""A version of tomorrow, to be read before all else: a fact has its second shape."""
LISTENERS = ("sla", "visits", "notify", "audit")


async def test_a_fact_of_a_newer_version_waits_until_its_listeners_are_upgraded(
    members: Members, estate: Estate
) -> None:
    system = estate.system
    said = {"project_id": PROJECTS[0], "kind": "complaint", "summary": "楼道灯不亮"}
    case = (await system.accepted("intake", "/v1/cases", said))["case_id"]
    stream = f"case-{case}"
    minor = {"validity": "valid", "severity": "minor"}
    classified = await system.accepted("intake", f"/v1/cases/{case}/classify", minor)
    estate.told.take(case, "intake.case_received.v1", *classified["facts"])
    producer = await members.join("intake", TOMORROW)
    for action, body in (
        ("chase", {}),
        ("handle", {"corrective": "已更换", "preventive": "每月巡查"}),
    ):
        answer = await system.client.post(
            f"{producer.url}/v1/cases/{case}/{action}",
            json=body,
            headers={"Idempotency-Key": f"{case}-{action}"},
        )
        assert answer.is_success, answer.text
        estate.told.take(case, *answer.json()["facts"])
    estate.told.in_time.add(case)

    async def all_wait() -> bool:
        return all([await system.parked(name, stream) for name in LISTENERS])

    await system.until(all_wait, "a newer version is not parked")
    for name in LISTENERS:
        assert "newer than intake.case_chased.v1" in await system.parked(name, stream)
        assert await system.count(name, "SELECT count(*) FROM parked_streams") == 1
    upgraded = [await members.join(name, TOMORROW) for name in LISTENERS]
    for name in LISTENERS:
        await freed(system, name, stream)
    assert "intake.case_chased.v2" in await system.facts("intake", stream)

    async def all_rests() -> bool:
        # What is told to the producer's case may come to the one that cannot read it.
        await system.query("intake", "UPDATE parked_streams SET retry_at = now()")
        await asyncio.sleep(0.5)
        return not await system.busy()

    await system.until(all_rests, "what was told of a newer version stays under way", 600)
    for one in (*upgraded, producer):
        await one.end()
    exec(TOMORROW, {})  # noqa: S102 - whoever judges from here on reads it, too
    await judged(system, estate.told, estate.killed)


async def freed(system: System, service: str, stream: str) -> None:
    """Ask for it until the upgraded process has tried: the old one tries as well."""

    async def is_free() -> bool:
        await system.query(service, "UPDATE parked_streams SET retry_at = now()")
        await asyncio.sleep(0.5)
        return not await system.parked(service, stream)

    await system.until(is_free, f"{stream} stays parked at {service}")


async def test_foreign_messages_in_any_order_and_twice_make_the_story_that_was_meant(
    estate: Estate,
) -> None:
    system, chance = estate.system, random.Random(7)
    place = {"project_id": PROJECTS[0]}
    opened = {
        **place, "kind": "complaint", "severity": "minor", "validity": "valid",
        "summary": "电梯异响",
    }  # fmt: skip
    story: list[tuple[str, dict[str, Any]]] = [
        ("opened", opened),
        *(("commented", {**place, "comment": f"已派人{n}"}) for n in range(3)),
        ("handled", place),
    ]
    came = datetime.now(UTC) - timedelta(days=5)
    messages = [
        (what, f"mixed-{ticket}", data, f"mixed-{ticket}-{n}", came + timedelta(minutes=n))
        for ticket in range(20)
        for n, (what, data) in enumerate(story)
        for _ in range(2)
    ]
    chance.shuffle(messages)
    async with estate.under_load():
        for what, subject, data, id_, at in messages:
            await system.ticket(what, subject, data, id_=id_, at=at)
        for ticket in range(20):
            case = external_case_id(External(source=SOURCE, subject=f"mixed-{ticket}"))
            estate.told.take(
                case,
                "intake.case_received.v1",
                "intake.case_classified.v1",
                *["intake.progress_reported.v1"] * 3,
                "intake.case_handled.v1",
            )
            estate.told.in_time.add(case)
    cases = [external_case_id(External(source=SOURCE, subject=f"mixed-{n}")) for n in range(20)]
    for case in cases:
        facts = await system.facts("intake", f"case-{case}")
        assert facts[0] == "intake.case_received.v1"


ANOTHER_TIME = """
import runpy
from datetime import timedelta
from pathlib import Path
from steward_service import clocks
from steward_service.runtime import Service

clocks._REFRESH_SECONDS = 0.5
database_time = Service._database_time
offset = Path({path!r})

async def read(service):
    seconds = offset.read_text()
    told = await database_time(service) + timedelta(seconds=float(seconds))
    offset.with_suffix(".read").write_text(seconds)
    return told

Service._database_time = read
"""
AND_RUN = "runpy.run_module('steward_{service}', run_name='__main__', alter_sys=True)"


@dataclass(frozen=True)
class Stepped:
    """A process whose clock is set from here, and which says what it has read."""

    offset: Path

    @property
    def program(self) -> str:
        return ANOTHER_TIME.format(path=str(self.offset))

    def step(self, seconds: int) -> None:
        draft = self.offset.with_suffix(".new")
        draft.write_text(str(seconds))
        draft.replace(self.offset)

    def has_read(self, seconds: int) -> bool:
        return self.offset.with_suffix(".read").read_text() == str(seconds)


@pytest.mark.parametrize("service", ["sla", "notify"])
def test_clocks_that_step_by_minutes_lose_no_alarm_and_ring_none_twice(
    tmp_path: Path, service: str
) -> None:
    # Both processes of the service step: whichever does the work has stepped.
    own, other = Stepped(tmp_path / "own"), Stepped(tmp_path / "other")
    for one in (own, other):
        one.step(0)
    started = []

    def launch(name: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        if name == service:
            arguments = ["-c", own.program + AND_RUN.format(service=service)]
        with log.open("ab") as output:
            started.append(
                subprocess.Popen(
                    [sys.executable, *arguments],
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )
        return started[-1].pid

    with running_services(launcher=launch) as stack, members_of(stack) as members:
        asyncio.run(two_clocks_step(stack, members, service, own, other))
    for process in started:
        process.wait()


NEAR_SECONDS = 120
"""Less than the clocks step: what is due so near falls under a step, one way or the other."""


async def complain_an_hour_ago(estate: Estate) -> None:
    """Have important complaints whose hour (RM-4.5.2b) is over now, two minutes before or after."""
    for seconds in range(-NEAR_SECONDS, NEAR_SECONDS + 1, 30):
        came = datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=seconds)
        dated = {"occurred_at": came.isoformat()}
        said = {"project_id": PROJECTS[0], "kind": "complaint", "summary": "水管爆裂", **dated}
        case = (await estate.system.accepted("intake", "/v1/cases", said))["case_id"]
        important = {"validity": "valid", "severity": "important", **dated}
        classified = await estate.system.accepted("intake", f"/v1/cases/{case}/classify", important)
        estate.told.take(case, "intake.case_received.v1", *classified["facts"])
        estate.told.going_on.add(case)


async def two_clocks_step(
    stack: Stack, members: Members, service: str, own: Stepped, other: Stepped
) -> None:
    async with working(stack) as (system, tickets):
        await register(system)
        await system.quiet()
        estate = Estate(system, tickets)
        estate.skew = timedelta(minutes=10)
        second = await members.join(service, other.program)
        async with estate.under_load():
            await complain_an_hour_ago(estate)
            over = asyncio.get_running_loop().time() + NEAR_SECONDS
            for steps in ((300, -300), (-300, 300), (0, 0)):
                for one, seconds in zip((own, other), steps, strict=True):
                    one.step(seconds)

                async def have_stepped(steps: tuple[int, int] = steps) -> bool:
                    return own.has_read(steps[0]) and other.has_read(steps[1])

                await system.until(have_stepped, "a clock has not stepped")
                before = await system.count(service, "SELECT count(*) FROM events")

                async def goes_on(before: int = before) -> bool:
                    return await system.count(service, "SELECT count(*) FROM events") > before

                await system.until(goes_on, "nothing happens after the clocks have stepped")
            # What rang ahead of true time is due now too: it may not ring again.
            await asyncio.sleep(max(0.0, over - asyncio.get_running_loop().time()))
        near = """
            SELECT count(*) FROM events
             WHERE type = 'sla.clock_breached.v1' AND data->>'target' = 'important-to-manager'
        """
        assert await system.count("sla", near) == 2 * NEAR_SECONDS // 30 + 1
        backwards = """
            SELECT count(*) FROM events a JOIN events b
                ON b.stream_id = a.stream_id AND b.version = a.version + 1
             WHERE (b.meta->>'recorded')::timestamptz < (a.meta->>'recorded')::timestamptz
        """
        assert await system.count(service, backwards) == 0
        assert await second.end() == 0


MORNING = datetime(2026, 10, 12, 2, tzinfo=UTC)
"""Ten o'clock of a Monday in Shanghai."""
DUE = datetime(2026, 10, 14, 16, tzinfo=UTC)
"""Two days later at midnight."""


def test_a_service_that_was_down_escalates_nothing_that_was_handled_meanwhile() -> None:
    folder = Path(tempfile.mkdtemp(prefix="steward-down-"))
    state = State(folder / "state")
    try:
        # Nothing is mended here: what is ended stays away.
        with (
            running_stack(state, Console(stderr=True), clock="stepped") as stack,
            members_of(stack) as members,
        ):
            asyncio.run(two_hours_without_sla(stack, members))
        state.remove()
    finally:
        shutil.rmtree(folder)


async def two_hours_without_sla(stack: Stack, members: Members) -> None:
    clock = database_dsn(stack.endpoints.postgres, "steward_clock")
    driver = await SteppedDriver.connect(clock, MORNING)
    async with working(stack) as (system, _):
        await register(system)
        await driver.wait_drained()
        cases = [await minor_complaint(system, PROJECTS[number % 3]) for number in range(12)]
        await driver.wait_drained()
        await driver.step(DUE - timedelta(hours=1))
        await driver.wait_drained()
        stack.state.processes.end([system.process("sla")])
        handled = cases[::2]
        for number, case in enumerate(handled):
            await driver.step(DUE - timedelta(minutes=50 - number))
            done = {"corrective": "已更换", "preventive": "每月巡查"}
            await system.accepted("intake", f"/v1/cases/{case}/handle", done)
        await driver.step(DUE + timedelta(hours=1))
        await driver.wait_drained()
        await members.join("sla")
        await driver.wait_drained()
        late = "SELECT stream_id FROM events WHERE type = $1 AND data->>'target' = 'minor-resolve'"
        for type_ in ("sla.clock_breached.v1", "sla.escalated.v1"):
            found = {row["stream_id"] for row in await system.query("sla", late, type_)}
            assert found == {f"clocks-{case}" for case in cases if case not in handled}
        withdrawn = "SELECT count(*) FROM events WHERE type = 'sla.breach_withdrawn.v1'"
        assert await system.count("sla", withdrawn) == 0
    await driver.close()


MEGABYTE = 2**20
DISK_MEGABYTES = 700


@contextmanager
def small_disk(state: State) -> Iterator[Path]:
    """Put the database of a stack on a disk of its own, which is soon full."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    ROOTS_DATA.mkdir(parents=True, exist_ok=True)
    disk = Path(tempfile.mkdtemp(prefix="postgres-", dir=ROOTS_DATA))
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(disk)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        disk.rmdir()
        pytest.skip("this machine lets nobody mount a small disk")
    account = next(name for name in UNPRIVILEGED if _known(name))
    data = disk / "data"
    data.mkdir(mode=0o700)
    shutil.chown(disk, account)
    shutil.chown(data, account)
    state.claim()
    state.world(LIVE).mkdir(parents=True)
    (state.world(LIVE) / "postgres").symlink_to(data)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        disk.rmdir()


def _known(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing_half_written(
    tmp_path: Path,
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="steward-full-"))
    state = State(folder / "state")
    try:
        with small_disk(state) as disk:
            with running_stack(state, Console(stderr=True)) as stack, stack.mended():
                asyncio.run(full_disk(stack, disk))
            state.remove()
    finally:
        shutil.rmtree(folder)


async def full_disk(stack: Stack, disk: Path) -> None:
    async with working(stack) as (system, tickets):
        await register(system)
        await system.quiet()
        estate = Estate(system, tickets)
        # Log files are kept and used again: it is the tables that find no room.
        admin = await asyncpg.connect(stack.endpoints.postgres)
        for _ in range(6):
            await admin.execute(
                "SELECT pg_logical_emit_message(true, 'fill', repeat('x', 9000000))"
            )
            await admin.execute("SELECT pg_switch_wal()")
        await admin.execute("CHECKPOINT")
        await admin.close()
        numbers, chasing = itertools.count(), {"demand": "水管漏水" * 100}
        async with estate.under_load():
            case = next(iter(estate.told.facts))
            fill(disk / "filler")
            estate.killed.append(datetime.now(UTC))
            refused: list[str] = []

            async def is_refused() -> bool:
                key = f"full-{next(numbers)}"
                answer = await system.client.post(
                    estate.url("intake", f"/v1/cases/{case}/chase"),
                    json=chasing,
                    headers={"Idempotency-Key": key},
                )
                if answer.is_success:
                    estate.told.take(case, *answer.json()["facts"])
                    return False
                assert (answer.status_code, answer.headers["content-type"]) == (
                    503,
                    "application/problem+json",
                ), answer.text
                assert answer.json()["detail"].endswith("try again.")
                refused.append(key)
                return len(refused) == 5

            try:
                await system.until(is_refused, "a full disk refuses nothing")
            finally:
                (disk / "filler").unlink()
                estate.killed.append(datetime.now(UTC))
            await estate.grows("intake", "nothing is published since there is room again")
            for key in refused:
                path = f"/v1/cases/{case}/chase"
                answer = await system.accepted("intake", path, chasing, key)
                estate.told.take(case, *answer["facts"])


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with path.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)
