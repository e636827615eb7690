"""The built-in pack as cases live it: each rule's clock, what starts it, and what alone meets it."""

from typing import Any

import pytest
from tests.support.rules import rule

from steward_events.vocabulary import Channel
from steward_stack import due_times

Facts = list[dict[str, Any]]


def at(day: str, time: str = "10:00") -> str:
    """An instant of autumn 2026 in Shanghai: `at("09-29")`."""
    return f"2026-{day}T{time}:00+08:00"


def fact(name: str, day: str = "09-29", time: str = "10:00", /, **fields: Any) -> dict[str, Any]:
    return {"type": name, "time": at(day, time), **fields}


def received(kind: str = "complaint", time: str = "10:00", /, **fields: Any) -> dict[str, Any]:
    return fact("case_received", "09-29", time, kind=kind, **fields)


def classified(severity: str, time: str = "10:05", /, **fields: Any) -> dict[str, Any]:
    said = {"severity": severity, "validity": "valid", "cause": "first", **fields}
    return fact("case_classified", "09-29", time, **said)


def clocks(target: str, facts: Facts, now: str = at("12-31")) -> list[dict[str, Any]]:
    """The clocks of one target, seen from the end of the year."""
    found = due_times.answer({"facts": facts, "now": now})["clocks"]
    return [clock for clock in found if clock["target"] == target]


def the_clock(target: str, facts: Facts, now: str = at("12-31")) -> dict[str, Any]:
    (clock,) = clocks(target, facts, now)
    return clock


def due(target: str, facts: Facts) -> str:
    said: str = the_clock(target, facts)["due"]
    return said


def status(target: str, *facts: dict[str, Any]) -> list[str]:
    return [clock["status"] for clock in clocks(target, list(facts))]


# ---- any case ----


@rule("RM-4.9")
@pytest.mark.parametrize("kind", ["complaint", "service_request", "consultation", "suggestion"])
def test_harm_is_stopped_within_half_an_hour_day_and_night(kind: str) -> None:
    at_once = received(kind, "23:50", harm_ongoing=True)
    assert due("harm-stopped", [at_once]) == at("09-30", "00:20")
    later = [received(kind), fact("harm_reported", "09-29", "12:00")]
    assert due("harm-stopped", later) == at("09-29", "12:30")
    taken = fact("immediate_measures_taken", "09-30", "00:10")
    assert status("harm-stopped", at_once, taken) == ["met"]


def test_measures_of_before_do_not_answer_for_harm_that_is_reported_later() -> None:
    earlier = fact("immediate_measures_taken", "09-29", "10:30")
    later = fact("harm_reported", "09-29", "12:00")
    assert status("harm-stopped", received(), earlier, later) == ["breached"]


@rule("RM-4.9")
def test_measures_of_the_very_minute_in_which_harm_is_reported_answer_for_it() -> None:
    reported, taken = fact("harm_reported"), fact("immediate_measures_taken")
    assert status("harm-stopped", received(), reported, taken) == ["met"]
    assert status("harm-stopped", received(harm_ongoing=True), taken) == ["met"]
    assert status("harm-stopped", received(), taken, reported) == ["breached"]
    assert status("harm-stopped", received(), reported, taken, reported) == ["met", "breached"]


@rule("RM-3.4", "RC-4.2")
def test_a_complaint_is_classified_within_half_an_hour() -> None:
    assert due("triage", [received()]) == at("09-29", "10:30")
    assert status("triage", received(), classified("minor")) == ["met"]
    assert not status("triage", received("service_request"))


@rule("RM-3.4", "RC-4.2", "RM-4.9")
def test_classification_waits_while_harm_goes_on() -> None:
    harmed = received(harm_ongoing=True)
    assert not status("triage", harmed)
    assert status("triage", received(), fact("harm_reported", "09-29", "10:10")) == ["cancelled"]
    taken = fact("immediate_measures_taken", "09-29", "10:20")
    assert due("triage-after-harm", [harmed, taken]) == at("09-29", "10:50")
    late = classified("minor", "10:40")
    assert status("triage-after-harm", harmed, taken, late) == ["met"]
    again = fact("immediate_measures_taken", "09-29", "11:00")
    assert status("triage-after-harm", harmed, taken, late, again) == ["met"]


@rule("RM-4.9")
def test_classification_waits_again_when_harm_is_reported_again() -> None:
    stopped = fact("immediate_measures_taken", "09-29", "10:20")
    worse = fact("harm_reported", "09-29", "10:30")
    case = [received(harm_ongoing=True), stopped, worse]
    assert status("triage-after-harm", *case) == ["cancelled"]
    case += [{**stopped, "time": at("09-29", "11:20")}, classified("minor", "11:40")]
    assert status("triage-after-harm", *case) == ["cancelled", "met"]


PROMISED = fact("promise_made", promise_id="a", promised_at=at("10-02", "18:00"))


