"""Texts through Alibaba Cloud SMS: `SendSms` 2017-05-25 (RPC style) and its SmsReport receipts."""

import asyncio
import base64
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import structlog
from pydantic import AfterValidator, BaseModel, BeforeValidator, TypeAdapter, ValidationError

from steward_events.vocabulary import LONGEST_ID, LONGEST_WORD
from steward_notify.application.outcomes import (
    Outcome,
    RefusedForGood,
    Sent,
    TryLater,
    Unknown,
    as_code,
)
from steward_notify.application.ports import LONGEST_VALUE
from steward_service.telemetry import named

_LOG = structlog.get_logger(__name__)

WHOLE_SECONDS = 30.0
"""For a whole call: the client's own time-outs begin anew with each byte."""

LONGEST_ANSWER = 64_000
"""Bytes of an answer that are read."""

_NUMBER = re.compile(r"(?!(?:[-_]*[0-9]){7,15}[-_]*$)[0-9A-Za-z^_-]{1,200}")
"""The provider's own number of a text, like 900619746936498440^0, and no telephone number."""

_PROVIDER_ZONE = timezone(timedelta(hours=8))
"""Receipts carry Beijing time without an offset."""

_MENDED_ELSEWHERE = (
    "isv.ACCOUNT",
    "isv.AMOUNT_NOT_ENOUGH",
    "isv.BILLING",
    "isv.BUSINESS_LIMIT",
    "isv.DAY_LIMIT",
    "isv.MONTH_LIMIT",
    "isv.OUT_OF_SERVICE",
    "isv.PRODUCT_UN",
    "isv.RAM",
    "isv.SECURITY_FROZEN",
    "isv.SMS_SIGN",
    "isv.SMS_TEMPLATE_ILLEGAL",
    "isv.SYSTEM_LIMIT",
)
"""Beginnings of `isv.` codes that speak of the account or of a limit, not of this message."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who sends: the access key, the approved signature shown as 【…】, and where the API is."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    sign_name: str
    endpoint: str = "https://dysmsapi.aliyuncs.com/"
    region: str = "cn-hangzhou"


@dataclass(frozen=True, slots=True)
class SmsText:
    """One text: the provider fills the approved template with the values.

    `message_id` travels as OutId and comes back in the receipt.
    """

    message_id: str
    phone: str = field(repr=False)
    template_code: str
    values: Mapping[str, str] = field(repr=False)


class AliyunSms:
    """Sends texts; it never repeats a request by itself."""

    def __init__(self, client: httpx2.AsyncClient, account: Account) -> None:
        """Take the client with its time-outs; it stays the caller's to close."""
        self._client = client
        self._account = account

    async def send(self, text: SmsText, *, signed_at: datetime, nonce: str) -> Outcome:
        """Send one text once.

        `signed_at` is wall time (the provider refuses 15 minutes' difference), `nonce` fresh for
        every call. A cancelled call may have sent: whoever cancels must take it for `Unknown`.
        """
        request = request_parameters(text, self._account, signed_at, nonce)
        request["Signature"] = signature("POST", request, self._account.access_key_secret)
        try:
            # A kept connection that the provider has just closed would look like a lost text.
            async with (
                asyncio.timeout(WHOLE_SECONDS),
                self._client.stream(
                    "POST", self._account.endpoint, data=request, headers={"Connection": "close"}
                ) as response,
            ):
                return _outcome(response.status_code, await _body(response))
        except (
            httpx2.ConnectError,
            httpx2.ConnectTimeout,
            httpx2.PoolTimeout,
            httpx2.ProxyError,
            httpx2.UnsupportedProtocol,
        ) as error:
            said = f"The SMS provider cannot be reached: {named(error)}."
            return TryLater("unreachable", said)
        except (httpx2.RequestError, TimeoutError) as error:
            lost = "The connection was lost before the SMS provider answered"
            return Unknown(f"{lost}: {named(error)}.")


def request_parameters(
    text: SmsText, account: Account, signed_at: datetime, nonce: str
) -> dict[str, str]:
    """All parameters of `SendSms` but the signature."""
    values = {name: _shortened(value) for name, value in text.values.items()}
    return {
        "AccessKeyId": account.access_key_id,
        "Action": "SendSms",
        "Format": "JSON",
        "OutId": text.message_id,
        "PhoneNumbers": text.phone,
        "RegionId": account.region,
        "SignName": account.sign_name,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": nonce,
        "SignatureVersion": "1.0",
        "TemplateCode": text.template_code,
        "TemplateParam": json.dumps(values, ensure_ascii=False, separators=(",", ":")),
        "Timestamp": signed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Version": "2017-05-25",
    }


