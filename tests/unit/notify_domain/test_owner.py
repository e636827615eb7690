"""What owners are told of their cases, when, and over which channels."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from tests.support.given import Answer, given
from tests.support.rules import rule

from steward_decider import NotHeardYet
from steward_events.fact import Fact
from steward_events.intake import (
    AppointmentMade,
    CaseAccepted,
    CaseClassified,
    CaseClosed,
    CaseCorrected,
    CaseReceived,
    CaseRefused,
    CaseWithdrawn,
    HouseholdConcerned,
    OwnerMessageRequested,
)
from steward_events.notify import (
    CaseNoted,
    MessageDelivered,
    MessageRequested,
    MessageSuppressed,
)
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.sla import ExtensionApproved, OwnerDateDeclined
from steward_events.vocabulary import Concern, Kind, Part, Party, Role, Urgency
from steward_notify.api.subscribers import on_intake, on_sla
from steward_notify.app import outcome_of
from steward_notify.application.reactions import owner_stream_of, stream_of
from steward_notify.domain import owner
from steward_notify.domain.message import (
    BeginSending,
    NoteFailed,
    NoteReceipt,
    NoteSent,
    Suppress,
)
from steward_notify.domain.owner import About, OwnerDecider
from steward_notify.texts import Language, render
from steward_policy import packs
from steward_policy.packs import Rules

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 10, 9, 12, 0, tzinfo=SHANGHAI)
NIGHT = NOON.replace(hour=22)
TERM = timedelta(minutes=10)
PHONE = Sealed(subject="household-h1", field="reporter_phone", value_id="1", box="")
EMAIL = Sealed(subject="household-h1", field="reporter_email", value_id="2", box="")
TEXT = Sealed(subject="household-h1", field="text", value_id="3", box="")
BUILT_IN = packs.built_in()
REQUEST = CaseReceived(
    case_id="c1",
    number="P1-2026-00001",
    project_id="p1",
    zone="Asia/Shanghai",
    policy=BUILT_IN.version,
    kind=Kind.SERVICE_REQUEST,
    household_id="h1",
    summary=TEXT,
)
COMPLAINT = REQUEST.model_copy(update={"kind": Kind.COMPLAINT})
APPROVED = ExtensionApproved(
    case_id="c1",
    project_id="p1",
    clock="minor-resolve#1",
    target="minor-resolve",
    rule=("RM-4.10.1",),
    extension_id="x1",
    at=NOON,
    until=datetime(2026, 10, 12, 0, 0, tzinfo=SHANGHAI),
    approved_by="s1",
    role=Role.CENTRE_MANAGER,
)


def heard(fact: Fact, at: datetime = NOON) -> Recorded:
    source = fact.wire_name.partition(".")[0]
    return Recorded(
        UUID(int=7), fact.wire_type, "s", 1, "p1", f"/steward/{source}", at, at, at, fact
    )


def commands(recorded: Recorded) -> list[Any]:
    on = on_sla if recorded.source.endswith("sla") else on_intake
    found = list(on(recorded))
    assert {to.stream for to in found} <= {owner_stream_of("c1")}
    return [to.command for to in found]


def told(*facts: Fact | Recorded, by: Iterable[Rules] = (BUILT_IN,)) -> list[Any]:
    """All that the last fact makes the owner be told."""
    answer = after(*facts, by=by)
    return [fact for fact in answer.facts if not isinstance(fact, CaseNoted)]


def after(*facts: Fact | Recorded, by: Iterable[Rules] = (BUILT_IN,)) -> Answer:
    decider = OwnerDecider({rules.version: rules for rules in by}.__getitem__)
    answer = Answer(decider, decider.initial, ())
    for fact in facts:
        said: tuple[Fact, ...] = ()
        for command in commands(fact if isinstance(fact, Recorded) else heard(fact)):
            answer = answer.when(command)
            said += answer.facts
        answer = replace(answer, facts=said)
    return answer


@rule("RC-5.1..2")
def test_a_service_request_is_confirmed_to_the_owner_by_sms_and_by_email_if_that_fails() -> None:
    sms, email = told(REQUEST)
    assert (sms.template, sms.values["case_number"]) == ("case_received", "P1-2026-00001")
    assert (sms.sealed, sms.rule, sms.role) == ({"summary": TEXT}, ("RC-5.1..2",), None)
    assert (sms.channel, sms.not_before, sms.instead_of) == ("sms", None, None)
    assert (email.channel, email.not_before) == ("email", NOON + TERM)
    assert email.instead_of == sms.message_id
    assert sms.household_id == email.household_id == "h1"


@pytest.mark.parametrize(
    "end",
    [
        CaseClosed(case_id="c1", by="external"),
        CaseRefused(case_id="c1", round=1),
        CaseWithdrawn(case_id="c1", how="phone"),
    ],
)
def test_of_a_case_that_has_ended_the_receipt_is_told_no_longer(end: Fact) -> None:
    sms, email = told(REQUEST)
    taken_back = told(REQUEST, end)
    assert [type(fact) for fact in taken_back] == [MessageSuppressed, MessageSuppressed]
    assert [fact.message_id for fact in taken_back] == [sms.message_id, email.message_id]
    assert {fact.reason for fact in taken_back} == {"case_ended"}


def test_what_was_agreed_is_told_also_where_the_case_has_ended() -> None:
    appointment = AppointmentMade(case_id="c1", appointment_id="a1", at=NOON)
    assert told(COMPLAINT, appointment, CaseClosed(case_id="c1")) == []


@pytest.mark.parametrize("language", get_args(Language))
@rule("RC-5.1..2")
def test_a_receipt_promises_nothing(language: Language) -> None:
    sms, _ = told(REQUEST)
    text = render(sms.template, language, {**sms.values, "project": "星河湾", "summary": "漏水"})
    assert text.body in (
        "您好，您在星河湾的报事“漏水”已受理，编号P1-2026-00001。",
        'Your request "漏水" at 星河湾 has been received under the number P1-2026-00001.',
    )


def test_a_complaint_is_not_confirmed_by_message_since_no_rule_demands_it() -> None:
    assert told(COMPLAINT) == []


@rule("FU-4.1.3")
def test_an_agreed_appointment_is_told_in_the_projects_time() -> None:
    at = datetime.fromisoformat("2026-10-10T06:00:00+00:00")
    sms, _ = told(COMPLAINT, AppointmentMade(case_id="c1", appointment_id="a1", at=at))
    assert sms.template == "appointment_made"
    assert sms.values["appointment"] == "2026-10-10T14:00:00+08:00"


@rule("RM-4.10.1", "RM-4.10.2")
def test_the_new_date_of_an_extension_is_told_and_its_delivery_names_the_extension() -> None:
    answer = after(COMPLAINT, APPROVED)
    sms, _ = answer.facts
    assert isinstance(sms, MessageRequested)
    assert sms.values["new_date"] == "2026-10-12T00:00:00+08:00"
    delivered = arrived(answer, sms)
    assert (delivered.case_id, delivered.about, delivered.about_id) == ("c1", "new_date", "x1")


@rule("RM-4.5.2c")
def test_an_owner_knows_at_once_that_an_earlier_date_does_not_bind() -> None:
    asked = datetime(2026, 10, 10, 18, tzinfo=SHANGHAI)
    declined = OwnerDateDeclined(
        case_id="c1",
        project_id="p1",
        clock="minor-resolve#1",
        target="minor-resolve",
        rule=("RM-4.5.2c",),
        asked_for=asked,
        due_at=datetime(2026, 10, 12, tzinfo=SHANGHAI),
    )
    sms, email = told(COMPLAINT, declined)
    assert (sms.template, sms.rule, sms.about) == ("owner_date_declined", ("RM-4.5.2c",), "")
    assert email.instead_of == sms.message_id
    assert sms.not_before is None
    assert render("owner_date_declined", "zh", {**sms.values, "project": "星河湾"}).body == (
        "您好，您希望星河湾事项P1-2026-00001于2026年10月10日 18:00前完成，我们无法承诺这一时间，"
        "最迟于2026年10月11日 24:00完成。如有异议，请联系服务中心。"
    )
    with pytest.raises(NotHeardYet):
        told(declined)


@rule("RM-4.6.3")
def test_the_result_is_told_by_message_where_somebody_asks_for_it() -> None:
    asked = OwnerMessageRequested(case_id="c1", request_id="r1", round=2, about="result", text=TEXT)
    answer = after(COMPLAINT, asked)
    sms, _ = answer.facts
    assert isinstance(sms, MessageRequested)
    assert (sms.template, sms.sealed) == ("result_told", {"result": TEXT})
    delivered = arrived(answer, sms)
    assert (delivered.about, delivered.about_id) == ("result", "2")


@rule("RM-4.8")
def test_the_reason_of_a_refusal_is_told_and_its_delivery_names_the_round() -> None:
    reason = TEXT.model_copy(update={"field": "reason"})
    refused = CaseRefused(case_id="c1", round=2, reason=reason)
    answer = after(COMPLAINT, refused)
    sms, email = answer.facts
    assert isinstance(sms, MessageRequested)
    assert isinstance(email, MessageRequested)
    assert (sms.template, sms.rule, sms.sealed) == ("case_refused", ("RM-4.8",), {"reason": reason})
    assert email.instead_of == sms.message_id
    delivered = arrived(answer, sms)
    assert (delivered.about, delivered.about_id) == ("refusal", "2")
    short = reason.model_copy(update={"field": "text"})
    sms, email = told(COMPLAINT, refused.model_copy(update={"text": short}))
    assert sms.sealed == email.sealed == {"reason": short}
    # Another system has given no reason that could be told.
    assert told(COMPLAINT, CaseRefused(case_id="c1", round=1)) == []


@rule("RC-4.3", "HV-4.3.3c")
@pytest.mark.parametrize("about", ["solution", "progress", "other"])
def test_a_solution_or_progress_is_told_by_message_where_somebody_asks_for_it(about: Any) -> None:
    asked = OwnerMessageRequested(case_id="c1", request_id="r1", about=about, text=TEXT)
    sms, email = told(COMPLAINT, asked)
    assert (sms.template, email.template) == ("owner_message_requested",) * 2
    assert (sms.about, sms.sealed) == (about, {"text": TEXT})
    one = asked.model_copy(update={"proposal_id": "p1"})
    assert {told(COMPLAINT, each)[0].about_id for each in (asked, one)} == {"1", "p1"}


def test_a_message_that_speaks_for_several_cases_says_so_when_it_has_arrived() -> None:
    asked = OwnerMessageRequested(
        case_id="c1", request_id="s1", about="progress", text=TEXT, incident="i1", also=("c2",)
    )
    answer = after(COMPLAINT, asked)
    sms, _ = answer.facts
    assert isinstance(sms, MessageRequested)
    delivered = arrived(answer, sms)
    assert (delivered.case_id, delivered.incident, delivered.also) == ("c1", "i1", ("c2",))


RESULT = OwnerMessageRequested(case_id="c1", request_id="r1", about="result", text=TEXT)
TOLD = MessageRequested.wire_name
AGREED = AppointmentMade(case_id="c1", appointment_id="a1", at=NOON + timedelta(days=1))
NEIGHBOUR = HouseholdConcerned(
    case_id="c1", household_id="h2", part=Part.COMPLAINANT, number="P1-2026-00009"
)


def asked(answer: Answer) -> dict[str, MessageRequested]:
    """Give the text messages that were asked for, by whose they are."""
    return {
        fact.household_id or "-": fact
        for fact in answer.facts
        if isinstance(fact, MessageRequested) and fact.channel == "sms"
    }


@rule("RM-4.6.3")
def test_each_household_that_complains_is_told_by_the_number_that_it_knows() -> None:
    left = PHONE.model_copy(update={"subject": "household-h2"})
    texts = asked(after(COMPLAINT, NEIGHBOUR.model_copy(update={"phone": left}), RESULT))
    assert {id_: text.values["case_number"] for id_, text in texts.items()} == {
        "h1": "P1-2026-00001",
        "h2": "P1-2026-00009",
    }
    assert (texts["h1"].address, texts["h2"].address) == (None, left)
    assert texts["h1"].message_id != texts["h2"].message_id
    assert stream_of(texts["h2"].message_id) == owner_stream_of("c1")
    also = COMPLAINT.model_copy(
        update={"concerns": (Concern(household_id="h2", part=Part.COMPLAINANT),)}
    )
    assert asked(after(also, RESULT))["h2"].values["case_number"] == "P1-2026-00001"
    merged = NEIGHBOUR.model_copy(update={"phone": left})
    again = NEIGHBOUR.model_copy(update={"number": "P1-2026-00010"})
    text = asked(after(also, merged, again, RESULT))["h2"]
    assert (text.values["case_number"], text.address) == ("P1-2026-00010", left)


def test_what_is_agreed_with_one_household_the_others_are_not_told() -> None:
    assert set(asked(after(COMPLAINT, NEIGHBOUR, AGREED))) == {"h1"}
    assert set(asked(after(COMPLAINT, NEIGHBOUR, APPROVED))) == {"h1", "h2"}
    other = RESULT.model_copy(update={"about": "other"})
    assert set(asked(after(COMPLAINT, NEIGHBOUR, other))) == {"h1"}
    statement = other.model_copy(update={"incident": "i1"})
    assert set(asked(after(COMPLAINT, NEIGHBOUR, statement))) == {"h1", "h2"}
    closed = after(COMPLAINT, NEIGHBOUR, CaseClosed(case_id="c1"), by=[telling_of("case_closed")])
    assert set(asked(closed)) == {"h1", "h2"}
    accepted = CaseAccepted(case_id="c1", role=Role.CS_SUPERVISOR)
    taken = after(COMPLAINT, NEIGHBOUR, accepted, by=[telling_of("case_accepted")])
    assert set(asked(taken)) == {"h1"}


def telling_of(fact: str) -> Rules:
    """Give the built-in pack with one more message to owners, in its own version."""
    tells = f"tells: [{{id: more, rule: [RM-4.6.3], basis: default, after: {fact}}}]"
    text = f"overrides: residential-cn\nversion: more\nadd:\n  {tells}\n"
    return replace(packs.load(text, "more.yaml"), version=BUILT_IN.version)


def test_whose_case_it_is_is_told_once_whatever_else_is_said_of_it() -> None:
    own = NEIGHBOUR.model_copy(update={"household_id": "h1"})
    texts = [fact for fact in after(COMPLAINT, own, RESULT).facts if fact.wire_name == TOLD]
    assert len(texts) == 2


def received_of(*complain: str) -> CaseReceived:
    concerns = tuple(Concern(household_id=id_, part=Part.COMPLAINANT) for id_ in complain)
    return COMPLAINT.model_copy(update={"concerns": concerns})


def test_a_reception_is_noted_in_one_fact_however_many_complain() -> None:
    many = [f"h{n}" for n in range(1, 301)]
    [noted] = after(received_of(*many, "h2")).facts
    assert isinstance(noted, CaseNoted)
    assert noted.complainants == dict.fromkeys(many[1:], "P1-2026-00001")
    assert set(asked(after(received_of(*many), RESULT))) == set(many)


def test_what_was_noted_household_by_household_is_read_as_it_was() -> None:
    answer = after(received_of("h2", "h3"))
    [noted] = answer.facts
    state = answer.decider.initial
    for complain in ({}, {"h2": "P1-2026-00001"}, {"h2": "P1-2026-00001", "h3": "P1-2026-00001"}):
        earlier = noted.model_copy(update={"complainants": complain})
        state = answer.decider.evolve(state, earlier)
    assert state == answer.state


def test_who_is_complained_of_or_only_affected_is_told_nothing() -> None:
    concerns = tuple(
        Concern(household_id=id_, part=part)
        for id_, part in (("h3", Part.COUNTERPART), ("h4", Part.AFFECTED))
    )
    case = COMPLAINT.model_copy(update={"concerns": concerns})
    no_more = NEIGHBOUR.model_copy(update={"part": None})
    assert set(asked(after(case, NEIGHBOUR, no_more, RESULT))) == {"h1"}


@rule("RM-4.6.3")
def test_the_result_is_told_when_it_has_reached_every_household_that_complains() -> None:
    answer = after(COMPLAINT, NEIGHBOUR, RESULT)
    texts = asked(answer)
    for first, last in (("h1", "h2"), ("h2", "h1")):
        found = arrived(answer, texts[first])
        assert (found.case_id, found.about) == ("c1", "")
        told = Answer(answer.decider, answer.state, ())
        for sms in (texts[first], texts[last]):
            delivered, told = arriving(told, sms)
        assert (delivered.about, delivered.about_id) == ("result", "1")


def test_when_a_message_changes_only_those_that_tell_the_same_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[str] = []

    def whose(one: owner.OneMessage, case: CaseNoted) -> str:
        looked_at.append(one.requested.message_id)
        return _whose(one, case)

    _whose = owner._whose
    monkeypatch.setattr(owner, "_whose", whose)
    answer, texts = after(COMPLAINT, NEIGHBOUR), []
    for number in range(10):
        [result] = commands(heard(RESULT)._replace(id=UUID(int=number)))
        answer = answer.when(result)
        texts.append(asked(answer))
    for text in texts:
        _, answer = arriving(answer, text["h1"])
    before = answer.state.tellings
    looked_at.clear()
    delivered, answer = arriving(answer, texts[0]["h2"])
    assert delivered.about == "result"
    [same] = [same for same in before.values() if texts[0]["h2"].message_id in same]
    assert set(looked_at) == set(same)
    changed = [
        telling for telling, its in answer.state.tellings.items() if its is not before[telling]
    ]
    assert len(changed) == 1


@rule("RM-4.6.3")
def test_who_complains_no_longer_is_not_waited_for() -> None:
    answer = after(COMPLAINT, NEIGHBOUR, RESULT)
    texts = asked(answer)
    for command in commands(heard(NEIGHBOUR.model_copy(update={"part": None}))):
        answer = answer.when(command)
    assert arrived(answer, texts["h1"]).about == "result"


@rule("RM-4.6.3")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_whom_no_message_reaches_is_not_waited_for(before: bool, fails: bool) -> None:
    answer = after(COMPLAINT, NEIGHBOUR, RESULT)
    texts = asked(answer)
    over = not_reached(answer, "h2", fails=fails) if before else answer
    first, over = arriving(over, texts["h1"])
    assert (first.about == "result") is before
    if not before:
        over = not_reached(over, "h2", fails=fails)
        known = over.facts[-1]
        assert known == first.model_copy(update={"about": "result", "about_id": "1", "again": True})
    said_before = over.when(About(texts["h2"].message_id, Suppress(NOON, "erased")))
    assert said_before.facts == ()


@rule("RM-4.6.3")
def test_a_failed_message_to_whose_case_it_is_leaves_the_result_untold() -> None:
    answer = after(COMPLAINT, NEIGHBOUR, RESULT)
    failed = not_reached(answer, "h1", fails=True)
    assert arrived(failed, asked(answer)["h2"]).about == ""
    nowhere = not_reached(answer, "h1", fails=False)
    assert arrived(nowhere, asked(answer)["h2"]).about == "result"


@rule("RM-4.6.3")
def test_who_is_waited_for_and_then_complains_no_longer_lets_it_be_known() -> None:
    answer = after(COMPLAINT, NEIGHBOUR, RESULT, AGREED)
    delivered, answer = arriving(answer, asked(after(COMPLAINT, NEIGHBOUR, RESULT))["h1"])
    [no_more] = commands(heard(NEIGHBOUR.model_copy(update={"part": None})))
    noted, known = answer.when(no_more).facts
    assert isinstance(noted, CaseNoted)
    assert isinstance(known, MessageDelivered)
    # It has arrived once.
    assert (outcome_of(delivered), outcome_of(known)) == ("delivered", "")
    assert (known.case_id, known.about, known.about_id) == ("c1", "result", "1")


@rule("RM-4.6.3")
def test_whose_case_it_is_by_now_is_waited_for_and_whose_it_was_is_not() -> None:
    left = PHONE.model_copy(update={"subject": "household-h2"})
    answer = after(COMPLAINT, NEIGHBOUR.model_copy(update={"phone": left}), RESULT)
    texts = asked(answer)

    def corrected(answer: Answer, household_id: str) -> Answer:
        fact = CaseCorrected(case_id="c1", correction_id="k", household_id=household_id)
        [command] = commands(heard(fact))
        return answer.when(command)

    # It is the neighbour's, who knows: nobody is waited for any longer.
    first, told = arriving(answer, texts["h2"])
    noted, known = corrected(told, "h2").facts
    assert isinstance(noted, CaseNoted)
    assert (first.about, noted.complainants, noted.phones) == ("", {}, {})
    assert known == first.model_copy(update={"about": "result", "about_id": "1", "again": True})
    # It is another's, to whom nothing was sent: that the others know is not enough.
    [noted] = corrected(told, "h3").facts
    assert isinstance(noted, CaseNoted)
    of_another = corrected(answer, "h3")
    for household_id in ("h1", "h2"):
        found, of_another = arriving(of_another, texts[household_id])
        assert found.about == ""
    # Who reported it is told where they said, whichever household it was.
    reported = after(COMPLAINT.model_copy(update={"reporter_phone": PHONE}), RESULT)
    assert arrived(corrected(reported, "h3"), asked(reported)["h1"]).about == "result"


def not_reached(answer: Answer, household_id: str, *, fails: bool) -> Answer:
    """Let a household have no address left, be it that the text to it failed before."""
    told = [one.requested for same in answer.state.tellings.values() for one in same.values()]
    of = [requested for requested in told if requested.household_id == household_id]
    for requested in of:
        commands: list[Any] = [Suppress(NOON, "no_address")]
        if fails and requested.channel == "sms":
            commands = [BeginSending(NOON, None, None), NoteFailed(NOON, "isv.MOBILE_NUMBER")]
        for command in commands:
            answer = answer.when(About(requested.message_id, command))
    return answer


def arrived(answer: Answer, sms: MessageRequested) -> MessageDelivered:
    return arriving(answer, sms)[0]


def arriving(answer: Answer, sms: MessageRequested) -> tuple[MessageDelivered, Answer]:
    for command in (
        BeginSending(NOON, None, None),
        NoteSent(NOON, "biz"),
        NoteReceipt(NOON, "biz", delivered=True),
    ):
        answer = answer.when(About(sms.message_id, command))
    [delivered] = answer.facts
    assert isinstance(delivered, MessageDelivered)
    return delivered, answer


def test_a_message_to_the_owner_stands_in_the_stream_of_its_case() -> None:
    sms, email = told(REQUEST)
    assert stream_of(sms.message_id) == stream_of(email.message_id) == owner_stream_of("c1")


@pytest.mark.parametrize(
    ("at", "begins"),
    [
        (NIGHT, NIGHT.replace(day=10, hour=8)),
        (NIGHT.replace(hour=21), NIGHT.replace(day=10, hour=8)),
        (NIGHT.replace(hour=20, minute=59), None),
        (NOON.replace(hour=7, minute=59), NOON.replace(hour=8)),
        (NOON.replace(hour=8), None),
    ],
)
def test_at_night_owners_are_left_in_peace(at: datetime, begins: datetime | None) -> None:
    sms, email = told(REQUEST, heard(AGREED, at))
    assert sms.not_before == begins
    assert email.not_before == (begins or at) + TERM


@rule("RC-5.1..2")
def test_who_asks_at_night_is_told_at_once_that_it_was_received() -> None:
    sms, _ = told(heard(REQUEST, NIGHT))
    assert (sms.template, sms.not_before) == ("case_received", None)


@pytest.mark.parametrize(
    "emergency",
    [
        CaseClassified(case_id="c1", urgency=Urgency.EMERGENCY),
        COMPLAINT.model_copy(update={"harm_ongoing": True}),
    ],
)
def test_in_an_emergency_owners_are_told_at_night_too(emergency: Fact) -> None:
    appointed = heard(AppointmentMade(case_id="c1", appointment_id="a", at=NIGHT), NIGHT)
    received = emergency if isinstance(emergency, CaseReceived) else COMPLAINT
    sms, _ = told(received, *([] if received is emergency else [emergency]), appointed)
    assert sms.not_before is None


def test_whoever_left_an_address_is_told_there_and_nobody_else_is() -> None:
    sms, email = told(REQUEST.model_copy(update={"reporter_phone": PHONE}))
    assert (sms.address, sms.household_id) == (PHONE, "h1")
    assert (email.address, email.household_id) == (None, None)
    sms, email = told(
        COMPLAINT, CaseCorrected(case_id="c1", correction_id="k", reporter_email=EMAIL), APPROVED
    )
    assert (sms.address, email.address) == (None, EMAIL)


@pytest.mark.parametrize("party", [Party.ANONYMOUS, Party.AUTHORITY])
def test_who_does_not_speak_for_the_household_is_not_told_at_its_address(party: Party) -> None:
    requested, suppressed = told(REQUEST.model_copy(update={"party": party}))
    assert requested.household_id is None
    assert suppressed == MessageSuppressed(
        message_id=requested.message_id, channel="sms", reason="no_address"
    )


def test_of_history_owners_are_told_nothing_and_of_what_follows_they_are() -> None:
    past = heard(REQUEST)._replace(history=NOON)
    assert told(past) == []
    assert len(told(past, APPROVED)) == 2


def test_a_case_that_was_not_heard_of_yet_lets_the_fact_wait() -> None:
    [command] = commands(heard(APPROVED))
    refused = given(by=OwnerDecider(dict[str, Rules]().__getitem__)).refuses(command)
    assert isinstance(refused, NotHeardYet)


def test_of_a_case_from_before_notify_told_owners_nothing_is_told() -> None:
    assert told(AppointmentMade(case_id="c1", appointment_id="a1", at=NOON)) == []
    assert told(CaseClassified(case_id="c1")) == []


def test_a_group_may_tell_more_and_over_both_channels() -> None:
    more = packs.load(
        """
overrides: residential-cn
version: more
messages: {owners: both, quiet: {from: "12:00", until: "13:00"}}
add:
  tells:
    - {id: closed-told, rule: [RM-4.6.3], basis: default, after: case_closed}
""",
        "more.yaml",
    )
    received = COMPLAINT.model_copy(update={"policy": more.version})
    sms, email = told(received, CaseClosed(case_id="c1"), by=[more])
    assert (sms.template, sms.instead_of, email.instead_of) == ("case_closed", None, None)
    assert sms.not_before == email.not_before == NOON.replace(hour=13)