@rule("FU-S1", "FU-4.1.3")
def test_every_promise_is_kept_by_its_date() -> None:
    other = fact("promise_made", "09-29", "11:00", promise_id="b", promised_at=at("10-03"))
    kept = fact("promise_kept", "10-02", "17:00", promise_id="a")
    found = {c["clock"]: (c["due"], c["status"]) for c in clocks("promise-kept", [PROMISED, other, kept])}  # fmt: skip
    assert found == {
        "promise-kept#1:a": (at("10-02", "18:00"), "met"),
        "promise-kept#1:b": (at("10-03"), "breached"),
    }


@rule("FU-S1", "FU-4.1.3")
@pytest.mark.parametrize(
    ("moved", "day"),
    [
        ({"moved_by": "owner"}, "10-05"),
        ({"moved_by": "us"}, "10-02"),
        ({"moved_by": "us", "approved_by": "s1"}, "10-05"),
    ],
)
def test_the_owner_moves_a_promise_and_staff_only_with_the_supervisor(
    moved: dict[str, str], day: str
) -> None:
    again = {**PROMISED, "time": at("09-30"), "promised_at": at("10-05", "18:00"), **moved}
    assert due("promise-kept", [PROMISED, again]) == at(day, "18:00")


APPOINTED = fact("appointment_made", "09-29", "10:30", appointment_id="v", at=at("09-30", "14:00"))


@rule("FU-S1", "FU-4.1.3", "RC-5.1..2")
def test_an_appointment_is_kept_with_half_an_hour_of_grace() -> None:
    assert due("appointment-kept", [received("service_request"), APPOINTED]) == at("09-30", "14:30")
    kept = fact("appointment_kept", "09-30", "14:30", appointment_id="v")
    assert status("appointment-kept", APPOINTED, kept) == ["met"]
    missed = fact("appointment_missed", "09-30", "14:20", appointment_id="v", by="owner")
    assert status("appointment-kept", APPOINTED, missed) == ["cancelled"]
    assert status("appointment-kept", APPOINTED, {**missed, "by": "us"}) == ["breached"]


MISSED = fact("appointment_missed", "09-30", "14:40", appointment_id="v", by="us")


def agreed(when: str, at_: str, day: str = "09-30", by: str = "owner") -> dict[str, Any]:
    """The appointment has another time."""
    moved = {"at": at_, "moved_by": by, "approved_by": "s1" if by == "us" else None}
    return {**APPOINTED, "time": at(day, when), **moved}


def appointments(*facts: dict[str, Any]) -> list[tuple[str, str]]:
    return [(c["due"], c["status"]) for c in clocks("appointment-kept", list(facts))]


@rule("FU-S1", "FU-4.1.3")
def test_what_we_missed_and_agreed_anew_is_owed_at_its_new_time() -> None:
    case = [APPOINTED, MISSED, agreed("15:00", at("10-02", "14:00"), by="us")]
    first = (at("09-30", "14:30"), "breached")
    assert appointments(*case) == [first, (at("10-02", "14:30"), "breached")]
    kept = fact("appointment_kept", "10-02", "14:10", appointment_id="v")
    assert appointments(*case, kept) == [first, (at("10-02", "14:30"), "met")]
    unapproved = {**case[-1], "approved_by": None}
    assert appointments(APPOINTED, MISSED, unapproved) == [first]


@rule("FU-S1", "FU-4.1.3")
@pytest.mark.parametrize("time", ["14:00", "14:10", "14:30"])
def test_what_is_moved_within_its_grace_is_the_same_as_before(time: str) -> None:
    moved = [APPOINTED, agreed(time, at("09-30", "16:00"))]
    assert appointments(*moved) == [(at("09-30", "16:30"), "breached")]
    again = agreed("16:20", at("09-30", "18:00"))
    assert appointments(*moved, again) == [(at("09-30", "18:30"), "breached")]


@rule("FU-S1", "FU-4.1.3")
def test_each_of_three_times_that_pass_is_a_breach_of_its_own() -> None:
    case = [
        APPOINTED,
        agreed("14:31", at("09-30", "16:00")),
        agreed("16:31", at("09-30", "18:00")),
        fact("appointment_kept", "09-30", "18:30", appointment_id="v"),
    ]
    assert appointments(*case) == [
        (at("09-30", "14:30"), "breached"),
        (at("09-30", "16:30"), "breached"),
        (at("09-30", "18:30"), "met"),
    ]


@rule("FU-S1", "FU-4.1.3")
def test_a_reopening_neither_ends_nor_doubles_what_was_agreed() -> None:
    reopened = [fact("case_handled", "09-29", "12:00"), fact("case_reopened", "09-29", "13:00")]
    case = [received("service_request"), APPOINTED, *reopened]
    assert appointments(*case) == [(at("09-30", "14:30"), "breached")]
    in_time, late = agreed("14:00", at("10-02", "14:00")), agreed("15:00", at("10-02", "14:00"))
    assert appointments(*case, in_time) == [(at("10-02", "14:30"), "breached")]
    assert [status for _, status in appointments(*case, late)] == ["breached"] * 2


