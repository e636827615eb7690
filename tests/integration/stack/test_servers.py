from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rich.console import Console
from tests.support.stack import FreshDatabase

from steward_stack.state import State
from steward_stack.supervisor import running_stack


async def test_kafka_takes_and_gives_a_message(kafka_bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("stack-hello", num_partitions=6, replication_factor=1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        "stack-hello",
        bootstrap_servers=kafka_bootstrap,
        group_id="stack-hello",
        auto_offset_reset="earliest",
    )
    async with producer, consumer:
        await producer.send_and_wait("stack-hello", b"hello", key=b"project")
        message = await consumer.getone()
    assert (message.key, message.value) == (b"project", b"hello")


async def test_kafka_makes_no_topic_by_itself(kafka_bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.describe_topics(["stack-nobody-made-this"])
    assert "stack-nobody-made-this" not in await admin.list_topics()
    await admin.close()


async def test_postgres_loses_nothing_at_a_power_cut(postgres_dsn_admin: str) -> None:
    connection = await asyncpg.connect(postgres_dsn_admin)
    settings = [
        await connection.fetchval(f"SHOW {name}")
        for name in ("fsync", "synchronous_commit", "full_page_writes", "timezone")
    ]
    await connection.close()
    assert settings == ["on", "on", "on", "UTC"]


async def test_the_embedded_postgres_is_of_the_newest_version(
    postgres_dsn_admin: str, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--containers"):
        pytest.skip("the image names its own version")
    connection = await asyncpg.connect(postgres_dsn_admin)
    version = connection.get_server_version()
    await connection.close()
    assert version.major == 18


def test_servers_that_exist_are_used_instead_of_our_own(
    kafka_bootstrap: str,
    postgres_dsn_admin: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STEWARD_KAFKA", kafka_bootstrap)
    monkeypatch.setenv("STEWARD_POSTGRES", postgres_dsn_admin)
    state = State(tmp_path / "state")
    with running_stack(state, Console(stderr=True), services=False) as stack:
        assert stack.endpoints.kafka == stack.environment()["STEWARD_KAFKA"] == kafka_bootstrap
        assert stack.endpoints.postgres == postgres_dsn_admin
        begun = {process.name for process in state.processes.recorded()}
        assert not begun & {"kafka", "postgres"}


async def _with_a_table(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE complaints (id int)")
    await connection.close()


async def test_each_test_has_a_clone_of_the_prepared_database(
    fresh_database: FreshDatabase,
) -> None:
    first, second = [await fresh_database(_with_a_table) for _ in range(2)]
    for dsn in (first, second):
        connection = await asyncpg.connect(dsn)
        await connection.execute("INSERT INTO complaints VALUES (1)")
        assert await connection.fetchval("SELECT count(*) FROM complaints") == 1
        await connection.close()
