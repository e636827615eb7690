"""The whole of Steward on a stack of its own, by the commands that a person types.

A real ticket log is imported and simulated, once in a run; `--load` keeps all services busy and
watches their memory.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import psutil
from aiokafka import AIOKafkaProducer
from tests.bench.frame import Bench, Line, NotMeasuredError, once

from steward_stack.door import Door
from steward_stack.example.fortnight import PROJECTS
from steward_stack.state import State
from steward_stack.supervisor import SERVICES, endpoints_of

LOG = Path("uci_servicenow_incident_log/incident_event_log.csv.gz")
ROWS = 141_712
WATCH_SECONDS = 1.0
TICKETS_A_SECOND = 10
"""Each is opened, and handled a minute later."""
HANDLED_AFTER = 60 * TICKETS_A_SECOND


async def steward(*arguments: str, state: Path) -> str:
    """Run one of Steward's commands as a person does; gives what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "steward_stack.cli", *arguments, "--state", str(state),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said, told = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    assert process.returncode == 0, told.decode()
    return said.decode()


Memory = dict[str, list[float]]
"""By service, MB resident, every second."""


@asynccontextmanager
async def stack() -> AsyncIterator[tuple[Path, Memory]]:
    """Have a stack of its own up, and watch what memory its services take."""
    with tempfile.TemporaryDirectory(prefix="steward-bench-") as folder:
        state, memory = Path(folder) / "state", {name: list[float]() for name in SERVICES}
        try:
            await steward("up", "--detach", state=state)
            watching = asyncio.ensure_future(_watch(state, memory))
            try:
                yield state, memory
            finally:
                watching.cancel()
        finally:
            await steward("down", "--wipe", state=state)


async def _watch(state: Path, memory: Memory) -> None:
    pids = {each.name: each.pid for each in State(state).processes.recorded()}
    while True:
        for name, seen in memory.items():
            seen.append(psutil.Process(pids[name]).memory_info().rss / 1e6)
        await asyncio.sleep(WATCH_SECONDS)


@once
async def imported(bench: Bench) -> Mapping[str, float]:
    """Import the ticket log and simulate what was imported."""
    log = Path(os.environ.get("STEWARD_DATA", "")) / LOG
    if not log.is_file():
        raise NotMeasuredError(f"STEWARD_DATA names no folder with {LOG}.")
    async with stack() as (state, memory):
        begin = monotonic()
        summary: dict[str, Any] = json.loads(
            await steward("import", "servicenow", str(log), "--json", state=state)
        )
        took, largest = monotonic() - begin, max(map(max, memory.values()))
        assert (summary["rows_read"], summary["unheard"], summary["refused"]) == (ROWS, 0, []), (
            summary
        )
        begin = monotonic()
        walked = json.loads(await steward("simulate", "--json", state=state))
        simulated = monotonic() - begin
    assert walked["cases"] == summary["cases"], "Not every case was walked."
    each = {f"import.{name}": max(seen) for name, seen in memory.items()}
    return {"import": took, "import.memory": largest, "import.simulate": simulated, **each}


@once
async def loaded(bench: Bench) -> Mapping[str, float]:
    """Let tickets come for `bench.load` seconds; gives how much the worst service has grown.

    From the second fifth of the time, when all that is kept in memory is there, to the last.
    """
    if not bench.load:
        raise NotMeasuredError("Asked for by --load 3600: an hour of load.")
    async with stack() as (state, memory):
        await steward("import", "example", "--json", state=state)
        endpoints = endpoints_of(State(state))
        assert endpoints is not None
        for seen in memory.values():
            seen.clear()
        sent = await _send_tickets(endpoints.kafka, bench.load)
        fifths = {name: len(seen) // 5 for name, seen in memory.items()}
        growth = {
            f"load.{name}": median(seen[-fifths[name] :])
            / median(seen[fifths[name] : 2 * fifths[name]])
            for name, seen in memory.items()
        }
        door = Door(endpoints.services, State(state).settings(()).admin_key)
        said, until = await door.get("audit", "/v1/facts", {}), monotonic() + bench.load + 60
        while said["unpublished"] + said["unhandled"]:
            assert monotonic() < until, "The services do not keep up with the load."
            await asyncio.sleep(1)
            said = await door.get("audit", "/v1/facts", {})
        await door.close()
        told = await steward("parked", "list", "--json", state=state)
    assert said["facts"]["intake.case_received.v1"] >= sent, "Some tickets became no case."
    assert json.loads(told) == [], told
    largest = max(map(max, memory.values()))
    return {"load": max(growth.values()), "load.memory": largest, **growth}


async def _send_tickets(kafka: str, seconds: float) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    begin, tickets = monotonic(), round(TICKETS_A_SECOND * seconds)
    for number in range(tickets):
        await asyncio.sleep(max(0.0, begin + number / TICKETS_A_SECOND - monotonic()))
        await producer.send("steward.inbound.tickets", **_ticket(number, "opened"))
        if number >= HANDLED_AFTER:
            before = number - HANDLED_AFTER
            await producer.send("steward.inbound.tickets", **_ticket(before, "handled"))
    await producer.stop()
    return tickets


def _ticket(number: int, what: str) -> dict[str, Any]:
    """Give key, value and headers of one event of a ticket."""
    project = list(PROJECTS)[number % len(PROJECTS)]
    data: dict[str, Any] = {"project_id": project, "sequence": 1 if what == "opened" else 2}
    if what == "opened":
        data |= {
            "kind": "complaint",
            "severity": "minor",
            "validity": "valid",
            "channel": "app",
            "summary": "The gate squeaks. " * 10,
        }
    event = {
        "specversion": "1.0",
        "id": f"{number}-{what}",
        "type": f"ticket.{what}.v1",
        "source": "urn:bench",
        "subject": f"T-{number}",
        "time": datetime.now(UTC).isoformat(),
        "data": data,
    }
    return {
        "key": project.encode(),
        "value": json.dumps(event).encode(),
        "headers": [("content-type", b"application/cloudevents+json")],
    }


MEASURES = {"import": imported, "load": loaded}
LINES = [
    Line("import of the ticket log", "import", "s", 300, at_most=True),
    Line("import (the largest service)", "import.memory", "MB", 250, at_most=True),
    Line("simulate the imported year", "import.simulate", "s", 60, at_most=True),
    Line("load (growth of the worst service)", "load", "×", 1.1, at_most=True),
    Line("load (the largest service)", "load.memory", "MB", None),
]
