"""Who is told: the holder of a role when the message is sent, else the next role above."""

from dataclasses import dataclass, field

from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_notify.application.ports import Directory, Person
from steward_notify.domain.message import Channel
from steward_policy.ladder import next_above


@dataclass(frozen=True, slots=True)
class Found:
    """Who is told, as what, where, and who was passed over on the way."""

    person: Person
    role: Role
    address: Sealed = field(repr=False)
    passed_over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nobody up to the top can be reached."""

    passed_over: tuple[str, ...]


async def find(
    directory: Directory, project_id: str, role: Role, channel: Channel
) -> Found | Nobody:
    """Climb the ladder until somebody can be reached over this channel."""
    passed_over: list[str] = []
    rung: Role | None = role
    while rung is not None:
        holders = await directory.holders(project_id, rung)
        if not holders:
            passed_over.append(f"{rung}: nobody holds it")
        for person in holders:
            address = person.address(channel)
            if address is not None:
                return Found(person, rung, address, tuple(passed_over))
            passed_over.append(f"{rung}: {person.person_id} has no address for {channel}")
        rung = next_above(rung)
    return Nobody(tuple(passed_over))
