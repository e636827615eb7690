"""The auditor's heart beats only while every promise is kept."""

from collections.abc import Hashable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from steward_audit.application import watch
from steward_audit.application.ports import Counters, PeerSilent, Timers
from steward_audit.application.watch import OUTCOME_WITHIN, PATIENCE_SECONDS, Look, Watch, look
from steward_policy import packs
from steward_policy.packs import Rules
from steward_service.telemetry import Metrics

CHECK = "clocks_without_timer"
LOOKS = round(PATIENCE_SECONDS / watch.PAUSE_SECONDS)
"""So many pauses are the patience."""


def seen(*broken: Hashable, stored: int = 0, heard: int | None = None) -> Look:
    """A look at which these clocks have no alarm, and so many facts are stored and heard."""
    here = stored if heard is None else heard
    return Look({CHECK: set(broken)}, {"sla": {"a": stored}}, {"sla": {"a": here}})


class Over(Exception):
    """There is nothing more to see."""


@dataclass
class Seen:
    """What the auditor says after each look; a look that fails is None."""

    monkeypatch: pytest.MonkeyPatch
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    now: float = 1000.0

    async def after(self, looks: Iterable[Look | None]) -> list[Mapping[str, Any]]:
        """Look each quarter of a minute, as `Watch.run` does."""
        self.monkeypatch.setattr(watch, "PAUSE_SECONDS", 0)
        coming, said = iter(looks), []
        first = True

        async def next_look() -> Look:
            nonlocal first
            if not first:
                said.append(self._said())
            first = False
            self.now += 15.0
            match next(coming, Over()):
                case None:
                    raise PeerSilent("The service sla does not answer.")
                case Over() as over:
                    raise over
                case there:
                    return there

        with pytest.raises(Over):
            await Watch(next_look, Metrics(self.registry), lambda: self.now).run()
        return said

    def _said(self) -> Mapping[str, Any]:
        value = self.registry.get_sample_value
        return {
            "beats": value("steward_audit_heartbeat_timestamp_seconds") == self.now,
            CHECK: value("steward_audit_disagreements", {"check": CHECK}),
            "unpublished": value("steward_audit_disagreements", {"check": "unpublished"}),
        }


