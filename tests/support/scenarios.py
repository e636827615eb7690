"""Scenarios of the pack's entries: played over HTTP on a stepped clock, seen on topics and phones.

A scenario is a case and what is said of it. It is played under the whole pack, twice: as it is, so
that nobody does what the entry asks for, and once more with what `kept` adds; and a third time at a
project whose override drops the entry, or has it say otherwise. All scenarios go side by side
through one stepped time.

An instant is written as day and time of the project's zone: `"0 10:00"` is ten o'clock of the
first day, `"2 24:00"` the end of the third.
"""

import asyncio
import json
import re
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from tests.support.system import Published, System

from steward_intake.application.actions import ACTIONS
from steward_policy import packs
from steward_service.clocks import SteppedDriver

ZONE = ZoneInfo("Asia/Shanghai")
GROUP, ESTATE = "rules", "翠湖苑"
TITLES = {
    "frontline": "客服专员",
    "cs_supervisor": "客服部主管",
    "department_head": "部门负责人",
    "engineering_supervisor": "工程部主管",
    "deputy_manager": "副经理",
    "centre_manager": "物业服务中心经理",
    "company_leader": "公司主管领导",
    "general_manager": "公司总经理",
}
"""The staff: each role has one holder, who has its name as ID and whose phone tells the role."""
PHONES = {f"138000011{place:02}": role for place, role in enumerate(TITLES, 1)}
OWNER = "13900002222"

_WHAT, _DUE, _TITLE = r"(?P<what>.+)", r"(?P<due>.+)", r"(?P<title>.+)"
LATE = rf"{_WHAT}应于{_DUE}前完成，现已逾期，升级到您（{_TITLE}）处理。"
BEGUN = rf"{_WHAT}请您（{_TITLE}）处理，须于{_DUE}前完成。"
ASKED = rf"{_WHAT}申请延期，请您（{_TITLE}）于{_DUE}前决定；原期限.+。"
FOLLOWUP = rf"{_WHAT}应于{_DUE}前完成，现已逾期，请您（{_TITLE}）安排。"
"""What roles are told, between the project and the rules."""

FACTS = {"receive": "case_received"} | {
    action: kind.model_fields["type"].default for action, kind in ACTIONS.items()
}
"""What is published of what is said."""

DUTY = (time(8, 30), time(17, 59))
"""When duty begins, and its last minute: what is known later is told the next morning."""

_INSTANT = re.compile(r"\d+ \d\d:\d\d")
_DATE = re.compile(r"(\d{4})[-年](\d{1,2})[-月](\d{1,2})日?")
_AT_ONCE = 16
_MOMENT = timedelta(milliseconds=1)


class Step(NamedTuple):
    """Something that is said of a case: by the last part of its address, or a word of `_say`."""

    at: str
    action: str
    body: Mapping[str, Any]


def at(when: str, action: str, /, **body: Any) -> Step:
    """Say something of the case at that instant; instants in the body are written alike."""
    return Step(when, action, body)


def received(when: str = "0 10:00", /, **body: Any) -> Step:
    """Receive the case, a complaint unless it is said otherwise."""
    return at(when, "receive", **{"kind": "complaint", "summary": "电梯停运", **body})


def classified(severity: str, when: str = "0 10:05", /, **body: Any) -> Step:
    """Find that the complaint is valid, and how weighty it is."""
    return at(when, "classify", **{"severity": severity, "validity": "valid", **body})


def handled(when: str) -> Step:
    """Do what there is to do."""
    measures = {"corrective": "更换门机", "preventive": "每季检查门机"}
    return at(when, "handle", person_id="frontline", **measures)


def withdrawn(when: str) -> Step:
    """Let the owner take it back, so that nothing more is owed and nobody is told any longer."""
    confirmed = {"person_id": "frontline", "confirmed_by": "general_manager"}
    return at(when, "withdraw", asked_by="业主本人", how="phone", **confirmed)


