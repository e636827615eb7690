"""The target language, key by key, as `steward policy due` answers it."""

import json
import subprocess
import sys
from typing import Any

import pytest
from tests.support.rules import rule

from steward_stack import due_times

Facts = list[dict[str, Any]]


def at(day: str, time: str = "10:00") -> str:
    """An instant of autumn 2026: `at("09-28")`."""
    seconds = time if time.count(":") == 2 else f"{time}:00"
    return f"2026-{day}T{seconds}+08:00"


def fact(name: str, day: str, time: str = "10:00", /, **fields: Any) -> dict[str, Any]:
    return {"type": name, "time": at(day, time), **fields}


RECEIVED = fact("case_received", "09-28", kind="complaint")


def minor(day: str = "09-28", time: str = "10:05", **fields: Any) -> dict[str, Any]:
    return fact("case_classified", day, time, severity="minor", validity="valid", **fields)


FEW = {"important-to-manager", "minor-resolve", "important-resolve", "own"}


def answer(facts: Facts, **asked: Any) -> list[dict[str, Any]]:
    """The clocks of the targets with which the language is tried."""
    clocks = due_times.answer({"facts": facts, **asked})["clocks"]
    return [clock for clock in clocks if clock["target"] in FEW]


def the_clock(facts: Facts, **asked: Any) -> dict[str, Any]:
    (clock,) = answer(facts, **asked)
    return clock


def target(**keys: Any) -> list[dict[str, Any]]:
    """A target of one's own, started by the reception."""
    said = {
        "id": "own",
        "rule": ["X-1"],
        "basis": "default",
        "starts": "case_received",
        "met_by": ["case_handled"],
        **keys,
    }
    return [said if "due" in keys else {"within": {"days": 2}, **said}]


@rule("RM-4.5.2c", "RM-4.10.1")
def test_the_example_of_a_minor_complaint() -> None:
    received = fact("case_received", "09-29", kind="complaint")
    (clock,) = answer([received, minor("09-29")])
    assert clock["target"] == "minor-resolve"
    assert clock["rule"] == ["RM-4.5.2c", "RM-4.10.1"]
    assert (clock["due"], clock["status"]) == ("2026-10-02T00:00:00+08:00", "running")


@pytest.mark.parametrize(
    ("now", "handled", "status", "breached"),
    [
        ("10-01T00:00:00", None, "running", None),
        ("10-01T00:00:01", None, "breached", at("10-01", "00:00")),
        ("10-09T00:00:00", ("10-01", "00:00:00"), "met", None),
        ("10-09T00:00:00", ("10-01", "00:00:01"), "breached", at("10-01", "00:00")),
    ],
)
def test_exactly_at_the_due_time_is_in_time(
    now: str, handled: tuple[str, str] | None, status: str, breached: str | None
) -> None:
    facts = [RECEIVED, minor(), *([fact("case_handled", *handled)] if handled else [])]
    clock = the_clock(facts, now=f"2026-{now}+08:00")
    assert (clock["status"], clock["breached_at"]) == (status, breached)


WAITS = fact("case_paused", "09-29", reason="waiting_owner", resume_on="2026-10-05")


@pytest.mark.parametrize(
    ("facts", "due", "status", "paused"),
    [
        ([WAITS], "10-07", "paused", [[at("09-29"), None]]),
        (
            [WAITS, fact("case_resumed", "10-02", "09:00")],
            "10-04",
            "running",
            [[at("09-29"), at("10-02", "09:00")]],
        ),
        ([{**WAITS, "reason": "supplier"}], "10-01", "running", []),
        (
            [WAITS, fact("case_resumed", "09-29", "23:00")],
            "10-01",
            "running",
            [[at("09-29"), at("09-29", "23:00")]],
        ),
    ],
)
def test_a_paused_day_count_moves_by_the_midnights_inside_the_pause(
    facts: Facts, due: str, status: str, paused: list[Any]
) -> None:
    clock = the_clock([RECEIVED, minor(), *facts])
    assert (clock["due"], clock["status"]) == (at(due, "00:00"), status)
    assert clock["paused"] == paused


def test_time_paused_does_not_count_as_elapsed() -> None:
    facts = [RECEIVED, minor(), WAITS, fact("case_resumed", "10-02"), fact("case_handled", "10-03")]
    assert the_clock(facts)["elapsed_seconds"] == 2 * 86400


