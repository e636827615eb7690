"""The stand-ins forget what they were sent for somebody who is erased, whatever comes first."""

import json
from itertools import permutations
from pathlib import Path

import pytest
from aiosmtpd.smtp import Envelope

from steward_events.fact import Fact
from steward_events.notify import MessageRequested, MessageSending
from steward_events.registry import SubjectErased
from steward_events.vocabulary import ErasureReason
from steward_stack.forgetting import Forgotten
from steward_stack.sms_stand_in import AcceptedText, Gateway
from steward_stack.smtp_sink import Sink

REQUESTED = MessageRequested(
    message_id="m1", channel="sms", project_id="p", template="alarm", case_id="c1"
)
SENDING = MessageSending(message_id="m1", channel="sms", attempt=1, person_id="wang")
OTHER = MessageSending(message_id="m2", channel="sms", attempt=1, person_id="li")


def gone(subject: str) -> SubjectErased:
    return SubjectErased(subject=subject, reason=ErasureReason.ASKED)


@pytest.mark.parametrize("subject", ["staff-wang", "person-wang", "case-c1"])
def test_a_message_is_forgotten_once_in_whatever_order_it_is_heard(subject: str) -> None:
    said: list[Fact] = [REQUESTED, SENDING, OTHER, gone(subject)]
    for order in permutations(said):
        forgotten: list[str] = []
        heard = Forgotten(forgotten.append)
        for fact in (*order, *order):
            heard.hear(fact)
        assert forgotten == ["m1"]
        assert "m1" in heard
        assert "m2" not in heard


def mail(message_id: str) -> Envelope:
    envelope = Envelope()
    envelope.mail_from, envelope.rcpt_tos = "steward@example.cn", ["wang@example.cn"]
    envelope.original_content = f"Message-ID: <{message_id}@example.cn>\r\n\r\nHello".encode()
    return envelope


async def take(sink: Sink, envelope: Envelope) -> str:
    class Server:
        transport = None

    return await sink.handle_DATA(Server(), None, envelope)  # type: ignore[arg-type]


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.eml"))


async def test_a_mail_is_removed_and_its_number_is_not_used_again(tmp_path: Path) -> None:
    sink = Sink(tmp_path)
    for message_id in ("m1", "m2"):
        await take(sink, mail(message_id))
    for fact in (SENDING, gone("staff-wang")):
        sink.forgotten.hear(fact)
    await take(sink, mail("m1"))  # it was under way
    index = [json.loads(line) for line in (tmp_path / "index.jsonl").read_text().splitlines()]
    assert index[0] == {"file": "000001.eml", "erased": True}
    assert kept(tmp_path) == ["000002.eml"]
    await take(Sink(tmp_path), mail("m3"))
    assert kept(tmp_path) == ["000002.eml", "000003.eml"]


def test_a_text_is_removed_from_the_log_too(tmp_path: Path) -> None:
    log = tmp_path / "texts.jsonl"
    lines = [
        {
            "record": "text",
            "biz_id": f"b{number}",
            "out_id": f"m{number}",
            "phone": f"1380013800{number}",
            "sign_name": "s",
            "template_code": "t",
            "values": {},
            "text": "hello",
            "segments": 1,
            "nonce": str(number),
            "at": "2026-09-28T04:00:00+00:00",
        }
        for number in (1, 2)
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    gateway = Gateway("id", "secret", log=log)
    for fact in (SENDING, gone("staff-wang")):
        gateway.forgotten.hear(fact)
    assert [text.out_id for text in gateway.texts] == ["m2"]
    assert list(gateway.owed) == ["b2"]
    assert "13800138001" not in log.read_text()
    gateway.receipt_taken("b1")  # it was under way
    again = Gateway("id", "secret", log=log)
    assert [text.out_id for text in again.texts] == ["m2"]
    assert isinstance(again.texts[0], AcceptedText)
