"""Packs: errors that name file, line and rule; overrides entry by entry; versions and dates."""

import json
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from steward_events.vocabulary import Role
from steward_policy import packs
from steward_policy.calendars import CalendarError
from steward_policy.case_rules import CaseRules
from steward_policy.differences import differences
from steward_policy.lint import lint
from steward_policy.packs import PackError, Publication, Rules, UnknownVersion, in_force

PACK = """\
pack: small
version: "1"
calendar: cn-office
acknowledge: {within: {hours: 4, counting: working}, emergency: {minutes: 15}}
targets:
  - id: first
    rule: [RM-4.10.2]
    basis: rule
    when: {kind: complaint}
    starts: case_received
    met_by: [case_handled]
    within: {days: 3}
    escalate: [{to: centre_manager}]
  - id: second
    rule: [RM-4.5.2c, RM-4.10.1]
    basis: default
    starts: case_received
    met_by: [case_handled]
    within: {days: 2}
    warn_before: [{hours: 4, counting: working, calendar: service-centre}]
    escalate: [{to: cs_supervisor}]
followups:
  - id: call
    rule: [RM-4.6.4a]
    basis: default
    mode: phone
    within: {days: 3}
"""
GROUP = """\
overrides: small
version: group-1
targets:
  - id: second
    within: {days: 1}
"""


def refused(text: str, *overrides: str) -> list[str]:
    named = [(override, f"over{place}.yaml") for place, override in enumerate(overrides, 1)]
    with pytest.raises(PackError) as refusal:
        packs.load(text, "small.yaml", *named)
    return refusal.value.problems


