"""What the policy's table suggests that a case is: what is known is gathered, the table is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog

from steward_events.intake import CaseClassified, CaseCorrected, CaseReceived
from steward_events.recorded import Recorded
from steward_events.vocabulary import Area, Kind, Suggested
from steward_intake.application.desk import years_from
from steward_intake.application.ports import Registers, Row
from steward_policy.catalogue import BY_ID
from steward_policy.classification import INPUTS, ClassificationRow, Suggestion, suggest
from steward_policy.packs import PackError, load

_LOG = structlog.get_logger(__name__)


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
    case: Row,
    story: Sequence[Recorded],
    decided: CaseClassified | None = None,
) -> Advice:
    """Ask the table of the policy under which the case was received, and of what is decided now."""
    known = _known([fact.fact for fact in story] + [decided])
    topic = (decided.topic if decided else "") or case["topic"]
    mentions = await _mentions(registers, case, topic)
    inputs = {
        **known,
        "topic": topic or None,
        "harm_ongoing": case["harm_ongoing"],
        "earlier_mentions": _times(mentions),
        "duty_unmet": case["kind"] == Kind.COMPLAINT and case["status"] in ("open", "waiting"),
    }
    policy = next(fact.fact.policy for fact in story if isinstance(fact.fact, CaseReceived))
    return Advice(policy, mentions, suggest(await _rows(registers, policy), inputs))


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


async def _mentions(registers: Registers, case: Row, topic: str) -> list[dict[str, Any]]:
    """List earlier cases on the same matter, and chases: twelve months back (RM-4.4.1a).

    The matter is the topic, of the household, at the place or about the asset: a lift is everybody's.
    What is in a common area is no household's own.
    """
    received_at = case["received_at"]
    since = years_from(received_at, -1)
    earlier: list[Row] = []
    if case["household_id"] and topic:
        own = await registers.cases_of(case["household_id"], topic, since, received_at)
        earlier += [row for row in own if Area.COMMON_AREA not in (row["area"], case["area"])]
    at = {name: case[name] for name in ("place", "asset") if case[name]}
    if at and topic:
        earlier += await registers.cases_at(case["project_id"], at, topic, since, received_at)
    earlier = sorted(
        {row["case_id"]: row for row in earlier}.values(),
        key=lambda row: (row["received_at"], row["case_id"]),
    )
    found = [(row, 1 + row["chased"]) for row in earlier]
    if case["chased"]:
        found.append((case, case["chased"]))
    return [
        {
            "case_id": row["case_id"],
            "number": row["number"],
            "times": times,
            "received_at": row["received_at"].isoformat(),
        }
        for row, times in found
    ]


def _times(mentions: Sequence[Mapping[str, Any]]) -> int:
    return sum(mention["times"] for mention in mentions)


async def _rows(registers: Registers, policy: str) -> tuple[ClassificationRow, ...]:
    pack, _, version = policy.partition("@")
    text = await registers.policy_text(pack, version)
    if text is None:
        return ()
    try:
        return _read(text, policy)
    except PackError as error:
        # Another release took it. A person decides all the same.
        _LOG.error("A policy cannot be read.", version=policy, problems=str(error))
        return ()


@lru_cache(maxsize=64)
def _read(text: str, policy: str) -> tuple[ClassificationRow, ...]:
    return load(text, policy).classification
