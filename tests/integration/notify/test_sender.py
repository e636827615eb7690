"""The sender at work: a real database, a real mail server."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import httpx2
import pytest
from structlog.testing import capture_logs
from tests.integration.notify.conftest import RunningSink
from tests.support.prepared import tables_of, with_keys
from tests.support.rules import rule
from tests.support.stack import FreshDatabase
from tests.support.waiting import until

from steward_events.fact import Fact
from steward_events.intake import (
    CaseHandled,
    CaseJoinedIncident,
    CaseLeftIncident,
    CaseReceived,
    CaseRefused,
    IncidentOpened,
)
from steward_events.notify import (
    AdministratorAlarmed,
    MessageFailed,
    MessageSent,
    MessageSuppressed,
)
from steward_events.recorded import Recorded
from steward_events.registry import (
    DutyRosterPublished,
    PersonRegistered,
    ProjectRegistered,
    RoleAssigned,
    RoleDelegated,
    Shift,
    StaffRegistered,
)
from steward_events.sealed import Sealed
from steward_events.vocabulary import Kind, Language, Role
from steward_eventstore.execute import Cause, Executor, Job, To
from steward_eventstore.postgres import PostgresStore
from steward_notify.adapters import read_models
from steward_notify.adapters.directory import PostgresDirectory
from steward_notify.adapters.email_smtp import MailServer, SmtpMail
from steward_notify.adapters.gateways import MailGateway, SmsGateway
from steward_notify.adapters.outbox import PostgresLead, PostgresMessageList, PostgresOutbox
from steward_notify.adapters.sms_aliyun import Account, AliyunSms
from steward_notify.api.subscribers import on_intake
from steward_notify.application import sender
from steward_notify.application.outcomes import Outcome, Sent
from steward_notify.application.ports import Gateway, OwedMessage
from steward_notify.application.reactions import stream_of
from steward_notify.application.sender import Sender
from steward_notify.domain.message import (
    BeginSending,
    Channel,
    Command,
    MessageDecider,
    NoteFailed,
    NoteReceipt,
    NoteSent,
    NoteUnknown,
    RequestMessage,
    Suppress,
)
from steward_notify.domain.owner import OwnerDecider
from steward_policy import packs
from steward_service import keys
from steward_service.sealing import Erased, Sealer

NOW = datetime.fromisoformat("2026-10-02T09:00:00+08:00")
DAY = timedelta(days=1)
BEGIN = BeginSending(NOW, "s1", Role.CS_SUPERVISOR)
BUILT_IN = packs.built_in()
VALUES = {
    "case_number": "P1-1",
    "severity": "minor",
    "target": "minor-resolve",
    "due": "2026-10-01 24:00",
    "rule": "RM-4.5.2c",
}


class Standing:
    """The time stands, as between two steps of the stepped clock."""

    def now(self) -> datetime:
        return NOW


async def prepare(dsn: str) -> None:
    await tables_of("notify")(dsn)
    await with_keys(dsn)


@dataclass
class Notify:
    """Notify's store, with a sender that can be started and stopped."""

    executor: Executor
    sender: Sender
    sealer: Sealer
    messages: PostgresMessageList
    heard: int = 0

    async def hear(self, *facts: Fact) -> None:
        for fact in facts:
            self.heard += 1
            id_ = UUID(int=self.heard)
            recorded = Recorded(
                id_, fact.wire_type, "s", self.heard, "p1", "/steward/intake", NOW, NOW, NOW, fact
            )
            await self.executor.execute(Job(Cause(id_, "notify"), tuple, heard=recorded))

    async def command(self, message_id: str, command: Command) -> None:
        cause = Cause(uuid5(UUID(int=0), f"{message_id}{command}"), "test")
        to = To(stream_of(message_id), "p1", command)
        await self.executor.execute(Job(cause, lambda: [to]))

    async def request(self, message_id: str, **more: Any) -> None:
        request = RequestMessage(
            NOW,
            message_id,
            more.pop("channel", "email"),
            "p1",
            more.pop("template", "escalation"),
            more.pop("role", Role.CS_SUPERVISOR),
            more.pop("values", VALUES),
            **more,
        )
        await self.command(message_id, request)

    async def statuses(self) -> dict[str, str]:
        rows = await self.messages.listed(None, {}, None, 1000)
        return {row["message_id"]: row["status"] for row in rows}

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.sender.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def notify(fresh_database: FreshDatabase, sink: RunningSink) -> AsyncIterator[Notify]:
    dsn = await fresh_database(prepare)
    store = await PostgresStore.connect(dsn)
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=2)
    clock = Standing()
    executor = Executor(
        store,
        clock,
        {
            "message": MessageDecider(),
            "owner": OwnerDecider({BUILT_IN.version: BUILT_IN}.__getitem__),
        },
        source="/steward/notify",
        partition_of=lambda _: 0,
        project=read_models.project,
    )
    sealer = Sealer(pool, b"k" * 32)
    server = MailServer("127.0.0.1", sink.port, "steward@example.cn", tls="none")
    sends = Sender(
        executor,
        PostgresOutbox(store.pool),
        PostgresDirectory(store.pool),
        {"email": MailGateway(SmtpMail(server), clock)},
        sealer,
        clock,
        clock,
    )
    found = Notify(executor, sends, sealer, PostgresMessageList(store.pool))
    await found.hear(
        ProjectRegistered(project_id="p1", group_id="g1", name="星河湾", zone="Asia/Shanghai"),
        StaffRegistered(
            person_id="s1",
            group_id="g1",
            email=await sealer.seal("staff-s1", "email", "wang@example.cn"),
        ),
    )
    yield found
    await pool.close()
    await store.close()


