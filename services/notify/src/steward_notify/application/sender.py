"""Sends what is owed, by each channel sixteen at a time, each attempt stored before it is made.

owed --> who holds the role now --> unseal --> «sending» stored --> provider --> outcome stored

One process sends at a time. What stands in «sending» and is not under way, since its process ended
or its outcome could not be stored, may have been sent: it becomes unknown, and is not sent again by
itself.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from time import monotonic
from typing import Any, Protocol, get_args

import structlog
from uuid_utils.compat import uuid7

from steward_events.sealed import Sealed
from steward_events.vocabulary import Role
from steward_eventstore.execute import Cause, Executor, Job, NotDone
from steward_eventstore.port import Clock
from steward_notify.application.outcomes import Outcome, RefusedForGood, Sent, TryLater, Unknown
from steward_notify.application.ports import (
    LONGEST_VALUE,
    Directory,
    Gateway,
    Lead,
    Outbox,
    OwedMessage,
)
from steward_notify.application.reactions import stream_of, to_message
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
from steward_notify.texts import Text, ValueMissing, also_by_sms, in_short, render, too_long
from steward_service.batches import run_batch
from steward_service.queries import DATABASE_FAULTS
from steward_service.sealing import BrokenSeal, Erased

_LOG = structlog.get_logger(__name__)

AT_ONCE = 16
"""Texts of one channel: a provider that is silent holds up no other channel."""

TOGETHER = 50
"""Messages in one text."""

OF_INCIDENT = 500
"""Messages of one incident in one text."""

STORM = TOGETHER
"""So much of one kind that is told at once, of no incident, is put together all the same."""

_STEPS = frozenset({"escalation", "alarm", "requested", "undecided"})

QUIET_SECONDS = 0.5
GATHERING_SECONDS = 5.0
"""One text for an incident's cases waits until no more came, but no longer than that."""

AGAIN_AFTER = timedelta(minutes=1)
"""Who was told of an incident is told of more of the same no earlier: all that came, in one text."""

