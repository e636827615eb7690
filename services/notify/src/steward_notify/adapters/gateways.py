"""The providers, each behind the one shape in which the sender calls them."""

import secrets
from collections.abc import Mapping

from steward_eventstore.port import Clock
from steward_notify.adapters.email_smtp import Mail, SmtpMail
from steward_notify.adapters.sms_aliyun import AliyunSms, SmsText
from steward_notify.application.outcomes import Outcome
from steward_notify.texts import Language, Text, values_for


class SmsGateway:
    """Texts. `templates` gives the provider's code of `<template>.<language>`; `wall` signs."""

    def __init__(self, sms: AliyunSms, wall: Clock, templates: Mapping[str, str]) -> None:
        self._sms = sms
        self._wall = wall
        self._templates = templates

    async def send(
        self,
        message_id: str,
        address: str,
        template: str,
        language: Language,
        values: Mapping[str, str],
        text: Text,  # noqa: ARG002 - the provider fills its own copy of the template
    ) -> Outcome:
        """Send one text once."""
        code = self._templates.get(f"{template}.{language}", f"SMS_{template}_{language}".upper())
        sms = SmsText(message_id, address, code, values_for(template, language, values))
        return await self._sms.send(sms, signed_at=self._wall.now(), nonce=secrets.token_hex(16))


class MailGateway:
    """Mails. `clock` dates them: Steward's own time, as in the text."""

    def __init__(self, mail: SmtpMail, clock: Clock) -> None:
        self._mail = mail
        self._clock = clock

    async def send(
        self,
        message_id: str,
        address: str,
        template: str,  # noqa: ARG002 - already filled
        language: Language,  # noqa: ARG002
        values: Mapping[str, str],  # noqa: ARG002
        text: Text,
    ) -> Outcome:
        """Send one mail once."""
        mail = Mail(message_id, address, text.subject, text.body)
        return await self._mail.send(mail, dated=self._clock.now())
