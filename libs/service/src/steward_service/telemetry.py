"""What a service tells those who run it: logs, metrics and traces, without personal data."""

import logging
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from steward_eventstore.port import Unavailable
from steward_service.settings import ServiceSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_EXPORT_SECONDS = 2.0

MASK = "[personal]"

PERSONAL = frozenset(
    {
        *("name", "phone", "email", "address", "mobile", "recipient", "phone_numbers"),
        *("summary", "description", "remark", "demand", "corrective", "preventive", "text"),
        *("reporter", "reporter_name", "reporter_phone", "reporter_email", "values", "input"),
        *("body", "value", "data", "payload", "template_param", "box", "wrapped"),
        *("authorization", "api_key", "secret", "password", "master_key", "admin_key", "dsn"),
    }
)
"""Keys of log entries under which personal data or secrets could stand."""

# Of other errors the message is left out: it may quote what was given.
_TELLING = (KafkaError, Unavailable)


def configure_logs(service: str, level: str = "INFO") -> None:
    """Send all logs, also of the libraries, as JSON lines to stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Named(service),
        structlog.processors.ExceptionRenderer(exception_without_quotes),
        mask_personal,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False, default=_shown),
            ],
        )
    )
    sys.excepthook = _log_uncaught
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library in ("aiokafka", "faststream", "httpx2", "uvicorn.access"):
        logging.getLogger(library).setLevel(logging.WARNING)
    for library in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        logger = logging.getLogger(library)
        logger.handlers.clear()
        logger.propagate = True


def mask_personal(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace what stands under keys that are known as personal, at any depth."""
    return {key: _masked(key, value) for key, value in event.items()}


def exception_without_quotes(exc_info: ExcInfo) -> str:
    """Render an exception without the content that its message may quote."""
    lines: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(lines) < 200:
        frames = traceback.extract_tb(error.__traceback__)
        lines += [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        lines.append(named(error))
        error = error.__cause__ or error.__context__
    return "\n".join(lines)


def named(error: BaseException) -> str:
    """Say what kind of error it is, and its message where that quotes nothing that was given."""
    kind = type(error).__qualname__
    if isinstance(error, asyncpg.PostgresError):
        return f"{kind} {error.sqlstate}"
    if isinstance(error, OSError):
        said = error.strerror  # without the name of a file, which may be made of what was given
    else:
        said = str(error) if isinstance(error, _TELLING) else ""
    return f"{kind}: {said}" if said else kind


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log what ends the process, as everything else: Python itself would print its message."""
    structlog.get_logger(__name__).critical("The process fails.", exc_info=(kind, error, trace))


def _masked(key: object, value: Any) -> Any:
    if key in PERSONAL:
        return MASK
    if isinstance(value, Mapping):
        return {inner: _masked(inner, content) for inner, content in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(None, content) for content in value]
    return value


def _shown(value: object) -> str:
    return str(value)


class _Named:
    """Says in every line which service speaks."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        return event


class Metrics:
    """The figures of one service for Prometheus: base units, few labels, never an ID."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.facts_appended = Counter(
            "steward_facts_appended_total", "Facts stored.", registry=registry
        )
        self.relay_lag = Gauge(
            "steward_relay_lag_seconds",
            "Age of the oldest fact that Kafka has not acknowledged.",
            registry=registry,
        )
        self.relay_backlog = Gauge(
            "steward_relay_backlog_facts", "Facts stored and not yet relayed.", registry=registry
        )
        self.heard_behind = Gauge(
            "steward_heard_behind_seconds",
            "How far the handling of a topic is behind.",
            ["topic"],
            registry=registry,
        )
        self.timer_lateness = Histogram(
            "steward_timer_lateness_seconds",
            "Wall time from when an alarm was due until it had rung.",
            registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600),
        )
        self.timers_overdue = Gauge(
            "steward_timers_overdue", "Alarms that are due and have not rung.", registry=registry
        )
        self.clock_breaches = Counter(
            "steward_clock_breaches_total",
            "Deadlines that passed unmet.",
            ["target", "severity"],
            registry=registry,
        )
        self.clocks_running = Gauge(
            "steward_clocks_running", "Clocks that run now.", ["target"], registry=registry
        )
        self.escalations_unacknowledged = Gauge(
            "steward_escalations_unacknowledged",
            "Escalations that nobody has taken over.",
            registry=registry,
        )
        self.parked_streams = Gauge(
            "steward_parked_streams",
            "Streams that wait for one consumer.",
            ["reason"],
            registry=registry,
        )
        self.messages = Counter(
            "steward_messages_total",
            "Messages by what became of them.",
            ["channel", "outcome"],
            registry=registry,
        )
        self.oldest_write_transaction = Gauge(
            "steward_oldest_write_transaction_seconds",
            "Age of the oldest open transaction of the cluster that has written.",
            registry=registry,
        )
        self.audit_disagreements = Gauge(
            "steward_audit_disagreements",
            "Promises between services that were not kept.",
            ["check"],
            registry=registry,
        )
        self.audit_heartbeat = Gauge(
            "steward_audit_heartbeat_timestamp_seconds",
            "When the auditor last found every promise kept.",
            registry=registry,
        )


def tracer_provider(settings: ServiceSettings, service: str) -> "TracerProvider | None":
    """Give what collects traces, or None where no endpoint is set; the last go out at exit."""
    if settings.otlp_endpoint is None:
        return None
    # Here, since they take long to import and most services run without traces.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: f"steward-{service}"}))
    # A collector that is away must not hold up the end of the process.
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
