"""What holds of a case's clocks whatever happens, in whatever order it is heard."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from steward_decider import Ring
from steward_events.sla import (
    BreachWithdrawn,
    ClockBreached,
    ClockCancelled,
    ClockFact,
    ClockMet,
    ClockPaused,
    ClockResumed,
    ClockStarted,
)
from steward_policy import packs
from steward_sla.domain.case_facts import CaseFact
from steward_sla.domain.clocks import Clocks, ClocksDecider, HearCaseFact
from steward_sla.domain.timeline import Timeline

SHANGHAI = ZoneInfo("Asia/Shanghai")
RECEIVED = datetime(2026, 9, 28, 9, tzinfo=SHANGHAI)
HORIZON = RECEIVED + timedelta(days=90)

MORE: list[dict[str, Any]] = [
    {
        "id": "progress",
        "rule": ["HV-4.3.3c"],
        "basis": "default",
        "starts": "case_received",
        "met_by": ["case_handled"],
        "resets_on": ["progress_reported"],
        "within": {"days": 7},
        "warn_before": ["50%"],
        "escalate": [{"at": "breach", "to": "cs_supervisor"}],
    },
    {
        "id": "month",
        "rule": ["RM-4.4.1c"],
        "basis": "rule",
        "when": {"kind": "complaint", "validity": "valid"},
        "starts": "case_received",
        "met_by": ["case_handled"],
        "on_reopen": "continue",
        "within": {"months": 1},
        "escalate": [{"at": "start", "after": {"hours": 1}, "to": "cs_supervisor"}],
    },
    {
        "id": "promise",
        "rule": ["FU-S1"],
        "basis": "rule",
        "starts": "promise_made",
        "per": "promise_id",
        "met_by": ["promise_kept"],
        "cancels_on": ["case_closed"],
        "due": {"field": "promised_at"},
    },
]
BUILT_IN = packs.built_in()
RULES = replace(
    BUILT_IN,
    pack=BUILT_IN.pack.model_copy(
        update={"targets": (*BUILT_IN.targets, *packs.read_targets(MORE, BUILT_IN))}
    ),
)
SEVERITIES = st.sampled_from(["minor", "important", "major"])
DAYS = st.integers(1, 20).map(lambda days: (RECEIVED + timedelta(days=days)).isoformat())
BEFORE = st.integers(0, 40).map(lambda days: (RECEIVED - timedelta(days=days)).isoformat())


def said(name: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(fields))


EVENTS = st.one_of(
    said(
        "case_classified",
        severity=SEVERITIES,
        validity=st.sampled_from(["valid", "coordination"]),
        cause=st.sampled_from(["first", "correction", "new_facts", "age"]),
    ),
    said("case_accepted", role=st.sampled_from(["frontline", "centre_manager"])),
    said("case_dispatched", dispatch_id=st.sampled_from("ab")),
    said("dispatch_refused", dispatch_id=st.sampled_from("ab"), refusal=st.sampled_from([1, 2])),
    said("dispatch_accepted", dispatch_id=st.sampled_from("ab")),
    said("severity_raised", severity=st.just("major"), cause=st.sampled_from(["age", "new_facts"])),
    said("case_absorbed", severity=SEVERITIES, received_at=BEFORE),
    said("harm_reported"),
    said("immediate_measures_taken"),
    said("manager_called"),
    said("case_answered", decision=st.sampled_from(["will", "will_not"])),
    said("record_submitted"),
    said("appointment_made", appointment_id=st.just("v"), at=DAYS),
    said("appointment_kept", appointment_id=st.just("v")),
    said("work_started"),
    said("case_paused", reason=st.just("waiting_owner"), resume_on=DAYS),
    said("case_resumed"),
    said("case_handled"),
    said("case_reopened"),
    said("case_closed"),
    said("progress_reported"),
    said("result_told"),
    said("promise_made", promise_id=st.sampled_from("ab"), promised_at=DAYS),
    said("promise_kept", promise_id=st.sampled_from("ab")),
    said("extension_requested", until=DAYS, asked_by=st.just("x")),
    said("extension_approved", until=DAYS, role=st.just("general_manager")),
    said("owner_informed", about=st.sampled_from(["new_date", "progress"])),
)


@st.composite
def stories(draw: st.DrawFn) -> list[HearCaseFact]:
    """A case from its reception on, each fact at a time of its own."""
    minutes = draw(st.lists(st.integers(1, 60 * 24 * 40), max_size=9, unique=True))
    events = [draw(EVENTS) for _ in minutes]
    first = {
        "kind": draw(st.sampled_from(["complaint", "complaint", "service_request"])),
        "policy": RULES.version,
        "zone": "Asia/Shanghai",
        "number": "C-1",
    }
    told = [("case_received", first), *events]
    times = [0, *sorted(minutes)]
    return [
        HearCaseFact(RECEIVED + timedelta(minutes=at), "c1", "p1", name, version, fields)
        for version, (at, (name, fields)) in enumerate(zip(times, told, strict=True), 1)
    ]


class Punctual:
    """A clock's stream as the shell keeps it."""

    def __init__(self) -> None:
        self.decider = ClocksDecider(lambda _: RULES)
        self.state: Clocks = self.decider.initial
        self.facts: list[Any] = []

    def do(self, command: HearCaseFact | Ring) -> Sequence[Any]:
        facts = self.decider.decide(command, self.state)
        for fact in facts:
            self.state = self.decider.evolve(self.state, fact)
        self.facts += facts
        return facts

    def ring(self, until: datetime) -> None:
        while (at := self.decider.wake_at(self.state)) is not None and at < until:
            self.do(Ring(at))
            after = self.decider.wake_at(self.state)
            assert after is None or after > at, "a rung alarm rang again at once"

    def outcomes(self) -> dict[str, tuple[Any, ...]]:
        planned = {clock.id for clock in self.state.plan}
        told = self.state.told or {}
        assert all(one.outcome == "cancelled" for name, one in told.items() if name not in planned)
        assert all(not one.breach for name, one in told.items() if name not in planned)
        return {
            name: (one.started_at, one.limit, one.outcome, one.met_at, one.breach_at)
            for name, one in told.items()
            if name in planned
        }

    def paused(self) -> tuple[set[str], set[str]]:
        """The clocks that stand still: as a listener reads it, and as the stream remembers it."""
        read: set[str] = set()
        for fact in self.facts:
            match fact:
                case ClockPaused():
                    read.add(fact.clock)
                case ClockStarted() | ClockResumed() | ClockMet() | ClockCancelled():
                    read.discard(fact.clock)
                case _:
                    pass
        return read, {name for name, told in (self.state.told or {}).items() if told.paused}


