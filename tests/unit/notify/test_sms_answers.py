"""What the SMS client makes of the provider's answers and receipts."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx2
import pytest
from tests.support.receipts import RECEIPT

from steward_notify.adapters import sms_aliyun
from steward_notify.adapters.sms_aliyun import (
    Account,
    AliyunSms,
    Receipt,
    ReceiptsRefused,
    SmsText,
    parse_receipts,
)
from steward_notify.application.outcomes import (
    Outcome,
    RefusedForGood,
    Sent,
    TryLater,
    Unknown,
    as_code,
)

NOW = datetime(2026, 10, 1, 8, 30, tzinfo=UTC)
PERSONAL = "王小明 <wang@x.cn> 138.0013.8000"
TEXT = SmsText("m-1", "13800138000", "SMS_ESCALATION_ZH", {"case_number": "A-1"})


async def answered(answer: httpx2.Response | Exception) -> Outcome:
    def reply(request: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(reply)) as client:
        sms = AliyunSms(client, Account("id", "secret", "示例物业"))
        return await sms.send(TEXT, signed_at=NOW, nonce="n-1")


def coded(code: str, status: int = 200) -> httpx2.Response:
    return httpx2.Response(
        status, json={"Code": code, "Message": f"{PERSONAL}为什么", "BizId": "9^0"}
    )


async def test_an_accepted_text_is_sent_under_the_providers_number() -> None:
    assert await answered(coded("OK")) == Sent("9^0")


@pytest.mark.parametrize("number", ["900619746936498440^0", "134523^4351232", "a-B_9", "9" * 200])
async def test_the_providers_number_of_a_text_is_kept(number: str) -> None:
    assert await answered(httpx2.Response(200, json={"Code": "OK", "BizId": number})) == Sent(
        number
    )


@pytest.mark.parametrize(
    "odd",
    [
        *("null", "7", '["9^0"]', "{}", '""', '"\\ud800"', '"\\u0000"', '"王小明"', '"9^0\\n"'),
        f'"{"9" * 201}"',
        *('"13800138000"', '"138-0013-8000"', '"8613800138000"'),
    ],
)
async def test_a_text_that_was_taken_under_an_odd_number_is_sent_under_none(odd: str) -> None:
    body = f'{{"Code": "OK", "BizId": {odd}}}'
    assert await answered(httpx2.Response(200, text=body)) == Sent("")


async def test_a_text_that_was_taken_under_no_number_is_sent() -> None:
    assert await answered(httpx2.Response(200, json={"Code": "OK"})) == Sent("")


class Body(httpx2.AsyncByteStream):
    """A body that comes piece by piece, with a gap in seconds after each."""

    def __init__(self, *pieces: bytes, gap: float = 0.0) -> None:
        self._pieces = pieces
        self._gap = gap
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.read += 1
            yield piece
            await asyncio.sleep(self._gap)


async def test_an_answer_that_drips_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sms_aliyun, "WHOLE_SECONDS", 0.05)
    body = Body(*[b" "] * 200, b'{"Code": "OK"}', gap=0.01)
    lost = "The connection was lost before the SMS provider answered: TimeoutError."
    assert await answered(httpx2.Response(200, stream=body)) == Unknown(lost)


PIECE = b" " * 10_000


@pytest.mark.parametrize(("packed", "pieces"), [(False, 7), (True, 1)])
async def test_of_an_answer_that_is_too_long_no_more_is_read(packed: bool, pieces: int) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    body = Body(*[bomb] * 100) if packed else Body(*[PIECE] * 100, b'{"Code": "OK"}')
    headers = {"Content-Encoding": "gzip"} if packed else {}
    outcome = await answered(httpx2.Response(200, headers=headers, stream=body))
    assert outcome == Unknown("The SMS provider answered HTTP 200 without a result code.")
    assert body.read == pieces


@pytest.mark.parametrize(
    "code",
    [
        "isv.MOBILE_NUMBER_ILLEGAL",
        "isv.TEMPLATE_MISSING_PARAMETERS",
        "isv.INVALID_JSON_PARAM",
        "isv.BLACK_KEY_CONTROL_LIMIT",
    ],
)
async def test_a_fault_of_the_message_is_refused_for_good(code: str) -> None:
    said = f"The SMS provider answered {code}."
    assert await answered(coded(code)) == RefusedForGood(code, said)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("isv.BUSINESS_LIMIT_CONTROL", 200),
        ("isv.AMOUNT_NOT_ENOUGH", 200),
        ("isv.SMS_TEMPLATE_ILLEGAL", 200),
        ("isp.SYSTEM_ERROR", 200),
        ("Throttling.User", 400),
        ("SignatureDoesNotMatch", 400),
        ("InvalidTimeStamp.Expired", 400),
        ("ServiceUnavailable", 503),
    ],
)
async def test_a_limit_an_account_or_the_providers_own_fault_is_tried_later(
    code: str, status: int
) -> None:
    said = f"The SMS provider answered {code}."
    assert await answered(coded(code, status)) == TryLater(code, said)


@pytest.mark.parametrize("status", [302, 404, 413, 503])
async def test_an_answer_given_before_any_work_is_tried_later(status: int) -> None:
    assert isinstance(await answered(httpx2.Response(status, text="<html>")), TryLater)


@pytest.mark.parametrize("status", [200, 500, 502, 504])
async def test_an_answer_without_a_code_after_which_it_may_be_sent_is_unknown(status: int) -> None:
    assert isinstance(await answered(httpx2.Response(status, text="<html>")), Unknown)


@pytest.mark.parametrize("body", ["null", "[]", "7", '"OK"', "{}"])
async def test_json_that_is_no_answer_is_unknown(body: str) -> None:
    assert isinstance(await answered(httpx2.Response(200, text=body)), Unknown)


async def test_a_nonce_that_was_used_means_that_it_may_be_sent() -> None:
    assert isinstance(await answered(coded("SignatureNonceUsed", 400)), Unknown)


@pytest.mark.parametrize(
    "error", [httpx2.ConnectError("no"), httpx2.ConnectTimeout("no"), httpx2.PoolTimeout("no")]
)
async def test_what_was_never_written_is_tried_later(error: Exception) -> None:
    assert isinstance(await answered(error), TryLater)


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ReadTimeout("no"),
        httpx2.WriteTimeout("no"),
        httpx2.ReadError("no"),
        httpx2.WriteError("no"),
        httpx2.RemoteProtocolError("no"),
    ],
)
async def test_what_was_lost_on_the_way_is_unknown(error: Exception) -> None:
    assert isinstance(await answered(error), Unknown)


def test_neither_the_secret_nor_the_phone_number_is_shown() -> None:
    shown = repr(Account("id", "secret-xyz", "示例物业")) + repr(TEXT)
    assert "secret-xyz" not in shown
    assert "13800138000" not in shown


def test_a_receipt_is_read_with_beijing_times() -> None:
    assert parse_receipts(json.dumps([RECEIPT]).encode()) == [
        Receipt(
            message_id="m-1",
            provider_id="9^0",
            delivered=True,
            code="DELIVERED",
            sent_at=datetime(2026, 10, 1, 8, 30, 0, tzinfo=UTC),
            reported_at=datetime(2026, 10, 1, 8, 30, 5, tzinfo=UTC),
            segments=2,
        )
    ]


def test_a_receipt_of_somebody_elses_text_does_not_spoil_the_rest() -> None:
    other = {name: value for name, value in RECEIPT.items() if name != "out_id"}
    receipts = parse_receipts(json.dumps([other, RECEIPT]).encode())
    assert [receipt.message_id for receipt in receipts] == [None, "m-1"]


def test_a_receipts_number_that_looks_like_a_telephone_number_is_not_kept() -> None:
    [receipt] = parse_receipts(json.dumps([RECEIPT | {"biz_id": "13800138000"}]).encode())
    assert (receipt.message_id, receipt.provider_id) == ("m-1", "")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "cannot be read: Invalid JSON"),
        (b"\xff\xfe", "cannot be read: Invalid JSON"),
        (b"{}", "Input should be a valid array"),
        (b"[7]", "receipt 1: "),
        (json.dumps([RECEIPT, RECEIPT | {"success": "maybe"}]).encode(), "receipt 2, success: "),
        (json.dumps([RECEIPT | {"send_time": "yesterday"}]).encode(), "receipt 1, send_time: "),
        (json.dumps([RECEIPT | {"report_time": 5}]).encode(), "receipt 1, report_time: "),
        (json.dumps([RECEIPT | {"send_time": "13800138000"}]).encode(), "2026-10-01 08:30:00"),
        (json.dumps([RECEIPT | {"err_code": "\x00"}]).encode(), "receipt 1, err_code: "),
        (json.dumps([{"success": True}]).encode(), "receipt 1, send_time: Field required"),
    ],
)
def test_a_body_that_is_no_report_is_refused_with_one_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(ReceiptsRefused) as refusal:
        parse_receipts(body)
    assert sentence in str(refusal.value)
    assert str(refusal.value).endswith(".")
    assert "13800138000" not in str(refusal.value)


@pytest.mark.parametrize("code", ["isv.LIMIT", "Throttling.User", "MK:0001", "-37", "x" * 80])
def test_a_providers_code_is_kept(code: str) -> None:
    assert as_code(code) == code


@pytest.mark.parametrize(
    "code",
    [
        "",
        "isv.用户停机",
        "isv.LIMIT for wang@x.cn",
        "13800138000",
        "138.0013.8000",
        "x" * 81,
        "x\n",
    ],
)
async def test_what_does_not_look_like_a_code_is_not_kept(code: str) -> None:
    assert as_code(code) == "unreadable"
    outcome = await answered(coded(code))
    assert isinstance(outcome, RefusedForGood | TryLater)
    assert (outcome.code, outcome.reason) == ("unreadable", "The SMS provider answered unreadable.")
    [receipt] = parse_receipts(json.dumps([RECEIPT | {"err_code": code or "王"}]).encode())
    assert receipt.code == "unreadable"


@pytest.mark.parametrize("error", [httpx2.ConnectError(PERSONAL), httpx2.ReadError(PERSONAL)])
async def test_an_error_is_told_by_its_kind_and_not_by_its_words(error: Exception) -> None:
    outcome = await answered(error)
    assert isinstance(outcome, TryLater | Unknown)
    assert outcome.reason.endswith(f": {type(error).__name__}.")
