"""What notify needs of others: its own lists, the staff register, and the providers."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_notify.application.outcomes import Outcome
from steward_notify.domain.message import Channel
from steward_notify.texts import Language, Text
from steward_service.lists import Cursor

Row = Mapping[str, Any]

LONGEST_VALUE = 35
"""Characters of one value in a text: the SMS provider refuses longer ones (isv.PARAM_LENGTH_LIMIT)."""


@dataclass(frozen=True, slots=True)
class OwedMessage:
    """A message that is owed, as the sender needs it."""

    message_id: str
    project_id: str
    channel: Channel
    template: str
    role: Role | None
    values: Mapping[str, str] = field(repr=False)
    case_id: str | None = None
    attempts: int = 0
    only_if_sent: str | None = None
    earlier: str | None = None
    """What became of the message that `only_if_sent` or `instead_of` names."""
    instead_of: str | None = None
    household_id: str | None = None
    address: Sealed | None = field(default=None, repr=False)
    sealed: Mapping[str, Sealed] = field(default_factory=dict, repr=False)
    together: bool = False
    correlation_id: str = ""
    incident: str | None = None
    """The incident that the case is one of."""
    incident_name: str = ""


class Lead(Protocol):
    """The right to send, of one process at a time; lost with its connection, not with time."""

    async def owed(
        self,
        channel: Channel,
        now: datetime,
        wall: datetime,
        without: Sequence[str],
        limit: int,
    ) -> list[OwedMessage]:
        """Give what may be sent now by a channel, what was asked for first in front."""
        ...

    async def left_sending(self, without: Sequence[str]) -> list[OwedMessage]:
        """Give what stands in «sending», without what this process is working on."""
        ...


class Outbox(Protocol):
    """The messages, as the sender sees them."""

    def lead(self) -> AbstractAsyncContextManager[Lead | None]:
        """Lead while inside; None where another process leads."""
        ...


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, and how to reach them; sealed. Who reported a case is known by no ID."""

    person_id: str | None
    language: Language
    phone: Sealed | None = field(default=None, repr=False)
    email: Sealed | None = field(default=None, repr=False)

    def address(self, channel: Channel) -> Sealed | None:
        """Give where the channel reaches them."""
        return self.phone if channel == "sms" else self.email


class Directory(Protocol):
    """Who holds which role, as heard from the registry."""

    async def holders(self, project_id: str, role: Role, /) -> list[Person]:
        """Give those who hold a role at a project, the longest first."""
        ...

    async def on_duty(self, project_id: str, role: Role, at: datetime, /) -> list[Person]:
        """Give those who are on duty in a role, the shift that began first in front."""
        ...

    async def delegates(
        self, project_id: str, role: Role, at: datetime, /
    ) -> Mapping[str, Sequence[Person]]:
        """Give to whom a role is delegated now, by who delegated it."""
        ...

    async def hands(self, case_id: str, /) -> Mapping[str, str]:
        """Give who has a hand in a case, and how: they `asked` or `handled`."""
        ...

    async def household(self, household_id: str, /) -> list[Person]:
        """Give the people of a household."""
        ...

    async def project_name(self, project_id: str, /) -> str:
        """Give a project's name, its ID while the name was not heard yet."""
        ...


class Gateway(Protocol):
    """One channel's provider."""

    async def send(
        self,
        message_id: str,
        address: str,
        template: str,
        language: Language,
        values: Mapping[str, str],
        text: Text,
    ) -> Outcome:
        """Send one message once; a cancelled call may have sent."""
        ...


class Receipt(Protocol):
    """What the network says of one text."""

    @property
    def message_id(self) -> str | None: ...

    @property
    def provider_id(self) -> str: ...

    @property
    def delivered(self) -> bool: ...

    @property
    def code(self) -> str: ...


class MessageList(Protocol):
    """The messages as a list for readers."""

    async def sent_as(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Give what was sent under each ID, of a message or a group: messages and their projects."""
        ...

    async def listed(
        self,
        projects: Sequence[str] | None,
        filters: Mapping[str, str],
        since: Cursor | None,
        limit: int,
    ) -> list[Row]:
        """Give messages in the order of their last change; `projects` None for all."""
        ...

    async def counts(
        self, projects: Sequence[str] | None, filters: Mapping[str, str]
    ) -> dict[str, dict[str, int]]:
        """Count the messages that are listed, on all pages, by channel and status."""
        ...
