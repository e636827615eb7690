"""Wires sla."""

from collections.abc import Sequence

from steward_events.recorded import Recorded
from steward_events.sla import ClockBreached
from steward_service import stories
from steward_service.policies import Policies
from steward_service.runtime import Service
from steward_sla.adapters import read_models
from steward_sla.adapters.clock_lists import PostgresLists, count_running, count_unacknowledged
from steward_sla.adapters.sweeping import CALENDAR, Calendars, Sweeping, begun_by
from steward_sla.api import http, policy_work, subscribers
from steward_sla.application.ports import POLICY
from steward_sla.application.reactions import stream_of
from steward_sla.domain.clocks import ClocksDecider
from steward_sla.domain.reapplications import ReapplicationDecider
from steward_sla.settings import Settings


def build(settings: Settings) -> Service:
    """Put the service together."""
    policies, calendars = Policies(), Calendars()
    sweeping = Sweeping(calendars, policies)

    async def prepare(service: Service) -> None:
        await sweeping.load(service.store.pool)
        await sweeping.sweep_again(service.store, service.process)

    async def take_note(facts: Sequence[Recorded]) -> None:
        known = calendars().edition
        await policies.heard(facts)
        await calendars.heard(facts)
        if calendars().edition > known:
            await sweeping.sweep_again(service.store, service.process)

    def count_breaches(facts: Sequence[Recorded]) -> None:
        for recorded in facts:
            if isinstance(recorded.fact, ClockBreached):
                fact = recorded.fact
                service.metrics.clock_breaches.labels(fact.target, fact.severity).inc()

    service = Service(
        name="sla",
        settings=settings,
        deciders={
            "clocks": ClocksDecider(policies.__getitem__, calendars),
            "reapplication": ReapplicationDecider(),
        },
        topic="steward.sla",
        listens={"steward.intake": subscribers.on_intake},
        feeds=subscribers.feeds,
        barriers={"registry.policy_published", "registry.calendar_published"},
        on_heard=take_note,
        sweeps={CALENDAR: sweeping.note_calendars, POLICY: sweeping.reapply},
        selects={CALENDAR: sweeping.provisional, POLICY: sweeping.concerned},
        begins=begun_by,
        on_facts=count_breaches,
        counts=[count_running, count_unacknowledged],
        prepare=prepare,
        project=read_models.project,
        routers=[
            http.router(lambda: PostgresLists(service.store.pool), policies),
            policy_work.router(lambda: PostgresLists(service.store.pool), policies, calendars),
            stories.router("clock.read", streams_of, "clocks"),
        ],
    )
    return service


async def streams_of(case_id: str) -> Sequence[str]:
    """Name where a case is told of."""
    return [stream_of(case_id)]


def main() -> None:
    """Run until stopped."""
    build(Settings()).run()
