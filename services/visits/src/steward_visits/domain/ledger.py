"""The book of visits of one project: who visited which household, and how many each person owes.

For each person and quota, in a month of the project's zone:

Nothing --role held--> Running --enough visited--> Reached
                        |  |  ^                      |
             role ended |  |  +---- visit struck ----+
                        v  |                         ^
                   Waived  +--month ends--> Missed --+ a visit written down late

What somebody owes is settled when their month or their role begins: a role that begins within the
month owes the whole number, one that ends before the month does owes nothing. It is one stream a
project, since zone and roles are the project's, and all months of a project end at one instant.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import chain
from typing import TypedDict, assert_never
from zoneinfo import ZoneInfo

from steward_decider import NotHeardYet, Refused, Ring
from steward_events.visits import (
    HeldRole,
    LedgerNoted,
    QuotaDue,
    QuotaMissed,
    QuotaMissedWithdrawn,
    QuotaReached,
    QuotaReachedWithdrawn,
    QuotaWaived,
    VisitDone,
    VisitStruck,
)
from steward_events.vocabulary import Role
from steward_policy.calendars import first_instant
from steward_policy.case_rules import DEFAULTS, CaseRules
from steward_policy.packs import QuotaRule, Rules
from steward_visits.domain.dating import demand_recent

KEPT_MONTHS = 12
"""So far back a visit may still be written down or struck."""


@dataclass(frozen=True, slots=True)
class NoteProject:
    """Take note of a project: its zone, and whose rules it follows."""

    at: datetime
    project_id: str
    zone: str
    group_id: str | None
    pack: str


@dataclass(frozen=True, slots=True)
class NoteRole:
    """Take note that a person holds a role, or no longer does."""

    at: datetime
    project_id: str
    role: Role
    person_id: str
    held: bool


@dataclass(frozen=True, slots=True)
class RecordVisit:
    """Write a visit down; the ledger knows its month."""

    at: datetime
    visit: VisitDone
    said_at: datetime | None = None
    """When it was written down, if not when it was made."""


@dataclass(frozen=True, slots=True)
class StrikeVisit:
    """Take back a visit that was written down by mistake."""

    at: datetime
    visit_id: str
    person_id: str
    month: str
    reason: str
    struck_by: str | None


Command = NoteProject | NoteRole | RecordVisit | StrikeVisit | Ring
QuotaChange = (
    QuotaDue
    | QuotaWaived
    | QuotaReached
    | QuotaReachedWithdrawn
    | QuotaMissed
    | QuotaMissedWithdrawn
)
LedgerFact = LedgerNoted | VisitDone | VisitStruck | QuotaChange


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit that counts."""

    done: VisitDone


@dataclass(frozen=True, slots=True)
class Struck:
    """A visit that counts no longer, and why."""

    struck: VisitStruck


@dataclass(frozen=True, slots=True)
class Running:
    """Not reached so far."""

    due: QuotaDue


@dataclass(frozen=True, slots=True)
class Reached:
    """Enough households were visited."""

    due: QuotaDue


@dataclass(frozen=True, slots=True)
class Missed:
    """The month ended before enough were."""

    due: QuotaDue


@dataclass(frozen=True, slots=True)
class Waived:
    """Owed no longer."""

    due: QuotaDue


Quota = Running | Reached | Missed | Waived
QuotaKey = tuple[str, str, str]
"""Month, person, entry of the policy."""
Page = tuple[str, str]
"""Month, person."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """The project is not known here."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The project as it was noted, and the last twelve months' quotas and visits."""

    noted: LedgerNoted
    quotas: Mapping[QuotaKey, Quota]
    visits: Mapping[Page, Mapping[str, Visit | Struck]]

    def counted(self, month: str, person_id: str) -> list[datetime]:
        """Give when each household that a person visited in a month was visited first, in order."""
        first: dict[str, datetime] = {}
        for visit in self.visits.get((month, person_id), {}).values():
            if isinstance(visit, Visit):
                household, at = visit.done.household_id, visit.done.visited_at
                first[household] = min(at, first.get(household, at))
        return sorted(first.values())


State = Unheard | Ledger
InForce = Callable[[str, date, str | None, str], Rules | None]
"""Gives the rules in force by pack, day, group and project.

None where none has begun; raises KeyError for a version that was not heard yet.
"""


