"""Plays a scenario on a running stack, by the stepped clock and through the services' own doors."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from zlib import crc32
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.progress import Progress

from steward_service.clocks import SteppedDriver
from steward_stack.door import Door, progress_on
from steward_stack.scenario import (
    Asked,
    Decided,
    Happened,
    Opened,
    Received,
    Scenario,
    Step,
    Ticketed,
    Visited,
)

INBOUND = "steward.inbound.tickets"
TOGETHER = timedelta(minutes=3)
"""What happens within this span is put in together; every input and alarm keeps its own time."""
LONGEST_STEP = timedelta(minutes=15)
JUST_AFTER = timedelta(milliseconds=1)
CALLING_HOURS = range(9, 20)
CALLED_EACH_HOUR = 12
"""Of a hundred owed follow-ups."""
DRAIN_SECONDS = 120.0


class Player:
    """The people and systems of a scenario: they register, come, act, call back and acknowledge.

    Who is called, and who is satisfied, is drawn from what the scenario calls the case, the rule
    and the hour: the same in every play, while the IDs of cases are made anew.
    """

    def __init__(
        self, door: Door, driver: SteppedDriver, producer: AIOKafkaProducer, console: Console
    ) -> None:
        self._door = door
        self._driver = driver
        self._producer = producer
        self._console = console
        self._cases: dict[str, str] = {}
        self._refs: dict[str, str] = {}
        self._extensions: dict[tuple[str, str], str] = {}
        self._visits: dict[str, str] = {}
        self._staff: dict[tuple[str, str], str] = {}
        self._called_at: datetime | None = None
        self._to_come: Counter[str] = Counter()
        """How much still happens to each case by the scenario."""

    async def play(self, scenario: Scenario) -> None:
        """Register, import the past, play what is live, import what came afterwards."""
        for line in scenario.registers:
            if line.get("type") == "role":
                self._staff[line["project_id"], line["role"]] = line["person_id"]
        with progress_on(self._console, self._driver.busy) as progress:
            await self._door.post_lines(progress, "Registers", "/v1/registers", scenario.registers)
            await self._driver.wait_drained(DRAIN_SECONDS)
            past = await self._door.post_lines(progress, "History", "/v1/imports", scenario.history)
            # Imported cases go on live.
            for line in past:
                if "case_id" in line:
                    self._remember(line["id"], line["case_id"])
            await self._driver.wait_drained(DRAIN_SECONDS)
            await self._live(progress, scenario)
            if scenario.closes_at is not None:
                # Intake takes nothing from the future: the clock goes first.
                await self._driver.step(scenario.closes_at)
                await self._driver.wait_drained(DRAIN_SECONDS)
                await self._door.post_lines(progress, "Later", "/v1/imports", scenario.afterwards)
            await self._driver.wait_drained(DRAIN_SECONDS)

    async def _live(self, progress: Progress, scenario: Scenario) -> None:
        zone = ZoneInfo(scenario.zone)
        steps = sorted(scenario.live, key=lambda step: step.at)
        self._to_come = Counter(step.ref for step in steps if isinstance(step, Happened))
        task = progress.add_task("Live", total=len(steps), now="")
        place = 0
        while self._driver.now() < scenario.ends:
            to = self._next_instant(steps, place, scenario.ends)
            await self._driver.step(to)
            await self._driver.wait_noticed(DRAIN_SECONDS)
            due = place
            while due < len(steps) and steps[due].at <= to:
                due += 1
            await self._put_in(steps[place:due])
            await self._driver.wait_drained(DRAIN_SECONDS)
            await self._call_owners(zone)
            progress.update(task, completed=due, now=f"{to.astimezone(zone):%m-%d %H:%M}")
            place = due

    def _next_instant(self, steps: Sequence[Step], place: int, end: datetime) -> datetime:
        """Go to a little after the next input or alarm, whichever is first, or on by a quarter."""
        now = self._driver.now()
        timer = self._driver.next_timer()
        coming = [step.at for step in steps[place : place + 1]]
        if timer is not None:
            coming.append(timer)
        to = min(now + LONGEST_STEP, end, *(at + TOGETHER for at in coming))
        return max(to, now + JUST_AFTER)

    async def _put_in(self, steps: Sequence[Step]) -> None:
        """Put in what happened together: each case's steps in order, the cases side by side."""
        by_case: dict[str, list[Step]] = defaultdict(list)
        for step in steps:
            by_case[step.key if isinstance(step, Ticketed) else step.ref].append(step)
        await asyncio.gather(*(self._in_order(case) for case in by_case.values()))

    async def _in_order(self, steps: Iterable[Step]) -> None:
        for step in steps:
            match step:
                case Received(at, ref, body):
                    said = {**body, "occurred_at": at.isoformat()}
                    if "visit_id" in body:
                        said["visit_id"] = self._visits.get(body["visit_id"])
                    answer = await self._door.post("intake", "/v1/cases", said, f"received-{ref}")
                    if answer.is_success:
                        self._remember(ref, answer.json()["case_id"])
                case Happened(at, ref, action, body):
                    self._to_come[ref] -= 1
                    said = {**body, "occurred_at": at.isoformat()}
                    key = f"{action}-{ref}-{at.isoformat()}"
                    if ref not in self._cases:
                        self._door.refuse(f"{action}: the case was not received.")
                        continue
                    path = f"/v1/cases/{self._cases[ref]}/{action}"
                    await self._door.post("intake", path, said, key)
                case Asked():
                    await self._ask(step)
                case Decided():
                    await self._decide(step)
                case Visited(at, ref, body):
                    said = {**body, "occurred_at": at.isoformat()}
                    answer = await self._door.post("visits", "/v1/visits", said, f"visit-{ref}")
                    if answer.is_success:
                        self._visits[ref] = answer.json()["visit_id"]
                case Opened(at, ref, body):
                    said = {**body, "occurred_at": at.isoformat()}
                    path = f"/v1/suggestion-boxes/{ref}/openings"
                    await self._door.post("intake", path, said, f"opened-{ref}-{at.isoformat()}")
                case Ticketed(_, key, event):
                    await self._producer.send_and_wait(
                        INBOUND,
                        json.dumps(event, ensure_ascii=False).encode(),
                        key=key.encode(),
                        headers=[("content-type", b"application/cloudevents+json")],
                    )
                    self._door.counts["ticket"] += 1

    async def _ask(self, step: Asked) -> None:
        clock = quote(step.clock, safe="")
        path = f"/v1/clocks/{self._cases[step.ref]}/{clock}/extension"
        said = {"until": step.until, "reason": step.reason, "asked_by": step.asked_by}
        answer = await self._door.post("sla", path, said, f"ask-{step.ref}-{step.clock}")
        if answer.is_success:
            self._extensions[step.ref, step.clock] = answer.json()["extension_id"]

    async def _decide(self, step: Decided) -> None:
        extension = self._extensions.get((step.ref, step.clock))
        if extension is None:
            self._door.refuse("decide: nobody asked for more time.")
            return
        path = f"/v1/extensions/{extension}/{'approve' if step.approved else 'refuse'}"
        said = {"person_id": step.person_id, "role": step.role}
        await self._door.post("sla", path, said, f"decide-{step.ref}-{step.clock}")

    def _remember(self, ref: str, case_id: str) -> None:
        self._cases[ref] = case_id
        self._refs[case_id] = ref

    async def _call_owners(self, zone: ZoneInfo) -> None:
        """Once an hour by day: make some of the follow-ups that are owed."""
        hour = self._driver.now().astimezone(zone).replace(minute=0, second=0, microsecond=0)
        if self._called_at == hour or hour.hour not in CALLING_HOURS:
            return
        self._called_at = hour
        since = ""
        while True:
            query = {"status": "owed", "limit": "500", **({"since": since} if since else {})}
            page = await self._door.get("visits", "/v1/followups", query)
            await asyncio.gather(*(self._call(row) for row in page["items"]))
            if not page["more"]:
                return
            since = page["next"]

    async def _call(self, row: dict[str, Any]) -> None:
        # A case of another system's is not among them, and its ID is the same in every play.
        ref = self._refs.get(row["case_id"], row["case_id"])
        owed = f"{ref}|{row['round']}|{' '.join(row['rule'])}"
        chance = crc32(f"{owed}|{self._called_at}".encode()) % 100
        if chance >= CALLED_EACH_HOUR:
            return
        followup = row["followup_id"]
        if chance == 0:
            waived = {"reason": "owner_unreachable"}
            await self._door.post("visits", f"/v1/followups/{followup}/waive", waived, followup)
            return
        # What is reopened would not go on as the scenario has it.
        satisfied = chance != 1 or self._to_come[ref] > 0
        done: dict[str, Any] = {"mode": row["mode"], "satisfied": satisfied}
        if row["roles"]:
            done["person_id"] = next(
                (
                    self._staff[row["project_id"], role]
                    for role in row["roles"]
                    if (row["project_id"], role) in self._staff
                ),
                None,
            )
        await self._door.post("visits", f"/v1/followups/{followup}/done", done, followup)