@pytest.fixture
def auditor(monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(monkeypatch)


async def test_what_is_always_something_else_is_on_its_way(auditor: Seen) -> None:
    looks = [seen(f"c{n}", f"c{n + 1}", stored=10 * n, heard=10 * n - 5) for n in range(3 * LOOKS)]
    said = await auditor.after(looks)
    assert all(one == {"beats": True, CHECK: 0, "unpublished": 0} for one in said)


async def test_what_stands_for_longer_than_the_patience_is_a_disagreement(auditor: Seen) -> None:
    said = await auditor.after(seen("lost", f"c{n}") for n in range(LOOKS + 1))
    assert [one[CHECK] for one in said] == [0] * LOOKS + [1]
    assert [one["beats"] for one in said] == [True] * LOOKS + [False]


async def test_what_comes_at_last_ends_it_and_is_forgotten(auditor: Seen) -> None:
    lost = [seen("lost")] * (LOOKS + 1)
    said = await auditor.after([*lost, seen(), *lost])
    assert [one[CHECK] for one in said] == [*[0] * LOOKS, 1, 0, *[0] * LOOKS, 1]
    assert said[LOOKS + 1]["beats"]


async def test_one_thing_counts_for_each_check_by_itself(auditor: Seen) -> None:
    other = Look({CHECK: set(), "escalations_without_message": {"x"}}, {}, {})
    said = await auditor.after([*[other] * LOOKS, seen("x")])
    assert said[-1][CHECK] == 0


async def test_a_look_that_fails_beats_no_heart_and_forgets_nothing(auditor: Seen) -> None:
    looks: list[Look | None] = [seen("lost"), *[None] * (LOOKS - 1), seen("lost")]
    said = await auditor.after(looks)
    assert [one["beats"] for one in said] == [True, *[False] * LOOKS]
    assert said[-1][CHECK] == 1


async def test_what_was_stored_long_ago_and_is_not_heard_is_unpublished(auditor: Seen) -> None:
    said = await auditor.after([*[seen(stored=9, heard=7)] * (LOOKS + 1), seen(stored=9)])
    assert [one["unpublished"] for one in said] == [*[0] * LOOKS, 2, 0]
    assert [one["beats"] for one in said[-2:]] == [False, True]


async def test_what_is_lost_under_load_is_found_once_the_load_ends(auditor: Seen) -> None:
    load = [seen(stored=10 * n, heard=10 * n - 1) for n in range(1, LOOKS)]
    said = await auditor.after([*load, *[load[-1]] * (LOOKS + 1)])
    assert said[-1]["unpublished"] == 1


async def test_what_is_not_heard_is_no_more_than_the_patience_old(auditor: Seen) -> None:
    stood = [seen(stored=9)] * (LOOKS + 9)
    said = await auditor.after([*stood, *[seen(stored=12, heard=9)] * (LOOKS + 1)])
    assert [one["unpublished"] for one in said[len(stood) :]] == [*[0] * LOOKS, 3]


async def test_what_was_heard_and_is_not_stored_is_found_at_the_next_look(auditor: Seen) -> None:
    said = await auditor.after([seen(stored=5, heard=9), seen(stored=8, heard=9), seen(stored=9)])
    assert [one["unpublished"] for one in said] == [0, 1, 0]


NOW = datetime(2026, 10, 2, tzinfo=UTC)


class Remembered:
    """A clock whose stream has an alarm, one whose stream has none; and breaches of two targets."""

    async def heard(self) -> Mapping[str, Mapping[str, int]]:
        return {"sla": {"a": 1}, "gone": {"b": 2}}

    async def running(self, _after: str, _upto: str | None) -> Mapping[tuple[str, str], str]:
        return {("c1", "minor-resolve#1"): "clocks-c1", ("c2", "minor-resolve#1"): "clocks-c2"}

    async def unescalated(self) -> list[Mapping[str, Any]]:
        return [
            {"policy": "house@1", "target": "minor-resolve", "n": 1},
            {"policy": "house@1", "target": "minor-first-response", "n": 1_000_000},
        ]

    async def unescalated_of(self, groups: Any) -> set[tuple[str, str, int]]:
        assert groups == [("house@1", "minor-resolve")]
        return {("c3", "minor-resolve#1", 2)}

    async def untold(self) -> set[str]:
        return {"e1"}

    async def unchanged_since(self, at: datetime) -> set[str]:
        assert at == NOW - OUTCOME_WITHIN
        return {"m1"}

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"The round asks for {name}.")


class Answering:
    """Services that are asked."""

    async def counters(self) -> Mapping[str, Counters]:
        return {"sla": Counters({"a": 1}, 0), "visits": Counters({}, 0)}

    async def timers(self, _service: str, _after: str, /) -> Timers:
        return Timers(frozenset({"clocks-c1"}), None)


def rules_of(_version: str) -> Rules:
    """Give rules by which one of the two targets never escalates."""
    rules = packs.built_in()
    climbing = rules.by_id["minor-resolve"]
    silent = climbing.model_copy(update={"id": "minor-first-response", "escalate": ()})
    return replace(rules, pack=rules.pack.model_copy(update={"targets": (climbing, silent)}))


async def test_a_look_names_what_is_broken_and_asks_for_nothing_that_is_well() -> None:
    broken: Mapping[str, Set[Hashable]] = {
        "clocks_without_timer": {("c2", "minor-resolve#1")},
        "breaches_without_escalation": {("c3", "minor-resolve#1", 2)},
        "escalations_without_message": {"e1"},
        "messages_without_outcome": {"m1"},
    }
    counts: Mapping[str, Mapping[str, int]] = {"sla": {"a": 1}, "visits": {}}
    assert await look(Remembered(), Answering(), rules_of, NOW) == Look(broken, counts, counts)
