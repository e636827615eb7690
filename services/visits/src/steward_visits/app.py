"""Wires visits."""

from collections.abc import Sequence

from steward_service import stories
from steward_service.runtime import Service
from steward_visits.adapters import read_models
from steward_visits.adapters.followup_list import PostgresFollowupList
from steward_visits.adapters.publications import Publications
from steward_visits.adapters.registers import PostgresRegisters
from steward_visits.adapters.visit_list import PostgresVisitList
from steward_visits.api import http, subscribers, visits
from steward_visits.application.reactions import stream_of
from steward_visits.domain.duties import DutiesDecider
from steward_visits.domain.followups import FollowupsDecider
from steward_visits.domain.ledger import LedgerDecider
from steward_visits.settings import Settings


def build(settings: Settings) -> Service:
    """Put the service together."""
    policies = Publications()

    async def prepare(service: Service) -> None:
        await policies.load(service.store.pool)

    def registers() -> PostgresRegisters:
        return PostgresRegisters(service.store.pool)

    service = Service(
        name="visits",
        settings=settings,
        deciders={
            "followups": FollowupsDecider(policies.rules.__getitem__),
            "ledger": LedgerDecider(policies.in_force),
            "duties": DutiesDecider(policies.in_force),
        },
        topic="steward.visits",
        listens={"steward.intake": subscribers.on_intake},
        feeds=subscribers.feeds,
        barriers={"registry.policy_published"},
        on_heard=policies.heard,
        prepare=prepare,
        project=read_models.project,
        routers=[
            http.router(lambda: PostgresFollowupList(service.store.pool), registers),
            visits.router(lambda: PostgresVisitList(service.store.pool), registers),
            stories.router("followup.read", streams_of, "follow-ups"),
        ],
    )
    return service


async def streams_of(case_id: str) -> Sequence[str]:
    """Name where a case is told of."""
    return [stream_of(case_id)]


def main() -> None:
    """Run until stopped."""
    build(Settings()).run()
