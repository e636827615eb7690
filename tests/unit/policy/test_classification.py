"""The table that says what a case is: each row of the built-in pack, and what holds of any case."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from tests.support.rules import rule

from steward_events.vocabulary import Grievance, Kind, Severity
from steward_policy import packs
from steward_policy.classification import GROUNDS, ClassificationRow, Suggestion, suggest
from steward_policy.lint import lint
from steward_policy.packs import PackError

ROWS = packs.built_in().classification
WEIGHT = [None, *Severity]
KNOWN: dict[str, Any] = {
    "kind": "complaint",
    "topic": "电梯",
    "grievance": "supplier",
    "injury": False,
    "claimed_loss": 0,
    "company_at_fault": False,
    "easily_remedied": True,
    "earlier_mentions": 0,
    "duty_unmet": True,
}
"""A slight complaint of which all is known."""


def of(**known: Any) -> Suggestion:
    return suggest(ROWS, KNOWN | known)


GROUND_OF = [
    *(("contract_duty", "valid", "a"), ("promise", "valid", "b"), ("regulation", "valid", "c")),
    *(("overcharging", "valid", "d"), ("unheeded_reminders", "valid", "e")),
    *(("staff_attitude", "valid", "f"), ("supplier", "valid", "g")),
    *(("other_household", "coordination", "a"), ("developer", "coordination", "b")),
    *(("owners_meeting", "coordination", "c"), ("outside_unit", "coordination", "d")),
    *(("authority", "coordination", "e"), ("new_facility", "excessive", "a")),
    *(("lower_charge", "excessive", "b"), ("outside_contract", "excessive", "c")),
]


@rule("RM-4.3.1a..g", "RM-4.3.2a..e", "RM-4.3.3a..c", "RM-4.8")
@pytest.mark.parametrize(("grievance", "validity", "ground"), GROUND_OF)
def test_what_a_complaint_is_about_says_whether_it_is_valid_and_on_which_ground(
    grievance: str, validity: str, ground: str
) -> None:
    found = of(grievance=grievance).found
    assert (found["validity"], found["ground"]) == (validity, ground)
    assert ("severity" in found) == (validity == "valid")
    assert found.get("outside_party") == (grievance if validity == "coordination" else None)


def test_every_grievance_and_every_ground_has_its_row() -> None:
    assert [grievance for grievance, _, _ in GROUND_OF] == list(Grievance)
    assert {(validity, ground) for _, validity, ground in GROUND_OF} == {
        (str(validity), ground) for validity, grounds in GROUNDS.items() for ground in grounds
    }


SEVERITIES: list[tuple[str, Mapping[str, Any], str, str]] = [
    ("RM-4.4.1a", {"earlier_mentions": 2}, "major-repeated", "major"),
    ("RM-4.4.1b", {"injury": True, "company_at_fault": True}, "major-injury", "major"),
    ("RM-4.4.1b", {"claimed_loss": 5000, "company_at_fault": True}, "major-loss", "major"),
    ("RM-4.4.2", {"company_at_fault": True}, "important-fault", "important"),
    ("RM-4.4.2", {"grievance": "promise"}, "important-ground", "important"),
    ("RM-4.4.2", {"grievance": "regulation"}, "important-ground", "important"),
    ("RM-4.4.2", {"grievance": "overcharging"}, "important-ground", "important"),
    ("RM-4.4.2", {"grievance": "staff_attitude"}, "important-ground", "important"),
    ("RM-4.4.3", {}, "minor-slight", "minor"),
    ("RM-4.4.2", {"easily_remedied": False}, "important-in-doubt", "important"),
]


@rule("RM-4.4.1a", "RM-4.4.1b", "RM-4.4.2", "RM-4.4.3")
@pytest.mark.parametrize(("rule_id", "known", "row", "severity"), SEVERITIES)
def test_how_weighty_a_valid_complaint_is(
    rule_id: str, known: Mapping[str, Any], row: str, severity: str
) -> None:
    suggested = of(**known)
    assert (suggested.found["severity"], suggested.in_doubt) == (severity, {})
    [taken] = [one for one in suggested.held if one.id in suggested.taken and one.id == row]
    assert rule_id in taken.rule


@rule("RM-4.4.1a", "RM-4.4.1b")
@pytest.mark.parametrize(
    "known",
    [
        {"earlier_mentions": 1},
        {"earlier_mentions": 9, "duty_unmet": False},
        {"injury": True},
        {"claimed_loss": 4999.9, "company_at_fault": True},
    ],
)
def test_what_falls_short_of_major_is_not(known: Mapping[str, Any]) -> None:
    assert of(**known).found["severity"] != "major"


@rule("RC-4.2")
@pytest.mark.parametrize(
    ("known", "thing", "value"),
    [
        ({"topic": None, "grievance": "overcharging"}, "topic", "收费"),
        ({"topic": None, "grievance": "lower_charge"}, "topic", "收费"),
        ({"topic": None, "grievance": "staff_attitude"}, "topic", "服务态度"),
        ({"topic": None, "grievance": "other_household"}, "topic", "邻里"),
        ({"grievance": "staff_attitude"}, "topic", None),
        ({"topic": "外墙渗水"}, "work_category", "leak_slab_window_wall"),
        ({"topic": "卫生间漏水"}, "work_category", "leak_bathroom"),
        ({"topic": "管道堵塞"}, "work_category", "blocked_drain"),
        ({"topic": "隐蔽工程"}, "work_category", "concealed"),
        ({"kind": "service_request"}, "work_category", "ordinary"),
        ({}, "work_category", None),
    ],
)
def test_a_case_is_put_into_its_category(
    known: Mapping[str, Any], thing: str, value: str | None
) -> None:
    assert of(**known).found.get(thing) == value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_without_a_row_some_case_is_suggested_otherwise(row: ClassificationRow) -> None:
    others = [other for other in ROWS if other is not row]
    tried: list[Mapping[str, Any]] = [
        *(known for _, known, _, _ in SEVERITIES),
        *({"grievance": grievance, "topic": None} for grievance in Grievance),
        *({"topic": value} for value in row.when.fields.get("topic", ())),
        *({"kind": "service_request"}, {"grievance": None}),
    ]
    with_it = [suggest(ROWS, {**KNOWN, **known}) for known in tried]
    without = [suggest(others, {**KNOWN, **known}) for known in tried]
    taken = [place for place, one in enumerate(with_it) if row.id in one.taken]
    assert taken
    assert any(with_it[place].found != without[place].found for place in taken)


def test_of_what_is_lacking_the_inputs_are_named() -> None:
    suggested = of(grievance=None, company_at_fault=None)
    assert suggested.found["validity"] == "valid"
    assert suggested.found["severity"] == "important"
    assert suggested.in_doubt["validity"] == {"grievance"}
    assert suggested.in_doubt["severity"] == {"company_at_fault", "grievance"}
    lacks = {missed.row.id: missed.lacks for missed in suggested.missed}
    assert lacks["important-fault"] == {"company_at_fault"}
    assert lacks["important-ground"] == {"grievance"}  # of which the ground would come
    assert "major-repeated" not in lacks


def test_what_a_person_decided_counts_until_the_table_knows_better() -> None:
    decided = of(grievance=None, validity="valid", ground="b")
    assert "validity" not in decided.found
    assert decided.taken == {"important-ground"}
    elsewhere = of(grievance=None, validity="coordination", ground="a")
    assert "severity" not in elsewhere.found
    corrected = of(grievance="supplier", validity="coordination", ground="a")
    assert corrected.found == {"validity": "valid", "ground": "g", "severity": "minor"}


CASES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([str(kind) for kind in Kind]),
        "topic": st.sampled_from(["电梯", "管道堵塞"]),
        "grievance": st.sampled_from([str(grievance) for grievance in Grievance]),
        "injury": st.booleans(),
        "claimed_loss": st.sampled_from([0, 1, 4999, 5000, 5001, 10**9]),
        "company_at_fault": st.booleans(),
        "easily_remedied": st.booleans(),
        "earlier_mentions": st.integers(0, 4),
        "duty_unmet": st.booleans(),
    }
)


@for_all(CASES)
def test_a_case_of_which_all_is_known_has_one_severity_or_is_no_valid_complaint(
    case: dict[str, Any],
) -> None:
    suggested = suggest(ROWS, case)
    assert ("severity" in suggested.found) == (suggested.found.get("validity") == "valid")
    assert ("validity" in suggested.found) == (case["kind"] == "complaint")
    assert {"validity", "severity"}.isdisjoint(suggested.in_doubt)
    taken = [row.gives.thing for row in suggested.held if row.id in suggested.taken]
    assert len(taken) == len(set(taken))


@for_all(CASES, st.sets(st.sampled_from(sorted(KNOWN))))
def test_what_is_lacking_never_makes_it_milder_without_a_doubt(
    case: dict[str, Any], lacking: set[str]
) -> None:
    whole = suggest(ROWS, case)
    part = suggest(ROWS, {name: value for name, value in case.items() if name not in lacking})
    weights = [WEIGHT.index(one.found.get("severity")) for one in (whole, part)]
    if weights[1] < weights[0]:
        assert part.in_doubt.get("severity", frozenset()) & lacking
    for thing, inputs in part.in_doubt.items():
        assert inputs <= lacking | {"grievance"}, thing
    assert all(missed.lacks for missed in part.missed)


@for_all(CASES, st.randoms(use_true_random=False))
def test_only_rows_that_give_the_same_have_an_order(case: dict[str, Any], chance: Any) -> None:
    by_thing: dict[str, list[ClassificationRow]] = {}
    for row in ROWS:
        by_thing.setdefault(row.gives.thing, []).append(row)
    order = [thing for thing, rows in by_thing.items() for _ in rows]
    chance.shuffle(order)
    left = {thing: iter(rows) for thing, rows in by_thing.items()}
    shuffled = [next(left[thing]) for thing in order]
    assert suggest(shuffled, case).found == suggest(ROWS, case).found


# ---- what a group changes, and what is refused ----


def overridden(text: str) -> Any:
    return packs.load(f"overrides: residential-cn\nversion: g\n{text}", "group.yaml")


def test_a_group_changes_the_number_drops_a_row_and_puts_its_own_above() -> None:
    rules = overridden(
        "classification:\n"
        "  - id: major-loss\n"
        "    when: {kind: complaint, validity: valid, company_at_fault: true,"
        " at_least: {claimed_loss: 800}}\n"
        "drop: [important-ground]\n"
        "add:\n  classification:\n"
        "    - {id: lifts, rule: [RM-4.4.2], basis: default,"
        " when: {validity: valid, topic: 电梯困人}, gives: {severity: major}}\n"
    )
    assert rules.classification[0].id == "lifts"
    dear = {"claimed_loss": 800, "company_at_fault": True}
    for known in (dear, {"topic": "电梯困人"}):
        assert suggest(rules.classification, KNOWN | known).found["severity"] == "major"
        assert of(**known).found["severity"] != "major"
    promise = suggest(rules.classification, KNOWN | {"grievance": "promise"})
    assert promise.taken == {"valid-promise", "minor-slight"}


WRONG = [
    ("{validity: valid, ground: h}", "A valid complaint has no ground “h”; there are a to g"),
    (
        "{validity: excessive, ground: d}",
        "An excessive demand has no ground “d”; there are a to c",
    ),
    ("{validity: valid, ground: ab}", "has no ground “ab”"),
    ("{ground: a}", "A row gives one thing"),
    ("{}", "A row gives one thing"),
    ("{validity: valid, severity: minor}", "A row gives one thing"),
    ("{severity: minor, ground: a}", "A ground belongs to a validity"),
    ("{severity: huge}", "Input should be 'minor', 'important' or 'major'"),
    ("{validity: coordination, ground: a}", "names its outside_party"),
    ("{validity: valid, outside_party: developer}", "names its outside_party"),
    ("{urgency: emergency}", "this key is unknown"),
]


@pytest.mark.parametrize(("gives", "problem"), WRONG)
def test_a_row_that_gives_what_does_not_exist_is_refused_in_a_sentence(
    gives: str, problem: str
) -> None:
    with pytest.raises(PackError) as refused:
        overridden(f"classification:\n  - id: minor-slight\n    gives: {gives}\n")
    [sentence, *_] = refused.value.problems
    assert sentence.startswith("group.yaml:5: row 'minor-slight' (RM-4.4.3), gives")
    assert problem in sentence


@pytest.mark.parametrize(
    ("when", "finding"),
    [
        ("{claimed_los: 1}", ", when: a row cannot ask for 'claimed_los'."),
        ("{at_least: {severity: 1}}", ", when: a row cannot ask for 'severity'."),
        ("{grievance: noise}", ", when: 'noise' is no grievance; it is one of authority, "),
        (
            "{validity: valid, ground: b, not: {validity: valid}}",
            ": it is never taken: no case fits its condition.",
        ),
        (
            "{kind: complaint, validity: valid, at_least: {claimed_loss: 6000},"
            " company_at_fault: true, topic: 电梯}",
            ": it is never taken: wherever it holds, 'major-loss' above it holds too.",
        ),
    ],
)
def test_lint_finds_a_row_that_asks_in_vain_or_is_never_taken(when: str, finding: str) -> None:
    text = (
        "overrides: residential-cn\nversion: g\n"
        f"classification:\n  - id: minor-slight\n    basis: default\n    when: {when}\n"
    )
    [found] = lint(text, "group.yaml")
    assert found.startswith("group.yaml:")
    assert f"row 'minor-slight' (RM-4.4.3){finding}" in found
