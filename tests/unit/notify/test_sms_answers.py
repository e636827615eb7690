"""What the SMS client makes of the provider's answers and receipts."""

import json
from datetime import UTC, datetime

import httpx2
import pytest
from tests.support.receipts import RECEIPT

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
    impersonal,
)

NOW = datetime(2026, 10, 1, 8, 30, tzinfo=UTC)
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
    return httpx2.Response(status, json={"Code": code, "Message": "为什么", "BizId": "9^0"})


async def test_an_accepted_text_is_sent_under_the_providers_number() -> None:
    assert await answered(coded("OK")) == Sent("9^0")


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
    assert await answered(coded(code)) == RefusedForGood(code, "为什么")


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
    assert await answered(coded(code, status)) == TryLater(code, "为什么")


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
            reason="用户接收成功",
            sent_at=datetime(2026, 10, 1, 8, 30, 0, tzinfo=UTC),
            reported_at=datetime(2026, 10, 1, 8, 30, 5, tzinfo=UTC),
            segments=2,
        )
    ]


def test_a_receipt_of_somebody_elses_text_does_not_spoil_the_rest() -> None:
    other = {name: value for name, value in RECEIPT.items() if name != "out_id"}
    receipts = parse_receipts(json.dumps([other, RECEIPT]).encode())
    assert [receipt.message_id for receipt in receipts] == [None, "m-1"]


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
        (json.dumps([RECEIPT | {"err_msg": "\x00"}]).encode(), "receipt 1, err_msg: "),
        (json.dumps([{"success": True}]).encode(), "receipt 1, send_time: Field required"),
    ],
)
def test_a_body_that_is_no_report_is_refused_with_one_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(ReceiptsRefused) as refusal:
        parse_receipts(body)
    assert sentence in str(refusal.value)
    assert str(refusal.value).endswith(".")
    assert "13800138000" not in str(refusal.value)


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("5.1.1 <wang@example.cn>: No such mailbox", "5.1.1 … No such mailbox"),
        ("用户 +86 138 0000 1111 已停机", "用户 … 已停机"),
        ("触发分钟级流控Permits:1", "触发分钟级流控Permits:1"),
    ],
)
def test_a_providers_words_are_logged_without_addresses_and_numbers(said: str, logged: str) -> None:
    assert impersonal(said) == logged