@dataclass(frozen=True, eq=False)
class Scenario:
    """What is said of a case while it lives, and what also is where the entry's duty is done."""

    entry: str
    story: tuple[Step, ...]
    kept: tuple[Step, ...]
    until: str
    others: tuple[str, ...] = ()
    """Entries that carry out the same rule, and are dropped with it."""
    instead: Mapping[str, Any] = field(default_factory=dict)
    """What the entry says otherwise, where it is not the whole of it that carries out the rule."""

    @property
    def entries(self) -> tuple[str, ...]:
        """All that is tried."""
        return self.entry, *self.others

    def __str__(self) -> str:
        return self.entry


@dataclass(frozen=True)
class Told:
    """What was told of a duty: when it was due, of what, and whom at its start and when late."""

    due: str
    what: str
    late: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()


@dataclass(frozen=True)
class Owed:
    """A follow-up as it is owed, and who was told that it is late."""

    by: str
    modes: tuple[str, ...]
    roles: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quota:
    """How many households a month's quota asks for, and what has become of it."""

    role: str
    households: int
    by: str
    reached: str = ""
    missed: int | None = None
    """So many were visited when the month ended."""


@dataclass(frozen=True)
class Duty:
    """What is owed once in a week, when it was done, and who was told that it was not."""

    by: str
    done: str = ""
    late: tuple[str, ...] = ()


