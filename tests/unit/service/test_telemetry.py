"""Logs are JSON, carry their correlation ID and say nothing personal; metrics have their names."""

import base64
import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog
from prometheus_client import generate_latest
from pydantic import SecretStr

from steward_eventstore.port import Unavailable
from steward_service.runtime import STOP_SECONDS
from steward_service.settings import ServiceSettings
from steward_service.telemetry import Metrics, configure_logs, tracer_provider

NAMES = [
    "steward_facts_appended_total",
    "steward_relay_lag_seconds",
    "steward_relay_backlog_facts",
    "steward_heard_behind_seconds",
    "steward_timer_lateness_seconds",
    "steward_timers_overdue",
    "steward_clock_breaches_total",
    "steward_clocks_running",
    "steward_escalations_unacknowledged",
    "steward_parked_streams",
    "steward_messages_total",
    "steward_oldest_write_transaction_seconds",
    "steward_audit_disagreements",
]


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    levels = {name: logging.getLogger(name).level for name in ("aiokafka", "uvicorn.access")}
    yield
    root.handlers[:], root.level, sys.excepthook = handlers, level, hook
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_says_who_when_and_about_what(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("sla")
    with structlog.contextvars.bound_contextvars(correlation_id="call-42"):
        structlog.get_logger("steward_sla.clocks").info("A clock started.", stream="clock-1")
    [line] = lines(capsys)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "A clock started.",
        "level": "info",
        "logger": "steward_sla.clocks",
        "service": "sla",
        "stream": "clock-1",
        "correlation_id": "call-42",
    }


def test_personal_data_is_masked_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("intake")
    structlog.get_logger("x").warning(
        "It was refused.",
        phone="13800138000",
        case={"summary": "13800138000", "people": [{"name": "13800138000", "id": "p"}]},
    )
    [line] = lines(capsys)
    assert "13800138000" not in str(line)
    assert line["case"]["people"][0] == {"name": "[personal]", "id": "p"}


def test_an_exception_does_not_quote_what_it_was_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("intake")
    try:
        try:
            int("13800138000x")
        except ValueError as error:
            raise RuntimeError("13800138000 is wrong.") from error
    except RuntimeError:
        structlog.get_logger("x").exception("It failed.")
        logging.getLogger("library").exception("It failed, too: %s.", "really")
    first, second = lines(capsys)
    for line in (first, second):
        assert "13800138000" not in str(line)
        assert "\nRuntimeError\n" in line["exception"]
        assert "test_telemetry.py" in line["exception"]
        assert line["exception"].endswith("ValueError")
    assert second["event"] == "It failed, too: really."


def test_an_exception_of_a_file_does_not_name_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("intake")
    try:
        ZoneInfo("x" * 300 + "13800138000")
    except OSError:
        structlog.get_logger("x").exception("It failed.")
    [line] = lines(capsys)
    assert "13800138000" not in str(line)
    assert line["exception"].endswith("\nOSError: File name too long")


def test_what_quotes_nothing_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("intake")
    errors = [
        *(ConnectionRefusedError(111, "Refused"), OSError("13800138000")),
        Unavailable("PostgreSQL is away."),
    ]
    for error in errors:
        structlog.get_logger("x").error("It failed.", exc_info=error)
    assert [line["exception"] for line in lines(capsys)] == [
        *("ConnectionRefusedError: Refused", "OSError"),
        "Unavailable: PostgreSQL is away.",
    ]


def test_what_ends_the_process_is_logged_without_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("intake")
    sys.excepthook(ValueError, ValueError("13800138000"), None)
    [line] = lines(capsys)
    assert (line["level"], line["exception"]) == ("critical", "ValueError")


def test_what_libraries_log_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("intake")
    logging.getLogger("uvicorn.error").info("Started on port %d", 8080)
    logging.getLogger("aiokafka.client").info("noise")
    [line] = lines(capsys)
    assert line["event"] == "Started on port 8080"


def test_metrics_have_the_names_that_alerts_use() -> None:
    metrics = Metrics()
    metrics.clock_breaches.labels("minor-resolve", "minor").inc()
    exposed = generate_latest(metrics.registry).decode()
    assert [name for name in NAMES if f"# HELP {name}" not in exposed] == []
    assert 'steward_clock_breaches_total{severity="minor",target="minor-resolve"} 1.0' in exposed


def test_traces_are_collected_only_where_an_endpoint_is_set() -> None:
    master_key = SecretStr(base64.b64encode(b"k" * 32).decode())
    settings = ServiceSettings(kafka=["a:1"], postgres="postgresql:///x", master_key=master_key)
    assert tracer_provider(settings, "sla") is None
    collected = settings.model_copy(update={"otlp_endpoint": "http://127.0.0.1:1"})
    provider = tracer_provider(collected, "sla")
    assert provider is not None
    assert provider.resource.attributes["service.name"] == "steward-sla"
    with provider.get_tracer("test").start_as_current_span("heard"):
        pass
    began = time.monotonic()
    provider.shutdown()
    assert time.monotonic() - began < STOP_SECONDS  # nobody collects there: it is given up
