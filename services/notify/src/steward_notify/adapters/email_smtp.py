"""Mail through an SMTP server."""

import contextlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Literal

import aiosmtplib

from steward_notify.application.outcomes import (
    Outcome,
    RefusedForGood,
    Sent,
    TryLater,
    Unknown,
)
from steward_service.telemetry import named

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
"""The status code with which a server's text may begin (RFC 3463)."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and under which name and address; `timeout` in seconds per step."""

    host: str
    port: int
    sender: str
    sender_name: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    timeout: float = 30


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail; its Message-ID is made of `message_id`, so that a repeat is seen as one."""

    message_id: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    body: str = field(repr=False)


class SmtpMail:
    """Sends mail, a connection for each; it never repeats by itself."""

    def __init__(self, server: MailServer) -> None:
        """Take the server; nothing is connected yet."""
        self._server = server

    async def send(self, mail: Mail, *, dated: datetime) -> Outcome:
        """Send one mail once; `dated` is its Date header.

        A cancelled call may have sent: whoever cancels must take it for `Unknown`.
        """
        server = self._server
        try:
            message = compose(mail, server, dated)
            content = message.as_bytes()
        except Exception:  # the email package raises many kinds, and all before anything was sent
            return RefusedForGood("unfit", "No mail can be written of this address or text.")
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            timeout=server.timeout,
        )
        data_begun = False
        try:
            await client.connect()
            await client.mail(server.sender)
            await client.rcpt(mail.to)
            data_begun = True
            await client.data(content)
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit()
        except (aiosmtplib.SMTPException, OSError) as error:
            return _outcome(error, data_begun=data_begun)
        finally:
            client.close()
        return Sent(message["Message-ID"])


def compose(mail: Mail, server: MailServer, dated: datetime) -> EmailMessage:
    """Write the mail, its subject in one line.

    Raises for an address or subject that no header can carry; it may quote them.
    """
    message = EmailMessage(policy=SMTP_POLICY)
    domain = Address(addr_spec=server.sender).domain
    message["Message-ID"] = f"<{mail.message_id}@{domain}>"
    message["Date"] = format_datetime(dated)
    message["From"] = Address(server.sender_name, addr_spec=server.sender)
    message["To"] = Address(addr_spec=mail.to)
    mail.to.encode("ascii")  # it is told to the server as it is
    message["Subject"] = " ".join(mail.subject.split())
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body, charset="utf-8", cte="base64")
    return message


def _outcome(error: aiosmtplib.SMTPException | OSError, *, data_begun: bool) -> Outcome:
    match error:
        case aiosmtplib.SMTPRecipientRefused() | aiosmtplib.SMTPDataError() if (
            400 <= error.code < 500
        ):
            return TryLater(str(error.code), _answered(error))
        case aiosmtplib.SMTPRecipientRefused() | aiosmtplib.SMTPDataError() if (
            500 <= error.code < 600
        ):
            return RefusedForGood(str(error.code), _answered(error))
        case _ if data_begun:
            lost = "The connection was lost before the mail server confirmed"
            return Unknown(f"{lost}: {named(error)}.")
        case aiosmtplib.SMTPResponseException() if 400 <= error.code < 600:
            # Ours or the server's to mend; the mail itself was not judged.
            said = f"The mail server does not let us in: {_codes(error)}."
            return TryLater(str(error.code), said)
        case aiosmtplib.SMTPResponseException():
            # It was reached: this is not asked again each minute for ever.
            return TryLater("protocol", _answered(error))
        case _:
            # What could not connect hides what the system said of it.
            kind = named(error.__cause__ or error)
            return TryLater("unreachable", f"The mail server cannot be reached: {kind}.")


def _answered(error: aiosmtplib.SMTPResponseException) -> str:
    return f"The mail server answered {_codes(error)}."


def _codes(error: aiosmtplib.SMTPResponseException) -> str:
    """Give the codes of an answer; its words may quote whom the mail is for."""
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)
