"""Breaks each promise once, past the services, so that a judge can be tried."""

import itertools
import secrets
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from tests.support.clear_text import records
from tests.support.effects import Fact
from tests.support.judge import Facts
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


ANOTHER_ID = "01999a3c-0000-7000-8000-000000000001"
KINDS = ("target", "template", "noted")
"""What beside its type tells one kind of fact from another."""
NOT_WITHDRAWN = """
data->>'target' = 'minor-resolve' AND NOT EXISTS (
    SELECT FROM events WHERE type = 'sla.breach_withdrawn.v1' AND stream_id = one.stream_id
       AND data->>'clock' = one.data->>'clock'
)
"""
STORED = (
    # Two facts have one ID, and were published under others.
    ("intake", f"UPDATE events SET meta = meta::jsonb || '{{\"id\": \"{ANOTHER_ID}\"}}'"
               " WHERE type = 'intake.case_chased.v1'"),
    # What came first stands last, where it was never published.
    ("intake", "UPDATE events SET version = version + 1000 WHERE type = 'intake.case_received.v1'"),
    ("intake", "DELETE FROM events WHERE type = 'intake.case_classified.v1'"),
    ("intake", "DELETE FROM events WHERE type = 'intake.breach_noted.v1'"),
    ("sla", "UPDATE inbox SET version = version - 1"),
    ("sla", "DELETE FROM events WHERE type = 'sla.clock_started.v1' AND (data->>'target' <> 'triage'"
            " OR stream_id = (SELECT max(stream_id) FROM events"
            " WHERE type = 'sla.clock_started.v1'))"),
    ("sla", "DELETE FROM events WHERE type = 'sla.escalation_withdrawn.v1'"),
    ("sla", "DELETE FROM events WHERE type = 'sla.escalated.v1' AND version % 2 = 0"),
    ("sla", "DELETE FROM events WHERE type = 'sla.escalated.v1'"
            " AND data->>'target' = 'minor-resolve'"),
    ("sla", again("sla.escalated.v1")),
    ("sla", "UPDATE events SET meta = meta::jsonb || '{\"recorded\": \"2020-01-01T00:00:00Z\"}'"
            " WHERE type = 'sla.clock_breached.v1'"),
    ("sla", again("sla.breach_withdrawn.v1", "data::jsonb - '{due_at,breached_at,unheard}'::text[]",
                  of="sla.clock_breached.v1", where=NOT_WITHDRAWN)),
    ("sla", again("sla.clock_breached.v1")),
    ("sla", again("sla.clock_breached.v1", "data::jsonb || '{\"number\": 2}'",
                  where="data->>'target' = 'dispatched'")),
    ("sla", again("sla.clock_started.v1", where="data->>'target' = 'triage'")),
    ("sla", again("sla.case_noted.v1")),
    ("visits", again("visits.followup_due.v1")),
    ("visits", again("visits.followup_overdue.v1")),
    ("visits", "DELETE FROM events WHERE type = 'visits.followup_overdue.v1' AND version < 1000"
               " AND stream_id = (SELECT max(stream_id) FROM events"
               " WHERE type = 'visits.followup_overdue.v1')"),
    ("notify", again("notify.message_requested.v1")),
    ("notify", again("notify.message_failed.v1", "data::jsonb || '{\"attempt\": 1, \"code\": \"x\"}'",
                     of="notify.message_delivered.v1")),
    ("notify", again("notify.message_unknown.v1", "data::jsonb || '{\"attempt\": 1, \"reason\": \"x\"}'",
                     of="notify.message_sent.v1", where="data->>'channel' = 'email'")),
    ("notify", "UPDATE staff SET language = 'en'"),
    ("audit", "UPDATE heard SET facts = facts + 1"),
)  # fmt: skip
"""By database."""


Spoiling = Literal["twice", "late again", "never"]
MADE_UP_FOR = ("notify.message_sent.v1", "notify.message_unknown.v1")
"""What may be missing where a receipt has come: that says more."""


def spoilt(facts: Facts, how: Spoiling) -> tuple[Facts, Mapping[str, Fact]]:
    """Have one fact of each kind come twice, once more at last, or never; says which, by kind."""
    of_kind: dict[str, list[Fact]] = defaultdict(list)
    for fact in itertools.chain(*facts.values()):
        if fact.type.startswith("registry.") or (how == "never" and fact.type in MADE_UP_FOR):
            continue
        said = (str(fact.data.get(name, "")) for name in KINDS)
        of_kind[" ".join([fact.type, *said])].append(fact)
    chosen: dict[str, Fact] = {}
    for kind, all_ in sorted(of_kind.items(), key=lambda one: len(one[1])):
        # In a case of its own, as far as there are so many.
        others = {named(fact)[0] for fact in chosen.values()}
        chosen[kind] = next((fact for fact in all_ if named(fact)[0] not in others), all_[0])
    ids = {id(fact) for fact in chosen.values()}
    return {owner: list(_spoilt(all_, ids, how)) for owner, all_ in facts.items()}, chosen


def named(fact: Fact) -> tuple[str, str]:
    """Give by what a violation names whose a fact is: its case, project or message; its alarm."""
    id_ = fact.stream.partition("-")[2]
    return id_, fact.data.get("escalation_id") or id_


def _spoilt(facts: Sequence[Fact], chosen: Collection[int], how: Spoiling) -> Iterator[Fact]:
    for _, stream in itertools.groupby(facts, lambda fact: fact.stream):
        at_last = []
        for fact in stream:
            is_chosen = id(fact) in chosen
            if how != "never" or not is_chosen:
                yield fact
            if is_chosen and how != "never":
                again_ = replace(fact, meta={**fact.meta, "id": ANOTHER_ID})
                if how == "twice":
                    yield again_
                else:
                    at_last.append(again_)
        yield from at_last


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