class LedgerDecider:
    """Decides about the visits of one project; `in_force` gives the rules of a day."""

    initial: State = Unheard()

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force

    def decide(self, command: Command, state: State) -> Sequence[LedgerFact]:
        """Answer a command. Repeats are answered with nothing."""
        match command:
            case NoteProject():
                return self._noted_project(command, state)
            case NoteRole():
                return self._noted_role(command, state)
            case RecordVisit():
                return self._recorded(command, _known(state))
            case StrikeVisit():
                return self._struck(command, _known(state))
            case Ring():
                end = self.wake_at(state)
                if isinstance(state, Unheard) or end is None or command.at < end:
                    return []
                return self._turned(command.at, state)
            case _:
                assert_never(command)

    def evolve(self, state: State, fact: LedgerFact) -> State:
        """Give the state after one more fact."""
        if isinstance(fact, LedgerNoted):
            return _opened(fact) if isinstance(state, Unheard) else _kept(state, fact)
        if isinstance(state, Unheard):
            return state
        match fact:
            case VisitDone():
                return _with_visit(state, fact, Visit(fact))
            case VisitStruck():
                return _with_visit(state, fact, Struck(fact))
            case QuotaDue():
                return _with(state, Running(fact))
            case QuotaWaived():
                return _with(state, Waived(_due(state, fact)))
            case QuotaReached():
                return _with(state, Reached(_due(state, fact)))
            case QuotaMissed():
                return _with(state, Missed(_due(state, fact)))
            case QuotaReachedWithdrawn() | QuotaMissedWithdrawn():
                return _with(state, Running(_due(state, fact)))
            case _:
                assert_never(fact)

    def wake_at(self, state: State) -> datetime | None:
        """Ask to be woken at 24:00 of the month's last day."""
        if isinstance(state, Unheard) or not state.noted.month:
            return None
        return end_of(state.noted.month, state.noted.zone)

    def _noted_project(self, command: NoteProject, state: State) -> Sequence[LedgerFact]:
        before = _before(state, command.project_id)
        told = {"zone": command.zone, "group_id": command.group_id, "pack": command.pack}
        return self._noted(command.at, state, before.model_copy(update=told))

    def _noted_role(self, command: NoteRole, state: State) -> Sequence[LedgerFact]:
        before = _before(state, command.project_id)
        held = HeldRole(role=command.role, person_id=command.person_id)
        others = tuple(one for one in before.held if one != held)
        now_held = (*others, held) if command.held else others
        if set(now_held) == set(before.held):
            return []
        return self._noted(command.at, state, before.model_copy(update={"held": now_held}))

    def _noted(self, at: datetime, state: State, noted: LedgerNoted) -> Sequence[LedgerFact]:
        """Note the project as it is now, and change what is owed to what its roles owe."""
        if noted.zone and noted.held and not noted.month:
            noted = noted.model_copy(update={"month": month_of(at, noted.zone)})
        if isinstance(state, Ledger) and noted == state.noted:
            return []
        ledger = self._after(state, [noted])
        if not noted.month:
            return [noted]
        owed = self._owed(noted, at.astimezone(ZoneInfo(noted.zone)).date())
        changed: list[QuotaChange] = [*_no_longer(ledger, owed), *_newly(ledger, owed)]
        return [noted, *changed, *_settled(self._after(ledger, changed), changed)]

    def _turned(self, at: datetime, ledger: Ledger) -> Sequence[LedgerFact]:
        """End the month: name what was missed, and begin the next."""
        ended = ledger.noted.month
        missed = [
            QuotaMissed(**_named(due), counted=len(ledger.counted(ended, due.person_id)), by=due.by)
            for due in _running(ledger, ended)
        ]
        noted = ledger.noted.model_copy(update={"month": month_of(at, ledger.noted.zone)})
        owed = self._owed(noted, at.astimezone(ZoneInfo(noted.zone)).date())
        turned = self._after(ledger, [*missed, noted])
        newly = list(_newly(turned, owed))
        return [*missed, noted, *newly, *_settled(self._after(turned, newly), newly)]

    def _recorded(self, command: RecordVisit, ledger: Ledger) -> Sequence[LedgerFact]:
        month = month_of(command.visit.visited_at, ledger.noted.zone)
        _demand_kept(month, ledger)
        self._demand_recent(command, ledger.noted)
        visit = command.visit.model_copy(update={"month": month})
        if visit.visit_id in ledger.visits.get((month, visit.person_id), {}):
            return []
        return [visit, *_settled(self._after(ledger, [visit]), [visit])]

    def _demand_recent(self, command: RecordVisit, noted: LedgerNoted) -> None:
        said_at, visited_at = command.said_at, command.visit.visited_at
        if said_at is None or visited_at >= said_at:
            return
        zone = ZoneInfo(noted.zone)
        allowed = self._case_rules(noted, said_at.astimezone(zone).date())
        roles = [held.role for held in noted.held if held.person_id == command.visit.person_id]
        demand_recent("visit", visited_at, said_at, allowed, zone, roles)

    def _struck(self, command: StrikeVisit, ledger: Ledger) -> Sequence[LedgerFact]:
        _demand_kept(command.month, ledger)
        page = ledger.visits.get((command.month, command.person_id), {})
        match page.get(command.visit_id):
            case Visit(done):
                struck = VisitStruck(
                    visit_id=done.visit_id,
                    project_id=done.project_id,
                    household_id=done.household_id,
                    person_id=done.person_id,
                    month=done.month,
                    reason=command.reason,
                    struck_by=command.struck_by,
                )
                return [struck, *_settled(self._after(ledger, [struck]), [struck])]
            case Struck(before) if (before.reason, before.struck_by) == (
                command.reason,
                command.struck_by,
            ):
                return []
            case Struck():
                raise Refused("This visit was struck already, and told with another content.")
            case None:
                raise Refused("There is no such visit.", code="not_found")

    def _after(self, state: State, facts: Iterable[LedgerFact]) -> Ledger:
        for fact in facts:
            state = self.evolve(state, fact)
        assert isinstance(state, Ledger)  # noqa: S101 - what was noted is among the facts
        return state

    def _owed(self, noted: LedgerNoted, day: date) -> list[QuotaDue]:
        """Give what the holders of roles owe in the month, by the rules of that day."""
        rules = self._rules(noted, day)
        if rules is None:
            return []
        by = end_of(noted.month, noted.zone)
        # Two roles of one person may owe by one entry: it is owed once.
        owed = {
            (held.person_id, quota.id): _owing(noted, quota, held, rules, by)
            for quota in rules.quotas
            for held in noted.held
            if held.role in quota.role
        }
        return list(owed.values())

    def _rules(self, noted: LedgerNoted, day: date) -> Rules | None:
        try:
            return self._in_force(noted.pack, day, noted.group_id, noted.project_id)
        except KeyError as error:
            raise NotHeardYet(f"{error}") from None

    def _case_rules(self, noted: LedgerNoted, day: date) -> CaseRules:
        """Give what is allowed on that day: the default where no version has begun."""
        rules = self._rules(noted, day)
        return DEFAULTS if rules is None else rules.cases