async def assign(notify: Notify, role: Role = Role.CS_SUPERVISOR) -> None:
    await notify.hear(RoleAssigned(project_id="p1", role=role, person_id="s1"))


async def assign_who_is_put_off(notify: Notify) -> None:
    """Let the role be held by somebody whose server refuses the first mail for now."""
    address = await notify.sealer.seal("staff-s1", "email", "wang+later@example.cn")
    await notify.hear(StaffRegistered(person_id="s1", group_id="g1", email=address))
    await assign(notify)


def ended(notify: Notify, *ids: str) -> Callable[[], Awaitable[bool]]:
    async def all_ended() -> bool:
        found = await notify.statuses()
        return not {found.get(id_, "owed") for id_ in ids} & {"owed", "sending"}

    return all_ended


async def test_what_is_owed_reaches_the_holder_of_the_role_once(
    notify: Notify, sink: RunningSink
) -> None:
    await assign(notify)
    ids = [f"m{number}" for number in range(40)]
    for id_ in ids:
        await notify.request(id_)
    async with notify.sending():
        await until(ended(notify, *ids), "not all were sent")
    assert set((await notify.statuses()).values()) == {"sent"}
    mails = sink.index()
    assert len({mail["message_id"] for mail in mails}) == len(mails) == len(ids)
    assert {tuple(mail["to"]) for mail in mails} == {("wang@example.cn",)}
    assert await notify.messages.outstanding(NOW) == 0


async def test_a_message_waits_for_duty_hours_and_is_not_outstanding_meanwhile(
    notify: Notify,
) -> None:
    await assign(notify)
    await notify.request("later", not_before=NOW + timedelta(hours=1))
    await notify.request("now", not_before=NOW)
    assert await notify.messages.outstanding(NOW) == 1
    async with notify.sending():
        await until(ended(notify, "now"), "it was not sent")
    assert await notify.statuses() == {"now": "sent", "later": "owed"}


async def test_what_is_counted_is_what_is_listed(notify: Notify) -> None:
    await notify.request("of-a-case", case_id="case-1")
    await notify.request("taken-back", case_id="case-1")
    await notify.command("taken-back", Suppress(NOW, "withdrawn"))
    await notify.request("of-another", case_id="case-2")
    counts = notify.messages.counts
    assert await counts(None, {}) == {"email": {"owed": 2, "suppressed": 1}}
    assert await counts(["p1"], {"case_id": "case-1"}) == {"email": {"owed": 1, "suppressed": 1}}
    assert await counts(None, {"case_id": "case-1", "status": "owed"}) == {"email": {"owed": 1}}
    assert await counts(["p2"], {}) == {}


async def test_what_a_killed_process_was_sending_is_unknown_and_not_sent_again(
    notify: Notify, sink: RunningSink
) -> None:
    await assign(notify)
    await notify.request("cut-off")
    await notify.command("cut-off", BeginSending(NOW, "s1", Role.CS_SUPERVISOR))
    await notify.request("next")
    async with notify.sending():
        await until(ended(notify, "cut-off", "next"), "the sender did not go on")
    assert await notify.statuses() == {"cut-off": "unknown", "next": "sent"}
    assert [mail["message_id"] for mail in sink.index()] == ["<next@example.cn>"]


class Odd:
    """A gateway whose answer about one message cannot be stored."""

    async def send(self, message_id: str, *_: object) -> Outcome:
        # PostgreSQL takes no NUL: a provider that answers with one has sent nevertheless.
        return Sent("\x00" if message_id == "odd" else message_id)


async def test_an_outcome_that_cannot_be_stored_becomes_unknown_and_holds_up_nobody(
    notify: Notify, sink: RunningSink
) -> None:
    await assign(notify)
    notify.sender.gateways = {"email": Odd()}
    await notify.request("odd")
    await notify.request("even")
    async with notify.sending():
        await until(ended(notify, "odd", "even"), "a message was left in sending")
    assert await notify.statuses() == {"odd": "unknown", "even": "sent"}


