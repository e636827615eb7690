"""Random cases with all kinds of facts that move clocks, for comparing one answer with another.

A case is a story: what happened when, each at a second of its own, told with the fields that a
person would tell. The same seed gives the same cases for ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal
from zoneinfo import ZoneInfo

from steward_events.vocabulary import Role

SEED = "steward"
ZONES = ("Asia/Shanghai",) * 6 + ("Europe/Berlin", "America/New_York", "Asia/Kathmandu")
FIRST = datetime(2025, 9, 1, tzinfo=UTC)
MORE_TIME = ("extension_requested", "extension_approved", "extension_refused")
"""Said to sla, not to intake: it answers at once, by what it knows."""
GAPS = ((1, 600), (60, 3_600), (600, 36_000), (3_600, 172_800), (86_400, 1_000_000))
"""Seconds from one thing to the next: a moment, an hour, a day, or long."""
HALF_A_SECOND = timedelta(microseconds=500_000)

Order = Literal["as it happened", "backwards", "at random"]
ORDERS: tuple[Order, ...] = ("as it happened", "backwards", "at random")
ROLES = ("cs_supervisor", "department_head", "centre_manager", "company_leader") * 2 + tuple(Role)


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened, by the short name of its fact."""

    at: datetime
    name: str
    fields: Mapping[str, Any]

    @property
    def is_more_time(self) -> bool:
        """Whether it is asked of sla and answered there."""
        return self.name in MORE_TIME


@dataclass(frozen=True, slots=True)
class Arrival:
    """A happening and when it became known."""

    happening: Happening
    known_at: datetime


@dataclass(frozen=True, slots=True)
class RandomCase:
    """The story of a case, and when it is asked what has become of its clocks."""

    id: str
    story: tuple[Happening, ...]
    now: datetime

    def arrivals(self, order: Order) -> Sequence[Arrival]:
        """Tell the story in this order of arrival; all of it is known by `now`.

        Who asks for more time asks the service, and that decides by what it knows: what happened
        before is known by then, in whatever order, and nothing that came after.
        """
        if order == "as it happened":
            return [Arrival(happening, happening.at) for happening in self.story]
        chance = Random(f"{SEED}|{self.id}|{order}")
        arrivals: list[Arrival] = []
        known = self.story[0].at
        for part, until in self._parts():
            if order == "backwards":
                part.reverse()
            else:
                chance.shuffle(part)
            for happening in part:
                known = max(known, happening.at)
                known += (until - known) * chance.random() * 0.4
                arrivals.append(Arrival(happening, known))
        return arrivals

    def _parts(self) -> Iterator[tuple[list[Happening], datetime]]:
        part: list[Happening] = []
        for happening in self.story:
            if happening.is_more_time:
                yield part, happening.at
                yield [happening], happening.at
                part = []
            else:
                part.append(happening)
        yield part, self.now


def random_cases(count: int, first: int = 0) -> Iterator[RandomCase]:
    """Give so many cases; each is the same whichever is the first."""
    for number in range(first, first + count):
        yield _Teller(f"r{number:05}").case()


