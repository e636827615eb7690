import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from rich.console import Console
from tests.support.ports import free_port

from steward_stack import supervisor
from steward_stack.errors import StewardError
from steward_stack.processes import Process
from steward_stack.state import LIVE, State
from steward_stack.supervisor import Stack, running_stack


async def postgres_answers(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def kafka_answers(bootstrap: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        await admin.list_topics()
    except KafkaError:
        return False
    finally:
        await admin.close()
    return True


def recorded(state: State, name: str) -> Process:
    return next(process for process in state.processes.recorded() if process.name == name)


async def limit_offsets(bootstrap: str, size: int) -> None:
    """Let the broker keep no more bytes at a time of what groups have heard."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        limit = {"max.message.bytes": str(size)}
        topic = ConfigResource(ConfigResourceType.TOPIC, "__consumer_offsets", limit)
        await admin.alter_configs([topic])
    finally:
        await admin.close()


async def kill_and_wait(
    state: State, name: str, answers: Callable[[str], Awaitable[bool]], address: str
) -> None:
    killed = recorded(state, name)
    killed.send(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while recorded(state, name) == killed or not await answers(address):
        assert time.monotonic() < deadline, f"{name} stays away"
        await asyncio.sleep(0.05)


def test_a_killed_server_comes_back_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEWARD_KAFKA", raising=False)
    monkeypatch.delenv("STEWARD_POSTGRES", raising=False)
    state = State(tmp_path / "state")
    with running_stack(state, Console(stderr=True), services=False) as stack, stack.mended():
        where = stack.endpoints
        asyncio.run(kill_and_wait(state, "postgres", postgres_answers, where.postgres))
        asyncio.run(kill_and_wait(state, "kafka", kafka_answers, where.kafka))
    state.remove()


def test_what_cannot_start_is_named_with_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("STEWARD_KAFKA", nowhere)
    monkeypatch.setenv("STEWARD_POSTGRES", f"postgresql://steward@{nowhere}/postgres")
    state = State(tmp_path / "state")
    with (
        pytest.raises(StewardError, match=r"cannot be made: .*PostgreSQL.* \(all of it: .*log\)"),
        running_stack(state, Console(stderr=True)),
    ):
        pass
    state.remove()


@pytest.mark.parametrize("what", ["mend", "listen"])
def test_whatever_ends_the_mending_is_raised_where_it_is_relied_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def broken() -> None:
        raise BrokenPipeError("nobody launches anything")

    monkeypatch.setattr(supervisor, "LISTEN_SECONDS", 0.2)
    state = State(tmp_path / "state")
    with state.held():
        stack = Stack(state, Console(stderr=True), services=False, clock="system", world=LIVE)
        monkeypatch.setattr(stack, what, broken)
        with pytest.raises(BrokenPipeError, match="nobody launches"), stack.mended():
            time.sleep(60)


def test_a_kafka_that_lets_nobody_hear_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STEWARD_KAFKA", raising=False)
    monkeypatch.setattr(supervisor, "LISTEN_SECONDS", 0.2)
    monkeypatch.setattr(supervisor, "DEAF_SECONDS", 1.0)
    state = State(tmp_path / "state")
    with running_stack(state, Console(stderr=True), services=False) as stack:
        kafka, deaf = stack.kafka, recorded(state, "kafka")
        assert not kafka.is_deaf()
        deaf.send(signal.SIGSTOP)
        assert not kafka.is_deaf()  # of what does not answer, nothing is known
        deaf.send(signal.SIGCONT)
        asyncio.run(limit_offsets(kafka.bootstrap, 1))
        assert kafka.is_deaf()
        with stack.mended():
            deadline = time.monotonic() + 60
            while recorded(state, "kafka") == deaf:
                assert time.monotonic() < deadline, "it is left as it is"
                time.sleep(0.05)
            kafka.wait(recorded(state, "kafka"))
            asyncio.run(limit_offsets(kafka.bootstrap, 1_000_000))
        assert not kafka.is_deaf()
    assert "Kafka has let no group hear for 1 s and is ended." in capfd.readouterr().err
    state.remove()
