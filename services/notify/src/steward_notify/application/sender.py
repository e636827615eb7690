"""Sends what is owed: at most sixteen at a time, each attempt stored before it is made.

owed --> who holds the role now --> unseal --> «sending» stored --> provider --> outcome stored

One process sends at a time. What stands in «sending» and is not under way, since its process ended
or its outcome could not be stored, may have been sent: it becomes unknown, and is not sent again by
itself.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Protocol

import structlog
from uuid_utils.compat import uuid7

from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_eventstore.execute import Cause, Executor, Job, NotDone
from steward_eventstore.port import Clock
from steward_notify.application.outcomes import Outcome, RefusedForGood, Sent, TryLater, Unknown
from steward_notify.application.ports import Directory, Gateway, Lead, Outbox, OwedMessage
from steward_notify.application.reactions import to_message
from steward_notify.application.recipients import Found, Nobody, find, find_owner
from steward_notify.domain.gaps import gap_after
from steward_notify.domain.message import (
    BeginSending,
    Channel,
    Command,
    NoteFailed,
    NoteNobody,
    NoteSent,
    NoteUnknown,
    Suppress,
)
from steward_notify.texts import Text, ValueMissing, also_by_sms, render
from steward_service.batches import run_batch
from steward_service.sealing import BrokenSeal, Erased, KeyNotHeard

_LOG = structlog.get_logger(__name__)

AT_ONCE = 16
PAUSE_SECONDS = 0.1
STANDBY_SECONDS = 1.0
DRAIN_SECONDS = 4.0
LOOK_SECONDS = 5.0
"""Between looks for what was left in «sending»: who lost the lead may still leave some as it drains."""

_MAYBE_READ = ("sending", "sent", "unknown")

_NOBODY_TRIES = 4
"""Roles come over another topic than escalations: they may be heard a moment later."""


class Unsealer(Protocol):
    """Opens sealed values, at the last moment."""

    async def unseal(self, sealed: Sealed) -> str | Erased: ...


@dataclass(eq=False)
class Sender:
    """Works off the outbox until cancelled. `wall` is for back-offs, `clock` for duty hours."""

    executor: Executor
    outbox: Outbox
    directory: Directory
    gateways: Mapping[Channel, Gateway]
    unsealer: Unsealer
    clock: Clock
    wall: Clock
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _under_way: dict[str, asyncio.Task[object]] = field(default_factory=dict)
    _look_at: float = 0.0

    async def run(self) -> None:
        """Lead whenever nobody else does, and send."""
        while True:
            async with self.outbox.lead() as lead:
                if lead is not None:
                    await self._lead(lead)
            await asyncio.sleep(STANDBY_SECONDS)

    async def _lead(self, lead: Lead) -> None:
        self._look_at = 0.0
        try:
            while True:
                if monotonic() >= self._look_at:
                    await self._give_up_left(lead)
                await self._send_owed(lead)
                # Not wait_for: where the event and a cancellation meet, it forgets the cancellation.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_SECONDS):
                        await self.wake.wait()
                self.wake.clear()
        finally:
            await self._drain()

    async def _give_up_left(self, lead: Lead) -> None:
        self._look_at = monotonic() + LOOK_SECONDS
        for message in await lead.left_sending(list(self._under_way)):
            unknown = NoteUnknown(self.clock.now(), "its outcome was not stored")
            self._begin(message, self._note(message, unknown))

    async def _send_owed(self, lead: Lead) -> None:
        free = AT_ONCE - len(self._under_way)
        if free <= 0:
            return
        owed = await lead.owed(self.clock.now(), self.wall.now(), list(self._under_way), free)
        for message in owed:
            self._begin(message, self._send(message))

    def _begin(self, message: OwedMessage, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._under_way[message.message_id] = task
        task.add_done_callback(partial(self._done, message.message_id))

    def _done(self, message_id: str, task: asyncio.Task[object]) -> None:
        del self._under_way[message_id]
        error = None if task.cancelled() else task.exception()
        if error is None:
            self.wake.set()  # a place is free
        else:
            self._look_at = 0.0  # it may stand in «sending»
            _LOG.error("A message could not be worked on.", message=message_id, exc_info=error)

    async def _drain(self) -> None:
        """Let what is under way come to its end; what is cut off will be found as unknown."""
        tasks = list(self._under_way.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _send(self, message: OwedMessage) -> None:
        if message.only_if_sent is not None and message.earlier in {None, "failed", "suppressed"}:
            await self._note(message, Suppress(self.clock.now(), "nothing_to_correct"))
            return
        if message.instead_of is not None and message.earlier == "delivered":
            await self._note(message, Suppress(self.clock.now(), "told_by_sms"))
            return
        found = await self._find(message)
        if not isinstance(found, Found):
            await self._note(message, found)
            return
        try:
            address = await self.unsealer.unseal(found.address)
            opened = [await self.unsealer.unseal(sealed) for sealed in message.sealed.values()]
            personal = dict(zip(message.sealed, opened, strict=True))
            if isinstance(address, Erased) or any(isinstance(one, Erased) for one in opened):
                await self._note(message, Suppress(self.clock.now(), "erased"))
                return
            text, values = await self._text(message, found, personal)
        except (KeyNotHeard, BrokenSeal, ValueMissing) as error:
            again = isinstance(error, KeyNotHeard)
            _LOG.warning(
                "A message cannot be written.", message=message.message_id, reason=str(error)
            )
            code = type(error).__name__
            await self._note(message, self._failed(message, code, found.passed_over, again=again))
            return
        if message.instead_of is not None and message.earlier == "owed":
            # It has waited for too long already; told by email, it need not come late as well.
            await self._run(
                message, message.instead_of, Suppress(self.clock.now(), "told_by_email")
            )
        begin = BeginSending(
            self.clock.now(),
            found.person.person_id,
            found.role,
            found.passed_over,
            found.standing_in,
        )
        if not await self._note(message, begin):
            return  # taken back meanwhile
        await self._note(message, await self._attempt(message, found, address, values, text))

    async def _find(self, message: OwedMessage) -> Found | NoteNobody | Suppress:
        if message.role is None:
            owner = await find_owner(
                self.directory, message.household_id, message.address, message.channel
            )
            return owner or Suppress(self.clock.now(), "no_address")
        hands = await self.directory.hands(message.case_id) if message.case_id else {}
        found = await find(
            self.directory,
            message.project_id,
            message.role,
            message.channel,
            self.clock.now(),
            hands,
        )
        match found:
            case Found():
                return found
            case Nobody(passed_over):
                return self._nobody(message, message.role, passed_over)

    def _nobody(self, message: OwedMessage, role: Role, passed_over: tuple[str, ...]) -> NoteNobody:
        again = message.attempts + 1 < _NOBODY_TRIES
        if not again:
            _LOG.error(
                "Nobody up to the top can be told.",
                message=message.message_id,
                project=message.project_id,
                role=str(role),
            )
        gap = gap_after(message.attempts + 1, "nobody") if again else None
        return NoteNobody(
            self.clock.now(),
            message.project_id,
            role,
            message.case_id,
            passed_over,
            self.wall.now() + gap if gap is not None else None,
        )

    async def _attempt(
        self,
        message: OwedMessage,
        found: Found,
        address: str,
        values: Mapping[str, str],
        text: Text,
    ) -> Command:
        gateway, language = self.gateways[message.channel], found.person.language
        try:
            outcome = await gateway.send(
                message.message_id, address, message.template, language, values, text
            )
        except Exception as error:
            _LOG.exception("A gateway failed unexpectedly.", message=message.message_id)
            outcome = Unknown(f"The program failed with {type(error).__name__}.")
        return self._result(message, outcome)

    async def _text(
        self, message: OwedMessage, found: Found, personal: Mapping[str, str | Erased]
    ) -> tuple[Text, Mapping[str, str]]:
        values = {
            **message.values,
            **{name: str(value) for name, value in personal.items()},
            "project": await self.directory.project_name(message.project_id),
        }
        if found.role is not None:
            values["role"] = str(found.role)
        text = render(message.template, found.person.language, values)
        if message.instead_of is not None and message.earlier in _MAYBE_READ:
            text = also_by_sms(text, found.person.language)
        return text, values

    def _result(self, message: OwedMessage, outcome: Outcome) -> Command:
        match outcome:
            case Sent(provider_id):
                return NoteSent(self.clock.now(), provider_id)
            case RefusedForGood(code, reason):
                _LOG.warning("A message was refused.", message=message.message_id, reason=reason)
                return self._failed(message, code, again=False)
            case TryLater(code, reason):
                _LOG.info("A message is tried later.", message=message.message_id, reason=reason)
                return self._failed(message, code)
            case Unknown(reason):
                return NoteUnknown(self.clock.now(), reason[:200])

    def _failed(
        self,
        message: OwedMessage,
        code: str,
        passed_over: tuple[str, ...] = (),
        *,
        again: bool = True,
    ) -> NoteFailed:
        gap = gap_after(message.attempts + 1, code) if again else None
        again_at = self.wall.now() + gap if gap is not None else None
        return NoteFailed(self.clock.now(), code[:200], again_at, passed_over)

    async def _note(self, message: OwedMessage, command: Command) -> bool:
        """Store what a command brings; says whether it brought anything."""
        return await self._run(message, message.message_id, command)

    async def _run(self, message: OwedMessage, message_id: str, command: Command) -> bool:
        cause = Cause(uuid7(), "sender", correlation_id=message.correlation_id)
        to = to_message(message_id, message.project_id, command)
        [outcome] = await run_batch(self.executor, [Job(cause, lambda: [to])])
        if isinstance(outcome, NotDone):
            raise outcome.error
        return bool(getattr(outcome, "facts", ()))
