"""Judges by what facts mean whether each effect came once, and each alarm once and at its time.

Twice: by itself, each fact must follow from what was told of the same clock, duty or message before.
Wholly: each stream that follows intake must be what its decider answers to what was heard and to what
rang.
"""

import json
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from steward_decider import AnyDecider, Command, Ring
from steward_events.recorded import Recorded
from steward_eventstore.execute import To
from steward_eventstore.rows import recorded_of
from steward_notify.application import reactions as of_notify
from steward_notify.domain.owner import OwnerDecider
from steward_policy.packs import built_in
from steward_sla.application import reactions as of_sla
from steward_sla.domain.clocks import ClocksDecider
from steward_visits.application import reactions as of_visits
from steward_visits.domain.followups import FollowupsDecider
from steward_visits.domain.ledger import LedgerDecider

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Fact:
    """A stored fact, as the database has it."""

    stream: str
    version: int
    partition: int
    type: str
    data: dict[str, Any]
    meta: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name without owner and version."""
        return self.type.split(".")[1]

    @property
    def id(self) -> str:
        """The ID under which it is published."""
        return str(self.meta["id"])

    @property
    def recorded_at(self) -> datetime:
        """When it was stored."""
        return datetime.fromisoformat(self.meta["recorded"])

    def at(self, field_: str) -> datetime | None:
        """Give an instant that it names."""
        said = self.data.get(field_)
        return None if said is None else datetime.fromisoformat(said)

    def recorded(self) -> Recorded:
        """Give it as others hear it."""
        said, meta = json.dumps(self.data), json.dumps(self.meta)
        return recorded_of(self.stream, self.version, self.type, said, meta)


# ---- what is told of one thing, fact by fact ----


@dataclass
class Clock:
    """What was told of one clock of one case so far."""

    started_at: datetime | None = None
    due: datetime = NEVER
    provisional: bool = False
    paused: bool = False
    outcome: str = ""
    ended_at: datetime | None = None
    breaches: int = 0
    stands: int = 0
    """The number of the breach that stands."""
    late_for: datetime | None = None
    """What was due when it stood."""
    asked: str = ""
    """The last request for more time."""
    told: set[tuple[object, ...]] = field(default_factory=set)
    """What is told once: warnings, steps of escalation, and what becomes of them."""

    def tell(self, fact: Fact, now: datetime | None) -> bool:
        """Take one more fact, because of something at `now`; says whether it can follow."""
        if fact.name == "clock_started":
            started_at = fact.at("started_at")
            follows = started_at != self.started_at or bool(self.outcome)
            self.started_at, self.paused, self.outcome = started_at, False, ""
            self._move(fact, "due_at")
            return follows
        return self.started_at is not None and self._goes_on(fact, now)

    def _goes_on(self, fact: Fact, now: datetime | None) -> bool:
        said, name = fact.data, fact.name
        match name:
            case "clock_rescheduled":
                due, provisional = self.due, self.provisional
                self._move(fact, "new_due")
                is_new = (due, provisional) != (self.due, self.provisional)
                return due == fact.at("old_due") and is_new
            case "clock_paused" | "clock_resumed":
                was_paused, self.paused = self.paused, name == "clock_paused"
                self.due = fact.at("due_at") or self.due
                return was_paused is not self.paused
            case "clock_warned":
                return self._once(name, said["warned_at"])
            case "clock_breached":
                return self._breached(fact)
            case "breach_withdrawn":
                stood, self.stands = self.stands, 0
                return bool(stood == said["number"])
            case "breach_excused" | "major_by_age":
                return bool(self.stands) and self._once(name, self.stands)
            case "clock_met" | "clock_cancelled":
                outcome, ended_at = self.outcome, self.ended_at
                self.outcome, self.paused = said.get("outcome", "cancelled"), False
                self.ended_at = fact.at("met_at") or now
                is_moved = name == "clock_met" and ended_at != self.ended_at
                return outcome != self.outcome or is_moved
            case "escalated":
                to = said["to"] if said["because"] else ""
                of = self.asked if said.get("decide_by") else ""
                is_of_breach = said["breach"] in (0, self.stands, self.breaches + 1)
                is_step = self._once("step", said["breach"], said["step"], said["because"], to, of)
                is_new = self._once(name, said["escalation_id"])
                return is_of_breach and is_step and is_new
            case "escalation_withdrawn" | "escalation_acknowledged":
                id_ = said["escalation_id"]
                return ("escalated", id_) in self.told and self._once(name, id_)
            case "owner_date_declined":
                return self._once(name, said["asked_for"])
            case "extension_requested" | "extension_approved" | "extension_refused":
                self.asked = said["extension_id"]
                return self._once(name, said["extension_id"])
            case _:
                return False

    def _breached(self, fact: Fact) -> bool:
        follows = (
            not self.stands
            and self.outcome not in ("in_time", "with_approval")
            and fact.data["number"] == self.breaches + 1
            and fact.at("due_at") == self.due <= (fact.at("breached_at") or NEVER)
        )
        self.breaches = self.stands = fact.data["number"]
        self.late_for = fact.at("due_at")
        return follows

    def _move(self, fact: Fact, due: str) -> None:
        self.due, self.provisional = fact.at(due) or NEVER, fact.data["provisional"]

    def _once(self, *what: object) -> bool:
        before = what in self.told
        self.told.add(what)
        return not before

    def is_right(self, at: datetime) -> bool:
        """Say whether it is told to be late exactly if it was, as of `at`."""
        until = min(self.ended_at, at) if self.outcome and self.ended_at else at
        if self.stands:
            return self.late_for == self.due
        return until <= self.due


@dataclass
class Owed:
    """What was told of one thing that is owed until its time: a follow-up, a quota, a duty."""

    status: str = ""
    by: datetime = NEVER

    def tell(self, fact: Fact) -> bool:
        """Take one more fact; says whether it can follow."""
        before = self.status
        match fact.name.split("_", 1)[1]:
            case "due":
                self.status, self.by = "owed", fact.at("by") or NEVER
                return before in ("", "waived")
            case "overdue" | "missed":
                self.status = "late"
                return before == "owed" and self.by == fact.at("by")
            case "done" | "reached" | "waived" as end:
                self.status = end
                return before in ("owed", "late", "enough")
            case "reached_withdrawn":
                self.status = "owed"
                return before == "reached"
            case "missed_withdrawn":
                self.status = "enough"
                return before == "late"
            case _:
                return False

    def is_right(self, at: datetime) -> bool:
        """Say whether it was told to be late if it was, as of `at`."""
        return self.status != "owed" or at <= self.by


OWED = {
    "followup": ("followup_id",),
    "quota": ("project_id", "person_id", "quota", "month"),
    "duty": ("subject", "duty", "period"),
}
"""What is owed, and what tells one from another."""


@dataclass
class Message:
    """What was told of one message so far."""

    status: str = ""
    attempts: int = 0
    alarmed: bool = False
    known: bool = False

    def tell(self, fact: Fact) -> bool:
        """Take one more fact; says whether it can follow."""
        before, attempts, said = self.status, self.attempts, fact.data
        self.attempts = said.get("attempt", attempts)
        under_way = before in ("sending", "sent", "unknown")
        match fact.name:
            case "message_requested":
                self.status = "owed"
                return before == ""
            case "message_sending":
                self.status = "sending"
                return before == "owed" and self.attempts == attempts + 1
            case "message_sent":
                self.status = "sent"
                return before in ("sending", "unknown") and self.attempts == attempts
            case "message_unknown":
                self.status = "unknown"
                return before == "sending" and self.attempts == attempts
            case "message_failed":
                self.status = "owed" if said.get("again_at") else "failed"
                return (under_way or before == "owed") and self.attempts == attempts + (
                    before == "owed"
                )
            case "message_delivered":
                self.status = "delivered"
                # Said anew where it is known only now, since nobody else is waited for.
                known, self.known = self.known, bool(said.get("about"))
                return under_way or (before == "delivered" and self.known and not known)
            case "message_suppressed":
                self.status = "suppressed"
                return before == "owed"
            case "administrator_alarmed":
                alarmed, self.alarmed = self.alarmed, True
                return before == "failed" and not alarmed
            case _:
                return False


@dataclass
class Stories:
    """What was told of each thing, and which facts could not follow."""

    clocks: dict[tuple[str, str], Clock] = field(default_factory=lambda: defaultdict(Clock))
    owed: dict[tuple[str, ...], Owed] = field(default_factory=lambda: defaultdict(Owed))
    messages: dict[str, Message] = field(default_factory=lambda: defaultdict(Message))

    def of_clocks(self, facts: Iterable[Fact]) -> Iterator[tuple[Fact, bool]]:
        """Take the facts of sla; says of each about a clock whether it can follow."""
        noted: dict[str, datetime | None] = {}
        for fact in facts:
            if fact.name == "case_noted":
                noted[fact.stream] = fact.at("at")
            elif "clock" in fact.data:
                clock = self.clocks[fact.data["case_id"], fact.data["clock"]]
                yield fact, clock.tell(fact, noted.get(fact.stream))

    def of_owed(self, facts: Iterable[Fact]) -> Iterator[tuple[Fact, bool]]:
        """Take the facts of visits; says of each about something owed whether it can follow."""
        for fact in facts:
            kind = fact.name.split("_", 1)[0]
            if kind in OWED and fact.name != "duty_noted":
                key = (kind, *(fact.data[name] for name in OWED[kind]))
                yield fact, self.owed[key].tell(fact)

    def of_messages(self, facts: Iterable[Fact]) -> Iterator[tuple[Fact, bool]]:
        """Take the facts of notify; says of each about a message whether it can follow."""
        for fact in facts:
            if "message_id" in fact.data:
                yield fact, self.messages[fact.data["message_id"]].tell(fact)


def repeated_notes(facts: Iterable[Fact]) -> Iterator[tuple[Fact, bool]]:
    """Say of each note of what another owner's thing is now whether it says something new."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for fact in facts:
        if fact.name in ("case_noted", "ledger_noted", "duty_noted"):
            place = fact.stream, fact.name
            yield fact, last.get(place) != fact.data
            last[place] = fact.data


