"""Bad input at every door, a hundred thousand times, with good messages between it.

HTTP by each service's own description and as raw bytes, every topic that somebody listens to, and
the decoders in process. No answer above 499, no partition stuck, nothing good lost, and nothing of
what people said in a log, in the reason why something waits, or readable in a line.

`STEWARD_BAD_INPUTS=3000` is enough to see that it runs.
"""

import asyncio
import importlib.util
import json
import os
import random
import string
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import schemathesis
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from httpx2 import Response, TransportError
from hypothesis import HealthCheck, Phase, given, seed, settings
from pydantic_core import from_json
from schemathesis import GenerationMode
from tests.support.clear_text import forms, records
from tests.support.system import SOURCE, System, ticket_message
from uuid_utils.compat import uuid7

from steward_events.tickets import INBOUND_TICKETS
from steward_events.vocabulary import External
from steward_intake.application.desk import external_case_id

INPUTS = int(os.environ.get("STEWARD_BAD_INPUTS", "100000"))
SEED = int(os.environ.get("STEWARD_SEED", "7"))
SHARES = {"described": 0.15, "raw": 0.05, "kafka": 0.4, "decoders": 0.4}
PROJECTS = tuple(f"bad-{n}" for n in range(12))
SECRETS = ("业主赵秀英住在七号楼", "13700007777", "zhao.xiuying@example.cn")
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
EACH_GOOD = 100
"""Bad messages on Kafka between two good ones of a project."""
AT_ONCE = 8
SECONDS = float(os.environ.get("STEWARD_PATIENCE", "600"))
# Told as they should be, they would change what all others are decided by, or destroy keys.
_NOT_MUTATED = ("registry.policy_published", "registry.subject_erased")


