"""A day in a service centre: registers, forty cases of all kinds, and a resident who is erased.

All is said over HTTP, on the stepped clock, and what was published, sent and listed is compared
with what is written down: every fact, every text, every number (`support.forty_cases`).
"""

import re
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email import message_from_string
from email.policy import default
from typing import Any

import asyncpg
import pytest
from httpx2 import AsyncClient
from tests.support.diary import (
    Day,
    Playing,
    Said,
    Sent,
    by_stream,
    followed_up,
    happened,
    lines,
    lives,
    name_of,
    ran,
    read,
    sent_texts,
)
from tests.support.forty_cases import BOOK, CASES, MORNING, WORDS, Case
from tests.support.rules import rule
from tests.support.service_centre import (
    GROUP,
    HOMES,
    MAILED,
    NAMES,
    OTHER,
    PASSER_BY,
    PROJECT,
    STAFF,
    ZONE,
    workbook,
)
from tests.support.stack import database_dsn
from tests.support.system import OWNERS, Published, System, entered
from uuid_utils.compat import uuid7

from steward_policy import packs
from steward_service.auth import Authenticator
from steward_service.clocks import SteppedDriver
from steward_stack.supervisor import Stack

# The day is played once; the tests below look at it.

SHOWN = {
    "answer": "case_answered", "handle": "case_handled", "satisfaction": "satisfaction_given",
    "close": "case_closed", "received": "case_received", "tell-result": "result_told",
    "acknowledge": "case_acknowledged", "inform": "owner_informed", "refuse": "case_refused",
    "classify": "case_classified", "dispatch": "case_dispatched", "link": "case_linked",
    "accept-dispatch": "dispatch_accepted", "refuse-dispatch": "dispatch_refused",
    "appoint": "appointment_made", "keep-appointment": "appointment_kept",
    "miss-appointment": "appointment_missed", "start-work": "work_started",
    "make-safe": "made_safe", "withdraw": "case_withdrawn", "merge": "case_merged",
    "confirm-receipt": "receipt_confirmed", "move": "case_moved_out", "accept": "case_accepted",
    "report-progress": "progress_reported", "submit-record": "record_submitted",
    "message-owner": "owner_message_requested", "chase": "case_chased",
    "attach": "attachment_added", "call-manager": "manager_called", "promise": "promise_made",
    "keep-promise": "promise_kept", "propose": "solution_proposed", "pause": "case_paused",
    "resume": "case_resumed", "fail-contact": "contact_failed", "forward": "case_forwarded",
    "take-measures": "immediate_measures_taken",
}  # fmt: skip
"""The fact that each action of intake becomes; others are of visits and sla, or only look."""

LETTER = "%PDF-1.7\n尊敬的陈晨女士：信箱锁已更换。\n%%EOF\n".encode()
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ERASED = "lanting-3-303"


@dataclass(frozen=True, slots=True)
class Played:
    """The day as it was, as far as it can be seen from outside."""

    day: Day
    cases: Mapping[str, str]
    listed: Mapping[str, Mapping[str, Any]]
    published: Mapping[str, list[Published]]
    texts: list[Sent]
    mails: list[tuple[str, str, str]]
    reports: list[Any]
    found: Mapping[str, list[tuple[str, str]]]
    """Where the resident's words were found, before the erasure and after it."""
    erased: tuple[str, set[str]]
    """The resident, and the subjects that were erased with their household."""
    reader: System

    def number(self, case: str) -> str:
        return str(self.listed[case]["number"])

    def of_case(self, service: str, stream: str, case: str) -> list[Published]:
        found = by_stream(self.published[service], f"{stream}-")
        return found.get(self.cases[case], [])


def next_day(now: datetime) -> Day:
    """Give the next Tuesday in the middle of a month that has no holiday then."""
    day = now.astimezone(ZONE).date() + timedelta(days=1)
    while not (day.weekday() == 1 and 9 <= day.day <= 24 and day.month in (3, 7, 8, 10, 11)):
        day += timedelta(days=1)
    return Day(day, ZONE)


