"""Two weeks of one property group: who lives and works there, and what happens to each case.

Everything follows from the seed. Twelve days are history, as records for `POST /v1/imports`, and so
are some complaints that have been open since August; the last two days are live, as writes with
their instants. A case that is open at the boundary goes on live.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from steward_events.vocabulary import External
from steward_intake.application.actions import ACTIONS
from steward_intake.application.desk import external_case_id
from steward_stack.example.daily_work import circumstances, daily_work
from steward_stack.example.more_time import more_time
from steward_stack.example.sayings import (
    DEMANDS,
    GIVEN,
    PLACES,
    PROGRESS,
    REMARKS,
    SURNAMES,
    TIMES,
    TOPICS,
    Topic,
)
from steward_stack.example.seldom import (
    BOX,
    CLASSIFIED_AFTER,
    OPENED,
    PROJECT,
    SLIPS,
    registers,
    seldom,
)
from steward_stack.scenario import Asked, Decided, Happened, Opened, Received, Visited

ZONE = ZoneInfo("Asia/Shanghai")
OLDEST = datetime(2026, 8, 1, tzinfo=ZONE)
START = datetime(2026, 9, 28, tzinfo=ZONE)
BOUNDARY = datetime(2026, 10, 10, tzinfo=ZONE)
END = datetime(2026, 10, 12, tzinfo=ZONE)
REGISTERED = datetime(2026, 9, 21, 9, tzinfo=ZONE)

SOURCE = "urn:steward:example"
GROUP = "sample-group"
PROJECTS = {
    "lakeside": "湖畔花园",
    "hillside": "山景名邸",
    "riverside": "滨江一号",
    "parkview": "公园里",
    "sunshine": "阳光城",
    "oldtown": "老城雅苑",
}
HOUSEHOLDS = 100
"""Per project."""

HOLIDAYS = {date(2026, 10, day) for day in range(1, 8)}
MAKE_UP_DAYS = {date(2026, 10, 10)}

_LEFT_OPEN: tuple[tuple[tuple[int, int], int | None], ...] = (
    ((8, 3), 41),
    ((8, 6), 35),
    ((8, 12), None),
    ((8, 19), 44),
    ((8, 25), None),
    ((9, 8), None),
    ((9, 10), None),
)
"""Complaints from before the fortnight: month and day, and after how many days they were handled."""

_MIX = {"service_request": 45, "complaint": 25, "consultation": 20, "suggestion": 10}
_SEVERITIES = {"minor": 70, "important": 23, "major": 7}
_CHANNELS = {
    "app": 34,
    "phone": 26,
    "counter": 14,
    "hotline": 14,
    "forum": 5,
    "email": 4,
    "letter": 2,
    "suggestion_box": 1,
}
_BY_HOUR = (2, 1, 1, 1, 1, 1, 2, 4, 8, 10, 10, 8, 5, 4, 6, 7, 7, 6, 7, 9, 8, 5, 3, 2)
_PROJECT_ROLES = {
    "centre_manager": 1,
    "cs_supervisor": 1,
    "engineering_supervisor": 1,
    "frontline": 2,
}
_GROUP_ROLES = ("general_manager", "company_leader")


@dataclass(slots=True)
class _Case:
    """One case from its first word to as far as it comes."""

    name: str
    project: str
    steps: list[tuple[datetime, str, dict[str, Any]]] = field(default_factory=list)

    @property
    def external(self) -> dict[str, str]:
        return {"source": SOURCE, "subject": self.name}

    @property
    def is_complaint(self) -> bool:
        return bool(self.steps[0][2]["kind"] == "complaint")

    def add(self, at: datetime, what: str, **body: Any) -> datetime:
        self.steps.append((at, what, body))
        return at


Live = Received | Happened | Asked | Decided | Visited | Opened

_PATHS = {kind.model_fields["type"].default: name for name, kind in ACTIONS.items()}


class Fortnight:
    """The example of one seed; the same seed gives the same example, on every machine."""

    def __init__(self, seed: int = 2026) -> None:
        self._random = Random(seed)  # noqa: S311 - an example, not a secret
        self._staff: dict[tuple[str, str], list[str]] = {}
        self.registers = [*self._registers(), *registers()]
        """Lines for `POST /v1/registers`."""
        self._cases = [*self._left_open(), *self._all_cases()]
        self._cases += self._reworks()
        self._cases += self._seldom()

    # Who lives and works there.

    def _registers(self) -> Iterator[dict[str, Any]]:
        at = REGISTERED.isoformat()
        yield {"type": "group", "group_id": GROUP, "name": "示例物业集团", "occurred_at": at}
        holders = [(role, "", role) for role in _GROUP_ROLES]
        for project in PROJECTS:
            for role, count in _PROJECT_ROLES.items():
                holders += [(role, project, f"{project}-{role}-{n}") for n in range(1, count + 1)]
        for number, (role, project, person) in enumerate(holders, 101):
            yield {
                "type": "staff",
                "person_id": person,
                "group_id": GROUP,
                "name": self._name(),
                "phone": f"1880000{number:04d}",
                "email": f"{person}@example.cn",
                "occurred_at": at,
            }
            for served in [project] if project else PROJECTS:
                self._staff.setdefault((served, role), []).append(person)
        for project, name in PROJECTS.items():
            yield {
                "type": "project",
                "project_id": project,
                "group_id": GROUP,
                "name": name,
                "zone": ZONE.key,
                "occurred_at": at,
            }
            for (served, role), people in self._staff.items():
                for person in people if served == project else []:
                    yield {
                        "type": "role",
                        "project_id": project,
                        "role": role,
                        "person_id": person,
                        "occurred_at": at,
                    }
        for place, project in enumerate(PROJECTS):
            for number in range(1, HOUSEHOLDS + 1):
                yield from self._household(project, place * HOUSEHOLDS + number, number)

    def _household(self, project: str, number: int, door: int) -> Iterator[dict[str, Any]]:
        at = REGISTERED.isoformat()
        household = f"{project}-h{door:03d}"
        building, rest = divmod(door - 1, 20)
        floor, side = divmod(rest, 2)
        yield {
            "type": "household",
            "household_id": household,
            "project_id": project,
            "address": f"{PROJECTS[project]}{building + 1}号楼{floor + 1}0{side + 1}室",
            "key": self._random.random() < 0.04,
            "occurred_at": at,
        }
        yield {
            "type": "person",
            "person_id": f"{project}-p{door:03d}",
            "household_id": household,
            "name": self._name(),
            "phone": f"1990100{number:04d}",
            "email": f"owner{number:03d}@example.cn" if self._random.random() < 0.6 else "",
            "occurred_at": at,
        }

    def _name(self) -> str:
        return self._random.choice(SURNAMES) + self._random.choice(GIVEN)

    # What happens.

    def _all_cases(self) -> Iterator[_Case]:
        number = 0
        day = START.date()
        while day < END.date():
            for at in self._receptions(day):
                number += 1
                yield self._case(f"E-{number:04d}", at)
            day += timedelta(days=1)

    def _receptions(self, day: date) -> list[datetime]:
        if day in HOLIDAYS:
            middle = 27
        elif day in MAKE_UP_DAYS or day.weekday() < 5:
            middle = 35
        else:
            middle = 30
        hours = self._random.choices(range(24), _BY_HOUR, k=middle + self._random.randint(-3, 4))
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZONE)
        return sorted(
            midnight + timedelta(hours=hour, seconds=self._random.randrange(3600)) for hour in hours
        )

    def _case(self, name: str, at: datetime) -> _Case:
        kind = self._pick(_MIX)
        topic = self._random.choices(TOPICS[kind], [t.weight for t in TOPICS[kind]])[0]
        project = self._random.choice(list(PROJECTS))
        household = f"{project}-h{self._random.randint(1, HOUSEHOLDS):03d}"
        case = _Case(name, project)
        summary = self._random.choice(topic.sayings).format(
            place=self._random.choice(PLACES), time=self._random.choice(TIMES)
        )
        clerk = self._random.choice(self._staff[project, "frontline"])
        case.add(
            at,
            "case_received",
            project_id=project,
            kind=kind,
            channel=self._pick(_CHANNELS),
            household_id=household,
            topic=topic.name,
            summary=summary,
            complained_of=topic.department if kind == "complaint" else "",
            received_by=clerk,
        )
        case.add(at + self._minutes(1, 5), "case_assigned", person_id=clerk, reason="首问负责")
        late = self._random.random() < 0.06
        classified = at + (self._minutes(40, 90) if late else self._minutes(6, 25))
        match kind:
            case "complaint":
                self._complaint(case, topic, classified, clerk)
            case "service_request":
                self._request(case, topic, classified, clerk)
            case _:
                case.add(classified, "case_classified", topic=topic.name, person_id=clerk)
                self._answer(case, kind, classified, clerk)
        return self._worked_on(case, topic)

    def _worked_on(self, case: _Case, topic: Topic) -> _Case:
        """Add what staff does every day; none of it changes what chance brings to other cases."""
        case.steps.sort(key=lambda step: step[0])
        said = {what: body for _, what, body in case.steps}
        if case.is_complaint:
            severity = said["case_classified"].get("severity")
            said["case_received"].update(circumstances(case.name, topic.name, severity))
        case.steps += daily_work(case.name, case.steps, topic.department, self._at(case.project))
        case.steps.sort(key=lambda step: step[0])
        return case

    def _at(self, project: str) -> dict[str, list[str]]:
        return {role: people for (served, role), people in self._staff.items() if served == project}

    def _left_open(self) -> Iterator[_Case]:
        """Give the complaints that have been open since August, or were handled much too late."""
        chance = Random("left open")  # noqa: S311 - an example, not a secret
        households = [f"h{number:03d}" for number in range(7, 100, 11)]
        for number, (day, days) in enumerate(_LEFT_OPEN, 1):
            at = datetime(2026, *day, 9 + number, tzinfo=ZONE)
            project = chance.choice(list(PROJECTS))
            topic = chance.choice(TOPICS["complaint"])
            clerk = self._staff[project, "frontline"][0]
            case = _Case(f"A-{number:04d}", project)
            case.add(
                at,
                "case_received",
                project_id=project,
                kind="complaint",
                channel="phone",
                household_id=f"{project}-{households[number - 1]}",
                topic=topic.name,
                summary=topic.sayings[0].format(place=PLACES[0], time=TIMES[0]),
                complained_of=topic.department,
                received_by=clerk,
            )
            classified = at + timedelta(minutes=12)
            severity = "important" if number % 3 == 0 else "minor"
            case.add(
                classified,
                "case_classified",
                validity="valid",
                severity=severity,
                topic=topic.name,
                person_id=clerk,
            )
            manager = self._staff[project, "centre_manager"][0]
            accepted = at + timedelta(minutes=40)
            case.add(accepted, "case_accepted", role="centre_manager", person_id=manager)
            if days is not None:
                handled = at + timedelta(days=days)
                case.add(
                    handled,
                    "case_handled",
                    person_id=manager,
                    corrective=topic.corrective[0],
                    preventive=topic.preventive[0],
                )
                told = handled + timedelta(hours=2)
                case.add(told, "result_told", how="phone", person_id=clerk)
            yield self._worked_on(case, topic)

    def _complaint(self, case: _Case, topic: Topic, classified: datetime, clerk: str) -> None:
        shares = {"valid": 60, "coordination": 33, "excessive": 7} if topic.outside else {
            "valid": 92, "coordination": 3, "excessive": 5
        }  # fmt: skip
        validity = self._pick(shares)
        severity = self._pick(_SEVERITIES) if validity == "valid" else None
        said: dict[str, Any] = {"validity": validity, "topic": topic.name, "person_id": clerk}
        if severity:
            said["severity"] = severity
        if validity == "coordination":
            said |= {"ground": "d", "outside_party": "居委会"}
        if validity == "excessive":
            said["ground"] = "a"
        case.add(classified, "case_classified", **said)
        role = "cs_supervisor" if severity in {"minor", None} else "centre_manager"
        person = self._staff[case.project, role][0]
        chance = self._random.random()
        if chance < 0.72:
            case.add(
                classified + self._minutes(3, 30), "case_accepted", role=role, person_id=person
            )
        elif chance < 0.92:
            case.add(
                self._by_day(classified + self._minutes(60, 240)),
                "case_accepted",
                role=role,
                person_id=person,
            )
        hours = {"minor": 17.0, "important": 34.0, "major": 80.0}.get(severity or "minor", 17.0)
        handled = self._by_day(classified + self._about(hours))
        if severity in {"important", "major"}:
            case.add(
                self._by_day(classified + self._minutes(300, 900)),
                "progress_reported",
                department=topic.department,
                text=self._random.choice(PROGRESS),
                person_id=person,
            )
        if self._random.random() < 0.04:
            paused = self._by_day(classified + self._minutes(60, 180))
            days = timedelta(days=self._random.randint(1, 3))
            ends = (paused + days).isoformat()
            case.add(paused, "case_paused", resume_on=ends, because="owner_asked")
            case.add(paused + days, "case_resumed")
            handled = max(handled, self._by_day(paused + days + self._minutes(30, 300)))
        if handled - classified > timedelta(hours=40) and self._random.random() < 0.6:
            case.add(
                classified + timedelta(hours=30) + self._minutes(0, 180),
                "case_chased",
                channel="phone",
                demand=self._random.choice(DEMANDS),
            )
        if self._random.random() < 0.05:
            return  # nobody ever does anything: its clocks tell
        measures: dict[str, Any] = {}
        if validity == "valid":
            measures = {
                "corrective": self._random.choice(topic.corrective),
                "preventive": self._random.choice(topic.preventive),
            }
        case.add(handled, "case_handled", person_id=person, **measures)
        told = self._told(case, handled, clerk)
        mode = "on_site" if severity == "major" else "phone"
        visitor = self._staff[case.project, "centre_manager"][0] if severity == "major" else clerk
        self._followed_up(case, told, mode, visitor, share=0.86, closes=True)

    def _request(self, case: _Case, topic: Topic, classified: datetime, clerk: str) -> None:
        engineer = self._staff[case.project, "engineering_supervisor"][0]
        case.add(
            classified,
            "case_classified",
            topic=topic.name,
            urgency=topic.urgency,
            work_category=topic.work_category,
            person_id=clerk,
        )
        if topic.urgency == "emergency":
            handled = classified + self._minutes(25, 200)
        else:
            handled = self._by_day(classified + self._about(9.0))
        if self._random.random() < 0.06:
            return
        case.add(handled, "case_handled", person_id=engineer)
        told = self._told(case, handled, clerk)
        self._followed_up(case, told, "phone", clerk, share=0.75, closes=True)

    def _answer(self, case: _Case, kind: str, classified: datetime, clerk: str) -> None:
        if kind == "suggestion" and self._random.random() < 0.5:
            return  # waits for the month's digest
        hours = 2.0 if kind == "consultation" else 60.0
        handled = self._by_day(classified + self._about(hours))
        case.add(handled, "case_handled", person_id=clerk)
        told = case.add(handled + self._minutes(1, 20), "result_told", how="phone", person_id=clerk)
        case.add(told + self._minutes(1, 30), "case_closed")

    def _told(self, case: _Case, handled: datetime, clerk: str) -> datetime:
        soon = self._random.random() < 0.85
        told = handled + (self._minutes(10, 150) if soon else self._minutes(900, 1500))
        how = self._random.choice(("phone", "phone", "message", "in_person"))
        case.add(told, "result_told", how=how, person_id=clerk)
        if self._random.random() < 0.55:
            score = self._random.choices((1, 2, 3, 4, 5), (3, 6, 16, 40, 35))[0]
            said: dict[str, Any] = {"score": score}
            if self._random.random() < 0.5:
                said["remark"] = self._random.choice(REMARKS)
            case.add(told + self._minutes(5, 60), "satisfaction_given", **said)
        return told

    def _followed_up(
        self, case: _Case, told: datetime, mode: str, person: str, *, share: float, closes: bool
    ) -> None:
        if self._random.random() > share:
            return
        made = self._by_day(told + self._about(20.0))
        satisfied = self._random.random() < 0.9
        case.add(made, "followup", mode=mode, person_id=person, satisfied=satisfied)
        if closes:
            case.add(self._by_day(made + self._minutes(30, 120)), "case_closed")

    def _reworks(self) -> Iterator[_Case]:
        """Give repairs of the fortnight that had to be done again: the last ones of three projects."""
        for number, project in enumerate(sorted(PROJECTS)[:3], 1):
            [*_, before] = [
                case
                for case in self._cases
                if case.project == project
                and case.steps[0][2]["kind"] == "service_request"
                and any(what == "case_handled" for _, what, _ in case.steps)
                and case.steps[0][0] < BOUNDARY - timedelta(days=3)
            ]
            received = before.steps[0][2]
            again = BOUNDARY - timedelta(hours=14 - number)
            clerk = self._staff[project, "frontline"][0]
            case = _Case(f"R-{number:04d}", project)
            case.add(again, "case_received", **(received | {"received_by": clerk}))
            external = External(source=SOURCE, subject=before.name)
            case.add(
                again + timedelta(minutes=9),
                "case_classified",
                topic=received["topic"],
                work_category="ordinary",
                rework_of=external_case_id(external),
                person_id=clerk,
            )
            engineer = self._staff[project, "engineering_supervisor"][0]
            handled = again + timedelta(hours=4)
            case.add(handled, "case_handled", person_id=engineer)
            told = handled + timedelta(hours=1)
            case.add(told, "result_told", how="phone", person_id=clerk)
            topic = next(t for t in TOPICS["service_request"] if t.name == received["topic"])
            yield self._worked_on(case, topic)

    def _seldom(self) -> Iterator[_Case]:
        """Give the complaints that are told once each, and are handled the same day."""
        staff = self._at(PROJECT)
        clerk, supervisor = staff["frontline"][0], staff["cs_supervisor"][0]
        topics = {topic.name: topic for topic in TOPICS["complaint"]}
        visited = 2
        visit = f"{staff['engineering_supervisor'][0]}-{visited}"
        for number, each in enumerate(seldom(visit, clerk, supervisor), 1):
            at = BOUNDARY + each.after
            topic = topics[each.topic]
            door = visited if "visit_id" in each.said else 90 + number
            case = _Case(f"S-{number:04d}", PROJECT)
            received: dict[str, Any] = {
                "project_id": PROJECT,
                "kind": "complaint",
                "household_id": f"{PROJECT}-h{door:03d}",
                "topic": topic.name,
                "summary": each.summary,
                "complained_of": topic.department,
                "received_by": clerk,
            }
            case.add(at, "case_received", **received, **each.said)
            assigned = at + timedelta(minutes=2)
            case.add(assigned, "case_assigned", person_id=clerk, reason="首问负责")
            for minutes, what, body in each.meanwhile:
                case.add(at + timedelta(minutes=minutes), what, **body)
            found = {"topic": topic.name, "person_id": clerk, **each.found}
            case.add(at + CLASSIFIED_AFTER, "case_classified", **found)
            manager = staff["centre_manager"][0]
            accepted = at + timedelta(minutes=40)
            case.add(accepted, "case_accepted", role="centre_manager", person_id=manager)
            measures: dict[str, Any] = {}
            if each.found["validity"] == "valid":
                measures = {"corrective": topic.corrective[0], "preventive": topic.preventive[0]}
            handled = self._by_day(at + timedelta(hours=5))
            case.add(handled, "case_handled", person_id=manager, **measures)
            case.add(handled + timedelta(hours=1), "result_told", how="phone", person_id=clerk)
            yield self._worked_on(case, topic)

    def _visits(self) -> Iterator[Visited]:
        """Let an engineering supervisor visit, in the two days, the households of a month."""
        project = next(iter(PROJECTS))
        person = self._staff[project, "engineering_supervisor"][0]
        for door in range(1, 12):
            at = BOUNDARY + timedelta(days=door % 2, hours=9, minutes=40 * door)
            body = {
                "household_id": f"{project}-h{door:03d}",
                "person_id": person,
                "mode": "on_site" if door % 3 else "outdoors",
            }
            yield Visited(at, f"{person}-{door}", body)

    # Chances.

    def _pick(self, shares: Mapping[str, int]) -> str:
        return self._random.choices(list(shares), list(shares.values()))[0]

    def _minutes(self, least: int, most: int) -> timedelta:
        return timedelta(seconds=self._random.randrange(least * 60, most * 60))

    def _about(self, hours: float) -> timedelta:
        """Give a duration around a median, with the long tail that work has."""
        share = min(self._random.lognormvariate(0, 0.75), 8.0)
        return timedelta(seconds=round(hours * 3600 * share))

    def _by_day(self, at: datetime) -> datetime:
        """Move what nobody does at night to the morning."""
        if at.hour < 8:
            return at.replace(hour=8, minute=30) + self._minutes(0, 120)
        if at.hour >= 20:
            morning = at.replace(hour=8, minute=30) + timedelta(days=1)
            return morning + self._minutes(0, 120)
        return at

    # What comes out.

    def history(self) -> Iterator[dict[str, Any]]:
        """Give the records for `POST /v1/imports`, in the order of the cases' receptions."""
        for case in self._cases:
            facts = [
                {"type": what, "occurred_at": at.isoformat(), **body}
                for at, what, body in case.steps
                if at < BOUNDARY and what != "followup"
            ]
            if facts:
                yield {
                    "id": case.name,
                    "project_id": case.project,
                    "external": case.external,
                    "history_until": BOUNDARY.isoformat(),
                    "facts": facts,
                }

    def live(self) -> Iterator[Live]:
        """Give the writes of the last two days, in order.

        Complaints are not closed here: that waits for their follow-ups, which are made by whoever
        plays the example.
        """
        supervisor = self._at(PROJECT)["cs_supervisor"][0]
        opening = {"person_id": supervisor, "slips": list(SLIPS)}
        steps: list[Live] = [*self._visits(), Opened(BOUNDARY + OPENED, BOX, opening)]
        steps += [step for case in self._cases for step in self._live(case)]
        yield from sorted(steps, key=lambda step: step.at)

    def _live(self, case: _Case) -> Iterator[Received | Happened | Asked | Decided]:
        for at, what, body in case.steps:
            if not BOUNDARY <= at < END or what == "followup":
                continue
            if what == "case_received":
                yield Received(at, case.name, body)
            elif what != "case_closed" or not case.is_complaint:
                yield Happened(at, case.name, _PATHS[what], body)
        if case.is_complaint:
            steps = list(more_time(case.name, case.steps, self._at(case.project)))
            if steps and steps[0].at >= BOUNDARY and steps[-1].at < END:
                yield from steps
