"""A case is walked by the versions by which it went, one after the other."""

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from steward_events.fact import Fact
from steward_events.intake import CaseReceived
from steward_events.recorded import Recorded
from steward_events.sla import CaseNoted
from steward_events.vocabulary import Kind
from steward_policy import packs
from steward_sla.domain.clocks import era_of
from steward_sla.domain.timeline import Timeline
from steward_stack.simulation import Outcomes, Own, walk

TEN = datetime(2026, 10, 29, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
PACK = """
pack: house
version: "{version}"
calendar: cn-office
targets:
  - id: answer
    rule: [RM-4.5.2c]
    basis: rule
    starts: case_received
    met_by: case_handled
    within: {{days: {days}}}
"""
TIMELINES = {
    rules.version: Timeline(rules)
    for rules in (packs.load(PACK.format(version=v, days=d)) for v, d in (("1", 2), ("2", 9)))
}


def recorded(fact: Fact) -> Recorded:
    head = (UUID(int=1), fact.wire_type, "case-c1", 1, "p1", "/steward/intake")
    return Recorded(*head, TEN, TEN, TEN, fact)


def test_a_case_for_which_another_version_was_reapplied_is_walked_by_both() -> None:
    received = CaseReceived(
        case_id="c1",
        number="p1-1",
        project_id="p1",
        kind=Kind.COMPLAINT,
        zone="Asia/Shanghai",
        policy="house@1",
    )
    reapplied = CaseNoted(
        case_id="c1",
        project_id="p1",
        noted="policy_reapplied",
        at=TEN + timedelta(hours=1),
        version=-1,
        fields={"policy": "house@2", "reapply_id": "r1", "targets": []},
    )
    found = Outcomes(until=TEN + timedelta(days=4))
    walk([recorded(received)], TIMELINES.__getitem__, {}, found)
    assert found.simulated == {("answer", "p1", "2026-10"): {"breached": 1}}
    found = Outcomes(until=TEN + timedelta(days=4))
    walk([recorded(received)], TIMELINES.__getitem__, {"c1": Own(eras=[era_of(reapplied)])}, found)
    assert found.simulated == {("answer", "p1", "2026-11"): {"running": 1}}