@rule("FU-S1", "FU-4.1.3")
def test_a_promise_that_was_broken_and_given_anew_is_kept_by_its_new_date() -> None:
    anew = {**PROMISED, "time": at("10-03"), "promised_at": at("10-05"), "moved_by": "owner"}
    kept = fact("promise_kept", "10-04", promise_id="a")
    assert status("promise-kept", PROMISED, anew) == ["breached"] * 2
    assert status("promise-kept", PROMISED, anew, kept) == ["breached", "met"]


# ---- complaints: reception ----


@rule("RM-4.5.1b")
def test_a_called_superior_comes_within_ten_minutes() -> None:
    called = fact("manager_called", "09-29", "11:00", call_id="k")
    accepted = fact("case_accepted", "09-29", "11:09", role="cs_supervisor")
    assert due("manager-comes", [received(), called]) == at("09-29", "11:10")
    assert status("manager-comes", received(), called, accepted) == ["met"]
    before = {**accepted, "time": at("09-29", "10:30")}
    assert status("manager-comes", received(), before, called) == ["breached"]
    assert status("manager-comes", called, {**accepted, "role": "frontline"}) == ["breached"]


@rule("RM-4.6.7")
def test_a_forum_post_is_acknowledged_within_two_hours_of_being_posted() -> None:
    posted = received(channel="forum", posted_at=at("09-29", "09:00"))
    assert due("forum-post-acknowledged", [posted]) == at("09-29", "11:00")
    assert due("forum-post-acknowledged", [received(channel="forum")]) == at("09-29", "12:00")
    answered = fact("case_acknowledged", "09-29", "10:59", link="https://forum.example/1")
    assert status("forum-post-acknowledged", posted, answered) == ["met"]
    assert status("month-resolve", posted, classified("minor"), answered) == ["breached"]
    assert not status("forum-post-acknowledged", received())


@rule("RM-4.7")
@pytest.mark.parametrize("channel", Channel)
def test_a_channel_never_changes_what_is_owed(channel: Channel) -> None:
    story = [classified("important"), fact("case_handled", "09-29", "12:00")]

    def owed(by: Channel) -> dict[str, str]:
        answer = due_times.answer({"facts": [received(channel=by), *story], "now": at("12-31")})
        return {clock["target"]: clock["due"] for clock in answer["clocks"]}

    of_forums = {"forum-post-acknowledged"} if channel is Channel.FORUM else set()
    assert owed(channel).keys() - owed(Channel.COUNTER).keys() == of_forums
    assert owed(Channel.COUNTER).items() <= owed(channel).items()


@rule("RM-3.4", "RM-4.4.1a")
def test_who_asks_a_second_time_is_answered_within_four_hours_of_the_service_centre() -> None:
    once = fact("case_chased", "09-29", "11:00", chase_id="a", chase=1)
    twice = fact("case_chased", "09-29", "16:00", chase_id="b", chase=2)
    assert not status("chased-again", received(), once)
    assert due("chased-again", [received(), once, twice]) == at("09-30", "10:30")
    before = fact("owner_informed", "09-29", "12:00", notice_id="n", about="progress", how="phone")
    after = {**before, "notice_id": "o", "time": at("09-30", "10:29")}
    assert status("chased-again", received(), once, before, twice) == ["breached"]
    assert status("chased-again", received(), once, twice, after) == ["met"]


@rule("RM-3.4")
def test_the_supervisor_follows_a_wait_that_ended_by_its_date() -> None:
    waits = fact("case_paused", "09-29", "11:00", reason="waiting_owner", resume_on=at("09-30"))
    said = fact("case_resumed", "09-29", "12:00")
    assert not status("wait-ended", received(), waits, said)
    date_ = fact("case_resumed", "09-30", "10:00", because="date")
    assert due("wait-ended", [received(), waits, date_]) == at("09-30", "14:00")
    again = {**waits, "time": at("09-30", "13:00"), "resume_on": at("10-03")}
    assert status("wait-ended", received(), waits, date_, again) == ["met"]


@rule("RM-4.4.1a")
def test_the_manager_takes_over_what_was_reopened_twice() -> None:
    taken = fact("case_accepted", "09-29", "10:10", role="centre_manager")
    first, second, third = (
        fact("case_reopened", day, round=round_)
        for day, round_ in (("10-08", 2), ("10-09", 3), ("10-10", 4))
    )
    assert not status("reopened-again", received(), taken, first)
    assert due("reopened-again", [received(), taken, first, second]) == at("10-09", "14:00")
    again = {**taken, "time": at("10-09", "11:00")}
    story = received(), taken, first, second, again
    assert status("reopened-again", *story) == ["met"]
    assert status("reopened-again", *story, third) == ["met", "breached"]


