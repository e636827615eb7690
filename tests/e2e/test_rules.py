"""Every entry of the built-in pack, carried out through HTTP and Kafka by the whole real system.

Each test is two: on the whole pack what it says holds, and where a project's override drops the
entry, or has it say otherwise, the same no longer does.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from tests.support.rules import rule
from tests.support.scenarios import (
    OWNER,
    SCENARIOS,
    Case,
    Duty,
    Owed,
    Plays,
    Quota,
    Seen,
    Step,
    Told,
    at,
    classified,
    entries,
    handled,
    play,
    received,
    scenario,
    withdrawn,
)
from tests.support.stack import database_dsn
from tests.support.system import entered

from steward_service.clocks import SteppedDriver
from steward_stack.supervisor import Stack

EVE = datetime.fromisoformat("2026-10-12T18:00:00+08:00")


@pytest.fixture(scope="module")
async def plays(request: pytest.FixtureRequest, stepped_services: Stack) -> AsyncIterator[Plays]:
    """All scenarios of the tests that were asked for, played."""
    items = [getattr(item, "callspec", None) for item in request.session.items]
    asked_for = dict.fromkeys(
        spec.params["scenario"] for spec in items if spec and "scenario" in spec.params
    )
    driver = await SteppedDriver.connect(
        database_dsn(stepped_services.endpoints.postgres, "steward_clock"), EVE
    )
    async with entered(stepped_services) as system:
        yield await play(system, driver, list(asked_for))
    await driver.close()


def dispatched(when: str, dispatch: str, department: str) -> Step:
    return at(when, "dispatch", dispatch_id=dispatch, department=department)


def accepted(when: str, role: str) -> Step:
    return at(when, "accept", role=role, person_id=role)


TAKEN = accepted("0 10:05", "general_manager")
IN_HAND = (
    TAKEN,
    dispatched("0 10:05", "a", "工程部"),
    at("0 10:05", "accept-dispatch", dispatch_id="a"),
)
"""All that is to be done first, so that hardly anybody is told but of what is tried."""


def taken_over(when: str) -> Step:
    """Let somebody answer for all that anybody was told by then, so that it climbs no further."""
    return at(when, "take-over", person_id="general_manager")


SUBMITTED = at("0 10:20", "submit-record")
TOLD = at("0 10:20", "tell-result", how="phone", person_id="frontline")


# ---- any case ----


@rule("RM-4.9")
@scenario(
    "harm-stopped",
    received(harm_ongoing=True),
    until="0 11:20",
    kept=at("0 10:09", "take-measures", measures="已关闭总阀"),
)
def test_harm_is_stopped_within_half_an_hour(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 10:30",
        "事项的“立即制止损害”",
        late=("0 10:30 company_leader", "0 10:45 general_manager"),
        begun=("0 10:00 centre_manager", "0 10:15 company_leader"),
    )
    assert seen.kept.met() == "0 10:09"


@rule("FU-S1", "FU-4.1.3")
@scenario(
    "promise-kept",
    received(),
    classified("minor"),
    *IN_HAND,
    at("0 11:00", "promise", promise_id="p", promised_at="1 18:00", what="送来样品"),
    until="2 09:00",
    kept=at("1 12:00", "keep-promise", promise_id="p"),
)
def test_a_promise_is_kept_by_its_date(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "1 18:00", "轻微投诉的“兑现承诺”", late=("2 08:30 cs_supervisor",)
    )
    assert seen.kept.met() == "1 12:00"


@rule("FU-S1", "FU-4.1.3", "RC-5.1..2")
@scenario(
    "appointment-kept",
    received(kind="service_request"),
    at("0 10:05", "confirm-receipt", how="phone"),
    at("0 11:00", "appoint", appointment_id="v", at="1 11:40"),
    until="1 15:00",
    kept=at("1 12:00", "keep-appointment", appointment_id="v"),
)
def test_an_appointment_is_kept_with_half_an_hour_of_grace(seen: Seen) -> None:
    assert seen.late.clock() == Told("1 12:10", "事项的“按约到场”", late=("1 12:10 cs_supervisor",))
    assert seen.kept.met() == "1 12:00"


@rule("RM-3.4", "RM-4.4.1a")
@scenario(
    "chased-again",
    received(),
    classified("minor"),
    *IN_HAND,
    at("0 11:00", "chase", chase_id="a", demand="什么时候来"),
    at("0 12:00", "chase", chase_id="b", demand="还没有人来"),
    until="0 17:00",
    kept=at("0 15:59", "inform", notice_id="n", about="progress", how="phone"),
)
def test_who_asks_a_second_time_is_heard_by_the_supervisor(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 16:00",
        "轻微投诉的“回应再次催办”",
        late=("0 16:00 centre_manager",),
        begun=("0 12:00 cs_supervisor",),
    )
    assert seen.kept.met() == "0 15:59"


@rule("RM-3.4")
@scenario(
    "wait-ended",
    received(kind="service_request"),
    at("0 10:05", "confirm-receipt", how="phone"),
    at("0 10:05", "appoint", appointment_id="v", at="2 15:00"),
    at("0 10:06", "pause", resume_on="1 09:00", because="owner_asked"),
    at("1 09:01", "look"),
    until="1 14:00",
    kept=at("1 12:00", "inform", notice_id="n", about="progress", how="phone"),
)
def test_when_a_wait_ends_by_its_date_the_supervisor_is_told(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "1 13:00",
        "事项的“等待期满后的跟进”",
        late=("1 13:00 centre_manager",),
        begun=("1 09:00 cs_supervisor",),
    )
    assert seen.kept.met() == "1 12:00"


@rule("RM-4.4.1a")
@scenario(
    "reopened-again",
    received(),
    classified("important"),
    *IN_HAND,
    handled("0 10:30"),
    at("0 10:40", "reopen"),
    accepted("0 10:41", "centre_manager"),
    handled("0 10:50"),
    at("0 11:00", "reopen"),
    until="0 15:30",
    kept=accepted("0 12:00", "centre_manager"),
)
def test_at_the_second_reopening_the_manager_is_told(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 15:00",
        "重要投诉的“再次重开后的处置”",
        late=("0 15:00 company_leader",),
        begun=("0 11:00 centre_manager",),
    )
    assert seen.kept.met() == "0 12:00"


@rule("RM-4.7", "RM-3.1")
@scenario(
    "authority-due",
    received(channel="authority_hotline", party="authority", authority_due="1 16:00"),
    classified("minor"),
    *IN_HAND,
    until="2 11:00",
    kept=handled("1 15:59"),
)
def test_an_authoritys_date_is_kept_whatever_else_was_granted(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "1 16:00",
        "轻微投诉的“主管部门交办期限”",
        late=("1 16:00 centre_manager", "2 10:30 company_leader"),
    )
    assert seen.kept.met() == "1 15:59"


# ---- complaints: reception ----


@rule("RM-3.4", "RC-4.2")
@scenario("triage", received(), until="0 11:20", kept=classified("minor", "0 10:29"))
def test_a_complaint_is_classified_within_half_an_hour(seen: Seen) -> None:
    assert seen.late.clock() == Told("0 10:30", "事项的“投诉分类”", late=("0 10:30 cs_supervisor",))
    assert seen.kept.met() == "0 10:29"


@rule("RM-3.5")
@scenario(
    "triage",
    received("0 23:50", channel="hotline"),
    until="1 00:40",
    kept=classified("minor", "1 00:19"),
    instead={"within": {"minutes": 30, "counting": "working"}, "calendar": "service-centre"},
)
def test_the_hotline_is_heard_at_any_hour(seen: Seen) -> None:
    assert seen.late.clock() == Told("1 00:20", "事项的“投诉分类”", late=("1 00:20 cs_supervisor",))
    assert seen.kept.met() == "1 00:19"


@rule("RM-3.4", "RC-4.2")
@scenario(
    "triage-after-harm",
    received(harm_ongoing=True),
    at("0 10:20", "take-measures", measures="已关闭总阀"),
    until="0 11:20",
    kept=classified("minor", "0 10:49"),
)
def test_what_waited_for_harm_to_end_is_classified_within_half_an_hour_of_that(seen: Seen) -> None:
    assert seen.late.clock("triage") is None
    assert seen.late.clock() == Told("0 10:50", "事项的“投诉分类”", late=("0 10:50 cs_supervisor",))
    assert seen.kept.met() == "0 10:49"


@rule("RM-4.5.1b")
@scenario(
    "manager-comes",
    received(),
    at("0 11:00", "call-manager"),
    accepted("0 11:09", "frontline"),
    until="0 11:20",
    kept=accepted("0 11:09", "cs_supervisor"),
)
def test_a_called_superior_comes_within_ten_minutes(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 11:10",
        "事项的“主管出面”",
        late=("0 11:10 centre_manager",),
        begun=("0 11:00 cs_supervisor",),
    )
    assert seen.kept.met() == "0 11:09"


@rule("RM-4.6.7")
@scenario(
    "forum-post-acknowledged",
    received(channel="forum", posted_at="0 09:00"),
    until="0 11:20",
    kept=at("0 10:49", "acknowledge", text="已派人查看", link="https://forum.example.cn/1"),
)
def test_a_forum_post_is_answered_within_two_hours_of_being_posted(seen: Seen) -> None:
    assert seen.late.clock() == Told("0 11:00", "事项的“论坛回帖”", late=("0 11:00 cs_supervisor",))
    assert seen.kept.met() == "0 10:49"


@rule("RM-4.6.7")
@scenario(
    "forum-handover-acknowledged",
    received(channel="forum", posted_at="0 07:00", handed_over_at="0 09:35"),
    until="0 11:20",
    kept=at("0 10:29", "acknowledge", text="已派人查看", link="https://forum.example.cn/2"),
)
def test_a_post_that_was_handed_over_is_answered_within_an_hour_of_that(seen: Seen) -> None:
    assert seen.late.clock("forum-post-acknowledged") is None
    assert seen.late.clock() == Told("0 10:35", "事项的“论坛回帖”", late=("0 10:35 cs_supervisor",))
    assert seen.kept.met() == "0 10:29"


@rule("RM-3.2")
@scenario(
    "minor-to-supervisor",
    received(),
    classified("minor"),
    accepted("0 10:09", "frontline"),
    until="0 14:10",
    kept=accepted("0 11:59", "cs_supervisor"),
)
def test_a_minor_complaint_is_the_supervisors_from_its_classification_on(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 12:05",
        "轻微投诉的“转客服部主管”",
        late=("0 12:05 centre_manager",),
        begun=("0 10:05 cs_supervisor",),
    )
    assert seen.kept.met() == "0 11:59"


@rule("RM-4.5.2a")
@scenario(
    "major-to-leader",
    received(),
    classified("major", "0 10:00"),
    accepted("0 10:09", "centre_manager"),
    until="1 09:00",
    kept=accepted("0 19:00", "company_leader"),
)
def test_a_major_complaint_is_before_the_company_leader_the_same_day(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 24:00",
        "重大投诉的“呈送公司主管领导”",
        late=("1 08:30 general_manager",),
        begun=("0 10:00 company_leader", "0 14:00 general_manager"),
    )
    assert seen.kept.met() == "0 19:00"


@rule("RM-3.1")
@scenario(
    "weighty-to-leader",
    received(injury=True),
    accepted("0 10:09", "centre_manager"),
    until="1 09:00",
    kept=accepted("0 19:00", "company_leader"),
)
def test_what_weighs_much_is_before_the_company_leader_the_same_day(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 24:00",
        "事项的“汇报公司主管领导”",
        late=("1 08:30 general_manager",),
        begun=("0 10:00 company_leader", "0 14:00 general_manager"),
    )
    assert seen.kept.met() == "0 19:00"


@rule("RM-4.5.2b")
@scenario(
    "important-to-manager",
    received(),
    classified("important"),
    accepted("0 10:09", "cs_supervisor"),
    until="0 14:10",
    kept=accepted("0 10:49", "centre_manager"),
)
def test_an_important_complaint_is_before_the_manager_within_the_hour(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 11:00",
        "重要投诉的“转呈主管经理”",
        late=("0 11:00 centre_manager", "0 12:00 company_leader"),
        begun=("0 10:05 centre_manager",),
    )
    assert seen.kept.met() == "0 10:49"


@rule("RM-4.7")
@scenario(
    "important-to-manager",
    received(channel="letter", occurred_at="0 09:30"),
    classified("important"),
    until="0 11:20",
    kept=accepted("0 10:29", "centre_manager"),
    instead={"when": {"kind": "complaint", "severity": "important", "not": {"channel": "letter"}}},
)
def test_a_letter_runs_from_its_arrival_like_all_that_is_said(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 10:30",
        "重要投诉的“转呈主管经理”",
        late=("0 10:30 centre_manager",),
        begun=("0 10:05 centre_manager",),
    )
    assert seen.kept.met() == "0 10:29"


# ---- complaints: answer and resolution ----


@rule("RM-4.5.2c", "RM-4.10.1")
@scenario(
    "minor-resolve",
    received(),
    classified("minor"),
    *IN_HAND,
    until="4 09:00",
    kept=handled("2 22:00"),
)
def test_a_minor_complaint_is_resolved_within_two_days(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "2 24:00",
        "轻微投诉的“处理完成”",
        late=(
            "3 08:30 cs_supervisor",
            "3 12:30 deputy_manager",
            "3 16:30 centre_manager",
            "4 08:30 centre_manager",
        ),
    )
    assert seen.kept.met() == "2 22:00"


SOONER = {"owner_requested_date": "1 18:00"}


@rule("RM-4.5.2c")
@scenario(
    "minor-resolve",
    received(**SOONER, owner_date_accepted=True),
    classified("minor"),
    *IN_HAND,
    until="2 09:00",
    kept=handled("1 17:59"),
)
def test_an_earlier_date_that_was_accepted_at_the_reception_binds(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "1 18:00", "轻微投诉的“处理完成”", late=("2 08:30 cs_supervisor",)
    )
    assert seen.kept.met() == "1 17:59"


@rule("RM-4.10.2", "RM-3.1")
@scenario(
    "important-resolve",
    received(),
    classified("important"),
    *IN_HAND,
    taken_over("2 09:00"),
    until="6 09:00",
    kept=handled("3 22:00"),
)
def test_an_important_complaint_is_resolved_within_three_days(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "3 24:00",
        "重要投诉的“处理完成”",
        late=(
            "4 08:30 centre_manager",
            "4 08:30 company_leader",
            "4 12:30 general_manager",
            "6 08:30 general_manager",
        ),
    )
    assert seen.kept.met() == "3 22:00"


@rule("RM-4.10.3")
@scenario(
    "major-answer",
    received(),
    classified("major"),
    TAKEN,
    taken_over("0 10:49"),
    until="4 09:00",
    kept=at("2 22:00", "answer", decision="will", by_date="8 18:00"),
)
def test_a_major_complaint_gets_a_clear_answer_within_two_days(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "2 24:00",
        "重大投诉的“明确答复业主”",
        late=("3 08:30 company_leader", "3 12:30 general_manager", "4 08:30 general_manager"),
    )
    assert seen.kept.met() == "2 22:00"


@rule("RM-4.10.3")
@scenario(
    "major-resolve",
    received(),
    classified("major"),
    TAKEN,
    taken_over("0 10:49"),
    at("0 11:00", "answer", decision="will", by_date="8 18:00"),
    until="12 09:00",
    kept=handled("10 22:00"),
)
def test_a_major_complaint_is_resolved_within_ten_days(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "10 24:00",
        "重大投诉的“处理完成”",
        late=("11 08:30 company_leader", "11 12:30 general_manager", "12 08:30 general_manager"),
    )
    assert seen.kept.met() == "10 22:00"


@rule("RM-4.4.1c")
@scenario(
    "month-resolve",
    received(),
    classified("minor"),
    *IN_HAND,
    taken_over("3 09:00"),
    taken_over("4 09:00"),
    until="32 09:00",
    kept=handled("5 10:00"),
)
def test_a_complaint_unresolved_after_a_month_is_major_from_then_on(seen: Seen) -> None:
    month = seen.late.month
    late = seen.late.clock()
    assert late is not None
    assert (late.due, late.what) == (f"{month} 24:00", "轻微投诉的“一个月内解决”")
    assert late.late[0] == f"{month + 1} 08:30 centre_manager"
    [raised] = seen.late.said("intake", "severity_raised")
    assert (raised["severity"], raised["cause"]) == ("major", "age")
    answer = seen.late.clock("major-answer")
    assert answer is not None
    assert answer.due == f"{month + 3} 24:00"
    assert seen.kept.met() == "5 10:00"


@rule("RM-4.8", "RM-4.3.2a..e", "RM-4.3.3a..c")
@scenario(
    "reasoned-answer",
    received(),
    at("0 10:05", "classify", validity="excessive", ground="a"),
    until="4 09:00",
    kept=at("2 22:00", "answer", decision="will_not", reasons="不属于物业服务范围"),
)
def test_what_cannot_be_met_is_answered_with_reasons_within_two_days(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "2 24:00",
        "事项的“说明原因”",
        late=(
            "3 08:30 cs_supervisor",
            "3 12:30 deputy_manager",
            "3 16:30 centre_manager",
            "4 08:30 centre_manager",
        ),
    )
    assert seen.kept.met() == "2 22:00"


EXCESSIVE = at("0 10:05", "classify", validity="excessive", ground="a")
WHY = "原设计没有的设施"


def refusal(when: str, by: str = "cs_supervisor") -> Step:
    return at(when, "refuse", reason=WHY, person_id="frontline", approved_by=by)


@rule("RM-4.8")
@scenario(
    "reasoned-answer",
    received(),
    EXCESSIVE,
    refusal("1 10:00"),
    until="4 09:00",
    kept=at("2 22:00", "answer", decision="will_not", reasons=WHY),
)
def test_a_refusal_is_no_answer_until_its_owner_was_told_it(seen: Seen) -> None:
    told = seen.late.clock()
    assert told is not None
    assert (told.due, told.late[0]) == ("2 24:00", "3 08:30 cs_supervisor")
    assert seen.kept.met() == "2 22:00"


COORDINATION = (
    received(),
    at("0 10:05", "classify", validity="coordination", ground="d", outside_party="居委会"),
    at("0 11:00", "answer", decision="will_not", reasons="由居委会处理"),
)
INSIDE = at("0 11:09", "forward", to="centre_manager")
FORWARDED = at("1 12:00", "forward", outside_party="居委会")


@rule("RM-4.3.2a..e")
@scenario("outside-party-contacted", *COORDINATION, INSIDE, until="3 09:00", kept=FORWARDED)
def test_the_outside_party_of_a_coordination_matter_is_contacted_within_two_days(
    seen: Seen,
) -> None:
    assert seen.late.clock() == Told(
        "2 24:00", "事项的“联系相关单位”", late=("3 08:30 cs_supervisor",)
    )
    assert seen.kept.met() == "1 12:00"


@rule("RM-4.3.2a..e", "HV-4.3.3c")
@scenario(
    "coordination-progress",
    *COORDINATION,
    FORWARDED,
    until="8 09:00",
    kept=at("5 10:00", "inform", about="progress", how="phone"),
)
def test_the_owner_of_a_coordination_matter_hears_how_far_it_is_every_seven_days(
    seen: Seen,
) -> None:
    assert seen.late.clock() == Told(
        "7 24:00", "事项的“向业主通报进度”", late=("8 08:30 cs_supervisor",)
    )
    assert seen.kept.met() == "5 10:00"


# ---- complaints and requests: the department ----


def refused(when: str, dispatch: str) -> Step:
    return at(when, "refuse-dispatch", dispatch_id=dispatch, reason="不属于本部门")


@rule("RM-4.6.1", "RM-3.3", "RC-5.3")
@scenario(
    "dispatched",
    received(),
    classified("minor"),
    until="0 11:20",
    kept=dispatched("0 10:29", "a", "工程部"),
)
def test_a_case_is_dispatched_within_half_an_hour_of_its_classification(seen: Seen) -> None:
    assert seen.late.clock() == Told("0 10:35", "轻微投诉的“派单”", late=("0 10:35 cs_supervisor",))
    assert seen.kept.met() == "0 10:29"


@rule("RM-4.6.1", "RM-3.3", "RC-5.3")
@scenario(
    "dispatch-accepted",
    received(),
    classified("minor"),
    TAKEN,
    dispatched("0 17:00", "a", "工程部"),
    until="1 12:00",
    kept=at("1 09:00", "accept-dispatch", dispatch_id="a"),
)
def test_a_department_is_told_at_once_and_accepts_within_two_hours_of_the_service_centre(
    seen: Seen,
) -> None:
    assert seen.late.clock() == Told(
        "1 09:30",
        "轻微投诉的“部门接单”",
        late=("1 09:30 department_head",),
        begun=("0 17:00 department_head",),
    )
    assert seen.kept.met() == "1 09:00"


@rule("RM-4.6.1")
@scenario(
    "dispatch-decided",
    received(),
    classified("minor"),
    dispatched("0 10:20", "a", "工程部"),
    refused("0 10:29", "a"),
    dispatched("0 10:49", "b", "秩序部"),
    refused("0 11:20", "b"),
    until="0 14:10",
    kept=dispatched("0 11:59", "c", "客服部"),
)
def test_after_the_second_refusal_the_manager_decides_within_two_hours(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 13:20",
        "轻微投诉的“裁定责任部门”",
        late=("0 13:20 company_leader",),
        begun=("0 11:20 centre_manager",),
    )
    assert seen.kept.met() == "0 11:59"


@rule("RM-3.3", "RM-4.6.1")
@scenario(
    "progress-daily",
    received(),
    classified("important"),
    *IN_HAND,
    until="2 09:00",
    kept=at("1 12:00", "report-progress", department="工程部", text="正在更换门机"),
)
def test_the_department_reports_every_day_on_what_is_important(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "1 24:00", "重要投诉的“每日进度反馈”", late=("2 08:30 department_head",)
    )
    assert seen.kept.met() == "1 12:00"


@rule("RM-3.3", "RM-4.6.1", "RC-5.3")
@scenario(
    "progress-every-three-days",
    received(),
    classified("minor"),
    *IN_HAND,
    taken_over("3 09:00"),
    until="4 09:00",
    kept=at("2 12:00", "report-progress", department="工程部", text="正在更换门机"),
)
def test_the_department_reports_every_three_days_on_everything_else(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "3 24:00", "轻微投诉的“三日进度反馈”", late=("4 08:30 department_head",)
    )
    assert seen.kept.met() == "2 12:00"


@rule("RM-4.6.2a", "RM-4.6.2b")
@scenario(
    "record-submitted",
    received(),
    classified("minor"),
    handled("0 10:20"),
    until="2 09:00",
    kept=at("0 19:00", "submit-record"),
)
def test_the_record_is_handed_in_on_the_day_of_completion(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 24:00",
        "轻微投诉的“提交处理记录”",
        late=(
            "1 08:30 department_head",
            "1 12:30 deputy_manager",
            "1 16:30 centre_manager",
            "2 08:30 cs_supervisor",
        ),
    )
    assert seen.kept.met() == "0 19:00"


@rule("RM-4.6.3")
@scenario(
    "result-told",
    received(),
    classified("minor"),
    handled("0 10:20"),
    SUBMITTED,
    until="1 09:00",
    kept=at("0 19:00", "tell-result", how="phone"),
)
def test_the_owner_hears_the_result_on_the_day_of_the_record(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 24:00", "轻微投诉的“反馈处理结果”", late=("1 08:30 cs_supervisor",)
    )
    assert seen.kept.met() == "0 19:00"


# ---- consultations, requests, suggestions ----


@rule("RC-3.2")
@scenario(
    "consultation-answered",
    received(kind="consultation"),
    until="2 09:00",
    kept=at("1 12:00", "answer", decision="will"),
)
def test_a_consultation_is_answered_within_a_day_of_the_service_centre(seen: Seen) -> None:
    assert seen.late.clock() == Told("1 24:00", "事项的“答复咨询”", late=("2 08:30 cs_supervisor",))
    assert seen.kept.met() == "1 12:00"


@rule("RC-3.2")
@scenario(
    "consultation-answered-in-writing",
    received(kind="consultation", in_writing=True),
    at("0 11:59", "answer", decision="will"),
    until="2 09:00",
    kept=at("1 12:00", "answer", decision="will", in_writing=True),
)
def test_an_answer_asked_for_in_writing_is_given_in_writing(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "1 24:00", "事项的“书面答复咨询”", late=("2 08:30 cs_supervisor",)
    )
    assert seen.kept.met() == "1 12:00"


REQUEST = received(kind="service_request")
EMERGENCY = at("0 10:00", "classify", urgency="emergency")


@rule("RC-5.1..2")
@scenario(
    "request-confirmed",
    REQUEST,
    until="0 11:20",
    kept=at("0 10:09", "confirm-receipt", how="phone"),
)
def test_a_request_is_confirmed_within_ten_minutes(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 10:10", "事项的“确认报事信息”", late=("0 10:10 cs_supervisor",)
    )
    assert seen.kept.met() == "0 10:09"


@rule("RC-5.1..2")
@scenario(
    "emergency-on-site",
    received(kind="service_request", urgency="emergency"),
    until="0 11:20",
    kept=at("0 10:09", "start-work"),
)
def test_somebody_is_at_an_emergency_within_half_an_hour(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 10:30",
        "事项的“应急到场”",
        late=("0 10:30 centre_manager", "0 10:45 company_leader", "0 11:00 general_manager"),
        begun=("0 10:00 engineering_supervisor", "0 10:15 deputy_manager"),
    )
    assert seen.kept.met() == "0 10:09"


@rule("RC-5.1..2")
@scenario(
    "emergency-made-safe",
    REQUEST,
    EMERGENCY,
    at("0 10:09", "start-work"),
    until="0 14:10",
    kept=at("0 11:59", "make-safe"),
)
def test_an_emergency_is_made_safe_within_four_hours(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "0 14:00", "事项的“应急排险”", late=("0 14:00 centre_manager",)
    )
    assert seen.kept.met() == "0 11:59"


@rule("RC-5.1..2")
@scenario(
    "request-appointment",
    REQUEST,
    until="0 14:10",
    kept=at("0 11:59", "appoint", at="1 14:00"),
)
def test_the_appointment_for_a_request_is_agreed_within_two_hours_of_the_service_centre(
    seen: Seen,
) -> None:
    assert seen.late.clock() == Told(
        "0 12:00", "事项的“预约上门时间”", late=("0 12:00 cs_supervisor",)
    )
    assert seen.kept.met() == "0 11:59"


@rule("RC-5.1..2", "RC-5.3")
@scenario(
    "request-done",
    REQUEST,
    at("0 10:05", "confirm-receipt", how="phone"),
    at("0 10:05", "start-work"),
    until="5 09:00",
    kept=handled("3 22:00"),
)
def test_a_request_is_done_within_three_days(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "3 24:00",
        "事项的“服务完成”",
        late=(
            "4 08:30 engineering_supervisor",
            "4 12:30 deputy_manager",
            "4 16:30 centre_manager",
            "5 08:30 centre_manager",
        ),
    )
    assert seen.kept.met() == "3 22:00"


SUGGESTION = received(kind="suggestion")
THANKED = at("1 12:00", "acknowledge", link="https://forum.example.cn/3")


@rule("RC-6.3")
@scenario("suggestion-acknowledged", SUGGESTION, until="2 09:00", kept=THANKED)
def test_a_suggestion_is_acknowledged_within_a_day(seen: Seen) -> None:
    assert seen.late.clock() == Told("1 24:00", "事项的“回应建议”", late=("2 08:30 cs_supervisor",))
    assert seen.kept.met() == "1 12:00"


@rule("RC-6.3", "HV-4.3.3c")
@scenario(
    "suggestion-progress",
    SUGGESTION,
    THANKED,
    until="8 09:00",
    kept=at("5 10:00", "inform", about="progress", how="phone"),
)
def test_who_suggested_something_hears_how_far_it_is_every_seven_days(seen: Seen) -> None:
    assert seen.late.clock() == Told(
        "7 24:00", "事项的“通报建议进展”", late=("8 08:30 cs_supervisor",)
    )
    assert seen.kept.met() == "5 10:00"


# ---- follow-ups ----

DONE = (handled("0 10:20"), SUBMITTED, TOLD)


def followed_up(when: str, mode: str, person: str) -> Step:
    return at(when, "follow-up", mode=mode, person_id=person, satisfied=True)


def made(case: Case) -> list[tuple[str, bool]]:
    return [(one["mode"], one["overdue"]) for one in case.said("visits", "followup_done")]


@rule("FU-4.1.2.2a", "RM-4.6.4a")
@scenario(
    "major-complaint",
    received(),
    classified("major"),
    *IN_HAND,
    at("0 10:09", "answer", decision="will", by_date="2 18:00"),
    *DONE,
    until="4 09:00",
    kept=followed_up("3 22:00", "on_site", "cs_supervisor"),
)
def test_a_major_complaint_is_followed_up_at_the_door_by_who_heads_the_centre(seen: Seen) -> None:
    assert seen.late.followup() == Owed(
        "3 24:00",
        ("on_site",),
        ("centre_manager", "cs_supervisor"),
        late=("4 08:30 centre_manager",),
    )
    assert made(seen.kept) == [("on_site", False)]


def raised(case: Case) -> Case:
    """What was raised anew in the follow-up, as a case of its own."""
    [followup] = case.said("visits", "followup_done")
    of_it = {"came_by": "followup", "followup_id": followup["followup_id"]}
    [received] = case.facts("intake", "case_received", **of_it)
    return replace(case, id=received["case_id"], number=received["number"])


@rule("FU-4.1.3")
@scenario(
    "promise-kept",
    received(),
    classified("minor"),
    *DONE,
    followed_up("0 11:00", "phone", "cs_supervisor"),
    at("0 11:00", "raise", kind="consultation", summary="充电桩何时开通", answered_by="1 10:00"),
    until="1 10:40",
    kept=at("1 09:00", "answer-raised"),
)
def test_what_is_raised_anew_in_a_follow_up_is_a_case_and_is_answered_when_it_was_agreed(
    seen: Seen,
) -> None:
    assert raised(seen.late).clock() == Told(
        "1 10:00", "事项的“兑现承诺”", late=("1 10:00 cs_supervisor",)
    )
    assert raised(seen.kept).met() == "1 09:00"


@rule("FU-4.1.2.3b", "RM-4.6.4a")
@scenario(
    "complaint-of-rework",
    received(),
    classified("minor", work_category="ordinary", rework_of="earlier"),
    *DONE,
    until="4 09:00",
    kept=followed_up("3 22:00", "on_site", "engineering_supervisor"),
)
def test_a_complaint_of_rework_is_followed_up_at_the_door_by_the_engineering_supervisor(
    seen: Seen,
) -> None:
    assert seen.late.followup() == Owed(
        "3 24:00",
        ("on_site",),
        ("engineering_supervisor",),
        late=("4 08:30 engineering_supervisor",),
    )
    assert made(seen.kept) == [("on_site", False)]


def repaired(work_category: str, **body: str) -> tuple[Step, ...]:
    said = {"work_category": work_category, **body}
    confirmed = at("0 10:05", "confirm-receipt", how="phone")
    return REQUEST, confirmed, at("0 10:05", "classify", **said), handled("0 10:20")


@rule("FU-4.1.2.3b")
@scenario(
    "rework",
    *repaired("leak_bathroom", rework_of="earlier"),
    until="4 09:00",
    kept=followed_up("3 22:00", "on_site", "engineering_supervisor"),
)
def test_rework_is_followed_up_at_the_door_by_the_engineering_supervisor(seen: Seen) -> None:
    assert seen.late.followup() == Owed(
        "3 24:00",
        ("on_site",),
        ("engineering_supervisor",),
        late=("4 08:30 engineering_supervisor",),
    )
    assert made(seen.kept) == [("on_site", False)]


@rule("FU-4.1.2.3d", "RM-4.6.4a")
@scenario(
    "complaint-of-delicate-repair",
    received(),
    classified("minor", work_category="leak_bathroom"),
    *DONE,
    until="4 09:00",
    kept=followed_up("3 22:00", "on_site", "frontline"),
)
def test_a_complaint_of_a_leak_is_followed_up_by_phone_or_at_the_door(seen: Seen) -> None:
    assert seen.late.followup() == Owed(
        "3 24:00", ("phone", "on_site"), late=("4 08:30 cs_supervisor",)
    )
    assert made(seen.kept) == [("on_site", False)]


@rule("FU-4.1.2.3d")
@scenario(
    "delicate-repair",
    *repaired("blocked_drain"),
    until="4 09:00",
    kept=followed_up("3 22:00", "phone", "frontline"),
)
def test_a_repair_of_a_drain_is_followed_up_by_phone_or_at_the_door(seen: Seen) -> None:
    assert seen.late.followup() == Owed(
        "3 24:00", ("phone", "on_site"), late=("4 08:30 cs_supervisor",)
    )
    assert made(seen.kept) == [("phone", False)]


@rule("RM-4.6.4a")
@scenario(
    "complaint",
    received(),
    classified("important"),
    *IN_HAND,
    *DONE,
    until="4 09:00",
    kept=followed_up("3 22:00", "letter", "frontline"),
)
def test_every_other_complaint_is_followed_up_within_three_days(seen: Seen) -> None:
    modes = ("phone", "on_site", "letter", "outdoors", "office", "other")
    assert seen.late.followup() == Owed("3 24:00", modes, late=("4 08:30 cs_supervisor",))
    assert made(seen.kept) == [("letter", False)]


@rule("FU-4.1.2.3a")
@scenario(
    "ordinary-repair",
    *repaired("ordinary"),
    until="2 09:00",
    kept=followed_up("1 12:00", "phone", "frontline"),
)
def test_an_ordinary_repair_is_followed_up_by_phone_the_next_day(seen: Seen) -> None:
    assert seen.late.followup() == Owed("1 24:00", ("phone",), late=("2 08:30 cs_supervisor",))
    [owed] = seen.late.said("visits", "followup_due")
    assert owed["rate"] == 0.7
    assert made(seen.kept) == [("phone", False)]


# ---- visits ----


def visits_of(role: str, last: int) -> tuple[Step, ...]:
    """A month in which somebody visits all households but the last one that their role asks for."""
    visited = at("0 11:00", "visits", by=role, doors=(1, last - 1))
    return received(kind="suggestion"), visited, at("32 09:00", "look")


def last_visit(role: str, door: int) -> Step:
    return at("0 11:59", "visits", by=role, doors=(door, door))


@rule("CV-9.1a")
@scenario(
    "visits-of-the-manager",
    *visits_of("centre_manager", 25),
    until="0 14:10",
    kept=last_visit("centre_manager", 25),
)
def test_the_manager_visits_25_households_a_month(seen: Seen) -> None:
    owed = Quota("centre_manager", 25, seen.late.end_of_month)
    assert seen.late.quotas() == [replace(owed, missed=24)]
    assert seen.kept.quotas() == [replace(owed, reached="0 11:59")]


@rule("CV-9.1b")
@scenario(
    "visits-of-department-heads",
    *visits_of("engineering_supervisor", 10),
    until="0 14:10",
    kept=last_visit("engineering_supervisor", 10),
)
def test_who_heads_a_department_visits_10_households_a_month(seen: Seen) -> None:
    owed = Quota("engineering_supervisor", 10, seen.late.end_of_month)
    head = Quota("department_head", 10, seen.late.end_of_month, missed=0)
    assert seen.late.quotas() == [head, replace(owed, missed=9)]
    assert seen.kept.quotas() == [head, replace(owed, reached="0 11:59")]


@rule("CV-9.1c")
@scenario(
    "visits-of-the-front-line",
    *visits_of("frontline", 30),
    until="0 14:10",
    kept=last_visit("frontline", 30),
)
def test_each_of_the_front_line_visits_30_households_a_month(seen: Seen) -> None:
    supervisor = Quota("cs_supervisor", 30, seen.late.end_of_month, missed=0)
    owed = Quota("frontline", 30, seen.late.end_of_month)
    assert seen.late.quotas() == [replace(owed, missed=29), supervisor]
    assert seen.kept.quotas() == [replace(owed, reached="0 11:59"), supervisor]


# ---- what is seen to every week ----

SLIP = {"summary": "北门夜间照明不足", "kind": "suggestion"}


@rule("RM-4.2.8")
@scenario(
    "suggestion-box-opened",
    received(kind="suggestion"),
    withdrawn("0 10:01"),
    at("0 10:00", "hang-box", place="大堂"),
    at("14 12:00", "hang-box", removed=True),
    until="14 12:00",
    kept=at("8 10:00", "open-box", person_id="cs_supervisor", slips=[SLIP]),
)
def test_the_suggestion_box_is_opened_every_week(seen: Seen) -> None:
    by = seen.late.end_of_next_week
    morning = f"{int(by.split()[0]) + 1} 08:30"
    assert seen.late.duty() == Duty(by, late=(f"{morning} cs_supervisor",))
    assert seen.kept.duty() == Duty(by, "8 10:00")
    [opened] = seen.kept.facts("intake", "box_opened")
    [case_id] = opened["cases"]
    [slip] = seen.kept.facts("intake", "case_received", case_id=case_id)
    assert (slip["channel"], slip["kind"]) == ("suggestion_box", "suggestion")


# ---- what owners are told ----

REACHED = {"reporter": {"name": "林女士", "phone": OWNER}}


@rule("RC-5.1..2")
@scenario("request-received-told", received(kind="service_request", **REACHED), until="0 11:20")
def test_a_text_to_the_owner_confirms_their_request(seen: Seen) -> None:
    assert seen.late.owner() == ["0 10:00 您好，您在翠湖苑的报事“电梯停运”已受理，编号。"]
    assert seen.late.met("request-confirmed") == "0 10:00"


@rule("FU-4.1.3")
@scenario(
    "appointment-told",
    received(**REACHED),
    at("0 11:00", "appoint", at="1 14:00"),
    until="0 11:20",
)
def test_the_owner_is_told_the_time_that_was_agreed(seen: Seen) -> None:
    assert seen.late.owner() == [
        "0 11:00 您好，翠湖苑事项的预约时间为1 14:00。如需更改，请联系服务中心。"
    ]


def more_time(clock: str, role: str) -> tuple[Step, ...]:
    asked = {"clock": clock, "until": "5 24:00", "reason": "等待配件", "asked_by": "frontline"}
    return (
        at("2 09:00", "ask", **asked),
        at("2 12:00", "approve", person_id=role, role=role),
    )


NEW_DATE = (
    "2 12:00 您好，很抱歉，您在翠湖苑反映的事项需要更多时间，最迟于5 24:00完成。"
    "如有异议，请联系服务中心。"
)


def promised(case: Case) -> list[tuple[str, str]]:
    """What the owner was promised of itself, and until when."""
    made = case.said("intake", "promise_made", moved_by=None)
    return [(one["promise_id"], case.written(one["promised_at"])) for one in made]


PROMISED = [("handled-1", "5 24:00")]


@rule("RM-4.10.1", "FU-S1")
@scenario(
    "new-date-told",
    received(**REACHED),
    classified("minor"),
    *IN_HAND,
    taken_over("2 09:00"),
    taken_over("4 09:00"),
    *more_time("minor-resolve#1", "centre_manager"),
    until="6 09:00",
    kept=handled("5 12:00"),
)
def test_more_time_for_a_minor_complaint_is_the_managers_to_grant_and_told_to_the_owner(
    seen: Seen,
) -> None:
    assert seen.late.owner() == [NEW_DATE]
    assert promised(seen.late) == promised(seen.kept) == PROMISED
    # The supervisor hears of both in one text.
    climbed = seen.late.said("sla", "escalated", breach=1)
    late = {(one["target"], seen.late.written(one["due_at"]), one["to"]) for one in climbed}
    for target in ("minor-resolve", "promise-kept"):
        assert (target, "5 24:00", "cs_supervisor") in late
    [kept] = seen.kept.said("intake", "promise_kept")
    assert (kept["promise_id"], seen.kept.met("promise-kept")) == ("handled-1", "5 12:00")


@rule("RM-4.10.2", "FU-S1")
@scenario(
    "new-date-told",
    received(**REACHED),
    classified("important"),
    *IN_HAND,
    taken_over("2 09:00"),
    taken_over("4 09:00"),
    *more_time("important-resolve#1", "general_manager"),
    until="6 09:00",
)
def test_more_time_for_an_important_complaint_is_the_general_managers_to_grant(
    seen: Seen,
) -> None:
    assert seen.late.owner() == [NEW_DATE]
    assert seen.late.clock("important-resolve") == Told(
        "5 24:00",
        "重要投诉的“处理完成”",
        late=("6 08:30 centre_manager", "6 08:30 company_leader"),
        begun=("2 09:00 general_manager",),
    )
    assert promised(seen.late) == PROMISED
    assert seen.late.clock("promise-kept") == Told(
        "5 24:00", "重要投诉的“兑现承诺”", late=("6 08:30 cs_supervisor",)
    )


@rule("RM-4.6.3")
@scenario(
    "result-told-by-message",
    received(**REACHED),
    classified("minor"),
    handled("0 10:20"),
    SUBMITTED,
    at("0 11:59", "message-owner", about="result", text="门机已更换"),
    until="0 14:10",
)
def test_a_result_that_reached_the_owner_by_message_is_told(seen: Seen) -> None:
    assert seen.late.owner() == [
        "0 11:59 您好，您在翠湖苑反映的事项已处理：门机已更换。"
        "如不满意，请联系服务中心，我们会继续跟进。"
    ]
    [told] = seen.late.said("intake", "result_told")
    assert told["how"] == "message"
    assert seen.late.met("result-told") == "0 11:59"


@rule("RM-4.5.2c")
@scenario(
    "declined-date-told",
    received(**SOONER, **REACHED),
    classified("minor"),
    until="0 11:20",
)
def test_an_earlier_date_that_nobody_accepted_does_not_bind_and_its_owner_knows_at_once(
    seen: Seen,
) -> None:
    assert seen.late.owner() == [
        "0 10:05 您好，您希望翠湖苑事项于1 18:00前完成，我们无法承诺这一时间，最迟于2 24:00完成。"
        "如有异议，请联系服务中心。"
    ]
    assert seen.late.clock("minor-resolve") == Told("2 24:00", "")


@rule("RM-4.8")
@scenario(
    "refusal-answered",
    received(),
    at("0 10:05", "classify", validity="valid", severity="minor"),
    refusal("1 10:00", "centre_manager"),  # for it was late by then
    until="4 09:00",
    kept=at("3 22:00", "answer", decision="will_not", reasons=WHY),
)
def test_who_is_refused_what_was_valid_is_answered_as_well(seen: Seen) -> None:
    told = seen.late.clock()
    assert told is not None
    assert (told.due, told.what) == ("3 24:00", "轻微投诉的“说明拒绝原因”")
    assert told.late[0] == "4 08:30 cs_supervisor"
    assert seen.kept.met() == "3 22:00"


@rule("RM-4.8")
@scenario(
    "refusal-told",
    received(**REACHED),
    EXCESSIVE,
    refusal("0 11:00"),
    until="0 11:20",
)
def test_a_refusal_carries_its_reason_to_the_owner(seen: Seen) -> None:
    assert seen.late.owner() == [
        f"0 11:00 您好，您在翠湖苑提出的事项未能办理，原因：{WHY}。如有异议，请联系服务中心。"
    ]
    [answered] = seen.late.said("intake", "case_answered")
    assert (answered["decision"], answered["reasons"]["field"]) == ("will_not", "reason")
    assert seen.late.met("reasoned-answer") == "0 11:00"
    facts = [one.data for heard in seen.late.heard.values() for one in heard]
    assert WHY not in str(facts)


@rule("RC-4.3", "HV-4.3.3c")
@scenario(
    "notice-told-by-message",
    received(**REACHED),
    classified("important"),
    at("0 11:00", "propose", text="更换门机"),
    at("0 11:09", "message-owner", about="solution", text="将更换门机"),
    at("0 11:59", "message-owner", about="progress", text="门机已到货"),
    until="0 14:10",
)
def test_a_solution_and_progress_that_reached_the_owner_by_message_are_told(seen: Seen) -> None:
    about = "您好，关于您在翠湖苑的事项：{}。如有疑问，请联系服务中心。"
    assert seen.late.owner() == [
        f"0 11:09 {about.format('将更换门机')}",
        f"0 11:59 {about.format('门机已到货')}",
    ]
    informed = seen.late.said("intake", "owner_informed")
    assert [(one["about"], one["how"]) for one in informed] == [
        ("solution", "message"),
        ("progress", "message"),
    ]


# ---- what a case is: a table suggests, a person decides ----


def asked_of(*known: Mapping[str, Any]) -> tuple[Step, ...]:
    """Ask the table what the case is, each time after one more thing became known of it."""
    steps = ((at("0 10:05", "correct", **one), at("0 10:05", "suggest")) for one in known)
    return tuple(step for pair in steps for step in pair)


def about(*grievances: str) -> tuple[Step, ...]:
    return asked_of(*({"grievance": grievance} for grievance in grievances))


def suggested(case: Case, *fields: str) -> list[tuple[str | None, ...]]:
    return [tuple(one["suggested"][field] for field in fields) for one in case.suggested]


def reasons(case: Case) -> list[list[str]]:
    """Which rows were taken, each time."""
    return [[row["row"] for row in one["reasons"] if row["taken"]] for one in case.suggested]


def decided(case: Case) -> tuple[list[str], str | None]:
    """What the classification that was published says of the table: its rows, and the severity."""
    [fact] = case.said("intake", "case_classified")
    told = fact["suggested"]
    [taken_in] = case.said("intake", "case_received")
    assert told["policy"] == taken_in["policy"]
    return told["rows"], told["severity"]


@rule("RM-4.3.1a..g")
@scenario(
    "valid-contract",
    received(),
    at("0 10:00", "suggest"),
    *about("contract_duty", "promise", "regulation", "overcharging", "unheeded_reminders"),
    *about("staff_attitude", "supplier"),
    classified("important", "0 10:09", ground="g"),
    until="0 11:20",
    others=(
        *("valid-promise", "valid-regulation", "valid-charge", "valid-unheeded"),
        *("valid-attitude", "valid-supplier", "valid-in-doubt"),
    ),
)
def test_a_complaint_is_valid_on_one_of_seven_grounds_and_until_that_is_known(seen: Seen) -> None:
    [unknown, *known] = suggested(seen.late, "validity", "ground")
    assert unknown == ("valid", None)
    assert seen.late.suggested[0]["in_doubt"]["validity"] == ["grievance"]
    assert known == [("valid", ground) for ground in "abcdefg"]
    assert decided(seen.late) == (["valid-supplier", "important-in-doubt"], "important")


@rule("RM-4.3.2a..e", "RM-4.8")
@scenario(
    "coordination-household",
    received(),
    *about("other_household", "developer", "owners_meeting", "outside_unit", "authority"),
    at("0 10:09", "classify", validity="coordination", ground="e", outside_party="交通委"),
    until="0 11:20",
    others=(
        *("coordination-developer", "coordination-owners-meeting"),
        *("coordination-unit", "coordination-authority"),
    ),
)
def test_a_coordination_matter_has_one_of_five_grounds_and_names_who_has_to_act(
    seen: Seen,
) -> None:
    parties = ("other_household", "developer", "owners_meeting", "outside_unit", "authority")
    assert suggested(seen.late, "validity", "ground", "outside_party", "severity") == [
        ("coordination", ground, party, None)
        for ground, party in zip("abcde", parties, strict=True)
    ]
    assert decided(seen.late) == (["coordination-authority"], None)


@rule("RM-4.3.3a..c", "RM-4.8")
@scenario(
    "excessive-facility",
    received(),
    *about("new_facility", "lower_charge", "outside_contract"),
    at("0 10:09", "classify", validity="excessive", ground="c"),
    until="0 11:20",
    others=("excessive-charge", "excessive-extra"),
)
def test_an_excessive_demand_has_one_of_three_grounds_and_no_severity(seen: Seen) -> None:
    assert suggested(seen.late, "validity", "ground", "severity") == [
        ("excessive", ground, None) for ground in "abc"
    ]
    assert decided(seen.late) == (["excessive-extra"], None)


@rule("RM-4.4.1a")
@scenario(
    "major-repeated",
    received(),
    at("0 10:05", "chase"),
    at("0 10:05", "suggest"),
    at("0 10:05", "chase"),
    at("0 10:05", "suggest"),
    classified("major", "0 10:09"),
    until="0 11:20",
)
def test_what_was_raised_twice_before_and_not_resolved_is_suggested_as_major(seen: Seen) -> None:
    assert suggested(seen.late, "severity") == [("important",), ("major",)]
    assert [one["earlier_mentions"] for one in seen.late.suggested] == [1, 2]
    [mention] = seen.late.suggested[1]["mentions"]
    assert (mention["number"], mention["times"]) == (seen.late.number, 2)
    assert decided(seen.late) == (["major-repeated"], "major")


@rule("RM-4.4.1b")
@scenario(
    "major-injury",
    received(grievance="contract_duty", company_at_fault=True),
    *asked_of({"claimed_loss": 4999}, {"claimed_loss": 5000}, {"claimed_loss": 0, "injury": True}),
    classified("major", "0 10:09", ground="a"),
    until="0 11:20",
    others=("major-loss",),
)
def test_injury_or_a_great_loss_by_the_companys_fault_is_suggested_as_major(seen: Seen) -> None:
    assert reasons(seen.late) == [
        ["valid-contract", row] for row in ("important-fault", "major-loss", "major-injury")
    ]
    assert decided(seen.late) == (["valid-contract", "major-injury"], "major")


@rule("RM-4.4.2")
@scenario(
    "important-fault",
    received(easily_remedied=True),
    *asked_of(
        {"grievance": "supplier", "company_at_fault": True},
        {"grievance": "promise", "company_at_fault": False},
        {"grievance": "supplier", "easily_remedied": False},
    ),
    classified("important", "0 10:09", ground="g"),
    until="0 11:20",
    others=("important-ground", "important-in-doubt"),
)
def test_fault_a_weighty_ground_or_doubt_makes_it_important(seen: Seen) -> None:
    assert [rows[1:] for rows in reasons(seen.late)] == [
        ["important-fault"],
        ["important-ground"],
        ["important-in-doubt"],
    ]
    assert suggested(seen.late, "severity") == [("important",)] * 3
    assert decided(seen.late) == (["valid-supplier", "important-in-doubt"], "important")


@rule("RM-4.4.3")
@scenario(
    "minor-slight",
    received(grievance="supplier", company_at_fault=False),
    at("0 10:00", "suggest"),
    *asked_of({"easily_remedied": True}),
    classified("minor", "0 10:09", ground="g"),
    until="0 11:20",
)
def test_what_is_slight_and_easily_remedied_is_suggested_as_minor(seen: Seen) -> None:
    assert suggested(seen.late, "severity") == [("important",), ("minor",)]
    assert seen.late.suggested[0]["in_doubt"]["severity"] == ["easily_remedied"]
    assert decided(seen.late) == (["valid-supplier", "minor-slight"], "minor")


@rule("RC-4.2")
@scenario(
    "topic-of-charges",
    received(),
    *about("overcharging", "lower_charge", "staff_attitude", "other_household"),
    until="0 11:20",
    others=("topic-of-attitude", "topic-of-neighbours"),
)
def test_a_complaint_is_put_into_its_category(seen: Seen) -> None:
    topics = ("收费", "收费", "服务态度", "邻里")
    assert suggested(seen.late, "topic") == [(topic,) for topic in topics]


@rule("RC-4.2")
@scenario(
    "work-ordinary",
    received(kind="service_request", topic="灯具"),
    at("0 10:00", "suggest"),
    *asked_of({"topic": "外墙渗水"}, {"topic": "卫生间漏水"}),
    *asked_of({"topic": "管道堵塞"}, {"topic": "隐蔽工程"}),
    at("0 10:09", "classify", work_category="concealed"),
    until="0 11:20",
    others=("work-on-leaks", "work-on-bathroom-leaks", "work-on-drains", "work-concealed"),
)
def test_a_repair_is_put_into_its_work_category(seen: Seen) -> None:
    categories = ("ordinary", "leak_slab_window_wall", "leak_bathroom", "blocked_drain")
    assert suggested(seen.late, "work_category") == [
        (category,) for category in (*categories, "concealed")
    ]
    assert decided(seen.late) == (["work-concealed"], None)


def test_every_entry_of_the_pack_has_a_scenario() -> None:
    assert {entry for one in SCENARIOS for entry in one.entries} == entries()
