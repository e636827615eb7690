"""Wires intake: what it decides, hears and serves."""

from uuid_utils.compat import uuid7

from steward_eventstore.execute import Cause, Job
from steward_intake.adapters import read_models
from steward_intake.adapters.registers import PostgresRegisters
from steward_intake.api import http, subscribers
from steward_intake.application.registration import built_in_policy
from steward_intake.domain.case import CaseDecider
from steward_intake.domain.registry import DECIDERS
from steward_intake.settings import Settings
from steward_service.runtime import Service


class IntakeService(Service):
    """The service with its registers at hand."""

    @property
    def registers(self) -> PostgresRegisters:
        """The read models."""
        return PostgresRegisters(self.store.pool)


async def publish_built_in_policy(service: Service) -> None:
    """Let everybody hear of the built-in pack before the first case; once for each version."""
    cause = Cause(uuid7(), "start")
    to = built_in_policy(service.clock.now())
    await service.executor.execute(Job(cause, lambda: [to]))


def service(settings: Settings) -> IntakeService:
    """Build the service."""
    intake = IntakeService(
        name="intake",
        settings=settings,
        deciders={"case": CaseDecider(), **DECIDERS},
        topic="steward.intake",
        listens={
            "steward.visits": subscribers.on_visits,
            "steward.sla": subscribers.on_sla,
            "steward.notify": subscribers.on_notify,
        },
        foreign={"steward.inbound.tickets": subscribers.on_tickets(lambda: http.open_desk(intake))},
        project=read_models.project,
        routers=[http.router],
        prepare=publish_built_in_policy,
        owns_keys=True,
    )
    return intake