@rule("RM-4.7", "RM-3.1")
def test_an_authoritys_date_is_moved_by_the_authority_alone() -> None:
    told = received(authority_due=at("10-09"))
    handled = fact("case_handled", "10-09", "10:00")
    assert not status("authority-due", received())
    assert status("authority-due", told, handled) == ["met"]
    waits = fact("case_paused", "09-29", "11:00", reason="waiting_owner", resume_on=at("10-03"))
    assert due("authority-due", [told, waits]) == at("10-09")
    moved = fact("case_corrected", "10-08", authority_due=at("10-12"))
    assert due("authority-due", [told, moved]) == at("10-12")
    assert due("authority-due", [received(), moved]) == at("10-12")
    answered = fact("case_answered", "10-08", decision="will", by_date=at("10-20"))
    assert status("authority-due", told, answered) == ["breached"]
    assert status("authority-due", told, {**answered, "decision": "will_not"}) == ["met"]


@rule("RM-4.7", "RM-3.1")
def test_an_authority_whose_date_has_passed_sets_another() -> None:
    told, handled = received(authority_due=at("10-09")), fact("case_handled", "10-12", "11:00")
    later = fact("case_corrected", "10-10", authority_due=at("10-12"))
    found = clocks("authority-due", [told, later, handled])
    assert [(clock["due"], clock["status"]) for clock in found] == [
        (at("10-09"), "breached"),
        (at("10-12"), "breached"),
    ]


@rule("RM-4.7", "RM-3.1")
def test_an_authoritys_date_stands_when_the_case_is_reopened() -> None:
    told = received(authority_due=at("10-09"))
    handled = fact("case_handled", "09-30", "10:00")
    moved = fact("case_corrected", "10-01", authority_due=at("10-12"))
    assert status("authority-due", told, handled, moved) == ["met"]
    reopened = fact("case_reopened", "10-02", round=2)
    found = clocks("authority-due", [told, handled, moved, reopened])
    assert [(clock["due"], clock["status"]) for clock in found] == [
        (at("10-09"), "met"),
        (at("10-12"), "breached"),
    ]


@rule("RM-4.6.7")
def test_a_post_that_was_handed_over_is_acknowledged_within_an_hour_of_that() -> None:
    handed = received(posted_at=at("09-29", "07:00"), handed_over_at=at("09-29", "09:30"))
    assert due("forum-handover-acknowledged", [handed]) == at("09-29", "10:30")
    assert not status("forum-post-acknowledged", handed)


@rule("RM-3.2")
def test_a_minor_complaint_is_the_supervisors_from_its_classification_on() -> None:
    minor = [received(), classified("minor", "17:30")]
    assert due("minor-to-supervisor", minor) == at("09-30", "10:00")
    accepted = fact("case_accepted", "09-30", "09:00", role="cs_supervisor")
    assert status("minor-to-supervisor", *minor, accepted) == ["met"]
    assert status("minor-to-supervisor", *minor, {**accepted, "role": "frontline"}) == ["breached"]
    assert status("minor-to-supervisor", *minor, fact("case_handled", "09-30", "09:00")) == [
        "cancelled"
    ]


@rule("RM-4.5.2a")
@pytest.mark.parametrize(
    ("time", "due_at"),
    [
        ("10:00", at("09-30", "00:00")),
        ("20:30", at("09-30", "00:00")),
        ("23:50", at("09-30", "00:50")),
    ],
)
def test_a_major_complaint_is_before_the_company_leader_the_same_day(
    time: str, due_at: str
) -> None:
    major = [received("complaint", time), classified("major", "23:55")]
    assert due("major-to-leader", major) == due_at
    accepted = fact("case_accepted", "09-29", "23:58", role="company_leader")
    assert status("major-to-leader", *major, accepted) == ["met"]
    assert status("major-to-leader", *major, {**accepted, "role": "centre_manager"}) == ["breached"]


@rule("RM-3.1")
@pytest.mark.parametrize(
    ("said", "clocks_"),
    [
        ({"injury": True}, 1),
        ({"authority_or_media": True}, 1),
        ({"households_concerned": 5}, 1),
        ({"households_concerned": 4}, 0),
        ({}, 0),
    ],
)
def test_what_weighs_much_is_before_the_company_leader_the_same_day(
    said: dict[str, Any], clocks_: int
) -> None:
    found = clocks("weighty-to-leader", [received(**said)])
    assert [clock["due"] for clock in found] == [at("09-30", "00:00")] * clocks_
    accepted = fact("case_accepted", "09-29", "12:00", role="company_leader")
    assert status("weighty-to-leader", received(**said), accepted) == ["met"] * clocks_


@rule("RM-4.5.2a", "RM-4.5.2b")
def test_what_turns_out_to_be_major_after_a_closing_and_a_reopening_goes_to_both() -> None:
    closed = fact("case_closed", "09-30", round=1)
    again = fact("case_reopened", "10-01", round=2)
    major = {**classified("major", cause="new_facts"), "time": at("10-01", "11:00")}
    case = [received(), classified("minor"), closed, again, major]
    assert due("major-to-leader", case) == at("10-02", "00:00")
    assert status("major-to-leader", *case) == ["breached"]
    assert status("important-to-manager", *case) == ["breached"]


