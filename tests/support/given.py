"""Given facts, when a command, then facts: how every decider is tried.

given(received, classified, by=decider).when(Ring(END_OF_DAY_TWO)).then(breached, escalated)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from steward_decider import AnyDecider, Command, Refused
from steward_events.fact import Fact

Expected = Fact | type[Fact] | Callable[[Fact], object]
"""A whole fact, its type, or a condition that it must meet."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a decider answered, and the state that it led to."""

    decider: AnyDecider
    state: Any
    facts: tuple[Fact, ...]

    def then(self, *expected: Expected) -> "Answer":
        """Demand these facts, in order and no others."""
        said = "\n".join(map(repr, self.facts)) or "nothing"
        assert len(self.facts) == len(expected), f"it answered:\n{said}"
        for fact, wanted in zip(self.facts, expected, strict=True):
            match wanted:
                case Fact():
                    assert fact == wanted
                case type():
                    assert isinstance(fact, wanted), f"it answered:\n{said}"
                case _:
                    assert wanted(fact), f"{fact!r} is not what was expected"
        return self

    def when(self, command: Command) -> "Answer":
        """Go on with another command."""
        return Given(self.decider, self.state).when(command)


@dataclass(frozen=True, slots=True)
class Given:
    """A decider and the state of a stream."""

    decider: AnyDecider
    state: Any

    def when(self, command: Command) -> Answer:
        """Give a command; what it answers is kept."""
        facts = tuple(self.decider.decide(command, self.state))
        return Answer(self.decider, _evolved(self.decider, self.state, facts), facts)

    def refuses(self, command: Command) -> Refused:
        """Give a command that must be refused."""
        with pytest.raises(Refused) as refused:
            self.decider.decide(command, self.state)
        return refused.value


def given(*past: Fact | Command, by: AnyDecider) -> Given:
    """Begin with what happened: facts of the stream, or commands whose answers are its facts."""
    state = by.initial
    for step in past:
        facts = [step] if isinstance(step, Fact) else by.decide(step, state)
        state = _evolved(by, state, facts)
    return Given(by, state)


def _evolved(decider: AnyDecider, state: Any, facts: Sequence[Fact]) -> Any:
    for fact in facts:
        state = decider.evolve(state, fact)
    return state
