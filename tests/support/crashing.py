"""Kills its own process at a named point: before or after a statement, a send or a commit.

A point is `<activity>/<what>/<before|during|after>`, as in `relay/RELAYED/after`. During what
commits: it was sent, and who sent it never hears whether it was done. The activity is found on
the stack of calls, the statement's name in the module that holds its text. Every point that a
process passes is written down, so that the list of points is found and not made by hand.
"""

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import wraps
from importlib import import_module
from types import FrameType
from typing import Any

import httpx2
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiosmtplib import SMTP
from asyncpg import Connection

from steward_eventstore.postgres import COMMIT, COMMIT_ONE, READ, READ_STREAMS

ACTIVITIES = {
    "steward_service/relay.py": "relay",
    "steward_service/ticker.py": "ring",
    "steward_service/retries.py": "retry",
    "steward_service/sweeps.py": "sweep",
    "steward_service/listening.py": "inbox",
    "steward_service/idempotency.py": "append",
    "steward_notify/application/sender.py": "sender",
    "steward_notify/api/http.py": "receipts",
}
"""Whose statements they are, by the innermost file of these that is on the stack of calls."""

_OUTBOX = "steward_notify/adapters/outbox.py"
_READERS = {"lead": "lock", "owed": "SELECT owed", "left_sending": "SELECT left"}
"""What the sender reads, by the function that makes the statement."""
_STATEMENTS = ("steward_eventstore.postgres", "steward_notify.adapters.outbox")
_COMMITS = ("steward_commit", "COMMIT")
_ON_ITS_WAY = 0.001
"""Seconds from sending a statement to death: it is sent, and its answer not looked at."""
_WRITES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+\"?(\w+)")
_READS = re.compile(r"\s*SELECT\b.*?\bFROM\s+\"?(\w+)", re.DOTALL)


def mark(service: str, point: str, pid: int) -> str:
    """Give the line that a process writes at the point where it ends itself."""
    return f"{service}\t{point}\t{pid}\n"


class Crashing:
    """Ends this process at the nth passing of a point; writes down what it passes first."""

    def __init__(self, service: str, at: str, nth: int, passed: str) -> None:
        self._service = service
        self._at = at
        self._nth = nth
        self._counts: Counter[str] = Counter()
        self._file = os.open(passed, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        # By its text: what a module calls its statement, and what was found for the others.
        self._names = {
            text: name
            for module in _STATEMENTS
            for name, text in vars(import_module(module)).items()
            if name.isupper() and isinstance(text, str)
        }
        self._names[COMMIT] = self._names[COMMIT_ONE] = "steward_commit"
        self._names[READ] = self._names[READ_STREAMS] = "READ"

    def statement(self, sql: str) -> str:
        """Name a statement: as its module does, else by its verb and table, or as BEGIN, COMMIT."""
        name = self._names.get(sql)
        if name is None:
            if "steward_commit(" in sql:  # with lists that change behind it
                name = "steward_commit"
            elif found := _WRITES.match(sql):
                name = f"{found[1]} {found[2]}"
            elif found := _READS.match(sql):
                name = f"SELECT {found[1]}"
            else:
                name = sql.split()[0].strip(";")
            self._names[sql] = name
        return name

    def reach(self, what: str, when: str) -> None:
        """Pass a point, or die there."""
        if self._is_met(what, when):
            _die()

    def _is_met(self, what: str, when: str) -> bool:
        activity, reader = _activity()
        if activity is None:
            return False
        point = f"{activity}/{_READERS.get(reader, what)}/{when}"
        self._counts[point] += 1
        count = self._counts[point]
        if count == 1:
            os.write(self._file, f"{self._service}\t{point}\n".encode())
        if point != self._at or count != self._nth:
            return False
        os.write(self._file, mark(self._service, point, os.getpid()).encode())
        return True

    def around(self, owner: type, method: str, name: Callable[..., str | None]) -> None:
        """Put a point before and one after a coroutine method, where it has a name."""
        original: Callable[..., Awaitable[Any]] = getattr(owner, method)

        @wraps(original)
        async def watched(this: Any, *args: Any, **more: Any) -> Any:
            what = name(*args)
            if what is None:
                return await original(this, *args, **more)
            self.reach(what, "before")
            asked = original(this, *args, **more)
            if what in _COMMITS and self._is_met(what, "during"):
                asked = asyncio.ensure_future(asked)
                await asyncio.sleep(_ON_ITS_WAY)
                _die()
            result = await asked
            self.reach(what, "after")
            return result

        setattr(owner, method, watched)


def install(service: str, at: str, nth: int, passed: str) -> None:
    """Watch this process; it ends at the point `at`, passed for the nth time."""
    crashing = Crashing(service, at, nth, passed)
    named = crashing.statement
    # Without arguments: with them it goes on to the next.
    crashing.around(Connection, "execute", lambda sql, *more: None if more else named(sql))
    crashing.around(Connection, "_execute", lambda sql, *_: named(sql))
    crashing.around(Connection, "_executemany", lambda sql, *_: named(sql))
    crashing.around(AIOKafkaProducer, "send_batch", _always("send_batch"))
    crashing.around(AIOKafkaConsumer, "commit", _always("offsets"))
    crashing.around(httpx2.AsyncClient, "send", _always("post"))
    crashing.around(SMTP, "data", _always("data"))


def _always(name: str) -> Callable[..., str]:
    return lambda *_: name


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _activity() -> tuple[str | None, str]:
    """Say whose business is done now, and which function of the outbox does it."""
    frame: FrameType | None = sys._getframe(2)
    reader = ""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.endswith(_OUTBOX):
            reader = frame.f_code.co_name
        for end, activity in ACTIVITIES.items():
            if file.endswith(end):
                return activity, reader
        frame = frame.f_back
    return None, reader