# ---- complaints: answer and resolution ----

MAJOR = [received(), classified("major")]


@rule("RM-4.10.3")
def test_a_major_complaint_gets_a_clear_answer_within_two_days() -> None:
    assert due("major-answer", MAJOR) == at("10-02", "00:00")
    answered = fact("case_answered", "10-01", decision="partly")
    assert status("major-answer", *MAJOR, answered) == ["met"]
    assert status("major-answer", *MAJOR, {**answered, "decision": "looking"}) == ["breached"]
    waits = fact("case_paused", "09-30", reason="waiting_owner", resume_on="2026-10-04")
    assert due("major-answer", [*MAJOR, waits]) == at("10-02", "00:00")


@rule("RM-4.10.3")
def test_a_major_complaint_is_resolved_within_ten_days() -> None:
    assert due("major-resolve", MAJOR) == at("10-10", "00:00")
    waits = fact("case_paused", "09-30", reason="waiting_owner", resume_on="2026-10-04")
    assert due("major-resolve", [*MAJOR, waits]) == at("10-14", "00:00")
    assert status("major-resolve", *MAJOR, fact("case_handled", "10-09")) == ["met"]
    until = at("10-15", "00:00")
    approved = [
        fact("extension_requested", "10-01", until=until, asked_by="s1"),
        fact("extension_approved", "10-02", until=until, approved_by="g", role="general_manager"),
        fact("owner_informed", "10-03", about="new_date"),
    ]
    assert the_clock("major-resolve", [*MAJOR, *approved])["approved_due"] == until
    approved[1]["role"] = "company_leader"
    assert the_clock("major-resolve", [*MAJOR, *approved])["approved_due"] is None


@rule("RM-4.4.1c", "RM-4.10.3")
def test_a_promotion_starts_answer_and_resolution_anew_and_the_earlier_limit_governs() -> None:
    by_age = fact("severity_raised", "10-30", "00:00", severity="major", cause="age")
    facts = [received(), classified("important"), by_age]
    assert due("major-answer", facts) == at("11-02", "00:00")
    assert due("major-resolve", facts) == at("11-10", "00:00")
    raised = fact("severity_raised", "09-30", severity="major", cause="new_facts")
    found = [received(), classified("important"), raised, fact("case_handled", "10-01")]
    assert status("important-resolve", *found) == ["met"]
    assert due("important-resolve", found) == at("10-03", "00:00")
    assert due("major-resolve", found) == at("10-11", "00:00")


VALID = [received(), classified("minor")]


@rule("RM-4.4.1c")
def test_a_valid_complaint_has_a_month_that_never_pauses() -> None:
    waits = fact("case_paused", "09-30", reason="waiting_owner", resume_on="2026-10-04")
    assert due("month-resolve", [*VALID, waits]) == at("10-30", "00:00")
    assert not status("month-resolve", received(), classified("minor", validity="excessive"))
    handled = fact("case_handled", "10-29")
    assert status("month-resolve", *VALID, handled) == ["met"]
    again = clocks("month-resolve", [*VALID, handled, fact("case_reopened", "11-05", round=2)])
    assert [(c["started_at"], c["breached_at"]) for c in again] == [
        (at("09-29"), None),
        (at("09-29"), at("11-05")),
    ]


@rule("RM-4.8", "RM-4.3.2a..e", "RM-4.3.3a..c")
@pytest.mark.parametrize("validity", ["coordination", "excessive"])
def test_what_cannot_be_met_is_answered_with_reasons_within_two_days(validity: str) -> None:
    case = [received(), classified("minor", validity=validity)]
    assert due("reasoned-answer", case) == at("10-02", "00:00")
    answered = fact("case_answered", "10-01", decision="will_not")
    assert status("reasoned-answer", *case, answered) == ["met"]
    moved = fact("case_classified", "09-30", validity=validity, cause="new_facts")
    assert due("reasoned-answer", [*VALID, moved]) == at("10-02", "00:00")


@rule("RM-4.8")
def test_a_refusal_is_no_answer_until_the_owner_was_told_it() -> None:
    case = [received(), classified("minor", validity="excessive"), fact("case_refused", "09-30")]
    assert due("reasoned-answer", case) == at("10-02", "00:00")
    assert status("reasoned-answer", *case) == ["breached"]
    answered = fact("case_answered", "10-01", decision="will_not")
    assert status("reasoned-answer", *case, answered) == ["met"]
    anew = [*case, fact("case_reopened", "10-01", round=2)]
    assert status("reasoned-answer", *anew) == ["cancelled", "breached"]
    withdrawn = [*case[:-1], fact("case_withdrawn", "09-30")]
    assert status("reasoned-answer", *withdrawn) == ["cancelled"]