@pytest.mark.parametrize(
    ("take", "asked", "due"),
    [
        ("later", "2026-10-05", "10-06T00:00:00"),
        ("later", "2026-09-29", "10-01T00:00:00"),
        ("earlier", "2026-09-29", "09-30T00:00:00"),
        ("earlier", "2026-10-05", "10-01T00:00:00"),
        ("replace", "2026-10-05T18:00:00+08:00", "10-05T18:00:00"),
        ("replace", None, "10-01T00:00:00"),
    ],
)
def test_a_date_that_the_owner_asks_for(take: str, asked: str | None, due: str) -> None:
    own = target(or_by={"field": "owner_requested_date", "take": take})
    clock = the_clock([{**RECEIVED, "owner_requested_date": asked}], targets=own)
    assert clock["due"] == f"2026-{due}+08:00"


def test_a_date_binds_only_under_its_condition() -> None:
    own = target(or_by={"field": "by", "take": "earlier", "if": {"accepted": True}})
    asked = {**RECEIVED, "by": "2026-09-29"}
    assert the_clock([asked], targets=own)["due"] == at("10-01", "00:00")
    assert the_clock([{**asked, "accepted": True}], targets=own)["due"] == at("09-30", "00:00")


@rule("RM-4.5.2c")
@pytest.mark.parametrize(
    ("asked", "accepted", "due"),
    [
        ("2026-09-29", True, at("09-30", "00:00")),
        ("2026-09-29", False, at("10-01", "00:00")),
        ("2026-09-29", None, at("10-01", "00:00")),
        ("2026-10-04", True, at("10-05", "00:00")),
        ("2026-10-04", False, at("10-05", "00:00")),
        ("2026-09-27", True, at("10-01", "00:00")),
    ],
)
def test_an_earlier_date_of_the_owner_binds_only_where_it_was_accepted(
    asked: str, accepted: bool | None, due: str
) -> None:
    said = {"owner_requested_date": asked, "owner_date_accepted": accepted}
    assert the_clock([{**RECEIVED, **said}, minor()])["due"] == due


@rule("RM-4.5.2c")
def test_an_earlier_date_that_was_accepted_with_a_correction_binds_from_then_on() -> None:
    said = {"owner_requested_date": "2026-09-29", "owner_date_accepted": True}
    corrected = fact("case_corrected", "09-28", "11:00", **said)
    asked = {**RECEIVED, "owner_requested_date": "2026-09-29"}
    other = {**corrected, "owner_requested_date": "2026-09-30", "owner_date_accepted": False}
    assert the_clock([asked, minor()])["due"] == at("10-01", "00:00")
    assert the_clock([asked, minor(), corrected])["due"] == at("09-30", "00:00")
    later = {**other, "time": at("09-28", "12:00")}
    assert the_clock([asked, minor(), corrected, later])["due"] == at("10-01", "00:00")


@rule("RM-4.5.2c")
@pytest.mark.parametrize(
    ("agreed", "asked", "paused", "resumes", "due"),
    [
        ("09-28", "09-29T18:00", "09-28", "10-02", at("10-03", "18:00")),
        ("09-28", "09-29T18:00", "09-30", "10-02", at("09-29", "18:00")),
        ("09-30", "10-01T18:00", "09-29", "10-02", at("10-03", "18:00")),
        ("09-28", "10-03T18:00", "09-28", "10-02", at("10-05", "00:00")),
        ("09-28", "10-05T18:00", "09-28", "10-02", at("10-05", "18:00")),
    ],
    ids=["waits", "was-late", "agreed-meanwhile", "no-later", "is-later"],
)
def test_an_accepted_date_moves_by_the_midnights_of_a_pause_up_to_the_limit_without_it(
    agreed: str, asked: str, paused: str, resumes: str, due: str
) -> None:
    said = {"owner_requested_date": f"2026-{asked}:00+08:00", "owner_date_accepted": True}
    facts = [
        RECEIVED,
        minor(),
        fact("case_corrected", agreed, "11:00", **said),
        fact("case_paused", paused, "20:00", reason="waiting_owner", resume_on=f"2026-{resumes}"),
    ]
    assert the_clock(facts)["due"] == due


UNTIL = at("10-04", "00:00")
ASKED = fact("extension_requested", "09-29", until=UNTIL, asked_by="s1")


