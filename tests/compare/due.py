"""What `steward policy due` answers beside what the live service shows, in three orders of arrival.

The facts go to sla as Kafka delivers them: messages of the topic, its own reaction, its transactions
in a real PostgreSQL, its lists. Only the broker is left out: who asks for more time is answered
at once, and that has its place between two facts of the same case, which a topic does not promise.
"""

import argparse
import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import asyncpg
import uvloop
from rich.console import Console
from tests.support.eventstore import StillClock, id_of, migrated
from tests.support.random_cases import ORDERS, Arrival, Happening, Order, RandomCase, random_cases
from tests.support.stack import database_dsn

from steward_decider import Command, Refused
from steward_events import intake
from steward_events.cloudevents import to_kafka
from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.vocabulary import Role
from steward_eventstore.execute import Alarms, Applied, Cause, Executor, Job, NotDone, To
from steward_eventstore.port import Parcel
from steward_eventstore.postgres import PostgresStore
from steward_eventstore.rows import data_of, meta_of
from steward_policy import packs
from steward_service.hearing import Hearing
from steward_service.partitions import partition_of
from steward_service.provision import make_tables
from steward_sla.adapters import read_models
from steward_sla.adapters.clock_lists import PostgresLists
from steward_sla.api import subscribers
from steward_sla.application.ports import Asked
from steward_sla.application.reactions import stream_of
from steward_sla.domain.clocks import (
    ApproveExtension,
    ClocksDecider,
    RefuseExtension,
    RequestExtension,
)
from steward_stack.door import progress_on
from steward_stack.state import State
from steward_stack.supervisor import running_stack

TOGETHER = 250
"""Cases that are told at the same time; their facts go into one transaction."""
TOPIC = "steward.intake"
PROJECT = "p1"
_PARTITIONS = 6
_FACTS: Mapping[str, type[Fact]] = {
    kind.wire_name.partition(".")[2]: kind
    for kind in vars(intake).values()
    if isinstance(kind, type) and issubclass(kind, Fact) and kind.wire_name
}

LEFT_OUT = frozenset({"round", "chase", "refusal"})
"""What intake counts, so that whoever tells a case need not; nor that a later class corrects."""

Clocks = Mapping[str, tuple[object, ...]]
"""By its name, what is said of a clock."""
_STATUS = 6


class Told(NamedTuple):
    """What the live service shows of a case, and when it turned down what it was asked."""

    clocks: Clocks
    refused: frozenset[datetime]


@dataclass(slots=True)
class Compared:
    """How many answers are equal; of each that is not, the line and both answers."""

    equal: int = 0
    different: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"equal {self.equal:,}, different {len(self.different):,}"


# ---- the live service ----


