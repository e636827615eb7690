"""Who is told of an escalation, when, and what of it is taken back."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from tests.support.rules import rule

from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.sla import ClockBreached, Escalated, EscalationWithdrawn
from steward_events.visits import (
    DutyDone,
    DutyMissed,
    FollowupDone,
    FollowupOverdue,
    FollowupWaived,
)
from steward_events.vocabulary import Mode, Role
from steward_notify.api.subscribers import on_sla, on_visits
from steward_notify.application.ports import Person
from steward_notify.application.reactions import tell
from steward_notify.application.recipients import Found, Nobody, find, reached
from steward_notify.domain.duty_hours import BEGIN, BUILT_IN, END, calendar_of, from_when
from steward_notify.domain.gaps import UNREACHABLE, gap_after
from steward_notify.domain.message import Channel, RequestMessage, Suppress
from steward_notify.texts import Language, render
from steward_policy import packs
from steward_policy.calendars import built_in
from steward_sla.domain import case_facts

SHANGHAI = ZoneInfo("Asia/Shanghai")
MIDNIGHT = datetime(2026, 10, 2, 0, 0, tzinfo=SHANGHAI)
CLOCK: dict[str, Any] = {
    "case_id": "c1",
    "project_id": "p1",
    "clock": "minor-resolve#1",
    "target": "minor-resolve",
    "rule": ("RM-4.5.2c", "RM-4.10.1"),
    "severity": "minor",
}
ESCALATED = Escalated(
    **CLOCK,
    escalation_id="e1",
    breach=1,
    step=0,
    to=Role.CS_SUPERVISOR,
    deliver="duty_hours",
    due_at=MIDNIGHT,
    number="P1-2026-00001",
    zone="Asia/Shanghai",
)
WITHDRAWN = EscalationWithdrawn(
    **CLOCK, escalation_id="e1", to=Role.CS_SUPERVISOR, number="P1-2026-00001", reason="met"
)


OVERRIDE = """
overrides: residential-cn
version: depot
duty_calendar: depot
calendars:
  depot:
    tz: Asia/Shanghai
    hours: {mon: [["10:00", "16:00"]]}
