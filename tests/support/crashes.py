"""Kills services one after the other at named points, while others use them."""

import random
import signal
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

import pytest
from tests.support.crashing import mark
from tests.support.nursery import NURSERY
from tests.support.system import System, running_services

from steward_stack import supervisor
from steward_stack.processes import Process
from steward_stack.supervisor import Stack

ANYWHERE = "anywhere"
"""Where is killed what has not come to its point in time, and each server."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The `nth` passing of a point, as `tests.support.crashing` names it."""

    point: str
    nth: int = 1


NONE = Crash("", 0)


@dataclass(frozen=True, slots=True)
class Life:
    """A process, where it is to end, and since when it runs."""

    pid: int
    crash: Crash
    since: float


@dataclass
class Crashes:
    """Launches services; each dies at the next of its points, is started again, and dies at the next.

    A point that is not reached in time is passed over: its process is killed where it stands.
    """

    passed: Path
    """The file in which every process writes which points it passes, and at which it ends itself."""
    seconds: float = 600.0
    """How long a process may take to reach its point."""
    died: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Kills by what was killed and where, each by the word of what was killed or by our own hand."""
    missed: list[tuple[str, str]] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)
    """What ended without being killed."""
    ended_at: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    _plans: dict[str, deque[Crash]] = field(default_factory=dict)
    _lives: dict[str, Life] = field(default_factory=dict)
    _killed: set[int] = field(default_factory=set)
    _changing: RLock = field(default_factory=RLock, repr=False)
    """Held while a life is followed by the next, in a thread of the stack, and while one is ended."""

    @contextmanager
    def running(self) -> Iterator[Stack]:
        """Run all services, each launched here."""
        with pytest.MonkeyPatch.context() as patch, running_services(launcher=self.launch) as stack:
            # They end far more often than anything that the stack should start again.
            patch.setattr(supervisor, "RESTARTS", 1_000)
            yield stack

    def launch(self, name: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        """Start a program, a service with its next crash."""
        with self._changing:
            if life := self._lives.get(name):
                self._ended(name, life)
            plan = self._plans.get(name)
            crash = plan[0] if plan else NONE
            how = {
                "service": name,
                "at": crash.point,
                "nth": crash.nth,
                "passed": str(self.passed),
            }
            pid = NURSERY.launch(name, arguments, env, log, how)
            self._lives[name] = Life(pid, crash, time.monotonic())
            if plan:
                plan.popleft()
            return pid

    def _ended(self, name: str, life: Life) -> None:
        if life.pid in self._killed:
            self._killed.remove(life.pid)  # when that was is noted
            return
        self.ended_at[name].append(datetime.now(UTC))
        lasted = f"{time.monotonic() - life.since:6.1f} s"
        if was_killed_at(self.passed, name, life.crash.point, life.pid):
            self.died[name, life.crash.point] += 1
            print(f"{name:<8} {life.crash.point:<40} {lasted}", file=sys.stderr)
        else:
            self.otherwise.append(f"{name} after {lasted}, on its way to {life.crash.point or '-'}")

    def kill(self, system: System, name: str) -> Process:
        """Kill something where it stands."""
        with self._changing:
            process = system.process(name)
            # Of a server nobody asks how it ended, and a service may have its pid later.
            if life := self._lives.get(name):
                until = time.monotonic() + self.seconds
                while process.pid != life.pid:  # it is launched, and not written down yet
                    assert time.monotonic() < until, f"{name} is launched and never written down"
                    time.sleep(0.01)
                    process = system.process(name)
                self._killed.add(process.pid)
            self.ended_at[name].append(datetime.now(UTC))
            process.send(signal.SIGKILL)
            return process

    def plan(self, plans: Mapping[str, Iterable[Crash]]) -> None:
        """Have each service die so from its next start on."""
        self._plans = {name: deque(plan) for name, plan in plans.items()}

    async def happen(self, system: System, plans: Mapping[str, Iterable[Crash]]) -> None:
        """Let all of these happen, the services beside each other."""
        self.plan(plans)
        for name, plan in self._plans.items():
            if plan:
                self.kill(system, name)  # so that it starts with its first

        async def ended() -> bool:
            with self._changing:
                under_way = [name for name in self._plans if self._lives[name].crash is not NONE]
                for name in under_way:
                    life = self._lives[name]
                    if life.pid in self._killed or time.monotonic() - life.since < self.seconds:
                        continue
                    self.missed.append((name, life.crash.point))
                    self.died[name, ANYWHERE] += 1
                    self.kill(system, name)
                return not under_way and not any(self._plans.values())

        crashes = sum(map(len, self._plans.values()))
        await system.until(ended, "not all crashes happened", self.seconds * (crashes + 2))

    @property
    def at_points(self) -> int:
        """Count the kills at points; those anywhere are more."""
        return sum(n for (_, point), n in self.died.items() if point != ANYWHERE)

    def points(self) -> dict[str, list[str]]:
        """Give the points that each service has passed."""
        found: dict[str, set[str]] = {}
        for line in self.passed.read_text().splitlines():
            service, point, *_ = line.split("\t")
            found.setdefault(service, set()).add(point)
        return {service: sorted(points) for service, points in found.items()}


@dataclass
class Turns:
    """Draws points by chance, of those that came least often: each comes before any comes again."""

    chance: random.Random
    came: Counter[tuple[str, str]] = field(default_factory=Counter)

    def draw(self, service: str, points: Sequence[str], number: int) -> list[Crash]:
        """Draw so many crashes; a point's first is at its first passing."""
        drawn = []
        for _ in range(number):
            least = min(self.came[service, point] for point in points)
            point = self.chance.choice([one for one in points if self.came[service, one] == least])
            drawn.append(Crash(point, self.chance.randint(1, 3) if least else 1))
            self.came[service, point] += 1
        return drawn


def lines(died: Mapping[tuple[str, str], int]) -> list[str]:
    """Say what was killed where, and how often."""
    heading = f"\n{'killed at':<40} {'what':<8} {'kills':>5}"
    return [heading, *(f"{at:<40} {name:<8} {n:>5}" for (name, at), n in sorted(died.items()))]


def was_killed_at(passed: Path, service: str, point: str, pid: int) -> bool:
    """Say whether a process ended itself at a point, by its own mark."""
    return passed.exists() and mark(service, point, pid) in passed.read_text()
