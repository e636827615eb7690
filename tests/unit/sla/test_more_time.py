"""More time: who may ask for it and decide on it, and what comes of silence."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.few_targets import only
from tests.support.given import Answer, Given, given
from tests.support.rules import rule

from steward_decider import Ring
from steward_events.sla import (
    BreachExcused,
    CaseNoted,
    ClockBreached,
    ClockMet,
    ClockRescheduled,
    Escalated,
    EscalationWithdrawn,
    ExtensionApproved,
    ExtensionRefused,
    ExtensionRequested,
)
from steward_events.vocabulary import Role
from steward_policy import packs
from steward_sla.domain.clocks import (
    AcknowledgeEscalation,
    ApproveExtension,
    ClocksDecider,
    HearCaseFact,
    RefuseExtension,
    RequestExtension,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
RECEIVED = datetime(2026, 9, 28, 10, tzinfo=SHANGHAI)
DUE = datetime(2026, 10, 1, tzinfo=SHANGHAI)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNTIL = DUE + 3 * DAY


def heard(name: str, version: int, at: datetime, **fields: Any) -> HearCaseFact:
    return HearCaseFact(at, "c1", "p1", name, version, fields)


@pytest.fixture
def minor() -> Given:
    rules = only("minor-resolve")
    return given(
        heard("case_received", 1, RECEIVED, kind="complaint", policy=rules.version),
        heard("case_classified", 2, RECEIVED + HOUR, severity="minor", validity="valid"),
        by=ClocksDecider({rules.version: rules}.__getitem__),
    )


def asked(at: datetime = RECEIVED + 2 * HOUR, **said: Any) -> RequestExtension:
    fields = {"extension_id": "x", "clock": "minor-resolve#1", "until": UNTIL, "asked_by": "s1"}
    return RequestExtension(at, **{**fields, **said})


def approved(at: datetime = RECEIVED + 3 * HOUR, **said: Any) -> ApproveExtension:
    fields = {"extension_id": "x", "person_id": "m1", "role": Role.CENTRE_MANAGER}
    return ApproveExtension(at, **{**fields, **said})


def informed(at: datetime = RECEIVED + 4 * HOUR, **said: Any) -> HearCaseFact:
    return heard("owner_informed", 3, at, **{"about": "new_date", "extension_id": "x", **said})


def after(stream: Given, *commands: Any) -> Answer:
    answer = Answer(stream.decider, stream.state, ())
    for command in commands:
        answer = answer.when(command)
    return answer


def refusal(answer: Answer, command: Any) -> str:
    return Given(answer.decider, answer.state).refuses(command).reason


@rule("RM-4.10.1")
def test_more_time_runs_from_when_the_owner_was_told_of_it(minor: Given) -> None:
    request = minor.when(asked()).then(ExtensionRequested, Escalated)
    granted = request.when(approved()).then(ExtensionApproved, EscalationWithdrawn)
    granted.when(informed(about="progress")).then(CaseNoted)
    granted.when(informed(extension_id="another")).then(CaseNoted)
    told = granted.when(informed())
    told.then(CaseNoted, lambda f: isinstance(f, ClockRescheduled) and f.new_due == UNTIL)
    told.when(heard("case_handled", 4, DUE + DAY)).then(
        CaseNoted, lambda f: isinstance(f, ClockMet) and f.outcome == "with_approval"
    )


def test_more_time_from_which_nothing_can_be_counted_is_refused_with_a_sentence() -> None:
    """A day after the new date somebody is to be told, by a calendar that has ended by then."""
    told = "escalate: [{to: cs_supervisor, after: {days: 1, counting: working}}]"
    rules = packs.load(
        "overrides: residential-cn\nversion: listed\n"
        "calendars:\n  listed: {tz: Asia/Shanghai, hours: {}, working_days: ["
        + ", ".join(
            f'{{date: {DUE + day * DAY:%Y-%m-%d}, hours: [["09:00", "18:00"]]}}'
            for day in range(-3, 3)
        )
        + "]}\ntargets:\n  - {id: minor-resolve, calendar: listed, "
        + f"{told}, overdue: {{approval: centre_manager}}}}\n"
    )
    stream = given(
        heard("case_received", 1, RECEIVED, kind="complaint", policy=rules.version),
        heard("case_classified", 2, RECEIVED + HOUR, severity="minor", validity="valid"),
        by=ClocksDecider({rules.version: rules}.__getitem__),
    )
    assert refusal(stream.when(asked()), approved()) == (
        "The clocks cannot be computed: The calendar has too little working time after 2026."
    )


@rule("RM-4.10.1")
def test_what_was_done_in_time_is_given_no_more_of_it(minor: Given) -> None:
    done = after(minor, asked(), heard("case_handled", 3, RECEIVED + 3 * HOUR))
    ended = "This has ended; it needs no more time."
    assert refusal(done, approved(RECEIVED + 4 * HOUR)) == ended
    assert isinstance(done.when(approved(RECEIVED + 2 * HOUR)).facts[0], ExtensionApproved)


@rule("RM-4.10.1")
def test_more_time_that_was_approved_meanwhile_takes_nothing_from_what_the_owner_is_told(
    minor: Given,
) -> None:
    """Both are approved, in one minute even, before the owner knows of either."""
    at, later = RECEIVED + 4 * HOUR, UNTIL + DAY
    answer = after(
        minor,
        *(asked(), approved(), asked(extension_id="y", until=later)),
        *(approved(at, extension_id="y"), informed(at)),
    )
    rescheduled = [fact for fact in answer.facts if isinstance(fact, ClockRescheduled)]
    assert [fact.new_due for fact in rescheduled] == [UNTIL]
    second = heard("owner_informed", 4, at + HOUR, about="new_date", extension_id="y")
    answer.when(second).then(
        CaseNoted, lambda f: isinstance(f, ClockRescheduled) and f.new_due == later
    )


@rule("RM-4.10.1")
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (asked(DUE + HOUR), "More time is asked for before the due time, and that has passed."),
        (asked(until=DUE), "The new date is not later than the due time."),
        (asked(clock="triage#1"), "There is no such clock of this case."),
    ],
)
def test_more_time_is_asked_for_before_it_is_due_and_for_later(
    minor: Given, command: RequestExtension, reason: str
) -> None:
    assert minor.refuses(command).reason == reason


@rule("RM-4.10.1")
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (approved(role=Role.DEPUTY_MANAGER), "Only the service-centre manager or above decides on this."),
        (approved(person_id="s1"), "Who asked for more time does not decide on it."),
        (approved(extension_id="y"), "There is no such request of this case."),
    ],
)  # fmt: skip
def test_only_the_role_or_above_decides_and_never_who_asked(
    minor: Given, command: ApproveExtension, reason: str
) -> None:
    assert refusal(minor.when(asked()), command) == reason


@rule("RM-4.10.1")
def test_a_third_extension_and_one_beyond_ten_days_is_the_next_roles(minor: Given) -> None:
    far = minor.when(asked(until=DUE + 11 * DAY))
    assert refusal(far, approved()) == "Only the company leader or above decides on this."
    granted = far.when(approved(role=Role.COMPANY_LEADER))
    granted.then(ExtensionApproved, EscalationWithdrawn)
    steps: list[Any] = []
    for number, name in enumerate("ab", 1):
        at, until = RECEIVED + timedelta(hours=3 * number), DUE + number * DAY
        steps += [
            asked(at, extension_id=name, until=until),
            approved(at + HOUR, extension_id=name),
            heard("owner_informed", 2 + number, at + 2 * HOUR, about="new_date"),
        ]
    third = after(minor, *steps, asked(RECEIVED + DAY, until=DUE + 3 * DAY))
    assert refusal(third, approved(RECEIVED + DAY + HOUR)) == (
        "Only the company leader or above decides on this."
    )


def test_what_was_asked_or_decided_is_not_asked_or_decided_again(minor: Given) -> None:
    request = minor.when(asked())
    request.when(asked()).then()
    assert refusal(request, asked(extension_id="y")) == (
        "Another request for more time is still to be decided on."
    )
    refused = request.when(
        RefuseExtension(RECEIVED + 3 * HOUR, "x", "m1", Role.CENTRE_MANAGER)
    ).then(ExtensionRefused, EscalationWithdrawn)
    decided = "This request has been decided on, by somebody else or otherwise: for another time ask anew."
    assert refusal(refused, approved()) == decided
    granted = request.when(approved())
    granted.when(approved()).then()
    assert refusal(granted, approved(person_id="m2")) == decided
    assert refusal(granted, approved(role=Role.GENERAL_MANAGER)) == decided
    refused.when(asked(RECEIVED + 4 * HOUR, extension_id="y")).then(ExtensionRequested, Escalated)


@rule("RM-4.10.1")
def test_an_approval_after_the_due_time_excuses_the_breach_and_does_not_undo_it(
    minor: Given,
) -> None:
    late = after(minor, asked(), Ring(DUE), approved(DUE + HOUR))
    late.then(
        ExtensionApproved,
        EscalationWithdrawn,
        lambda f: isinstance(f, BreachExcused) and f.number == 1,
    )
    late.when(heard("case_handled", 3, DUE + 2 * HOUR)).then(
        CaseNoted, lambda f: isinstance(f, ClockMet) and f.outcome == "breached"
    )


@rule("RM-4.10.1")
def test_an_owner_who_is_told_too_late_leaves_an_excused_breach(minor: Given) -> None:
    granted = after(minor, asked(), approved(), Ring(DUE))
    granted.when(informed(DUE + HOUR)).then(CaseNoted, BreachExcused)


@rule("RM-4.10.1")
@pytest.mark.parametrize("reopened_first", [True, False])
def test_an_owner_who_is_told_after_the_reopening_excuses_the_breach_however_facts_come(
    minor: Given, reopened_first: bool
) -> None:
    granted = after(minor, asked(), approved(), Ring(DUE))
    both = [heard("case_reopened", 4, DUE + HOUR, round=2), informed(DUE + 2 * HOUR)]
    for fact in both if reopened_first else reversed(both):
        granted = granted.when(fact)
    assert granted.state.told["minor-resolve#1"].excused


@rule("RM-4.10.1")
@pytest.mark.parametrize(
    ("until", "to"),
    [(UNTIL, Role.CENTRE_MANAGER), (DUE + 11 * DAY, Role.COMPANY_LEADER)],
)
def test_who_has_to_decide_is_told_at_once_and_until_when(
    minor: Given, until: datetime, to: Role
) -> None:
    request = minor.when(asked(until=until))
    [told] = [f for f in request.facts if isinstance(f, Escalated)]
    assert (told.to, told.because, told.breach, told.step) == (to, "undecided", 0, -1)
    assert (told.deliver, told.told_at, told.due_at) == ("duty_hours", RECEIVED + 2 * HOUR, DUE)
    assert told.decide_by == datetime(2026, 9, 28, 16, tzinfo=SHANGHAI)
    again = request.when(RefuseExtension(RECEIVED + 3 * HOUR, "x", "m1", to)).when(
        asked(RECEIVED + 4 * HOUR, extension_id="y", until=until)
    )
    [told_again] = [f for f in again.facts if isinstance(f, Escalated)]
    assert told_again.escalation_id != told.escalation_id


def test_of_a_request_in_history_nobody_is_told(minor: Given) -> None:
    imported = minor.when(
        HearCaseFact(RECEIVED + HOUR, "c1", "p1", "case_accepted", 3, {}, history=DUE)
    )
    imported.when(asked()).then(ExtensionRequested)


@rule("RM-4.10.1")
@pytest.mark.parametrize(
    "end",
    [
        approved(),
        RefuseExtension(RECEIVED + 3 * HOUR, "x", "m1", Role.CENTRE_MANAGER),
        heard("case_handled", 3, RECEIVED + 3 * HOUR),
        heard("case_classified", 3, RECEIVED + 3 * HOUR, severity="important", validity="valid"),
    ],
)
def test_who_has_to_decide_is_asked_no_longer_when_nothing_is_left_to_decide(
    minor: Given, end: Any
) -> None:
    request = minor.when(asked())
    [told] = [f for f in request.facts if isinstance(f, Escalated)]
    ended = request.when(end)
    [withdrawn] = [f for f in ended.facts if isinstance(f, EscalationWithdrawn)]
    assert (withdrawn.escalation_id, withdrawn.settled) == (told.escalation_id, True)
    more = ended.when(heard("case_accepted", 9, RECEIVED + 5 * HOUR))
    assert not [f for f in more.facts if isinstance(f, Escalated | EscalationWithdrawn)]


@rule("RM-4.10.1")
def test_who_has_to_decide_is_asked_no_longer_whatever_was_heard_meanwhile(minor: Given) -> None:
    request = minor.when(asked()).when(heard("case_accepted", 3, RECEIVED + 2 * HOUR))
    ended = request.when(RefuseExtension(RECEIVED + 3 * HOUR, "x", "m1", Role.CENTRE_MANAGER))
    [withdrawn] = [f for f in ended.facts if isinstance(f, EscalationWithdrawn)]
    assert withdrawn.settled


@rule("RM-4.10.1")
@pytest.mark.parametrize("acknowledged", [False, True])
def test_the_silence_of_who_has_to_decide_climbs_only_by_what_is_undecided(
    minor: Given, acknowledged: bool
) -> None:
    stream = minor.when(asked())
    [told] = [f for f in stream.facts if isinstance(f, Escalated)]
    if acknowledged:
        stream = stream.when(AcknowledgeEscalation(RECEIVED + 3 * HOUR, told.escalation_id, "m1"))
    climbed = []
    while (at := stream.decider.wake_at(stream.state)) is not None and at < DUE:
        stream = stream.when(Ring(at))
        climbed += [f for f in stream.facts if isinstance(f, Escalated)]
    assert [(f.because, f.to) for f in climbed] == [
        ("undecided", Role.COMPANY_LEADER),
        ("unacknowledged", Role.GENERAL_MANAGER),
    ]


@rule("RM-4.10.1")
@pytest.mark.parametrize(
    ("asked_at", "told_at"),
    [
        # Four hours of the office: 13:30-18:00 after the lunch break, and the next morning.
        (RECEIVED, datetime(2026, 9, 28, 15, 30, tzinfo=SHANGHAI)),
        (DUE - 10 * HOUR, datetime(2026, 9, 30, 18, tzinfo=SHANGHAI)),
        (DUE - HOUR, DUE),
    ],
)
def test_a_request_that_nobody_decides_on_goes_to_the_next_role(
    minor: Given, asked_at: datetime, told_at: datetime
) -> None:
    stream = minor.when(asked(max(asked_at, RECEIVED + HOUR)))
    told = []
    while (at := stream.decider.wake_at(stream.state)) is not None and at <= DUE:
        stream = stream.when(Ring(at))
        told += [f for f in stream.facts if isinstance(f, Escalated) and f.because == "undecided"]
    assert [(f.to, f.step, f.breach) for f in told] == [(Role.COMPANY_LEADER, -1, 0)]
    assert told[0].told_at is not None
    assert told[0].told_at <= DUE


def test_a_request_that_was_decided_on_is_told_to_nobody(minor: Given) -> None:
    stream = after(minor, asked(), approved())
    told = []
    while (at := stream.decider.wake_at(stream.state)) is not None and at < DUE:
        stream = stream.when(Ring(at))
        told += [f for f in stream.facts if isinstance(f, Escalated)]
    assert not told


@rule("RM-4.10.1")
def test_what_was_told_of_a_request_climbs_no_higher_once_it_is_decided_on(minor: Given) -> None:
    stream = minor.when(asked())
    told: list[Escalated] = []
    while not told:
        stream = stream.when(Ring(stream.decider.wake_at(stream.state) or DUE))
        told += [f for f in stream.facts if isinstance(f, Escalated)]
    stream = stream.when(approved((told[0].told_at or DUE) + HOUR))
    while (at := stream.decider.wake_at(stream.state)) is not None and at < DUE:
        stream = stream.when(Ring(at))
        assert not [f for f in stream.facts if isinstance(f, Escalated)]


@rule("RM-4.10.1")
def test_a_request_undecided_at_the_due_time_is_a_breach(minor: Given) -> None:
    answer = after(minor, asked(DUE - HOUR), Ring(DUE))
    assert [type(f) for f in answer.facts if not isinstance(f, Escalated)][-1] is ClockBreached