def approved(day: str = "09-29", time: str = "11:00", **fields: Any) -> dict[str, Any]:
    said = {"until": UNTIL, "approved_by": "m1", "role": "centre_manager", **fields}
    return fact("extension_approved", day, time, **said)


TOLD = fact("owner_informed", "09-30", about="extension")
DONE = fact("case_handled", "10-03")


@pytest.mark.parametrize(
    ("facts", "status", "approved_due", "excused"),
    [
        ([ASKED, approved(), TOLD, DONE], "met_with_approval", UNTIL, False),
        ([ASKED, approved(), TOLD, fact("case_handled", "09-30", "12:00")], "met", UNTIL, False),
        ([ASKED, approved(), TOLD, fact("case_handled", "10-05")], "breached", UNTIL, False),
        ([ASKED, approved(), DONE], "breached", None, False),
        ([ASKED, approved(), {**TOLD, "about": "solution"}, DONE], "breached", None, False),
        ([ASKED, DONE], "breached", None, False),
        ([ASKED, approved("10-01", "08:00"), DONE], "breached", None, True),
        ([ASKED, approved(role="cs_supervisor"), TOLD, DONE], "breached", None, False),
        ([ASKED, approved(role="general_manager"), TOLD, DONE], "met_with_approval", UNTIL, False),
        ([ASKED, approved(approved_by="s1"), TOLD, DONE], "breached", None, False),
    ],
)
@rule("RM-4.10.1")
def test_past_its_limit_only_with_an_approval_in_time(
    facts: Facts, status: str, approved_due: str | None, excused: bool
) -> None:
    clock = the_clock([RECEIVED, minor(), *facts])
    assert (clock["status"], clock["approved_due"]) == (status, approved_due)
    assert clock["excused"] is excused


def test_an_approval_of_what_was_asked_for_another_target_moves_nothing_here() -> None:
    asked = {**ASKED, "extension_id": "x1", "target": "important-resolve"}
    facts = [RECEIVED, minor(), asked, approved(extension_id="x1"), TOLD]
    assert the_clock(facts)["approved_due"] is None
    assert (
        the_clock([RECEIVED, minor(), {**asked, "target": "minor-resolve"}, *facts[3:]])[
            "approved_due"
        ]
        == UNTIL
    )


@pytest.mark.parametrize("end", ["case_handled", "case_withdrawn"])
def test_an_approval_that_comes_too_late_excuses_nothing_that_ended_in_time(end: str) -> None:
    clock = the_clock([RECEIVED, minor(), ASKED, fact(end, "09-30"), approved("10-02")])
    assert (clock["breached_at"], clock["excused"]) == (None, False)


def test_a_third_extension_and_one_of_more_than_ten_days_need_the_next_role_above() -> None:
    far = at("10-20", "00:00")
    asked, told = {**ASKED, "until": far}, fact("owner_told", "09-30")
    by_manager = [RECEIVED, minor(), asked, approved(until=far), told]
    assert the_clock(by_manager)["approved_due"] is None
    by_leader = [RECEIVED, minor(), asked, approved(until=far, role="company_leader"), told]
    assert the_clock(by_leader)["approved_due"] == far


def test_without_a_word_on_its_effect_an_approval_counts_at_once() -> None:
    own = target(overdue={"approval": "centre_manager"})
    clock = the_clock([RECEIVED, ASKED, approved(), DONE], targets=own)
    assert clock["status"] == "met_with_approval"


@pytest.mark.parametrize(
    ("on_reopen", "clocks"),
    [
        ("restart", [("09-28", "met"), ("10-02", "running")]),
        ("none", [("09-28", "met")]),
        ("continue", [("09-28", "met"), ("09-28", "breached")]),
    ],
)
def test_a_reopening(on_reopen: str, clocks: list[tuple[str, str]]) -> None:
    facts = [RECEIVED, fact("case_handled", "09-29"), fact("case_reopened", "10-02", round=2)]
    found = answer(facts, targets=target(on_reopen=on_reopen), now=at("10-03"))
    assert [(c["started_at"], c["status"]) for c in found] == [
        (at(day), status) for day, status in clocks
    ]


def test_a_limit_that_has_passed_is_breached_by_the_reopening_that_takes_it_up() -> None:
    facts = [RECEIVED, fact("case_handled", "09-29"), fact("case_reopened", "10-02")]
    clock = answer(facts, targets=target(on_reopen="continue"), now=at("10-03"))[-1]
    assert (clock["due"], clock["breached_at"]) == (at("10-01", "00:00"), at("10-02"))