class Live:
    """The sla service on a database: its reactions, its decider, its lists."""

    def __init__(self, store: PostgresStore) -> None:
        rules = packs.built_in()
        self._policy = rules.version
        self._executor = Executor(
            store,
            StillClock(datetime(2028, 1, 1, tzinfo=UTC)),
            {"clocks": ClocksDecider({rules.version: rules}.__getitem__)},
            source="/steward/sla",
            partition_of=lambda key: partition_of(key, _PARTITIONS),
            project=read_models.project,
        )
        self._hearing = Hearing("sla", {TOPIC: subscribers.on_intake}, feeds=subscribers.feeds)
        self._lists = PostgresLists(store.pool)

    async def tell(self, cases: Sequence[RandomCase], order: Order) -> list[Told]:
        """Let the service hear these cases in this order, and ring until each case's `now`."""
        names = [f"{case.id}-{ORDERS.index(order)}" for case in cases]
        told = [case.arrivals(order) for case in cases]
        versions = [itertools.count(1) for _ in cases]
        refused: list[set[datetime]] = [set() for _ in cases]
        for step in range(max(map(len, told))):
            places = [place for place, arrivals in enumerate(told) if step < len(arrivals)]
            jobs = [self._job(names[place], told[place][step], versions[place]) for place in places]
            outcomes = await self._executor.execute_batch(jobs)
            for place, outcome in zip(places, outcomes, strict=True):
                happening = told[place][step].happening
                match outcome:
                    case Applied(facts) if happening.is_more_time and not _are_new(facts):
                        refused[place].add(happening.at)
                    case Applied():
                        pass
                    case NotDone(Refused()) if happening.is_more_time:
                        refused[place].add(happening.at)
                    case _:
                        raise AssertionError(f"{names[place]}: {happening} came to {outcome}.")
        await self._executor.execute_batch(
            [_alarms(name, case.now) for name, case in zip(names, cases, strict=True)]
        )
        return [
            Told(await self._clocks(name), frozenset(turned_down))
            for name, turned_down in zip(names, refused, strict=True)
        ]

    def _job(self, case_id: str, arrival: Arrival, versions: "itertools.count[int]") -> Job:
        happening = arrival.happening
        if happening.is_more_time:
            command = _command(happening)
            to = To(stream_of(case_id), PROJECT, command)
            id_ = id_of(f"{case_id}|{happening.name}|{happening.at}")
            return Job(Cause(id_, "http", known_at=arrival.known_at), lambda: [to])
        return self._hearing.own_job(self._message(case_id, arrival, next(versions)), "")

    def _message(self, case_id: str, arrival: Arrival, version: int) -> Parcel:
        """Give a fact as intake's relay publishes it."""
        happening = arrival.happening
        said: dict[str, Any] = {"case_id": case_id, **happening.fields}
        if happening.name == "case_received":
            said |= {"number": case_id, "project_id": PROJECT, "policy": self._policy}
        fact = _FACTS[happening.name](**said)
        recorded = Recorded(
            id=id_of(f"{case_id}|{version}"),
            type=fact.wire_type,
            stream=f"case-{case_id}",
            version=version,
            key=PROJECT,
            source="/steward/intake",
            occurred_at=happening.at,
            recorded_at=arrival.known_at,
            known_at=arrival.known_at,
            fact=fact,
        )
        key, headers, value = to_kafka(
            recorded.type, recorded.stream, version, data_of(recorded), meta_of(recorded)
        )
        return Parcel(TOPIC, key, tuple(headers), value)

    async def _clocks(self, case_id: str) -> Clocks:
        asked = Asked(case_id=case_id)
        rows = await self._lists.clocks(None, asked=asked, status=None, since=None, limit=1_000)
        return {
            row["clock"]: (
                row["target"],
                tuple(row["rule"].split()),
                row["basis"],
                row["started_at"],
                row["due_at"],
                row["provisional"],
                row["status"],
                row["met_at"],
                row["breached_at"],
                row["excused"],
            )
            for row in rows
        }


def _are_new(facts: Sequence[Recorded]) -> bool:
    """Whether more time was asked for or decided on: a repeat is answered with nothing."""
    return any(fact.type.startswith("sla.extension_") for fact in facts)


def _command(happening: Happening) -> Command:
    said = happening.fields
    match happening.name:
        case "extension_requested":
            until = datetime.fromisoformat(said["until"])
            return RequestExtension(
                happening.at, said["extension_id"], said["clock"], until, said["asked_by"]
            )
        case "extension_approved":
            role = Role(said["role"])
            return ApproveExtension(happening.at, said["extension_id"], said["approved_by"], role)
        case _:
            role = Role(said["role"])
            return RefuseExtension(happening.at, said["extension_id"], said["refused_by"], role)


def _alarms(case_id: str, until: datetime) -> Job:
    alarms = To(stream_of(case_id), PROJECT, Alarms(until, until))
    return Job(Cause(id_of(f"{case_id}|alarms"), "ticker", known_at=until), lambda: [alarms])


# ---- `steward policy due` ----


def line_of(case: RandomCase) -> dict[str, Any]:
    """Give a case as a person would tell it to the command: what intake counts may be left out."""
    chance = Random(f"{case.id}|line")
    facts = [
        {
            name: value
            for name, value in fact.items()
            if (name not in LEFT_OUT and value != "correction") or chance.random() < 0.5
        }
        for fact in map(_fact_of, case.story)
    ]
    return {"id": case.id, "now": case.now.isoformat(), "facts": facts}


def _fact_of(happening: Happening) -> dict[str, Any]:
    return {"type": happening.name, "time": happening.at.isoformat(), **happening.fields}


def lines_on_the_way(case: RandomCase, order: Order) -> list[dict[str, Any]]:
    """Give what was known of a case after each arrival, from its reception on."""
    arrivals = case.arrivals(order)
    facts = [_fact_of(arrival.happening) for arrival in arrivals]
    received = [fact["type"] for fact in facts].index("case_received")
    return [
        {"id": case.id, "now": arrivals[last].known_at.isoformat(), "facts": facts[: last + 1]}
        for last in range(received, len(facts))
    ]