@pytest.mark.parametrize(
    ("was", "becomes", "problem"),
    [
        (
            "    within: {days: 2}",
            "    within: {dais: 2}",
            "small.yaml:19: target 'second' (RM-4.5.2c, RM-4.10.1), within.dais: this key is unknown.",
        ),
        (
            "rule: [RM-4.10.2]",
            "rule: [RM-4.10.22]",
            "small.yaml:7: target 'first' (RM-4.10.22), rule.0: the rule 'RM-4.10.22' is unknown.",
        ),
        (
            "calendar: service-centre}",
            "calendar: service-center}",
            "small.yaml:20: target 'second' (RM-4.5.2c, RM-4.10.1), warn_before.0:"
            " the calendar 'service-center' is unknown.",
        ),
        (
            "calendar: cn-office",
            "calendar: head-office",
            "small.yaml:3: the pack, calendar: the calendar 'head-office' is unknown.",
        ),
        (
            "  - id: second",
            "  - id: first",
            "small.yaml:14: target 'first' (RM-4.5.2c, RM-4.10.1), id: the ID 'first' is used twice.",
        ),
        (
            "    mode: phone\n",
            "",
            "small.yaml:23: follow-up 'call' (RM-4.6.4a), mode: this key is missing.",
        ),
        (
            'version: "1"\n',
            'version: "1"\nversion: "2"\n',
            "small.yaml:3: the key 'version' stands here twice.",
        ),
        ("targets:\n", "targetz:\n", "small.yaml:5: the pack, targetz: this key is unknown."),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_rule(
    was: str, becomes: str, problem: str
) -> None:
    assert problem in refused(PACK.replace(was, becomes, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "[a, b]",
        "a: [",
        "\t",
        "a: *nowhere",
        "a: &x [*x]",
        pytest.param("[" * 300_000, id="deep"),
    ],
)
def test_a_text_that_is_no_pack_is_refused_in_sentences(text: str) -> None:
    for problem in refused(text):
        assert problem.startswith("small.yaml:1: ")


def test_a_small_text_that_grows_without_end_is_refused() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (problem,) = refused("\n".join(["a0: &a0 [x]", *levels]))
    assert "more than 100000 parts" in problem


@pytest.mark.parametrize("day", ["2026-02-30", "soon", "!!int soon"])
def test_a_date_that_does_not_exist_is_refused_with_its_line(day: str) -> None:
    (problem,) = refused(PACK.replace("calendar:", f"effective_from: {day}\ncalendar:", 1))
    assert problem.startswith("small.yaml:3: ")


def test_every_problem_is_told_at_once() -> None:
    text = PACK.replace("RM-4.10.2", "RM-X").replace("RM-4.6.4a", "RM-Y")
    assert len(refused(text)) == 2


def test_a_pack_may_bring_its_own_calendar() -> None:
    own = (
        "calendars:\n  depot: {tz: Asia/Shanghai, hours: {mon: [['09:00', '20:00']]}}\n"
        "duty_calendar: depot\n"
    )
    rules = packs.load(PACK + own, "small.yaml")
    monday = datetime.fromisoformat("2026-10-12T19:00+08:00")
    assert rules.duty_calendar.is_open(monday)
    assert rules.calendar().name == "cn-office"
    with pytest.raises(CalendarError, match="'depto' is unknown"):
        rules.calendar("depto")


def test_a_calendar_without_working_time_is_refused_with_its_line() -> None:
    (problem,) = refused(PACK + "calendars:\n  never: {tz: Asia/Shanghai, hours: {}}\n")
    assert problem == (
        "small.yaml:29: the pack, calendars.never: The calendar has no working time."
    )


def test_a_time_of_day_is_not_taken_for_a_number() -> None:
    late = "within: {days: 0, late_start: {after: 20:00, due: 12:00}}"
    rules = packs.load(PACK.replace("within: {days: 2}", late), "small.yaml")
    within = rules.by_id["second"].within
    assert within is not None
    assert within.late_start is not None
    assert (within.late_start.after, within.late_start.due) == (20 * 60, 12 * 60)


@pytest.mark.parametrize(
    "term",
    [
        "{months: 1}",
        "{hours: 4, counting: working}",
        "{days: 1, ending: end_of_day}",
        "{days: 1, roll: next_working_day}",
        "{minutes: 10, at_least: {hours: 1}}",
        "{minutes: 10, late_start: {after: 20:00, due: 12:00}}",
    ],
)
def test_an_email_goes_after_elapsed_time_and_nothing_else(term: str) -> None:
    assert refused(f"{PACK}messages: {{email_after: {term}}}\n") == [
        "small.yaml:28: the pack, messages.email_after:"
        " It is minutes, hours or days of elapsed time, and says nothing else."
    ]


@pytest.mark.parametrize("term", ["{minutes: 0}", "{hours: 2, counting: elapsed}", "{days: 1}"])
def test_a_term_for_an_email_has_a_length_in_seconds(term: str) -> None:
    rules = packs.load(f"{PACK}messages: {{email_after: {term}}}\n")
    assert rules.pack.messages.email_after.seconds >= 0


@pytest.mark.parametrize("key", ["from", "until"])
@pytest.mark.parametrize("said", ["21:00+08:00", "21:00Z", "2100", "21", "8:00", "24:00", "[21]"])
def test_quiet_hours_are_local_times_and_nothing_else(key: str, said: str) -> None:
    [problem] = refused(f"{PACK}messages: {{quiet: {{{key}: {said}}}}}\n")
    assert problem.startswith(f"small.yaml:28: the pack, messages.quiet.{key}: ")
    assert problem.endswith(" is not a local time of day such as 21:00.")


def test_quiet_hours_are_read_with_and_without_seconds() -> None:
    rules = packs.load(f"{PACK}messages: {{quiet: {{from: 22:30, until: '07:00:00'}}}}\n")
    quiet = rules.pack.messages.quiet
    assert (quiet.since, quiet.until) == (time(22, 30), time(7))


@pytest.mark.parametrize(
    ("was", "becomes", "key"),
    [
        ("within: {hours: 4, counting: working}", "within: {hours: 1000000000}", "acknowledge"),
        ("emergency: {minutes: 15}", "emergency: {minutes: 1e400}", "acknowledge.emergency"),
        ("within: {days: 2}", "within: {hours: 1000000000}", "within"),
        ("within: {days: 2}", "within: {days: 2, at_least: {months: 1201}}", "within.at_least"),
        ("targets:\n", "cases: {closes_after: {hours: 1000000000}}\ntargets:\n", "closes_after"),
    ],
)
def test_a_duration_that_leads_out_of_reach_is_refused(was: str, becomes: str, key: str) -> None:
    [problem] = refused(PACK.replace(was, becomes, 1))
    assert key in problem
    assert problem.endswith(": A duration is at most 100 years long.")


@pytest.mark.parametrize("day", ["86400", "20261001"])
def test_a_day_is_not_taken_for_a_number(day: str) -> None:
    [problem] = refused(f"{PACK}effective_from: {day}\n")
    assert problem.endswith(f"effective_from: {day} is not a date such as 2026-10-01.")


def test_so_many_households_as_no_table_holds_are_refused() -> None:
    quota = "{id: q, rule: [RM-4.9], basis: rule, role: frontline, households: 2147483648}"
    [problem] = refused(f"{PACK}quotas: [{quota}]\n")
    assert "quota 'q' (RM-4.9), households: " in problem


def test_names_are_no_longer_than_facts_may_name_them() -> None:
    longest = "a" * 60
    assert longest in packs.load(PACK.replace("second", longest)).by_id
    assert "at most 60 characters" in " ".join(refused(PACK.replace("second", f"{longest}a")))
    named = PACK.replace('version: "1"', f"version: {'1' * 194}")
    assert len(packs.load(named).version) == 200
    [problem] = refused(PACK.replace('version: "1"', f"version: {'1' * 195}"))
    assert problem.startswith("small.yaml:2: the name of the version, ")
    [problem] = refused(named, GROUP)
    assert problem.startswith("over1.yaml:2: the name of the version, ")


def test_of_very_many_problems_the_first_are_told_and_how_many_more_there_are() -> None:
    told = refused("pack: small\nversion: '1'\ncalendar: cn-office\ntargets:\n" + "- {}\n" * 60_000)
    assert told[0] == "small.yaml:5: target number 1, id: this key is missing."
    # Each lacks its ID, its rule, its basis and what starts it.
    assert told[20:] == ["And 239,980 more."]


def test_twenty_problems_are_all_told() -> None:
    def told(problems: int) -> list[str]:
        rules = ", ".join(f"RM-X{number}" for number in range(problems))
        return refused(PACK.replace("RM-4.10.2", rules, 1))

    assert told(20)[-1].endswith("the rule 'RM-X19' is unknown.")
    assert len(told(20)) == 20
    assert told(21) == [*told(21)[:20], "And 1 more."]
    assert told(90_000)[20:] == ["And 89,980 more."]


def test_of_very_many_problems_of_an_override_the_first_are_told() -> None:
    told = refused(PACK, "overrides: small\nversion: g\ntargets:\n" + "- {}\n" * 60_000)
    assert told[0] == "over1.yaml:4: it does not say by its 'id' which target it changes."
    assert told[20:] == ["And 59,980 more."]


# ---- overrides ----


def days_of(rules: Rules, target: str) -> int | None:
    within = rules.by_id[target].within
    return within.days if within else None


def test_a_group_changes_keys_of_one_entry_and_the_rest_stays() -> None:
    rules = packs.load(PACK, "small.yaml", (GROUP, "group.yaml"))
    assert (days_of(rules, "first"), days_of(rules, "second")) == (3, 1)
    assert rules.by_id["second"].rule == ("RM-4.5.2c", "RM-4.10.1")
    assert rules.version == "small@1+group-1"


def test_the_most_specific_override_wins_entry_by_entry() -> None:
    project = (
        "overrides: small\nversion: project-7\ntargets:\n  - {id: first, within: {days: 5}}\n"
        "add:\n  followups:\n"
        "    - {id: visit, rule: [FU-4.1.2.3d], basis: rule, mode: on_site, within: {days: 3}}\n"
        "drop: [call]\n"
    )
    rules = packs.load(PACK, "small.yaml", (GROUP, "group.yaml"), (project, "project.yaml"))
    assert (days_of(rules, "first"), days_of(rules, "second")) == (5, 1)
    assert [followup.id for followup in rules.followups] == ["visit"]
    assert rules.version == "small@1+group-1+project-7"


OTHER_NUMBERS = """\
overrides: residential-cn
version: g1
targets:
  - id: minor-resolve
    within: {days: 3}
followups:
  - {id: rework, rate: 0.5}
quotas:
  - {id: visits-of-the-manager, households: 5}
classification:
  - {id: minor-slight, when: {kind: complaint, validity: valid, topic: 噪音}}
"""


def test_what_an_override_takes_from_a_rule_is_not_said_to_stand_in_it() -> None:
    below, rules = packs.built_in(), packs.load(OTHER_NUMBERS, "group.yaml")
    changed = ("minor-resolve", "rework", "visits-of-the-manager", "minor-slight")
    for name in changed:
        (before,) = (entry for _, _, entry in below.pack.entries() if entry.id == name)
        (after,) = (entry for _, _, entry in rules.pack.entries() if entry.id == name)
        assert (name, before.basis, after.basis) == (name, "rule", "default")
    assert packs.load(packs.whole(rules)).by_id["minor-resolve"].basis == "default"
    found = lint(OTHER_NUMBERS, "group.yaml")
    assert found[0] == (
        "group.yaml:5: target 'minor-resolve' (RM-4.5.2c, RM-4.10.1), within:"
        " the rule says otherwise, so the basis is 'default' now: write that beside it."
    )
    assert [line.split(": ")[1].split("'")[1] for line in found] == list(changed)
    for difference in differences(below, rules):
        assert "basis" in difference.keys
        assert difference.before[0].startswith("basis: rule (")
        assert difference.after[0].startswith("basis: default (")


def test_an_override_that_takes_no_number_from_a_rule_or_names_a_basis_keeps_it() -> None:
    kept = "{id: minor-resolve, within: {days: 1}, basis: rule}"
    other = "{id: important-resolve, warn_before: [{hours: 2}]}"
    same = f"{{id: major-resolve, within: {within_of('major-resolve')}}}"
    text = f"{OVERRIDE}  - {kept}\n  - {other}\n  - {same}\n"
    rules = packs.load(text, "group.yaml")
    for name in ("minor-resolve", "important-resolve", "major-resolve"):
        assert rules.by_id[name].basis == "rule"
    assert lint(text, "group.yaml") == []


def within_of(target: str) -> str:
    [said] = [one for one in packs.built_in().source["targets"] if one["id"] == target]
    return json.dumps(said["within"])


def test_of_two_overrides_each_is_told_what_it_takes_from_a_rule() -> None:
    group = GROUP.replace("second", "first")
    project = group.replace("group-1", "project-7").replace("days: 1", "days: 4")
    own = "cases: {failed_contacts: 3}\n"
    said = PACK + "cases: {basis: rule, failed_contacts: 1}\n"
    upon = (said, "small.yaml", (group, "group.yaml"), (project + own, "project.yaml"))
    rules = packs.load(*upon)
    assert (days_of(rules, "first"), rules.by_id["first"].basis) == (4, "default")
    assert rules.cases.basis == "default"
    assert [line.split(" the rule ")[0] for line in lint(*upon)] == [
        "group.yaml:5: target 'first' (RM-4.10.2), within:",
        "project.yaml:6: the pack, cases.failed_contacts:",
    ]


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "overrides: small\nversion: x\ntargets:\n  - {id: third, within: {days: 1}}\n",
            "over1.yaml:4: the target 'third' is unknown in 'small'; a new one stands under 'add'.",
        ),
        (
            "overrides: small\nversion: x\ntargets:\n  - id: second\n    within: {days: soon}\n",
            "over1.yaml:5: target 'second' (RM-4.5.2c, RM-4.10.1), within.days:"
            " Input should be a valid integer, unable to parse string as an integer.",
        ),
        (
            "overrides: large\nversion: x\n",
            "over1.yaml:1: it overrides the pack 'large', but lies upon 'small'.",
        ),
        (
            "overrides: small\nversion: x\ndrop: [third]\n",
            "over1.yaml:3: the entry 'third' is unknown, so it cannot be dropped.",
        ),
        (
            "overrides: small\nversion: x\ntarget: []\n",
            "over1.yaml:3: the pack, target: this key is unknown.",
        ),
    ],
)
def test_an_override_that_does_not_fit_is_refused(override: str, problem: str) -> None:
    assert refused(PACK, override) == [problem]


