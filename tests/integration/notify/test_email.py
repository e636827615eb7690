"""Mail through the real sink process, and its loss at every step."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from zoneinfo import ZoneInfo

import pytest
from tests.integration.notify.conftest import RunningSink
from tests.support.ports import free_port

from steward_notify.adapters.email_smtp import Mail, MailServer, SmtpMail
from steward_notify.application.outcomes import Outcome, RefusedForGood, Sent, TryLater, Unknown
from steward_notify.domain.gaps import GIVE_UP_AFTER, gap_after

DATED = datetime(2026, 10, 8, 8, 30, tzinfo=ZoneInfo("Asia/Shanghai"))


def server(port: int) -> MailServer:
    return MailServer(
        "127.0.0.1", port, "steward@example.cn", sender_name="管家", tls="none", timeout=10
    )


def mail(message_id: str = "0199-a", to: str = "wang@example.cn") -> Mail:
    return Mail(message_id, to, subject="【升级】轻微投诉已逾期", body="星河湾：\n.\n请处理。\n")


async def test_a_chinese_mail_arrives_as_it_was_written(sink: RunningSink) -> None:
    outcome = await SmtpMail(server(sink.port)).send(mail(), dated=DATED)
    assert outcome == Sent("<0199-a@example.cn>")
    (entry,) = sink.index()
    assert entry["subject"] == "【升级】轻微投诉已逾期"
    assert entry["message_id"] == "<0199-a@example.cn>"
    kept = message_from_bytes((sink.folder / entry["file"]).read_bytes(), policy=default)
    assert kept.get_content().splitlines() == ["星河湾：", ".", "请处理。"]
    assert str(kept["From"]) == "管家 <steward@example.cn>"
    assert kept["Date"].datetime == DATED


async def test_a_repeat_carries_the_same_message_id(sink: RunningSink) -> None:
    for _ in range(2):
        await SmtpMail(server(sink.port)).send(mail(), dated=DATED)
    assert [entry["message_id"] for entry in sink.index()] == ["<0199-a@example.cn>"] * 2


async def test_a_recipient_refused_for_now_is_taken_later(sink: RunningSink) -> None:
    gateway = SmtpMail(server(sink.port))
    first = await gateway.send(mail(to="wang+later@example.cn"), dated=DATED)
    assert first == TryLater("451", "The mail server answered 451 4.7.1.")
    assert isinstance(await gateway.send(mail(to="wang+later@example.cn"), dated=DATED), Sent)


async def test_a_recipient_refused_for_good_is_not_tried_again(sink: RunningSink) -> None:
    outcome = await SmtpMail(server(sink.port)).send(
        mail(to="wang+refused@example.cn"), dated=DATED
    )
    assert outcome == RefusedForGood("550", "The mail server answered 550 5.1.1.")


async def test_a_connection_lost_after_the_data_is_unknown_though_the_mail_arrived(
    sink: RunningSink,
) -> None:
    outcome = await SmtpMail(server(sink.port)).send(mail(to="wang+lost@example.cn"), dated=DATED)
    assert isinstance(outcome, Unknown)
    assert len(sink.index()) == 1


async def test_a_server_that_does_not_listen_is_tried_later() -> None:
    outcome = await SmtpMail(server(free_port())).send(mail(), dated=DATED)
    assert isinstance(outcome, TryLater)
    assert outcome.code == "unreachable"
    assert "Connect call failed" in outcome.reason


@pytest.mark.parametrize(
    "unfit",
    [
        *(mail(to=address) for address in ("nobody", "", "wang@", "wang@[", "wang@example.cn\0")),
        *(mail(to=f"{name}@例.cn") for name in ("wang", "王小明")),
        *(mail(to=f"{mark} 王小明 13800138000") for mark in "@[("),
        mail(to="<wang.xiaoming@example.cn>"),
        mail(to="wang@example.cn\r\nBcc: all@example.cn"),
        Mail("0199-a", "wang@example.cn", subject="a\ud800", body=""),
        Mail("0199-a", "wang@example.cn", subject="a", body="a\ud800"),
    ],
)
async def test_a_mail_that_no_header_can_carry_is_refused_for_good(unfit: Mail) -> None:
    outcome = await SmtpMail(server(free_port())).send(unfit, dated=DATED)
    assert outcome == RefusedForGood("unfit", "No mail can be written of this address or text.")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"": "554 go away"}, TryLater),
        ({"": "220 hi", "EHLO": "250 hi", "MAIL": None}, TryLater),
        ({"": "220 hi", "EHLO": "250 hi", "MAIL": "250 ok", "RCPT": None}, TryLater),
        (
            {"": "220 hi", "EHLO": "250 hi", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": None},
            Unknown,
        ),
        (
            {
                "": "220 hi",
                "EHLO": "250 hi",
                "MAIL": "250 ok",
                "RCPT": "250 ok",
                "DATA": "452 full",
            },
            TryLater,
        ),
        (
            {"": "220 hi", "EHLO": "250 hi", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "552 big"},
            RefusedForGood,
        ),
    ],
)
async def test_a_loss_before_the_data_is_tried_later_and_after_it_is_unknown(
    answers: dict[str, str | None], expected: type[Outcome]
) -> None:
    async with scripted(answers) as port:
        outcome = await SmtpMail(server(port)).send(mail(), dated=DATED)
    assert isinstance(outcome, expected)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"": "554 5.3.2 {}"}, TryLater("554", "The mail server does not let us in: 554 5.3.2.")),
        (
            {"": "220 hi", "EHLO": "250 hi", "RCPT": "550 5.1.1 {}"},
            RefusedForGood("550", "The mail server answered 550 5.1.1."),
        ),
        (
            {"": "220 hi", "EHLO": "250 hi", "RCPT": "550 5.138.0013.8000 {}"},
            RefusedForGood("550", "The mail server answered 550."),
        ),
        (
            {"": "220 hi", "EHLO": "250 hi", "RCPT": "450-{}\r\n450 {}"},
            TryLater("450", "The mail server answered 450."),
        ),
        (
            {"": "220 hi", "EHLO": "250 hi", "RCPT": "王小明 {}"},
            TryLater("protocol", "The mail server answered -1."),
        ),
        (
            {"": "220 hi", "EHLO": "250 hi", "DATA": "299 {}"},
            Unknown("The connection was lost before the mail server confirmed: SMTPDataError."),
        ),
    ],
)
async def test_of_what_a_mail_server_says_only_codes_are_told(
    answers: dict[str, str | None], expected: Outcome
) -> None:
    words = "wang@example.cn 王小明 138.0013.8000"
    said = {command: answer and answer.format(words, words) for command, answer in answers.items()}
    async with scripted(said) as port:
        assert await SmtpMail(server(port)).send(mail(), dated=DATED) == expected


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("MAIL", "530 5.7.0 authentication required"),
        ("MAIL", "550 5.7.1 blocked"),
        ("MAIL", "554 5.7.1 blocked"),
        ("STAR", "502 5.5.1 not implemented"),
    ],
)
async def test_what_a_server_has_against_us_is_not_said_of_the_mail(
    command: str, answer: str
) -> None:
    ours = replace(server(0), tls="starttls" if command == "STAR" else "none")
    offer = "250-hi\r\n250 STARTTLS"
    async with scripted({"": "220 hi", "EHLO": offer, command: answer}) as port:
        outcome = await SmtpMail(replace(ours, port=port)).send(mail(), dated=DATED)
    codes = " ".join(answer.split()[:2])
    said = f"The mail server does not let us in: {codes}."
    assert outcome == TryLater(codes.split()[0], said)


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
@pytest.mark.parametrize("answer", ["252 perhaps", "354 go on", "what?", "x" * 40_000])
async def test_a_server_that_does_not_speak_the_protocol_is_not_asked_for_ever(
    step: str, answer: str
) -> None:
    async with scripted({"": "220 hi", "EHLO": "250 hi", step: answer}) as port:
        outcome = await SmtpMail(server(port)).send(mail(), dated=DATED)
    assert isinstance(outcome, TryLater)
    assert outcome.code == "protocol"
    assert gap_after(GIVE_UP_AFTER, outcome.code) is None


@pytest.mark.parametrize("mark", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
async def test_a_subject_of_several_lines_is_told_in_one(sink: RunningSink, mark: str) -> None:
    several = Mail("0199-a", "wang@example.cn", f"星河{mark}Bcc: all@example.cn{mark}", "b")
    assert isinstance(await SmtpMail(server(sink.port)).send(several, dated=DATED), Sent)
    (entry,) = sink.index()
    assert (entry["subject"], entry["to"]) == ("星河 Bcc: all@example.cn", ["wang@example.cn"])


@contextlib.asynccontextmanager
async def scripted(answers: dict[str, str | None]) -> AsyncIterator[int]:
    """A mail server that says a line for each command, and hangs up at None; it serves one client."""
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = ""
        while (answer := answers.get(command, "250 ok")) is not None:
            writer.write(f"{answer}\r\n".encode())
            line = (await reader.readline()).decode()
            if not line or line.startswith("QUIT"):
                break
            command = line[:4]
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        served.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
        await served.wait()
