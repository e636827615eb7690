"""What the staff of the example does beside the main story: who passes it on, answers, is on the spot.

Drawn for each case from its own name, so that it changes nothing of what is drawn for others.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

Step = tuple[datetime, str, dict[str, Any]]
Staff = Mapping[str, Sequence[str]]
"""Who holds a role at the case's project."""

_MORNING, _EVENING = 8, 20


def daily_work(name: str, steps: Sequence[Step], department: str, staff: Staff) -> Iterator[Step]:
    """Give what is added to a case that goes as `steps` say; they begin with its reception."""
    work = _Work(name, steps, department, staff)
    match work.received["kind"]:
        case "complaint":
            yield from work.complaint()
        case "service_request":
            yield from work.request()
        case "consultation":
            yield from work.consultation()
        case _:
            yield from work.suggestion()


def circumstances(name: str, topic: str, severity: str | None) -> dict[str, Any]:
    """Give what else the reception says: that harm goes on, that somebody is hurt, who looks on."""
    random = Random(f"circumstances {name}")  # noqa: S311 - an example, not a secret
    found: dict[str, Any] = {}
    if topic in {"电梯", "装修", "维修质量"} and random.random() < 0.12:
        found["harm_ongoing"] = True
    if severity == "major":
        what = random.choice(
            ({"injury": True}, {"households_concerned": 9}, {"authority_or_media": True})
        )
        found |= what if random.random() < 0.7 else {}
    return found