@asynccontextmanager
async def in_role(system: System, role: str) -> AsyncIterator[System]:
    """Stand outside with a key of a role that holds at both projects and their group."""
    dsn = database_dsn(system.stack.endpoints.postgres, "steward_keys")
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        _, key = await Authenticator(pool).make_key(role, [role], [GROUP, PROJECT, OTHER])
    headers = {"Authorization": f"Bearer {key}"}
    async with AsyncClient(headers=headers, timeout=30, trust_env=False) as client:
        yield replace(system, client=client)


async def import_registers(registrar: System) -> Any:
    address = f"{registrar.stack.endpoints.services['intake']}/v1/registers/files"
    headers = {"Idempotency-Key": str(uuid7()), "Content-Type": XLSX}
    answer = await registrar.client.post(address, content=workbook(), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def reception(case: Case) -> dict[str, Any]:
    home = {"household_id": f"{PROJECT}-{case.home}"} if case.home else {}
    said = {"kind": case.kind, "channel": case.channel, "summary": case.summary}
    return {"project_id": PROJECT, **said, **home, **case.said}


async def search(system: System) -> list[tuple[str, str]]:
    """Say where the resident's name, number and words are found."""
    hits: set[tuple[str, str]] = set()
    for words in ("钟离昧", "13810000303", "渗水三次"):
        page = await system.get("intake", "/v1/search", project_id=PROJECT, q=words)
        hits |= {(item["kind"], item["field"]) for item in page["items"]}
    return sorted(hits)


@pytest.fixture(scope="module")
async def played(stepped_services: Stack) -> AsyncIterator[Played]:
    """The day, from eight in the morning until six the next evening."""
    dsn = database_dsn(stepped_services.endpoints.postgres, "steward_clock")
    driver = await SteppedDriver.connect(dsn, datetime(2026, 10, 12, tzinfo=ZONE))
    day = next_day(driver.now())
    async with AsyncExitStack() as opened:
        opened.push_async_callback(driver.close)
        system = await opened.enter_async_context(entered(stepped_services))
        staff, registrar, officer, reader = [
            await opened.enter_async_context(in_role(system, role))
            for role in ("staff", "registrar", "data_protection", "reader")
        ]
        playing = Playing(staff, driver, day, LETTER)
        await driver.wait_drained()
        await playing.pass_to(day.at("08:00"))
        reports = [await import_registers(registrar) for _ in range(2)]
        await driver.wait_drained()
        book = {name: (reception(case), read(case.diary)) for name, case in BOOK.items()}
        await playing.play(book, pauses=["+1T08:00", "+1T08:30"])
        for room in ("2-202", "3-301"):
            visit = {"household_id": f"{PROJECT}-{room}", "person_id": "lin", "mode": "on_site"}
            made = await staff.accepted("visits", "/v1/visits", visit)
        mistaken = {"reason": "记错了住户", "person_id": "lin"}
        await staff.accepted("visits", f"/v1/visits/{made['visit_id']}/strike", mistaken)
        found = {"before": await indexed(officer)}
        texts = sent_texts(await system.texts(), ours(await system.published("notify")), day)
        mails = read_mails(system)
        await playing.pass_to(day.at("+1T17:00"))
        [person] = [
            row["person_id"]
            for row in (await reader.get("intake", "/v1/people", project_id=PROJECT))["items"]
            if row["household_id"] == ERASED
        ]
        asked = {"subject": f"household-{ERASED}", "with_people": True, "reason": "asked"}
        erased = await officer.accepted("intake", "/v1/erasures", asked | {"asked_by": person})
        found["after"] = await search(officer)
        await playing.pass_to(day.at("+1T18:00"))
        ids = playing.cases
        yield Played(
            day,
            ids,
            {case: await reader.get("intake", f"/v1/cases/{id_}") for case, id_ in ids.items()},
            {service: ours(await system.published(service)) for service in OWNERS},
            texts,
            mails,
            reports,
            found,
            (person, set(erased["erased"])),
            reader,
        )


async def indexed(officer: System) -> list[tuple[str, str]]:
    """Search once the index has taken in the words: it is filled behind the facts."""
    everywhere = [
        ("case", "description"),
        ("case", "reporter_name"),
        ("case", "reporter_phone"),
        ("case", "summary"),
        ("person", "name"),
        ("person", "phone"),
    ]

    async def found() -> bool:
        return await search(officer) == everywhere

    await officer.until(found, "the words are not in the index")
    return await search(officer)


def ours(published: list[Published]) -> list[Published]:
    """Leave what is of these projects and their group, each fact once."""
    return list({one.id: one for one in published if one.key in (GROUP, PROJECT, OTHER)}.values())


def read_mails(system: System) -> list[tuple[str, str, str]]:
    """Give who got which mail: address, subject, text."""
    mails = [message_from_string(mail, policy=default) for mail in system.mails()]
    return [(m["To"], m["Subject"], "\n".join(m.get_content().splitlines())) for m in mails]


# What is expected, written out.


def expected_facts(case: Case) -> list[str]:
    """Give a case's facts as its diary names them: what is said, and what follows."""
    return [
        f"{said.body.get('occurred_at', said.at)} {SHOWN.get(said.what, said.what)}"
        for said in _told(case)
    ]


def _told(case: Case) -> list[Said]:
    """Give what became a fact; a case that nobody is said to have received is the supervisor's."""
    told: list[Said] = []
    for said in read(case.diary):
        if said.refused_by or not (said.follows or said.what in SHOWN):
            continue
        told.append(said)
        if said.what == "received" and "received_by" not in said.body:
            at = said.body.get("occurred_at", said.at)
            told.append(replace(said, at=at, what="case_assigned", body={}, follows=True))
    return told


def expected_texts(played: Played) -> list[tuple[Sent, str]]:
    """Give every single text with its subject, as the mail has it."""
    return [
        _written(played, name, line) for name, case in BOOK.items() for line in lines(case.texts)
    ]


def _written(played: Played, name: str, line: str) -> tuple[Sent, str]:
    at, to, what, *said = shlex.split(line)
    names, subject, body = WORDS[what]
    values = dict(zip(names.split(), said, strict=True))
    values |= {"number": played.number(name), "summary": BOOK[name].summary}
    if "into" in values:
        values["into"] = played.number(values["into"])
    values["project"] = NAMES[OTHER if name == "{15m}" else PROJECT]
    if to in STAFF:
        values["role"] = STAFF[to].title
        instants = values.keys() & {"due", "decide_by"}
        values |= {each: _due(played.day.at(values[each])) for each in instants}
    if "day" in values:
        values["day"] = _spoken(played.day.at(values["day"]), english=what.endswith("-en"))
    phone = STAFF[to].phone if to in STAFF else HOMES.get(to, ("", PASSER_BY))[1]
    return Sent(at, phone, f"【管家】{body.format(**values)}"), subject.format(**values)


def _due(at: datetime) -> str:
    if (at.hour, at.minute) == (0, 0):
        return f"{at - timedelta(days=1):%Y-%m-%d} 24:00"
    return f"{at:%Y-%m-%d %H:%M}"


def _spoken(at: datetime, *, english: bool) -> str:
    if english:
        return f"{at:%b} {at.day}, {at.year} {at:%H:%M}"
    return f"{at.year}年{at.month}月{at.day}日 {at:%H:%M}"


def differing(read_of: Callable[[str], list[str]], says: Callable[[Case], list[str]]) -> list[str]:
    """Give what is told of a case and not expected (`+`), or the other way round (`-`)."""
    found = []
    for name, case in BOOK.items():
        told, expected = read_of(name), says(case)
        if told != expected:
            found += [f"{name} - {line}" for line in expected if line not in told]
            found += [f"{name} + {line}" for line in told if line not in expected] or [
                f"{name} {told}"
            ]
    return found


def test_three_bad_lines_are_named_the_good_ones_are_in_and_again_changes_nothing(
    played: Played,
) -> None:
    first, again = played.reports
    assert first == {
        "rows_read": 33,
        "registered": 30,
        "changed": 0,
        "unchanged": 0,
        "refused": [
            {
                "sheet": "住户",
                "line": 11,
                "column": "手机（必填）",
                "error": "The column “手机（必填）” holds no telephone number, but “9999999999a”.",
            },
            {
                "sheet": "员工",
                "line": 9,
                "column": "邮箱",
                "error": "The column “邮箱” holds no email address, but “aaaaaa#aaaaaaa.aa”.",
            },
            {
                "sheet": "岗位",
                "line": 9,
                "column": "岗位",
                "error": "The column “岗位” names no role; there are 客服专员、管家, 客服部主管, "
                "部门负责人, 工程部主管, 副经理, 物业服务中心经理, 公司分管领导, 公司总经理, 品质部.",
            },
        ],
        "ignored": [],
        "dry_run": False,
    }
    assert again == {**first, "registered": 0, "unchanged": 30}


async def test_what_the_good_lines_say_is_registered(played: Played) -> None:
    async def listed(register: str, *names: str, **asked: str) -> set[tuple[str, ...]]:
        page = await played.reader.get("intake", f"/v1/{register}", **asked)
        return {tuple(row[name] for name in names) for row in page["items"]}

    homes = {(f"{PROJECT}-{room}", PROJECT) for room in HOMES} | {(f"{OTHER}-1-101", OTHER)}
    assert await listed("households", "household_id", "project_id") == homes
    assert await listed("staff", "person_id", "language") == {
        (id_, "en" if id_ == "tang" else "zh") for id_ in STAFF
    }
    assert await listed("roles", "role", "person_id", project_id=PROJECT) == {
        ("frontline", "lin"),
        ("cs_supervisor", "zhou"),
        ("department_head", "wu"),
        ("engineering_supervisor", "he"),
        ("centre_manager", "chen"),
        ("company_leader", "tang"),
        ("general_manager", "gao"),
    }
    assert await listed("roles", "role", "person_id", project_id=OTHER) == {
        ("cs_supervisor", "zhou")
    }
    assert await listed("departments", "department_id", "name", "head") == {
        ("env", "环境部", "wu"),
        ("eng", "工程部", "he"),
    }
    zones = (await played.reader.get("intake", "/v1/zones"))["items"]
    assert [(zone["person_id"], zone["name"], zone["buildings"]) for zone in zones] == [
        ("lin", "东区", ["1", "2", "3"])
    ]


def test_every_case_has_the_facts_of_its_diary_and_ends_as_it_says(played: Played) -> None:
    def facts(name: str) -> list[str]:
        return happened(played.of_case("intake", "case", name), played.day)

    assert differing(facts, expected_facts) == []
    assert {c: row["status"] for c, row in played.listed.items()} == {
        c: case.ends for c, case in BOOK.items()
    }
    # Numbers are given in the order of reception; case 11 came after 36 others.
    received = sorted(BOOK, key=lambda c: read(BOOK[c].diary)[0].at)
    assert [played.number(c) for c in received if c != "{15m}"] == [
        f"lanting-{played.day.date.year}-{place:05}" for place in range(1, 41)
    ]
    assert played.number("{15m}") == f"yunqi-{played.day.date.year}-00001"


def test_every_fact_holds_what_was_said_and_personal_words_are_sealed(played: Played) -> None:
    departments = {"环境部": "env", "工程部": "eng"}
    unheld: set[str] = set()
    for name, case in BOOK.items():
        [received, *_] = facts = played.of_case("intake", "case", name)
        told = {**received.data, "summary": received.data["summary"]["field"]}
        home = OTHER if name == "{15m}" else PROJECT
        assert told | {"kind": case.kind, "channel": case.channel, "summary": "summary"} == told
        assert told["household_id"] == (f"{home}-{case.home}" if case.home else None), name
        assert (told["zone"], told["policy"]) == (ZONE.key, packs.built_in().version)
        for said, fact in zip(_told(case), facts, strict=True):
            for field_, word in said.body.items():
                held = fact.data.get(HELD_AS.get((said.what, field_), field_))
                if held is None:
                    unheld.add(f"{said.what} {field_}")
                elif isinstance(held, dict):
                    assert (held["field"], word in str(fact.data)) == (field_, False)
                elif field_ == "department":
                    assert held in (word, departments.get(word)), (name, said)
                elif field_ in INSTANTS:
                    assert played.day.told(held) == word, (name, said)
                else:
                    assert held == played.day.value(word, played.cases), (name, said)
    # When it happened stands beside the fact; the household of another project in the case there.
    assert unheld == {"received occurred_at", "move household_id"}


HELD_AS = {("classify", "person_id"): "classified_by", ("attach", "kind"): "what"}
INSTANTS = {"at", "by_date", "posted_at", "promised_at", "resume_on", "owner_requested_date"}


@rule("RM-4.5.2a", "RM-4.5.2b", "RM-4.5.2c", "RM-4.10.1", "RM-4.10.3", "RM-4.9", "RC-3.2")
@rule("FU-S1", "FU-4.1.3", "RM-4.6.1")
def test_every_clock_ran_from_when_until_when_its_rule_says(played: Played) -> None:
    def clocks(name: str) -> list[str]:
        return ran(played.of_case("sla", "clocks", name), played.day)

    assert differing(clocks, lambda case: sorted(lines(case.clocks))) == []


def test_every_word_about_a_clock_names_its_rules(played: Played) -> None:
    told = {
        (fact.data["target"], " ".join(fact.data["rule"]))
        for fact in played.published["sla"]
        if "target" in fact.data
    }
    assert told == set(RULES.items())


RULES = {
    "appointment-kept": "FU-S1 FU-4.1.3 RC-5.1..2",
    "chased-again": "RM-3.4 RM-4.4.1a",
    "consultation-answered": "RC-3.2",
    "consultation-answered-in-writing": "RC-3.2",
    "coordination-progress": "RM-4.3.2a..e HV-4.3.3c",
    "dispatch-accepted": "RM-4.6.1 RM-3.3 RC-5.3",
    "dispatch-decided": "RM-4.6.1",
    "dispatched": "RM-4.6.1 RM-3.3 RC-5.3",
    "emergency-made-safe": "RC-5.1..2",
    "emergency-on-site": "RC-5.1..2",
    "forum-post-acknowledged": "RM-4.6.7",
    "harm-stopped": "RM-4.9",
    "important-resolve": "RM-4.10.2",
    "important-to-manager": "RM-4.5.2b",
    "major-answer": "RM-4.10.3",
    "major-resolve": "RM-4.10.3",
    "major-to-leader": "RM-4.5.2a",
    "manager-comes": "RM-4.5.1b",
    "minor-resolve": "RM-4.5.2c RM-4.10.1",
    "minor-to-supervisor": "RM-3.2",
    "month-resolve": "RM-4.4.1c",
    "outside-party-contacted": "RM-4.3.2a..e",
    "progress-daily": "RM-3.3 RM-4.6.1",
    "progress-every-three-days": "RM-3.3 RM-4.6.1 RC-5.3",
    "promise-kept": "FU-S1 FU-4.1.3",
    "reasoned-answer": "RM-4.8 RM-4.3.2a..e RM-4.3.3a..c",
    "record-submitted": "RM-4.6.2a RM-4.6.2b",
    "refusal-answered": "RM-4.8",
    "request-appointment": "RC-5.1..2",
    "request-confirmed": "RC-5.1..2",
    "request-done": "RC-5.1..2 RC-5.3",
    "result-told": "RM-4.6.3",
    "suggestion-acknowledged": "RC-6.3",
    "suggestion-progress": "RC-6.3 HV-4.3.3c",
    "triage": "RM-3.4 RC-4.2",
    "triage-after-harm": "RM-3.4 RC-4.2",
    "wait-ended": "RM-3.4",
    "weighty-to-leader": "RM-3.1",
}


@rule("RM-4.6.4a", "FU-4.1.2.2a", "FU-4.1.2.3a", "FU-4.1.2.3b", "FU-4.1.2.3d", "FU-5.2")
def test_every_follow_up_was_owed_and_made_as_its_rule_says(played: Played) -> None:
    def followups(name: str) -> list[str]:
        return followed_up(played.of_case("visits", "followups", name), played.day)

    assert differing(followups, lambda case: lines(case.followups)) == []


@rule("RM-3.2", "RM-4.6.2b", "RM-4.6.3", "RC-5.1..2")
def test_every_text_reached_whom_it_was_for_when_it_should(played: Played) -> None:
    morning = MORNING.format(year=played.day.date.year)
    several = Sent("+1T08:30", STAFF["wu"].phone, morning)
    expected = [*(sent for sent, _ in expected_texts(played)), several]
    assert sorted(played.texts, key=str) == sorted(expected, key=str)


def test_staff_are_mailed_the_same_words_and_an_owner_whom_no_text_reaches_too(
    played: Played,
) -> None:
    emails = {member.phone: member.email for member in STAFF.values()}
    emails[HOMES["2-203"][1]] = MAILED
    expected = [
        (emails[sent.to], subject, sent.text.removeprefix("【管家】"))
        for sent, subject in expected_texts(played)
        if sent.to in emails
    ]
    morning = MORNING.format(year=played.day.date.year).removeprefix("【管家】")
    each = [
        WORDS["escalation"][2].format(
            project="兰亭苑",
            severity="重要投诉",
            number=played.number(case),
            target="提交处理记录",
            due=_due(played.day.at("24:00")),
            role="部门负责人",
            rule="RM-4.6.2a、RM-4.6.2b",
        )
        for case in ("{24}", "{38}")
    ]
    several = (STAFF["wu"].email, "【2件待办】兰亭苑", "\n\n".join((morning, *each)))
    assert sorted(played.mails) == sorted([*expected, several])


def test_nothing_else_was_published_than_what_was_said_and_what_follows(played: Played) -> None:
    told = {service: Counter(map(name_of, facts)) for service, facts in played.published.items()}
    of_cases = [name for case in BOOK.values() for name in map(_name, expected_facts(case))]
    # Registers, and who was erased: the household, its case, and who lives there.
    assert told["intake"] == Counter(of_cases) + Counter(
        group_registered=1,
        project_registered=2,
        staff_registered=7,
        department_registered=2,
        household_registered=9,
        person_registered=9,
        role_assigned=8,
        zone_assigned=1,
        subject_erased=3,
    )
    # Sla notes every fact of a case; visits what a case is, when it was handled, and its end;
    # notify what owners may be told of.
    noted = {
        "sla": len(of_cases),
        "visits": sum(map(of_cases.count, NOTED_BY_VISITS)),
        "notify": sum(map(of_cases.count, NOTED_BY_NOTIFY)),
    }
    assert {service: told[service]["case_noted"] for service in noted} == noted
    assert told["sla"] == Counter(
        case_noted=noted["sla"],
        clock_started=291,
        clock_met=251,
        clock_cancelled=38,
        clock_warned=10,
        clock_breached=7,
        clock_rescheduled=7,
        clock_paused=4,
        clock_resumed=4,
        escalated=64,
        escalation_acknowledged=2,
        escalation_withdrawn=3,
        extension_requested=2,
        extension_approved=1,
        extension_refused=1,
    )
    # A ledger is noted with its project and each of its roles.
    assert told["visits"] == Counter(
        case_noted=noted["visits"],
        followup_due=28,
        followup_done=25,
        ledger_noted=10,
        quota_due=6,
        visit_done=2,
        visit_struck=1,
    )


NOTED_BY_VISITS = (
    *("case_received", "case_classified", "case_handled", "case_reopened"),
    *("case_refused", "case_withdrawn", "case_merged", "case_moved_out"),
)
NOTED_BY_NOTIFY = ("case_received", "case_classified", "immediate_measures_taken")


def _name(fact: str) -> str:
    return fact.split()[1]


def test_every_message_came_to_its_end(played: Played) -> None:
    # A receipt may be there before it is written down that the provider took the text.
    told = Counter(
        re.sub("sending, (delivered|failed MOBILE)", r"sending, sent, \1", life)
        for life in lives(played.published["notify"])
    )
    assert told == {
        "sms: requested, sending, sent, delivered": 90,
        "sms: requested, sending, sent, failed MOBILE_NOT_ON_SERVICE": 2,
        "email: requested, sending, sent": 67,
        "email: requested, suppressed told_by_sms": 25,
    }
    words = ("case_noted", *(f"message_{word}" for word in ("requested", "sending", "sent")))
    ends = ("message_delivered", "message_failed", "message_suppressed")
    assert {name_of(fact) for fact in played.published["notify"]} == {*words, *ends}


@rule("RM-4.6.4a", "FU-4.1.2.2a", "FU-4.1.2.3a", "CV-9.1a", "CV-9.1b", "CV-9.1c")
async def test_the_lists_of_what_is_late_and_owed_and_was_made_count_the_day(
    played: Played,
) -> None:
    reader, month = played.reader, f"{played.day.date:%Y-%m}"
    late = {
        hours: [
            (row["clock"], row["late"], played.day.told(row["due_at"]))
            for row in (await reader.get("sla", "/v1/late", hours=hours))["items"]
        ]
        for hours in ("0", "168")
    }
    missing = ("record-submitted#1", True, "24:00")
    assert late == {
        "0": [missing],
        "168": [
            missing,
            ("suggestion-progress#1", False, "+7T24:00"),
            ("coordination-progress#1.2", False, "+7T24:00"),
        ],
    }
    rates = await reader.get("visits", "/v1/followups/rates", month=month, project_id=PROJECT)
    names = ("rule", "owed", "done", "in_time", "waived", "overdue", "target", "rate")
    assert [tuple(row[name] for name in names) for row in rates["items"]] == [
        ("FU-4.1.2.2a", 2, 2, 2, 0, 0, 1.0, 1.0),
        ("FU-4.1.2.3a", 4, 2, 2, 0, 0, 0.7, 0.5),
        ("FU-4.1.2.3b", 1, 1, 1, 0, 0, 1.0, 1.0),
        ("FU-4.1.2.3d", 1, 1, 1, 0, 0, 1.0, 1.0),
        ("RM-4.6.4a", 21, 21, 21, 0, 0, 1.0, 1.0),
    ]
    quotas = await reader.get("visits", "/v1/quotas", month=month, project_id=PROJECT)
    counted = ("person_id", "role", "required", "counted", "missing", "status")
    assert [tuple(row[name] for name in counted) for row in quotas["items"]] == [
        ("chen", "centre_manager", 25, 0, 25, "running"),
        ("he", "engineering_supervisor", 10, 0, 10, "running"),
        ("lin", "frontline", 30, 1, 29, "running"),
        ("wu", "department_head", 10, 0, 10, "running"),
        ("zhou", "cs_supervisor", 30, 0, 30, "running"),
    ]


async def test_a_households_timeline_tells_all_of_its_cases(played: Played) -> None:
    page = await played.reader.get("intake", "/v1/households/lanting-1-101/timeline", limit="500")
    theirs = [case for case, said in BOOK.items() if said.home == "1-101" and case != "{15m}"]
    assert theirs == ["{1}", "{7}", "{11}", "{15}", "{16}", "{24}"]
    assert {row["number"] for row in page["cases"]} == {played.number(case) for case in theirs}
    said = [item for item in page["items"] if item["type"].startswith("intake.")]
    told = Counter((item["case_id"], item["type"].split(".")[1]) for item in said)
    assert told == Counter(
        (played.cases[case], _name(fact)) for case in theirs for fact in expected_facts(BOOK[case])
    )
    # And what the others have told of them.
    others = {item["type"].rpartition(".v")[0] for item in page["items"]} - {
        item["type"].rpartition(".v")[0] for item in said
    }
    assert {"visits.followup_due", "visits.followup_done", "notify.message_delivered"} <= others


async def test_who_is_erased_is_read_nowhere_any_more(played: Played) -> None:
    person, subjects = played.erased
    case = played.cases["{39}"]
    assert subjects == {f"household-{ERASED}", f"person-{person}", f"case-{case}"}
    assert played.found["after"] == []
    story = await played.reader.get("intake", f"/v1/cases/{case}/facts")
    timeline = await played.reader.get("intake", f"/v1/households/{ERASED}/timeline")
    gone = {"erased": True}
    sealed = ("summary", "description", "reporter_name", "reporter_phone")
    items = [item for item in timeline["items"] if item["type"].startswith("intake.")]
    for facts in (story["facts"], items):
        told = {fact["type"].split(".")[1]: fact["data"] for fact in facts}
        assert len(facts) == len(expected_facts(CASES[38]))
        assert [told["case_received"][name] for name in sealed] == [gone] * 4
        assert [told["case_handled"][name] for name in ("corrective", "preventive")] == [gone] * 2
    people = (await played.reader.get("intake", "/v1/people", project_id=PROJECT))["items"]
    [row] = [row for row in people if row["person_id"] == person]
    assert (row["name"], row["phone"]) == (gone, gone)
    # Whoever keeps copies of what was sent about the case has let them go.
    number = played.number("{39}")
    assert [sent.to for sent in played.texts if number in sent.text] == [STAFF["zhou"].phone]

    async def forgotten() -> bool:
        return not [text for text in await played.reader.texts() if number in text["text"]]

    await played.reader.until(forgotten, "the provider's stand-in still holds the text")
