"""Reads a system from outside and compares it with what its clients were told."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_string
from typing import Any, get_args

import asyncpg
from rich.progress import Progress
from tests.support.crowd import PROJECTS, Told
from tests.support.effects import Clock, Fact, Owed, Stories, repeated_notes, unlike
from tests.support.system import HEARS, OWNERS, Published, System

from steward_events.sla import Escalated, EscalationWithdrawn
from steward_eventstore.port import EVERYWHERE
from steward_notify.application.reactions import correction_of, message_id_of, template_of
from steward_notify.application.sender import AT_ONCE
from steward_notify.domain.message import Channel
from steward_service.partitions import partition_of
from steward_stack.supervisor import PARTITIONS
from steward_stack.verifying import verify

RESOLVE = "minor-resolve"
"""The target of which is known, by what people were told, whether it was met in time."""
LATE = ("sla.clock_breached", "visits.followup_overdue")
RINGS = {
    "sla.clock_warned": "warned_at",
    "sla.clock_breached": "breached_at",
    "sla.escalated": "told_at",
    "visits.followup_overdue": "by",
    "visits.quota_missed": "by",
    "visits.duty_missed": "by",
}
"""What is told when an alarm rings, and which of its fields says when that was due."""
NOTED, ASSIGNED = "intake.breach_noted", "intake.case_assigned"
"""What intake stores of a case without anybody having said it."""
SLACK = timedelta(seconds=1)
"""So far may two clocks of one machine be from each other, or one from itself once it was set."""


@dataclass
class Invariant:
    """What must hold of each of many things: of how many it was judged, and of which it does not."""

    judged: int = 0
    violations: list[str] = field(default_factory=list)

    def demand(self, holds: object, otherwise: str) -> None:
        """Judge one thing; `otherwise` names it where the invariant does not hold."""
        self.judged += 1
        if not holds:
            self.violations.append(otherwise)

    def once(self, counts: Mapping[Any, int], wanted: Collection[Hashable], what: str) -> None:
        """Demand each wanted thing exactly once, and nothing else."""
        for one in {*wanted, *counts}:
            n = counts.get(one, 0)
            self.demand(
                n == (one in wanted), f"{what} of {one}: {n} times for {int(one in wanted)}"
            )


INVARIANTS = (
    "each fact has an ID of its own",
    "what is published is stored, under one ID",
    "what is stored is published",
    "a stream is published in its order",
    "a stream lies in one partition, that of its key",
    "what was accepted is stored, once, and nothing else",
    "each stream was heard to its end",
    "the auditor has counted each fact once",
    "each fact of a case is noted once",
    "each case has its clock",
    "no breach is told twice",
    "no escalation is told twice",
    "late is what was not done in time",
    "what is late climbs",
    "a breach is taken back for what was done in time",
    "who was told of it is told so",
    "each breach is noted at its case, once",
    "nothing rings before its time",
    "what is due has rung",
    "nothing is told twice of a clock",
    "nothing is told twice of what is owed",
    "nothing is told twice of a message",
    "a stream is what was heard and what rang",
    "what waited came as it was said",
    "what was handled is followed up once",
    "what is late is told once over each channel",
    "each message has an outcome, and it a cause",
    "no sms is sent twice, or without being owed",
    "no email is sent twice, or without being owed",
    "each sms was taken as its outcome says",
    "each email was taken as its outcome says",
    "nobody knows only what the sender was killed over",
    "read models are what the facts say",
)


@dataclass
class Verdict:
    """What was judged, by invariant, and how much there was of what could have gone wrong."""

    invariants: Mapping[str, Invariant] = field(
        default_factory=lambda: {name: Invariant() for name in INVARIANTS}
    )
    facts: int = 0
    effects: int = 0
    """Facts that a service stored because of another's."""
    alarms: int = 0
    texts: int = 0
    mails: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    """By channel: sendings of which nobody knows whether they were made; that may be."""

    def __getitem__(self, invariant: str) -> Invariant:
        """Give the judgement of one invariant."""
        return self.invariants[invariant]

    def violations(self) -> list[str]:
        """Give all that was found wrong."""
        return [
            f"{name}: {one}" for name, each in self.invariants.items() for one in each.violations
        ]


Facts = Mapping[str, Sequence[Fact]]
"""All facts, by owner; each stream in its order."""