class _Work:
    def __init__(self, name: str, steps: Sequence[Step], department: str, staff: Staff) -> None:
        self._random = Random(f"daily work {name}")  # noqa: S311 - an example, not a secret
        self._name = name
        self._department = department
        self._staff = staff
        self._at = {what: at for at, what, _ in reversed(steps)}
        self._said = {what: body for _, what, body in reversed(steps)}
        self.received = self._said["case_received"]

    def complaint(self) -> Iterator[Step]:
        """Harm is stopped first; then it is passed on, answered where that is owed, and recorded."""
        begun, said = self._at["case_received"], self._said["case_classified"]
        severity = said.get("severity")
        if self.received.get("harm_ongoing"):
            yield begun + self._minutes(8, 26), "immediate_measures_taken", {"measures": "已到现场"}
        if self.received.get("channel") == "forum":
            link = f"https://forum.example.cn/{self._name}"
            yield begun + self._minutes(15, 110), "case_acknowledged", {"link": link}
        if said["validity"] != "valid":
            yield from self._reasoned(said["validity"])
        else:
            yield from self._passed_on()
        if severity == "major":
            leader = self._staff["company_leader"][0]
            accepted = {"role": "company_leader", "person_id": leader}
            if self._often(0.75):
                yield self._at["case_classified"] + self._minutes(10, 45), "case_accepted", accepted
            yield from self._answered("will", 1500)
        yield from self._recorded()

    def request(self) -> Iterator[Step]:
        """Number and content are confirmed; an emergency is made safe, all else has its time."""
        begun, classified = self._at["case_received"], self._at["case_classified"]
        if self._often(0.93):
            yield begun + self._minutes(1, 6), "receipt_confirmed", {"how": "message"}
        if self._said["case_classified"].get("urgency") == "emergency":
            there = max(classified, begun + self._minutes(12, 28)) + self._minutes(0, 1)
            yield there, "work_started", {"person_id": self._staff["engineering_supervisor"][0]}
            yield there + self._minutes(5, 20), "made_safe", {}
            return
        yield from self._passed_on()
        handled = self._at.get("case_handled")
        if handled is None:
            return
        # The owner and the engineer meet a while before the work is done.
        agreed = max(classified + self._minutes(2, 9), handled - self._minutes(20, 60))
        made = min(classified + self._minutes(1, 80), agreed)
        yield made, "appointment_made", {"appointment_id": self._name, "at": agreed.isoformat()}
        late = self._minutes(31, 50) if self._often(0.06) else self._minutes(0, 15)
        there = min(agreed + late, handled)
        yield there, "appointment_kept", {"appointment_id": self._name}
        yield there, "work_started", {}

    def consultation(self) -> Iterator[Step]:
        """It is answered, at the latest when nothing more is to be done."""
        if "case_handled" in self._at:
            yield self._at["case_handled"], "case_answered", {"decision": "will"}

    def suggestion(self) -> Iterator[Step]:
        """Whoever suggests is thanked within the day, and hears of it every week."""
        begun = self._at["case_received"]
        if self._often(0.9):
            yield self._by_day(begun + self._minutes(30, 300)), "case_acknowledged", {"link": ""}
        for week in (1, 2):
            told = self._by_day(begun + timedelta(days=6 * week) + self._minutes(0, 400))
            if told < self._at.get("case_handled", told + timedelta(1)) and self._often(0.85):
                yield told, "owner_informed", {"about": "progress", "how": "message"}

    def _passed_on(self) -> Iterator[Step]:
        """The department gets it, takes it, and says how far it is until it is done."""
        slow = self._often(0.05)
        sent = self._at["case_classified"] + (
            self._minutes(35, 70) if slow else self._minutes(2, 22)
        )
        handled = self._at.get("case_handled", sent + timedelta(days=4))
        if sent >= handled:
            return
        dispatch = {"dispatch_id": self._name}
        yield sent, "case_dispatched", {**dispatch, "department": self._department}
        taken = self._by_day(sent + self._minutes(5, 100))
        if taken < handled and self._often(0.95):
            yield taken, "dispatch_accepted", dispatch
        weighty = self._said["case_classified"].get("severity") in {"important", "major"}
        every = timedelta(hours=20) if weighty else timedelta(hours=62)
        reported = sent + every
        while reported < handled and self._often(0.9):
            day = reported + self._minutes(0, 120)
            if day < handled:
                said = {"department": self._department, "text": "正在处理"}
                yield day, "progress_reported", said
            reported += every

    def _reasoned(self, validity: str) -> Iterator[Step]:
        """What is not ours to mend is answered with reasons; others are asked to mend it."""
        classified = self._at["case_classified"]
        if self._often(0.85):
            yield from self._answered("will_not", 1800)
        if validity == "coordination" and self._often(0.85):
            asked = self._by_day(classified + self._minutes(60, 900))
            yield asked, "case_forwarded", {"outside_party": "居委会"}
            told = self._by_day(classified + timedelta(days=6) + self._minutes(0, 300))
            if told < self._at.get("case_handled", told):
                yield told, "owner_informed", {"about": "progress", "how": "phone"}

    def _answered(self, decision: str, within_minutes: int) -> Iterator[Step]:
        classified = self._at["case_classified"]
        at = self._by_day(classified + self._minutes(60, within_minutes))
        if at >= self._at.get("case_handled", at + timedelta(1)):
            at = classified + self._minutes(1, 5)
        by = (at + timedelta(days=7)).isoformat()
        yield at, "case_answered", {"decision": decision, "by_date": by, "reasons": "详见答复"}

    def _recorded(self) -> Iterator[Step]:
        """The record reaches the service centre the same day, before the owner hears the result."""
        handled, told = self._at.get("case_handled"), self._at.get("result_told")
        if handled is not None and told is not None and self._often(0.95):
            yield min(handled + self._minutes(5, 40), told), "record_submitted", {}

    def _often(self, share: float) -> bool:
        return self._random.random() < share

    def _minutes(self, least: int, most: int) -> timedelta:
        return timedelta(seconds=self._random.randrange(least * 60, most * 60))

    def _by_day(self, at: datetime) -> datetime:
        """Move what nobody does at night to the morning."""
        if _MORNING <= at.hour < _EVENING:
            return at
        morning = at if at.hour < _MORNING else at + timedelta(days=1)
        return morning.replace(hour=8, minute=30) + self._minutes(0, 60)