# ---- versions ----


def test_the_latest_version_that_has_begun_is_in_force() -> None:
    always, october = date(1900, 1, 1), date(2026, 10, 1)
    published = [
        Publication("2026.9", always),
        Publication("2026.10", october),
        Publication("mended", october),
        Publication("2027.1", date(2027, 1, 1)),
    ]
    assert in_force(published, date(2026, 9, 30), "g") == "2026.9"
    assert in_force(published, october, "g") == "mended"
    assert in_force(published, date(2027, 6, 1), "g") == "2027.1"
    assert in_force(published[1:], date(2026, 9, 30), "g") is None


def test_the_most_specific_version_that_has_begun_is_in_force() -> None:
    always, october = date(1900, 1, 1), date(2026, 10, 1)
    published = [
        Publication("project's", october, "g", "p"),
        Publication("group's", always, "g"),
        Publication("all's", date(2026, 9, 1)),
    ]
    assert in_force(published, date(2026, 9, 30), "g", "p") == "group's"
    assert in_force(published, october, "g", "p") == "project's"
    assert in_force(published, october, "g", "q") == "group's"
    assert in_force(published, october, "g") == "group's"
    assert in_force(published, october, "h", "r") == "all's"


def test_a_version_not_heard_of_is_named() -> None:
    assert str(UnknownVersion("small@2")) == ("The policy version 'small@2' is not known here yet.")


