"""The target language: conditions are data, shorthand means what it says, unknown keys are refused."""

import math
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from pydantic import ValidationError

from steward_policy.ladder import LADDER, TITLES, Role, next_above, role_at_least
from steward_policy.targets import Condition, FactPattern, Target, WarnBefore

MINOR = {
    "id": "minor-resolve",
    "rule": ["RM-4.5.2c", "RM-4.10.1"],
    "basis": "rule",
    "when": {"kind": "complaint", "severity": "minor"},
    "starts": "case_received",
    "met_by": ["case_handled"],
    "within": {"days": 2, "counting": "calendar", "ending": "end_of_day"},
}


@pytest.mark.parametrize(
    ("condition", "fields", "holds"),
    [
        ({}, {}, True),
        ({"kind": "complaint"}, {"kind": "complaint"}, True),
        ({"kind": "complaint"}, {}, False),
        ({"kind": ["complaint", "suggestion"]}, {"kind": "suggestion"}, True),
        ({"kind": "complaint", "severity": "minor"}, {"kind": "complaint"}, False),
        ({"severity": None}, {"kind": "complaint"}, True),
        ({"harm_ongoing": True}, {"harm_ongoing": True}, True),
        ({"not": {"severity": "major"}}, {"severity": "minor"}, True),
        ({"not": {"severity": "major"}}, {"severity": "major"}, False),
        ({"any": [{"a": 1}, {"b": 2}]}, {"b": 2}, True),
        ({"any": [{"a": 1}, {"b": 2}]}, {"c": 3}, False),
        ({"all": [{"a": 1}, {"b": 2}]}, {"a": 1, "b": 2}, True),
        ({"all": [{"a": 1}, {"b": 2}]}, {"a": 1}, False),
        ({"role_at_least": "centre_manager"}, {"role": "general_manager"}, True),
        ({"role_at_least": "centre_manager"}, {"role": "deputy_manager"}, False),
        ({"role_at_least": "centre_manager"}, {}, False),
        ({"kind": "complaint", "not": {"any": [{"a": 1}]}}, {"kind": "complaint", "a": 1}, False),
    ],
)
def test_a_condition_holds_of_the_fields_of_a_case(
    condition: dict[str, Any], fields: dict[str, object], holds: bool
) -> None:
    assert Condition.model_validate(condition).holds(fields) is holds


@pytest.mark.parametrize(
    ("condition", "fields", "verdict"),
    [
        ({"a": 1, "b": 2}, {"a": 3}, False),
        ({"a": 1, "b": 2}, {"a": 1}, {"b"}),
        ({"a": None, "b": [None, 2]}, {}, True),
        ({"any": [{"a": 1}, {"b": 2}]}, {"b": 2}, True),
        ({"any": [{"a": 1}, {"b": 2}]}, {}, {"a", "b"}),
        ({"not": {"a": 1}}, {}, {"a"}),
        ({"at_least": {"a": 5}}, {}, {"a"}),
        ({"role_at_least": "centre_manager"}, {}, {"role"}),
        ({"role_at_least": "centre_manager"}, {"role": "frontline"}, False),
    ],
)
def test_of_what_is_not_known_a_condition_names_the_fields_on_which_it_hangs(
    condition: dict[str, Any], fields: dict[str, object], verdict: object
) -> None:
    assert Condition.model_validate(condition).verdict(fields) == verdict


