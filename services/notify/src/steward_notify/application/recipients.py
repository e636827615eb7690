"""Who is told when the message is sent: holder, stand-in on duty, delegate, next role above.

Whoever asked or handled the matter is passed over, and a holder while the role is delegated
(READINGS 1).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Literal

from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_notify.application.ports import Directory, Person
from steward_notify.domain.message import Channel
from steward_notify.texts import Language
from steward_policy.ladder import LADDER, next_above

StandingIn = Literal["on_duty", "delegate"]


@dataclass(frozen=True, slots=True)
class Found:
    """Who is told, as what, where, and who was passed over on the way."""

    person: Person
    role: Role | None
    address: Sealed = field(repr=False)
    passed_over: tuple[str, ...]
    standing_in: StandingIn | None = None


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nobody up to the top can be reached."""

    passed_over: tuple[str, ...]


async def find(
    directory: Directory,
    project_id: str,
    role: Role,
    channel: Channel,
    at: datetime,
    hands: Mapping[str, str],
) -> Found | Nobody:
    """Climb the ladder until somebody can be reached over this channel who has no hand in it."""
    passed_over: list[str] = []
    rung: Role | None = role
    while rung is not None:
        holders = await directory.holders(project_id, rung)
        delegates = await directory.delegates(project_id, rung, at)
        on_duty = await directory.on_duty(project_id, rung, at)
        if not holders:
            passed_over.append(f"{rung}: nobody holds it")
        # What somebody delegated who has lost the role since is void.
        for person, standing_in in _in_turn(holders, on_duty, delegates):
            why_not = _hand(hands, person)
            if standing_in is None and person.person_id in delegates:
                why_not = "has delegated it"
            address = person.address(channel)
            if why_not is None and address is not None:
                return Found(person, rung, address, tuple(passed_over), standing_in)
            why_not = why_not or f"has no address for {channel}"
            passed_over.append(f"{rung}: {person.person_id} {why_not}")
        rung = next_above(rung)
    return Nobody(tuple(passed_over))


async def reached(
    directory: Directory, project_id: str, channel: Channel, at: datetime
) -> dict[Role, Found | Nobody]:
    """Say for each role of the ladder who is told now, of what nobody has a hand in yet."""
    return {
        role: await find(directory, project_id, role, channel, at, {})
        for rung in LADDER
        for role in rung
    }


async def find_owner(
    directory: Directory, household_id: str | None, left: Sealed | None, channel: Channel
) -> Found | None:
    """Give where a case's owner is reached: at the address `left`, else somebody of the household."""
    people = await directory.household(household_id) if household_id else []
    if left is not None:
        language: Language = people[0].language if people else "zh"
        return Found(Person(None, language), None, left, ())
    for person in people:
        if (address := person.address(channel)) is not None:
            return Found(person, None, address, ())
    return None


def _in_turn(
    holders: Sequence[Person],
    on_duty: Sequence[Person],
    delegates: Mapping[str, Sequence[Person]],
) -> Iterator[tuple[Person, StandingIn | None]]:
    yield from ((person, None) for person in holders)
    yield from ((person, "on_duty") for person in on_duty)
    given = chain.from_iterable(delegates.get(str(person.person_id), ()) for person in holders)
    yield from ((person, "delegate") for person in given)


def _hand(hands: Mapping[str, str], person: Person) -> str | None:
    what = hands.get(person.person_id) if person.person_id else None
    return None if what is None else f"{what} the matter"