def test_rules_with_overrides_are_written_as_one_pack_of_the_same_version() -> None:
    built_in = packs.built_in()
    upon = (packs.built_in_text(), "residential-cn.yaml", (OVERRIDE_OF_ALL_KINDS, "group.yaml"))
    rules = packs.load(*upon)
    again = packs.load(packs.whole(rules), "whole.yaml")
    assert again.version == rules.version == f"{built_in.version}+g-1"
    assert again.pack.model_copy(update={"version": built_in.pack.version}) == rules.pack
    assert packs.whole(again) == packs.whole(rules)


OVERRIDE_OF_ALL_KINDS = """
overrides: residential-cn
version: g-1
effective_from: 2026-10-01
targets:
  - id: minor-resolve
    within: {days: 1, late_start: {after: 20:00, due: 12:00}}
drop: [ordinary-repair]
calendars:
  office: {tz: Asia/Shanghai, hours: {mon: [["09:00", "18:00"]]}, working_days: [2026-10-10]}
"""


# ---- lint ----


def test_lint_finds_a_calendar_that_ends() -> None:
    listed = "{tz: Asia/Shanghai, hours: {}, working_days: [{date: 2026-10-10, hours: [[09:00, 18:00]]}]}"
    text = f"overrides: residential-cn\nversion: listed\ncalendars:\n  fair: {listed}\n"
    assert lint(text, "group.yaml") == [
        "group.yaml:4: the pack, calendars.fair.hours: without weekly hours nothing is counted"
        " after the last of its working days."
    ]