@rule("RM-4.8")
@pytest.mark.parametrize("kind", ["complaint", "service_request", "consultation", "suggestion"])
def test_whatever_was_refused_its_owner_is_answered(kind: str) -> None:
    told = fact("case_answered", "09-29", "12:00", decision="will_not")
    case = [received(kind), told, fact("case_refused", "09-30")]
    assert due("refusal-answered", case) == at("10-03", "00:00")
    assert status("refusal-answered", *case) == ["breached"]  # what was said before is no answer
    answered = fact("case_answered", "10-01", decision="will_not")
    assert status("refusal-answered", *case, answered) == ["met"]
    assert status("refusal-answered", *case, fact("case_reopened", "10-01", round=2)) == [
        "cancelled"
    ]


@rule("RM-4.8")
def test_a_valid_complaint_that_is_refused_has_an_answer_of_its_own() -> None:
    refused = fact("case_refused", "09-30")
    assert status("refusal-answered", *VALID, refused) == ["breached"]
    assert not status(
        "refusal-answered", received(), classified("minor", validity="excessive"), refused
    )


COORDINATION = [received(), classified("minor", validity="coordination")]


@rule("RM-4.3.2a..e")
def test_the_outside_party_of_a_coordination_matter_is_contacted_within_two_days() -> None:
    assert due("outside-party-contacted", COORDINATION) == at("10-02", "00:00")
    inside = fact("case_forwarded", "09-30", to="centre_manager", outside_party="")
    assert status("outside-party-contacted", *COORDINATION, inside) == ["breached"]
    outside = {**inside, "outside_party": "developer"}
    assert status("outside-party-contacted", *COORDINATION, outside) == ["met"]


@rule("RM-4.3.2a..e", "HV-4.3.3c")
def test_the_owner_of_a_coordination_matter_hears_how_far_it_is_every_seven_days() -> None:
    told = fact("owner_informed", "10-03", about="progress")
    other = fact("owner_informed", "10-04", about="solution")
    found = clocks("coordination-progress", [*COORDINATION, told, other])
    assert [clock["due"] for clock in found] == [at("10-07", "00:00"), at("10-11", "00:00")]


# ---- complaints and requests: the department ----


def dispatched(dispatch: str, time: str, day: str = "09-29") -> dict[str, Any]:
    return fact("case_dispatched", day, time, dispatch_id=dispatch, department="engineering")


def refused(dispatch: str, time: str, refusal: int) -> dict[str, Any]:
    return fact("dispatch_refused", "09-29", time, dispatch_id=dispatch, refusal=refusal)


@rule("RM-4.6.1", "RM-3.3", "RC-5.3")
@pytest.mark.parametrize("kind", ["complaint", "service_request"])
def test_a_case_is_dispatched_within_half_an_hour_of_its_classification(kind: str) -> None:
    case = [received(kind), classified("minor")]
    assert due("dispatched", case) == at("09-29", "10:35")
    assert status("dispatched", *case, dispatched("a", "10:35")) == ["met"]
    again = [*case, dispatched("a", "10:20"), refused("a", "10:40", 1)]
    assert [c["due"] for c in clocks("dispatched", again)][1:] == [at("09-29", "11:10")]
    assert not status("dispatched", received(kind), classified("minor", validity="excessive"))


@rule("RM-4.6.1", "RM-3.3")
def test_a_case_that_was_moved_is_dispatched_anew_and_its_department_owes_nothing() -> None:
    moved = fact("dispatch_withdrawn", "09-30", "09:00", dispatch_id="a")
    case = [received(), classified("important"), dispatched("a", "10:20"), moved]
    assert status("dispatched", *case) == ["met", "breached"]
    assert clocks("dispatched", case)[1]["due"] == at("09-30", "09:30")
    accepted = fact("dispatch_accepted", "09-29", "11:00", dispatch_id="a")
    assert status("dispatch-accepted", *case, accepted) == ["met"]
    late = {**moved, "time": at("09-29", "11:00")}
    assert status("dispatch-accepted", *case[:-1], late) == ["cancelled"]
    assert status("progress-daily", *case) == ["cancelled"]
    anew = [*case, dispatched("b", "09:20", "09-30")]
    assert clocks("progress-daily", anew)[1]["due"] == at("10-02", "00:00")


@rule("RM-4.6.1", "RM-3.3", "RC-5.3")
def test_a_department_accepts_within_two_hours_of_the_service_centre() -> None:
    case = [*VALID, dispatched("a", "17:00")]
    assert due("dispatch-accepted", case) == at("09-30", "09:30")
    accepted = fact("dispatch_accepted", "09-30", "09:00", dispatch_id="a")
    assert status("dispatch-accepted", *case, accepted) == ["met"]
    assert status("dispatch-accepted", *case, {**accepted, "dispatch_id": "b"}) == ["breached"]
    assert status("dispatch-accepted", *case, refused("a", "17:10", 1)) == ["cancelled"]


