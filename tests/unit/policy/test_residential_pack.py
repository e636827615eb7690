"""The built-in pack, rule by rule: what each entry demands of a case."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.support.rules import rule

from steward_events.vocabulary import Mode
from steward_policy import packs
from steward_policy.durations import due, earlier, later
from steward_policy.ladder import Role
from steward_policy.lint import lint
from steward_policy.packs import FollowUpRule, Rules
from steward_policy.targets import Target

SHANGHAI = ZoneInfo("Asia/Shanghai")
RECEIVED = datetime(2026, 9, 29, 10, tzinfo=SHANGHAI)
PUBLISHED = {
    "residential-cn@2026.2": "fe873542c3c824fb4fad2bf73923fbca9c6458cb86a02e1a90a8378bf37a8367",
    "residential-cn@2026.3": "ce29d10d73538821857cca475718abc7c342a7bdff3c6e8afb028218ffeaf414",
    "residential-cn@2026.4": "287148696f6b676c92638b55253828ac772a091d7c45fff5592ae09190a0adfa",
}
"""The hash of each version's text. A text that changes needs a new version, and a line here."""
MINOR = {"kind": "complaint", "severity": "minor", "validity": "valid"}
IMPORTANT = {"kind": "complaint", "severity": "important", "validity": "valid"}
MAJOR = {"kind": "complaint", "severity": "major", "validity": "valid"}
REPAIR = {"kind": "service_request", "work_category": "ordinary"}


@pytest.fixture(scope="module")
def rules() -> Rules:
    return packs.built_in()


def targets_of(rules: Rules, rule_id: str, case: dict[str, str]) -> list[Target]:
    return [t for t in rules.targets if rule_id in t.rule and t.when.holds(case)]


def the_target(rules: Rules, rule_id: str, case: dict[str, str]) -> Target:
    (target,) = targets_of(rules, rule_id, case)
    return target


def the_followup(rules: Rules, case: dict[str, str]) -> FollowUpRule:
    (followup,) = (f for f in rules.followups if f.when.holds(case))
    return followup


def due_of(rules: Rules, entry: Target | FollowUpRule, start: datetime = RECEIVED) -> datetime:
    assert entry.within is not None
    return due(start, entry.within, rules.calendar(entry.calendar), SHANGHAI).at


def told(rules: Rules, target: Target, breached: datetime) -> list[tuple[Role, datetime]]:
    """Who is told when, with duty hours taken into account."""
    chain = []
    for step in target.escalate:
        moment = breached
        if step.after is not None:
            moment = later(breached, step.after, rules.calendar(step.calendar), SHANGHAI).at
        if step.deliver == "duty_hours":
            moment = rules.duty_calendar.next_open(moment)
        chain.append((step.to, moment))
    return chain


@rule("RM-4.5.2b")
def test_an_important_or_major_complaint_is_with_the_manager_within_an_hour(rules: Rules) -> None:
    for case in (IMPORTANT, MAJOR):
        target = the_target(rules, "RM-4.5.2b", case)
        night = datetime(2026, 9, 29, 23, 50, tzinfo=SHANGHAI)
        assert due_of(rules, target, night) == datetime(2026, 9, 30, 0, 50, tzinfo=SHANGHAI)
        (met,) = target.met_by
        assert met.matches("case_accepted", {"role": "centre_manager"})
        assert met.matches("case_accepted", {"role": "general_manager"})
        assert not met.matches("case_accepted", {"role": "deputy_manager"})
        assert told(rules, target, night)[0] == (Role.CENTRE_MANAGER, night)
    assert not targets_of(rules, "RM-4.5.2b", MINOR)
    assert not targets_of(rules, "RM-4.5.2b", {**IMPORTANT, "validity": "excessive"})


@rule("RM-4.5.2c", "RM-4.10.1")
def test_a_minor_complaint_is_resolved_within_two_days_or_by_the_owners_date(rules: Rules) -> None:
    target = the_target(rules, "RM-4.5.2c", MINOR)
    due_time = due_of(rules, target)
    assert due_time == datetime(2026, 10, 2, tzinfo=SHANGHAI)
    assert target.or_by is not None
    assert (target.or_by.field, target.or_by.take) == ("owner_requested_date", "later")
    assert target.or_by.takes({"owner_date_accepted": True}) == "replace"
    assert target.or_by.takes({"owner_date_accepted": False}) == target.or_by.takes({}) == "later"
    (warning,) = target.warn_before
    assert warning.before is not None
    centre = rules.calendar(warning.calendar)
    warned = earlier(due_time, warning.before, centre, SHANGHAI)
    assert warned == datetime(2026, 10, 1, 14, tzinfo=SHANGHAI)