FIELDS = st.sampled_from("abc")
CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(FIELDS, st.integers(0, 1), max_size=2)
    | st.builds(lambda name, least: {"at_least": {name: least}}, FIELDS, st.integers(0, 2)),
    lambda inner: st.builds(
        lambda key, parts: {key: parts if key != "not" else parts[0]},
        st.sampled_from(["all", "any", "not"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)
WHOLE = st.fixed_dictionaries(dict.fromkeys("abc", st.integers(0, 1)))


@for_all(CONDITIONS, WHOLE, st.sets(FIELDS))
def test_a_verdict_stands_whatever_else_becomes_known(
    written: dict[str, Any], whole: dict[str, int], hidden: set[str]
) -> None:
    condition = Condition.model_validate(written)
    holds = condition.holds(whole)
    assert condition.verdict(whole) is holds
    known = {name: value for name, value in whole.items() if name not in hidden}
    verdict = condition.verdict(known)
    assert verdict is holds or (isinstance(verdict, frozenset) and verdict <= hidden and verdict)


@pytest.mark.parametrize(
    "condition",
    [
        *({"any": []}, {"role_at_least": "boss"}, "complaint", 7, {"kind": {"a": 1}}),
        *({"at_least": {"x": math.inf}}, {"x": math.nan}),
    ],
)
def test_a_condition_that_means_nothing_is_refused(condition: object) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(condition)


@pytest.mark.parametrize(
    "written",
    [
        "case_accepted{role_at_least: centre_manager}",
        {"case_accepted": {"role_at_least": "centre_manager"}},
        {"fact": "case_accepted", "when": {"role_at_least": "centre_manager"}},
    ],
)
def test_a_fact_with_a_condition_may_be_written_in_three_ways(written: object) -> None:
    pattern = FactPattern.model_validate(written)
    assert pattern.matches("case_accepted", {"role": "centre_manager"})
    assert not pattern.matches("case_accepted", {"role": "frontline"})
    assert not pattern.matches("case_handled", {"role": "centre_manager"})


def test_a_start_may_name_the_field_that_says_when() -> None:
    target = Target.model_validate(
        {**MINOR, "starts": {"fact": "case_received", "at": "posted_at"}}
    )
    assert target.starts[0].at == "posted_at"


def test_what_is_not_said_has_the_defaults_of_the_reading() -> None:
    target = Target.model_validate(MINOR)
    assert target.on_reopen == "restart"
    assert (target.on_reclassify.correction, target.on_reclassify.new_facts) == ("start", "change")
    assert not target.warn_before
    assert not target.escalate


@pytest.mark.parametrize(
    "change",
    [
        {"whithin": {"days": 2}},
        {"within": None},
        {"due": {"field": "promised_at"}},
        {"rule": []},
        {"basis": "guess"},
        {"on_reopen": "sometimes"},
        {"escalate": [{"to": "boss"}]},
        {"escalate": [{"to": "centre_manager", "ater": {"days": 1}}]},
        {"warn_before": ["half"]},
        {"pauses_on": {"waiting_owner": {"maximum": {"days": 7}}}},
        {"or_by": {"field": "owner_requested_date", "take": "latest"}},
        {"or_by": {"field": "by", "take": "earlier", "earlier_if": {"accepted": True}}},
        {"starts": []},
        {"id": "Minor Resolve"},
    ],
)
def test_a_target_with_an_unknown_word_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Target.model_validate({**MINOR, **change})


def test_a_warning_is_a_duration_or_a_share() -> None:
    assert WarnBefore.model_validate("50%").share == 0.5
    warning = WarnBefore.model_validate({"hours": 4, "counting": "working", "calendar": "duty-24h"})
    assert warning.before is not None
    assert (warning.before.hours, warning.calendar) == (4, "duty-24h")


def test_or_above_means_higher_on_the_ladder() -> None:
    assert role_at_least("general_manager", "centre_manager")
    assert role_at_least("centre_manager", "centre_manager")
    assert not role_at_least("deputy_manager", "centre_manager")
    assert not role_at_least("department_head", "cs_supervisor")
    assert not role_at_least("quality", "frontline")
    assert not role_at_least("general_manager", "quality")
    assert not role_at_least("a role of another system", "frontline")


def test_the_next_role_above_leads_to_the_top_and_ends_there() -> None:
    assert next_above("frontline") is Role.CS_SUPERVISOR
    assert next_above("engineering_supervisor") is Role.DEPUTY_MANAGER
    assert next_above("company_leader") is Role.GENERAL_MANAGER
    assert next_above("general_manager") is None
    assert next_above("quality") is None


def test_every_role_has_a_title_in_two_languages() -> None:
    assert set(TITLES) == set(Role)
    assert {role for rung in LADDER for role in rung} == set(Role) - {Role.QUALITY}


@pytest.mark.parametrize(
    "written", ["case_handled{a: [}", "case_handled{&a [*a]}", "case_handled{!!x/y: 1}"]
)
def test_a_condition_behind_a_fact_that_cannot_be_read_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="is not a condition such as"):
        FactPattern.model_validate(written)


def test_a_condition_behind_a_fact_is_read_as_the_pack_is() -> None:
    pattern = FactPattern.model_validate("case_handled{when: 20:00, answer: no}")
    assert pattern.matches("case_handled", {"when": "20:00", "answer": "no"})


def test_only_a_duty_that_comes_again_may_be_met_by_nothing() -> None:
    unmet = {key: value for key, value in MINOR.items() if key != "met_by"}
    assert Target.model_validate({**unmet, "resets_on": "progress_reported"}).met_by == ()
    with pytest.raises(ValidationError, match="'met_by', or 'resets_on'"):
        Target.model_validate(unmet)


def test_a_condition_names_what_it_asks_for_and_says_it_in_words() -> None:
    condition = Condition.model_validate(
        {"kind": "complaint", "any": [{"injury": True}, {"at_least": {"households_concerned": 5}}]}
    )
    assert condition.asked == {"kind", "injury", "households_concerned"}
    assert condition.in_words() == (
        "kind is complaint and (injury is yes or households_concerned is 5 or more)"
    )
