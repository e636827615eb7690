"""Wires notify."""

import asyncio
from collections.abc import Sequence
from functools import partial

import httpx2

from steward_events.notify import (
    AdministratorAlarmed,
    MessageDelivered,
    MessageFact,
    MessageFailed,
    MessageRequested,
    MessageSending,
    MessageSent,
    MessageSuppressed,
    MessageUnknown,
)
from steward_events.recorded import Recorded
from steward_notify.adapters import read_models
from steward_notify.adapters.directory import PostgresDirectory, erased
from steward_notify.adapters.email_smtp import MailServer, SmtpMail
from steward_notify.adapters.gateways import MailGateway, SmsGateway
from steward_notify.adapters.outbox import PostgresMessageList, PostgresOutbox
from steward_notify.adapters.sms_aliyun import RECEIPTS_TAKEN, Account, AliyunSms, parse_receipts
from steward_notify.api import http, subscribers
from steward_notify.application.reactions import owner_stream_of, stream_of
from steward_notify.application.sender import Sender
from steward_notify.domain.message import MessageDecider
from steward_notify.domain.owner import OwnerDecider
from steward_notify.settings import Settings
from steward_service import stories
from steward_service.keys import forget_keys
from steward_service.policies import Policies
from steward_service.runtime import Service

PROVIDER_SECONDS = 10.0
AT_MOST = 500
"""Messages of which a case's story tells."""


def build(settings: Settings) -> Service:
    """Put the service together."""
    wake = asyncio.Event()
    policies = Policies()
    senders: list[Sender] = []

    async def prepare(service: Service) -> None:
        await policies.load(service.store.pool, read_models.POLICIES)
        # A store that came back from a back-up may hold them again.
        await forget_keys(service.keys_store, await erased(service.store.pool))

    async def send(service: Service) -> None:
        timeout = httpx2.Timeout(PROVIDER_SECONDS)
        async with httpx2.AsyncClient(timeout=timeout, trust_env=False) as client:
            sender = Sender(
                service.executor,
                PostgresOutbox(service.store.pool),
                PostgresDirectory(service.store.pool),
                {
                    "sms": SmsGateway(
                        AliyunSms(client, _account(settings)), service.wall, settings.sms_templates
                    ),
                    "email": MailGateway(SmtpMail(_mail_server(settings)), service.clock),
                },
                service.sealer,
                service.clock,
                service.wall,
                wake,
            )
            senders[:] = [sender]
            await sender.run()

    def on_facts(facts: Sequence[Recorded]) -> None:
        for recorded in facts:
            if isinstance(recorded.fact, MessageRequested):
                wake.set()
            elif isinstance(recorded.fact, MessageFact) and (outcome := outcome_of(recorded.fact)):
                service.metrics.messages.labels(recorded.fact.channel, outcome).inc()

    async def outstanding() -> int:
        now = service.clock.now()
        held = [message for sender in senders for message in sender.held(now)]
        return await PostgresMessageList(service.store.pool).outstanding(now, held)

    async def streams_of(case_id: str) -> Sequence[str]:
        messages = PostgresMessageList(service.store.pool)
        rows = await messages.listed(None, {"case_id": case_id}, None, AT_MOST)
        return sorted({owner_stream_of(case_id), *(stream_of(row["message_id"]) for row in rows)})

    service = Service(
        name="notify",
        settings=settings,
        deciders={"message": MessageDecider(), "owner": OwnerDecider(policies.__getitem__)},
        topic="steward.notify",
        listens={
            "steward.intake": subscribers.on_intake,
            "steward.sla": partial(subscribers.on_sla, rules_of=policies.get),
            "steward.visits": partial(subscribers.on_visits, rules_of=policies.get),
        },
        heeds=subscribers.HEEDS,
        barriers={"registry.policy_published"},
        on_heard=policies.heard,
        prepare=prepare,
        on_facts=on_facts,
        project=read_models.project,
        routers=[
            http.router(
                lambda: PostgresMessageList(service.store.pool),
                lambda: PostgresDirectory(service.store.pool),
                parse_receipts,
                settings.receipts_token,
                RECEIPTS_TAKEN,
            ),
            stories.router("message.read", streams_of, "messages"),
        ],
        background=[send] if "relay" in settings.roles else [],
        outstanding=outstanding,
        hears_keys=True,
    )
    return service


def outcome_of(fact: MessageFact) -> str:
    """Name what became of a message; empty while nothing has, or nothing new."""
    match fact:
        case MessageSent():
            return "sent"
        case MessageDelivered(again=False):
            return "delivered"
        case MessageFailed(again_at=None):
            return "failed"
        case MessageUnknown():
            return "unknown"
        case MessageSuppressed():
            return "suppressed"
        case AdministratorAlarmed():
            return "nobody"
        case MessageFailed() | MessageSending() | _:
            return ""


def _account(settings: Settings) -> Account:
    return Account(
        settings.sms_access_key_id,
        settings.sms_access_key_secret.get_secret_value(),
        settings.sms_sign_name,
        settings.sms_endpoint,
    )


def _mail_server(settings: Settings) -> MailServer:
    host, _, port = settings.smtp.rpartition(":")
    password = settings.smtp_password
    return MailServer(
        host,
        int(port),
        settings.mail_from,
        settings.mail_from_name,
        settings.smtp_username,
        password.get_secret_value() if password else None,
        settings.smtp_tls,
    )


def main() -> None:
    """Run until stopped."""
    build(Settings()).run()