# ---- whole streams ----


def unlike(facts: Mapping[str, Sequence[Fact]], at: datetime) -> Iterator[tuple[str, str]]:
    """Name each stream that follows intake, and how it is not what it should be as of `at`."""
    rules = built_in()
    rules_of = {rules.version: rules}.__getitem__
    deciders: Mapping[str, Mapping[str, tuple[AnyDecider, Callable[[Recorded], Iterable[To]]]]] = {
        "sla": {"clocks": (ClocksDecider(rules_of), of_sla.follow)},
        "visits": {
            "followups": (FollowupsDecider(rules_of), of_visits.follow),
            "ledger": (LedgerDecider(lambda *_: rules), of_visits.keep_ledger),
        },
        "notify": {"owner": (OwnerDecider(rules_of), of_notify.tell_owner)},
    }
    source = [fact.recorded() for fact in facts["intake"]]
    # What a newer version of a fact says more was noted by whoever knew it already.
    newer = {
        name
        for fact, recorded in zip(facts["intake"], source, strict=True)
        if recorded.fact is not None
        for name in type(recorded.fact).model_fields.keys() - fact.data.keys()
    }
    for owner, kinds in deciders.items():
        streams: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts[owner]:
            streams[fact.stream].append(fact)
        for kind, (decider, follow) in kinds.items():
            heard: dict[str, dict[str, deque[Command]]] = defaultdict(lambda: defaultdict(deque))
            for recorded in source:
                for to in follow(recorded):
                    heard[to.stream][recorded.stream].append(to.command)
            for stream in {*heard, *(one for one in streams if one.startswith(f"{kind}-"))}:
                try:
                    commands = list(heard[stream].values())
                    told = streams.get(stream, [])
                    yield stream, _difference(told, commands, decider, at, newer)
                except Exception as error:  # what cannot be decided was not told either
                    yield stream, repr(error)


