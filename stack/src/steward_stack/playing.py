"""Plays a scenario on a running stack, by the stepped clock and through the services' own doors."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaProducer
from httpx2 import AsyncClient, Response, TransportError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from steward_service.clocks import SteppedDriver
from steward_stack.errors import StewardError
from steward_stack.scenario import Happened, Received, Scenario, Step, Ticketed

INBOUND = "steward.inbound.tickets"
REGISTERS_AT_ONCE = 500
RECORDS_AT_ONCE = 100
TOGETHER = timedelta(minutes=3)
"""What happens within this span is put in together; every input and alarm keeps its own time."""
LONGEST_STEP = timedelta(minutes=15)
JUST_AFTER = timedelta(milliseconds=1)
CALLING_HOURS = range(9, 20)
CALLED_EACH_HOUR = 12
"""Of a hundred owed follow-ups."""
DRAIN_SECONDS = 120.0
_TRIES = 20


class Player:
    """The people and systems of a scenario: they register, come, act, call back and acknowledge.

    `services` gives each service's address. Who is called, and who is satisfied, is drawn from the
    follow-up's ID and the hour, so that two plays are alike.
    """

    def __init__(
        self,
        services: dict[str, str],
        admin_key: str,
        driver: SteppedDriver,
        producer: AIOKafkaProducer,
        console: Console,
    ) -> None:
        self._services = services
        self._driver = driver
        self._producer = producer
        self._console = console
        self._client = AsyncClient(
            headers={"Authorization": f"Bearer {admin_key}"}, timeout=60, trust_env=False
        )
        self._cases: dict[str, str] = {}
        self._called_at: datetime | None = None
        self.counts: Counter[str] = Counter()
        self.refusals: list[str] = []

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def play(self, scenario: Scenario) -> None:
        """Register, import the past, play what is live, import what came afterwards."""
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            TextColumn("{task.fields[now]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        ) as progress:
            await self._post_all(progress, "Registers", "/v1/registers", scenario.registers)
            await self._driver.wait_drained(DRAIN_SECONDS)
            await self._post_all(progress, "History", "/v1/imports", scenario.history)
            await self._driver.wait_drained(DRAIN_SECONDS)
            await self._live(progress, scenario)
            if scenario.closes_at is not None:
                # Intake takes nothing from the future: the clock goes first.
                await self._driver.step(scenario.closes_at)
                await self._driver.wait_drained(DRAIN_SECONDS)
                await self._post_all(progress, "Later", "/v1/imports", scenario.afterwards)
            await self._driver.wait_drained(DRAIN_SECONDS)

    async def _post_all(
        self, progress: Progress, what: str, path: str, lines: Sequence[dict[str, Any]]
    ) -> None:
        task = progress.add_task(what, total=len(lines), now="")
        size = RECORDS_AT_ONCE if path == "/v1/imports" else REGISTERS_AT_ONCE
        for number, some in enumerate(_chunks(lines, size)):
            answer = await self._post("intake", path, some, f"{what}-{number}")
            for line in answer.json()["results"]:
                if "error" in line:
                    self._refused(f"{what}: {line['error']}")
                elif "case_id" in line:
                    self._cases[line["id"]] = line["case_id"]  # it may go on live
            progress.advance(task, len(some))

    async def _live(self, progress: Progress, scenario: Scenario) -> None:
        zone = ZoneInfo(scenario.zone)
        steps = sorted(scenario.live, key=lambda step: step.at)
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
            progress.update(task, completed=due, now=f"{to:%m-%d %H:%M}")
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
                    answer = await self._post("intake", "/v1/cases", said, f"received-{ref}")
                    if answer.is_success:
                        self._cases[ref] = answer.json()["case_id"]
                case Happened(at, ref, action, body):
                    said = {**body, "occurred_at": at.isoformat()}
                    key = f"{action}-{ref}-{at.isoformat()}"
                    if ref in self._cases:
                        path = f"/v1/cases/{self._cases[ref]}/{action}"
                        await self._post("intake", path, said, key)
                case Ticketed(_, key, event):
                    await self._producer.send_and_wait(
                        INBOUND,
                        json.dumps(event, ensure_ascii=False).encode(),
                        key=key.encode(),
                        headers=[("content-type", b"application/cloudevents+json")],
                    )
                    self.counts["ticket"] += 1

    async def _call_owners(self, zone: ZoneInfo) -> None:
        """Once an hour by day: make some of the follow-ups that are owed."""
        hour = self._driver.now().astimezone(zone).replace(minute=0, second=0, microsecond=0)
        if self._called_at == hour or hour.hour not in CALLING_HOURS:
            return
        self._called_at = hour
        address = f"{self._services['visits']}/v1/followups"
        since = ""
        while True:
            query = {"status": "owed", "limit": "500", **({"since": since} if since else {})}
            page = (await self._client.get(address, params=query)).json()
            await asyncio.gather(*(self._call(row) for row in page["items"]))
            if len(page["items"]) < 500:
                return
            since = page["next"]

    async def _call(self, row: dict[str, Any]) -> None:
        chance = crc32(f"{row['followup_id']}|{self._called_at}".encode()) % 100
        if chance >= CALLED_EACH_HOUR:
            return
        followup = row["followup_id"]
        if chance == 0:
            waived = {"reason": "owner_unreachable"}
            await self._post("visits", f"/v1/followups/{followup}/waive", waived, followup)
            return
        done = {"mode": row["mode"], "satisfied": chance != 1}
        await self._post("visits", f"/v1/followups/{followup}/done", done, followup)

    async def _post(self, service: str, path: str, body: object, key: str) -> Response:
        """Post until it is answered; a refusal is counted and told, never lost."""
        self.counts["request"] += 1
        for tried in range(_TRIES):
            try:
                answer = await self._client.post(
                    self._services[service] + path, json=body, headers={"Idempotency-Key": key}
                )
            except TransportError:
                await asyncio.sleep(0.05 * 2 ** min(tried, 6))
                continue
            if answer.status_code == 503:
                await asyncio.sleep(0.05 * 2 ** min(tried, 6))
                continue
            if answer.status_code >= 500:
                raise StewardError(f"{service} failed at {path}: {answer.text[:300]}")
            if not answer.is_success:
                self._refused(f"{path.rpartition('/')[2]}: {answer.json().get('detail', '')}")
            return answer
        raise StewardError(f"{service} does not answer at {path}.")

    def _refused(self, sentence: str) -> None:
        self.counts["refused"] += 1
        self.refusals.append(sentence)


def _chunks(lines: Sequence[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    return (list(lines[at : at + size]) for at in range(0, len(lines), size))
