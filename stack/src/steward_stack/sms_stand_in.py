"""A stand-in for Alibaba Cloud SMS, so that every text is seen and none costs money.

    python -m steward_stack.sms_stand_in --port 9100 --log texts.jsonl
        --access-key-id ID --access-key-secret SECRET --report-url http://127.0.0.1:9004/receipts

It speaks `SendSms` 2017-05-25 as the real service does: it checks signature, nonce, time,
parameters, number and template, is not idempotent, and pushes SmsReport receipts. Every template of
the notify service is approved, as `SMS_<TEMPLATE>_<LANGUAGE>` (`SMS_ESCALATION_ZH`), and so is every
signature name. It differs in two more things: one number per request, and receipts are repeated
until they are taken, where the real service gives up after some attempts.

A number's last digits choose what happens (`--failed`, `--throttled`, `--dropped` change them):

    …0000   accepted, but the receipt says that it was not delivered
    …0001   the first attempt with an OutId is throttled, the next is accepted
    …0002   accepted, then the connection drops without an answer

`GET /texts` lists what was accepted, `GET /summary` counts, `GET /outstanding` gives the number of
receipts not delivered yet. With `--log` all of it survives a restart, and so do owed receipts. With
`--kafka` a text is forgotten when whom it was for is erased.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from hmac import HMAC, compare_digest
from pathlib import Path
from string import Template
from typing import Annotated, Any, get_args
from urllib.parse import parse_qsl

import httpx2
import typer
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from steward_notify import texts
from steward_notify.adapters.sms_text import measure
from steward_stack.forgetting import Forgotten

_BEIJING = timezone(timedelta(hours=8))
_REQUIRED = (
    "AccessKeyId",
    "Action",
    "PhoneNumbers",
    "SignName",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureVersion",
    "TemplateCode",
    "Timestamp",
    "Version",
)
_MOBILE = re.compile(r"(?:\+86|0086|86)?1[3-9][0-9]{9}")
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_SKEW = timedelta(minutes=15)
_BATCH = 100

APPROVED_TEMPLATES: Mapping[str, str] = {
    f"SMS_{name}_{language}".upper(): texts.body(name, language)
    for name in texts.templates()
    for language in get_args(texts.Language)
}


@dataclass(frozen=True, slots=True)
class Endings:
    """The last digits of numbers that behave specially."""

    failed: str = "0000"
    throttled: str = "0001"
    dropped: str = "0002"


@dataclass(frozen=True, slots=True)
class AcceptedText:
    """One text that the stand-in took; two with one OutId are a text sent twice."""

    biz_id: str
    out_id: str
    phone: str
    sign_name: str
    template_code: str
    values: Mapping[str, str]
    text: str
    segments: int
    nonce: str
    at: str


class Refused(Exception):
    """The request is answered with a code of the real service."""

    def __init__(self, code: str, message: str, status: int = 200) -> None:
        """Take code, message and HTTP status; business refusals come with 200."""
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass
class _Owed:
    text: AcceptedText
    due: float | None = None
    attempts: int = 0


@dataclass
class Gateway:
    """What was taken, what was refused, and which receipts are owed."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    endings: Endings = field(default_factory=Endings)
    log: Path | None = None
    texts: list[AcceptedText] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    throttled: set[str] = field(default_factory=set)
    nonces: set[str] = field(default_factory=set)
    owed: dict[str, _Owed] = field(default_factory=dict)
    owes_more: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Take up what the log holds."""
        self.forgotten = Forgotten(self.forget)
        if self.log is None or not self.log.exists():
            return
        kept = self.log.read_text(encoding="utf-8")
        whole = kept[: kept.rfind("\n") + 1]  # a kill may have torn the last line
        if whole != kept:
            self.log.write_text(whole, encoding="utf-8")
        for line in whole.split("\n")[:-1]:
            entry = json.loads(line)
            match entry.pop("record"):
                case "text":
                    self._take(AcceptedText(**entry))
                case "refused":
                    self._note_refusal(entry["code"], entry["out_id"])
                case "receipt":
                    self.owed.pop(entry["biz_id"], None)

    def accept(self, method: str, parameters: Mapping[str, str]) -> AcceptedText:
        """Take one request. Raises `Refused`."""
        try:
            text = self._checked(method, parameters)
        except Refused as refusal:
            out_id = parameters.get("OutId", "")
            self._write({"record": "refused", "code": refusal.code, "out_id": out_id})
            self._note_refusal(refusal.code, out_id)
            raise
        if text.out_id not in self.forgotten:
            self._write({"record": "text", **asdict(text)})
            self._take(text)
        return text

    def forget(self, out_id: str) -> None:
        """Remove the texts of a message, and the receipts owed for them."""
        gone = {text.biz_id for text in self.texts if text.out_id == out_id}
        if not gone:
            return
        self.texts = [text for text in self.texts if text.biz_id not in gone]
        for biz_id in gone:
            self.owed.pop(biz_id, None)
        if self.log is not None and self.log.exists():
            lines = self.log.read_text(encoding="utf-8").split("\n")[:-1]
            kept = [line for line in lines if json.loads(line).get("biz_id") not in gone]
            draft = self.log.with_suffix(".new")
            draft.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
            draft.replace(self.log)

    def receipt_taken(self, biz_id: str) -> None:
        """Note that the other side has taken a receipt."""
        if biz_id in self.owed:  # else it was forgotten meanwhile
            self._write({"record": "receipt", "biz_id": biz_id})
            del self.owed[biz_id]

    def summary(self) -> dict[str, Any]:
        """Count texts, refusals, owed receipts, and OutIds that were sent more than once."""
        sent = Counter(text.out_id for text in self.texts)
        return {
            "accepted": len(self.texts),
            "distinct": len(sent),
            "duplicates": {out_id: times for out_id, times in sent.items() if times > 1},
            "refused": dict(self.refused),
            "receipts_delivered": len(self.texts) - len(self.owed),
            "outstanding": len(self.owed),
        }

    def _checked(self, method: str, given: Mapping[str, str]) -> AcceptedText:
        missing = [name for name in _REQUIRED if not given.get(name)]
        if missing:
            raise Refused(
                f"Missing{missing[0]}", f"{missing[0]} is mandatory for this action.", 400
            )
        self._check_caller(method, given)
        phone, out_id = given["PhoneNumbers"], given.get("OutId", "")
        if given["Action"] != "SendSms" or given["Version"] != "2017-05-25":
            raise Refused("InvalidAction.NotFound", "Specified api is not found.", 404)
        if not _MOBILE.fullmatch(phone):
            raise Refused("isv.MOBILE_NUMBER_ILLEGAL", "手机号码格式错误")
        values = _template_values(given.get("TemplateParam") or "{}")
        if given["TemplateCode"] not in APPROVED_TEMPLATES:
            raise Refused("isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板")
        template = Template(APPROVED_TEMPLATES[given["TemplateCode"]])
        if not set(template.get_identifiers()) <= values.keys():
            raise Refused("isv.TEMPLATE_MISSING_PARAMETERS", "模板变量缺少对应参数值")
        if any(len(value) > 35 for value in values.values()):
            raise Refused("isv.PARAM_LENGTH_LIMIT", "参数超过长度限制")
        if phone.endswith(self.endings.throttled) and out_id not in self.throttled:
            raise Refused("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控")
        shown = f"【{given['SignName']}】{template.substitute(values)}"
        return AcceptedText(
            biz_id=f"{secrets.randbelow(10**18):018d}^0",
            out_id=out_id,
            phone=phone,
            sign_name=given["SignName"],
            template_code=given["TemplateCode"],
            values=values,
            text=shown,
            segments=measure(shown, "cn").segments,
            nonce=given["SignatureNonce"],
            at=_wall_time().isoformat(timespec="milliseconds"),
        )

    def _check_caller(self, method: str, given: Mapping[str, str]) -> None:
        if not compare_digest(given["AccessKeyId"].encode(), self.access_key_id.encode()):
            raise Refused("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
        if given["SignatureMethod"] != "HMAC-SHA1" or given["SignatureVersion"] != "1.0":
            raise Refused("InvalidSignatureMethod", "Only HMAC-SHA1, version 1.0, is known.", 400)
        if not _is_signed(method, given, self.access_key_secret):
            message = "Specified signature is not matched with our calculation."
            raise Refused("SignatureDoesNotMatch", message, 400)
        try:
            signed_at = datetime.strptime(given["Timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(
                tzinfo=UTC
            )
        except ValueError:
            message = "Specified time stamp or date value is not well formatted."
            raise Refused("InvalidTimeStamp.Format", message, 400) from None
        if abs(_wall_time() - signed_at) > _SKEW:
            message = "Specified time stamp or date value is expired."
            raise Refused("InvalidTimeStamp.Expired", message, 400)
        if given["SignatureNonce"] in self.nonces:
            raise Refused("SignatureNonceUsed", "Specified signature nonce was used already.", 400)
        self.nonces.add(given["SignatureNonce"])

    def _take(self, text: AcceptedText) -> None:
        self.texts.append(text)
        self.nonces.add(text.nonce)
        self.owed[text.biz_id] = _Owed(text)
        self.owes_more.set()

    def _note_refusal(self, code: str, out_id: str) -> None:
        self.refused[code] += 1
        if code == "isv.BUSINESS_LIMIT_CONTROL":
            self.throttled.add(out_id)

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry, ensure_ascii=False) + "\n")


class Courier:
    """Carries owed receipts to the report URL until each is taken; gaps in seconds, the last repeats."""

    def __init__(self, gateway: Gateway, report_url: str, gaps: tuple[float, ...]) -> None:
        """Take the gaps: the first before the first attempt, the last between all later ones."""
        self._gateway, self._url, self._gaps = gateway, report_url, gaps

    async def run(self) -> None:
        """Carry receipts until cancelled."""
        now = asyncio.get_running_loop().time
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            while True:
                self._gateway.owes_more.clear()
                start = now()
                dues = [(self._due(owed, start), owed) for owed in self._gateway.owed.values()]
                ready = [owed for due, owed in dues if due <= start][:_BATCH]
                if ready:
                    await self._carry(client, ready)
                    continue
                wait = min((due for due, _ in dues), default=None)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(
                        self._gateway.owes_more.wait(), None if wait is None else wait - start
                    )

    def _due(self, owed: _Owed, now: float) -> float:
        if owed.due is None:
            owed.due = now + self._gaps[0]
        return owed.due

    async def _carry(self, client: httpx2.AsyncClient, ready: list[_Owed]) -> None:
        reports = [self._report(owed.text) for owed in ready]
        try:
            response = await client.post(self._url, json=reports)
            taken = response.status_code == 200 and response.json()["code"] == 0
        except Exception as error:
            # Whatever it was, the receipts stay owed and the courier goes on.
            typer.echo(f"Receipts were not taken: {error!r}", err=True)
            taken = False
        for owed in ready:
            if taken:
                self._gateway.receipt_taken(owed.text.biz_id)
            else:
                owed.attempts += 1
                gap = self._gaps[min(owed.attempts, len(self._gaps) - 1)]
                owed.due = asyncio.get_running_loop().time() + gap

    def _report(self, text: AcceptedText) -> dict[str, object]:
        delivered = not text.phone.endswith(self._gateway.endings.failed)
        sent = datetime.fromisoformat(text.at)
        return {
            "phone_number": text.phone,
            "send_time": _provider_time(sent),
            "report_time": _provider_time(_wall_time()),
            "success": delivered,
            "err_code": "DELIVERED" if delivered else "MOBILE_NOT_ON_SERVICE",
            "err_msg": "用户接收成功" if delivered else "手机停机、空号或不在服务区",
            "sms_size": str(text.segments),
            "biz_id": text.biz_id,
            "out_id": text.out_id,
        }


def create_app(gateway: Gateway, courier: Courier, kafka: str | None = None) -> FastAPI:
    """Make the server: `/` is the provider's API, the rest is for whoever watches."""

    @contextlib.asynccontextmanager
    async def carrying(_: FastAPI) -> AsyncIterator[None]:
        work = (courier.run(), gateway.forgotten.listen(kafka))
        tasks = [asyncio.create_task(each) for each in work]
        yield
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    app = FastAPI(title="SMS stand-in", lifespan=carrying)

    @app.api_route("/", methods=["GET", "POST"])
    async def send_sms(request: Request) -> Response:
        request_id = secrets.token_hex(16).upper()
        try:
            parameters = dict(request.query_params) | _form(await request.body())
            text = gateway.accept(request.method, parameters)
        except Refused as refusal:
            answer = {"Code": refusal.code, "Message": refusal.message, "RequestId": request_id}
            return JSONResponse(answer, refusal.status)
        if text.phone.endswith(gateway.endings.dropped):
            return _DroppedResponse()
        return JSONResponse(
            {"Code": "OK", "Message": "OK", "RequestId": request_id, "BizId": text.biz_id}
        )

    @app.get("/texts")
    async def list_texts() -> list[dict[str, Any]]:
        return [asdict(text) for text in gateway.texts]

    @app.get("/summary")
    async def summary() -> dict[str, Any]:
        return gateway.summary()

    @app.get("/outstanding")
    async def outstanding() -> int:
        return len(gateway.owed)

    return app


