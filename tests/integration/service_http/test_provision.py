"""Databases, tables and topics are made once, however often and however many at once ask."""

import asyncio
import base64
import os
import sys
from typing import Any

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from tests.support.stack import database_dsn

from steward_service.provision import DATABASES
from steward_service.topics import TOPICS


async def run(kafka: str, postgres: str, *parts: str, **more: str) -> tuple[int, str]:
    variables = {
        "STEWARD_KAFKA": kafka,
        "STEWARD_POSTGRES": postgres,
        "STEWARD_MASTER_KEY": base64.b64encode(b"k" * 32).decode(),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "steward_service.provision", *parts),
        env=os.environ | variables | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await process.communicate()
    assert out == b""
    return process.returncode or 0, said.decode()


async def test_it_makes_what_is_missing_twice_at_once_and_again(
    kafka_bootstrap: str, postgres_dsn_admin: str
) -> None:
    both = await asyncio.gather(*(run(kafka_bootstrap, postgres_dsn_admin) for _ in range(2)))
    assert [status for status, _ in both] == [0, 0], both
    status, said = await run(kafka_bootstrap, postgres_dsn_admin)
    assert status == 0
    assert "made" not in said
    assert "0 of them new" in said

    for name in DATABASES:
        connection = await asyncpg.connect(database_dsn(postgres_dsn_admin, f"steward_{name}"))
        tables = {row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables")}
        await connection.close()
        needed = {
            "keys": {"subject_keys", "api_keys"},
            "keys_notify": {"subject_keys"},
            "clock": {"clock", "processes"},
        }
        assert needed.get(name, {"events", "streams", "timers"}) <= tables

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    names = [topic.name for topic in TOPICS]
    described = await admin.describe_topics(names)
    configs: list[Any] = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    await admin.close()
    assert {len(topic["partitions"]) for topic in described} == {6}
    policies = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in configs
        for resource in answer.resources
    }
    assert policies["steward.keys"]["cleanup.policy"] == "compact"
    assert policies["steward.keys"]["max.compaction.lag.ms"] == "86400000"
    assert policies["steward.intake"]["retention.ms"] == "2592000000"
    assert policies["steward.inbound.tickets"]["retention.ms"] == "604800000"


async def test_another_number_of_partitions_is_refused(
    kafka_bootstrap: str, postgres_dsn_admin: str
) -> None:
    await run(kafka_bootstrap, postgres_dsn_admin)
    status, said = await run(kafka_bootstrap, postgres_dsn_admin, STEWARD_PARTITIONS="7")
    assert status == 1
    last = "The topic steward.intake has 6 partitions and not 7; the number is fixed for good."
    assert said.splitlines()[-1] == last


async def test_servers_that_do_not_answer_are_named(
    kafka_bootstrap: str, postgres_dsn_admin: str
) -> None:
    status, said = await run(kafka_bootstrap, "postgresql://steward@127.0.0.1:1/postgres")
    assert (status, said.startswith("PostgreSQL cannot be reached: ")) == (1, True)
    status, said = await run("127.0.0.1:1", postgres_dsn_admin)
    assert (status, said.splitlines()[-1].startswith("Kafka at 127.0.0.1:1 ")) == (1, True)


async def test_databases_and_topics_can_be_made_each_by_itself(
    kafka_bootstrap: str, postgres_dsn_admin: str
) -> None:
    nobody = "127.0.0.1:1"
    status, said = await run(nobody, postgres_dsn_admin, "databases")
    assert (status, "topics" in said) == (0, False), said
    status, said = await run(kafka_bootstrap, f"postgresql://steward@{nobody}/postgres", "topics")
    assert (status, said.startswith("The topics are there")) == (0, True), said
    status, said = await run(kafka_bootstrap, postgres_dsn_admin, "tables")
    assert (status, said) == (1, "There is no part “tables”; there are databases and topics.\n")


async def test_a_missing_variable_is_named(kafka_bootstrap: str) -> None:
    status, said = await run(kafka_bootstrap, "")
    assert (status, said) == (1, "The variable STEWARD_POSTGRES is not set.\n")