@dataclass
class Case:
    """One play of a scenario, as the topics and the SMS provider show it."""

    scenario: Scenario
    project: str
    first_day: date
    steps: tuple[Step, ...]
    id: str = ""
    number: str = ""
    extension: str = ""
    suggested: list[Mapping[str, Any]] = field(default_factory=list)
    """What the table said each time that it was asked."""
    followups: list[str] = field(default_factory=list)
    """Those that were made."""
    raised: str = ""
    """The case of what was raised anew in the last of them."""
    refused: list[str] = field(default_factory=list)
    heard: Mapping[str, Sequence[Published]] = field(default_factory=dict, repr=False)
    """All that was published of the project, by service."""
    texts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """What the SMS provider has taken, by the ID that notify gave it."""

    def when(self, instant: str) -> datetime:
        """Give the instant that is written so."""
        day, _, clock = instant.partition(" ")
        hours, minutes = map(int, clock.split(":"))
        midnight = datetime.combine(self.first_day + timedelta(days=int(day)), time(), ZONE)
        return midnight + timedelta(hours=hours, minutes=minutes)

    def written(self, instant: str) -> str:
        """Write an instant as scenarios do; midnight ends a day."""
        local = datetime.fromisoformat(instant).astimezone(ZONE)
        midnight = local.time() == time()
        day = (local.date() - self.first_day).days - midnight
        return f"{day} {'24:00' if midnight else f'{local:%H:%M}'}"

    @property
    def month(self) -> int:
        """After so many days a month has passed."""
        return monthrange(self.first_day.year, self.first_day.month)[1]

    @property
    def end_of_month(self) -> str:
        """The end of the first day's month."""
        return f"{self.month - self.first_day.day} 24:00"

    @property
    def end_of_next_week(self) -> str:
        """The end of the week that follows the first day's."""
        return f"{13 - self.first_day.weekday()} 24:00"

    def facts(self, service: str, name: str, **like: Any) -> list[Mapping[str, Any]]:
        """Give the project's facts of that name which say this."""
        return [
            one.data
            for one in self.heard[service]
            if one.type == f"{service}.{name}.v1"
            and all(one.data.get(key) == value for key, value in like.items())
        ]

    def said(self, service: str, name: str, **like: Any) -> list[Mapping[str, Any]]:
        """Give the case's facts of that name which say this."""
        return self.facts(service, name, case_id=self.id, **like)

    def clock(self, target: str = "") -> Told | None:
        """Tell how the first clock of a target, else of the entry, went; None if it never ran."""
        like = {"target": target or self.scenario.entry}
        started = self.said("sla", "clock_started", **like)
        if not started:
            return None
        due = self.written(started[0]["due_at"])
        for moved in self.said("sla", "clock_rescheduled", **like):
            due = self.written(moved["new_due"])
        breaches = self.said("sla", "clock_breached", **like)
        assert [self.written(one["breached_at"]) for one in breaches] in ([], [due])
        told: dict[bool, list[str]] = {True: [], False: []}
        what = ""
        for climb in self.said("sla", "escalated", **like):
            is_late = bool(climb["breach"])
            escalation = {"escalation_id": climb["escalation_id"]}
            by, words = due, LATE if is_late else BEGUN
            if climb["decide_by"]:
                by, words = self.written(climb["decide_by"]), ASKED
            said = self._message(climb["to"], by, words, **escalation)
            told[is_late].append(f"{said.at or self.written(climb['told_at'])} {climb['to']}")
            what = said.text
        return Told(due, what, tuple(told[True]), tuple(told[False]))

    def met(self, target: str = "") -> str:
        """Say when the duty was done in time; nothing if it never was, or ever late."""
        like = {"target": target or self.scenario.entry}
        if self.said("sla", "clock_breached", **like):
            return ""
        ends = self.said("sla", "clock_met", **like, outcome="in_time")
        return self.written(ends[0]["met_at"]) if ends else ""

    def first_clocks(self) -> dict[str, str]:
        """Give when each clock that began on the first day was due."""
        started = self.said("sla", "clock_started")
        of_first_day = (one for one in started if self.written(one["started_at"]) < "0 24:00")
        return {one["target"]: self.written(one["due_at"]) for one in of_first_day}

    def followup(self) -> Owed | None:
        """Tell which follow-up the case owes; None if it owes none."""
        owed = self.said("visits", "followup_due")
        if not owed:
            return None
        [due] = owed
        by, late = self.written(due["by"]), []
        for overdue in self.said("visits", "followup_overdue"):
            said = self._message(overdue["to"], by, FOLLOWUP, template="followup_overdue")
            late.append(f"{said.at or self.written(overdue['by'])} {overdue['to']}")
        return Owed(by, tuple(due["modes"]), tuple(due["roles"]), tuple(late))

    def quotas(self) -> list[Quota]:
        """Tell what the entry's holders of roles owe in the first day's month, role by role."""
        like = {"quota": self.scenario.entry, "month": f"{self.first_day:%Y-%m}"}
        owed = {
            one["role"]: Quota(one["role"], one["required"], self.written(one["by"]))
            for one in self.facts("visits", "quota_due", **like)
        }
        for one in self.facts("visits", "quota_reached", **like):
            reached = self.written(one["reached_at"])
            owed[one["role"]] = replace(owed[one["role"]], reached=reached)
        for one in self.facts("visits", "quota_missed", **like):
            owed[one["role"]] = replace(owed[one["role"]], missed=one["counted"])
        return [owed[role] for role in TITLES if role in owed]

    def duty(self) -> Duty | None:
        """Tell how the entry's duty of the first whole week went; None if nothing was owed."""
        like = {"duty": self.scenario.entry}
        owed = self.facts("visits", "duty_due", **like)
        if not owed:
            return None
        by = self.written(owed[0]["by"])
        like["period"] = owed[0]["period"]
        done = [self.written(one["done_at"]) for one in self.facts("visits", "duty_done", **like)]
        late = []
        for missed in self.facts("visits", "duty_missed", **like):
            of_no_case = {"template": "duty_missed", "case_id": None}
            said = self._message(missed["role"], by, FOLLOWUP, **of_no_case)
            late.append(f"{said.at} {missed['role']}")
        return Duty(by, "".join(done), tuple(late))

    def owner(self) -> list[str]:
        """Give what the owner was told by SMS, each with its instant."""
        messages = self.said("notify", "message_requested", role=None, channel="sms")
        texts = [self._text(OWNER, one) for one in messages]
        return [f"{said.at} {said.text.removeprefix('【管家】')}" for said in texts]

    def _message(self, role: str, due: str, like: str, **of: Any) -> "_Text":
        """Give of what a role was told; the text must be whole, and have reached who holds it."""
        like_this = {"case_id": self.id, "channel": "sms"} | of
        [message] = self.facts("notify", "message_requested", **like_this)
        phone = next(phone for phone, held in PHONES.items() if held == role)
        taken = self._text(phone, message)
        whole = f"【管家】{ESTATE}：{like}依据{'、'.join(message['rule'])}。"
        found = re.fullmatch(whole, taken.text)
        assert found, taken.text
        assert (found["due"], found["title"]) == (due, TITLES[role]), taken.text
        at = self.written(message["not_before"]) if message["not_before"] else ""
        return _Text(at, found["what"])

    def _text(self, phone: str, message: Mapping[str, Any]) -> "_Text":
        """Give a message's text as that phone got it, with days and without the case's number."""
        [sending] = self.facts("notify", "message_sending", message_id=message["message_id"])
        taken = self.texts[sending["group_id"] or message["message_id"]]
        assert taken["phone"] == phone, taken
        text = _DATE.sub(self._day_of, taken["text"].replace(self.number, ""))
        [sent] = (one for one in self.heard["notify"] if one.data is sending)
        return _Text(self.written(sent.headers["ce_time"]), text)

    def _day_of(self, found: re.Match[str]) -> str:
        said = date(*map(int, found.groups()))
        return str((said - self.first_day).days)