"""
DEPOT = packs.load(OVERRIDE, "depot.yaml")


def heard(fact: Fact, at: datetime = MIDNIGHT) -> Recorded:
    return Recorded(
        UUID(int=1), fact.wire_type, "clocks-c1", 1, "p1", "/steward/sla", at, at, at, fact
    )


def commands(recorded: Recorded) -> list[Any]:
    return [to.command for to in tell(recorded, {DEPOT.version: DEPOT}.get)]


def test_an_escalation_is_told_by_text_and_mail_at_half_past_eight() -> None:
    sms, email = commands(heard(ESCALATED))
    assert (sms.channel, email.channel) == ("sms", "email")
    assert sms.not_before == email.not_before == MIDNIGHT + timedelta(hours=8, minutes=30)
    assert sms.role is Role.CS_SUPERVISOR
    text = render("escalation", "zh", {**sms.values, "project": "星河湾"})
    assert text.body == (
        "星河湾：轻微投诉P1-2026-00001的“处理完成”应于2026-10-01 24:00前完成，现已逾期，"
        "升级到您（客服部主管）处理。依据RM-4.5.2c、RM-4.10.1。"
    )


def test_only_what_waits_for_duty_hours_may_be_told_together() -> None:
    assert [c.together for c in commands(heard(ESCALATED))] == [True, True]
    urgent = ESCALATED.model_copy(update={"deliver": "at_once"})
    assert [c.together for c in commands(heard(urgent))] == [False, False]


def test_an_overridden_duty_calendar_says_when_people_are_told_and_corrected() -> None:
    monday = datetime(2026, 10, 5, 10, 0, tzinfo=SHANGHAI)  # MIDNIGHT is a Friday's
    for fact in (ESCALATED, WITHDRAWN):
        under = fact.model_copy(update={"policy": DEPOT.version, "zone": "Asia/Shanghai"})
        asked = [c for c in commands(heard(under)) if isinstance(c, RequestMessage)]
        assert [request.not_before for request in asked] == [monday, monday]
        asked = [c for c in commands(heard(under, monday)) if isinstance(c, RequestMessage)]
        assert [request.not_before for request in asked] == [None, None]


def test_under_a_policy_that_was_not_heard_the_built_in_duty_hours_count() -> None:
    sms, _ = commands(heard(ESCALATED.model_copy(update={"policy": "elsewhere@1"})))
    assert sms.not_before == MIDNIGHT + timedelta(hours=8, minutes=30)


def test_the_built_in_pack_has_the_built_in_duty_hours() -> None:
    assert calendar_of(packs.built_in()) is None
    hours = built_in(BUILT_IN).hours
    assert set(hours.values()) == {((_minutes(BEGIN), _minutes(END)),)}
    assert len(hours) == 7


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


@pytest.mark.parametrize("deliver", ["at_once", "duty_hours"])
def test_a_group_may_tell_staff_by_sms_and_by_email_only_if_that_fails(deliver: str) -> None:
    policy = f"overrides: residential-cn\nversion: sms\nmessages: {{{deliver}: sms_first}}"
    rules = packs.load(policy, "sms.yaml")
    under = {"policy": rules.version}
    for said in ("at_once", "duty_hours"):
        fact = ESCALATED.model_copy(update=under | {"deliver": said})
        sms, email = [to.command for to in tell(heard(fact), {rules.version: rules}.get)]
        assert isinstance(sms, RequestMessage)
        assert isinstance(email, RequestMessage)
        begins = sms.not_before or MIDNIGHT
        if said == deliver:
            assert email.instead_of == sms.message_id
            assert email.not_before == begins + timedelta(minutes=10)
        else:
            assert (email.instead_of, email.not_before) == (None, sms.not_before)


def test_what_became_known_late_in_the_evening_is_told_in_the_morning_after() -> None:
    evening = MIDNIGHT + timedelta(hours=22)
    known = ESCALATED.model_copy(update={"told_at": evening})
    sms, email = commands(heard(known))
    assert sms.not_before == email.not_before == MIDNIGHT + timedelta(days=1, hours=8, minutes=30)


def test_an_urgent_one_is_told_at_once() -> None:
    sms, _ = commands(heard(ESCALATED.model_copy(update={"deliver": "at_once"})))
    assert sms.not_before is None


@pytest.mark.parametrize(
    ("said", "template"),
    [
        ({"breach": 0}, "alarm"),
        ({"breach": 0, "because": "unacknowledged"}, "alarm"),
        ({"because": "unacknowledged"}, "escalation"),
        ({"breach": 0, "because": "undecided", "decide_by": MIDNIGHT}, "requested"),
        ({"breach": 0, "because": "undecided"}, "undecided"),
    ],
)
def test_what_is_not_late_is_not_called_late(said: dict[str, Any], template: str) -> None:
    sms, email = commands(heard(ESCALATED.model_copy(update=said)))
    assert (sms.template, email.template) == (template, template)
    assert "逾期" not in render("alarm", "zh", {**sms.values, "project": "星河湾"}).body
    if template == "requested":
        text = render(template, "zh", {**sms.values, "project": "星河湾"})
        assert "于2026-10-01 24:00前决定" in text.body


def test_the_due_times_own_offset_serves_where_the_zone_is_not_named() -> None:
    sms, _ = commands(heard(ESCALATED.model_copy(update={"zone": ""})))
    assert sms.not_before == MIDNIGHT + timedelta(hours=8, minutes=30)
    assert sms.values["due"] == "2026-10-01 24:00"


def test_of_history_nobody_is_told() -> None:
    for fact in (ESCALATED, WITHDRAWN):
        assert commands(heard(fact)._replace(history=MIDNIGHT)) == []


def test_a_breach_itself_is_told_to_nobody() -> None:
    breached = ClockBreached(**CLOCK, due_at=MIDNIGHT, breached_at=MIDNIGHT, number=1)
    assert commands(heard(breached)) == []


def test_a_withdrawal_takes_back_what_is_owed_and_corrects_what_was_sent() -> None:
    told = {to.stream for to in on_sla(heard(ESCALATED))}
    answers = list(on_sla(heard(WITHDRAWN)))
    assert {to.stream for to in answers if isinstance(to.command, Suppress)} == told
    corrections = [to.command for to in answers if isinstance(to.command, RequestMessage)]
    assert {f"message-{c.only_if_sent}" for c in corrections} == told
    assert {c.template for c in corrections} == {"breach_withdrawn"}


def corrected(reason: str) -> RequestMessage:
    fact = WITHDRAWN.model_copy(
        update={"reason": reason, "due_at": MIDNIGHT, "zone": "Asia/Shanghai"}
    )
    return next(c for c in commands(heard(fact)) if isinstance(c, RequestMessage))


@rule("RM-4.5.2c", "RM-4.10.1")
@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "met",
            "轻微投诉P1-2026-00001的“处理完成”实际已于2026-10-01 24:00前按时完成，"
            "此前的逾期升级作废，您无需处理。",
        ),
        (
            "case_refused",
            "轻微投诉P1-2026-00001此前已决定不予办理，“处理完成”无须于2026-10-01 24:00前完成，"
            "此前的逾期升级作废，您无需处理。",
        ),
        (
            "no_longer_applies",
            "轻微投诉P1-2026-00001的“处理完成”不再以2026-10-01 24:00为期限，此前的逾期升级作废。",
        ),
        (
            "",
            "轻微投诉P1-2026-00001的“处理完成”不再以2026-10-01 24:00为期限，此前的逾期升级作废。",
        ),
    ],
)
def test_who_was_told_of_a_breach_is_told_why_there_was_none(reason: str, said: str) -> None:
    sms = corrected(reason)
    text = render(sms.template, "zh", {**sms.values, "project": "星河湾"})
    assert text.body == f"星河湾：{said}依据RM-4.5.2c、RM-4.10.1。"


@pytest.mark.parametrize("reason", sorted(case_facts.ENDS))
def test_however_a_case_ended_there_is_a_word_for_it(reason: str) -> None:
    sms = corrected(reason)
    for language in get_args(Language):
        text = render(sms.template, language, {**sms.values, "project": "星河湾"})
        assert sms.template == "breach_ended"
        assert reason not in text.body


def test_who_was_asked_to_decide_is_asked_no_longer_and_is_not_corrected() -> None:
    told = {to.stream for to in on_sla(heard(ESCALATED))}
    answers = list(on_sla(heard(WITHDRAWN.model_copy(update={"settled": True}))))
    assert {to.stream for to in answers} == told
    assert all(isinstance(to.command, Suppress) for to in answers)


def test_who_was_told_of_a_case_that_was_merged_is_told_where_it_goes_on() -> None:
    merged = WITHDRAWN.model_copy(
        update={"into": "c7", "into_number": "P1-2026-00007", "due_at": MIDNIGHT}
    )
    sms = next(c for c in commands(heard(merged)) if isinstance(c, RequestMessage))
    assert sms.template == "merged"
    text = render(sms.template, "zh", {**sms.values, "project": "星河湾"})
    assert text.body == (
        "星河湾：P1-2026-00001与P1-2026-00007为同一事项，已并入后者继续处理，"
        "“处理完成”请在P1-2026-00007下跟进。依据RM-4.5.2c、RM-4.10.1。"
    )


def test_the_same_escalation_heard_twice_is_the_same_message() -> None:
    assert [to.stream for to in on_sla(heard(ESCALATED))] == [
        to.stream for to in on_sla(heard(ESCALATED))
    ]


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-10-02T00:00", "2026-10-02T08:30"),
        ("2026-10-02T08:29", "2026-10-02T08:30"),
        ("2026-10-02T08:30", None),
        ("2026-10-02T17:59", None),
        ("2026-10-02T18:00", "2026-10-03T08:30"),
        ("2026-12-31T23:00", "2027-01-01T08:30"),
    ],
)
def test_duty_hours_are_those_of_the_project(at: str, told: str | None) -> None:
    for zone in (SHANGHAI, ZoneInfo("America/New_York")):
        local = datetime.fromisoformat(at).replace(tzinfo=zone)
        expected = datetime.fromisoformat(told).replace(tzinfo=zone) if told else None
        assert from_when(local.astimezone(UTC), zone) == expected


def test_gaps_grow_and_come_to_an_end_but_a_provider_out_of_reach_is_asked_each_minute() -> None:
    gaps = [gap_after(attempt, "isv.BUSINESS_LIMIT") for attempt in range(1, 41)]
    grown = [gap for gap in gaps if gap is not None]
    assert len(grown) == 39
    assert sum(grown, timedelta()) > timedelta(days=1)
    assert grown == sorted(grown)
    assert gap_after(1000, UNREACHABLE) == timedelta(minutes=1)


class Registry:
    """Holders of roles at one project, who is on duty in each, and who delegated to whom."""

    def __init__(
        self,
        *,
        on_duty: Mapping[str, Person] | None = None,
        delegates: Mapping[str, Mapping[str, list[Person]]] | None = None,
        **holders: Person,
    ) -> None:
        self._holders = holders
        self._on_duty = on_duty or {}
        self._delegates = delegates or {}

    async def holders(self, _project_id: str, role: Role) -> list[Person]:
        return [self._holders[role]] if role in self._holders else []

    async def on_duty(self, _project_id: str, role: Role, _at: datetime) -> list[Person]:
        return [self._on_duty[role]] if role in self._on_duty else []

    async def delegates(
        self, _project_id: str, role: Role, _at: datetime
    ) -> Mapping[str, list[Person]]:
        return self._delegates.get(role, {})

    async def hands(self, _case_id: str) -> Mapping[str, str]:
        return {}

    async def household(self, _household_id: str) -> list[Person]:
        return list(self._holders.values())

    async def project_name(self, _project_id: str) -> str:
        return "星河湾"


PHONE = Sealed(subject="staff-s1", field="phone", value_id="v1", box="")


SUPERVISOR, MANAGER = Person("s1", "zh", PHONE), Person("s3", "zh", PHONE)
STAND_IN, DELEGATE = Person("s4", "zh", PHONE), Person("s5", "zh", PHONE)


async def looked_for(
    registry: Registry,
    hands: Mapping[str, str] | None = None,
    role: Role = Role.CS_SUPERVISOR,
    channel: Channel = "sms",
) -> Found | Nobody:
    return await find(registry, "p1", role, channel, MIDNIGHT, hands or {})


async def test_the_holder_of_the_role_is_told() -> None:
    found = await looked_for(Registry(cs_supervisor=SUPERVISOR))
    assert found == Found(SUPERVISOR, Role.CS_SUPERVISOR, PHONE, ())


async def test_a_role_that_nobody_holds_is_passed_over_upwards() -> None:
    registry = Registry(deputy_manager=Person("s2", "zh"), centre_manager=MANAGER)
    found = await looked_for(registry)
    assert found == Found(
        MANAGER,
        Role.CENTRE_MANAGER,
        PHONE,
        (
            "cs_supervisor: nobody holds it",
            "deputy_manager: s2 has no address for sms",
        ),
    )


async def test_who_is_on_duty_stands_in_where_nobody_holds_the_role() -> None:
    registry = Registry(on_duty={"cs_supervisor": STAND_IN}, centre_manager=MANAGER)
    found = await looked_for(registry)
    nobody = ("cs_supervisor: nobody holds it",)
    assert found == Found(STAND_IN, Role.CS_SUPERVISOR, PHONE, nobody, "on_duty")


async def test_while_a_role_is_delegated_its_holder_is_passed_over_for_the_delegate() -> None:
    delegates = {"cs_supervisor": {"s1": [DELEGATE]}}
    found = await looked_for(Registry(cs_supervisor=SUPERVISOR, delegates=delegates))
    away = ("cs_supervisor: s1 has delegated it",)
    assert found == Found(DELEGATE, Role.CS_SUPERVISOR, PHONE, away, "delegate")


async def test_who_is_on_duty_goes_before_a_delegate() -> None:
    registry = Registry(
        cs_supervisor=SUPERVISOR,
        on_duty={"cs_supervisor": STAND_IN},
        delegates={"cs_supervisor": {"s1": [DELEGATE]}},
    )
    found = await looked_for(registry)
    assert isinstance(found, Found)
    assert (found.person, found.standing_in) == (STAND_IN, "on_duty")


async def test_what_was_delegated_by_somebody_without_the_role_is_void() -> None:
    delegates = {"cs_supervisor": {"gone": [DELEGATE]}}
    found = await looked_for(Registry(centre_manager=MANAGER, delegates=delegates))
    assert isinstance(found, Found)
    assert found.person == MANAGER


@pytest.mark.parametrize("what", ["asked", "handled"])
async def test_whoever_asked_or_handled_the_matter_is_passed_over(what: str) -> None:
    registry = Registry(
        cs_supervisor=SUPERVISOR, on_duty={"cs_supervisor": STAND_IN}, centre_manager=MANAGER
    )
    found = await looked_for(registry, {"s1": what, "s4": what})
    assert found == Found(
        MANAGER,
        Role.CENTRE_MANAGER,
        PHONE,
        (
            f"cs_supervisor: s1 {what} the matter",
            f"cs_supervisor: s4 {what} the matter",
            "deputy_manager: nobody holds it",
        ),
    )


async def test_nobody_up_to_the_top_is_said_so() -> None:
    found = await looked_for(Registry(), role=Role.COMPANY_LEADER, channel="email")
    assert found == Nobody(("company_leader: nobody holds it", "general_manager: nobody holds it"))


async def test_for_each_role_it_is_said_who_is_told_now() -> None:
    registry = Registry(on_duty={"frontline": STAND_IN}, centre_manager=MANAGER)
    told = await reached(registry, "p1", "sms", MIDNIGHT)
    assert {role: who.person if isinstance(who, Found) else None for role, who in told.items()} == {
        Role.FRONTLINE: STAND_IN,
        **dict.fromkeys(
            (Role.CS_SUPERVISOR, Role.DEPARTMENT_HEAD, Role.ENGINEERING_SUPERVISOR), MANAGER
        ),
        Role.DEPUTY_MANAGER: MANAGER,
        Role.CENTRE_MANAGER: MANAGER,
        Role.COMPANY_LEADER: None,
        Role.GENERAL_MANAGER: None,
    }


FOLLOWUP: dict[str, Any] = {
    "followup_id": "f1",
    "case_id": "c1",
    "project_id": "p1",
    "rule": ("FU-4.1.2.2a", "RM-4.6.4a"),
}
LATE = FollowupOverdue(
    **FOLLOWUP,
    by=MIDNIGHT,
    to=Role.CENTRE_MANAGER,
    number="P1-2026-00001",
    mode=Mode.ON_SITE,
    zone="Asia/Shanghai",
)


@rule("RM-4.6.4a", "FU-4.1.2.2a")
def test_a_late_follow_up_is_told_to_the_role_that_owes_it() -> None:
    asked = [to.command for to in on_visits(heard(LATE))]
    sms, email = (command for command in asked if isinstance(command, RequestMessage))
    assert (sms.channel, email.channel) == ("sms", "email")
    assert sms.role is Role.CENTRE_MANAGER
    assert sms.rule == ("FU-4.1.2.2a", "RM-4.6.4a")
    assert sms.not_before == MIDNIGHT + timedelta(hours=8, minutes=30)
    text = render("followup_overdue", "zh", {**sms.values, "project": "星河湾"})
    assert text.body == (
        "星河湾：P1-2026-00001的回访（上门）应于2026-10-01 24:00前完成，现已逾期，"
        "请您（物业服务中心经理）安排。依据FU-4.1.2.2a、RM-4.6.4a。"
    )


DUTY: dict[str, Any] = {
    "subject": "b1",
    "project_id": "p1",
    "duty": "suggestion-box-opened",
    "period": "2026-W40",
    "rule": ("RM-4.2.8",),
    "role": Role.CS_SUPERVISOR,
    "zone": "Asia/Shanghai",
    "policy": "",
}
MISSED = DutyMissed(**DUTY, by=MIDNIGHT)


@pytest.mark.parametrize("fact", [ESCALATED, LATE, MISSED])
@pytest.mark.parametrize(
    ("late_at", "known_at", "told_at"),
    [
        (14, 14, None),
        (14, 17.5, None),
        (14, 18, 32.5),
        (14, 26, 32.5),  # sla was down until two in the night
        (0, 0, 8.5),
        (0, 10, 8.5),
        (0, 20, 32.5),
    ],
)
def test_what_is_not_urgent_is_told_in_duty_hours_also_if_it_becomes_known_late(
    fact: Fact, late_at: float, known_at: float, told_at: float | None
) -> None:
    late = heard(fact, MIDNIGHT + timedelta(hours=late_at))
    late = late._replace(known_at=MIDNIGHT + timedelta(hours=known_at))
    asked = [to.command for to in (*on_sla(late), *on_visits(late))]
    begins = [command.not_before for command in asked if isinstance(command, RequestMessage)]
    assert begins == [told_at and MIDNIGHT + timedelta(hours=told_at)] * 2


def test_an_email_that_stands_in_waits_for_the_duty_hours_of_its_text() -> None:
    text = "overrides: residential-cn\nversion: sms\nmessages: {duty_hours: sms_first}"
    rules = packs.load(text, "sms.yaml")
    late = heard(
        ESCALATED.model_copy(update={"policy": rules.version}), MIDNIGHT + timedelta(hours=14)
    )
    late = late._replace(known_at=MIDNIGHT + timedelta(hours=26))
    sms, email = [to.command for to in tell(late, {rules.version: rules}.get)]
    opening = MIDNIGHT + timedelta(hours=32.5)
    assert isinstance(sms, RequestMessage)
    assert isinstance(email, RequestMessage)
    assert (sms.not_before, email.not_before) == (opening, opening + timedelta(minutes=10))


@rule("RM-4.2.8")
def test_an_unopened_suggestion_box_is_told_until_the_opening_is_written_down() -> None:
    asked = [to.command for to in on_visits(heard(MISSED))]
    sms, email = (command for command in asked if isinstance(command, RequestMessage))
    assert (sms.role, email.role) == (Role.CS_SUPERVISOR, Role.CS_SUPERVISOR)
    assert sms.not_before == MIDNIGHT + timedelta(hours=8, minutes=30)
    text = render("duty_missed", "zh", {**sms.values, "project": "星河湾"})
    assert text.body == (
        "星河湾：每周意见箱开启应于2026-10-01 24:00前完成，现已逾期，"
        "请您（客服部主管）安排。依据RM-4.2.8。"
    )
    done = list(on_visits(heard(DutyDone(**DUTY, done_at=MIDNIGHT - timedelta(hours=2)))))
    assert [to.stream for to in done] == [to.stream for to in on_visits(heard(MISSED))]
    assert all(isinstance(to.command, Suppress) for to in done)
    assert list(on_visits(heard(MISSED)._replace(history=MIDNIGHT))) == []


def test_of_a_follow_up_late_in_history_nobody_is_told() -> None:
    assert list(on_visits(heard(LATE)._replace(history=MIDNIGHT))) == []
    unnamed = LATE.model_copy(update={"to": None})
    assert list(on_visits(heard(unnamed))) == []


@pytest.mark.parametrize(
    "fact",
    [FollowupDone(**FOLLOWUP, mode=Mode.ON_SITE), FollowupWaived(**FOLLOWUP, reason="refused")],
)
def test_what_was_not_yet_told_is_taken_back_once_the_follow_up_is_owed_no_longer(
    fact: Fact,
) -> None:
    told = {to.stream for to in on_visits(heard(LATE))}
    back = list(on_visits(heard(fact)))
    assert {to.stream for to in back} == told
    assert all(isinstance(to.command, Suppress) for to in back)