async def facts_of(system: System) -> Facts:
    """Read all facts that are stored."""
    sql = """
        SELECT stream_id, version, partition, type, data::text, meta::text FROM events
         ORDER BY stream_id, version
    """
    return {owner: list(map(_fact, await system.query(owner, sql))) for owner in OWNERS}


def _fact(row: asyncpg.Record) -> Fact:
    read = {name: json.loads(row[name]) for name in ("data", "meta")}
    return Fact(row["stream_id"], row["version"], row["partition"], row["type"], **read)


async def taken(system: System) -> tuple[list[str], list[str]]:
    """Name the texts that the SMS provider, and the mails that the mail server has taken."""
    texts = [text["out_id"] for text in await system.texts()]
    return texts, [_message_id(mail) for mail in system.mails()]


class Judge:
    """Reads everything from outside and compares it with what the clients were told.

    All rested at `rested_at`; `killed` says when the sender was killed, or the database that it writes
    to. `skew` is by how much the clocks of two services differed: what is heard rings what was due
    before it.
    """

    def __init__(
        self,
        system: System,
        told: Told,
        killed: Sequence[datetime],
        rested_at: datetime,
        skew: timedelta = timedelta(),
    ) -> None:
        self._system = system
        self._told = told
        self._killed = sorted(killed)
        self._rested_at = rested_at
        self._skew = skew
        self._facts: Facts = {}
        self._found = Verdict()

    async def verdict(self) -> Verdict:
        """Judge all that was ever accepted."""
        facts = await facts_of(self._system)
        self.judge(facts, *await taken(self._system))
        for owner in OWNERS:
            self._judge_topic(owner, await self._system.published(owner))
        await self._judge_heard()
        await self._judge_audit()
        await self._judge_read_models()
        found = self._found
        found.facts = sum(map(len, facts.values()))
        found.effects = found.facts - len(facts["intake"]) + len(self._of(NOTED))
        return found

    def judge(self, facts: Facts, texts: Sequence[str], mails: Sequence[str]) -> Verdict:
        """Judge facts, and which texts and mails were taken."""
        self._facts = facts
        self._judge_accepted()
        self._judge_case_noted()
        self._judge_clocks()
        self._judge_withdrawn()
        self._judge_noted()
        self._judge_alarms()
        self._judge_stories()
        self._judge_streams()
        self._judge_lines()
        self._judge_followups()
        self._judge_requested()
        self._judge_messages(texts, mails)
        return self._found

    def _judge_topic(self, owner: str, published: list[Published]) -> None:
        facts = {(fact.stream, fact.version): fact for fact in self._facts[owner]}
        ids = Counter(fact.id for fact in facts.values())
        own_id = self._found["each fact has an ID of its own"]
        for id_, n in ids.items():
            own_id.demand(n == 1, f"{id_} of {owner}: {n} facts")
        stored = self._found["what is published is stored, under one ID"]
        order = self._found["a stream is published in its order"]
        together = self._found["a stream lies in one partition, that of its key"]
        places: dict[tuple[str, int], set[int]] = defaultdict(set)
        last: Counter[tuple[str, int]] = Counter()
        for message in sorted(published, key=lambda m: (m.partition, m.offset)):
            place, line = (message.stream, message.version), (message.stream, message.partition)
            fact = facts.get(place)
            is_it = fact is not None and message.id == fact.id
            stored.demand(is_it, f"{place} of {owner} as {message.id}")
            order.demand(message.version <= last[line] + 1, f"{place} before the one before it")
            last[line] = max(last[line], message.version)
            if is_it:
                places[place].add(message.partition)
            if fact is not None and fact.partition != EVERYWHERE:
                right = fact.partition == partition_of(message.key, PARTITIONS)
                here = message.partition == fact.partition
                together.demand(
                    right and here, f"{place} with {message.key} in {message.partition}"
                )
        for place, fact in facts.items():
            wanted = set(range(PARTITIONS)) if fact.partition == EVERYWHERE else {fact.partition}
            self._found["what is stored is published"].demand(
                wanted <= places[place], f"{place} of {owner}, only in {places[place]}"
            )

    def _judge_accepted(self) -> None:
        """What clients were told was accepted is stored once, and nothing else of their cases."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for fact in self._facts["intake"]:
            if fact.stream.startswith("case-"):
                counts[fact.stream.removeprefix("case-")][fact.type] += 1
        # Where somebody has a role, a case is somebody's from the start.
        assigned = {
            fact.data["case_id"]
            for fact in self._of("intake.case_received")
            if fact.data["project_id"] in PROJECTS
        }
        once = self._found["what was accepted is stored, once, and nothing else"]
        for case in {*counts, *self._told.facts}:
            told = Counter(self._told.facts.get(case))
            told[f"{ASSIGNED}.v1"] += case in assigned
            for type_ in {*counts[case], *told} - {f"{NOTED}.v1"}:
                stored = counts[case][type_]
                once.demand(stored == told[type_], f"{type_} of {case}: {stored} for {told[type_]}")

    async def _judge_heard(self) -> None:
        whole = self._found["each stream was heard to its end"]
        for consumer, sources in HEARS.items():
            rows = await self._system.query(
                consumer,
                "SELECT stream_id, version, event_id FROM inbox WHERE consumer = $1",
                consumer,
            )
            heard = {row["stream_id"]: (row["version"], str(row["event_id"])) for row in rows}
            for source in sources:
                last = {fact.stream: fact for fact in self._facts[source]}
                for fact in last.values():
                    whole.demand(
                        heard.get(fact.stream) == (fact.version, fact.id),
                        f"{fact.stream} by {consumer}: {heard.get(fact.stream)}",
                    )

    async def _judge_audit(self) -> None:
        rows = await self._system.query("audit", "SELECT service, type, facts FROM heard")
        heard = {(row["service"], row["type"]): row["facts"] for row in rows}
        stored = Counter((owner, f.type) for owner, facts in self._facts.items() for f in facts)
        counted = self._found["the auditor has counted each fact once"]
        for each in {*heard, *stored}:
            n, of = heard.get(each, 0), stored[each]
            counted.demand(n == of, f"{each}: {n} of {of}")

    def _judge_case_noted(self) -> None:
        """Of a case each fact is noted by sla once; others note it only where it says something new."""
        once = self._found["each fact of a case is noted once"]
        facts = self._facts["intake"]
        wanted = {(f.stream, f.version) for f in facts if f.stream.startswith("case-")}
        noted = Counter(
            (f"case-{fact.data['case_id']}", fact.data["version"])
            for fact in self._of("sla.case_noted")
            if fact.data["version"] > 0  # below are sla's own
        )
        once.once(noted, wanted, "the note")
        for owner in ("visits", "notify"):
            for fact, is_new in repeated_notes(self._facts[owner]):
                once.demand(is_new, f"version {fact.version} of {fact.stream} says nothing new")

    def _judge_clocks(self) -> None:
        """Each case has its clock; what was late is breached, and climbs; what was not is not."""
        started = {f.data["case_id"] for f in self._of("sla.clock_started")}
        noted = {f.data["case_id"] for f in self._of("sla.case_noted")}
        for case in self._told.facts:
            self._found["each case has its clock"].demand(case in started & noted, case)
        breaches = Counter(map(_breach, self._of("sla.clock_breached")))
        escalated = Counter(f.data["escalation_id"] for f in self._of("sla.escalated"))
        for name, counts in (("breach", breaches), ("escalation", escalated)):
            for one, n in counts.items():
                self._found[f"no {name} is told twice"].demand(n == 1, f"{one}: {n} times")
        taken_back = set(map(_breach, self._of("sla.breach_withdrawn")))
        stands = Counter(
            fact.data["case_id"]
            for fact in self._of("sla.clock_breached")
            if fact.data["target"] == RESOLVE and _breach(fact) not in taken_back
        )
        met = Counter(
            (fact.data["case_id"], fact.data["outcome"])
            for fact in self._of("sla.clock_met")
            if fact.data["target"] == RESOLVE
        )
        late = self._found["late is what was not done in time"]
        for case in self._told.facts.keys() - self._told.going_on:
            in_time = case in self._told.in_time
            late.demand(stands[case] == (not in_time), f"{case}: {stands[case]} breaches")
            late.demand(met[case, "in_time"] == in_time, f"{case}: {met[case, 'in_time']} in time")
        climbed = {_breach(fact) for fact in self._of("sla.escalated")}
        for fact in self._of("sla.clock_breached"):
            if fact.data["target"] == RESOLVE:
                self._found["what is late climbs"].demand(_breach(fact) in climbed, fact.stream)

    def _judge_withdrawn(self) -> None:
        """A breach is taken back once, for a reason, and of all who were told of it."""
        told = set(map(_breach, self._of("sla.clock_breached")))
        withdrawn = Counter(map(_breach, self._of("sla.breach_withdrawn")))
        climbs: dict[Any, set[str]] = defaultdict(set)
        for fact in self._of("sla.escalated"):
            climbs[_breach(fact)].add(fact.data["escalation_id"])
        corrected = Counter(
            f.data["escalation_id"]
            for f in self._of("sla.escalation_withdrawn")
            if not f.data["settled"]
        )
        excuses = {
            (fact.data["case_id"], fact.data["clock"])
            for name in ("clock_met", "clock_cancelled", "clock_rescheduled")
            for fact in self._of(f"sla.{name}")
            if fact.data.get("outcome") != "breached"
        }
        rightly = self._found["a breach is taken back for what was done in time"]
        for fact in self._of("sla.breach_withdrawn"):
            case, clock, _ = breach = _breach(fact)
            done = case in self._told.in_time
            rightly.demand(
                breach in told
                and withdrawn[breach] == 1
                and (done if fact.data["target"] == RESOLVE else (case, clock) in excuses),
                f"{breach}: {withdrawn[breach]} times",
            )
        wanted = {one for breach in withdrawn for one in climbs[breach]}
        self._found["who was told of it is told so"].once(corrected, wanted, "the correction")

    def _judge_noted(self) -> None:
        """Each breach, and that one was taken back, is noted at its case in that order, once."""
        wanted: dict[tuple[str, str], list[bool]] = defaultdict(list)
        for fact in self._facts["sla"]:
            withdrawn = fact.type == "sla.breach_withdrawn.v1"
            if withdrawn or fact.type == "sla.clock_breached.v1":
                story = wanted[fact.data["case_id"], fact.data["clock"]]
                if withdrawn == (story[-1:] == [False]):
                    story.append(withdrawn)
        noted: dict[tuple[str, str], list[bool]] = defaultdict(list)
        for fact in self._of(NOTED):
            noted[fact.data["case_id"], fact.data["clock"]].append(fact.data["withdrawn"])
        for each in {*wanted, *noted}:
            self._found["each breach is noted at its case, once"].demand(
                noted[each] == wanted[each], f"{each}: {noted[each]}, not {wanted[each]}"
            )

    def _judge_alarms(self) -> None:
        self._found.alarms = sum(len(self._of(name)) for name in LATE)
        # When a fact became known is said by the clock of who stored it, which may since have moved.
        elsewhere = {
            (fact.stream, fact.at("known_at") or fact.at("at"))
            for fact in self._of("sla.case_noted")
        }
        for name, field_ in RINGS.items():
            for fact in self._of(name):
                due = fact.at(field_)
                slack = SLACK if (fact.stream, due) in elsewhere else timedelta()
                self._found["nothing rings before its time"].demand(
                    due is None or fact.recorded_at + self._skew + slack >= due,
                    f"{fact.stream} rang at {fact.recorded_at} for {due}: {fact.type}",
                )

    def _judge_stories(self) -> None:
        """Nothing is told that does not follow from what was told before; what was due is late."""
        stories, facts = Stories(), self._facts
        for what, told in (
            ("a clock", stories.of_clocks(facts["sla"])),
            ("what is owed", stories.of_owed(facts["visits"])),
            ("a message", stories.of_messages(facts["notify"])),
        ):
            for fact, follows in told:
                self._found[f"nothing is told twice of {what}"].demand(
                    follows, f"version {fact.version} of {fact.stream}: {fact.type}"
                )
        rung = self._found["what is due has rung"]
        things: list[tuple[object, Clock | Owed]] = [*stories.clocks.items(), *stories.owed.items()]
        for name, one in things:
            rung.demand(one.is_right(self._rested_at), f"{name}: {one}")

    def _judge_streams(self) -> None:
        for stream, how in unlike(self._facts, self._rested_at):
            self._found["a stream is what was heard and what rang"].demand(
                not how, f"{stream}: {how}"
            )

    def _judge_lines(self) -> None:
        streams: dict[str, list[Fact]] = defaultdict(list)
        for fact in self._facts["intake"]:
            streams[fact.stream].append(fact)
        for case, story in self._told.stories.items():
            types = [fact.type for fact in streams[f"case-{case}"] if fact.type in story]
            self._found["what waited came as it was said"].demand(
                types == story, f"{case}: {types}, not {story}"
            )

    def _judge_followups(self) -> None:
        handled = {f.data["case_id"] for f in self._of("intake.case_handled")}
        due = Counter(f.data["case_id"] for f in self._of("visits.followup_due"))
        self._found["what was handled is followed up once"].once(due, handled, "the follow-up")

    def _judge_requested(self) -> None:
        """Each alarm, each correction and each late follow-up is told once over each channel."""
        requested = self._of("notify.message_requested")
        channels: tuple[Channel, ...] = get_args(Channel)
        told = {
            (fact.data["escalation_id"], template_of(Escalated.model_validate(fact.data)))
            for fact in self._of("sla.escalated")
        } | {
            (
                fact.data["escalation_id"],
                correction_of(EscalationWithdrawn.model_validate(fact.data)),
            )
            for fact in self._of("sla.escalation_withdrawn")
            if not fact.data["settled"]
        }
        late = {
            message_id_of(fact.data["followup_id"], "followup_overdue", channel)
            for fact in self._of("visits.followup_overdue")
            for channel in channels
        }
        duties = {
            message_id_of(
                f"{said['subject']}|{said['period']}|{said['duty']}", "duty_missed", channel
            )
            for said in (fact.data for fact in self._of("visits.duty_missed"))
            for channel in channels
        }
        of_alarms = Counter(
            (fact.data["escalation_id"], fact.data["template"], fact.data["channel"])
            for fact in requested
            if fact.data["escalation_id"]
        )
        reminders = Counter(
            fact.data["message_id"]
            for fact in requested
            if not fact.data["escalation_id"] and fact.data["role"]
        )
        once = self._found["what is late is told once over each channel"]
        once.once(of_alarms, {(*one, channel) for one in told for channel in channels}, "a message")
        once.once(reminders, late | duties, "a reminder")

    def _judge_messages(self, texts: Sequence[str], mails: Sequence[str]) -> None:
        """Each message has an outcome, it has a cause, and the providers have what it says."""
        messages = Messages(self._facts["notify"], self._of("sla.escalation_withdrawn"))
        self._found.texts, self._found.mails = len(texts), len(mails)
        for channel, taken in (("sms", Counter(texts)), ("email", Counter(mails))):
            begun = {
                sending
                for message in messages.requested.values()
                if message.data["channel"] == channel
                for sending in messages.sendings(message)
            }
            sent_once = self._found[f"no {channel} is sent twice, or without being owed"]
            for sending, n in taken.items():
                sent_once.demand(n == 1 and sending in begun, f"{sending}: {n} times")
        both = Counter([*texts, *mails])
        for message in messages.requested.values():
            self._judge_outcome(messages, message, both)
        self._judge_unknown(messages)

    def _judge_outcome(self, messages: "Messages", message: Fact, taken: Counter[str]) -> None:
        id_, channel, end = (
            message.data["message_id"],
            message.data["channel"],
            messages.end(message),
        )
        n = sum(taken[sending] for sending in messages.sendings(message))
        what = end.type.split(".")[1].removeprefix("message_")
        done = "delivered" if channel == "sms" else "sent"
        self._found["each message has an outcome, and it a cause"].demand(
            what in (done, "unknown") or self._is_explained(messages, message, end),
            f"{channel} {id_} is {what}: {end.data}",
        )
        # A receipt comes of each text that was taken, so that one is unknown only if it was not.
        may_be = {0, 1} if what == "unknown" and channel == "email" else {int(what == done)}
        self._found[f"each {channel} was taken as its outcome says"].demand(
            n in may_be, f"{id_} is {what} and was taken {n} times"
        )

    def _is_explained(self, messages: "Messages", message: Fact, end: Fact) -> bool:
        """Say whether a message rightly was not sent."""
        match end.type.split(".")[1], end.data.get("reason"):
            case "message_requested", _:  # it waits for the morning, unless it was taken back
                at = message.data["not_before"]
                waits = at is not None and datetime.fromisoformat(at) > self._rested_at
                return waits and not messages.is_taken_back(message)
            case "administrator_alarmed", _:  # nobody has a role there
                return message.data["project_id"] not in PROJECTS
            case "message_suppressed", "withdrawn":
                return messages.is_taken_back(message)
            case "message_suppressed", "nothing_to_correct":
                earlier = messages.requested.get(message.data["only_if_sent"])
                return earlier is None or messages.end(earlier).type in (
                    "notify.message_suppressed.v1",
                    "notify.administrator_alarmed.v1",
                )
            case _:
                return False

    def _judge_unknown(self, messages: "Messages") -> None:
        """Nobody knows only what the sender was killed over, no more at a time than it sends."""
        spans: dict[tuple[str, str], tuple[datetime, datetime]] = {}
        for message in messages.requested.values():
            end = messages.end(message)
            if end.type == "notify.message_unknown.v1":
                attempt = [message, *messages.attempts(message)][-1]
                since, until = attempt.recorded_at - SLACK, end.recorded_at + SLACK
                of = message.data["channel"], _sending(attempt)
                others = spans.get(of, (since, until))  # messages that were sent in one
                spans[of] = max(since, others[0]), min(until, others[1])
        self._found.unknown = Counter(channel for channel, _ in spans)
        cause = self._found["nobody knows only what the sender was killed over"]
        # Kills may follow so fast that either may have been the cause: what ended first is laid to
        # the first kill within it that has a place left, and so nothing is left over without need.
        places = dict.fromkeys(self._killed, AT_ONCE)
        for (_, sending), (since, until) in sorted(spans.items(), key=lambda one: one[1][1]):
            within = [at for at in self._killed if since <= at <= until]
            killed = next((at for at in within if places[at]), None)
            why = "more at a time than are sent" if within else "nothing was killed meanwhile"
            cause.demand(killed is not None, f"{sending}: {why}")
            if killed is not None:
                places[killed] -= 1

    async def _judge_read_models(self) -> None:
        services = (*OWNERS, "audit")
        for each in await verify(self._system.stack.endpoints, services, Progress(disable=True)):
            self._found["read models are what the facts say"].demand(
                each.equal, f"{each.model} of {each.service}: {', '.join(each.differing)}"
            )

    def _of(self, name: str) -> list[Fact]:
        return [fact for fact in self._facts[name.split(".")[0]] if fact.type == f"{name}.v1"]


def _breach(fact: Fact) -> tuple[str, str, int]:
    """Name the breach that a fact of sla speaks of."""
    said = fact.data
    return said["case_id"], said["clock"], said["breach" if "breach" in said else "number"]


class Messages:
    """What notify has stored of each message, and which escalations were withdrawn."""

    def __init__(self, facts: Iterable[Fact], withdrawn: Iterable[Fact]) -> None:
        self.requested: dict[str, Fact] = {}
        self._withdrawn = {fact.data["escalation_id"] for fact in withdrawn}
        self._stories: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            id_ = fact.data.get("message_id")
            if id_ is None:
                continue  # what notify noted of a case
            self._stories[id_].append(fact)
            if fact.type == "notify.message_requested.v1":
                self.requested[id_] = fact

    def end(self, message: Fact) -> Fact:
        """Give what was said of a message last."""
        return self._stories[message.data["message_id"]][-1]

    def is_taken_back(self, message: Fact) -> bool:
        """Say whether a message tells what was withdrawn; its correction, too, names that."""
        is_correction = message.data["only_if_sent"] is not None
        return not is_correction and message.data["escalation_id"] in self._withdrawn

    def attempts(self, message: Fact) -> list[Fact]:
        """Give how it was begun to be sent."""
        story = self._stories[message.data["message_id"]]
        return [fact for fact in story if fact.type == "notify.message_sending.v1"]

    def sendings(self, message: Fact) -> list[str]:
        """Name what was sent for it: itself, or what it was sent in with others."""
        return list(dict.fromkeys(map(_sending, self.attempts(message))))


def _sending(attempt: Fact) -> str:
    return str(attempt.data.get("group_id") or attempt.data["message_id"])


def _message_id(mail: str) -> str:
    return str(message_from_string(mail)["Message-ID"]).strip("<>").partition("@")[0]