@rule("RM-4.6.1", "RM-3.3")
def test_of_two_departments_the_one_that_was_given_the_case_last_answers() -> None:
    case = [*VALID, dispatched("a", "17:00"), dispatched("b", "17:30")]
    assert status("dispatch-accepted", *case) == ["cancelled", "breached"]
    accepted = fact("dispatch_accepted", "09-29", "17:20", dispatch_id="a")
    assert status("dispatch-accepted", *case, accepted) == ["met", "breached"]
    at_once = [*VALID, dispatched("a", "17:00"), dispatched("b", "17:00")]
    assert status("dispatch-accepted", *at_once) == ["cancelled", "breached"]
    too_late = [*case[:-1], dispatched("b", "10:00", "09-30")]
    assert status("dispatch-accepted", *too_late) == ["breached"] * 2


@rule("RM-4.6.1")
def test_after_the_second_refusal_the_manager_decides_within_two_hours() -> None:
    once = [*VALID, dispatched("a", "10:20"), refused("a", "10:40", 1)]
    assert not status("dispatch-decided", *once)
    twice = [*once, dispatched("b", "10:50"), refused("b", "11:30", 2)]
    assert due("dispatch-decided", twice) == at("09-29", "13:30")
    assert status("dispatch-decided", *twice, dispatched("c", "12:00")) == ["met"]


def test_what_is_dispatched_again_in_the_instant_in_which_it_ends_owes_nothing() -> None:
    twice = [*VALID, dispatched("a", "10:20"), refused("a", "10:40", 1), dispatched("b", "11:30")]
    ended = fact("case_withdrawn", "09-29", "11:30")
    for target in ("dispatch-accepted", "progress-every-three-days"):
        assert set(status(target, *twice, ended)) == {"cancelled"}


def reports(*days: str) -> Facts:
    return [fact("progress_reported", day) for day in days]


@rule("RM-3.3", "RM-4.6.1")
@pytest.mark.parametrize("severity", ["important", "major"])
def test_the_department_reports_every_day_on_what_is_important(severity: str) -> None:
    case = [received(), classified(severity), dispatched("a", "10:20"), *reports("09-30", "10-02")]
    found = clocks("progress-daily", [*case, fact("case_handled", "10-03")])
    assert [(clock["due"], clock["status"]) for clock in found] == [
        (at("10-01", "00:00"), "met"),
        (at("10-02", "00:00"), "breached"),
        (at("10-04", "00:00"), "met"),
    ]


@rule("RM-3.3", "RM-4.6.1", "RC-5.3")
@pytest.mark.parametrize("kind", ["complaint", "service_request"])
def test_the_department_reports_every_three_days_on_everything_else(kind: str) -> None:
    case = [received(kind), classified("minor"), dispatched("a", "10:20"), *reports("10-01")]
    found = clocks("progress-every-three-days", [*case, fact("case_handled", "10-03")])
    assert [(clock["due"], clock["status"]) for clock in found] == [
        (at("10-03", "00:00"), "met"),
        (at("10-05", "00:00"), "met"),
    ]
    assert not status("progress-daily", *case)


@rule("RM-4.6.2a", "RM-4.6.2b")
@pytest.mark.parametrize(
    ("time", "due_at"), [("19:00", at("10-01", "00:00")), ("20:30", at("10-01", "12:00"))]
)
def test_the_record_is_handed_in_on_the_day_of_completion(time: str, due_at: str) -> None:
    case = [*VALID, fact("case_handled", "09-30", time, round=1)]
    assert due("record-submitted", case) == due_at
    assert status("record-submitted", *case, fact("record_submitted", "09-30", "21:00")) == ["met"]


@rule("RM-4.6.3")
@pytest.mark.parametrize(
    ("time", "due_at"), [("19:00", at("10-01", "00:00")), ("20:30", at("10-01", "12:00"))]
)
def test_the_owner_hears_the_result_on_the_day_of_the_record(time: str, due_at: str) -> None:
    submitted = fact("record_submitted", "09-30", time, round=1)
    case = [*VALID, fact("case_handled", "09-30", "18:00", round=1), submitted]
    assert due("result-told", case) == due_at
    told = fact("result_told", "09-30", "20:40", how="phone", round=1)
    assert status("result-told", *case, told) == ["met"]
    before = {**told, "time": at("09-30", "18:30")}
    assert status("result-told", *case, before) == ["met"]


@rule("RM-4.6.2a", "RM-4.6.3")
def test_a_round_that_was_reopened_owes_neither_record_nor_result() -> None:
    reopened = fact("case_reopened", "09-30", "20:00", round=2)
    handled = fact("case_handled", "10-02", "11:00", round=2)
    submitted = fact("record_submitted", "10-02", "12:00", round=2)
    first = [*VALID, fact("case_handled", "09-30", "11:00", round=1)]
    assert status("record-submitted", *first, reopened, handled, submitted) == ["cancelled", "met"]
    record = fact("record_submitted", "09-30", "12:00", round=1)
    told = fact("result_told", "10-02", "13:00", how="phone", round=2)
    again = [*first, record, reopened, handled, submitted, told]
    assert status("result-told", *again) == ["cancelled", "met"]
    too_late = {**reopened, "time": at("10-01")}
    assert status("record-submitted", *first, too_late) == ["breached"]


