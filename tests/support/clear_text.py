"""Looks for a clear text wherever a running system keeps anything, in every form it may have there."""

import base64
import json
import quopri
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from urllib.parse import quote

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord
from tests.support.stack import database_dsn
from tests.support.system import System


def forms(text: str) -> set[bytes]:
    """Give a text as it may stand: encodings, base64 at any offset, hex, URL, JSON, mail."""
    plain = {
        text.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "gb18030")
    }
    found = set(plain)
    for raw in plain:
        found |= {raw.hex().encode(), raw.hex().upper().encode()}
        found |= set(_base64(raw))
    found.add(quopri.encodestring(text.encode()).strip())
    if quoted := quote(text):
        found |= {quoted.encode(), quoted.lower().encode()}
    escaped = json.dumps(text)[1:-1].encode()
    return found | {escaped, escaped.upper().replace(rb"\U", rb"\u")}


def _base64(raw: bytes) -> Iterable[bytes]:
    """Give the letters that every base64 of something with these bytes inside must have."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw)
        start = -(-before * 4 // 3)
        whole = (before + len(raw)) * 8 // 6
        yield from (
            coded[start:whole],
            base64.urlsafe_b64encode(bytes(before) + raw)[start:whole],
        )


class Searched:
    """What was searched, and where a text was found."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._forms = {form: text for text in texts for form in forms(text)}
        self.places: dict[str, set[str]] = {}
        self.bytes = 0

    def look(self, place: str, content: bytes) -> None:
        """Look for every form of every text."""
        self.bytes += len(content)
        found = {text for form, text in self._forms.items() if form in content}
        if found:
            self.places.setdefault(place, set()).update(found)


async def search(system: System, *texts: str) -> Searched:
    """Search all databases, all topics, logs, what the stand-ins keep, and all else that is kept."""
    searched = Searched(texts)
    async for place, content in _everything(system):
        searched.look(place, content)
    return searched


async def _everything(system: System) -> AsyncIterator[tuple[str, bytes]]:
    for name in await databases(system):
        async for table, row in dump(system, name):
            yield f"database {name}: {table}", row
    async for topic, record in messages(system):
        yield f"topic {topic}", record
    state = system.stack.state.folder
    servers = [system.stack.world / "kafka", system.stack.world / "postgres"]
    for path in sorted(state.rglob("*")):
        inside = any(path.is_relative_to(server) for server in servers)
        if path.is_file() and not inside:
            yield f"file {path.relative_to(state)}", path.read_bytes()
    yield (
        "texts over HTTP",
        (await system.client.get(f"{system.stack.endpoints.sms}/texts")).content,
    )


async def databases(system: System) -> list[str]:
    """Name all databases of the server."""
    connection = await asyncpg.connect(system.stack.endpoints.postgres)
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE datallowconn")
        return sorted(row["datname"] for row in rows)
    finally:
        await connection.close()


async def dump(system: System, database: str) -> AsyncIterator[tuple[str, bytes]]:
    """Give every row of every table of a database, as a dump would."""
    connection = await asyncpg.connect(database_dsn(system.stack.endpoints.postgres, database))
    try:
        tables = await connection.fetch(
            "SELECT schemaname AS of, tablename AS name FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for of, name in tables:
            for row in await connection.fetch(f'SELECT t::text AS row FROM "{of}"."{name}" t'):
                yield name, row["row"].encode()
    finally:
        await connection.close()


async def messages(system: System, *topics: str) -> AsyncIterator[tuple[str, bytes]]:
    """Give every message of all topics, or of these, from the start: key, headers and value."""
    async for record in records(system, *topics):
        headers = b" ".join(name.encode() + b"=" + value for name, value in record.headers)
        yield record.topic, b" ".join([record.key or b"", headers, record.value or b""])


async def records(system: System, *topics: str) -> AsyncIterator["ConsumerRecord[bytes, bytes]"]:
    """Give every record of all topics, or of these, from the start."""
    bootstrap = system.stack.endpoints.kafka.split(",")
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    names = topics or tuple(await admin.list_topics())
    described = await admin.describe_topics(list(names))
    await admin.close()
    places = [
        TopicPartition(topic["topic"], part["partition"])
        for topic in described
        for part in topic["partitions"]
    ]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for record in batch:
                    yield record
    finally:
        await consumer.stop()


def planted(folder: Path, text: str) -> list[Path]:
    """Write a text into files of a folder, one for each of its forms."""
    folder.mkdir()
    paths = []
    for number, form in enumerate(sorted(forms(text))):
        path = folder / f"{number}.log"
        path.write_bytes(b"before " + form + b" behind")
        paths.append(path)
    return paths