@rule("RM-4.5.2c")
def test_a_minor_complaint_past_two_days_goes_to_the_supervisor_in_the_morning(
    rules: Rules,
) -> None:
    target = the_target(rules, "RM-4.5.2c", MINOR)
    assert told(rules, target, due_of(rules, target)) == [
        (Role.CS_SUPERVISOR, datetime(2026, 10, 2, 8, 30, tzinfo=SHANGHAI)),
        (Role.CENTRE_MANAGER, datetime(2026, 10, 3, 8, 30, tzinfo=SHANGHAI)),
    ]


@rule("RM-4.10.1")
def test_a_minor_complaint_goes_past_its_limit_only_with_the_managers_approval(
    rules: Rules,
) -> None:
    overdue = the_target(rules, "RM-4.10.1", MINOR).overdue
    assert overdue is not None
    assert (overdue.approval, overdue.ask) == (Role.CENTRE_MANAGER, "before_due")
    assert overdue.max_times == 2
    assert overdue.max_total is not None
    assert overdue.max_total.days == 10


@rule("RM-4.10.2")
def test_an_important_complaint_is_resolved_within_three_days(rules: Rules) -> None:
    target = the_target(rules, "RM-4.10.2", IMPORTANT)
    breached = due_of(rules, target)
    assert breached == datetime(2026, 10, 3, tzinfo=SHANGHAI)
    assert target.overdue is not None
    assert target.overdue.approval == Role.GENERAL_MANAGER
    assert [role for role, _ in told(rules, target, breached)] == [
        Role.CENTRE_MANAGER,
        Role.COMPANY_LEADER,
        Role.GENERAL_MANAGER,
    ]


@rule("FU-4.1.2.3a")
def test_an_ordinary_repair_is_followed_up_by_phone_until_the_end_of_the_next_day(
    rules: Rules,
) -> None:
    followup = the_followup(rules, REPAIR)
    assert the_followup(rules, {"kind": "service_request"}) == followup  # nobody classified it
    assert (followup.after, followup.mode, followup.rate) == ("case_handled", (Mode.PHONE,), 0.7)
    assert followup.basis == "rule"
    assert due_of(rules, followup) == datetime(2026, 10, 1, tzinfo=SHANGHAI)
    bathroom = the_followup(rules, {**REPAIR, "work_category": "leak_bathroom"})
    assert "FU-4.1.2.3a" not in bathroom.rule


@rule("RM-4.6.4a")
@pytest.mark.parametrize("case", [MINOR, IMPORTANT, {"kind": "complaint"}])
def test_every_handled_complaint_is_followed_up_by_phone(
    rules: Rules, case: dict[str, str]
) -> None:
    followup = the_followup(rules, case)
    assert (followup.after, followup.mode[0], followup.rate) == ("case_handled", Mode.PHONE, 1.0)
    assert Mode.LETTER in followup.mode
    assert (followup.rule, followup.basis) == (("RM-4.6.4a",), "default")
    assert due_of(rules, followup) == datetime(2026, 10, 3, tzinfo=SHANGHAI)


@rule("RM-4.6.4a")
def test_a_major_complaint_is_followed_up_on_site(rules: Rules) -> None:
    followup = the_followup(rules, MAJOR)
    assert (followup.mode, followup.rate) == ((Mode.ON_SITE,), 1.0)
    assert followup.role == (Role.CENTRE_MANAGER, Role.CS_SUPERVISOR)


@rule("CV-9.1a", "CV-9.1b", "CV-9.1c")
@pytest.mark.parametrize(
    ("rule_id", "role", "households"),
    [
        ("CV-9.1a", Role.CENTRE_MANAGER, 25),
        ("CV-9.1b", Role.DEPARTMENT_HEAD, 10),
        ("CV-9.1b", Role.ENGINEERING_SUPERVISOR, 10),
        ("CV-9.1c", Role.CS_SUPERVISOR, 30),
        ("CV-9.1c", Role.FRONTLINE, 30),
    ],
)
def test_each_role_has_its_monthly_number_of_households(
    rules: Rules, rule_id: str, role: Role, households: int
) -> None:
    [quota] = [quota for quota in rules.quotas if role in quota.role]
    assert (quota.rule, quota.households, quota.basis) == ((rule_id,), households, "rule")


def test_the_pack_is_sound() -> None:
    assert lint(packs.built_in_text(), "residential-cn.yaml") == []


def test_a_version_of_the_pack_is_one_text_for_ever(rules: Rules) -> None:
    assert PUBLISHED.get(rules.version) == rules.sha256, (
        "An installation that has published this version refuses another text of it, and its intake"
        " does not start: give the pack a new version, and PUBLISHED a line with its hash."
    )