@dataclass(slots=True)
class _Teller:
    """Makes up one case."""

    id: str
    chance: Random = field(init=False)
    zone: str = field(init=False)
    kind: str = field(init=False)
    at: datetime = field(init=False)
    severity: str = ""
    round: int = 1
    refusals: int = 0
    chases: int = 0
    asked: list[tuple[str, datetime]] = field(default_factory=list)
    told: list[Happening] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Random(f"{SEED}|{self.id}")
        self.zone = self.chance.choice(ZONES)
        kinds = ("complaint",) * 7 + ("service_request",) * 3 + ("consultation", "suggestion")
        self.kind = self.chance.choice(kinds)
        self.at = FIRST + timedelta(seconds=self.chance.randrange(480 * 86_400))

    def case(self) -> RandomCase:
        self._tell("case_received", self._reception())
        for _ in range(self.chance.randint(2, 13)):
            self.at = self._later()
            name = "case_classified" if len(self.told) == 1 and self._often(0.7) else self._name()
            said = getattr(self, f"_{name}", self._nothing)()
            if said is not None:
                self._tell(name, said)
        return RandomCase(self.id, tuple(self.told), self._later() + HALF_A_SECOND)

    def _tell(self, name: str, fields: Mapping[str, Any]) -> None:
        self.told.append(Happening(self.at, name, fields))

    def _often(self, share: float) -> bool:
        return self.chance.random() < share

    def _later(self) -> datetime:
        """Minutes, hours or days later, now and then exactly where something begins or ends."""
        low, high = self.chance.choices(GAPS, (2, 4, 4, 3, 1))[0]
        later = self.at + timedelta(seconds=self.chance.randint(low, high))
        if self._often(0.15):
            wall = later.astimezone(ZoneInfo(self.zone))
            hour = self.chance.choice((0, 8, 12, 18, 20))
            wall = wall.replace(hour=hour, minute=0, second=0) + timedelta(days=1)
            return wall.astimezone(UTC)
        return later

    def _day(self, most: int = 12) -> str:
        """A time some days on, or a past one."""
        seconds = self.chance.randint(-86_400, most * 86_400)
        return (self.at + timedelta(seconds=seconds)).isoformat()

    def _name(self) -> str:
        then = FOLLOWS.get(self.told[-1].name)
        if then is not None and self._often(0.75):
            return self.chance.choice(then)
        names, weights = zip(*(COMMON + OFTEN[self.kind]), strict=True)
        return str(self.chance.choices(names, weights)[0])

    # ---- what each fact says ----

    def _nothing(self) -> dict[str, Any]:
        return {}

    def _reception(self) -> dict[str, Any]:
        said: dict[str, Any] = {"kind": self.kind, "zone": self.zone}
        if self._often(0.06):
            said["harm_ongoing"] = True
        if self._often(0.1):
            said["authority_due"] = self._day()
        if self.kind == "complaint":
            if self._often(0.1):
                said |= {"channel": "forum", "posted_at": self._day(1)}
                if self._often(0.5):
                    said["handed_over_at"] = self._day(1)
            if self._often(0.2):
                said["owner_requested_date"] = self._day()
                said["owner_date_accepted"] = self._often(0.3)
            if self._often(0.1):
                said["households_concerned"] = self.chance.randint(1, 9)
            for what in ("injury", "authority_or_media"):
                if self._often(0.05):
                    said[what] = True
        if self.kind == "consultation" and self._often(0.4):
            said["in_writing"] = True
        return said

    def _case_classified(self) -> dict[str, Any]:
        first = not any(each.name == "case_classified" for each in self.told)
        said: dict[str, Any] = {}
        if self.kind == "complaint":
            self.severity = self.chance.choice(("minor", "minor", "important", "major"))
            validity = ("valid", "valid", "valid", "coordination", "excessive")
            said |= {"severity": self.severity, "validity": self.chance.choice(validity)}
        if self.kind == "service_request":
            said["urgency"] = self.chance.choice(("ordinary", "ordinary", "emergency"))
        if not first:
            said["cause"] = self.chance.choice(("correction", "new_facts", "age"))
        return said

    def _severity_raised(self) -> dict[str, Any]:
        self.severity = "major"
        said = {"severity": "major"}
        return said | self.chance.choice(({}, {"cause": "age"}, {"cause": "new_facts"}))

    def _case_corrected(self) -> dict[str, Any]:
        said: dict[str, Any] = {"correction_id": f"k{len(self.told)}"}
        field = self.chance.choice(("owner_requested_date", "authority_due", "injury"))
        if field == "owner_requested_date":
            said["owner_date_accepted"] = self._often(0.3)
        return said | {field: self._often(0.5) if field == "injury" else self._day()}

    def _case_chased(self) -> dict[str, Any]:
        self.chases += 1
        return {"chase_id": f"c{self.chases}", "chase": self.chases}

    def _case_accepted(self) -> dict[str, Any]:
        return {"role": self.chance.choice(ROLES)}

    def _case_dispatched(self) -> dict[str, Any]:
        return {"dispatch_id": self._one_of("d"), "round": self.round, "department": "repairs"}

    def _dispatch_accepted(self) -> dict[str, Any]:
        return {"dispatch_id": self._one_of("d"), "department": "repairs"}

    def _dispatch_refused(self) -> dict[str, Any]:
        self.refusals += 1
        said = {"dispatch_id": self._one_of("d"), "department": "repairs"}
        return said | {"refusal": self.refusals}

    def _dispatch_withdrawn(self) -> dict[str, Any]:
        return {"dispatch_id": self._one_of("d"), "department": "repairs"}

    def _case_forwarded(self) -> dict[str, Any]:
        said = {"forward_id": f"f{len(self.told)}"}
        return said | ({"outside_party": "water works"} if self._often(0.7) else {})

    def _case_answered(self) -> dict[str, Any]:
        said: dict[str, Any] = {"answer_id": f"a{len(self.told)}"}
        said["decision"] = self.chance.choice(("will", "partly", "will_not"))
        return said | ({"in_writing": True} if self._often(0.5) else {})

    def _case_paused(self) -> dict[str, Any]:
        return {"reason": "waiting_owner", "resume_on": self._day()}

    def _case_resumed(self) -> dict[str, Any]:
        return {"because": self.chance.choice(("said", "date", "handled"))}

    def _case_handled(self) -> dict[str, Any]:
        return {"round": self.round}

    _record_submitted = _work_started = _made_safe = _case_closed = _case_handled

    def _result_told(self) -> dict[str, Any]:
        return {"round": self.round, "how": "phone"}

    def _case_reopened(self) -> dict[str, Any]:
        self.round += 1
        self.refusals = 0
        return {"round": self.round}

    def _case_withdrawn(self) -> dict[str, Any]:
        return {"how": "phone"}

    def _case_merged(self) -> dict[str, Any]:
        return {"into": "another"}

    def _case_absorbed(self) -> dict[str, Any]:
        said = {"merged": "another", "received_at": self._day(0)}
        if self.kind != "complaint" or self._often(0.3):
            return said
        return said | {"severity": self.chance.choice(("minor", "important", "major"))}

    def _case_moved_out(self) -> dict[str, Any]:
        return {"to_project": "p2", "to_case": "another"}

    def _receipt_confirmed(self) -> dict[str, Any]:
        return {"how": "message"}

    def _manager_called(self) -> dict[str, Any]:
        return {"call_id": f"m{len(self.told)}"}

    def _harm_reported(self) -> dict[str, Any]:
        return {"harm_id": f"h{len(self.told)}"}

    def _progress_reported(self) -> dict[str, Any]:
        return {"report_id": f"w{len(self.told)}"}

    def _owner_informed(self) -> dict[str, Any]:
        about = self.chance.choice(("solution", "new_date", "progress", "other"))
        if self.told[-1].name == "extension_approved":
            about = "new_date"
        said = {"notice_id": f"n{len(self.told)}", "about": about, "how": "phone"}
        if about == "new_date" and self.asked and self._often(0.7):
            said["extension_id"] = self.asked[-1][0]
        return said

    def _promise_made(self) -> dict[str, Any]:
        said = {"promise_id": self._one_of("p"), "promised_at": self._day()}
        return said | self._moved()

    def _promise_kept(self) -> dict[str, Any]:
        return {"promise_id": self._one_of("p")}

    def _appointment_made(self) -> dict[str, Any]:
        return {"appointment_id": self._one_of("v"), "at": self._day()} | self._moved()

    def _appointment_kept(self) -> dict[str, Any]:
        return {"appointment_id": self._one_of("v")}

    def _appointment_missed(self) -> dict[str, Any]:
        return {"appointment_id": self._one_of("v"), "by": self.chance.choice(("us", "owner"))}

    def _contact_failed(self) -> dict[str, Any]:
        return {"contact_id": f"t{len(self.told)}"}

    def _solution_proposed(self) -> dict[str, Any]:
        return {"proposal_id": f"s{len(self.told)}", "round": self.round}

    def _extension_requested(self) -> dict[str, Any]:
        target = f"{self.severity}-resolve" if self.kind == "complaint" else "request-done"
        name, until = (
            f"x{len(self.asked)}",
            self.at + timedelta(seconds=self.chance.randint(1, 10**6)),
        )
        self.asked.append((name, until))
        said = {"extension_id": name, "clock": f"{target}#{self.round}", "target": target}
        return said | {"until": until.isoformat(), "asked_by": "a"}

    def _extension_approved(self) -> dict[str, Any] | None:
        if not self.asked:
            return None
        name, until = self.asked[-1]
        roles = ("cs_supervisor", "centre_manager", "general_manager", "general_manager")
        said = {"extension_id": name, "until": until.isoformat()}
        return said | {"approved_by": self.chance.choice("abcd"), "role": self.chance.choice(roles)}

    def _extension_refused(self) -> dict[str, Any] | None:
        if not self.asked:
            return None
        by = {"refused_by": "c", "role": "general_manager"}
        return {"extension_id": self.asked[-1][0]} | by

    def _one_of(self, letter: str) -> str:
        return f"{letter}{self.chance.randint(1, 2)}"

    def _moved(self) -> dict[str, Any]:
        by = self.chance.choice((None, None, "owner", "us"))
        if by is None:
            return {}
        return {"moved_by": by} | ({"approved_by": "s9"} if self._often(0.4) else {})


