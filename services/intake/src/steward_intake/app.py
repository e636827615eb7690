"""Wires intake: what it decides, hears and serves."""

from functools import cached_property

from uuid_utils.compat import uuid7

from steward_eventstore.execute import Cause, Job
from steward_intake.adapters import read_models
from steward_intake.adapters.blobs import PostgresBlobs
from steward_intake.adapters.erasing import PostgresErasing
from steward_intake.adapters.registers import PostgresRegisters
from steward_intake.adapters.sealed_texts import PostgresSealedTexts
from steward_intake.api import history, http, subscribers
from steward_intake.api.routers import ROUTERS
from steward_intake.application.registration import built_in_policy
from steward_intake.domain.box import BoxDecider
from steward_intake.domain.case import CaseDecider
from steward_intake.domain.incident import IncidentDecider
from steward_intake.domain.note import NoteDecider
from steward_intake.domain.registry import DECIDERS
from steward_intake.settings import Settings
from steward_service.runtime import Service
from steward_service.search_terms import SearchTerms


class IntakeService(Service):
    """The service with its registers at hand."""

    @property
    def registers(self) -> PostgresRegisters:
        """The read models."""
        return PostgresRegisters(self.store.pool)

    @property
    def blobs(self) -> PostgresBlobs:
        """Where the files of cases lie."""
        return PostgresBlobs(self.store.pool)

    @cached_property
    def sealed_texts(self) -> PostgresSealedTexts:
        """The index of sealed texts."""
        return PostgresSealedTexts(self.store.pool, SearchTerms(self.settings.master_key_bytes))

    @property
    def erasing(self) -> PostgresErasing:
        """What carries erasures out."""
        return PostgresErasing(self.store.pool, self.keys_pool, self.sealer, self.sealed_texts)


async def publish_built_in_policy(service: Service) -> None:
    """Let everybody hear of the built-in pack before the first case; once for each version."""
    cause = Cause(uuid7(), "start")
    to = built_in_policy(service.clock.now())
    await service.executor.execute(Job(cause, lambda: [to]))


def service(settings: Settings) -> IntakeService:
    """Build the service."""

    async def prepare(_: Service) -> None:
        await intake.erasing.carry_all_out()
        await publish_built_in_policy(intake)

    intake = IntakeService(
        name="intake",
        settings=settings,
        deciders={
            "case": CaseDecider(),
            "box": BoxDecider(),
            "note": NoteDecider(),
            "incident": IncidentDecider(),
            **DECIDERS,
        },
        topic="steward.intake",
        listens={
            "steward.visits": subscribers.on_visits,
            "steward.sla": subscribers.on_sla,
            "steward.notify": subscribers.on_notify,
        },
        heeds=subscribers.HEEDS,
        foreign={"steward.inbound.tickets": subscribers.on_tickets(lambda: http.open_desk(intake))},
        project=read_models.project,
        routers=ROUTERS,
        prepare=prepare,
        background=[
            lambda _: intake.sealed_texts.keep_up(intake.store, intake.sealer),
            lambda _: intake.erasing.keep_up(settings.kafka, "steward.intake", intake.foreign),
        ]
        if "listen" in settings.roles
        else [],
        for_good=[history.CONSUMER],
        owns_keys=True,
        takes_files=True,
    )
    return intake