def test_a_duty_that_comes_again_re_arms_and_each_round_has_a_result_of_its_own() -> None:
    own = target(resets_on=["progress_reported"], within={"days": 7})
    facts = [
        RECEIVED,
        fact("progress_reported", "09-30"),
        fact("progress_reported", "10-12"),
        fact("case_handled", "10-14"),
    ]
    assert [(c["due"], c["status"], c["met_at"]) for c in answer(facts, targets=own)] == [
        (at("10-06", "00:00"), "met", at("09-30")),
        (at("10-08", "00:00"), "breached", at("10-12")),
        (at("10-20", "00:00"), "met", at("10-14")),
    ]


def test_every_promise_is_a_clock_of_its_own_and_may_be_moved() -> None:
    own = target(
        starts="promise_made", per="promise_id", met_by=["promise_kept"], due={"field": "by"}
    )
    facts = [
        fact("promise_made", "09-28", promise_id="a", by=at("09-30")),
        fact("promise_made", "09-28", "11:00", promise_id="b", by=at("09-29")),
        fact("promise_made", "09-28", "12:00", promise_id="a", by=at("10-02")),
        fact("promise_kept", "09-29", "12:00", promise_id="b"),
    ]
    found = {c["clock"]: (c["due"], c["status"]) for c in answer(facts, targets=own)}
    assert found == {"own#1:a": (at("10-02"), "running"), "own#1:b": (at("09-29"), "breached")}


@pytest.mark.parametrize(
    ("cause", "start", "due"),
    [
        ("correction", "09-28", "10-02"),
        ("new_facts", "09-29", "10-03"),
        ("age", "09-29", "10-03"),
    ],
)
def test_a_reclassification(cause: str, start: str, due: str) -> None:
    change = {**minor("09-29", "10:00"), "severity": "important", "cause": cause}
    found = {c["target"]: c for c in answer([RECEIVED, minor(), change])}
    assert found["minor-resolve"]["status"] == "cancelled"
    resolve = found["important-resolve"]
    assert (resolve["started_at"], resolve["due"]) == (at(start), at(due, "00:00"))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (fact("case_classified", "09-28", "10:05"), "correction"),
        (fact("severity_raised", "09-28", "10:05"), "age"),
        (fact("severity_raised", "09-28", "10:05", cause="new_facts"), "new_facts"),
    ],
)
def test_a_change_that_names_no_cause_has_that_of_intakes_facts(
    change: dict[str, Any], cause: str
) -> None:
    classified = fact("case_classified", "09-28", "10:01", cause="correction")
    later = fact("manager_called", "09-28", "11:00")
    own = target(starts="manager_called", when={"cause": cause})
    assert len(answer([RECEIVED, classified, change, later], targets=own)) == 1
    first = target(starts="manager_called", when={"cause": "first"})
    assert len(answer([RECEIVED, minor(), later], targets=first)) == 1


def test_what_intake_counts_of_a_case_may_be_left_out() -> None:
    chased = [fact("case_chased", "09-29", time) for time in ("09:00", "10:00", "11:00")]
    refused = [
        fact("dispatch_refused", "09-29", time, dispatch_id=time) for time in ("12:00", "13:00")
    ]
    again = [
        reopening
        for day in ("10-01", "10-03")
        for reopening in (fact("case_handled", day), fact("case_reopened", day, "12:00"))
    ]
    said = [fact("dispatch_refused", "10-04", dispatch_id="d3"), fact("case_handled", "10-05")]
    asked = {"facts": [RECEIVED, minor(), *chased, *refused, *again, *said], "now": at("10-09")}
    found = {clock["clock"]: clock for clock in due_times.answer(asked)["clocks"]}
    counted = ("chased-again", "dispatch-decided", "reopened-again")
    assert {
        name: clock["started_at"] for name, clock in found.items() if clock["target"] in counted
    } == {
        "chased-again#1": at("09-29", "10:00"),
        "dispatch-decided#1": at("09-29", "13:00"),
        "reopened-again#3": at("10-03", "12:00"),
    }
    assert found["minor-resolve#3"]["met_at"] == at("10-05")


def test_what_is_counted_goes_on_from_what_the_line_says() -> None:
    own = target(starts=[{"case_chased": {"chase": 8}}])
    chased = [fact("case_chased", "09-29", chase=7), fact("case_chased", "09-30")]
    assert the_clock([RECEIVED, *chased], targets=own)["started_at"] == at("09-30")