def signature(method: str, parameters: Mapping[str, str], access_key_secret: str) -> str:
    """HMAC-SHA1 over method and sorted parameters, as Alibaba Cloud's RPC signature 1.0 says."""
    query = "&".join(
        f"{_encoded(name)}={_encoded(parameters[name])}" for name in sorted(parameters)
    )
    to_sign = f"{method}&{_encoded('/')}&{_encoded(query)}"
    digest = hmac.digest(f"{access_key_secret}&".encode(), to_sign.encode(), "sha1")
    return base64.b64encode(digest).decode("ascii")


def _encoded(value: str) -> str:
    return quote(value, safe="~")


def _shortened(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


async def _body(response: httpx2.Response) -> bytes:
    """Read an answer; one that is too long has nothing to say."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > LONGEST_ANSWER:
            return b""
    return bytes(body)


def _outcome(status: int, body: bytes) -> Outcome:
    try:
        answer: Any = json.loads(body)
        said = str(answer["Code"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _outcome_without_code(status)
    if said == "OK":
        return Sent(_number(answer.get("BizId")))
    if said == "SignatureNonceUsed":
        # Somebody's earlier request with this nonce got through: possibly this very text.
        return Unknown("The SMS provider has already taken a request with this nonce.")
    code = as_code(said)
    reason = f"The SMS provider answered {code}."
    if said.startswith("isv.") and not said.startswith(_MENDED_ELSEWHERE):
        return RefusedForGood(code, reason)
    return TryLater(code, reason)


def _number(said: object) -> str:
    return said if isinstance(said, str) and _NUMBER.fullmatch(said) else ""


def _outcome_without_code(status: int) -> Outcome:
    # 503 and 3xx/4xx are said before any work; 2xx and other 5xx may come after it.
    if status == 503 or 300 <= status < 500:
        return TryLater(f"http-{status}", f"The SMS provider answered HTTP {status}.")
    return Unknown(f"The SMS provider answered HTTP {status} without a result code.")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the network says of one text; the phone number and its words are left out on purpose.

    `message_id` is our OutId, or None for a text that somebody else sent with this account.
    """

    message_id: str | None
    provider_id: str
    delivered: bool
    code: str
    sent_at: datetime
    reported_at: datetime
    segments: int


class ReceiptsRefused(ValueError):
    """The body is not an SmsReport; the message is one sentence that says where and why."""


RECEIPTS_TAKEN: Mapping[str, object] = {"code": 0, "msg": "成功"}
"""The answer after which the provider stops repeating a receipt."""


def parse_receipts(body: bytes) -> list[Receipt]:
    """Read the body of one SmsReport call; what is no code is not kept.

    A receipt whose IDs are too long for one is of somebody else's text.
    Raises `ReceiptsRefused` with one sentence, and then takes none of its receipts.
    """
    try:
        reports = _REPORTS.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ReceiptsRefused(
            f"The receipts cannot be read: {_place(first['loc'])}{first['msg']}."
        ) from None
    return [report.receipt() for report in reports]


def _place(location: tuple[int | str, ...]) -> str:
    match location:
        case (int() as index, str() as name, *_):
            return f"receipt {index + 1}, {name}: "
        case (int() as index, *_):
            return f"receipt {index + 1}: "
        case _:
            return ""


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("a NUL character cannot be kept")
    return value


def _provider_time(value: object) -> datetime:
    try:
        return datetime.strptime(str(value), "%Y-%m-%d %H:%M:%S").replace(tzinfo=_PROVIDER_ZONE)
    except ValueError:  # it quotes the value
        raise ValueError("a time is text like 2026-10-01 08:30:00") from None


_Line = Annotated[str, AfterValidator(_without_nul)]
_Time = Annotated[datetime, BeforeValidator(_provider_time)]


class _Report(BaseModel):
    send_time: _Time
    report_time: _Time
    success: bool
    err_code: _Line = ""
    sms_size: int = 1
    biz_id: _Line
    out_id: _Line | None = None

    def receipt(self) -> Receipt:
        ours = len(self.out_id or "") <= LONGEST_ID and len(self.biz_id) <= LONGEST_WORD
        if not ours:
            _LOG.warning("A receipt is passed over: none of our texts has IDs so long.")
        return Receipt(
            message_id=(self.out_id or None) if ours else None,
            provider_id=_number(self.biz_id),
            delivered=self.success,
            code=as_code(self.err_code) if self.err_code else "",
            sent_at=self.send_time,
            reported_at=self.report_time,
            segments=self.sms_size,
        )


_REPORTS = TypeAdapter(list[_Report])