def month_of(at: datetime, zone: str) -> str:
    """Name the month of an instant in a zone, as `2026-10`."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m}"


def end_of(month: str, zone: str) -> datetime:
    """Give 24:00 of a month's last day, in its zone."""
    year, number = map(int, month.split("-"))
    first = date(year + number // 12, number % 12 + 1, 1)
    return first_instant(first, 0, ZoneInfo(zone)).astimezone(ZoneInfo(zone))


def _owing(
    noted: LedgerNoted, quota: QuotaRule, held: HeldRole, rules: Rules, by: datetime
) -> QuotaDue:
    return QuotaDue(
        project_id=noted.project_id,
        person_id=held.person_id,
        quota=quota.id,
        month=noted.month,
        rule=quota.rule,
        role=held.role,
        required=quota.households,
        policy=rules.version,
        by=by,
    )


def _before(state: State, project_id: str) -> LedgerNoted:
    return LedgerNoted(project_id=project_id) if isinstance(state, Unheard) else state.noted


def _known(state: State) -> Ledger:
    if isinstance(state, Unheard) or not state.noted.zone:
        raise NotHeardYet("This project has not been heard of yet.")
    return state


def _demand_kept(month: str, ledger: Ledger) -> None:
    if ledger.noted.month and month < _months_before(ledger.noted.month, KEPT_MONTHS):
        raise Refused(f"The visits of {month} are settled: it is more than a year ago.")


def _months_before(month: str, number: int) -> str:
    year, of_year = map(int, month.split("-"))
    years, index = divmod(year * 12 + of_year - 1 - number, 12)
    return f"{years:04}-{index + 1:02}"


def _no_longer(ledger: Ledger, owed: Iterable[QuotaDue]) -> Iterator[QuotaWaived]:
    still = {_key(due) for due in owed}
    for due in _running(ledger, ledger.noted.month):
        if _key(due) not in still:
            yield QuotaWaived(**_named(due))


def _newly(ledger: Ledger, owed: Iterable[QuotaDue]) -> Iterator[QuotaDue]:
    for due in owed:
        if isinstance(ledger.quotas.get(_key(due)), Waived | None):
            yield due


def _running(ledger: Ledger, month: str) -> Iterator[QuotaDue]:
    for quota in ledger.quotas.values():
        if isinstance(quota, Running) and quota.due.month == month:
            yield quota.due


def _settled(ledger: Ledger, changed: Sequence[LedgerFact]) -> Iterator[QuotaChange]:
    """Say what a change of visits or of what is owed makes of the quotas that it touches."""
    pages = {
        (fact.month, fact.person_id)
        for fact in changed
        if isinstance(fact, VisitDone | VisitStruck | QuotaDue)
    }
    quotas = (
        quota for quota in ledger.quotas.values() if (quota.due.month, quota.due.person_id) in pages
    )
    return chain.from_iterable(_settle(quota, ledger) for quota in quotas)


def _settle(quota: Quota, ledger: Ledger) -> Iterator[QuotaChange]:
    due = quota.due
    visited = ledger.counted(due.month, due.person_id)
    counted, enough = len(visited), len(visited) >= due.required
    match quota:
        case Running() | Missed() if enough:
            if isinstance(quota, Missed):
                yield QuotaMissedWithdrawn(**_named(due), counted=counted)
            reached_at = visited[due.required - 1]
            yield QuotaReached(**_named(due), counted=counted, reached_at=reached_at)
        case Reached() if not enough:
            yield QuotaReachedWithdrawn(**_named(due), counted=counted)
            if due.month < ledger.noted.month:
                yield QuotaMissed(**_named(due), counted=counted, by=due.by)
        case _:
            return


def _opened(noted: LedgerNoted) -> Ledger:
    return Ledger(noted, {}, {})


def _kept(ledger: Ledger, noted: LedgerNoted) -> Ledger:
    """Take what was noted; when a month begins, what is too long ago is let go."""
    if not noted.month or noted.month == ledger.noted.month:
        return replace(ledger, noted=noted)
    oldest = _months_before(noted.month, KEPT_MONTHS)
    return Ledger(
        noted,
        {key: quota for key, quota in ledger.quotas.items() if key[0] >= oldest},
        {page: visits for page, visits in ledger.visits.items() if page[0] >= oldest},
    )


def _with_visit(ledger: Ledger, fact: VisitDone | VisitStruck, visit: Visit | Struck) -> Ledger:
    page = (fact.month, fact.person_id)
    visits = {**ledger.visits.get(page, {}), fact.visit_id: visit}
    return replace(ledger, visits={**ledger.visits, page: visits})


def _with(ledger: Ledger, quota: Quota) -> Ledger:
    return replace(ledger, quotas={**ledger.quotas, _key(quota.due): quota})


def _due(ledger: Ledger, fact: QuotaChange) -> QuotaDue:
    return ledger.quotas[_key(fact)].due


def _key(fact: QuotaChange) -> QuotaKey:
    return fact.month, fact.person_id, fact.quota


class _Name(TypedDict):
    project_id: str
    person_id: str
    quota: str
    month: str
    rule: tuple[str, ...]
    role: Role
    required: int
    policy: str


def _named(due: QuotaDue) -> _Name:
    return {
        "project_id": due.project_id,
        "person_id": due.person_id,
        "quota": due.quota,
        "month": due.month,
        "rule": due.rule,
        "role": due.role,
        "required": due.required,
        "policy": due.policy,
    }