@pytest.mark.parametrize(("when", "clocks"), [({"urgency": "ordinary"}, 1), ({"urgency": None}, 0)])
def test_what_a_line_leaves_out_is_as_intakes_fact_has_it(
    when: dict[str, Any], clocks: int
) -> None:
    own = target(starts="case_classified", when=when)
    assert len(answer([RECEIVED, minor()], targets=own)) == clocks


def test_after_a_classification_without_a_cause_harm_that_was_stopped_is_not_classified_again() -> (
    None
):
    stopped = fact("immediate_measures_taken", "09-28", "11:00")
    asked = {"facts": [RECEIVED, minor(), stopped], "now": at("10-05")}
    targets = [clock["target"] for clock in due_times.answer(asked)["clocks"]]
    assert "triage-after-harm" not in targets


def test_a_breach_stands_whatever_the_later_class() -> None:
    change = {**minor("10-02", cause="correction"), "severity": "important"}
    found = {c["target"]: c["status"] for c in answer([RECEIVED, minor(), change])}
    assert found["minor-resolve"] == "breached"


@pytest.mark.parametrize(
    ("role", "status"), [("frontline", "breached"), ("centre_manager", "met"), (None, "breached")]
)
@rule("RM-4.5.2b")
def test_only_the_named_role_or_above_meets_it(role: str | None, status: str) -> None:
    important = {**minor(), "severity": "important"}
    facts = [RECEIVED, important, fact("case_accepted", "09-28", "10:30", role=role)]
    found = {c["target"]: c["status"] for c in answer(facts, now=at("09-28", "12:00"))}
    assert found["important-to-manager"] == status


@pytest.mark.parametrize(
    ("time", "due"),
    [
        ("19:59", "09-29T00:00:00"),
        ("20:00", "09-29T00:00:00"),
        ("20:01", "09-29T12:00:00"),
        ("23:50", "09-29T12:00:00"),
    ],
)
def test_a_late_start_is_due_the_next_noon(time: str, due: str) -> None:
    late = {"days": 0, "ending": "end_of_day", "late_start": {"after": "20:00", "due": "12:00"}}
    clock = the_clock([fact("case_received", "09-28", time)], targets=target(within=late))
    assert clock["due"] == f"2026-{due}+08:00"


def test_at_least_an_hour_is_left() -> None:
    short = {"days": 0, "ending": "end_of_day", "at_least": {"hours": 1}}
    clock = the_clock([fact("case_received", "09-28", "23:50")], targets=target(within=short))
    assert clock["due"] == at("09-29", "00:50")


@pytest.mark.parametrize(("households", "clocks"), [(5, 1), (4, 0), (None, 0), ("many", 0)])
def test_a_condition_may_ask_for_a_least_number(households: Any, clocks: int) -> None:
    own = target(when={"at_least": {"households": 5}})
    assert len(answer([{**RECEIVED, "households": households}], targets=own)) == clocks


def test_a_clock_that_runs_may_go_on_where_it_would_not_begin() -> None:
    own = target(when={"severity": "minor"}, stays_when={"severity": "major"})
    major = {**minor("09-29"), "severity": "major"}
    assert the_clock([RECEIVED, minor(), major], targets=own)["status"] == "running"
    assert answer([RECEIVED, {**minor(), "severity": "major"}], targets=own) == []
    important = {**minor("09-29", "11:00"), "severity": "important"}
    assert the_clock([RECEIVED, minor(), major, important], targets=own)["status"] == "cancelled"


def test_what_was_done_before_does_not_meet_a_call_for_something_new() -> None:
    done, called = fact("case_accepted", "09-28", "11:00"), fact("manager_called", "09-28", "12:00")
    keys = {"starts": "manager_called", "met_by": "case_accepted"}
    assert the_clock([RECEIVED, done, called], targets=target(**keys))["status"] == "met"
    afresh = target(**keys, met_before=False)
    assert the_clock([RECEIVED, done, called], targets=afresh)["status"] == "running"


def test_one_at_a_time_only_what_was_said_last_is_owed_also_where_it_applies_later() -> None:
    first = fact("case_dispatched", "09-28", "11:00", dispatch_id="a")
    second = fact("case_dispatched", "09-28", "11:30", dispatch_id="b")
    keys = {"starts": "case_dispatched", "per": "dispatch_id", "when": {"severity": "minor"}}
    facts = [RECEIVED, first, second, minor("09-29")]
    found = answer(facts, targets=target(**keys, one_at_a_time=True))
    assert [clock["clock"] for clock in found] == ["own#1:b"]
    assert len(answer(facts, targets=target(**keys))) == 2