class _Text(NamedTuple):
    at: str
    text: str


@dataclass(frozen=True)
class Seen:
    """A scenario under one pack: as nobody did what the entry asks for, and as somebody did."""

    late: Case
    kept: Case


SCENARIOS: list[Scenario] = []
"""All that were made."""

Check = Callable[[Seen], None]
Plays = Mapping[tuple[Scenario, str], Seen]


def scenario(
    entry: str,
    *story: Step,
    until: str,
    kept: Step | Sequence[Step] = (),
    others: Sequence[str] = (),
    instead: Mapping[str, Any] | None = None,
) -> Callable[[Check], Callable[..., None]]:
    """Make two tests of what is checked: it holds on the whole pack, and not without the entry.

    Or, with `instead`, not where the entry says this.
    """
    also = (kept,) if isinstance(kept, Step) else tuple(kept)
    one = Scenario(entry, story, also, until, tuple(others), instead or {})
    SCENARIOS.append(one)

    def tests(check: Check) -> Callable[..., None]:
        @pytest.mark.parametrize("pack", ["whole", "without"])
        @pytest.mark.parametrize("scenario", [one], ids=str)
        def test(plays: Plays, scenario: Scenario, pack: str) -> None:
            whole, seen = plays[scenario, "whole"], plays[scenario, pack]
            for case in (seen.late, seen.kept):
                _demand_all_was_heard(case)
            if pack == "whole":
                check(seen)
                return
            # All else goes on as it does on the whole pack.
            others, left = whole.late.first_clocks(), seen.late.first_clocks()
            others.pop(entry, None)
            if scenario.instead:
                left.pop(entry, None)
            assert left == others
            with pytest.raises(AssertionError):
                check(seen)

        test.__name__ = check.__name__
        return test

    return tests


def _demand_all_was_heard(case: Case) -> None:
    """All that was said of the case was published, and sla heard it all, by the right rules."""
    assert not case.refused, case.refused
    [first] = case.said("intake", "case_received")
    override = f"+{case.project}" if case.project.endswith("without") else ""
    assert first["policy"] == packs.built_in().version + override
    published = [
        one.type.split(".")[1] for one in case.heard["intake"] if one.data.get("case_id") == case.id
    ]
    noted = [one["noted"] for one in case.said("sla", "case_noted")]
    assert sorted(noted) == sorted(published)
    said = {FACTS[step.action] for step in case.steps if step.action in FACTS}
    # What has closed by its date or was refused is not taken back at the end.
    is_over = not {"case_closed", "case_refused"}.isdisjoint(published)
    assert said - {*published} <= ({"case_withdrawn"} if is_over else set())


# ---- playing ----


async def play(
    system: System, driver: SteppedDriver, scenarios: Sequence[Scenario]
) -> dict[tuple[Scenario, str], Seen]:
    """Play all scenarios side by side, each thrice, and give what was seen of them."""
    first_day = _next_working_day(driver.now().astimezone(ZONE))
    seen: dict[tuple[Scenario, str], Seen] = {}
    cases: list[Case] = []
    for place, one in enumerate(scenarios):
        late, without = (
            Case(one, f"{place:02}-{name}", first_day, (*one.story, withdrawn(one.until)))
            for name in ("late", "without")
        )
        to_the_end = (*one.story, *one.kept, withdrawn(one.kept[-1].at)) if one.kept else ()
        kept = Case(one, "kept", first_day, to_the_end)
        cases += [late, without, *([kept] if one.kept else [])]
        seen[one, "whole"] = Seen(late, kept if one.kept else late)
        seen[one, "without"] = Seen(without, without)
    await _register(system, driver, cases)
    await _live(system, driver, cases)
    await _look(system, cases)
    return seen