def take_back_while_unsealing(notify: Notify, monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
    unseal = notify.sealer.unseal

    async def taken_back_meanwhile(sealed: Sealed) -> str | Erased:
        for id_ in ids:
            await notify.command(id_, Suppress(NOW, "withdrawn"))
        return await unseal(sealed)

    monkeypatch.setattr(notify.sealer, "unseal", taken_back_meanwhile)


async def test_what_was_taken_back_at_the_last_moment_is_not_sent(
    notify: Notify, sink: RunningSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    await assign(notify)
    await notify.request("taken-back")
    take_back_while_unsealing(notify, monkeypatch, "taken-back")
    async with notify.sending():
        await until(ended(notify, "taken-back"), "it was not taken back")
        await notify.request("next")
        await until(ended(notify, "next"), "the sender did not go on")
    assert [mail["message_id"] for mail in sink.index()] == ["<next@example.cn>"]


async def test_who_was_erased_is_sent_nothing(notify: Notify, sink: RunningSink) -> None:
    await assign(notify)
    await notify.request("erased")
    await keys.erase_keys(notify.sealer._pool, ["staff-s1"])
    notify.sealer.forget("staff-s1")
    async with notify.sending():
        await until(ended(notify, "erased"), "the message was left")
    assert await notify.statuses() == {"erased": "suppressed"}
    assert not (sink.folder / "index.jsonl").exists()


async def test_it_is_looked_for_what_was_left_at_the_start_and_after_a_failure_only(
    notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[list[str]] = []
    left_sending = PostgresLead.left_sending

    async def counted(lead: PostgresLead, without: Sequence[str]) -> list[OwedMessage]:
        found = await left_sending(lead, without)
        looks.append([message.message_id for message in found])
        return found

    monkeypatch.setattr(PostgresLead, "left_sending", counted)
    monkeypatch.setattr(sender, "LOOK_SECONDS", 1000.0)
    await assign(notify)
    notify.sender.gateways = {"email": Odd()}
    for number in range(40):
        await notify.request(f"m{number}")
    async with notify.sending():
        await until(ended(notify, *(f"m{number}" for number in range(40))), "not all were sent")
        assert looks == [[]]
        await notify.request("odd")
        await until(ended(notify, "odd"), "it was left in sending")
    assert looks == [[], ["odd"]]


async def test_what_another_process_leaves_while_it_drains_is_found_too(
    notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "LOOK_SECONDS", 0.2)
    await assign(notify)
    await notify.request("first")
    async with notify.sending():
        await until(ended(notify, "first"), "it was not sent")
        await notify.request("left", not_before=NOW + timedelta(hours=1))
        await notify.command("left", BeginSending(NOW, "s1", Role.CS_SUPERVISOR))
        await until(ended(notify, "left"), "it was left in sending")
    assert await notify.statuses() == {"first": "sent", "left": "unknown"}


class Slow:
    """A gateway that answers only after the sender has looked twice for what was left."""

    def __init__(self) -> None:
        self.looks = 0

    async def send(self, message_id: str, *_: object) -> Outcome:
        seen = self.looks

        async def looked() -> bool:
            return self.looks >= seen + 2

        await until(looked, "the sender did not look for what was left")
        return Sent(message_id)


async def test_what_it_is_sending_itself_is_not_taken_for_left_behind(
    notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, left_sending = Slow(), PostgresLead.left_sending

    async def counted(lead: PostgresLead, without: Sequence[str]) -> list[OwedMessage]:
        found = await left_sending(lead, without)
        slow.looks += 1
        return found

    monkeypatch.setattr(PostgresLead, "left_sending", counted)
    monkeypatch.setattr(sender, "LOOK_SECONDS", 0.2)
    await assign(notify)
    notify.sender.gateways = {"email": slow}
    await notify.request("slow")
    async with notify.sending():
        await until(ended(notify, "slow"), "it was not sent")
    facts = await notify.executor.store.facts_of(stream_of("slow"))
    assert [fact.type.split(".")[1] for fact in facts] == [
        "message_requested",
        "message_sending",
        "message_sent",
    ]


async def test_of_two_processes_one_sends(notify: Notify, sink: RunningSink) -> None:
    await assign(notify)
    ids = [f"m{number}" for number in range(20)]
    for id_ in ids:
        await notify.request(id_)
    async with notify.sending():
        await until(ended(notify, *ids), "not all were sent")
        async with notify.sender.outbox.lead() as another:
            assert another is None, "It would take what is being sent for left behind."
    assert len(sink.index()) == len(ids)


async def test_a_correction_goes_only_to_whom_was_told(notify: Notify, sink: RunningSink) -> None:
    await assign(notify)
    await notify.request("told")
    await notify.request("taken-back")
    await notify.command("taken-back", Suppress(NOW, "withdrawn"))
    without_due = {name: value for name, value in VALUES.items() if name != "due"}
    for first in ("told", "taken-back"):
        await notify.request(
            f"not-{first}", template="breach_withdrawn", values=without_due, only_if_sent=first
        )
    async with notify.sending():
        await until(ended(notify, "told", "not-told", "not-taken-back"), "not all ended")
    found = await notify.statuses()
    assert found["not-told"] == "sent"
    assert found["not-taken-back"] == found["taken-back"] == "suppressed"
    subjects: Sequence[str] = [mail["subject"] for mail in sink.index()]
    assert subjects == ["【升级】P1-1 星河湾", "【撤销】P1-1 星河湾"]


async def test_a_correction_waits_while_what_it_corrects_is_to_be_tried_again(
    notify: Notify, sink: RunningSink
) -> None:
    await assign_who_is_put_off(notify)
    await notify.request("told")
    async with notify.sending():
        await until(tried_once(notify), "it was not refused for now")
    without_due = {name: value for name, value in VALUES.items() if name != "due"}
    await notify.request(
        "correction", template="breach_withdrawn", values=without_due, only_if_sent="told"
    )
    await notify.request("behind")
    async with notify.sending():
        await until(ended(notify, "behind"), "what stands behind was not sent")
    found = await notify.statuses()
    assert (found["told"], found["correction"]) == ("owed", "owed")
    assert len(sink.index()) == 1


async def test_a_role_without_holder_is_passed_over_and_the_fact_says_so(notify: Notify) -> None:
    await assign(notify, Role.CENTRE_MANAGER)
    await notify.request("climbing")
    async with notify.sending():
        await until(ended(notify, "climbing"), "nobody was told")
    facts = await notify.executor.store.facts_of(stream_of("climbing"))
    sending: Any = facts[1].fact
    assert (sending.role, sending.passed_over) == (
        Role.CENTRE_MANAGER,
        ("cs_supervisor: nobody holds it", "deputy_manager: nobody holds it"),
    )


async def staff(notify: Notify, *people: str) -> None:
    for person in people:
        await notify.hear(
            StaffRegistered(
                person_id=person,
                group_id="g1",
                email=await notify.sealer.seal(f"staff-{person}", "email", f"{person}@example.cn"),
            )
        )


async def first_attempt(notify: Notify, message_id: str) -> Any:
    async with notify.sending():
        await until(ended(notify, message_id), "nobody was told")
    facts = await notify.executor.store.facts_of(stream_of(message_id))
    return facts[1].fact


async def test_while_the_role_is_delegated_the_delegate_is_told(
    notify: Notify, sink: RunningSink
) -> None:
    await staff(notify, "s2")
    await assign(notify)
    hour = timedelta(hours=1)
    delegated = RoleDelegated(
        delegation_id="d1",
        project_id="p1",
        role=Role.CS_SUPERVISOR,
        person_id="s1",
        delegate_id="s2",
        since=NOW - hour,
        until=NOW + hour,
    )
    over = delegated.model_copy(update={"delegation_id": "d2", "until": NOW, "delegate_id": "s9"})
    await notify.hear(delegated, over)
    await notify.request("delegated")
    sending = await first_attempt(notify, "delegated")
    assert (sending.person_id, sending.standing_in) == ("s2", "delegate")
    assert sending.passed_over == ("cs_supervisor: s1 has delegated it",)
    assert [mail["to"] for mail in sink.index()] == [["s2@example.cn"]]


async def test_who_is_on_duty_now_is_told_where_the_holder_handled_the_matter(
    notify: Notify, sink: RunningSink
) -> None:
    await staff(notify, "s2", "s3")
    await assign(notify)
    shifts = tuple(
        Shift(role=Role.CS_SUPERVISOR, person_id=person, since=since, until=since + DAY)
        for person, since in (("s3", NOW - DAY), ("s2", NOW))
    )
    await notify.hear(
        DutyRosterPublished(roster_id="w40", project_id="p1", shifts=shifts),
        CaseHandled(case_id="c1", person_id="s1"),
    )
    await notify.request("on-duty", case_id="c1")
    sending = await first_attempt(notify, "on-duty")
    assert (sending.person_id, sending.standing_in) == ("s2", "on_duty")
    assert sending.passed_over == ("cs_supervisor: s1 handled the matter",)


async def test_a_roster_published_again_replaces_what_it_was(
    notify: Notify, sink: RunningSink
) -> None:
    await staff(notify, "s2", "s3")
    for person in ("s3", "s2"):
        shift = Shift(role=Role.CS_SUPERVISOR, person_id=person, since=NOW, until=NOW + DAY)
        await notify.hear(DutyRosterPublished(roster_id="w40", project_id="p1", shifts=(shift,)))
    await notify.request("on-duty")
    assert (await first_attempt(notify, "on-duty")).person_id == "s2"


async def test_when_nobody_is_found_the_administrator_is_alarmed(
    notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_NOBODY_TRIES", 1)
    await notify.request("to-nobody")
    async with notify.sending():
        await until(ended(notify, "to-nobody"), "it was not given up")
    facts = await notify.executor.store.facts_of(stream_of("to-nobody"))
    alarmed = facts[-1].fact
    assert isinstance(alarmed, AdministratorAlarmed)
    assert alarmed.passed_over[0] == "cs_supervisor: nobody holds it"
    assert (await notify.statuses())["to-nobody"] == "failed"


async def hear_case(notify: Notify, fact: Fact) -> None:
    notify.heard += 1
    id_ = UUID(int=notify.heard)
    recorded = Recorded(
        id_, fact.wire_type, "case-c1", notify.heard, "p1", "/steward/intake", NOW, NOW, NOW, fact
    )
    react = partial(on_intake, recorded)
    await notify.executor.execute(Job(Cause(id_, "notify"), react, heard=recorded))


async def received(notify: Notify, **more: Any) -> None:
    fields = {"kind": Kind.SERVICE_REQUEST, "household_id": "h1"} | more
    await hear_case(
        notify,
        CaseReceived(
            case_id="c1",
            number="P1-2026-00001",
            project_id="p1",
            zone="Asia/Shanghai",
            policy=BUILT_IN.version,
            **fields,
        ),
    )


async def live_in(notify: Notify, household: str, *addresses: str) -> None:
    for number, address in enumerate(addresses):
        subject = f"person-{number}"
        await notify.hear(
            PersonRegistered(
                person_id=subject,
                project_id="p1",
                household_id=household,
                language=Language.ENGLISH,
                email=await notify.sealer.seal(subject, "email", address) if address else None,
            )
        )


async def test_where_no_sms_can_be_sent_the_owner_gets_the_email_at_once_and_in_their_language(
    notify: Notify, sink: RunningSink
) -> None:
    await live_in(notify, "h1", "", "owner@example.cn")
    summary = await notify.sealer.seal("household-h1", "summary", "漏水")
    await received(notify, summary=summary)
    sms, email = sorted(await notify.statuses(), reverse=True)
    async with notify.sending():
        await until(ended(notify, sms, email), "the owner was not told")
    assert await notify.statuses() == {sms: "suppressed", email: "sent"}
    [mail] = sink.index()
    assert (mail["to"], mail["subject"]) == (["owner@example.cn"], "Received: P1-2026-00001")
    kept = message_from_bytes((sink.folder / mail["file"]).read_bytes(), policy=default)
    assert kept.get_content().startswith('Your request "漏水" at 星河湾 has been received')
    assert "by SMS" not in kept.get_content()


@rule("RM-4.8")
async def test_a_reason_that_no_text_holds_goes_whole_by_email(
    notify: Notify, sink: RunningSink
) -> None:
    phone = await notify.sealer.seal("household-h1", "reporter_phone", "13900001111")
    email = await notify.sealer.seal("household-h1", "reporter_email", "owner@example.cn")
    await received(notify, kind=Kind.COMPLAINT, reporter_phone=phone, reporter_email=email)
    why = "原设计没有的设施，改动承重墙须由原设计单位确认，" * 2
    reason = await notify.sealer.seal("household-h1", "reason", why)
    await hear_case(notify, CaseRefused(case_id="c1", round=1, reason=reason))
    text, mail = sorted(await notify.statuses(), reverse=True)
    async with notify.sending():
        await until(ended(notify, text, mail), "the owner was not told")
    assert await notify.statuses() == {text: "failed", mail: "sent"}
    [taken] = sink.index()
    kept = message_from_bytes((sink.folder / taken["file"]).read_bytes(), policy=default)
    assert why in kept.get_content()
    facts = await notify.executor.store.facts_of("owner-c1")
    [failed] = [f.fact for f in facts if isinstance(f.fact, MessageFailed)]
    assert (failed.code, failed.again_at) == ("reason_too_long", None)
    assert why not in "".join(repr(f.fact) for f in facts)


async def test_an_owner_without_any_address_is_not_told_and_the_fact_says_so(
    notify: Notify, sink: RunningSink
) -> None:
    await live_in(notify, "h1", "")
    await received(notify)
    async with notify.sending():
        await until(ended(notify, *await notify.statuses()), "it was not given up")
    facts = await notify.executor.store.facts_of("owner-c1")
    reasons = [f.fact.reason for f in facts if isinstance(f.fact, MessageSuppressed)]
    assert reasons == ["no_address", "no_address"]
    assert not (sink.folder / "index.jsonl").exists()


FAILED = NoteFailed(NOW, "MOBILE_OFF")
UNKNOWN = NoteUnknown(NOW, "the process ended")
SENT = NoteSent(NOW, "biz")


@pytest.mark.parametrize(
    ("sms", "term_is_over", "status", "says_so"),
    [
        ([BEGIN, FAILED], False, "sent", False),
        ([BEGIN, SENT], False, "owed", False),
        ([BEGIN, SENT], True, "sent", True),
        ([BEGIN, UNKNOWN], False, "owed", False),
        ([BEGIN, UNKNOWN], True, "sent", True),
        ([BEGIN, SENT, NoteReceipt(NOW, "biz", delivered=True)], False, "suppressed", False),
        ([BEGIN, SENT, NoteReceipt(NOW, "biz", delivered=True)], True, "suppressed", False),
    ],
)
async def test_an_email_is_sent_instead_of_an_sms_that_failed_or_has_no_receipt_in_time(
    notify: Notify,
    sink: RunningSink,
    sms: list[Command],
    term_is_over: bool,
    status: str,
    says_so: bool,
) -> None:
    await assign(notify)
    term = NOW if term_is_over else NOW + timedelta(minutes=10)
    await notify.request("text", channel="sms", not_before=NOW + DAY)
    await notify.request("mail", instead_of="text", not_before=term)
    for command in sms:
        await notify.command("text", command)
    await notify.request("after")
    async with notify.sending():
        await until(ended(notify, "after"), "the sender did not go on")
        if status != "owed":
            await until(ended(notify, "mail"), "nothing was sent instead")
    assert (await notify.statuses())["mail"] == status
    for mail in sink.index():
        if mail["message_id"] == "<mail@example.cn>":
            kept = message_from_bytes((sink.folder / mail["file"]).read_bytes(), policy=default)
            assert ("您可能已收到内容相同的短信" in kept.get_content()) == says_so


async def test_an_sms_that_still_waits_at_the_term_is_given_up_for_the_email(
    notify: Notify,
) -> None:
    await assign(notify)
    await notify.request("text", channel="sms", not_before=NOW + DAY)
    await notify.request("mail", instead_of="text", not_before=NOW)
    async with notify.sending():
        await until(ended(notify, "text", "mail"), "nothing was sent instead")
    assert await notify.statuses() == {"text": "suppressed", "mail": "sent"}


async def test_an_sms_that_still_waits_is_kept_where_the_email_fails(notify: Notify) -> None:
    refused = await notify.sealer.seal("staff-s1", "email", "wang+refused@example.cn")
    await notify.hear(StaffRegistered(person_id="s1", group_id="g1", email=refused))
    await assign(notify)
    await notify.request("text", channel="sms", not_before=NOW + DAY)
    await notify.request("mail", instead_of="text", not_before=NOW)
    async with notify.sending():
        await until(ended(notify, "mail"), "nothing was sent instead")
    assert await notify.statuses() == {"text": "owed", "mail": "failed"}


async def request_together(notify: Notify, *numbers: int, **more: Any) -> list[str]:
    ids = [f"t{number}" for number in numbers]
    for number, id_ in zip(numbers, ids, strict=True):
        values = VALUES | {"case_number": f"P1-2026-{number:05d}"}
        await notify.request(id_, values=values, together=True, **more)
    return ids


async def test_what_one_person_is_owed_at_one_moment_comes_in_one_text(
    notify: Notify, sink: RunningSink
) -> None:
    await assign(notify)
    ids = await request_together(notify, 1, 2, 3)
    another = VALUES | {"case_number": "P1-2026-00001", "target": "record-submitted"}
    await notify.request("of-the-first-too", values=another, together=True)
    ids.append("of-the-first-too")
    await notify.request("urgent")
    async with notify.sending():
        await until(ended(notify, "urgent", *ids), "not all were sent")
    assert set((await notify.statuses()).values()) == {"sent"}
    mails = {mail["message_id"]: mail for mail in sink.index()}
    assert len(mails) == 2
    [several] = [mail for id_, mail in mails.items() if id_ != "<urgent@example.cn>"]
    # Two of them are of one case.
    assert several["subject"] == "【3件待办】星河湾"
    kept = message_from_bytes((sink.folder / several["file"]).read_bytes(), policy=default)
    whole = kept.get_content()
    assert "您（客服部主管）有3件事项逾期或待处理：P1-2026-00001、00002、00003。" in whole
    assert whole.count("现已逾期") == 4
    sent = [(await notify.executor.store.facts_of(stream_of(id_)))[-1].fact for id_ in ids]
    [told] = {(fact.provider_id, fact.group_id) for fact in sent if isinstance(fact, MessageSent)}
    assert told[0] == several["message_id"]
    shared = await notify.messages.sent_as([str(told[1]), "urgent", "stranger"])
    assert shared == {told[1]: dict.fromkeys(ids, "p1"), "urgent": {"urgent": "p1"}}


async def test_what_was_taken_back_at_the_last_moment_is_not_in_the_text_for_several(
    notify: Notify, sink: RunningSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    await assign(notify)
    ids = await request_together(notify, 1, 2, 3)
    take_back_while_unsealing(notify, monkeypatch, "t2")
    async with notify.sending():
        await until(ended(notify, *ids), "not all were worked on")
    assert await notify.statuses() == {"t1": "sent", "t2": "suppressed", "t3": "sent"}
    [several] = sink.index()
    assert several["subject"] == "【2件待办】星河湾"
    kept = message_from_bytes((sink.folder / several["file"]).read_bytes(), policy=default)
    assert "00002" not in kept.get_content()


async def test_where_all_of_a_text_for_several_were_taken_back_nothing_is_sent_and_that_is_no_error(
    notify: Notify, sink: RunningSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    await assign(notify)
    ids = await request_together(notify, 1, 2)
    take_back_while_unsealing(notify, monkeypatch, *ids)
    with capture_logs() as logs:
        async with notify.sending():
            await until(ended(notify, *ids), "they were not taken back")
            await notify.request("next")
            await until(ended(notify, "next"), "the sender did not go on")
    assert [mail["message_id"] for mail in sink.index()] == ["<next@example.cn>"]
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == []


async def test_who_was_erased_is_sent_no_text_for_several_either(
    notify: Notify, sink: RunningSink
) -> None:
    await assign(notify)
    ids = await request_together(notify, 1, 2)
    await keys.erase_keys(notify.sealer._pool, ["staff-s1"])
    notify.sealer.forget("staff-s1")
    async with notify.sending():
        await until(ended(notify, *ids), "the messages were left")
    assert await notify.statuses() == dict.fromkeys(ids, "suppressed")
    assert not (sink.folder / "index.jsonl").exists()


async def test_what_goes_to_different_people_is_not_put_together(
    notify: Notify, sink: RunningSink
) -> None:
    await staff(notify, "s2")
    await assign(notify)
    await notify.hear(
        RoleAssigned(project_id="p1", role=Role.CENTRE_MANAGER, person_id="s2"),
        CaseHandled(case_id="c1", person_id="s1"),
    )
    first = await request_together(notify, 1, 2)
    second = await request_together(notify, 3, case_id="c1")
    async with notify.sending():
        await until(ended(notify, *first, *second), "not all were sent")
    assert sorted((mail["to"], mail["subject"]) for mail in sink.index()) == [
        (["s2@example.cn"], "【升级】P1-2026-00003 星河湾"),
        (["wang@example.cn"], "【2件待办】星河湾"),
    ]


# ---- many cases of one incident ----


BURST = IncidentOpened(incident="i1", project="p1", title="1号楼水管爆裂")


async def request_at_once(notify: Notify, *numbers: int, **more: Any) -> list[str]:
    """Owe what is told at once of cases of the incident."""
    await notify.hear(
        BURST, *(CaseJoinedIncident(case_id=f"c{n}", incident_id="i1") for n in numbers)
    )
    ids = [f"m{number}" for number in numbers]
    for number, id_ in zip(numbers, ids, strict=True):
        values = VALUES | {"case_number": f"P1-2026-{number:05d}"}
        await notify.request(id_, values=values, case_id=f"c{number}", **more)
    return ids


async def test_what_many_cases_of_an_incident_bring_is_one_text_that_names_it(
    notify: Notify, sink: RunningSink
) -> None:
    await assign(notify)
    ids = await request_at_once(notify, *range(1, 61))
    other = VALUES | {"target": "triage"}
    await notify.request("another-duty", values=other, case_id="c1")
    await notify.request("another-case", case_id="c99")
    alone = ["another-duty", "another-case"]
    async with notify.sending():
        await until(ended(notify, *ids, *alone), "not all were sent")
    mails = sink.index()
    assert sorted(mail["subject"] for mail in mails) == [
        "【1号楼水管爆裂：60件待办】星河湾",
        "【升级】P1-1 星河湾",
        "【升级】P1-1 星河湾",
    ]
    [of_all] = [mail for mail in mails if "60件" in mail["subject"]]
    kept = message_from_bytes((sink.folder / of_all["file"]).read_bytes(), policy=default)
    whole = kept.get_content()
    assert "“1号楼水管爆裂”中有60件事项的“处理完成”逾期或待您（客服部主管）处理" in whole
    # Nobody is told less: each has its whole text, and a life of its own.
    assert all(f"P1-2026-{number:05d}的“处理完成”应于" in whole for number in range(1, 61))
    assert {(await notify.statuses())[id_] for id_ in ids} == {"sent"}


class Moving:
    """The time as the test sets it."""

    def __init__(self) -> None:
        self.instant = NOW

    def now(self) -> datetime:
        return self.instant


async def test_more_of_the_same_incident_is_told_in_one_text_a_minute_later(
    notify: Notify, sink: RunningSink
) -> None:
    clock = notify.sender.clock = Moving()
    await assign(notify)
    first = await request_at_once(notify, 1)
    async with notify.sending():
        await until(ended(notify, *first), "the first was not told at once")
        later = await request_at_once(notify, 2, 3, 4)

        async def held() -> bool:
            return sorted(notify.sender.held(clock.now())) == later

        await until(held, "more of the same does not wait")
        assert len(sink.index()) == 1
        assert await notify.messages.outstanding(NOW, later) == 0
        clock.instant = NOW + timedelta(minutes=1)
        assert notify.sender.held(clock.now()) == []
        await until(ended(notify, *later), "what waited was not told")
    assert [mail["subject"] for mail in sink.index()] == [
        "【升级】P1-2026-00001 星河湾",
        "【1号楼水管爆裂：3件待办】星河湾",
    ]


async def test_a_case_that_has_left_its_incident_is_told_by_itself(
    notify: Notify, sink: RunningSink
) -> None:
    await assign(notify)
    ids = await request_at_once(notify, 1, 2)
    await notify.hear(CaseLeftIncident(case_id="c2", incident_id="i1"))
    async with notify.sending():
        await until(ended(notify, *ids), "not both were sent")
    assert len(sink.index()) == 2


async def test_a_storm_of_no_incident_is_put_together_by_project_and_rule(
    notify: Notify, sink: RunningSink
) -> None:
    await assign(notify)
    ids = [f"m{number}" for number in range(sender.STORM)]
    for id_ in ids:
        await notify.request(id_, values=VALUES | {"case_number": f"P1-2026-{id_}"})
    other = VALUES | {"target": "triage"}
    few = [f"t{number}" for number in range(3)]
    for id_ in few:
        await notify.request(id_, values=other)
    async with notify.sending():
        await until(ended(notify, *ids, *few), "not all were sent")
    subjects = Counter(mail["subject"] for mail in sink.index())
    assert subjects == {"【50件待办】星河湾": 1, "【升级】P1-1 星河湾": 3}


class Dying:
    """A gateway during whose call the process ends."""

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.calls = 0

    async def send(self, *_: object) -> Outcome:
        self.calls += 1
        self.called.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_text_for_several_that_is_cut_off_leaves_all_unknown_and_is_not_sent_again(
    notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "DRAIN_SECONDS", 0.0)
    await assign(notify)
    ids = await request_together(notify, 1, 2)
    dying = Dying()
    notify.sender.gateways = {"email": dying}
    async with notify.sending():
        await asyncio.wait_for(dying.called.wait(), 10)
    assert set((await notify.statuses()).values()) == {"sending"}
    async with notify.sending():
        await until(ended(notify, *ids), "they were left in sending")
    assert set((await notify.statuses()).values()) == {"unknown"}
    assert dying.calls == 1


async def test_a_text_for_several_that_cannot_be_written_now_is_not_begun(
    notify: Notify, sink: RunningSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_name = PostgresDirectory.project_name
    left = 0  # questions until the database is gone for one

    async def gone_once(directory: PostgresDirectory, project_id: str) -> str:
        nonlocal left
        left -= 1
        if left == -1:
            raise ConnectionError
        return await project_name(directory, project_id)

    monkeypatch.setattr(PostgresDirectory, "project_name", gone_once)
    await assign(notify)
    for left in range(3):  # each one's own text, and the name in the whole
        ids = await request_together(notify, 2 * left, 2 * left + 1)
        async with notify.sending():
            await until(ended(notify, *ids), "not both were sent")
        assert left < 0, "The database was not gone."
    # Whatever had begun would be unknown.
    assert set((await notify.statuses()).values()) == {"sent"}
    assert [mail["subject"] for mail in sink.index()] == ["【2件待办】星河湾"] * 3


async def test_a_text_for_several_that_is_refused_for_now_is_tried_again_for_all(
    notify: Notify, sink: RunningSink
) -> None:
    await assign_who_is_put_off(notify)
    await request_together(notify, 1, 2)
    with capture_logs() as logs:
        async with notify.sending():
            await until(tried_once(notify), "they were not refused for now")
    rows = await notify.messages.listed(None, {}, None, 10)
    assert {(row["attempts"], row["code"]) for row in rows} == {(1, "451")}
    # The server's own words quote the address.
    told = {(entry["code"], entry["reason"]) for entry in logs if "reason" in entry}
    assert told == {("451", "The mail server answered 451 4.7.1.")}


def tried_once(notify: Notify) -> Callable[[], Awaitable[bool]]:
    async def tried() -> bool:
        rows = await notify.messages.listed(None, {}, None, 10)
        return all(row["status"] == "owed" and row["attempts"] for row in rows)

    return tried


# ---- what cannot be sent keeps nothing else from being sent ----


MORE_THAN_ALL_PLACES = sender.AT_ONCE + 2
LONGER_THAN_THE_TEST = 600.0
YEAR_ONE = {"case_number": "P1-1", "appointment": "0001-01-01T00:00:00+00:00"}


async def sealed_with_a_bad_box(notify: Notify) -> dict[str, Any]:
    good = await notify.sealer.seal("household-h1", "reporter_email", "owner@example.cn")
    return {"address": good.model_copy(update={"box": "é"}), "role": None}


async def sealed_with_a_key_that_is_none(notify: Notify) -> dict[str, Any]:
    address = await notify.sealer.seal("household-h1", "reporter_email", "owner@example.cn")
    await notify.sealer._pool.execute(
        "UPDATE subject_keys SET wrapped = $1 WHERE subject = 'household-h1'", b"\0\0\0"
    )
    notify.sealer.forget("household-h1")
    return {"address": address, "role": None}


async def of_a_year_before_all_others(_: Notify) -> dict[str, Any]:
    return {"template": "appointment_made", "values": YEAR_ONE}


@pytest.mark.parametrize(
    ("unfit", "code", "status"),
    [
        (sealed_with_a_bad_box, "BrokenSeal", "failed"),
        (sealed_with_a_key_that_is_none, "BrokenSeal", "failed"),
        (of_a_year_before_all_others, "OverflowError", "owed"),
    ],
)
async def test_messages_that_cannot_be_written_keep_no_other_from_being_sent(
    notify: Notify,
    sink: RunningSink,
    unfit: Callable[[Notify], Awaitable[dict[str, Any]]],
    code: str,
    status: str,
) -> None:
    await assign(notify)
    more = await unfit(notify)
    ids = [f"m{number:02}" for number in range(MORE_THAN_ALL_PLACES)]
    for id_ in ids:
        await notify.request(id_, **more)
    await notify.request("z")
    with capture_logs() as logs:
        async with notify.sending():
            await until(ended(notify, "z"), "those before it keep it from being sent")
    assert await notify.statuses() == dict.fromkeys(ids, status) | {"z": "sent"}
    rows = await notify.messages.listed(None, {}, None, 100)
    tried = {(row["attempts"], row["code"]) for row in rows if row["message_id"] != "z"}
    assert tried == {(1, code)}
    told = [entry for entry in logs if entry["log_level"] in ("warning", "error")]
    assert sorted(entry["message"] for entry in told) == ids
    assert {tuple(entry) for entry in told} == {("message", "code", "event", "log_level")}
    assert {entry["code"] for entry in told} == {code}
    assert [mail["message_id"] for mail in sink.index()] == ["<z@example.cn>"]


@dataclass
class Silent:
    """A provider that takes connections and never says a word."""

    port: int = 0
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    provider = Silent()
    listening = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield provider


@pytest.mark.parametrize(("dumb", "other"), [("email", "sms"), ("sms", "email")])
async def test_a_silent_provider_holds_up_no_other_channel(
    notify: Notify, silent: Silent, dumb: Channel, other: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "DRAIN_SECONDS", 0.0)
    phone = await notify.sealer.seal("staff-s1", "phone", "13800138000")
    email = await notify.sealer.seal("staff-s1", "email", "wang@example.cn")
    await notify.hear(StaffRegistered(person_id="s1", group_id="g1", phone=phone, email=email))
    await assign(notify)
    for number in range(3 * sender.AT_ONCE):
        await notify.request(f"m{number}", channel=dumb)
    server = MailServer(
        "127.0.0.1", silent.port, "steward@example.cn", tls="none", timeout=LONGER_THAN_THE_TEST
    )
    account = Account("id", "secret", "示例物业", f"http://127.0.0.1:{silent.port}/")
    clock = Standing()
    async with httpx2.AsyncClient(timeout=None, trust_env=False) as client:
        gateways: dict[Channel, Gateway] = {
            "email": MailGateway(SmtpMail(server), clock),
            "sms": SmsGateway(AliyunSms(client, account), clock, {}),
        }
        notify.sender.gateways = {**gateways, other: Odd()}
        async with notify.sending():

            async def all_places_are_taken() -> bool:
                return silent.connections >= sender.AT_ONCE

            await until(all_places_are_taken, "the silent provider is not called")
            await notify.request("other", channel=other)
            await until(ended(notify, "other"), "what the other channel owes waits")
            statuses = Counter((await notify.statuses()).values())
    assert statuses == {"sent": 1, "sending": sender.AT_ONCE, "owed": 2 * sender.AT_ONCE}
    assert silent.connections == sender.AT_ONCE


async def test_of_what_goes_together_only_what_cannot_be_written_fails(
    notify: Notify, sink: RunningSink
) -> None:
    await assign(notify)
    await notify.request("of-no-year", template="appointment_made", values=YEAR_ONE, together=True)
    ids = await request_together(notify, 1, 2)
    async with notify.sending():
        await until(ended(notify, *ids), "the others were not sent")
    [row] = await notify.messages.listed(None, {"status": "owed"}, None, 10)
    assert (row["message_id"], row["attempts"], row["code"]) == ("of-no-year", 1, "OverflowError")
    assert len(sink.index()) == 2


async def test_who_cannot_be_found_keeps_no_other_of_a_text_for_several(
    notify: Notify, sink: RunningSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = PostgresDirectory.hands

    async def defect(directory: PostgresDirectory, case_id: str) -> Any:
        if case_id == "bad":
            raise ValueError(case_id)
        return await hands(directory, case_id)

    monkeypatch.setattr(PostgresDirectory, "hands", defect)
    await assign(notify)
    await request_together(notify, 1, case_id="bad")
    ids = await request_together(notify, 2, 3)
    async with notify.sending():
        await until(ended(notify, *ids), "the others were not sent")
    assert await notify.statuses() == {"t1": "owed"} | dict.fromkeys(ids, "sent")
    [mail] = sink.index()
    assert mail["subject"] == "【2件待办】星河湾"


async def test_a_database_that_is_away_for_a_moment_is_no_failed_attempt(
    notify: Notify, sink: RunningSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    unseal, left = notify.sealer.unseal, [ConnectionError(), asyncpg.InterfaceError("closed")]

    async def away_twice(sealed: Sealed) -> str | Erased:
        if left:
            raise left.pop()
        return await unseal(sealed)

    monkeypatch.setattr(notify.sealer, "unseal", away_twice)
    await assign(notify)
    await notify.request("m1")
    async with notify.sending():
        await until(ended(notify, "m1"), "it was not sent")
    facts = await notify.executor.store.facts_of(stream_of("m1"))
    assert [fact.type.split(".")[1] for fact in facts] == [
        "message_requested",
        "message_sending",
        "message_sent",
    ]
