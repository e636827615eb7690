"""The random cases say all that the pack's targets ask for, so that no clock is left uncompared."""

from collections import defaultdict

from tests.support.random_cases import random_cases

from steward_events.jsonschema import published_facts
from steward_policy import packs
from steward_policy.targets import FactPattern
from steward_sla.domain.case_facts import CHANGES

FIELDS = {fact.wire_name.partition(".")[2]: fact.model_fields for fact in published_facts()}


def test_random_cases_say_every_fact_and_field_that_a_target_names() -> None:
    said: dict[str, set[str]] = defaultdict(set)
    for case in random_cases(3_000):
        for happening in case.story:
            said[happening.name] |= happening.fields.keys()
    of_the_case = set[str]().union(*(said[name] for name in CHANGES))
    silent: set[str] = set()
    for target in packs.built_in().targets:
        asked = {*target.when.asked, *(target.stays_when.asked if target.stays_when else ())}
        asked = asked.union(*(step.when.asked for step in target.escalate))
        dated: set[str] = {target.due.field} if target.due else set()
        patterns = [*target.starts, *target.met_by, *target.resets_on, *target.cancels_on]
        if target.or_by is not None:
            asked |= target.or_by.asked
            dated.add(target.or_by.field)
            if target.or_by.fact is not None:
                asked.remove(target.or_by.field)
                patterns.append(FactPattern(fact=target.or_by.fact))
        silent |= {f"{target.id}: {field} of the case" for field in asked - of_the_case}
        for pattern in patterns:
            named = {*pattern.when.asked, *dated, pattern.at, target.per}
            named &= FIELDS[pattern.fact].keys()
            if pattern.fact not in said:
                silent.add(f"{target.id}: {pattern.fact}")
            silent |= {f"{target.id}: {pattern.fact}.{name}" for name in named - said[pattern.fact]}
    assert silent == set()
