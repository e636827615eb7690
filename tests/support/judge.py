"""Reads a system from outside and compares it with what its clients were told."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from rich.progress import Progress
from tests.support.crowd import PROJECTS, Told
from tests.support.system import HEARS, OWNERS, Published, System

from steward_events.sla import Escalated, EscalationWithdrawn
from steward_notify.application.reactions import correction_of, message_id_of, template_of
from steward_notify.domain.message import Channel
from steward_stack.verifying import verify

RESOLVE = "minor-resolve"
"""The target of which is known, by what people were told, whether it was met in time."""


@dataclass
class Verdict:
    """What was found wrong, by invariant; each line names it."""

    lost: list[str] = field(default_factory=list)
    """What was accepted, or what must follow from it, and is not there."""
    doubled: list[str] = field(default_factory=list)
    """What is there twice, or without a cause."""
    unpublished: list[str] = field(default_factory=list)
    """What is stored and not on its topic."""
    disordered: list[str] = field(default_factory=list)
    """What came to its topic before what stands in front of it."""
    early: list[str] = field(default_factory=list)
    """What rang before its time."""
    overtaken: list[str] = field(default_factory=list)
    """What had to wait and was passed by what came after it."""
    differing: list[str] = field(default_factory=list)
    """Read models that are not what the facts say."""
    unknown: int = 0
    """Texts of which nobody knows whether they were sent; that may be."""

    def violations(self) -> dict[str, list[str]]:
        """Give what was found by invariant."""
        return {
            invariant: found for invariant, found in vars(self).items() if isinstance(found, list)
        }

    def once(self, counts: Counter[Any], wanted: set[Any], what: str) -> None:
        """Demand each wanted thing exactly once, and nothing twice."""
        self.lost += [f"{what} of {one} is missing" for one in wanted if not counts[one]]
        self.doubled += [f"{what} of {one}: {n} times" for one, n in counts.items() if n > 1]


@dataclass(frozen=True)
class Fact:
    """A stored fact, as the database has it."""

    stream: str
    version: int
    type: str
    id: str
    recorded_at: datetime
    data: dict[str, Any]


class Judge:
    """Reads everything from outside and compares it with what the clients were told."""

    def __init__(self, system: System, told: Told) -> None:
        self._system = system
        self._told = told
        self._facts: dict[str, list[Fact]] = {}
        self._found = Verdict()

    async def verdict(self) -> Verdict:
        """Judge all that was ever accepted."""
        for owner in OWNERS:
            rows = await self._system.query(
                owner,
                "SELECT stream_id, version, type, meta->>'id' AS id, data::text,"
                " (meta->>'recorded')::timestamptz AS recorded_at FROM events",
            )
            self._facts[owner] = [
                Fact(
                    r["stream_id"],
                    r["version"],
                    r["type"],
                    r["id"],
                    r["recorded_at"],
                    json.loads(r["data"]),
                )
                for r in rows
            ]
            self._judge_topic(owner, await self._system.published(owner))
        self._judge_accepted()
        await self._judge_heard()
        self._judge_clocks()
        self._judge_alarms()
        self._judge_lines()
        self._judge_followups()
        await self._judge_messages()
        await self._judge_read_models()
        return self._found

    def _judge_topic(self, owner: str, published: list[Published]) -> None:
        stored = {(fact.stream, fact.version): fact.id for fact in self._facts[owner]}
        ids = Counter(stored.values())
        self._found.doubled += [
            f"the ID {id_} {n} times in {owner}" for id_, n in ids.items() if n > 1
        ]
        first: dict[tuple[str, int], str] = {}
        last: Counter[str] = Counter()
        for message in published:
            place = (message.stream, message.version)
            known = first.setdefault(place, message.id)
            if known != message.id:
                self._found.doubled.append(f"{place} was published with two IDs")
            if message.version > last[message.stream] + 1:
                self._found.disordered.append(f"{place} was published before the one before it")
            last[message.stream] = max(last[message.stream], message.version)
        for place, id_ in stored.items():
            if first.get(place) != id_:
                self._found.unpublished.append(f"{place} of {owner} is not on its topic")
        self._found.lost += [
            f"{place} was published, not stored" for place in first.keys() - stored
        ]

    def _judge_accepted(self) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for fact in self._facts["intake"]:
            counts[fact.stream].update([fact.type])
        for case, types in self._told.facts.items():
            for type_, told in types.items():
                stored = counts[f"case-{case}"][type_]
                if stored < told:
                    self._found.lost.append(f"{type_} of {case}: {stored} of {told}")
                if stored > told:
                    self._found.doubled.append(f"{type_} of {case}: {stored} for {told}")
        ours = {f"case-{case}" for case in self._told.facts}
        self._found.doubled += [
            f"{stream} was never accepted"
            for stream in counts
            if stream.startswith("case-") and stream not in ours
        ]

    async def _judge_heard(self) -> None:
        for consumer, sources in HEARS.items():
            rows = await self._system.query(
                consumer,
                "SELECT stream_id, version, event_id FROM inbox WHERE consumer = $1",
                consumer,
            )
            heard = {row["stream_id"]: (row["version"], str(row["event_id"])) for row in rows}
            for source in sources:
                last = {f.stream: f for f in sorted(self._facts[source], key=lambda f: f.version)}
                self._found.lost += [
                    f"{consumer} has not heard {fact.stream} to its end"
                    for fact in last.values()
                    if heard.get(fact.stream) != (fact.version, fact.id)
                ]

    def _judge_clocks(self) -> None:
        """Each case has its clock; what was late is breached, and climbs; what was not is not."""
        facts = self._facts["sla"]
        breaches = Counter(
            (f.data["case_id"], f.data["clock"], f.data["number"])
            for f in self._of("sla.clock_breached")
        )
        self._found.once(breaches, set(), "the breach")
        escalated = Counter(f.data["escalation_id"] for f in self._of("sla.escalated"))
        self._found.once(escalated, set(), "the escalation")
        noted = Counter(f.data["case_id"] for f in self._of("sla.case_noted"))
        told = {case: sum(types.values()) for case, types in self._told.facts.items()}
        for case in told:
            mine = [f.type.split(".")[1] for f in facts if f.stream == f"clocks-{case}"]
            if "clock_started" not in mine or not noted[case]:
                self._found.lost.append(f"no clock was started for {case}")
        standing: Counter[tuple[str, str]] = Counter()
        for fact in self._of("sla.clock_breached"):
            standing[fact.data["case_id"], fact.data["target"]] += 1
        for fact in self._of("sla.breach_withdrawn"):
            standing[fact.data["case_id"], fact.data["target"]] -= 1
        in_time = {
            (fact.data["case_id"], fact.data["target"])
            for fact in self._of("sla.clock_met")
            if fact.data["outcome"] == "in_time"
        }
        self._found.lost += [
            f"{case} is late and has no breach"
            for case in told
            if (case, RESOLVE) not in in_time and not standing[case, RESOLVE]
        ]
        self._found.doubled += [
            f"{target} of {case} was met in time and has {standing[case, target]} breaches"
            for case, target in in_time
            if standing[case, target]
        ]

    def _judge_alarms(self) -> None:
        """Nothing rings before its time."""
        dues = [(fact, fact.data["due_at"]) for fact in self._of("sla.clock_breached")]
        dues += [(fact, fact.data["by"]) for fact in self._of("visits.followup_overdue")]
        self._found.early += [
            f"{fact.stream} rang at {fact.recorded_at} for {due}"
            for fact, due in dues
            if fact.recorded_at < datetime.fromisoformat(due)
        ]

    def _judge_lines(self) -> None:
        """What waited came in the order in which it was said."""
        for case, story in self._told.stories.items():
            facts = [f for f in self._facts["intake"] if f.stream == f"case-{case}"]
            types = [f.type for f in sorted(facts, key=lambda f: f.version) if f.type in story]
            if types != story:
                self._found.overtaken.append(f"{case}: {types}, not {story}")

    def _judge_followups(self) -> None:
        handled = {
            fact.data["case_id"]
            for fact in self._facts["intake"]
            if fact.type == "intake.case_handled.v1"
        }
        due = Counter(f.data["case_id"] for f in self._of("visits.followup_due"))
        self._found.once(due, handled, "the follow-up")

    async def _judge_messages(self) -> None:
        requested = self._of("notify.message_requested")
        counts = Counter(
            (f.data["escalation_id"], f.data["template"], f.data["channel"])
            for f in requested
            if f.data["escalation_id"]
        )
        told = {
            (fact.data["escalation_id"], template_of(Escalated.model_validate(fact.data)))
            for fact in self._of("sla.escalated")
        } | {
            (
                fact.data["escalation_id"],
                correction_of(EscalationWithdrawn.model_validate(fact.data)),
            )
            for fact in self._of("sla.escalation_withdrawn")
        }
        wanted = {(*one, channel) for one in told for channel in ("sms", "email")}
        self._found.once(counts, wanted, "the message")
        late = {
            message_id_of(fact.data["followup_id"], "followup_overdue", channel)
            for fact in self._of("visits.followup_overdue")
            for channel in get_args(Channel)
        }
        reminders = Counter(f.data["message_id"] for f in requested if not f.data["escalation_id"])
        self._found.once(reminders, late, "the reminder")
        now = datetime.now(UTC)
        ends: dict[str, str] = {}
        sent_as = {
            fact.data["message_id"]: fact.data["group_id"]
            for fact in self._of("notify.message_sending")
            if fact.data["group_id"]
        }
        for fact in sorted(self._facts["notify"], key=lambda f: f.version):
            if "message_id" not in fact.data:
                continue  # what notify noted of a case
            ends[fact.data["message_id"]] = fact.type.split(".")[1].removeprefix("message_")
        taken = Counter(text["out_id"] for text in await self._system.texts())
        self._found.doubled += [f"the text {id_} {n} times" for id_, n in taken.items() if n > 1]
        for fact in requested:
            id_, channel = fact.data["message_id"], fact.data["channel"]
            end = ends[id_]
            self._found.unknown += channel == "sms" and end == "unknown"
            done = {"delivered", "failed", "unknown", "suppressed"}
            if channel == "email":
                done.add("sent")
            if fact.data["project_id"] not in PROJECTS:  # nobody has a role there
                done.add("administrator_alarmed")
            # A correction waits for the morning.
            waits = (
                fact.data["not_before"] and datetime.fromisoformat(fact.data["not_before"]) > now
            )
            if end not in done and not waits:
                self._found.lost.append(f"the message {id_} has no outcome, it is {end}")
            if channel == "sms" and end == "delivered" and not taken[sent_as.get(id_, id_)]:
                self._found.lost.append(f"the text {id_} was never sent")

    async def _judge_read_models(self) -> None:
        """What is rebuilt from the facts is what lives."""
        self._found.differing += [
            f"{each.model} of {each.service}: {', '.join(each.differing)}"
            for each in await verify(self._system.stack.endpoints, OWNERS, Progress(disable=True))
            if not each.equal
        ]

    def _of(self, name: str) -> list[Fact]:
        return [fact for fact in self._facts[name.split(".")[0]] if fact.type == f"{name}.v1"]