class _DroppedResponse(Response):
    """Promises a body and never sends it, upon which the server closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        headers = [(b"content-length", b"99"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise Refused("InvalidParameter", "The form is not UTF-8.", 400) from None


def _template_values(given: str) -> dict[str, str]:
    try:
        values = json.loads(given)
    except ValueError:
        values = None
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise Refused("isv.INVALID_JSON_PARAM", "JSON参数不合法，只接受字符串值")
    return values


def _is_signed(method: str, given: Mapping[str, str], secret: str) -> bool:
    """Check the signature byte by byte, on purpose without the client's code or library calls."""
    pairs = sorted(
        (name.encode(), value.encode()) for name, value in given.items() if name != "Signature"
    )
    query = b"&".join(_escaped(name) + b"=" + _escaped(value) for name, value in pairs)
    signed = HMAC(secret.encode() + b"&", digestmod=hashlib.sha1)
    for part in (method.encode(), b"&%2F&", _escaped(query)):
        signed.update(part)
    try:
        claimed = base64.b64decode(given["Signature"], validate=True)
    except (binascii.Error, ValueError):
        return False
    return compare_digest(claimed, signed.digest())


def _escaped(value: bytes) -> bytes:
    return b"".join(b"%c" % b if b in _UNRESERVED else b"%%%02X" % b for b in value)