def test_lint_finds_what_loads_but_is_doubtful() -> None:
    doubtful = PACK.replace("met_by: [case_handled]", "met_by: [case_handeld]", 1).replace(
        "    escalate: [{to: cs_supervisor}]\n", ""
    )
    assert lint(doubtful, "small.yaml") == [
        "small.yaml:11: target 'first' (RM-4.10.2), met_by:"
        " no service states the fact 'case_handeld' yet.",
        "small.yaml:14: target 'second' (RM-4.5.2c, RM-4.10.1):"
        " nobody is told when it is late: it has no 'escalate'.",
    ]
    assert lint(PACK, "small.yaml") == []


@pytest.mark.parametrize(
    ("when", "finding"),
    [
        ("{kind: complaint, severty: minor}", "no fact has the field 'severty' yet"),
        ("{kind: complaint, severity: minr}", "'minr' is no severity; it is one of important, "),
        ("{not: {any: [{kind: complain}]}}", "'complain' is no kind; it is one of complaint, "),
    ],
)
def test_lint_finds_a_condition_that_never_holds(when: str, finding: str) -> None:
    (found,) = lint(PACK.replace("{kind: complaint}", when), "small.yaml")
    assert found.startswith(f"small.yaml:9: target 'first' (RM-4.10.2), when: {finding}")


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("basis: rule", "basis: rule\n    per: promise_no", "promise_no"),
        ("within: {days: 3}", "due: {field: promised}", "promised"),
        ("starts: case_received", "starts: {fact: case_received, at: posted}", "posted"),
        (
            "basis: rule",
            "basis: rule\n    or_by: {field: at, take: later, earlier_if: {agreed: true}}",
            "agreed",
        ),
    ],
)
def test_lint_finds_a_field_that_no_fact_has(old: str, new: str, name: str) -> None:
    (found,) = lint(PACK.replace(old, new, 1), "small.yaml")
    assert found.endswith(f": no fact has the field '{name}' yet.")