def test_a_due_time_named_anew_when_it_had_passed_counts_also_where_it_applies_later() -> None:
    own = target(due={"field": "at"}, starts="appointment_made", when={"severity": "minor"})
    made = fact("appointment_made", "09-28", "11:00", at=at("09-29"))
    again = fact("appointment_made", "09-30", "11:00", at=at("10-01"))
    clock = the_clock([RECEIVED, made, again, minor("09-30", "12:00")], targets=own)
    assert (clock["due"], clock["status"]) == (at("10-01"), "running")


def test_a_named_due_time_may_have_some_grace() -> None:
    own = target(due={"field": "at", "grace": {"minutes": 30}}, starts="appointment_made")
    made = fact("appointment_made", "09-28", "11:00", at=at("09-29"))
    assert the_clock([RECEIVED, made], targets=own)["due"] == at("09-29", "10:30")


@pytest.mark.parametrize(
    ("ending", "due"), [("same_time", "10-05T14:00:00"), ("end_of_day", "10-06T00:00:00")]
)
def test_a_date_that_another_fact_names_moves_the_limit(ending: str, due: str) -> None:
    agreed = {"field": "at", "fact": "appointment_made", "take": "later", "ending": ending}
    made = fact("appointment_made", "09-28", "11:00", at=at("10-05", "14:00"))
    assert the_clock([RECEIVED, made], targets=target(or_by=agreed))["due"] == f"2026-{due}+08:00"


def test_a_word_to_the_owner_about_something_else_brings_no_extension() -> None:
    own = target(overdue={"approval": "centre_manager", "effective": "owner_told"})
    for about, due in [("new_date", UNTIL), ("progress", None), ("other", None)]:
        told = {**TOLD, "about": about}
        assert the_clock([RECEIVED, ASKED, approved(), told], targets=own)["approved_due"] == due


LATE = {**ASKED, "time": at("10-02"), "clock": "minor-resolve#1"}
NAMED = {**ASKED, "clock": "minor-resolve#1"}
UNSAID = {**NAMED, "asked_by": None}
REFUSED = fact("extension_refused", "09-29", "10:30", refused_by="m1", role="centre_manager")


@pytest.mark.parametrize(
    ("facts", "until", "excused"),
    [
        ([NAMED, approved(), TOLD], UNTIL, False),
        ([NAMED, approved("10-01", "08:00")], None, True),
        ([LATE, approved("10-02", "11:00")], None, False),
        ([NAMED, {**REFUSED, "extension_id": "e1"}, approved(), TOLD], None, False),
        ([NAMED, approved(role="cs_supervisor"), approved("09-29", "12:00"), TOLD], UNTIL, False),
        ([{**NAMED, "clock": "major-resolve#1"}, approved(), TOLD], None, False),
        ([UNSAID, approved(approved_by=None), TOLD], UNTIL, False),
        ([UNSAID, approved(), TOLD], UNTIL, False),
        ([NAMED, approved(approved_by=None), TOLD], UNTIL, False),
    ],
)
@rule("RM-4.10.1")
def test_more_time_that_the_service_would_refuse_changes_nothing(
    facts: Facts, until: str | None, excused: bool
) -> None:
    named = [
        fact if fact["type"] == "owner_informed" else {"extension_id": "e1", **fact}
        for fact in facts
    ]
    clock = the_clock([RECEIVED, minor(), *named], now=at("10-03"))
    assert (clock["approved_due"], clock["excused"]) == (until, excused)


CALENDAR = {
    "tz": "Asia/Shanghai",
    "hours": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    "holidays": ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"],
    "working_days": ["2026-10-10"],
}


@pytest.mark.parametrize(
    ("day", "time", "hours", "due"),
    [
        ("10-09", "17:00", 2, "10-10T10:00:00"),
        ("10-10", "17:00", 1, "10-10T18:00:00"),
        ("09-30", "17:00", 2, "10-08T10:00:00"),
    ],
)
def test_working_time_goes_by_the_calendar_of_the_line_with_its_make_up_day(
    day: str, time: str, hours: int, due: str
) -> None:
    own = target(within={"hours": hours, "counting": "working"})
    clock = the_clock([fact("case_received", day, time)], targets=own, calendar=CALENDAR)
    assert clock["due"] == f"2026-{due}+08:00"