def _provider_time(at: datetime) -> str:
    return at.astimezone(_BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _wall_time() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # another house: it has the world's clock, not Steward's


def main(
    *,
    port: Annotated[int, typer.Option()],
    access_key_id: Annotated[str, typer.Option()],
    access_key_secret: Annotated[str, typer.Option(envvar="STEWARD_SMS_ACCESS_KEY_SECRET")],
    report_url: Annotated[
        str,
        typer.Option(envvar="STEWARD_SMS_REPORT_URL", help="Receives the SmsReport receipts."),
    ],
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    log: Annotated[Path | None, typer.Option(help="JSON lines; a restart goes on from it.")] = None,
    failed: Annotated[str, typer.Option(help="Last digits: not delivered.")] = "0000",
    throttled: Annotated[str, typer.Option(help="Last digits: throttled once.")] = "0001",
    dropped: Annotated[str, typer.Option(help="Last digits: connection drops.")] = "0002",
    kafka: Annotated[
        str | None, typer.Option(envvar="STEWARD_KAFKA", help="Where erasures are heard.")
    ] = None,
    receipt_gaps: Annotated[
        str, typer.Option(help="Seconds before each attempt at a receipt; the last repeats.")
    ] = "0.05,0.5,1,2,5",
) -> None:
    """Run the SMS stand-in until stopped."""
    gateway = Gateway(access_key_id, access_key_secret, Endings(failed, throttled, dropped), log)
    courier = Courier(gateway, report_url, tuple(float(gap) for gap in receipt_gaps.split(",")))
    uvicorn.run(
        create_app(gateway, courier, kafka),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    typer.run(main)
