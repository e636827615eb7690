"""The stand-in and the mail sink as processes of their own, and a receiver of receipts."""

import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.ports import free_port
from tests.support.waiting import wait_until

LIMIT_SECONDS = 20


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class ReceiptReceiver:
    """A real HTTP server that keeps the bodies of receipts; it refuses while told to."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    refusing: bool = False
    refused: int = 0

    def wait_for(self, count: int) -> None:
        wait_until(
            lambda: len(self.bodies) >= count, LIMIT_SECONDS, f"{count} receipts do not arrive"
        )


@pytest.fixture
def receiver() -> Iterator[ReceiptReceiver]:
    kept = ReceiptReceiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if kept.refusing:
                kept.refused += 1
                self.send_error(503)
                return
            kept.bodies.append(body)
            answer = json.dumps({"code": 0, "msg": "成功"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}/receipts"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class StandIn:
    """The SMS stand-in as a process that can be killed and started again."""

    report_url: str
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        options = [
            f"--port={self.port}",
            "--access-key-id=demo-id",
            "--access-key-secret=demo-secret",
            f"--report-url={self.report_url}",
            f"--log={self.log}",
            "--receipt-gaps=0.05,0.1",
        ]
        command = [sys.executable, "-m", "steward_stack.sms_stand_in", *options]
        self.process = subprocess.Popen(command)
        wait_until(lambda: listens(self.port), LIMIT_SECONDS, "the SMS stand-in does not listen")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it by SIGTERM; uvicorn, once done, dies of the same signal as Unix expects."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=LIMIT_SECONDS)

    def get(self, path: str) -> Any:
        with httpx2.Client(trust_env=False) as client:
            return client.get(self.url + path).json()


@pytest.fixture
def stand_in(receiver: ReceiptReceiver, tmp_path: Path) -> Iterator[StandIn]:
    running = StandIn(receiver.url, tmp_path / "texts.jsonl")
    running.start()
    yield running
    running.kill()


@dataclass(frozen=True)
class RunningSink:
    """The mail sink: where it listens and where it keeps mails."""

    port: int
    folder: Path

    def index(self) -> list[dict[str, Any]]:
        lines = (self.folder / "index.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[RunningSink]:
    running = RunningSink(free_port(), tmp_path / "mails of 张三")
    options = [f"--port={running.port}", f"--dir={running.folder}"]
    process = subprocess.Popen([sys.executable, "-m", "steward_stack.smtp_sink", *options])
    wait_until(lambda: listens(running.port), LIMIT_SECONDS, "the mail sink does not listen")
    yield running
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=LIMIT_SECONDS) == 0
