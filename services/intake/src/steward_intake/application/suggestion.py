"""What the policy's table suggests that a case is: what is known is gathered, the table is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from steward_events.intake import CaseClassified, CaseCorrected, CaseReceived
from steward_events.recorded import Recorded
from steward_events.vocabulary import Area, Kind, Part, Suggested
from steward_eventstore.port import EventStore
from steward_intake.application.ports import Registers, Row
from steward_intake.application.rules import read_rules
from steward_policy.case_rules import DEFAULTS, CaseRules
from steward_policy.catalogue import BY_ID
from steward_policy.classification import INPUTS, ClassificationRow, Suggestion, suggest
from steward_policy.packs import Rules


@dataclass(frozen=True, slots=True)
class Advice:
    """A suggestion with the policy's version, and where the matter was mentioned before."""

    policy: str
    mentions: Sequence[Mapping[str, Any]]
    suggestion: Suggestion

    @property
    def times(self) -> int:
        """How often it was mentioned before."""
        return _times(self.mentions)

    @property
    def suggested(self) -> Suggested | None:
        """What a classification says of it; None where the table is silent."""
        found, doubts = self.suggestion.found, self.suggestion.in_doubt
        if not found:
            return None
        taken = [row for row in self.suggestion.held if row.id in self.suggestion.taken]
        said = {
            "policy": self.policy,
            "rows": tuple(row.id for row in taken),
            "rule": tuple(dict.fromkeys(rule for row in taken for rule in row.rule)),
            "in_doubt": tuple(thing for thing in doubts if thing in found),
        }
        return Suggested.model_validate({**found, **said})

    def told(self) -> dict[str, Any]:
        """Tell it to a reader, with the rows that held and those that lack an input."""
        suggestion = self.suggestion
        names = ("topic", "validity", "ground", "outside_party", "severity", "work_category")
        return {
            "policy": self.policy,
            "suggested": {name: suggestion.found.get(name) for name in names},
            "in_doubt": {thing: sorted(lacks) for thing, lacks in suggestion.in_doubt.items()},
            "reasons": [
                {**_told(row), "taken": row.id in suggestion.taken} for row in suggestion.held
            ],
            "unknown": [
                {**_told(missed.row), "lacks": sorted(missed.lacks)} for missed in suggestion.missed
            ],
            "earlier_mentions": self.times,
            "mentions": self.mentions,
        }


def _told(row: ClassificationRow) -> dict[str, Any]:
    rules = [BY_ID[rule_id] for rule_id in row.rule]
    return {
        "row": row.id,
        "gives": row.gives.fields,
        "when": row.when.in_words(),
        "basis": row.basis,
        "rules": [
            {"id": rule.id, "original": rule.original, "reading": rule.reading} for rule in rules
        ],
    }


async def advise(
    registers: Registers,
    store: EventStore,
    case: Row,
    story: Sequence[Recorded],
    decided: CaseClassified | None = None,
) -> Advice:
    """Ask the table of the policy under which the case was received, and of what is decided now."""
    policy = _policy_of(story)
    rules = await _rules(registers, policy)
    known = _known([fact.fact for fact in story] + [decided])
    topic = (decided.topic if decided else "") or case["topic"]
    matter = _Matter(registers, store, topic or _suggested_topic(rules, known))
    mentions = await matter.mentions(case, DEFAULTS if rules is None else rules.cases)
    inputs = {
        **known,
        "topic": topic or None,
        "harm_ongoing": case["harm_ongoing"],
        "earlier_mentions": _times(mentions),
        "duty_unmet": case["kind"] == Kind.COMPLAINT and case["status"] in ("open", "waiting"),
    }
    return Advice(policy, mentions, suggest(() if rules is None else rules.classification, inputs))


def _known(facts: Sequence[object]) -> dict[str, Any]:
    """What facts say of a case, the later word over the earlier; of a class the last stands whole."""
    known: dict[str, Any] = {}
    for fact in facts:
        if isinstance(fact, CaseReceived | CaseCorrected | CaseClassified):
            said = fact.model_dump(mode="json", include={*INPUTS}, exclude_none=True)
            if isinstance(fact, CaseClassified):
                known |= {"validity": None, "ground": None}
            known |= {name: value for name, value in said.items() if value != ""}
    return known


