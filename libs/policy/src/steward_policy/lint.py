"""What is doubtful in a pack that loads: words that no fact bears out, and silence about lateness."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, get_args

from steward_events.jsonschema import published_facts
from steward_policy.classification import INPUTS, ClassificationRow
from steward_policy.documents import Document, Place
from steward_policy.packs import (
    KINDS,
    AnyRule,
    DutyRule,
    FollowUpRule,
    PackError,
    QuotaRule,
    Rules,
    Tell,
    load,
    not_of_the_rule,
    problem_at,
    read_document,
    standing_on_a_pack,
)
from steward_policy.targets import Condition, Scalar, Target


def lint(text: str, name: str, *overrides: tuple[str, str]) -> list[str]:
    """Find all that is wrong or doubtful in a pack, a sentence each; none when it is clean.

    Beyond what `load` refuses: facts, fields and values that no service knows, lateness of which
    nobody is told, calendars that end, rows of the table that are never taken, and overrides of
    what a rule says that do not say their basis.
    """
    try:
        rules = load(text, name, *overrides)
    except PackError as error:
        return error.problems
    texts = standing_on_a_pack(text, name, *overrides)
    documents = [read_document(*part) for part in texts]
    spoken = _vocabulary()
    findings: list[str] = []
    for kind, index, entry in rules.pack.entries():
        for place, reason in _doubts(entry, spoken):
            findings.append(problem_at(documents, rules.source, (kind, index, *place), reason))
    for calendar, said in rules.pack.calendars.items():
        if not any(said.hours.values()):
            reason = "without weekly hours nothing is counted after the last of its working days"
            place = ("calendars", calendar, "hours")
            findings.append(problem_at(documents, rules.source, place, reason))
    for index, reason in _never_taken(rules.classification):
        findings.append(problem_at(documents, rules.source, ("classification", index), reason))
    for above in range(1, len(texts)):
        findings += _taken_from_a_rule(load(*texts[0], *texts[1:above]), documents[: above + 1])
    return findings


def _taken_from_a_rule(below: Rules, documents: list[Document]) -> Iterator[str]:
    """Find what the last document says otherwise than a rule, without saying on what basis."""
    said = documents[-1].data
    entries: list[tuple[str, Place, Any, Any]] = [
        ("cases", ("cases",), below.source.get("cases") or {}, said.get("cases") or {})
    ]
    for kind in KINDS:
        changes = {change["id"]: change for change in said.get(kind, ())}
        for index, entry in enumerate(below.source.get(kind, ())):
            entries.append((kind, (kind, index), entry, changes.get(entry["id"], {})))
    for what, place, entry, change in entries:
        for key in not_of_the_rule(what, entry, change):
            reason = "the rule says otherwise, so the basis is 'default' now: write that beside it"
            yield problem_at(documents, below.source, (*place, key), reason)


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """The words that the declared facts know: facts, fields, and the values of closed fields."""

    facts: frozenset[str]
    fields: Mapping[str, frozenset[str] | None]
    no_field: str = "no fact has the field '{}' yet"


@lru_cache
def _vocabulary() -> _Vocabulary:
    facts, fields = set(), dict[str, frozenset[str] | None]()
    for fact in published_facts():
        facts.add(fact.wire_name.partition(".")[2])
        for name, declared in fact.model_fields.items():
            # A field that is open in one fact and closed in another is the closed one, retold.
            values = (fields.get(name) or frozenset()) | _closed_values(declared.annotation)
            fields[name] = values or None
    return _Vocabulary(frozenset(facts), fields)


def _closed_values(annotation: Any) -> frozenset[str]:
    """The values of an enumeration, also of an optional one; none for an open field."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    if len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], StrEnum):
        return frozenset(kinds[0])
    return frozenset()