OVERRIDE = "overrides: residential-cn\nversion: g1\ntargets:\n"


def test_an_override_by_itself_lies_upon_the_built_in_pack_that_it_names() -> None:
    text = f"{OVERRIDE}  - {{id: minor-resolve, within: {{days: 1}}, basis: default}}\n"
    rules = packs.load(text, "group.yaml")
    upon = packs.load(packs.built_in_text(), "residential-cn.yaml", (text, "group.yaml"))
    assert (rules.version, rules.sha256) == (upon.version, upon.sha256)
    assert lint(text, "group.yaml") == []
    wrong = text.replace("within", "witin")
    (found,) = lint(wrong, "group.yaml")
    assert found.startswith("group.yaml:4: target 'minor-resolve' (RM-4.5.2c, RM-4.10.1), witin:")
    (other,) = lint(text.replace("residential-cn", "other"), "group.yaml")
    assert other == "group.yaml:1: There is no built-in pack 'other'."


def test_an_override_changes_an_entry_once() -> None:
    change = "  - {id: minor-resolve, within: {days: 1}}\n"
    with pytest.raises(
        PackError, match="group.yaml:5: the target 'minor-resolve' is changed twice"
    ):
        packs.load(OVERRIDE + change + change, "group.yaml")


@pytest.mark.parametrize(
    "written",
    [
        *("!!int ''", "!!int x", "{!!int x: 1}", "{!!int '': 1}", "!!timestamp foo", "!!str 5"),
        *("!!int '1:1:1'", "9" * 5_000),
    ],
)
def test_a_value_with_a_tag_is_not_read_and_named_with_its_line(written: str) -> None:
    with pytest.raises(PackError, match=r"^group.yaml:2: .* cannot be read here.$"):
        packs.load(f"overrides: residential-cn\nversion: {written}\n", "group.yaml")


@pytest.mark.parametrize("entry", ["{within: {days: 1}}", "{id: [a]}", "{id: {a: 1}}"])
def test_an_override_says_by_its_id_what_it_changes(entry: str) -> None:
    with pytest.raises(PackError, match="group.yaml:4: it does not say by its 'id' which target"):
        packs.load(f"{OVERRIDE}  - {entry}\n", "group.yaml")