@dataclass(frozen=True, slots=True)
class _Matter:
    """What was raised before: a topic, of a household or at a place, for a lift is everybody's."""

    registers: Registers
    store: EventStore
    topic: str

    async def mentions(self, case: Row, rules: CaseRules) -> list[dict[str, Any]]:
        """List the earlier cases that raised the matter, and chases (RM-4.4.1a).

        Who asks a question or proposes something has raised nothing; what was taken back, or belongs to
        another project, counts for nothing. What is in a home and what is in a common area are two
        matters of a household; where it is not said, they may be one. A case that was merged is the
        same as the one that goes on: only its chases count.
        """
        project = await self.registers.entries("projects", [case["project_id"]])
        zone = ZoneInfo(project[case["project_id"]]["zone"])
        until = case["received_at"]
        since = rules.mentioned_since(until, zone)
        earlier: list[Row] = []
        if case["household_id"] and self.topic:
            of = (case["household_id"], self.topic)
            own = [
                *await self.registers.cases_of(*of, since, until),
                *await self._complained_with(case["household_id"], since, until),
            ]
            earlier += [row for row in own if {row["area"], case["area"]} != {*Area}]
        at = {name: case[name] for name in ("place", "asset") if case[name]}
        if at and self.topic:
            here = (case["project_id"], at, self.topic)
            earlier += await self.registers.cases_at(*here, since, until)
        rows = {row["case_id"]: row for row in earlier if _raises(row)}.values()
        suggested = await self._suggested_of([row for row in rows if not row["topic"]])
        found = [
            (row, row["chased"] + (row["status"] != "merged"))
            for row in sorted(rows, key=lambda row: (row["received_at"], row["case_id"]))
            if row["topic"] or row["case_id"] in suggested
        ]
        return [
            {
                "case_id": row["case_id"],
                "number": row["number"],
                "times": times,
                "received_at": row["received_at"].isoformat(),
            }
            for row, times in (*found, (case, case["chased"]))
            if times
        ]

    async def _complained_with(
        self, household_id: str, since: datetime, until: datetime
    ) -> Sequence[Row]:
        """Give the cases of others that go on for this household too."""
        return [
            row
            for row in await self.registers.cases_concerning(household_id)
            if row["part"] == Part.COMPLAINANT
            and row["topic"] in (self.topic, "")
            and since <= row["received_at"] < until
        ]

    async def _suggested_of(self, rows: Sequence[Row]) -> set[str]:
        """Name the cases, of which nobody has named a topic, for which the table suggests this one."""
        streams = {f"case-{row['case_id']}": row["case_id"] for row in rows}
        facts = await self.store.facts_of(*streams) if streams else []
        rules: dict[str, Rules | None] = {}
        found: set[str] = set()
        for stream, told in groupby(facts, key=attrgetter("stream")):
            story = list(told)
            policy = _policy_of(story)
            if policy not in rules:
                rules[policy] = await _rules(self.registers, policy)
            known = _known([recorded.fact for recorded in story])
            if _suggested_topic(rules[policy], known) == self.topic:
                found.add(streams[stream])
        return found


def _raises(row: Row) -> bool:
    """Say whether a case is one that raises a matter with us."""
    asks = row["kind"] in (Kind.COMPLAINT, Kind.SERVICE_REQUEST)
    return asks and row["status"] not in ("withdrawn", "moved_out")


def _suggested_topic(rules: Rules | None, known: Mapping[str, Any]) -> str:
    rows = () if rules is None else rules.classification
    topics = [row for row in rows if row.gives.thing == "topic"]
    return suggest(topics, {**known, "topic": None}).found.get("topic", "")


def _times(mentions: Sequence[Mapping[str, Any]]) -> int:
    return sum(mention["times"] for mention in mentions)


def _policy_of(story: Sequence[Recorded]) -> str:
    """Name the version under which a case was received."""
    return next(fact.fact.policy for fact in story if isinstance(fact.fact, CaseReceived))


async def _rules(registers: Registers, policy: str) -> Rules | None:
    """Give a version's rules; without them a person decides."""
    pack, _, version = policy.partition("@")
    return read_rules(await registers.policy_text(pack, version), policy)
