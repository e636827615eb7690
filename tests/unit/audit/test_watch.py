"""The auditor's heart beats only while every promise is kept."""

from collections.abc import Iterator, Mapping

import pytest
from prometheus_client import CollectorRegistry

from steward_audit.application.watch import Watch
from steward_service.telemetry import Metrics

WELL = {"unpublished": 0, "clocks_without_timer": 0}
UNDER_WAY = {"unpublished": 3, "clocks_without_timer": 0}
LOST = {"unpublished": 2, "clocks_without_timer": 1}


async def watched(*looks: Mapping[str, int]) -> CollectorRegistry:
    registry = CollectorRegistry()
    coming: Iterator[Mapping[str, int]] = iter(looks)

    async def look() -> Mapping[str, int]:
        return next(coming)

    watch = Watch(look, Metrics(registry), lambda: 1000.0)
    for _ in looks:
        await watch.turn()
    return registry


def beat(registry: CollectorRegistry) -> bool:
    return registry.get_sample_value("steward_audit_heartbeat_timestamp_seconds") == 1000.0


def disagreements(registry: CollectorRegistry, check: str) -> float | None:
    return registry.get_sample_value("steward_audit_disagreements", {"check": check})


@pytest.mark.parametrize(
    ("looks", "beats"),
    [
        ((WELL,), False),  # one look says nothing of what is under way
        ((WELL, WELL), True),
        ((UNDER_WAY, WELL), True),
        ((WELL, UNDER_WAY), True),
        ((UNDER_WAY, UNDER_WAY), False),
        ((LOST, LOST), False),
    ],
)
async def test_it_beats_when_nothing_stood_wrong_at_two_looks(
    looks: tuple[Mapping[str, int], ...], beats: bool
) -> None:
    assert beat(await watched(*looks)) is beats


async def test_a_disagreement_is_what_two_looks_have_seen() -> None:
    registry = await watched(LOST, UNDER_WAY)
    assert disagreements(registry, "unpublished") == 2
    assert disagreements(registry, "clocks_without_timer") == 0