def test_days_end_in_the_zone_of_the_project() -> None:
    clock = the_clock([{**RECEIVED, "zone": "America/New_York"}, minor()])
    assert clock["due"] == "2026-09-30T00:00:00-04:00"


def test_a_month_ends_on_its_date_and_never_pauses() -> None:
    received = fact("case_received", "08-31", kind="complaint")
    clock = the_clock([received, WAITS], targets=target(within={"months": 1}))
    assert clock["due"] == at("10-01", "00:00")


def test_handed_over_counts_from_then_else_from_the_posting() -> None:
    own = target(
        starts=[
            {"fact": "case_received", "at": "handed_over_at"},
            {"fact": "case_received", "at": "posted_at"},
        ],
        within={"hours": 2},
    )
    posted = {**RECEIVED, "posted_at": at("09-28", "08:00")}
    assert the_clock([posted], targets=own)["due"] == at("09-28", "10:00")
    handed = {**posted, "handed_over_at": at("09-28", "09:30")}
    assert the_clock([handed], targets=own)["due"] == at("09-28", "11:30")


def test_what_was_done_before_it_was_due_to_start_is_met_at_birth() -> None:
    own = target(starts="case_classified", met_by=["case_dispatched"], within={"minutes": 30})
    clock = the_clock([RECEIVED, fact("case_dispatched", "09-28", "10:01"), minor()], targets=own)
    assert (clock["status"], clock["met_at"]) == ("met", at("09-28", "10:05"))


def test_at_one_instant_what_stops_goes_before_what_rings() -> None:
    facts = [fact("case_handled", "10-01", "00:00"), RECEIVED, minor()]
    assert the_clock(facts, now=at("10-02"))["status"] == "met"


def test_a_fact_that_meets_goes_before_one_that_ends_the_case_at_the_same_instant() -> None:
    facts = [RECEIVED, fact("case_closed", "09-29"), fact("case_handled", "09-29")]
    assert the_clock(facts, targets=target())["status"] == "met"


def test_a_start_that_names_no_due_time_starts_nothing() -> None:
    own = target(due={"field": "authority_due"})
    assert answer([RECEIVED], targets=own) == []
    clock = the_clock([{**RECEIVED, "authority_due": "2026-10-02"}], targets=own)
    assert (clock["due"], clock["status"]) == (at("10-03", "00:00"), "running")


def test_a_due_time_that_was_named_stays_after_a_reopening() -> None:
    received = {**RECEIVED, "authority_due": at("10-09")}
    facts = [received, fact("case_handled", "09-29"), fact("case_reopened", "09-30", round=2)]
    found = answer(facts, targets=target(due={"field": "authority_due"}))
    assert [(c["due"], c["status"]) for c in found] == [
        (at("10-09"), "met"),
        (at("10-09"), "running"),
    ]


def test_new_facts_after_the_end_of_a_case_start_nothing_that_runs() -> None:
    own = target(when={"severity": "important"})
    later = fact("case_classified", "09-30", severity="important", cause="new_facts")
    clock = the_clock([RECEIVED, minor(), fact("case_withdrawn", "09-29"), later], targets=own)
    assert (clock["status"], clock["elapsed_seconds"]) == ("cancelled", 0)


@pytest.mark.parametrize("on_reopen", ["none", "continue"])
@pytest.mark.parametrize("cause", ["new_facts", "correction"])
def test_the_end_of_an_earlier_round_ends_nothing_that_begins_in_a_later_one(
    on_reopen: str, cause: str
) -> None:
    own = target(when={"severity": "important"}, within={"days": 9}, on_reopen=on_reopen)
    facts = [
        *(RECEIVED, minor(), fact("case_closed", "09-29", round=1)),
        fact("case_reopened", "09-30", round=2),
        fact("case_classified", "10-01", severity="important", cause=cause),
    ]
    assert the_clock(facts, targets=own, now=at("10-02"))["status"] == "running"