def _doubts(entry: AnyRule, spoken: _Vocabulary) -> Iterator[tuple[Place, str]]:
    """What an entry says that no fact will ever bear out."""
    if isinstance(entry, QuotaRule | DutyRule):
        return
    if isinstance(entry, ClassificationRow):
        table = {name: spoken.fields.get(name) for name in INPUTS}
        asked = _Vocabulary(spoken.facts, table, "a row cannot ask for '{}'")
        yield from _doubts_of_condition(entry.when, ("when",), asked)
        return
    yield from _doubts_of_condition(entry.when, ("when",), spoken)
    if isinstance(entry, Target):
        for condition, place in _other_conditions(entry):
            yield from _doubts_of_condition(condition, place, spoken)
    match entry:
        case FollowUpRule():
            if entry.after not in spoken.facts:
                yield ("after",), f"no service states the fact '{entry.after}' yet"
        case Tell():
            pass  # it names one of the facts that it may name
        case Target():
            for key in ("starts", "met_by", "resets_on", "cancels_on"):
                for pattern in getattr(entry, key):
                    if pattern.fact not in spoken.facts:
                        yield (key,), f"no service states the fact '{pattern.fact}' yet"
                    yield from _doubts_of_condition(pattern.when, (key,), spoken)
            for place, field_name in _fields_named(entry):
                if field_name not in spoken.fields:
                    yield place, f"no fact has the field '{field_name}' yet"
            if entry.or_by and entry.or_by.fact and entry.or_by.fact not in spoken.facts:
                yield ("or_by",), f"no service states the fact '{entry.or_by.fact}' yet"
            if not entry.escalate:
                yield (), "nobody is told when it is late: it has no 'escalate'"


def _other_conditions(target: Target) -> Iterator[tuple[Condition, Place]]:
    if target.stays_when is not None:
        yield target.stays_when, ("stays_when",)
    if target.or_by is not None:
        yield target.or_by.if_, ("or_by",)
        if target.or_by.earlier_if is not None:
            yield target.or_by.earlier_if, ("or_by",)
    for index, step in enumerate(target.escalate):
        yield step.when, ("escalate", index)


def _fields_named(target: Target) -> Iterator[tuple[Place, str]]:
    """The fields from which it takes instants and values, each with its place."""
    for index, pattern in enumerate(target.starts):
        if pattern.at:
            yield ("starts", index), pattern.at
    if target.per:
        yield ("per",), target.per
    if target.due:
        yield ("due",), target.due.field
    if target.or_by:
        yield ("or_by",), target.or_by.field


def _doubts_of_condition(
    condition: Condition, place: Place, spoken: _Vocabulary
) -> Iterator[tuple[Place, str]]:
    for field_name, values in condition.fields.items():
        if field_name not in spoken.fields:
            yield place, spoken.no_field.format(field_name)
            continue
        closed = spoken.fields[field_name]
        for value in values:
            if closed is not None and value is not None and value not in closed:
                yield (
                    place,
                    f"'{value}' is no {field_name}; it is one of {', '.join(sorted(closed))}",
                )
    for field_name in condition.at_least:
        if field_name not in spoken.fields:
            yield place, spoken.no_field.format(field_name)
    inner = (condition.not_,) if condition.not_ else ()
    for part in (*condition.all, *condition.any, *inner):
        yield from _doubts_of_condition(part, place, spoken)


_MOST_CASES = 20_000
"""So many kinds of case are looked at for one row; of a row that asks for more nothing is said."""


def _never_taken(rows: Sequence[ClassificationRow]) -> Iterator[tuple[int, str]]:
    """Find the rows that fit no case, and those that fit none but one above fits it too."""
    for index, row in enumerate(rows):
        if not _may_hold(row.when):
            yield index, "it is never taken: no case fits its condition"
            continue
        for above in rows[:index]:
            if above.gives.thing != row.gives.thing or above.only_if_sure:
                continue
            if not _may_hold(row.when, without=above.when):
                reason = f"it is never taken: wherever it holds, '{above.id}' above it holds too"
                yield index, reason
                break


def _may_hold(condition: Condition, *, without: Condition | None = None) -> bool:
    """Say whether some case fits the condition, and not also the other."""
    conditions = [condition] if without is None else [condition, without]
    values: dict[str, set[Scalar]] = {}
    for one in conditions:
        for name, value in _compared(one):
            values.setdefault(name, {None, "something else"}).add(value)
    if prod(map(len, values.values())) > _MOST_CASES:
        return True
    cases = (dict(zip(values, case, strict=True)) for case in product(*values.values()))
    return any(
        condition.verdict(case) is True and (without is None or without.verdict(case) is not True)
        for case in cases
    )


def _compared(condition: Condition) -> Iterator[tuple[str, Scalar]]:
    """Every value with which a condition compares a field; of a number also one just below."""
    for name, values in condition.fields.items():
        yield from ((name, value) for value in values)
    for name, least in condition.at_least.items():
        yield from ((name, least), (name, least - 1))
    inner = (condition.not_,) if condition.not_ else ()
    for part in (*condition.all, *condition.any, *inner):
        yield from _compared(part)