def in_time_order(story: list[HearCaseFact]) -> Punctual:
    """Everything is heard as it happens, and every alarm rings on time."""
    stream = Punctual()
    for command in story:
        stream.ring(command.at)
        stream.do(command)
    stream.ring(HORIZON)
    return stream


@for_all(stories(), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_any_order_of_arrival_gives_the_same_due_times_and_outcomes(
    story: list[HearCaseFact], chance: Any
) -> None:
    shuffled = list(story)
    chance.shuffle(shuffled)
    late = Punctual()
    for command in shuffled:
        late.do(command)
        if chance.random() < 0.5:
            late.ring(command.at + timedelta(days=chance.randint(0, 10)))
        read, remembered = late.paused()
        assert read == remembered
    late.ring(HORIZON)
    assert late.outcomes() == in_time_order(story).outcomes()


@for_all(stories())
def test_what_was_told_is_what_the_timeline_says(story: list[HearCaseFact]) -> None:
    facts = [CaseFact(c.name, c.at, c.version, c.fields) for c in story]
    clocks = {clock.id: clock for clock in Timeline(RULES).clocks(facts, SHANGHAI)}
    outcomes = in_time_order(story).outcomes()
    assert outcomes.keys() == clocks.keys()
    for name, (started_at, limit, _, met_at, breach_at) in outcomes.items():
        clock = clocks[name]
        assert (started_at, limit, met_at) == (clock.started_at, clock.limit, clock.met_at)
        assert breach_at == clock.breach_at


@for_all(stories())
def test_heard_in_time_nothing_that_was_told_is_taken_back(story: list[HearCaseFact]) -> None:
    assert not [f for f in in_time_order(story).facts if isinstance(f, BreachWithdrawn)]


@for_all(stories())
def test_a_repeat_changes_nothing(story: list[HearCaseFact]) -> None:
    stream = in_time_order(story)
    for command in story:
        assert not stream.do(command)


@for_all(stories())
def test_the_facts_alone_give_the_same_state_and_alarm(story: list[HearCaseFact]) -> None:
    stream = Punctual()
    for command in story:
        stream.do(command)
    read = ClocksDecider(lambda _: RULES)
    state: Clocks = read.initial
    for fact in stream.facts:
        state = read.evolve(state, type(fact).model_validate_json(fact.model_dump_json()))
    assert read.wake_at(state) == stream.decider.wake_at(stream.state)
    assert state.plan == stream.state.plan


@for_all(stories())
def test_a_case_whose_clocks_have_all_ended_asks_for_no_alarm(story: list[HearCaseFact]) -> None:
    stream = in_time_order(story)
    if all(clock.ended_at is not None for clock in stream.state.plan):
        assert stream.decider.wake_at(stream.state) is None


@for_all(stories())
def test_a_breach_is_stamped_with_its_own_time(story: list[HearCaseFact]) -> None:
    stream = Punctual()
    for command in story:
        stream.ring(command.at)
        stream.do(command)
    while (at := stream.decider.wake_at(stream.state)) is not None and at < HORIZON:
        for fact in stream.do(Ring(at)):
            assert isinstance(fact, ClockFact)
            if isinstance(fact, ClockBreached):
                assert fact.breached_at == at
