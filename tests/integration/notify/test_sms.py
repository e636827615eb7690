"""The SMS client against the stand-in: two processes, real HTTP, receipts included."""

import json
import secrets
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from tests.integration.notify.conftest import LIMIT_SECONDS, ReceiptReceiver, StandIn
from tests.support.ports import free_port
from tests.support.waiting import wait_until

from steward_notify.adapters.sms_aliyun import (
    Account,
    AliyunSms,
    Receipt,
    SmsText,
    parse_receipts,
    request_parameters,
    signature,
)
from steward_notify.application.outcomes import Outcome, RefusedForGood, Sent, TryLater, Unknown
from steward_notify.texts import values_for

VALUES = values_for(
    "escalation",
    "zh",
    {
        "case_number": "XHY-2026-000123",
        "project": "星河湾",
        "severity": "minor",
        "target": "处理完成",
        "due": "2026-10-01 24:00",
        "rule": "RM-4.5.2c",
        "role": "cs_supervisor",
    },
)


@pytest.fixture
def account(stand_in: StandIn) -> Account:
    return Account("demo-id", "demo-secret", sign_name="示例物业", endpoint=stand_in.url)


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
        yield client


def text(message_id: str, phone: str = "13800138003") -> SmsText:
    return SmsText(message_id, phone, "SMS_ESCALATION_ZH", VALUES)


def wall_time() -> datetime:
    return datetime.now(UTC)


async def send(client: httpx2.AsyncClient, account: Account, sms: SmsText) -> Outcome:
    gateway = AliyunSms(client, account)
    return await gateway.send(sms, signed_at=wall_time(), nonce=secrets.token_hex(16))


def receipts(receiver: ReceiptReceiver, count: int) -> list[Receipt]:
    def read() -> list[Receipt]:
        return [receipt for body in receiver.bodies for receipt in parse_receipts(body)]

    wait_until(lambda: len(read()) >= count, LIMIT_SECONDS, f"{count} receipts do not arrive")
    return read()


async def test_a_text_is_sent_seen_in_full_and_confirmed_by_a_receipt(
    stand_in: StandIn, receiver: ReceiptReceiver, account: Account, client: httpx2.AsyncClient
) -> None:
    outcome = await send(client, account, text("m-1"))
    (receipt,) = receipts(receiver, 1)
    assert outcome == Sent(receipt.provider_id)
    assert (receipt.message_id, receipt.delivered, receipt.segments) == ("m-1", True, 2)
    (seen,) = stand_in.get("texts")
    assert seen["text"].startswith("【示例物业】星河湾：轻微投诉XHY-2026-000123的“处理完成”")
    wait_until(
        lambda: stand_in.get("outstanding") == 0, LIMIT_SECONDS, "the receipt is not noted as taken"
    )
    assert stand_in.stop() in (0, -signal.SIGTERM)


async def test_a_number_out_of_service_is_told_by_its_receipt(
    receiver: ReceiptReceiver, account: Account, client: httpx2.AsyncClient
) -> None:
    assert isinstance(await send(client, account, text("m-1", "13800130000")), Sent)
    (receipt,) = receipts(receiver, 1)
    assert not receipt.delivered
    assert receipt.code == "MOBILE_NOT_ON_SERVICE"


async def test_a_throttled_text_is_taken_the_second_time(
    stand_in: StandIn, account: Account, client: httpx2.AsyncClient
) -> None:
    sms = text("m-1", "13800130001")
    first = await send(client, account, sms)
    code = "isv.BUSINESS_LIMIT_CONTROL"
    assert first == TryLater(code, f"The SMS provider answered {code}.")
    assert isinstance(await send(client, account, sms), Sent)
    assert stand_in.get("summary")["refused"] == {"isv.BUSINESS_LIMIT_CONTROL": 1}


async def test_a_connection_that_drops_after_acceptance_is_unknown_and_its_receipt_tells(
    receiver: ReceiptReceiver, account: Account, client: httpx2.AsyncClient
) -> None:
    assert isinstance(await send(client, account, text("m-1", "13800130002")), Unknown)
    (receipt,) = receipts(receiver, 1)
    assert (receipt.message_id, receipt.delivered) == ("m-1", True)


async def test_a_text_sent_twice_is_counted_as_a_duplicate(
    stand_in: StandIn, account: Account, client: httpx2.AsyncClient
) -> None:
    for message_id in ("m-1", "m-2", "m-1"):
        await send(client, account, text(message_id))
    summary = stand_in.get("summary")
    assert (summary["accepted"], summary["distinct"]) == (3, 2)
    assert summary["duplicates"] == {"m-1": 2}


