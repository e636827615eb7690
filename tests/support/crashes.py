"""Kills services one after the other at named points, while others use them."""

import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.nursery import NURSERY
from tests.support.system import System

ANYWHERE = "anywhere"
"""Where is killed what has not come to its point in time, and each server."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The `nth` passing of a point, as `tests.support.crashing` names it."""

    point: str
    nth: int = 1


@dataclass
class Crashes:
    """Launches services; each dies at the next of its points, is started again, and dies at the next.

    A point that is not reached in time is passed over: its process is killed where it stands.
    """

    passed: Path
    """The file in which every process writes which points it passes."""
    seconds: float = 120.0
    """How long a process may take to reach its point."""
    died: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: list[tuple[str, str]] = field(default_factory=list)
    _plans: dict[str, deque[Crash]] = field(default_factory=dict)
    _next: dict[str, tuple[Crash, float]] = field(default_factory=dict)

    def launch(self, name: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        """Start a program, a service with its next crash."""
        if name in self._next:
            crash, since = self._next.pop(name)
            self.died[name, crash.point] += 1
            told = f"{name:<8} {crash.point:<40} {time.monotonic() - since:6.1f} s"
            print(told, file=sys.stderr)
        crash = Crash("", 0)
        if plan := self._plans.get(name):
            crash = plan.popleft()
            self._next[name] = crash, time.monotonic()
        how = {
            "service": name,
            "at": crash.point,
            "nth": crash.nth,
            "passed": str(self.passed),
        }
        return NURSERY.launch(name, arguments, env, log, how)

    async def happen(self, system: System, plans: Mapping[str, Iterable[Crash]]) -> None:
        """Let all of these happen, the services beside each other."""
        self._plans = {name: deque(plan) for name, plan in plans.items()}
        for name, plan in self._plans.items():
            if plan:
                system.kill(name)  # so that it starts with its first

        async def ended() -> bool:
            for name, (crash, since) in list(self._next.items()):
                if time.monotonic() - since > self.seconds:
                    self.missed.append((name, crash.point))
                    self.died[name, ANYWHERE] += 1
                    del self._next[name]
                    system.kill(name)
            return not self._next and not any(self._plans.values())

        crashes = sum(map(len, self._plans.values()))
        await system.until(ended, "not all crashes happened", self.seconds * (crashes + 2))

    def points(self) -> dict[str, list[str]]:
        """Give the points that each service has passed."""
        found: dict[str, set[str]] = {}
        for line in self.passed.read_text().splitlines():
            service, _, point = line.partition("\t")
            found.setdefault(service, set()).add(point)
        return {service: sorted(points) for service, points in found.items()}
