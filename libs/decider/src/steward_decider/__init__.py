"""The shape of all domain logic: `decide(command, state) -> facts`, `evolve`, `wake_at`.

Deciders are pure. Time and IDs arrive in the command; the shell stores what they answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar


class Command(Protocol):
    """What somebody wants done; `at` is when it happened in the world and dates the facts."""

    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Ring:
    """The shell's only own command: the stream's alarm of `at` is due, and all before it was heard.

    `unheard` says that the wait for what others know was given up (an alert goes with it).
    """

    at: datetime
    unheard: bool = False


class Refused(Exception):
    """The state does not allow the command; `reason` is a sentence for a person."""

    def __init__(self, reason: str, *, rule: str | None = None, code: str = "refused") -> None:
        super().__init__(reason)
        self.reason = reason
        self.rule = rule
        self.code = code


class NotHeardYet(Refused):
    """The decision needs something that was named but has not been heard; trying later mends it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, code="not_heard_yet")


C = TypeVar("C", contravariant=True)
S = TypeVar("S")
F = TypeVar("F")


class Decider(Protocol[C, S, F]):
    """Domain logic of one kind of stream; built with the immutable rules that it may need."""

    @property
    def initial(self) -> S:
        """Give the state of a stream without facts."""
        ...

    def decide(self, command: C, state: S) -> Sequence[F]:
        """Answer a command with facts; repeats are answered with nothing.

        Raises `Refused` where the state does not allow it.
        """
        ...

    def evolve(self, state: S, fact: F) -> S:
        """Give the state after one more fact."""
        ...

    def wake_at(self, state: S) -> datetime | None:
        """Give the next instant at which the stream wants a `Ring`, if any."""
        ...


AnyDecider = Decider[Any, Any, Any]
