"""What a listener reads of the facts that mean nothing to it: their place, and nothing else."""

from collections.abc import Collection, Iterable, Mapping

import pytest
from tests.support.eventstore import START, id_of

from steward_events import intake, notify, registry, sla, visits
from steward_events.cloudevents import to_kafka
from steward_events.fact import Fact, known_facts
from steward_events.recorded import Recorded
from steward_events.sla import ClockBreached, ClockStarted
from steward_eventstore.port import OwnMark, Parcel, Projection
from steward_eventstore.rows import meta_of
from steward_intake.adapters import read_models as intake_rows
from steward_intake.api import subscribers as intake_hears
from steward_notify.adapters import read_models as notify_rows
from steward_notify.api import subscribers as notify_hears
from steward_service.hearing import Hearing, Reaction, passed_over

ALL = (intake, registry, sla, visits, notify)
TOPIC = "steward.sla"
Heeds = Mapping[str, Collection[type[Fact]]]


def recorded(kind: type[Fact]) -> Recorded:
    return Recorded(
        id_of(kind.wire_type), kind.wire_type, "x-1", 1, "p1", "/steward/x", START, START, START,
        kind.model_construct(),
    )  # fmt: skip


def passed(heeds: Heeds, listens: Mapping[str, Reaction]) -> Iterable[tuple[Reaction, Recorded]]:
    for topic, kinds in heeds.items():
        owner = topic.removeprefix("steward.")
        names = passed_over(kinds)
        for kind in known_facts():
            if kind.__module__ == f"steward_events.{owner}" and kind.wire_type.encode() in names:
                yield listens[topic], recorded(kind)


@pytest.mark.parametrize(
    ("heeds", "listens", "project"),
    [
        (
            intake_hears.HEEDS,
            {
                "steward.visits": intake_hears.on_visits,
                "steward.sla": intake_hears.on_sla,
                "steward.notify": intake_hears.on_notify,
            },
            intake_rows.project,
        ),
        (
            notify_hears.HEEDS,
            {"steward.sla": notify_hears.on_sla, "steward.visits": notify_hears.on_visits},
            notify_rows.project,
        ),
    ],
    ids=["intake", "notify"],
)
def test_what_a_service_passes_over_moves_nothing_in_it(
    heeds: Heeds, listens: Mapping[str, Reaction], project: Projection
) -> None:
    assert ALL
    found = list(passed(heeds, listens))
    assert len(found) > 10
    for reaction, heard in found:
        assert list(reaction(heard)) == [], heard.type
        assert list(project(heard)) == [], heard.type


def parcel(wire_type: str, value: bytes) -> Parcel:
    key, headers, _ = to_kafka(wire_type, "clocks-1", 3, "{}", meta_of(recorded(ClockStarted)))
    return Parcel(TOPIC, key, tuple(headers), value)


@pytest.fixture
def hearing() -> Hearing:
    return Hearing("test", {TOPIC: lambda _: ()}, passes_over={TOPIC: passed_over([ClockBreached])})


def test_of_a_fact_that_is_passed_over_only_the_place_is_read(hearing: Hearing) -> None:
    job = hearing.own_job(parcel("sla.clock_started.v1", b"no JSON"), "0")
    assert job.mark == OwnMark("test", "clocks-1", 3, recorded(ClockStarted).id)
    assert (job.heard, job.broken, list(job.react())) == (None, None, [])


def test_only_a_plain_place_is_passed_over_together_with_others(hearing: Hearing) -> None:
    plain = dict(parcel("sla.clock_started.v1", b"").headers)

    def passes(**said: bytes) -> tuple[str, int] | None:
        return hearing.passes(TOPIC, [*(plain | {f"ce_{k}": v for k, v in said.items()}).items()])

    assert passes() == ("clocks-1", 3)
    assert hearing.passes("another", [*plain.items()]) is None
    heeded, newer = b"sla.clock_breached.v1", b"sla.clock_started.v9"
    assert passes(type=heeded) == passes(type=newer) == passes(type=b"") is None
    for sequence in (b"0", b"03", b"-3", b"3 4", b"", b"1" * 10, "３".encode()):
        assert passes(sequence=sequence) is None, sequence
    for subject in (b"", b"clocks 1", b"clocks-\x00", "钟-1".encode(), b"\xff", b"c" * 201):
        assert passes(subject=subject) is None, subject
    for id_ in (b"", b"1", plain["ce_id"].replace(b"-", b""), plain["ce_id"] + b" "):
        assert passes(id=id_) is None, id_


def test_a_version_newer_than_known_is_never_passed_over(hearing: Hearing) -> None:
    job = hearing.own_job(parcel("sla.clock_started.v9", b"{}"), "0")
    assert job.broken is not None
    assert job.broken.code == "newer_version"


def test_a_fact_that_is_heeded_is_read(hearing: Hearing) -> None:
    job = hearing.own_job(parcel("sla.clock_breached.v1", b"no JSON"), "0")
    assert job.broken is not None
    assert job.broken.code == "unreadable"
