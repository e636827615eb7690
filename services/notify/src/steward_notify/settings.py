"""The variables that notify reads besides those of every service."""

from typing import Literal

from pydantic import Field, SecretStr

from steward_service.settings import ServiceSettings


class Settings(ServiceSettings):
    """Where texts and mails are handed in, and with which account."""

    sms_endpoint: str = "https://dysmsapi.aliyuncs.com/"
    sms_access_key_id: str
    sms_access_key_secret: SecretStr
    sms_sign_name: str = "管家"
    """The approved signature, shown as 【…】 in front of each text."""
    sms_templates: dict[str, str] = {}
    """The provider's code of each `<template>.<language>`, as JSON."""
    receipts_token: SecretStr = Field(min_length=16)
    """The secret part of the address to which the provider sends receipts."""
    smtp: str = Field(pattern=r"^.+:[0-9]+$")
    """The mail server; `host:port`."""
    smtp_tls: Literal["none", "starttls", "implicit"] = "starttls"
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    mail_from: str = "steward@localhost.localdomain"
    mail_from_name: str = "Steward 管家"