@pytest.mark.parametrize("end", ["case_withdrawn", "appointment_cancelled"])
def test_what_is_called_off_before_it_begins_is_never_breached(end: str) -> None:
    own = target(
        starts={"fact": "appointment_made", "at": "appointed_for"},
        met_by="appointment_kept",
        cancels_on="appointment_cancelled",
        within={"minutes": 30},
    )
    made = fact("appointment_made", "09-28", "11:00", appointed_for=at("10-05"))
    clock = the_clock([RECEIVED, made, fact(end, "09-29")], targets=own, now=at("10-09"))
    assert (clock["status"], clock["elapsed_seconds"]) == ("cancelled", 0)


def test_a_promise_made_after_the_end_of_a_case_runs() -> None:
    own = target(starts="promise_made", met_by="promise_kept", due={"field": "by"})
    facts = [RECEIVED, fact("case_closed", "09-29"), fact("promise_made", "09-30", by=at("10-02"))]
    assert the_clock(facts, targets=own)["status"] == "running"


def test_a_duty_that_only_comes_again_needs_nothing_that_meets_it() -> None:
    (own,) = target(resets_on=["progress_reported"], within={"days": 7})
    del own["met_by"]
    facts = [RECEIVED, fact("progress_reported", "09-30"), fact("case_closed", "10-01")]
    assert [c["status"] for c in answer(facts, targets=[own])] == ["met", "cancelled"]


def test_a_pack_may_come_along_as_an_override() -> None:
    override = {"overrides": "residential-cn", "version": "g1"}
    changed = [{"id": "minor-resolve", "within": {"days": 1}}]
    clock = the_clock([RECEIVED, minor()], pack={**override, "targets": changed})
    assert clock["due"] == at("09-30", "00:00")


def test_a_pack_may_come_along_as_an_object() -> None:
    pack = {"pack": "own", "version": "1", "calendar": "cn-office"}
    listed = [{**target()[0], "rule": ["RM-4.5.2c"], "within": {"days": 1}}]
    clock = the_clock([RECEIVED], pack={**pack, "targets": listed})
    assert clock["due"] == at("09-30", "00:00")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ({"facts": []}, "no 'facts'"),
        ({"facts": [{"time": at("09-28")}]}, "Fact 1"),
        ({"facts": [{"type": "case_received", "time": "2026-09-28T10:00:00"}]}, "offset"),
        ({"facts": [RECEIVED, fact("case_handeld", "09-29")]}, "Fact 2 is .* 'case_handeld'"),
        ({"facts": [{**RECEIVED, "kind": "komplaint"}]}, "kind of fact 1 .* not 'komplaint'"),
        ({"facts": [RECEIVED], "zone": "Europe/Berlin"}, "'zone' is no key of a line"),
        ({"facts": [RECEIVED], "now": 7}, "'now' must be an instant"),
        ({"facts": [RECEIVED], "pack": {}}, "this key is missing. \\(and 2 more\\)$"),
        ({"facts": [RECEIVED], "targets": target(met_by="done{a: [}")}, "not a condition"),
        ({"facts": [RECEIVED], "targets": target() * 2}, "used twice"),
        ({"facts": [RECEIVED], "targets": [{"id": "own"}]}, "missing"),
        ({"facts": [RECEIVED], "calendar": {"tz": "Asia/Shanghai", "hours": {}}}, "working time"),
        ({"facts": [RECEIVED], "calendar": "mars"}, "mars"),
        ({"facts": [{**RECEIVED, "zone": "Mars/Base"}]}, "Mars/Base"),
        ({"facts": [RECEIVED], "pack": "/no/such/pack.yaml"}, "cannot be read"),
        ({"facts": [{**WAITS, "resume_on": 7}]}, "neither a date nor an instant"),
    ],
)
def test_a_wrong_line_is_refused_with_a_sentence(line: dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError, match=part):
        due_times.answer(line)


def test_a_fact_of_its_own_is_known_where_a_target_of_the_line_asks_for_it() -> None:
    facts = [RECEIVED, fact("gate_opened", "09-29")]
    assert the_clock(facts, targets=target(met_by="gate_opened"))["status"] == "met"


def test_the_command_answers_line_by_line_and_ends_well() -> None:
    good = json.dumps({"id": "2", "facts": [RECEIVED, minor()]})
    run = subprocess.run(
        [sys.executable, "-m", "steward_stack.cli", "policy", "due"],
        input=f"nonsense\n{good}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    first, second = map(json.loads, run.stdout.splitlines())
    assert first["id"] is None
    assert first["error"]
    assert second["id"] == "2"
    assert "minor-resolve" in [c["target"] for c in second["clocks"]]
