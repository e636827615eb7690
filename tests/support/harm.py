"""Breaks each promise once, past the services, so that a judge can be tried."""

import secrets
import shutil
from datetime import UTC, datetime

from tests.support.clear_text import records
from tests.support.system import System

from steward_notify.adapters.sms_aliyun import Account, AliyunSms, SmsText
from steward_stack.supervisor import PARTITIONS


def again(type_: str, data: str = "data", *, of: str = "", where: str = "true") -> str:
    """Store once more, in the same stream, what one fact says; as a fact of another type, perhaps."""
    return f"""
        INSERT INTO events (log_epoch, stream_id, version, partition, type, data, meta)
        SELECT log_epoch, stream_id, version + 1000, partition, '{type_}', {data}, meta
          FROM events one WHERE type = '{of or type_}' AND {where}
         ORDER BY stream_id, version LIMIT 1
    """


NOT_WITHDRAWN = """
data->>'target' = 'minor-resolve' AND NOT EXISTS (
    SELECT FROM events WHERE type = 'sla.breach_withdrawn.v1' AND stream_id = one.stream_id
       AND data->>'clock' = one.data->>'clock'
)
"""
STORED = (
    # Two facts have one ID, and were published under others.
    ("intake", "UPDATE events SET meta = meta || '{\"id\": \"01999a3c-0000-7000-8000-000000000001\"}'"
               " WHERE type = 'intake.case_chased.v1'"),
    # What came first stands last, where it was never published.
    ("intake", "UPDATE events SET version = version + 1000 WHERE type = 'intake.case_received.v1'"),
    ("intake", "DELETE FROM events WHERE type = 'intake.case_classified.v1'"),
    ("intake", "DELETE FROM events WHERE type = 'intake.breach_noted.v1'"),
    ("sla", "UPDATE inbox SET version = version - 1"),
    ("sla", "DELETE FROM events WHERE type = 'sla.clock_started.v1'"),
    ("sla", "DELETE FROM events WHERE type = 'sla.escalation_withdrawn.v1'"),
    ("sla", "DELETE FROM events WHERE type = 'sla.escalated.v1' AND version % 2 = 0"),
    ("sla", "DELETE FROM events WHERE type = 'sla.escalated.v1'"
            " AND data->>'target' = 'minor-resolve'"),
    ("sla", again("sla.escalated.v1")),
    ("sla", "UPDATE events SET meta = meta || '{\"recorded\": \"2020-01-01T00:00:00Z\"}'"
            " WHERE type = 'sla.clock_breached.v1'"),
    ("sla", again("sla.breach_withdrawn.v1", "data - '{due_at,breached_at,unheard}'::text[]",
                  of="sla.clock_breached.v1", where=NOT_WITHDRAWN)),
    ("sla", again("sla.clock_breached.v1")),
    ("visits", again("visits.followup_due.v1")),
    ("notify", again("notify.message_requested.v1")),
    ("notify", again("notify.message_failed.v1", "data || '{\"attempt\": 1, \"code\": \"x\"}'",
                     of="notify.message_delivered.v1")),
    ("notify", again("notify.message_unknown.v1", "data || '{\"attempt\": 1, \"reason\": \"x\"}'",
                     of="notify.message_sent.v1", where="data->>'channel' = 'email'")),
    ("notify", "UPDATE staff SET language = 'en'"),
    ("audit", "UPDATE heard SET facts = facts + 1"),
)  # fmt: skip
"""By database."""


async def harm(system: System) -> None:
    """Break all of it."""
    for database, sql in STORED:
        await system.query(database, sql)
    # On a topic: in another partition, and before the ones before it.
    record = await anext(
        one async for one in records(system, "steward.sla") if (one.key or b"").startswith(b"chaos")
    )
    there = (record.partition + 1) % PARTITIONS
    await system.producer.send_and_wait(
        record.topic, record.value, key=record.key, headers=list(record.headers), partition=there
    )
    ahead = [(n, b"99999" if n == "ce_sequence" else value) for n, value in record.headers]
    await system.producer.send_and_wait(
        record.topic, record.value, key=record.key, headers=ahead, partition=record.partition
    )
    await send_again(system)
    first, second, *_ = sorted((system.stack.world / "mails").glob("*.eml"))
    shutil.copy(second, first)


async def send_again(system: System) -> None:
    """Send a text once more."""
    settings = system.stack.settings
    account = Account(
        settings.sms_key_id, settings.sms_key_secret, "物业", system.stack.endpoints.sms
    )
    text = (await system.texts())[0]
    same = SmsText(text["out_id"], text["phone"], text["template_code"], text["values"])
    await AliyunSms(system.client, account).send(
        same, signed_at=datetime.now(UTC), nonce=secrets.token_hex(16)
    )