def due_of(lines: Iterable[Mapping[str, Any]]) -> list[Clocks]:
    """Ask the command; raises AssertionError if it refuses a line."""
    run = subprocess.run(
        [sys.executable, "-m", "steward_stack.cli", "policy", "due"],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    refused = [answer for answer in answers if "error" in answer]
    assert not refused, refused[:3]
    return [{clock["clock"]: _said(clock) for clock in answer["clocks"]} for answer in answers]


def _said(clock: Mapping[str, Any]) -> tuple[object, ...]:
    def instant(key: str) -> datetime | None:
        return datetime.fromisoformat(clock[key]) if clock[key] else None

    return (
        clock["target"],
        tuple(clock["rule"]),
        clock["basis"],
        instant("started_at"),
        instant("approved_due") or instant("due"),
        clock["provisional"],
        clock["status"],
        instant("met_at"),
        instant("breached_at"),
        clock["excused"],
    )


# ---- side by side ----


async def compare(dsn: str, cases: Sequence[RandomCase]) -> Compared:
    """Tell the cases to the service on this empty database, in every order, and ask both."""
    await migrated(dsn)
    await make_tables(dsn, read_models.METADATA)
    store = await PostgresStore.connect(dsn)
    compared = Compared()
    try:
        service = Live(store)
        for start in range(0, len(cases), TOGETHER):
            together = cases[start : start + TOGETHER]
            told = {order: await service.tell(together, order) for order in ORDERS}
            first = told["as it happened"]
            lines = [line_of(case) for case in together]
            answers = await asyncio.to_thread(due_of, lines)
            taken_back = {
                order: await asyncio.to_thread(taken_back_of, together, order)
                for order in ORDERS
                if order != "as it happened"
            }
            for place, line in enumerate(lines):
                for order in ORDERS:
                    shown = told[order][place]
                    before = taken_back[order][place] if order in taken_back else {}
                    due = {**before, **answers[place]}
                    if shown == Told(due, first[place].refused):
                        compared.equal += 1
                    else:
                        compared.different.append(_difference(order, line, shown.clocks, due))
    finally:
        await store.close()
    return compared


def taken_back_of(cases: Sequence[RandomCase], order: Order) -> list[Clocks]:
    """Give the clocks that each case ever had by what was known of it, as of clocks taken back.

    What a late fact shows never to have applied was told all the same: it stays listed, cancelled.
    Heard in time, nothing is told that has to be taken back.
    """
    lines = [lines_on_the_way(case, order) for case in cases]
    answers = iter(due_of(itertools.chain(*lines)))
    return [
        {
            name: (*clock[:_STATUS], "cancelled", None, None, False)
            for clocks in itertools.islice(answers, len(on_the_way))
            for name, clock in clocks.items()
        }
        for on_the_way in lines
    ]


def _difference(order: Order, line: Mapping[str, Any], live: Clocks, due: Clocks) -> str:
    told = [f"{line['id']}, {order}:", json.dumps(line)]
    for clock in sorted(live.keys() | due.keys()):
        if live.get(clock) != due.get(clock):
            told += [f"  {clock}", f"    live {live.get(clock)}", f"    due  {due.get(clock)}"]
    return "\n".join(told)


def main() -> None:
    """Compare so many cases on a PostgreSQL of one's own."""
    parser = argparse.ArgumentParser(prog="compare-due", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    asked = parser.parse_args()
    os.environ["STEWARD_KAFKA"] = "none"  # nothing is sent, so no broker is started
    folder = Path(tempfile.mkdtemp(prefix="steward-compare-"))
    state = State(folder / "state")
    end = asked.first + asked.cases
    compared = Compared()
    try:
        with running_stack(state, Console(stderr=True), services=False) as stack:
            part = partial(_compare_part, stack.endpoints.postgres, end)
            with (
                progress_on(Console(stderr=True)) as progress,
                ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes,
            ):
                task = progress.add_task("Cases", total=asked.cases, now="")
                for found in processes.map(part, range(asked.first, end, TOGETHER)):
                    compared.equal += found.equal
                    compared.different += found.different
                    cases = (compared.equal + len(compared.different)) // len(ORDERS)
                    progress.update(task, completed=cases, now=str(compared))
    finally:
        state.remove()
        shutil.rmtree(folder)
    for difference in compared.different[:10]:
        print(difference, file=sys.stderr)
    print(f"{asked.cases:,} cases × {len(ORDERS)} orders: {compared}")
    sys.exit(bool(compared.different))


def _compare_part(admin: str, end: int, first: int) -> Compared:
    """Compare what is told together, on a database of its own."""
    cases = list(random_cases(min(TOGETHER, end - first), first))
    return uvloop.run(_on_a_database_of_its_own(admin, f"compared_{first}", cases))


async def _on_a_database_of_its_own(admin: str, name: str, cases: Sequence[RandomCase]) -> Compared:
    connection = await asyncpg.connect(admin)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        compared = await compare(database_dsn(admin, name), cases)
        await connection.execute(f"DROP DATABASE {name}")
    finally:
        await connection.close()
    return compared


if __name__ == "__main__":
    main()