def _next_working_day(now: datetime) -> date:
    """Give a day from Monday to Friday whose morning is still to come, with a like in each month."""
    day = now.date() + timedelta(days=now.time() >= time(8))
    while day.weekday() > 4 or day.day > 28:
        day += timedelta(days=1)
    return day


async def _register(system: System, driver: SteppedDriver, cases: Sequence[Case]) -> None:
    """Register who lives and works there; overrides are heard before anybody has a role."""
    group = {"type": "group", "group_id": GROUP, "name": "汇和物业"}
    staff = [
        {"type": "staff", "person_id": role, "group_id": GROUP, "name": TITLES[role],
         "phone": phone, "email": f"{role}@example.cn"}
        for phone, role in PHONES.items()
    ]  # fmt: skip
    names = dict.fromkeys(case.project for case in cases)
    projects = [
        {"type": "project", "project_id": project, "group_id": GROUP, "name": ESTATE}
        for project in names
    ]
    households = [
        {"type": "household", "household_id": household, "project_id": case.project}
        for case in cases
        for step in case.steps
        if step.action == "visits"
        for household in _visited(case, step)
    ]
    overrides = [
        {"type": "policy", "project_id": case.project, "text": _override(case)}
        for case in cases
        if case.project.endswith("without")
    ]
    roles = [
        {"type": "role", "project_id": project, "role": role, "person_id": role}
        for project in names
        for role in TITLES
    ]
    for lines, at_once in (
        ([group, *staff, *projects, *households], 200),
        (overrides, 10),
        (roles, 200),
    ):
        for start in range(0, len(lines), at_once):
            await system.register(*lines[start : start + at_once])
        await driver.wait_drained()


def _override(case: Case) -> str:
    first = f"overrides: residential-cn\nversion: {case.project}\n"
    if case.scenario.instead:
        changed = {"id": case.scenario.entry, **case.scenario.instead}
        return f"{first}targets: {json.dumps([changed])}\n"
    # An entry that the pack does not have fails its own test alone.
    drop = ", ".join(entry for entry in case.scenario.entries if entry in entries())
    return f"{first}drop: [{drop}]\n"


def entries() -> set[str]:
    """Name the entries of the built-in pack."""
    return {entry.id for _, _, entry in packs.built_in().pack.entries()}


def _visited(case: Case, step: Step) -> list[str]:
    first, last = step.body["doors"]
    return [f"{case.project}-{door}" for door in range(first, last + 1)]


async def _live(system: System, driver: SteppedDriver, cases: Sequence[Case]) -> None:
    """Let time go from step to step, and stop when duty begins and ends, so that all is told then.

    What has one instant goes together.
    """
    coming: dict[datetime, list[Case]] = defaultdict(list)
    for case in cases:
        for instant in {case.when(step.at) for step in case.steps}:
            coming[instant].append(case)
    first, last = min(coming), max(coming)
    stops = {
        datetime.combine(first.date() + timedelta(days=day), hour, ZONE) + _MOMENT
        for day in range((last - first).days + 1)
        for hour in DUTY
    }
    places = asyncio.Semaphore(_AT_ONCE)

    async def say_all(case: Case, instant: datetime) -> None:
        async with places:
            for step in case.steps:
                if case.when(step.at) == instant:
                    await _say(system, case, step)

    for instant in sorted(coming.keys() | {stop for stop in stops if stop < last}):
        if instant not in coming and instant < (driver.next_timer() or last):
            continue
        await driver.step(instant)
        await driver.wait_drained()
        await asyncio.gather(*(say_all(case, instant) for case in coming[instant]))
        await driver.wait_drained()