def _difference(
    facts: Sequence[Fact],
    heard: Sequence[deque[Command]],
    decider: AnyDecider,
    at: datetime,
    newer: Collection[str],
) -> str:
    """Say where a stream goes another way than what it heard, of each source in order, and rang."""
    told = [_known(fact.recorded().fact, newer) for fact in facts]
    state, place = decider.initial, 0

    def comes_next(answer: Sequence[object]) -> bool:
        known = [_known(fact, newer) for fact in answer]
        return known == told[place : place + len(answer)]

    def answer_to_next() -> Sequence[Any] | None:
        for commands in filter(None, heard):
            answer: Sequence[Any] = decider.decide(commands[0], state)
            if comes_next(answer):
                commands.popleft()
                return answer
        if place == len(told) or (wake := decider.wake_at(state)) is None:
            return None
        unheard = getattr(told[place], "unheard", False)
        rung: Sequence[Any] = decider.decide(Ring(wake, unheard=unheard), state)
        return rung if rung and comes_next(rung) else None

    while (answer := answer_to_next()) is not None:
        place += len(answer)
        for fact in answer:
            state = decider.evolve(state, fact)
    if place < len(told):
        return f"version {facts[place].version}, {facts[place].type}, is not what was to come"
    if unheard := sum(map(len, heard)):
        return f"{unheard} facts had no effect"
    wake = decider.wake_at(state)
    return "" if wake is None or wake > at else f"what was due at {wake} has not rung"


def _known(fact: Any, newer: Collection[str]) -> Any:
    """Give a fact without what it notes of fields that are newer than the facts that it heard."""
    if not newer or not hasattr(fact, "fields"):
        return fact
    fields = {name: said for name, said in fact.fields.items() if name not in newer}
    return fact.model_copy(update={"fields": fields})