@dataclass
class Tally:
    """What was put in, and what must not come of it."""

    inputs: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    above_499: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Say it in one line."""
        return (
            f"inputs {self.inputs.total()} · 5xx {len(self.above_499)} · stuck {len(self.stuck)}"
            f" · lost {len(self.lost)} · personal data in logs {len(self.told)}"
        )


@dataclass
class Bombardment:
    """Bad input for one system."""

    system: System
    luck: random.Random
    tally: Tally = field(default_factory=Tally)
    good: list[str] = field(default_factory=list)

    # Over HTTP.

    async def described(self, inputs: int) -> None:
        """Send what each service's own description forbids, and some of what it allows."""
        operations = [
            (address, operation)
            for address in self.system.stack.endpoints.services.values()
            for operation in await self._operations(address)
        ]
        each = max(1, inputs // len(operations))
        for address, operation in operations:
            cases = await asyncio.to_thread(drawn, operation, each, self.luck.randrange(2**32))
            await self._send_all([self._request(address, case) for case in cases], "described")

    async def _operations(self, address: str) -> list[Any]:
        description = (await self.system.client.get(f"{address}/v1/openapi.json")).json()
        found: Any = schemathesis.openapi.from_dict(description).get_all_operations()
        operations = [each.ok() for each in found]
        return [operation for operation in operations if "/health/" not in operation.path]

    def _request(self, address: str, case: Any) -> dict[str, Any]:
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
        # IDs stand in clear, and must not be names (docs/personal-data.md).
        names = (
            [name for name in said if not name.endswith("_id")] if isinstance(said, dict) else []
        )
        if not names:
            return said
        return {**said, self.luck.choice(names): self.luck.choice(SECRETS)}

    async def raw(self, inputs: int) -> None:
        """Send bytes to every path by every method."""
        doors = [
            (f"{address}{path}", method)
            for address in self.system.stack.endpoints.services.values()
            for path, methods in (await self._paths(address)).items()
            for method in methods
        ]
        requests = []
        for n in range(inputs):
            url, method = doors[n % len(doors)]
            for name in string.Formatter().parse(url):
                if name[1]:
                    url = url.replace(f"{{{name[1]}}}", quote(self._bytes(12), safe=""))
            kinds = ("application/json", "text/csv", "multipart/form-data; boundary=x", "\tnone")
            headers = {
                "Content-Type": self.luck.choice(kinds),
                "Idempotency-Key": self.luck.choice(
                    (str(uuid7()), "x" * 5_000, "长".encode().hex())
                ),
            }
            content = self._bytes(self.luck.choice((0, 9, 200, 5_000)))
            requests.append({"method": method, "url": url, "content": content, "headers": headers})
        await self._send_all(requests, "raw")

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
        self.tally.inputs[kind] += 1
        where = f"{request['method']} {urlsplit(request['url']).path[:80]}"
        try:
            answer: Response = await self.system.client.request(**request)
        except (TransportError, ValueError, UnicodeError):
            return  # no HTTP client says this, or the server hangs up on it
        self.tally.answers[answer.status_code] += 1
        if answer.status_code >= 500:
            self.tally.above_499.append(f"{where}: {answer.status_code} {answer.text[:200]}")

    # On Kafka.

    async def kafka(self, inputs: int) -> None:
        """Put bad messages on every topic that somebody listens to, good tickets between them."""
        samples = {topic: await self._samples(topic) for topic in TOPICS[1:]}
        for n in range(inputs):
            topic = self.luck.choice(TOPICS)
            key, headers, value = self._bad(topic, samples.get(topic, ()))
            await self.system.producer.send(topic, value, key=key, headers=headers)
            self.tally.inputs["kafka"] += 1
            if n % EACH_GOOD == 0:
                await self.good_ticket(PROJECTS[n // EACH_GOOD % len(PROJECTS)])
            if n % 500 == 499:
                await self.system.producer.flush()
        for project in PROJECTS:  # behind all that is bad
            await self.good_ticket(project)
        await self.system.producer.flush()

    async def _samples(self, topic: str) -> list["ConsumerRecord[bytes, bytes]"]:
        found = [record async for record in records(self.system, topic)]
        names = [dict(record.headers).get("ce_type", b"").decode() for record in found]
        return [
            record
            for record, name in zip(found, names, strict=True)
            if not name.startswith(_NOT_MUTATED)
        ][:300]

    async def good_ticket(self, project: str) -> None:
        """Say something that has to have its effects."""
        subject = f"good-{uuid7()}"
        message = ticket_message("opened", subject, ticket(project))
        await self.system.producer.send(**message)
        self.good.append(external_case_id(External(source=SOURCE, subject=subject)))

    def _bad(
        self, topic: str, samples: Sequence["ConsumerRecord[bytes, bytes]"]
    ) -> tuple[bytes | None, list[tuple[str, bytes]], bytes | None]:
        if (not samples and topic != INBOUND_TICKETS) or self.luck.random() < 0.2:
            names = ("ce_id", "ce_type", "ce_subject", "content-type", "x")
            headers = [(self.luck.choice(names), self._bytes(20)) for _ in range(3)]
            return self._bytes(9), headers, self._bytes(self.luck.choice((0, 20, 2_000)))
        if topic == INBOUND_TICKETS:
            what = self.luck.choice(("opened", "changed", "told", "closed", "sung"))
            message = ticket_message(what, "x", ticket(self.luck.choice(PROJECTS)))
            key, headers, value = message["key"], message["headers"], message["value"]
        else:
            record = self.luck.choice(samples)
            key, value = record.key or b"", record.value or b""
            headers = list(record.headers)
        # In a stream of its own: what is bad for a good stream makes that one wait, as it should.
        name = f"bad-{uuid7()}".encode()
        fresh = {"ce_subject": b"case-" + name, "ce_id": str(uuid7()).encode()}
        headers = [(n, fresh.get(n, v)) for n, v in headers]
        if topic == "steward.keys":
            key = b"person-" + name
        for _ in range(self.luck.randint(1, 2)):
            key, headers, value = self.luck.choice(_MUTATIONS)(self.luck, key, headers, value)
        return key, headers, value

    def _bytes(self, length: int) -> bytes:
        made = self.luck.randbytes(length)
        secret = self.luck.choice(SECRETS).encode()
        return made + secret + made if length > 100 else made

    # In process.

    async def decoders(self, inputs: int) -> None:
        """Let atheris look for what a decoder falls over."""
        if importlib.util.find_spec("atheris") is None:
            print("atheris is not there for this platform: the decoders are left out")
            return
        command = [sys.executable, "-m", "tests.chaos.decoders", str(inputs), str(SEED)]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode(errors="replace")[-4_000:]
        self.tally.inputs["decoders"] += inputs

    # What came of it.

    async def judge(self) -> Tally:
        """Wait until all was handled, then look for what must not be."""
        await self._caught_up()
        await self._all_good_had_effect()
        every_form = [form for secret in SECRETS for form in forms(secret)]
        self.tally.told += [
            f"a log: {line[:300]!r}"
            for line in self.system.logs().encode().splitlines()
            if any(form in line for form in every_form)
        ]
        for name in self.system.stack.endpoints.services:
            for row in await self.system.query(name, "SELECT reason FROM parked_streams"):
                self._look(f"a reason at {name}", row["reason"].encode())
        lines = "SELECT key, value, header_values::text FROM parked_messages WHERE topic = $1"
        for key, value, headers in await self.system.query("intake", lines, INBOUND_TICKETS):
            self._look("a line of intake", key + value + headers.encode())
        return self.tally

    def _look(self, place: str, content: bytes) -> None:
        if any(secret.encode() in content for secret in SECRETS):
            self.tally.told.append(f"{place}: {content[:300]!r}")

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
            await self.system.until(all_had, "a good message had no effect", 120)
        except AssertionError:
            print(f"lost: {self.tally.lost[:20]}")

    async def _without_effect(self) -> AsyncIterator[str]:
        sql = "SELECT stream_id FROM streams WHERE stream_id = ANY ($1::text[])"
        for service, kind in (("intake", "case"), ("sla", "clocks"), ("visits", "followups")):
            wanted = {f"{kind}-{case}" for case in self.good}
            found = await self.system.query(service, sql, sorted(wanted))
            for stream in sorted(wanted - {row["stream_id"] for row in found}):
                yield f"{stream} at {service}"


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

        try:
            draw()
        except Exception as error:
            print(f"{operation.method} {operation.path}: {type(error).__name__} while drawing")
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


Headers = list[tuple[str, bytes]]
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
        said[name] = luck.choice((None, 10**30, [], {}, "", "\ud800", -1, SECRETS[0], "9" * 5_000))
    return key, headers, json.dumps(said).encode(errors="replace")


def _header_replaced(luck: random.Random, key: bytes, headers: Headers, value: bytes) -> Any:
    if not headers:
        return key, [("ce_id", b"\xff\xfe")], value
    at = luck.randrange(len(headers))
    # Nothing personal: reasons name types, sources and subjects.
    nonsense = (b"", b"\xff\xfe", b"a\0b", b"x" * 3_000, b"-1", b"9" * 40,
                b"2126-01-01T00:00:00Z", b"0001-01-01T00:00:00+14:00")  # fmt: skip
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
    _torn, _flipped, _with_nul, _deep, _huge, _of_other_types, _of_other_types, _header_replaced,
    _header_replaced, _header_lost, _of_a_wrong_version, _with_another_key,
)  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_bad_input_at_every_door_breaks_nothing_and_loses_nothing(
    system: System, last_words: list[str]
) -> None:
    await system.register(
        {"type": "group", "group_id": "bad-group", "name": "试验集团"},
        *(
            {"type": "project", "project_id": name, "group_id": "bad-group", "name": name}
            for name in PROJECTS
        ),
    )
    await system.quiet()
    bombardment = Bombardment(system, random.Random(SEED))
    for project in PROJECTS:
        await bombardment.good_ticket(project)
    await system.quiet()
    parts = {kind: int(INPUTS * share) for kind, share in SHARES.items()}
    parts["kafka"] += INPUTS - sum(parts.values())
    await asyncio.gather(
        *(
            getattr(bombardment, kind)(inputs)
            for kind, inputs in parts.items()
            if kind != "decoders"
        )
    )
    await bombardment.decoders(INPUTS - bombardment.tally.inputs.total())
    tally = await bombardment.judge()
    last_words += [
        f"{dict(tally.inputs)}, answers {dict(sorted(tally.answers.items()))}, "
        f"good messages {len(bombardment.good)}",
        *tally.above_499[:5],
        *tally.told[:5],
        tally.line(),
    ]
    assert tally.above_499 == []
    assert tally.stuck == []
    assert tally.lost == []
    assert tally.told == []