async def _say(system: System, case: Case, step: Step) -> None:
    """Say it; what is refused is noted, and fails the tests of this case alone."""

    async def post(service: str, path: str, body: object) -> dict[str, str]:
        answer = await system.post(service, path, body)
        if answer.is_success:
            return {**answer.json()}
        case.refused.append(f"{step.action}: {answer.json()['detail']}")
        return defaultdict(str)

    body = {name: _instant(case, value) for name, value in step.body.items()}
    match step.action:
        case "receive":
            said = {"project_id": case.project, "channel": "counter", **body}
            answer = await post("intake", "/v1/cases", said)
            case.id, case.number = answer["case_id"], answer["number"]
        case "ask":
            path = f"/v1/clocks/{case.id}/{quote(body.pop('clock'), safe='')}/extension"
            case.extension = (await post("sla", path, body))["extension_id"]
        case "approve":
            await post("sla", f"/v1/extensions/{case.extension}/approve", body)
        case "follow-up":
            owed = await system.get("visits", "/v1/followups", case_id=case.id)
            for one in owed["items"]:
                case.followups.append(one["followup_id"])
                await post("visits", f"/v1/followups/{one['followup_id']}/done", body)
        case "raise":
            # Something else, to be answered at a time that is agreed upon.
            origin = {"channel": "followup", "followup_id": case.followups[-1]}
            promised = {"promise_id": "answer", "promised_at": body.pop("answered_by")}
            said = {"project_id": case.project, **origin, **body}
            case.raised = (await post("intake", "/v1/cases", said))["case_id"]
            await post("intake", f"/v1/cases/{case.raised}/promise", promised)
        case "answer-raised":
            said = {"promise_id": "answer", **body}
            await post("intake", f"/v1/cases/{case.raised}/keep-promise", said)
        case "visits":
            for household in _visited(case, step):
                said = {"household_id": household, "person_id": body["by"], "mode": "on_site"}
                await post("visits", "/v1/visits", said)
        case "hang-box":
            box = {"box_id": f"{case.project}-box", "project_id": case.project, **body}
            await post("intake", "/v1/suggestion-boxes", box)
        case "open-box":
            await post("intake", f"/v1/suggestion-boxes/{case.project}-box/openings", body)
        case "take-over":
            told = await system.get("sla", "/v1/escalations", case_id=case.id, status="open")
            for one in told["items"]:
                await post("sla", f"/v1/escalations/{one['escalation_id']}/acknowledge", body)
        case "suggest":
            path = f"/v1/cases/{case.id}/suggestion"
            case.suggested.append(await system.get("intake", path))
        case "look":
            pass
        case "classify" if "rework_of" in body:
            # The work that was done before, of which nothing more is owed.
            said = {"project_id": case.project, "channel": "counter", "kind": "service_request"}
            earlier = (await post("intake", "/v1/cases", said))["case_id"]
            await post("intake", f"/v1/cases/{earlier}/withdraw", withdrawn(step.at).body)
            body["rework_of"] = earlier
            await post("intake", f"/v1/cases/{case.id}/classify", body)
        case "withdraw":
            for one in filter(None, (case.id, case.raised)):
                if not await _is_over(system, one):
                    await post("intake", f"/v1/cases/{one}/withdraw", body)
        case action:
            await post("intake", f"/v1/cases/{case.id}/{action}", body)


async def _is_over(system: System, case_id: str) -> bool:
    shown = await system.get("intake", f"/v1/cases/{case_id}")
    return shown["status"] in ("closed", "refused")


def _instant(case: Case, value: Any) -> Any:
    is_one = isinstance(value, str) and _INSTANT.fullmatch(value)
    return case.when(value).isoformat() if is_one else value


async def _look(system: System, cases: Sequence[Case]) -> None:
    """Read the topics and the provider's texts whole, once."""
    heard: dict[str, dict[str, list[Published]]] = defaultdict(lambda: defaultdict(list))
    for service in ("intake", "sla", "visits", "notify"):
        for one in await system.published(service):
            heard[one.key][service].append(one)
    texts = {text["out_id"]: text for text in await system.texts()}
    for case in cases:
        case.heard, case.texts = heard[case.project], texts
