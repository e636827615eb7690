"""A mail server that keeps every mail in a folder and sends none on.

    python -m steward_stack.smtp_sink --port 9025 --dir mails

Each mail becomes `000001.eml` and a line of `index.jsonl` with file, time, envelope, Message-ID and
subject. A tag in the recipient's address chooses what happens (`wang+later@example.cn`):

    +refused   refused for good (550)
    +later     refused for now (451) the first time, then taken
    +lost      kept, then the connection drops without an answer

With `--kafka` a mail is removed when whom it was for is erased; its line of the index says so.
"""

import asyncio
import contextlib
import json
import signal
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Annotated

import typer
from aiosmtpd.smtp import SMTP, Envelope, Session

from steward_stack.forgetting import Forgotten


class Sink:
    """Keeps mails; a restart goes on counting where the index ends."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._index = folder / "index.jsonl"
        self._kept = len(self._index.read_bytes().splitlines()) if self._index.exists() else 0
        self._put_off: set[str] = set()
        self.forgotten = Forgotten(self.forget)

    async def handle_RCPT(  # noqa: N802  # the library's name
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002
    ) -> str:
        """Judge a recipient by its tag."""
        if _has_tag(address, "refused"):
            return f"550 5.1.1 <{address}>: No such mailbox"
        if _has_tag(address, "later") and address not in self._put_off:
            self._put_off.add(address)
            return f"451 4.7.1 <{address}>: Please try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  # the library's name
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        """Keep a mail."""
        name = self._keep(envelope)
        lost = any(_has_tag(address, "lost") for address in envelope.rcpt_tos)
        if lost and server.transport is not None:
            server.transport.close()
        return f"250 2.0.0 Kept as {name}"

    def _keep(self, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        name = f"{self._kept + 1:06d}.eml"
        message = message_from_bytes(content, policy=default)
        if _message_id(message["Message-ID"]) in self.forgotten:
            return "nothing"
        entry: dict[str, object] = {
            "file": name,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),  # noqa: TID251  # another house
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "message_id": message["Message-ID"],
            "subject": message["Subject"],
        }
        (self._folder / name).write_bytes(content)
        with self._index.open("a", encoding="utf-8") as index:
            index.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._kept += 1
        return name

    def forget(self, message_id: str) -> None:
        """Remove a message's mails; their numbers are not used again."""
        if not self._index.exists():
            return
        entries = [
            json.loads(line) for line in self._index.read_text(encoding="utf-8").split("\n")[:-1]
        ]
        for place, entry in enumerate(entries):
            if _message_id(entry.get("message_id")) == message_id:
                (self._folder / entry["file"]).unlink(missing_ok=True)
                entries[place] = {"file": entry["file"], "erased": True}
        draft = self._index.with_suffix(".new")
        lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        draft.write_text("".join(lines), encoding="utf-8")
        draft.replace(self._index)


def _message_id(header: str | None) -> str:
    return (header or "").strip("<> ").partition("@")[0]


def _has_tag(address: str, tag: str) -> bool:
    return address.rpartition("@")[0].endswith(f"+{tag}")


async def _serve(host: str, port: int, folder: Path, kafka: str | None) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopped.set)
    sink = Sink(folder)
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="localhost", enable_SMTPUTF8=True, loop=loop), host, port
    )
    listening = asyncio.create_task(sink.forgotten.listen(kafka))
    await stopped.wait()
    server.close()
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening


def main(
    *,
    port: Annotated[int, typer.Option()],
    folder: Annotated[Path, typer.Option("--dir", help="Where mails are kept.")],
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    kafka: Annotated[
        str | None, typer.Option(envvar="STEWARD_KAFKA", help="Where erasures are heard.")
    ] = None,
) -> None:
    """Run the mail sink until stopped."""
    asyncio.run(_serve(host, port, folder, kafka))


if __name__ == "__main__":
    typer.run(main)