COMMON: tuple[tuple[str, float], ...] = (
    ("case_handled", 8),
    ("case_reopened", 4),
    ("case_closed", 1.5),
    ("case_withdrawn", 0.5),
    ("case_refused", 0.5),
    ("case_merged", 0.5),
    ("case_absorbed", 0.5),
    ("case_moved_out", 0.3),
    ("case_chased", 3),
    ("case_paused", 6),
    ("case_resumed", 5),
    ("promise_made", 4),
    ("promise_kept", 3),
    ("appointment_made", 3),
    ("appointment_kept", 2),
    ("appointment_missed", 1.5),
    ("harm_reported", 1),
    ("immediate_measures_taken", 1.5),
    ("manager_called", 1.5),
    ("owner_informed", 5),
    ("contact_failed", 1),
)
_DEPARTMENT: tuple[tuple[str, float], ...] = (
    ("case_dispatched", 5),
    ("dispatch_accepted", 3),
    ("dispatch_refused", 2.5),
    ("dispatch_withdrawn", 0.5),
    ("progress_reported", 4),
    ("work_started", 2),
    ("extension_requested", 5),
    ("extension_approved", 6),
    ("extension_refused", 1),
    ("case_classified", 6),
)
FOLLOWS = {
    "case_classified": (
        *("extension_requested",) * 3,
        "case_accepted",
        "case_dispatched",
        "case_paused",
    ),
    "extension_requested": ("extension_approved",),
    "extension_approved": ("owner_informed",),
    "owner_informed": ("case_handled",),
    "case_dispatched": ("dispatch_accepted",),
    "case_chased": ("case_chased", "case_chased", "owner_informed", "case_accepted"),
    "case_handled": ("record_submitted", "case_reopened"),
    "record_submitted": ("result_told",),
}
"""What often comes next: more time is rarely granted by chance."""
OFTEN: Mapping[str, tuple[tuple[str, float], ...]] = {
    "complaint": (
        *_DEPARTMENT,
        ("case_accepted", 7),
        ("case_answered", 4),
        ("case_acknowledged", 3),
        ("case_forwarded", 2),
        ("severity_raised", 2),
        ("case_corrected", 2),
        ("record_submitted", 4),
        ("result_told", 3),
        ("solution_proposed", 1),
    ),
    "service_request": (*_DEPARTMENT, ("receipt_confirmed", 4), ("made_safe", 3)),
    "consultation": (("case_answered", 8),),
    "suggestion": (("case_acknowledged", 6), ("case_answered", 4)),
}
"""How often what is told of a case of each kind."""
