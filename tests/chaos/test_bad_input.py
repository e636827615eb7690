"""Bad input at every door, a hundred thousand times, with good messages between it.

HTTP by each service's own description, as raw bytes and malformed, the doors that are not described,
every topic that somebody listens to, and the decoders in process. Half of it names what exists, so
that what stands in it is judged behind the door; what it names no good message needs. An input
counts once it was answered. No answer above 499, none without an answer, no process that died, no
partition stuck, nothing good lost, and nothing of what people said in a log, in the reason why
something waits, or readable in a line.

`STEWARD_BAD_INPUTS=3000` is enough to see that it runs.
"""

import asyncio
import contextlib
import importlib.util
import json
import os
import random
import re
import string
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import schemathesis
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from httpx2 import (
    InvalidURL,
    LocalProtocolError,
    Response,
    TransportError,
    UnsupportedProtocol,
)
from hypothesis import HealthCheck, Phase, given, seed, settings
from pydantic_core import from_json
from schemathesis import GenerationMode
from tests.chaos.doors import undescribed
from tests.support.clear_text import Searched, records
from tests.support.last_words import LastWords
from tests.support.receipts import RECEIPT
from tests.support.strange import send_strange
from tests.support.system import SOURCE, System, entered, running_services, ticket_message
from uuid_utils.compat import uuid7

from steward_events.tickets import INBOUND_TICKETS
from steward_events.vocabulary import External
from steward_intake.application.desk import external_case_id
from steward_stack.processes import Process
from steward_stack.supervisor import RECEIPTS_PATH, Stack

INPUTS = int(os.environ.get("STEWARD_BAD_INPUTS", "100000"))
SEED = int(os.environ.get("STEWARD_SEED", "7"))
SHARES = {
    "described": 0.13,
    "receipts": 0.02,
    "raw": 0.04,
    "malformed": 0.01,
    "kafka": 0.4,
    "decoders": 0.4,
}
PROJECTS = tuple(f"bad-{n}" for n in range(12))
NAMED_PROJECTS = tuple(f"named-{n}" for n in range(3))
"""What bad input names is theirs, so that no good message is lost by it."""
PEOPLE = ("head", "successor", "author", "complained_of")
SAME: Mapping[str, str] = {
    "digest": "sha256",
    "incident_id": "incident",
    **dict.fromkeys(("case", "cases", "case_ids", "into", "to_case", "rework_of"), "case_id"),
    **dict.fromkeys(("projects", "to_project"), "project_id"),
    **dict.fromkeys(PEOPLE, "person_id"),
}
"""What other fields name by the IDs of which."""
CLEAR = ("topic", "ground", "complained_of", "place", "asset", "outside_party", "department", "title",
         "cause", "reason", "link", "name", "buildings")  # fmt: skip
"""Fields that nobody seals."""
SECRETS = ("业主赵秀英住在七号楼", "13700007777", "zhao.xiuying@example.cn")
FORGED = "业主钱桂兰住在九号楼"
"""Stands in clear where Steward's own facts are forged: it may wait there, and is told nowhere."""
TOPICS = (INBOUND_TICKETS, "steward.intake", "steward.sla", "steward.visits", "steward.notify",
          "steward.keys")  # fmt: skip
OWNERS_TOPICS = TOPICS[1:5]
GROUPS = {
    "steward.intake": (INBOUND_TICKETS, "steward.visits", "steward.sla", "steward.notify"),
    "steward.sla": ("steward.intake",),
    "steward.visits": ("steward.intake",),
    "steward.notify": ("steward.intake", "steward.sla", "steward.visits"),
    "steward.audit": OWNERS_TOPICS,
    "steward-intake-keys-store": ("steward.keys",),
    "steward-notify-keys-store": ("steward.keys",),
}
"""Who listens to which topics."""
NAMING = 0.5
"""Of what is bad names what exists."""
EACH_GOOD = 100
"""Bad messages on Kafka between two good ones of a project."""
AT_ONCE = 8
NAMED = 5
"""Things of a kind that are named at the end."""
TORN_SECONDS = 1.0
"""Whoever gets no answer by then says that nothing more comes: a torn request is waited for."""
ANSWER_SECONDS = 120.0
SAID_EACH = 5_000
SECONDS = float(os.environ.get("STEWARD_PATIENCE", "600"))
# Told as they should be, they would change what all others are decided by, or destroy keys.
_NOT_MUTATED = ("registry.policy_published", "registry.subject_erased")