PAUSE_SECONDS = 0.25
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
    _under_way: dict[str, tuple[Channel, asyncio.Task[object]]] = field(default_factory=dict)
    _look_at: float = 0.0
    _gatherings: dict["_Shared", "_Gathering"] = field(default_factory=dict)
    _held: dict[str, datetime] = field(default_factory=dict)

    def held(self, now: datetime) -> list[str]:
        """Name what waits, since more of its incident was told just before."""
        self._held = {name: until for name, until in self._held.items() if until > now}
        self._gatherings = {
            shared: gathering
            for shared, gathering in self._gatherings.items()
            if gathering.count or (gathering.again_at is not None and gathering.again_at > now)
        }
        return list(self._held)

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
                for channel in get_args(Channel):
                    await self._send_owed(lead, channel)
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
            self._begin([message], self._note(message, unknown))

    async def _send_owed(self, lead: Lead, channel: Channel) -> None:
        free = AT_ONCE - len({task for by, task in self._under_way.values() if by == channel})
        if free <= 0:
            return
        now, wall = self.clock.now(), self.wall.now()
        without = [*self._under_way, *self.held(now)]
        owed = await lead.owed(channel, now, wall, without, free)
        if any(map(_shares, owed)) or (len(owed) == free and _are_alike(owed)):
            if free < AT_ONCE // 2:  # so many are not read again for every place that is free
                owed = [message for message in owed if not _shares(message)]
            else:
                owed = await lead.owed(channel, now, wall, without, AT_ONCE * TOGETHER)
        ready = (messages for messages in _in_texts(owed) if self._may_go(messages, now))
        for messages in islice(ready, free):
            alone = len(messages) == 1
            work = self._send(messages[0]) if alone else self._send_together(messages)
            self._begin(messages, work)

    def _may_go(self, messages: Sequence[OwedMessage], now: datetime) -> bool:
        """Say whether a text for an incident goes now: the first soon, more of the same later."""
        (message, *_) = messages
        if not _is_of_incident(message):
            return True
        gathering = self._gatherings.setdefault(_shared_by(message), _Gathering())
        again_at = gathering.again_at
        if again_at is not None and again_at > now:
            self._held.update((m.message_id, again_at) for m in messages)
            return False
        if not gathering.is_complete(len(messages), monotonic()):
            return False
        gathering.again_at = now + AGAIN_AFTER
        return True

    def _begin(self, messages: Sequence[OwedMessage], work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        ids = [message.message_id for message in messages]
        self._under_way.update(dict.fromkeys(ids, (messages[0].channel, task)))
        task.add_done_callback(partial(self._done, ids))

    def _done(self, ids: Sequence[str], task: asyncio.Task[object]) -> None:
        for id_ in ids:
            del self._under_way[id_]
        error = None if task.cancelled() else task.exception()
        if error is None:
            self.wake.set()  # a place is free
        else:
            self._look_at = 0.0  # it may stand in «sending»
            _LOG.error("A message could not be worked on.", messages=ids, exc_info=error)

    async def _drain(self) -> None:
        """Let what is under way come to its end; what is cut off will be found as unknown."""
        tasks = {task for _, task in self._under_way.values()}
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
        ready = await self._ready(message)
        if not isinstance(ready, _Ready):
            await self._note(message, ready)
            return
        found = ready.found
        begin = BeginSending(
            self.clock.now(),
            found.person.person_id,
            found.role,
            found.passed_over,
            found.standing_in,
        )
        if not await self._note(message, begin):
            return  # taken back meanwhile
        result = await self._attempt(message, found, ready.address, ready.values, ready.text)
        await self._note(message, result)
        if isinstance(result, NoteSent) and message.instead_of and message.earlier == "owed":
            # It has waited for too long already; told by email, it need not come late as well.
            told = Suppress(self.clock.now(), "told_by_email")
            await self._run(message, message.instead_of, told)

    async def _ready(self, message: OwedMessage) -> "_Ready | NoteFailed | NoteNobody | Suppress":
        """Say who reads what, or what becomes of the message otherwise.

        Whatever cannot be written is a failed attempt: else it would stay the first that is owed.
        """
        passed_over: tuple[str, ...] = ()
        try:
            found = await self._find(message)
            if not isinstance(found, Found):
                return found
            passed_over = found.passed_over
            address = await self.unsealer.unseal(found.address)
            opened = [await self.unsealer.unseal(sealed) for sealed in message.sealed.values()]
            personal = dict(zip(message.sealed, opened, strict=True))
            if isinstance(address, Erased) or any(isinstance(one, Erased) for one in opened):
                return Suppress(self.clock.now(), "erased")
            long = too_long(personal, LONGEST_VALUE) if message.channel == "sms" else None
            if long is not None:
                return self._failed(message, f"{long}_too_long", passed_over, again=False)
            text, values = await self._text(message, found, personal)
        except DATABASE_FAULTS:
            raise  # they say nothing of the message
        except Exception as error:
            code = type(error).__name__
            _LOG.warning("A message cannot be written.", message=message.message_id, code=code)
            again = not isinstance(error, (BrokenSeal, ValueMissing))
            return self._failed(message, code, passed_over, again=again)
        return _Ready(found, address, values, text)

    async def _send_together(self, messages: Sequence[OwedMessage]) -> None:
        """Send messages to one role, those to one person in one text."""
        by_person: dict[str | None, list[tuple[OwedMessage, Found]]] = {}
        for message in messages:
            try:
                found = await self._find(message)
            except DATABASE_FAULTS:
                raise
            except Exception:
                await self._send(message)  # alone it says why
                continue
            if isinstance(found, Found):
                by_person.setdefault(found.person.person_id, []).append((message, found))
            else:
                await self._note(message, found)
        for theirs in by_person.values():
            if len(theirs) == 1 or not await self._sent_in_one_text(theirs):
                for message, _ in theirs:
                    await self._send(message)

    async def _sent_in_one_text(self, theirs: Sequence[tuple[OwedMessage, Found]]) -> bool:
        """Send one text for several messages; says False where each has to go its own way."""
        (message, found), *_ = theirs
        try:
            address = await self.unsealer.unseal(found.address)
            texts = {m.message_id: (await self._text(m, f, {}))[0] for m, f in theirs}
            project = await self.directory.project_name(message.project_id)
        except DATABASE_FAULTS:
            raise
        except Exception:  # alone it says why
            return False
        if isinstance(address, Erased):
            return False
        group_id = f"group.{uuid7()}"
        begun = await self._note_all(
            [
                (
                    m,
                    BeginSending(
                        self.clock.now(),
                        f.person.person_id,
                        f.role,
                        f.passed_over,
                        f.standing_in,
                        group_id,
                    ),
                )
                for m, f in theirs
            ]
        )
        if not begun:
            return True  # all were taken back meanwhile
        begun.sort(key=lambda m: m.values.get("case_number", ""))
        language = found.person.language
        numbers = list(dict.fromkeys(m.values.get("case_number", "") for m in begun))
        template = "incident" if _is_of_incident(message) else "several"
        values = {
            "project": project,
            "role": str(found.role),
            "count": str(len(numbers)),
            "numbers": in_short(numbers, language, LONGEST_VALUE),
            "incident": message.incident_name,
            **{name: message.values.get(name, "") for name in ("target", "rule")},
        }
        text = render(template, language, values)
        bodies = [text.body, *(texts[m.message_id].body for m in begun)]
        several = replace(message, message_id=group_id, template=template)
        whole = Text(text.subject, "\n\n".join(bodies))
        result = await self._attempt(several, found, address, values, whole)
        await self._note_all([(m, _of_group(result, group_id)) for m in begun])
        return True

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
        log = _LOG.bind(message=message.message_id)
        match outcome:
            case Sent(provider_id):
                return NoteSent(self.clock.now(), provider_id)
            case RefusedForGood(code, reason):
                log.warning("A message was refused.", code=code, reason=reason)
                return self._failed(message, code, again=False)
            case TryLater(code, reason):
                log.info("A message is tried later.", code=code, reason=reason)
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

    async def _note_all(self, commands: Sequence[tuple[OwedMessage, Command]]) -> list[OwedMessage]:
        """Store what commands bring, all at once; gives those that they brought anything for."""
        (first, _), *_ = commands
        tos = [to_message(m.message_id, m.project_id, command) for m, command in commands]
        cause = Cause(uuid7(), "sender", correlation_id=first.correlation_id)
        [outcome] = await run_batch(self.executor, [Job(cause, lambda: tos)])
        if isinstance(outcome, NotDone):
            raise outcome.error
        changed = {recorded.stream for recorded in getattr(outcome, "facts", ())}
        return [m for m, _ in commands if stream_of(m.message_id) in changed]

    async def _run(self, message: OwedMessage, message_id: str, command: Command) -> bool:
        cause = Cause(uuid7(), "sender", correlation_id=message.correlation_id)
        to = to_message(message_id, message.project_id, command)
        [outcome] = await run_batch(self.executor, [Job(cause, lambda: [to])])
        if isinstance(outcome, NotDone):
            raise outcome.error
        return bool(getattr(outcome, "facts", ()))


_Shared = tuple[str, Role | None, Channel, str, str, str]
"""What messages in one text have in common: project, role, channel; incident and kind, if of one."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """Who is told, where, and what they read."""

    found: Found
    address: str = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    text: Text = field(repr=False)


@dataclass(slots=True)
class _Gathering:
    """How many cases of an incident wait for one text, since when, and since when no more came."""

    count: int = 0
    since: float = 0.0
    quiet_since: float = 0.0
    again_at: datetime | None = None

    def is_complete(self, count: int, now: float) -> bool:
        """Say whether no more came for a moment, or all have waited long enough; then begin anew."""
        if not self.count:
            self.since = now
        if count != self.count:
            self.count, self.quiet_since = count, now
        complete = now - self.quiet_since >= QUIET_SECONDS or now - self.since >= GATHERING_SECONDS
        if complete:
            self.count = 0
        return complete


def _is_step(message: OwedMessage) -> bool:
    return message.template in _STEPS and message.instead_of is None


def _is_of_incident(message: OwedMessage) -> bool:
    return message.incident is not None and _is_step(message)


def _shares(message: OwedMessage) -> bool:
    """Say whether it may go in one text with others, however few."""
    return message.together or _is_of_incident(message)


def _shared_by(message: OwedMessage) -> _Shared:
    by = (message.project_id, message.role, message.channel)
    kind = (message.template, message.values.get("target", ""))
    if _is_of_incident(message):
        return (*by, message.incident or "", *kind)
    return (*by, "", "", "") if message.together else (*by, "", *kind)


def _are_alike(owed: Iterable[OwedMessage]) -> bool:
    """Say whether a storm may be under way: two of them are told of the same to one role."""
    shared = [_shared_by(message) for message in owed if _is_step(message)]
    return len(set(shared)) < len(shared)


def _in_texts(owed: Iterable[OwedMessage]) -> list[list[OwedMessage]]:
    """Put together what may go to one role in one text; what goes alone goes first."""
    found: dict[_Shared, list[OwedMessage]] = {}
    alone: list[list[OwedMessage]] = []
    for message in owed:
        if _shares(message) or _is_step(message):
            found.setdefault(_shared_by(message), []).append(message)
        else:
            alone.append([message])
    shared: list[list[OwedMessage]] = []
    for messages in found.values():
        if not _shares(messages[0]) and len(messages) < STORM:
            alone += [[message] for message in messages]
            continue
        most = OF_INCIDENT if _is_of_incident(messages[0]) else TOGETHER
        shared += [messages[start : start + most] for start in range(0, len(messages), most)]
    return [*alone, *shared]


def _of_group(command: Command, group_id: str) -> Command:
    return replace(command, group_id=group_id) if isinstance(command, NoteSent) else command
