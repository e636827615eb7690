"""An approved new date that the owner was told is a promise, which handling the case keeps."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.given import Given, given
from tests.support.rules import rule
from tests.unit.intake.test_daily_life import (
    CLOSED,
    FRIDAY,
    HANDLED,
    MINOR,
    MONDAY,
    RECEIVED,
    WORDS,
    a_complaint,
    heard,
    said,
)
from tests.unit.intake.test_owner_messages import delivered

from steward_events.intake import (
    CaseHandled,
    CasePaused,
    CaseReopened,
    CaseResumed,
    CaseWithdrawn,
    ExtensionNoted,
    OwnerInformed,
    PromiseKept,
    PromiseMade,
)
from steward_events.sla import ExtensionApproved
from steward_events.vocabulary import Role
from steward_intake.api.subscribers import on_sla
from steward_intake.domain.case import CaseDecider
from steward_intake.domain.commands import HandleCase
from steward_intake.domain.sayings import Say

SUNDAY = FRIDAY + timedelta(days=2)
HANDLE = HandleCase(MONDAY, "a", WORDS, WORDS)
KEPT = PromiseKept(case_id="c", promise_id="handled-1", person_id="a")
PAUSED = CasePaused(case_id="c", reason="waiting_owner", resume_on=FRIDAY)


def approved(extension: str = "x", until: Any = FRIDAY) -> Say:
    fact = ExtensionApproved(
        case_id="c", project_id="p", clock="minor-resolve#1", target="minor-resolve",
        rule=("RM-4.10.1",), extension_id=extension, at=MONDAY, until=until,
        approved_by="m", role=Role.CENTRE_MANAGER,
    )  # fmt: skip
    [to] = on_sla(heard(fact))
    assert (to.stream, to.key) == ("case-c", "p")
    assert isinstance(to.command, Say)
    return to.command


def informed(
    extension: str | None = "x", notice: str = "1", about: Any = "new_date", *, late: bool = False
) -> Say:
    """Tell it; `late` by another system, which may say it before the approval is heard."""
    fact = OwnerInformed(
        case_id="-", notice_id=notice, about=about, how="phone", extension_id=extension
    )
    return said(fact, by="external" if late else "steward")


def noted(until: Any = FRIDAY, extension: str = "x") -> ExtensionNoted:
    return ExtensionNoted(case_id="c", extension_id=extension, until=until, approved_by="m")


def promise(until: Any = FRIDAY, **more: Any) -> PromiseMade:
    return PromiseMade(case_id="c", promise_id="handled-1", promised_at=until, **more)


def a_case(*past: Any) -> Given:
    return given(RECEIVED, MINOR, *past, by=CaseDecider())


@rule("RM-4.10.1", "RM-4.10.2", "FU-S1")
@pytest.mark.parametrize("told", [informed(), delivered("new_date", "x"), informed(None)])
def test_a_new_date_is_promised_when_the_owner_is_told_it(told: Say) -> None:
    a_case().when(approved()).then(noted()).when(told).then(OwnerInformed, promise())
    a_case(PAUSED, approved()).when(told).then(OwnerInformed, promise())


@rule("RM-4.10.1", "RM-4.10.2", "FU-S1")
@pytest.mark.parametrize("told", [informed(late=True), delivered("new_date", "x")])
def test_it_is_promised_also_where_the_approval_is_heard_last(told: Say) -> None:
    a_case().when(told).then(OwnerInformed).when(approved()).then(noted(), promise())


@rule("RM-4.10.2")
def test_no_new_date_is_told_that_nobody_has_approved() -> None:
    for told in (informed(), informed(None)):
        assert "No extension" in a_case().refuses(told).reason
    assert "No extension" in a_case(approved()).refuses(informed("y")).reason


def test_neither_an_approval_nor_another_word_alone_is_a_promise() -> None:
    a_case(informed("other", late=True)).when(approved()).then(noted())
    a_case(informed(None, late=True)).when(approved()).then(noted())
    a_case(approved()).when(informed("other", late=True)).then(OwnerInformed)
    a_case(approved()).when(informed("x", about="progress")).then(OwnerInformed)


@rule("FU-S1")
def test_what_is_said_again_promises_nothing_again() -> None:
    promised = a_case(approved()).when(informed()).then(OwnerInformed, promise())
    promised.when(approved()).then().when(informed()).then()
    promised.when(informed(notice="2")).then(OwnerInformed)
    promised.when(informed(None, notice="3")).then(OwnerInformed)


@rule("RM-4.10.1", "RM-4.10.2", "FU-S1")
def test_more_time_once_more_moves_the_promise_and_says_who_approved_it() -> None:
    moved = promise(SUNDAY, moved_by="us", approved_by="m")
    first = a_case(approved(), informed())
    second = first.when(approved("y", SUNDAY)).then(noted(SUNDAY, "y"))
    second.when(informed("y", "2")).then(OwnerInformed, moved)
    first.when(informed("y", "2", late=True)).then(OwnerInformed).when(approved("y", SUNDAY)).then(
        noted(SUNDAY, "y"), moved
    )


def test_an_earlier_date_that_is_told_late_moves_nothing_back() -> None:
    both = a_case(approved(), approved("y", SUNDAY), informed("y"))
    both.when(informed("x", "2")).then(OwnerInformed)


@rule("FU-S1")
@pytest.mark.parametrize("by", ["steward", "external", "history"])
def test_handling_the_case_keeps_the_promise(by: Any) -> None:
    handle = HandleCase(MONDAY, "a", WORDS, WORDS, by)
    handled = a_case(approved(), informed()).when(handle).then(KEPT, HANDLED)
    handled.when(handle).then()
    waiting = a_case(approved(), informed(), PAUSED)
    waiting.when(handle).then(CaseResumed, KEPT, HANDLED)


def test_handling_keeps_neither_what_was_kept_nor_what_else_was_promised() -> None:
    a_case(approved(), informed(), KEPT).when(HANDLE).then(HANDLED)
    another = PromiseMade(case_id="c", promise_id="1", promised_at=FRIDAY)
    a_complaint(MINOR, another).when(HANDLE).then(HANDLED)


@pytest.mark.parametrize("end", [HANDLED, CLOSED, CaseWithdrawn(case_id="c", how="phone")])
def test_what_is_approved_or_told_after_the_work_is_done_promises_nothing(end: Any) -> None:
    a_case(approved(), end).when(informed()).then(OwnerInformed)
    a_case(informed(late=True), end).when(approved()).then(noted())


def test_a_new_date_of_an_earlier_round_promises_nothing_of_this_one() -> None:
    reopened = CaseReopened(case_id="c", round=2)
    next_round = a_case(approved(), HANDLED, reopened)
    next_round.when(informed()).then(OwnerInformed)
    again = next_round.when(approved("y", SUNDAY)).when(informed("y", "2"))
    again.then(OwnerInformed, promise(SUNDAY).model_copy(update={"promise_id": "handled-2"}))
    again.when(HANDLE).then(PromiseKept, CaseHandled)
