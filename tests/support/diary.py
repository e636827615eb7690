"""A day of a project on the stepped clock: played as a diary says, and written down as a diary.

    08:50 received received_by=lin                somebody says it, at that time
    11:10 → result_told                           a fact that follows by itself
    10:12 start-work person_id=he ✗ RC-4.3        it is refused, by this rule

Times are those of the day that is played: `24:00`, `+1T09:30` is of the next, `-2T09:00` two days
before. `{7}` is the ID of the seventh case.
"""

import asyncio
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from tests.support.system import Published, System
from uuid_utils.compat import uuid7

from steward_service.clocks import SteppedDriver

MOMENT = timedelta(milliseconds=1)
_TIME = re.compile(r"(?:([+-]\d+)T)?(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a diary; `refused_by` is the rule, where what is said is refused."""

    at: str
    what: str
    body: Mapping[str, str] = field(default_factory=dict)
    follows: bool = False
    refused_by: str = ""


def read(diary: str) -> list[Said]:
    """Read a diary, line by line."""
    return [_line(line) for line in lines(diary)]


def lines(text: str) -> list[str]:
    """Give the lines of a text that stands indented, each with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _line(line: str) -> Said:
    said, _, rule = line.partition(" ✗ ")
    at, what, *rest = shlex.split(said)
    if what == "→":
        return Said(at, rest[0], follows=True)
    return Said(at, what, dict(pair.split("=", 1) for pair in rest), refused_by=rule)


@dataclass(frozen=True, slots=True)
class Day:
    """The day that is played, in its zone."""

    date: date
    zone: ZoneInfo

    def at(self, said: str) -> datetime:
        """Give the instant that a diary names."""
        found = _TIME.fullmatch(said)
        assert found is not None, said
        days, hours, minutes = (int(part or 0) for part in found.groups())
        midnight = datetime.combine(self.date, time(), self.zone)
        return midnight + timedelta(days=days, hours=hours, minutes=minutes)

    def told(self, at: datetime | str) -> str:
        """Write an instant as a diary does, to the minute; midnight ends the day before."""
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        local = moment.astimezone(self.zone).replace(second=0, microsecond=0)
        ends = local.time() == time()
        days = (local.date() - self.date).days - ends
        return (f"{days:+}T" if days else "") + ("24:00" if ends else f"{local:%H:%M}")

    def value(self, said: str, ids: Mapping[str, str]) -> Any:
        """Give what a diary says of a field as JSON has it."""
        if _TIME.fullmatch(said):
            return self.at(said).isoformat()
        if said in ("true", "false"):
            return said == "true"
        return int(said) if said.isdecimal() else ids.get(said, said)


@dataclass
class Playing:
    """Plays diaries through the services' own doors, case by case as the hours come."""

    system: System
    driver: SteppedDriver
    day: Day
    letter: bytes
    """What is put to a case where a letter is."""
    cases: dict[str, str] = field(default_factory=dict)
    """IDs by the names of the cases: `{7}`; moved to another project it is `{7m}`."""
    _extensions: dict[str, str] = field(default_factory=dict)

    async def play(
        self,
        book: Mapping[str, tuple[Mapping[str, Any], Sequence[Said]]],
        pauses: Iterable[str] = (),
    ) -> None:
        """Take each case in, and let every line happen at its time, all cases side by side.

        Cases are taken in as they stand. At `pauses` messages fall due, which ring no alarm.
        """
        by_time: dict[datetime, dict[str, list[Said]]] = {self.day.at(at): {} for at in pauses}
        for case, (_, diary) in book.items():
            for said in diary:
                if not said.follows:
                    by_time.setdefault(self.day.at(said.at), {}).setdefault(case, []).append(said)
        for at in sorted(by_time):
            await self.pass_to(at)
            for case, diary in by_time[at].items():
                if diary[0].what == "received":
                    await self._receive(case, book[case][0], diary.pop(0))
            await asyncio.gather(*(self._say_all(*each) for each in by_time[at].items()))
            await self.driver.wait_drained()

    async def pass_to(self, at: datetime) -> None:
        """Let time pass, alarm by alarm, until nothing is left to do at that instant."""
        while self.driver.now() < at:
            timer = self.driver.next_timer()
            await self.driver.step(min(at, timer + MOMENT) if timer is not None else at)
            await self.driver.wait_drained()

    async def _receive(self, case: str, reception: Mapping[str, Any], said: Said) -> None:
        body = {**reception, **self._body(said)}
        taken = await self.system.accepted("intake", "/v1/cases", body)
        self.cases[case] = taken["case_id"]

    def _body(self, said: Said) -> dict[str, Any]:
        return {name: self.day.value(value, self.cases) for name, value in said.body.items()}

    async def _say_all(self, case: str, diary: Iterable[Said]) -> None:
        for said in diary:
            await self._say(case, said, self._body(said))

    async def _say(self, case: str, said: Said, body: dict[str, Any]) -> None:
        case_id, post = self.cases[case], self.system.accepted
        path = f"/v1/cases/{case_id}"
        match said.what:
            case "move":
                moved = await post("intake", f"{path}/move", body)
                self.cases[case.replace("}", "m}")] = moved["case_id"]
            case "attach":
                headers = {"Idempotency-Key": str(uuid7()), "Content-Type": "application/pdf"}
                address = f"{self.system.stack.endpoints.services['intake']}{path}/attachments"
                answer = await self.system.client.post(
                    address, content=self.letter, params=body, headers=headers
                )
                assert answer.status_code == 201, answer.text
            case "suggestion":
                suggested = await self.system.get("intake", f"{path}/suggestion")
                assert suggested["earlier_mentions"] == body["times"]
                assert suggested["suggested"]["severity"] == body["severity"]
            case "followup":
                rows = (await self.system.get("visits", "/v1/followups", case_id=case_id))["items"]
                [owed] = [row["followup_id"] for row in rows if row["status"] == "owed"]
                await post("visits", f"/v1/followups/{owed}/done", body)
            case "acknowledge-escalation":
                rows = (await self.system.get("sla", "/v1/escalations", case_id=case_id))["items"]
                told = [row["escalation_id"] for row in rows if row["status"] == "open"][-1]
                await post("sla", f"/v1/escalations/{told}/acknowledge", body)
            case "ask-for-more-time":
                clock = quote(body.pop("clock"), safe="")
                asked = await post("sla", f"/v1/clocks/{case_id}/{clock}/extension", body)
                self._extensions[case] = asked["extension_id"]
            case "approve-more-time" | "refuse-more-time":
                verdict = said.what.partition("-")[0]
                await post("sla", f"/v1/extensions/{self._extensions[case]}/{verdict}", body)
            case action if said.refused_by:
                answer = await self.system.post("intake", f"{path}/{action}", body)
                assert answer.status_code == 409, answer.text
                assert answer.json()["rule"] == said.refused_by, answer.text
            case action:
                await post("intake", f"{path}/{action}", body)


# What is read of the topics, as a diary has it.


def by_stream(published: Iterable[Published], begins: str) -> dict[str, list[Published]]:
    """Put facts by what follows `begins` in their stream's name, in their order; each once."""
    found: dict[str, dict[int, Published]] = defaultdict(dict)
    for one in published:
        if one.stream.startswith(begins):
            before = found[one.stream.removeprefix(begins)].setdefault(one.version, one)
            assert before.id == one.id, one
    return {name: [facts[v] for v in sorted(facts)] for name, facts in found.items()}


def name_of(fact: Published) -> str:
    """Give a fact's name without its owner and version."""
    return fact.type.split(".")[1]


def happened(facts: Iterable[Published], day: Day) -> list[str]:
    """Write the facts of a case."""
    return [f"{day.told(fact.headers['ce_time'])} {name_of(fact)}" for fact in facts]


def ran(facts: Iterable[Published], day: Day) -> list[str]:
    """Write the clocks of a case, a line for each: from when until when, and what became of it."""
    found: dict[str, list[str]] = defaultdict(list)
    for fact in facts:
        if "clock" in fact.data:
            # Most are of the first round, which is not written.
            clock = re.sub(r"#1(?=$|[.:])", "", fact.data["clock"])
            found[clock].append(_of_clock(fact, day))
    return sorted(f"{clock} {', '.join(parts)}" for clock, parts in found.items())


def _of_clock(fact: Published, day: Day) -> str:
    data = fact.data
    match name_of(fact):
        case "clock_started":
            due = _month_after(data["started_at"], data["due_at"], day) or day.told(data["due_at"])
            return f"{day.told(data['started_at'])} → {due}"
        case "clock_met":
            late = {"in_time": "", "with_approval": " with approval", "breached": " late"}
            return f"met {day.told(data['met_at'])}{late[data['outcome']]}"
        case "clock_cancelled":
            return f"cancelled by {data['reason']}"
        case "clock_warned":
            return f"warned {day.told(data['warned_at'])}"
        case "clock_breached":
            return f"breached {day.told(data['breached_at'])}"
        case "clock_rescheduled":
            return f"moved to {day.told(data['new_due'])}"
        case "clock_paused":
            return "paused"
        case "clock_resumed":
            return f"resumed {day.told(data['resumed_at'])}"
        case "escalated":
            why = "requested" if data["decide_by"] else data["because"]
            because = f" {why}" if why else ""
            return f"to {data['to']} {day.told(data['told_at'])}{because}"
        case "extension_requested":
            return f"asked until {day.told(data['until'])} by {data['asked_by']}"
        case "extension_approved":
            return f"approved by {data['approved_by']}"
        case "extension_refused":
            return f"refused by {data['refused_by']}"
        case "escalation_acknowledged":
            return f"acknowledged by {data['person_id']}"
        case "escalation_withdrawn" if data["into"]:
            return f"{data['to']} told of {data['into_number'][-5:]}"
        case "escalation_withdrawn" if data["settled"]:
            return f"{data['to']} asked no longer"
        case other:
            return other


def _month_after(start: str, due: str, day: Day) -> str:
    began, ends = (datetime.fromisoformat(one).astimezone(day.zone) for one in (start, due))
    last = ends.date() - timedelta(days=1)
    months = (last.year - began.year) * 12 + last.month - began.month
    is_month = ends.time() == time() and months == 1 and last.day == began.day
    return "a month" if is_month else ""


def followed_up(facts: Iterable[Published], day: Day) -> list[str]:
    """Write the follow-ups of a case, a line for each."""
    found: dict[str, list[str]] = defaultdict(list)
    for fact in facts:
        if "followup_id" in fact.data:
            found[fact.data["followup_id"]].append(_of_followup(fact, day))
    return [", ".join(parts) for parts in found.values()]


def _of_followup(fact: Published, day: Day) -> str:
    data = fact.data
    match name_of(fact):
        case "followup_due":
            return f"{data['rule'][0]} {data['mode']} by {day.told(data['by'])}"
        case "followup_done":
            unsatisfied = " unsatisfied" if data["satisfied"] is False else ""
            who = data["person_id"]
            at = day.told(fact.headers["ce_time"])
            return f"done {at} {data['mode']} by {who}{unsatisfied}"
        case other:
            return other


@dataclass(frozen=True, slots=True)
class Sent:
    """A text or mail as somebody got it, and when Steward had it sent."""

    at: str
    to: str
    text: str


def sent_texts(
    taken: Iterable[Mapping[str, Any]], notified: Iterable[Published], day: Day
) -> list[Sent]:
    """Give the provider's texts with the stepped instant at which each was sent."""
    when: dict[str, str] = {}
    for fact in notified:
        if name_of(fact) == "message_sending":
            told = day.told(fact.headers["ce_time"])
            when[fact.data.get("group_id") or fact.data["message_id"]] = told
    return [Sent(when[t["out_id"]], t["phone"], t["text"]) for t in taken if t["out_id"] in when]


def lives(notified: Iterable[Published]) -> list[str]:
    """Write what became of each message, as `sms: requested sending sent delivered`."""
    found: dict[str, list[str]] = defaultdict(list)
    for facts in by_stream(notified, "").values():
        for fact in facts:
            if "message_id" in fact.data:
                why = fact.data.get("reason") or fact.data.get("code") or ""
                word = f"{name_of(fact).removeprefix('message_')} {why}".strip()
                found[f"{fact.data['channel']} {fact.data['message_id']}"].append(word)
    return [f"{name.split()[0]}: {', '.join(words)}" for name, words in found.items()]
