"""The services' own door: everything that the stack puts in goes through it."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from httpx2 import AsyncClient, Response, TransportError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from steward_stack.errors import StewardError
from steward_stack.state import State
from steward_stack.supervisor import endpoints_of

AT_ONCE = {"/v1/registers": 500, "/v1/imports": 100}
LINE_SECONDS = 5.0
FILE_SECONDS = 1200.0
_TRIES = 20

Answer = TypeVar("Answer")


async def _at_once() -> None:
    """Wait for nothing."""


class Door:
    """Posts until it is answered; what is refused is counted and told, never lost."""

    def __init__(self, services: Mapping[str, str], admin_key: str) -> None:
        self._services = services
        self._client = AsyncClient(
            headers={"Authorization": f"Bearer {admin_key}"}, timeout=60, trust_env=False
        )
        self.counts: Counter[str] = Counter()
        self.refusals: list[str] = []

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    def known(self, service: str) -> str:
        """Give the name of a service that is there; raises StewardError for any other."""
        if service not in self._services:
            raise StewardError(
                f"There is no service {service}; there are {', '.join(self._services)}."
            )
        return service

    def _address(self, service: str, path: str) -> str:
        # Without it the path goes on with the host's name, and the key to another host.
        if not path.startswith("/"):
            raise StewardError(f"A path begins with a slash, as /v1/late; “{path}” does not.")
        return self._services[service] + path

    async def get(self, service: str, path: str, query: Mapping[str, str]) -> Any:
        """Give what stands at a path; raises StewardError with the sentence of whoever refuses."""
        return answered(await self._asked(service, path, query))

    async def found(self, service: str, path: str, query: Mapping[str, str]) -> Any:
        """Give what stands at a path, None where the service knows of no such thing.

        Raises StewardError for any other refusal.
        """
        answer = await self._asked(service, path, query)
        return None if answer.status_code == 404 else answered(answer)

    async def _asked(self, service: str, path: str, query: Mapping[str, str]) -> Response:
        address = self._address(service, path)
        try:
            return await self._client.get(address, params=query or None)
        except TransportError as error:
            raise StewardError(f"{service} does not answer at {path}.") from error

    async def post(self, service: str, path: str, body: object, key: str) -> Response:
        """Post one write under its idempotency key."""
        content = json.dumps(body, ensure_ascii=False).encode()
        answer = await self._post(service, path, content, key, "application/json")
        if not answer.is_success:
            self.refuse(f"{path.rpartition('/')[2]}: {answer.json().get('detail', '')}")
        return answer

    async def post_file(
        self, service: str, path: str, content: bytes, key: str, query: Mapping[str, str]
    ) -> Response:
        """Post a file as it is; what it is, the service finds out."""
        return await self._post(service, path, content, key, "application/octet-stream", query)

    async def _post(
        self,
        service: str,
        path: str,
        content: bytes,
        key: str,
        media_type: str,
        query: Mapping[str, str] | None = None,
    ) -> Response:
        address = self._address(service, path)
        self.counts["request"] += 1
        headers = {"Idempotency-Key": key, "Content-Type": media_type}
        # What is not JSON may be long and is worked off before it is answered.
        seconds = 60 if media_type == "application/json" else FILE_SECONDS
        for tried in range(_TRIES):
            try:
                answer = await self._client.post(
                    address,
                    content=content,
                    headers=headers,
                    params=query,
                    timeout=seconds,
                )
            except TransportError:
                await asyncio.sleep(0.05 * 2 ** min(tried, 6))
                continue
            if answer.status_code == 503:
                await asyncio.sleep(0.05 * 2 ** min(tried, 6))
                continue
            if answer.status_code >= 500:
                raise StewardError(f"{service} failed at {path}: {answer.text[:300]}")
            return answer
        raise StewardError(f"{service} does not answer at {path}.")

    async def post_lines(
        self,
        progress: Progress,
        what: str,
        path: str,
        lines: Sequence[dict[str, Any]],
        pace: Callable[[], Awaitable[None]] = _at_once,
    ) -> list[dict[str, Any]]:
        """Post registers or records to intake, some hundreds at a time; give each line's result.

        `pace` is awaited before each post.
        """
        results: list[dict[str, Any]] = []
        task = progress.add_task(what, total=len(lines), now="")
        for start in range(0, len(lines), AT_ONCE[path]):
            some = lines[start : start + AT_ONCE[path]]
            await pace()
            # Of the content: the same lines are the same write, whoever sends them from wherever.
            digest = sha256(json.dumps(some, sort_keys=True).encode()).hexdigest()
            answer = await self.post("intake", path, some, f"{what}-{digest}")
            if not answer.is_success:
                raise StewardError(f"{what}: {self.refusals[-1]}")
            results += answer.json()["results"]
            progress.advance(task, len(some))
        for line in results:
            self.counts["facts"] += line.get("facts", 0)
            if "error" in line:
                self.refuse(f"{what}: {line['error']}")
        return results

    def refuse(self, sentence: str) -> None:
        """Count something that did not go in, and why."""
        self.counts["refused"] += 1
        self.refusals.append(sentence)


def through_door(folder: Path, work: Callable[[Door], Awaitable[Answer]]) -> Answer:
    """Do something at the door of the stack that runs there; raises StewardError."""
    state = State(folder)
    endpoints = endpoints_of(state)
    if endpoints is None or not endpoints.services:
        raise StewardError("Steward does not run here with its services: `steward up`.")
    services, key = endpoints.services, state.settings(()).admin_key

    async def done() -> Answer:
        door = Door(services, key)
        try:
            return await work(door)
        finally:
            await door.close()

    return asyncio.run(done())


def answered(answer: Response) -> Any:
    """Give what a service says; raises StewardError with its sentence where it refuses."""
    try:
        said = answer.json()
    except ValueError as error:
        raise StewardError(f"The answer is no JSON (status {answer.status_code}).") from error
    if not answer.is_success:
        rule = f" ({said['rule']})" if said.get("rule") else ""
        raise StewardError(f"{said.get('detail', answer.status_code)}{rule}", said)
    return said


@contextmanager
def progress_on(
    console: Console, under_way: Callable[[], str] = str, every: float = LINE_SECONDS
) -> Iterator[Progress]:
    """Show a bar for long work, or a plain line now and then where there is no terminal.

    `under_way` is said when the count has not moved since the line before.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TextColumn("{task.fields[now]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    done = threading.Event()

    def tell() -> None:
        before = ""
        while not done.wait(every):
            line = _line(bar)
            busy = under_way() if line == before else ""
            before = line
            said = f"{line}; under way: {busy}" if busy else line
            if said:
                console.print(f"{said}.", soft_wrap=True, highlight=False, markup=False)

    teller = threading.Thread(target=tell, daemon=True)
    if not console.is_terminal:
        teller.start()
    try:
        with bar:
            yield bar
    finally:
        done.set()
        if teller.is_alive():
            teller.join()


def _line(bar: Progress) -> str:
    if not bar.tasks:
        return ""
    task = bar.tasks[-1]
    if not task.total:
        return task.description
    counted = f"{task.description}: {task.completed:,.0f} of {task.total:,.0f}"
    return f"{counted}, {task.fields['now']}" if task.fields["now"] else counted