@dataclass
class Tally:
    """What was put in, and what must not come of it."""

    inputs: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    closed: int = 0
    """Malformed requests that a service which is well closed the connection on."""
    searched: int = 0
    """Bytes of logs, reasons and lines in which what people said was looked for."""
    above_499: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Say it in one line."""
        return (
            f"inputs {self.inputs.total()}, unanswered {len(self.unanswered)}"
            f", died {len(self.died)}, 5xx {len(self.above_499)}, stuck {len(self.stuck)}"
            f", lost {len(self.lost)}, personal data in logs {len(self.told)}"
        )

    def wrong(self, most: int | None = None) -> list[str]:
        """Give what must not be, at most so many of a kind."""
        kinds = ("unanswered", "died", "above_499", "stuck", "lost", "told")
        return [f"{kind}: {one}" for kind in kinds for one in getattr(self, kind)[:most]]


@dataclass
class Bombardment:
    """Bad input for one system."""

    system: System
    luck: random.Random
    tally: Tally = field(default_factory=Tally)
    good: list[str] = field(default_factory=list)
    samples: dict[str, list["ConsumerRecord[bytes, bytes]"]] = field(default_factory=dict)
    known: dict[str, list[str]] = field(default_factory=dict)
    """What exists, by the names of the fields that name it."""
    versions: dict[bytes, int] = field(default_factory=dict)
    """The last version of each stream of which there are samples, or that was forged."""

    # What may be named.

    async def set_up(self) -> None:
        """Make what may be named: people, households, and cases in several states."""
        group, staff = "named-group", ("named-wang", "named-li", "named-zhao")
        roles = ("cs_supervisor", "centre_manager", "engineering_supervisor")
        in_project = [
            line
            for n, project in enumerate(NAMED_PROJECTS)
            for line in (
                {"type": "project", "project_id": project, "group_id": group, "name": project},
                {"type": "household", "household_id": f"named-h{n}", "project_id": project},
                *(
                    {"type": "role", "project_id": project, "role": role, "person_id": person}
                    for role, person in zip(roles, staff, strict=True)
                ),
            )
        ]
        people = [{"type": "staff", "person_id": name, "group_id": group} for name in staff]
        group_line = {"type": "group", "group_id": group, "name": "点名集团"}
        lines = [group_line, *people, *in_project]
        lines.sort(key=lambda line: line["type"] == "role")
        await self.system.register(*lines)
        await self.system.quiet()
        for n, project in enumerate(NAMED_PROJECTS * 4):
            subject = f"named-{uuid7()}"
            household = f"named-h{n % len(NAMED_PROJECTS)}"
            said = {**ticket(project), "household_id": household, "assignee": staff[0]}
            for what in (("opened",), ("opened", "handled"), ("opened", "closed"))[n % 3]:
                await self.system.ticket(what, subject, said)
        await self.system.quiet()
        await self._gather()
        for n, project in enumerate(NAMED_PROJECTS):
            incident = {"project_id": project, "title": "停水", "cause": "水泵"}
            await self.system.accepted("intake", "/v1/incidents", incident)
            visit = {"household_id": f"named-h{n}", "person_id": staff[n], "mode": "on_site"}
            await self.system.accepted("visits", "/v1/visits", visit)
        until = (datetime.now(UTC) + timedelta(days=9)).isoformat()
        wanted = {"until": until, "reason": "等配件", "asked_by": staff[0]}
        for clock in (await self.system.get("sla", "/v1/clocks", limit="20"))["items"]:
            path = f"/v1/clocks/{clock['case_id']}/{clock['clock']}/extension"
            await self.system.post("sla", path, wanted)  # some may no longer have one
        await self.system.quiet()
        await self._gather()

    async def _gather(self) -> None:
        """Learn from all lists what exists."""
        found: dict[str, set[str]] = {}
        for address in self.system.stack.endpoints.services.values():
            for path, methods in (await self._paths(address)).items():
                if "GET" not in methods or "{" in path:
                    continue
                answer = await self.system.client.get(f"{address}{path}")
                waiting = [answer.json()] if answer.is_success else []
                while waiting:
                    match waiting.pop():
                        case dict() as entries:
                            waiting += entries.values()
                            for name, value in entries.items():
                                if isinstance(value, str) and 0 < len(value) <= 120:
                                    found.setdefault(name, set()).add(value)
                        case list() as entries:
                            waiting += entries
        self.known = {
            name: sorted(values)
            for name, values in found.items()
            if name.endswith("_id") or name in {"clock", "version", "policy", "incident", "sha256"}
        }

    def _existing(self, name: str) -> str | None:
        """Give something that exists and could stand in a field, or nothing."""
        same = "person_id" if name.endswith("_by") else SAME.get(name, name)
        known = self.known.get(same, ())
        return self.luck.choice(known) if known else None

    def _naming(self, said: Any) -> Any:
        """Let what is said name what exists, where it has names for it."""
        if not isinstance(said, dict):
            return said
        existing = {name: self._existing(name) for name in said}
        return {name: existing[name] or value for name, value in said.items()}

    # Over HTTP.

    async def described(self, inputs: int) -> None:
        """Send what each service's own description forbids, and some of what it allows."""
        operations = [
            (address, operation)
            for address in self.system.stack.endpoints.services.values()
            for operation in await self._operations(address)
        ]
        each, more = divmod(inputs, len(operations))
        for n, (address, operation) in enumerate(operations):
            count = max(1, each + (n < more))
            cases = await asyncio.to_thread(drawn, operation, count, self.luck.randrange(2**32))
            await self._send_all([self._request(address, case) for case in cases], "described")

    async def _operations(self, address: str) -> list[Any]:
        description = (await self.system.client.get(f"{address}/v1/openapi.json")).json()
        found: Any = schemathesis.openapi.from_dict(description).get_all_operations()
        operations = [each.ok() for each in found]
        return [operation for operation in operations if "/health/" not in operation.path]

    def _request(self, address: str, case: Any) -> dict[str, Any]:
        if self.luck.random() < NAMING:
            for part in ("path_parameters", "query", "body"):
                if isinstance(getattr(case, part), dict):
                    setattr(case, part, self._naming(getattr(case, part)))
        said = case.as_transport_kwargs(base_url=address)
        content = said.get("data")
        if "json" in said:
            content = json.dumps(self._with_secret(said["json"])).encode()
        if not isinstance(content, bytes | str | type(None)):
            content = repr(content).encode()
        return {
            "method": said["method"],
            "url": said["url"],
            "params": said.get("params"),
            "content": content,
            "headers": {**self._let_in(said["headers"]), "Idempotency-Key": str(uuid7())},
        }

    def _let_in(self, headers: dict[str, str]) -> dict[str, str]:
        """Mostly leave out keys that open nothing: what is behind the door is to be tried."""
        some = self.luck.random() < 0.1
        return {n: v for n, v in headers.items() if some or n.lower() != "authorization"}

    def _with_secret(self, said: Any) -> Any:
        # IDs and some words stand in clear, and must not be names (docs/personal-data.md).
        in_clear = {*CLEAR, *SAME}
        names = [
            name
            for name in (said if isinstance(said, dict) else ())
            if not name.endswith(("_id", "_by")) and name not in in_clear
        ]
        if not names:
            return said
        return {**said, self.luck.choice(names): self.luck.choice(SECRETS)}

    async def raw(self, inputs: int) -> None:
        """Send bytes to every path by every method."""
        await self._send_all([request async for request in self._raw(inputs)], "raw")

    async def malformed(self, inputs: int) -> None:
        """Send what is no HTTP, or no whole request."""
        requests = [request async for request in self._raw(inputs)]
        await self._send_all([{**request, "torn": torn} for request in requests], "malformed")

    async def _raw(self, inputs: int) -> AsyncIterator[dict[str, Any]]:
        stack = self.system.stack
        doors = [
            (f"{address}{path}", method)
            for name, address in stack.endpoints.services.items()
            for path, method in [
                *(
                    (path, method)
                    for path, methods in (await self._paths(address)).items()
                    for method in methods
                ),
                *((path, method) for method, path in undescribed(name, stack.environment(name))),
            ]
        ]
        for n in range(inputs):
            url, method = doors[n % len(doors)]
            for name in string.Formatter().parse(url):
                if name[1]:
                    existing = self._existing(name[1]) if self.luck.random() < NAMING else None
                    url = url.replace(f"{{{name[1]}}}", quote(existing or self._bytes(12), safe=""))
            kinds = ("application/json", "text/csv", "multipart/form-data; boundary=x", "\tnone")
            headers = {
                "Content-Type": self.luck.choice(kinds),
                "Idempotency-Key": self.luck.choice(
                    (str(uuid7()), "x" * 5_000, "长".encode().hex())
                ),
            }
            content = self._bytes(self.luck.choice((0, 9, 200, 5_000)))
            yield {"method": method, "url": url, "content": content, "headers": headers}

    async def receipts(self, inputs: int) -> None:
        """Tell receipts of texts, most of them by the address that only the provider knows."""
        address = self.system.stack.endpoints.services["notify"] + RECEIPTS_PATH
        await self._send_all([self._receipts(address) for _ in range(inputs)], "receipts")

    def _receipts(self, address: str) -> dict[str, Any]:
        told = []
        for _ in range(self.luck.randint(1, 4)):
            line: dict[str, Any] = {**RECEIPT, "phone_number": SECRETS[1], "out_id": "x"}
            if self.luck.random() < NAMING:
                line["out_id"] = self._existing("message_id") or "x"
            for name in self.luck.sample(list(line), self.luck.choice((0, 0, 0, 1, 2))):
                line[name] = self.luck.choice(
                    (None, 10**30, [], {}, "", "x" * 201, "\0", "9" * 5_000, *SECRETS)
                )
            told.append(line)
        content = json.dumps(told).encode()
        if self.luck.random() < 0.1:
            content = content[: self.luck.randrange(len(content))]
        right = self.luck.random() < 0.9
        token = self.system.stack.settings.receipts_token if right else "guessed"
        headers = {"Content-Type": "application/json"}
        return {
            "method": "POST", "url": f"{address}/{token}", "content": content, "headers": headers,
        }  # fmt: skip

    async def _paths(self, address: str) -> dict[str, list[str]]:
        description = (await self.system.client.get(f"{address}/v1/openapi.json")).json()
        return {
            path: [method.upper() for method in methods]
            for path, methods in description["paths"].items()
            if "/health/" not in path
        }

    async def _send_all(self, requests: Sequence[dict[str, Any]], kind: str) -> None:
        left = iter(requests)

        async def send() -> None:
            for request in left:
                await self._send(request, kind)

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))

    async def _send(self, request: dict[str, Any], kind: str) -> None:
        where = f"{request['method']} {urlsplit(request['url']).path[:80]}"
        try:
            status, text = await self._answer(request)
        except (TransportError, OSError) as error:
            self.tally.unanswered.append(f"{where}: {error!r}")
            return
        self._count(kind)
        if status is None:
            self.tally.closed += 1
            return
        self.tally.answers[status] += 1
        if status >= 500:
            self.tally.above_499.append(f"{where}: {status} {text[:200]}")

    async def _answer(self, request: dict[str, Any]) -> tuple[int | None, str]:
        """Give status and text; None where a connection was rightly closed without them."""
        if torn := request.get("torn"):
            return await self._by_hand(request["url"], torn(self.luck, written(request)))
        try:
            answer: Response = await self.system.client.request(**request)
        except (LocalProtocolError, UnsupportedProtocol, InvalidURL, ValueError):
            # No HTTP client says this.
            return await self._by_hand(request["url"], written(request))
        return answer.status_code, answer.text

    async def _by_hand(self, url: str, content: bytes) -> tuple[int | None, str]:
        """Write bytes to a connection of their own.

        Raises OSError where they are refused, or where nothing comes of them in time, or where the
        service is not well after it closed the connection.
        """
        address = urlsplit(url)
        async with asyncio.timeout(ANSWER_SECONDS):
            said = await exchanged(address.hostname or "", address.port or 80, content)
        if said:
            status = re.match(rb"HTTP/1\.[01] (\d{3}) ", said)
            if status is None:
                raise OSError(f"This is no answer: {said[:80]!r}")
            return int(status[1]), said.decode(errors="replace")
        live = f"{address.scheme}://{address.netloc}/health/live"
        well = await self.system.client.get(live)
        if well.status_code != 200:
            raise OSError(f"It closed the connection and is not well: {well.status_code}")
        return None, ""

    # On Kafka.

    async def kafka(self, inputs: int) -> None:
        """Put bad messages on every topic that somebody listens to, good tickets between them."""
        under_way = []
        for n in range(inputs):
            key, headers, value = self._bad(topic := self.luck.choice(TOPICS))
            under_way.append(
                await self.system.producer.send(topic, value, key=key, headers=headers)
            )
            if n % EACH_GOOD == 0:
                await self.good_ticket(PROJECTS[n // EACH_GOOD % len(PROJECTS)])
            if n % 500 == 499 or n == inputs - 1:
                self._count("kafka", len(await asyncio.gather(*under_way)))
                under_way = []
                strange = [(self._bytes(9), [(self._bytes(3), None)]) for _ in range(3)]
                kafka = self.system.stack.endpoints.kafka
                await send_strange(kafka, self.luck.choice(TOPICS), 0, *strange)
                self._count("kafka", len(strange))
        for project in PROJECTS:  # behind all that is bad
            await self.good_ticket(project)
        await self.system.producer.flush()

    async def take_samples(self) -> None:
        """Take facts to be forged, before anything bad was said: nothing stands in clear in them."""
        for topic in TOPICS[1:]:
            found = [record async for record in records(self.system, topic)]
            names = [dict(record.headers).get("ce_type", b"").decode() for record in found]
            self.samples[topic] = [
                record
                for record, name in zip(found, names, strict=True)
                if not name.startswith(_NOT_MUTATED)
            ][:300]
            for record in self.samples[topic]:
                said = dict(record.headers)
                stream, version = said.get("ce_subject", b""), int(said.get("ce_sequence", b"0"))
                self.versions[stream] = max(version, self.versions.get(stream, 0))

    async def good_ticket(self, project: str) -> None:
        """Say something that has to have its effects."""
        subject = f"good-{uuid7()}"
        message = ticket_message("opened", subject, ticket(project))
        await self.system.producer.send(**message)
        self.good.append(external_case_id(External(source=SOURCE, subject=subject)))

    def _bad(self, topic: str) -> tuple[bytes | None, "Headers", bytes | None]:
        samples = self.samples.get(topic, ())
        if (not samples and topic != INBOUND_TICKETS) or self.luck.random() < 0.2:
            names = ("ce_id", "ce_type", "ce_subject", "content-type", "x", "a\0b")
            headers: Headers = [(self.luck.choice(names), self._bytes(20)) for _ in range(3)]
            if self.luck.random() < 0.1:
                headers.append((self.luck.choice(("ce_type", "a\0b")), None))
            secrets = SECRETS if topic == INBOUND_TICKETS else (FORGED,)
            return self._bytes(9), headers, self._bytes(self.luck.choice((0, 20, 2_000)), secrets)
        if topic == INBOUND_TICKETS:
            what = self.luck.choice(("opened", "changed", "told", "closed", "sung"))
            message = ticket_message(what, "x", ticket(self.luck.choice(PROJECTS)))
            key, headers, value = message["key"], message["headers"], message["value"]
        else:
            record = self.luck.choice(samples)
            key, value = record.key or b"", record.value or b""
            headers = list(record.headers)
        # Never in a good stream: what is bad for it makes it wait, as it should.
        name = f"bad-{uuid7()}".encode()
        fresh = {"ce_id": str(uuid7()).encode()}
        stream = dict(headers).get("ce_subject", b"")
        if stream in self.versions and self.luck.random() < NAMING:
            self.versions[stream] += 1
            fresh["ce_sequence"] = str(self.versions[stream]).encode()
        else:
            fresh |= {"ce_subject": b"case-" + name, "ce_sequence": b"1"}
            value = _of_case(name.decode(), value)  # nobody has heard of it: what is said counts
        headers = [(n, fresh.get(n, v)) for n, v in headers]
        if topic == "steward.keys":
            key = b"person-" + name
        for _ in range(self.luck.randint(1, 2)):
            key, headers, value = self.luck.choice(_MUTATIONS)(self.luck, key, headers, value)
        return key, headers, value

    def _bytes(self, length: int, secrets: Sequence[str] = SECRETS) -> bytes:
        made = self.luck.randbytes(length)
        secret = self.luck.choice(secrets).encode()
        return made + secret + made if length > 100 else made

    # In process.

    async def decoders(self, inputs: int) -> None:
        """Have the decoders fed; the program says how often it did."""
        command = [sys.executable, "-m", "tests.chaos.decoders", str(inputs), str(SEED)]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode(errors="replace")[-4_000:]
        fed = re.findall(rb"^inputs (\d+)$", said, re.MULTILINE)
        assert fed, f"The decoders were not fed: {said[-400:]!r}"
        self._count("decoders", int(fed[-1]))

    def _count(self, kind: str, inputs: int = 1) -> None:
        before = self.tally.inputs.total() // SAID_EACH
        self.tally.inputs[kind] += inputs
        if (now := self.tally.inputs.total() // SAID_EACH) > before:
            print(f"{now * SAID_EACH:>9,} of {INPUTS:,} bad inputs", file=sys.stderr)

    # What came of it.

    async def judge(self) -> Tally:
        """Wait until all was handled, then look for what must not be."""
        await self._caught_up()
        await self._all_good_had_effect()
        searched, lines = Searched([*SECRETS, FORGED]), Searched(SECRETS)
        for line in self.system.logs().encode().splitlines():
            searched.look(f"a log: {line[:300]!r}", line)
        for name in self.system.stack.endpoints.services:
            for row in await self.system.query(name, "SELECT reason FROM parked_streams"):
                reason = row["reason"].encode()
                searched.look(f"a reason at {name}: {reason[:300]!r}", reason)
            for row in await self.system.query(name, _LINES):
                content = b" ".join([row["key"], *row["header_values"], row["value"]])
                kind = searched if row["topic"] == INBOUND_TICKETS else lines
                kind.look(f"a line of {name}: {row['topic']} {content[:300]!r}", content)
        self.tally.told = [*searched.places, *lines.places]
        self.tally.searched = searched.bytes + lines.bytes
        return self.tally

    async def _caught_up(self) -> None:
        """Wait until all has been handled that was there by now, whatever comes meanwhile."""
        bootstrap = self.system.stack.endpoints.kafka.split(",")
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            ends = await _ends(bootstrap, admin)

            async def no_lag() -> bool:
                self.tally.stuck = [name async for name in self._behind(admin, ends)]
                return not self.tally.stuck

            await self.system.until(no_lag, "somebody is behind", SECONDS)
        except AssertionError:
            print(f"behind: {self.tally.stuck}")
        finally:
            await admin.close()

    async def _behind(
        self, admin: AIOKafkaAdminClient, ends: Mapping[TopicPartition, int]
    ) -> AsyncIterator[str]:
        for group, topics in GROUPS.items():
            done = await admin.list_consumer_group_offsets(group)
            for place, end in ends.items():
                handled = done[place].offset if place in done else 0
                if place.topic in topics and end > max(handled, 0):
                    yield f"{group} at {place.topic}/{place.partition}: {handled} of {end}"

    async def _all_good_had_effect(self) -> None:
        async def all_had() -> bool:
            self.tally.lost = [name async for name in self._without_effect()]
            return not self.tally.lost

        try:
            await self.system.until(all_had, "a good message had no effect", SECONDS)
        except AssertionError:
            print(f"lost: {self.tally.lost[:20]}")

    async def _without_effect(self) -> AsyncIterator[str]:
        sql = "SELECT stream_id FROM streams WHERE stream_id = ANY ($1::text[])"
        for service, kind in (("intake", "case"), ("sla", "clocks"), ("visits", "followups")):
            wanted = {f"{kind}-{case}" for case in self.good}
            found = await self.system.query(service, sql, sorted(wanted))
            for stream in sorted(wanted - {row["stream_id"] for row in found}):
                yield f"{stream} at {service}"


_LINES = "SELECT topic, key, header_values, value FROM parked_messages"


async def exchanged(host: str, port: int, content: bytes) -> bytes:
    """Write bytes to a connection and give what comes back; nothing if it is closed.

    Raises OSError if nobody listens there.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(content)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            try:
                async with asyncio.timeout(TORN_SECONDS):
                    return await reader.read(2**16)
            except TimeoutError:
                with contextlib.suppress(OSError):  # it has been closed in this moment
                    writer.write_eof()
            return await reader.read(2**16)
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def written(request: Mapping[str, Any]) -> bytes:
    """Write a request as an HTTP client would that looks at nothing."""
    url = urlsplit(request["url"])
    said = request.get("params")
    queries = [url.query, urlencode(said, doseq=True, errors="surrogatepass") if said else ""]
    target = "?".join([url.path, "&".join(filter(None, queries))]).rstrip("?")
    content = request.get("content") or b""
    body = content if isinstance(content, bytes) else content.encode(errors="surrogatepass")
    lines = [f"{request['method']} {target} HTTP/1.1", f"Host: {url.netloc}"]
    lines += [f"{name}: {value}" for name, value in request["headers"].items()]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    return head.encode(errors="surrogatepass") + body


def torn(luck: random.Random, request: bytes) -> bytes:
    """Make of a request what is none."""
    line, _, rest = request.partition(b"\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    match luck.randrange(9):
        case 0:
            return request[: luck.randrange(1, len(request))]
        case 1:
            return luck.randbytes(luck.choice((1, 40, 5_000)))
        case 2:
            return b"\x16\x03\x01" + request  # as TLS begins
        case 3:
            return (
                line.replace(b"HTTP/1.1", luck.choice((b"HTTP/9.9", b"", b"\0"))) + b"\r\n" + rest
            )
        case 4:
            return line + b"\r\nX: " + b"x" * 200_000 + b"\r\n" + rest
        case 5:
            return line + b"\r\n" + b"X: x\r\n" * 5_000 + rest
        case 6:
            return line + b"\r\nContent-Length: -1\r\n" + rest
        case 7:
            chunked = b"\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"
            return line + b"\r\nHost: x" + chunked + body
        case _:
            return line + b"\r\n" + head.replace(b": ", b"\0 ") + b"\r\n\r\n" + body


async def _ends(bootstrap: Sequence[str], admin: AIOKafkaAdminClient) -> dict[TopicPartition, int]:
    """Give where each partition that somebody listens to ends."""
    topics = sorted({topic for heard in GROUPS.values() for topic in heard})
    places = [
        TopicPartition(described["topic"], part["partition"])
        for described in await admin.describe_topics(topics)
        for part in described["partitions"]
    ]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    return ends


def drawn(operation: Any, count: int, luck: int) -> list[Any]:
    """Draw requests of one operation, three of four against its description."""
    found: list[Any] = []
    for mode, part in ((GenerationMode.NEGATIVE, count * 3 // 4), (GenerationMode.POSITIVE, 0)):
        part = part or count - len(found)
        strategy = operation.as_strategy(generation_mode=mode)

        @seed(luck)
        @settings(
            max_examples=max(1, part),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def draw(case: Any) -> None:
            found.append(case)

        draw()
    assert len(found) >= count, f"{operation.method} {operation.path} has {len(found)} of {count}"
    return found[:count]


def ticket(project: str) -> dict[str, Any]:
    """Give a ticket as another system tells it."""
    return {
        "project_id": project,
        "kind": "complaint",
        "severity": "minor",
        "validity": "valid",
        "summary": SECRETS[0],
        "reporter": {"name": "赵秀英", "phone": SECRETS[1], "email": SECRETS[2]},
    }


Headers = list[tuple[str, Any]]
Mutation = Callable[[random.Random, bytes, Headers, bytes], tuple[bytes, Headers, bytes]]


def _torn(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    return key, headers, value[: luck.randrange(len(value) + 1)]


def _flipped(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    changed = bytearray(value)
    for _ in range(min(5, len(changed))):
        changed[luck.randrange(len(changed))] = luck.randrange(256)
    return key, headers, bytes(changed)


def _with_nul(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    return key, headers, value.replace(b'":"', b'":"\\u0000', luck.randint(1, 3))


def _deep(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    depth = luck.choice((100, 5_000, 200_000))
    return key, headers, b'{"case_id":' + b"[" * depth + b"]" * depth + b"}"


def _huge(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    if luck.random() > 0.02:  # few: they cost most
        return key, headers, b'{"x": "' + b"x" * 20_000 + b'"}'
    return key, headers, b'{"x": "' + b"x" * 900_000 + b'"}'


def _of_other_types(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    try:
        said = from_json(value)  # refuses what is too deep; json.loads may end the process on it
    except ValueError:
        return key, headers, b"null"
    if isinstance(said, dict) and said:
        name = luck.choice(list(said))
        said[name] = luck.choice((None, 10**30, [], {}, "", "\ud800", -1, FORGED, "9" * 5_000))
    return key, headers, json.dumps(said).encode(errors="replace")


def _with_a_forged_key(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    try:
        said = from_json(value)
    except ValueError:
        return key, headers, b"{}"
    if not isinstance(said, dict):
        return key, headers, b"{}"
    inner = [one for one in said.values() if isinstance(one, dict)]
    luck.choice(inner or [said])[FORGED] = luck.choice((None, [], {}, FORGED))
    return key, headers, json.dumps(said).encode(errors="replace")


def _of_case(case_id: str, value: bytes) -> bytes:
    said = from_json(value)
    if "case_id" not in said:
        return value
    return json.dumps(said | {"case_id": case_id}).encode()


def _header_replaced(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    if not headers:
        return key, [("ce_id", b"\xff\xfe")], value
    at = luck.randrange(len(headers))
    # Nothing personal: reasons name types, sources and subjects.
    nonsense = (b"", b"\xff\xfe", b"a\0b", b"x" * 3_000, b"-1", b"9" * 40,
                b"2126-01-01T00:00:00Z", b"0001-01-01T00:00:00+14:00",
                b"9999-12-31T23:59:59-12:00")  # fmt: skip
    return key, [*headers[:at], (headers[at][0], luck.choice(nonsense)), *headers[at + 1 :]], value


def _header_lost(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    at = luck.randrange(len(headers) + 1)
    return key, headers[:at] + headers[at + 1 :], value


def _of_a_wrong_version(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    version = luck.choice((b".v9", b".v0", b".v", b".v999999999999", b""))
    changed = {"ce_type": lambda was: was.partition(b".v")[0] + version}
    return key, [(n, changed[n](v) if n in changed else v) for n, v in headers], value


def _with_another_key(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    # A key is a project's ID, which reasons name: nothing personal belongs there.
    return luck.choice((b"", b"\xff", b"x" * 2_000)), headers, value


_MUTATIONS: Sequence[Mutation] = (
    _torn, _flipped, _with_nul, _deep, _huge, _of_other_types, _of_other_types, _with_a_forged_key,
    _header_replaced, _header_replaced, _header_lost, _of_a_wrong_version, _with_another_key,
)  # fmt: skip


@pytest.fixture
def stack() -> Iterator[Stack]:
    with running_services() as stack:
        yield stack


@pytest.fixture
async def system(stack: Stack) -> AsyncIterator[System]:
    async with entered(stack) as running:
        yield running


# What others draw meanwhile by chance, in other threads, is taken for the strategy's own.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_bad_input_at_every_door_breaks_nothing_and_loses_nothing(
    system: System, last_words: LastWords, capsys: pytest.CaptureFixture[str]
) -> None:
    bombardment = Bombardment(system, random.Random(SEED))
    await bombardment.set_up()
    await bombardment.take_samples()
    await system.register(
        {"type": "group", "group_id": "bad-group", "name": "试验集团"},
        *(
            {"type": "project", "project_id": name, "group_id": "bad-group", "name": name}
            for name in PROJECTS
        ),
    )
    await system.quiet()
    for project in PROJECTS:
        await bombardment.good_ticket(project)
    await system.quiet()
    alive = processes(system)
    parts = {kind: int(INPUTS * share) for kind, share in SHARES.items()}
    parts["kafka"] += INPUTS - sum(parts.values())
    with capsys.disabled():
        await asyncio.gather(
            *(
                getattr(bombardment, kind)(inputs)
                for kind, inputs in parts.items()
                if kind != "decoders"
            )
        )
        await bombardment.decoders(parts["decoders"])
    tally = await bombardment.judge()
    now = processes(system)
    tally.died = [name for name, one in alive.items() if now.get(name) != one or not one.alive]
    last_words.lines += [
        f"{dict(tally.inputs)}, answers {dict(sorted(tally.answers.items()))}, "
        f"closed {tally.closed}, good messages {len(bombardment.good)}, "
        f"searched {tally.searched / 2**20:.0f} MB",
        *tally.wrong(NAMED),
        *([] if importlib.util.find_spec("atheris") else ["atheris: not available"]),
        tally.line(),
    ]
    assert tally.wrong() == []
    # What was not there was not judged.
    assert {kind: part for kind, part in parts.items() if tally.inputs[kind] < part} == {}
    assert tally.inputs.total() >= INPUTS > 0


def processes(system: System) -> dict[str, Process]:
    """Give what runs now, by name."""
    return {process.name: process for process in system.stack.state.processes.recorded()}
