"""Service processes that a test starts and ends by hand, beside those of the stack."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from tests.support.ports import free_port
from tests.support.waiting import until

from steward_stack.supervisor import Stack, ready


@dataclass
class Member:
    """One more process of a service."""

    service: str
    url: str
    process: "subprocess.Popen[bytes]"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def is_ready(self, seconds: float = 600) -> None:
        async def answers() -> bool:
            assert self.process.poll() is None, f"{self.service} ended by itself"
            return await asyncio.to_thread(ready, self.url)

        await until(answers, f"another {self.service} did not start", seconds)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    async def end(self, number: int = signal.SIGTERM, seconds: float = 120) -> int:
        """Have it end; gives its exit status."""
        self.send(number)
        return await asyncio.to_thread(self.process.wait, seconds)


class Members:
    """Starts members; what still runs at the end is killed."""

    def __init__(self, stack: Stack, ending: ExitStack) -> None:
        self._stack = stack
        self._ending = ending

    async def join(
        self,
        service: str,
        program: str = "",
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Member:
        """Start one more process and wait until it is ready.

        `program` is Python that runs before the service itself: a version of tomorrow, say.
        """
        port = free_port()
        start = f"import runpy; runpy.run_module('steward_{service}', run_name='__main__')"
        log = self._ending.enter_context(
            (self._stack.state.logs / f"{service}-{port}.log").open("ab")
        )
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            [sys.executable, "-c", f"{program}\n{start}"],
            env={**self._stack.environment(service), "STEWARD_HTTP_PORT": str(port), **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        self._ending.callback(_kill, process)
        member = Member(service, f"http://127.0.0.1:{port}", process)
        await member.is_ready()
        return member


@contextmanager
def members_of(stack: Stack) -> Iterator[Members]:
    """Let members join a stack as long as the caller is inside."""
    with ExitStack() as ending:
        yield Members(stack, ending)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.kill(process.pid, signal.SIGCONT)
        process.kill()
    process.wait()