async def test_an_illegal_number_and_a_missing_value_are_refused_for_good(
    account: Account, client: httpx2.AsyncClient
) -> None:
    illegal = await send(client, account, text("m-1", "12345"))
    code = "isv.MOBILE_NUMBER_ILLEGAL"
    assert illegal == RefusedForGood(code, f"The SMS provider answered {code}.")
    hollow = await send(client, account, replace(text("m-2"), values={"project": "星河湾"}))
    assert isinstance(hollow, RefusedForGood)
    assert hollow.code == "isv.TEMPLATE_MISSING_PARAMETERS"


async def test_a_wrong_key_sends_nothing_and_is_tried_later(
    stand_in: StandIn, account: Account, client: httpx2.AsyncClient
) -> None:
    for wrong, code in (
        (replace(account, access_key_secret="guessed"), "SignatureDoesNotMatch"),
        (replace(account, access_key_id="somebody"), "InvalidAccessKeyId.NotFound"),
    ):
        outcome = await send(client, wrong, text("m-1"))
        assert isinstance(outcome, TryLater)
        assert outcome.code == code
    assert stand_in.get("texts") == []


async def test_a_request_signed_too_long_ago_or_replayed_is_refused(
    stand_in: StandIn, account: Account, client: httpx2.AsyncClient
) -> None:
    gateway = AliyunSms(client, account)
    for shift in (timedelta(minutes=-16), timedelta(minutes=16)):
        outcome = await gateway.send(text("m-1"), signed_at=wall_time() + shift, nonce="n-0")
        assert isinstance(outcome, TryLater)
        assert outcome.code == "InvalidTimeStamp.Expired"
    assert isinstance(await gateway.send(text("m-1"), signed_at=wall_time(), nonce="n-1"), Sent)
    replayed = await gateway.send(text("m-1"), signed_at=wall_time(), nonce="n-1")
    assert isinstance(replayed, Unknown)
    assert len(stand_in.get("texts")) == 1


async def test_a_request_without_a_parameter_is_refused_with_its_name(
    account: Account, client: httpx2.AsyncClient
) -> None:
    for missing in ("SignatureNonce", "PhoneNumbers", "Timestamp", "Signature"):
        request = request_parameters(text("m-1"), account, wall_time(), "n-1")
        request["Signature"] = signature("POST", request, account.access_key_secret)
        del request[missing]
        answer = await client.post(account.endpoint, data=request)
        assert answer.status_code == 400
        assert answer.json()["Code"] == f"Missing{missing}"


async def test_the_request_may_also_come_as_a_query(
    account: Account, client: httpx2.AsyncClient
) -> None:
    request = request_parameters(text("m-1"), account, wall_time(), "n-1")
    request["Signature"] = signature("GET", request, account.access_key_secret)
    answer = await client.get(account.endpoint, params=request)
    assert answer.json()["Code"] == "OK"


async def test_receipts_are_repeated_until_they_are_taken_also_after_a_kill(
    stand_in: StandIn, receiver: ReceiptReceiver, account: Account, client: httpx2.AsyncClient
) -> None:
    receiver.refusing = True
    for number in range(3):
        await send(client, account, text(f"m-{number}"))
    wait_until(lambda: receiver.refused >= 2, LIMIT_SECONDS, "no receipt is tried again")
    assert stand_in.get("outstanding") == 3

    stand_in.kill()
    with stand_in.log.open("a", encoding="utf-8") as log:
        log.write('{"record": "te')  # a line torn by the kill
    receiver.refusing = False
    stand_in.start()

    assert {receipt.message_id for receipt in receipts(receiver, 3)} == {"m-0", "m-1", "m-2"}
    wait_until(lambda: stand_in.get("outstanding") == 0, LIMIT_SECONDS, "a receipt is still owed")
    assert stand_in.get("summary")["accepted"] == 3
    assert all(json.loads(line) for line in stand_in.log.read_text().splitlines())


async def test_a_provider_that_does_not_listen_is_tried_later(client: httpx2.AsyncClient) -> None:
    nobody = Account("id", "secret", "示例物业", endpoint=f"http://127.0.0.1:{free_port()}/")
    outcome = await send(client, nobody, text("m-1"))
    assert isinstance(outcome, TryLater)
    assert outcome.code == "unreachable"
