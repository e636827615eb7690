"""The servers for tests in containers, from the images that docker-compose.yml names."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.support.docker import base_images
from tests.support.ports import free_port

from steward_stack.postgres import OPTIONS
from steward_stack.supervisor import Endpoints

START_SECONDS = 120
_INSIDE, _OUTSIDE = 9092, 9094
_LISTENS = "listen_addresses"


@contextmanager
def running_servers() -> Iterator[Endpoints]:
    """Run Kafka and PostgreSQL in containers; gone afterwards."""
    # Read when testcontainers is imported. Its reaper would be one more image to pull.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
    os.environ.setdefault("TC_MAX_TRIES", str(START_SECONDS))
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import ExecWaitStrategy

    host = urlsplit(os.environ.get("DOCKER_HOST", "")).hostname or "127.0.0.1"
    postgres = PostgresContainer(
        _image("postgres"), username="steward", password=secrets.token_hex(8), dbname="postgres"
    ).with_command(
        ["postgres", *(f"-c{name}={text}" for name, text in OPTIONS.items() if name != _LISTENS)]
    )
    port = free_port()  # chosen before the start: the broker has to name it
    probe = ["/opt/kafka/bin/kafka-broker-api-versions.sh", "--bootstrap-server"]
    kafka = (
        DockerContainer(_image("apache/kafka"))
        .with_envs(**_kafka(host, port))
        .with_bind_ports(_OUTSIDE, port)
        .waiting_for(ExecWaitStrategy([*probe, f"localhost:{_INSIDE}"]))
    )
    with kafka, postgres:
        address = f"{host}:{postgres.get_exposed_port(5432)}"
        yield Endpoints(
            kafka=f"{host}:{port}",
            postgres=f"postgresql://steward:{postgres.password}@{address}/postgres",
            services={},
            smtp="",
            sms="",
            logs="",
        )


def _kafka(host: str, port: int) -> dict[str, str]:
    """Give the variables of a single node; one of them would drop the image's own defaults."""
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": (
            "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "KAFKA_LISTENERS": f"INSIDE://:{_INSIDE},OUTSIDE://:{_OUTSIDE},CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"INSIDE://localhost:{_INSIDE},OUTSIDE://{host}:{port}",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_HEAP_OPTS": "-Xms128m -Xmx384m",
    }


def _image(name: str) -> str:
    return next(image for image in base_images() if image.startswith(f"{name}:"))
