"""The signature of the SMS client, against published examples and an independent check."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward_notify.adapters.sms_aliyun import Account, SmsText, request_parameters, signature
from steward_stack.sms_stand_in import Gateway, Refused

ACCOUNT = Account("testId", "testSecret", sign_name="阿里云短信测试专用")

PUBLISHED_SEND_SMS = {
    "AccessKeyId": "testId",
    "Action": "SendSms",
    "Format": "XML",
    "OutId": "123",
    "PhoneNumbers": "15300000001",
    "RegionId": "cn-hangzhou",
    "SignName": "阿里云短信测试专用",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "45e25e9b-0a6f-4070-8c85-2956eda1b466",
    "SignatureVersion": "1.0",
    "TemplateCode": "SMS_71390007",
    "TemplateParam": '{"customer":"test"}',
    "Timestamp": "2017-07-12T02:42:19Z",
    "Version": "2017-05-25",
}
"""The provider's own worked example of SendSms, key testId, secret testSecret."""


def test_the_published_example_of_send_sms_gives_its_signature() -> None:
    assert signature("GET", PUBLISHED_SEND_SMS, "testSecret") == "zJDF+Lrzhj/ThnlvIToysFRq6t4="


def test_the_published_example_of_the_rpc_signature_gives_its_signature() -> None:
    describe_regions = {
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "Format": "XML",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "SignatureVersion": "1.0",
        "Timestamp": "2016-02-23T12:46:24Z",
        "Version": "2014-05-26",
    }
    assert signature("GET", describe_regions, "testsecret") == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


def test_the_request_of_the_published_example_is_the_one_that_we_build() -> None:
    text = SmsText("123", "15300000001", "SMS_71390007", {"customer": "test"})
    built = request_parameters(
        text,
        ACCOUNT,
        datetime(2017, 7, 12, 2, 42, 19, tzinfo=UTC),
        "45e25e9b-0a6f-4070-8c85-2956eda1b466",
    )
    assert built == PUBLISHED_SEND_SMS | {"Format": "JSON"}


def test_a_value_longer_than_the_provider_takes_is_cut_and_marked() -> None:
    text = SmsText("1", "13800138000", "SMS_1", {"target": "长" * 36, "due": "短" * 35})
    built = request_parameters(text, ACCOUNT, datetime(2026, 10, 1, tzinfo=UTC), "n")
    assert "长" * 34 + "…" in built["TemplateParam"]
    assert "短" * 35 in built["TemplateParam"]


@given(
    project=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    tampered=st.booleans(),
)
def test_the_stand_in_accepts_what_the_client_signs_and_nothing_altered(
    project: str, tampered: bool
) -> None:
    gateway = Gateway("testId", "testSecret")
    values = {"project": project, "case_number": "XY-2026-000001", "result": "已修好 a+b*~%/?&="}
    text = SmsText("m-1", "13800138003", "SMS_RESULT_TOLD_ZH", values)
    request = request_parameters(text, ACCOUNT, _wall_time(), "nonce-1")
    request["Signature"] = signature("POST", request, ACCOUNT.access_key_secret)
    if tampered:
        request["OutId"] = "m-2"
        with pytest.raises(Refused, match="signature is not matched"):
            gateway.accept("POST", request)
    else:
        assert gateway.accept("POST", request).values == values


def _wall_time() -> datetime:
    return datetime.now(UTC)
