"""Wires audit."""

from typing import Any

from pydantic import SecretStr

from steward_audit.adapters import read_models
from steward_audit.adapters.memory import PostgresMemory
from steward_audit.adapters.peers import HttpPeers
from steward_audit.api import http, subscribers
from steward_audit.application import summary
from steward_audit.application.watch import Look, Watch, look
from steward_audit.settings import Settings
from steward_service.policies import Policies
from steward_service.runtime import Service

TOPICS = ("steward.intake", "steward.sla", "steward.visits", "steward.notify")


def build(settings: Settings) -> Service:
    """Put the service together."""
    policies = Policies()
    key = settings.peers_key or settings.admin_key or SecretStr("")
    peers = HttpPeers(settings.peers, key)

    async def prepare(service: Service) -> None:
        await policies.load(service.store.pool, read_models.POLICIES)

    async def figures() -> dict[str, Any]:
        return await summary.summary(
            PostgresMemory(service.store.pool), peers, policies.__getitem__, service.clock.now()
        )

    async def watch(service: Service) -> None:
        async def seen() -> Look:
            memory = PostgresMemory(service.store.pool)
            return await look(memory, peers, policies.__getitem__, service.clock.now())

        await Watch(seen, service.metrics, lambda: service.wall.now().timestamp()).run()

    async def facts() -> dict[str, Any]:
        return await summary.facts(PostgresMemory(service.store.pool), peers)

    service = Service(
        name="audit",
        settings=settings,
        listens=dict.fromkeys(TOPICS, subscribers.on_anything),
        on_heard=policies.heard,
        prepare=prepare,
        project=read_models.project,
        routers=[http.router(figures, facts)],
        background=[watch],
    )
    return service


def main() -> None:
    """Run until stopped."""
    build(Settings()).run()