# ---- consultations, requests, suggestions ----


@rule("RC-3.2")
def test_a_consultation_is_answered_within_a_day_of_the_service_centre() -> None:
    assert due("consultation-answered", [received("consultation")]) == at("10-01", "00:00")
    answered = fact("case_answered", "09-30", decision="will")
    assert status("consultation-answered", received("consultation"), answered) == ["met"]


@rule("RC-3.2")
def test_an_answer_asked_for_in_writing_is_given_in_writing() -> None:
    asked = received("consultation", in_writing=True)
    answered = fact("case_answered", "09-30", decision="will", in_writing=False)
    assert not status("consultation-answered", asked)
    assert status("consultation-answered-in-writing", asked, answered) == ["breached"]
    assert status("consultation-answered-in-writing", asked, {**answered, "in_writing": True}) == [
        "met"
    ]


REQUEST = received("service_request")
EMERGENCY = [REQUEST, fact("case_classified", "09-29", "10:05", urgency="emergency")]


@rule("RC-5.1..2")
def test_a_request_is_confirmed_within_ten_minutes() -> None:
    assert due("request-confirmed", [REQUEST]) == at("09-29", "10:10")
    confirmed = fact("receipt_confirmed", "09-29", "10:10", how="phone")
    assert status("request-confirmed", REQUEST, confirmed) == ["met"]


@rule("RC-5.1..2")
def test_somebody_is_at_an_emergency_within_half_an_hour() -> None:
    assert due("emergency-on-site", EMERGENCY) == at("09-29", "10:30")
    assert status("emergency-on-site", *EMERGENCY, fact("work_started", "09-29", "10:25")) == [
        "met"
    ]


@rule("RC-5.1..2")
def test_an_emergency_is_made_safe_within_four_hours() -> None:
    assert due("emergency-made-safe", EMERGENCY) == at("09-29", "14:00")
    assert status("emergency-made-safe", *EMERGENCY, fact("made_safe", "09-29", "13:00")) == ["met"]
    assert status("request-appointment", *EMERGENCY) == ["cancelled"]


@rule("RC-5.1..2")
@pytest.mark.parametrize("target", ["emergency-on-site", "emergency-made-safe"])
def test_who_handles_an_emergency_is_there_and_where_it_goes_on_it_is_one_again(
    target: str,
) -> None:
    handled = fact("case_handled", "09-29", "10:20")
    assert status(target, *EMERGENCY, handled) == ["met"]
    reopened = fact("case_reopened", "09-29", "12:00", round=2, reason="owner")
    again = clocks(target, [*EMERGENCY, handled, reopened])
    assert [clock["status"] for clock in again] == ["met", "breached"]
    within = {"emergency-on-site": "12:30", "emergency-made-safe": "16:00"}
    assert again[1]["due"] == at("09-29", within[target])


@rule("RC-5.1..2")
def test_the_appointment_for_a_request_is_agreed_within_two_hours_of_the_service_centre() -> None:
    evening = received("service_request", "17:00")
    assert due("request-appointment", [evening]) == at("09-30", "09:30")
    assert status("request-appointment", REQUEST, APPOINTED) == ["met"]


@rule("RC-5.1..2", "RC-5.3")
def test_a_request_is_done_within_three_days_or_on_the_agreed_date() -> None:
    assert due("request-done", [REQUEST]) == at("10-03", "00:00")
    agreed = {**APPOINTED, "at": at("10-05", "14:00")}
    assert due("request-done", [REQUEST, agreed]) == at("10-06", "00:00")
    assert due("request-done", [REQUEST, APPOINTED]) == at("10-03", "00:00")
    assert status("request-done", REQUEST, fact("case_handled", "10-02")) == ["met"]


SUGGESTION = received("suggestion")


@rule("RC-6.3")
def test_a_suggestion_is_acknowledged_within_a_day() -> None:
    assert due("suggestion-acknowledged", [SUGGESTION]) == at("10-01", "00:00")
    thanked = fact("case_acknowledged", "09-30", "20:00")
    assert status("suggestion-acknowledged", SUGGESTION, thanked) == ["met"]


@rule("RC-6.3", "HV-4.3.3c")
def test_who_suggested_something_hears_how_far_it_is_every_seven_days() -> None:
    told = fact("owner_informed", "10-03", about="progress")
    found = clocks("suggestion-progress", [SUGGESTION, told, fact("case_answered", "10-08")])
    assert [(clock["due"], clock["status"]) for clock in found] == [
        (at("10-07", "00:00"), "met"),
        (at("10-11", "00:00"), "met"),
    ]