def test_a_character_that_yaml_does_not_know_is_named_with_its_line() -> None:
    with pytest.raises(
        PackError, match=r"^group.yaml:2: the character U\+0000 has no place in YAML.$"
    ):
        packs.load("overrides: residential-cn\nversion: \0\n", "group.yaml")


def test_there_is_no_other_built_in_pack() -> None:
    with pytest.raises(PackError, match="no built-in pack '../x'"):
        packs.built_in("../x")


def test_targets_of_a_question_are_read_as_those_of_a_pack() -> None:
    rules = packs.built_in()
    entry = {
        "id": "own",
        "rule": ["HOUSE-1"],
        "basis": "default",
        "starts": "case_received",
        "met_by": ["case_handled"],
        "within": {"hours": 1},
    }
    (target,) = packs.read_targets([entry], rules)
    assert target.id == "own"
    for wrong, problem in (
        ([{**entry, "calendar": "moon"}], "'own' (HOUSE-1), calendar: the calendar 'moon' is"),
        ([{**entry, "within": {"hors": 1}}], "target 'own' (HOUSE-1), within.hors: this key is"),
        ([entry, entry], "'own' (HOUSE-1), id: the ID 'own' is used twice"),
        ([{**entry, "within": "2 days"}], "within: a mapping is wanted here"),
        (["own"], "target number 1"),
        ("own", "targets"),
        (None, "targets"),
    ):
        with pytest.raises(PackError) as refusal:
            packs.read_targets(wrong, rules)
        assert problem in str(refusal.value)


def test_a_pack_says_what_the_desk_allows_and_an_override_changes_a_key_of_it() -> None:
    silent = packs.load(PACK).cases
    assert silent == packs.built_in().cases
    said = f"{PACK}cases: {{waits_at_most: {{days: 3}}, failed_contacts: 1}}\n"
    group = "overrides: small\nversion: g\ncases: {waits_at_most: {days: 5}}\n"
    rules = packs.load(said, "small.yaml", (group, "group.yaml"))
    assert rules.cases.waits_at_most.days == 5
    assert rules.cases.failed_contacts == 1
    assert rules.cases.closes_after == silent.closes_after
    [difference] = differences(packs.load(PACK), packs.load(said))
    assert difference.keys == ("cases",)


@pytest.mark.parametrize(
    ("cases", "problem"),
    [
        ("{waits_at_most: {hours: 4, counting: working}}", "not counted in working time"),
        ("{backdating: [{within: {days: 2, counting: working}}]}", "not counted in working time"),
        ("{backdating: []}", "cases.backdating"),
        ("{backdating: [{within: {days: 2}, by: nobody}]}", "cases.backdating.0.by"),
        ("{failed_contacts: 0}", "cases.failed_contacts"),
        ("{closes_within: {days: 3}}", "this key is unknown"),
    ],
)
def test_what_the_desk_allows_is_refused_where_it_says_nothing_sensible(
    cases: str, problem: str
) -> None:
    found, *_ = refused(f"{PACK}cases: {cases}\n")
    assert problem in found


def test_who_stands_higher_may_date_further_back() -> None:
    listed = [{"within": {"days": 2}}, {"within": {"months": 2}, "by": "centre_manager"}]
    rules = CaseRules.model_validate({"backdating": listed})
    zone = ZoneInfo("Asia/Shanghai")
    now = datetime(2026, 9, 28, 12, tzinfo=zone)
    by_anybody, by_the_manager = (
        datetime(2026, *day, 12, tzinfo=zone) for day in ((9, 26), (7, 28))
    )
    assert rules.dated_since(now, zone, {Role.CS_SUPERVISOR}) == by_anybody
    for role in (Role.CENTRE_MANAGER, Role.COMPANY_LEADER):
        assert rules.dated_since(now, zone, {role}) == by_the_manager
    of_the_manager = CaseRules.model_validate({"backdating": listed[1:]})
    assert of_the_manager.dated_since(now, zone) == now
