"""Every figure of a run, and whether every promise between services was kept."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from steward_audit.application.ports import Clock, Counters, Memory, Peers, Row
from steward_events.jsonschema import published_facts
from steward_policy import packs
from steward_policy.catalogue import RULES
from steward_policy.packs import Rules


async def summary(
    memory: Memory, peers: Peers, rules_of: Callable[[str], Rules], now: datetime
) -> dict[str, Any]:
    """Give all figures; `rules_of` raises KeyError for a policy that was not heard."""
    found = await checks(memory, peers, rules_of, now)
    heard = await memory.heard()
    return {
        "cases": _nested(await memory.cases(), "kind", "status"),
        "clocks": by_rule(await memory.clocks()),
        "escalations": _escalations(await memory.escalations()),
        "extensions": _of(heard, "sla.extension_", "requested", "approved", "refused"),
        "followups": _nested(await memory.followups(), "rule", "status"),
        "quotas": _of(heard, "visits.quota_", "reached", "missed"),
        "messages": {"sms": {}, "email": {}} | _table(await memory.messages(), "channel", "status"),
        "imported": _imported(await memory.history()),
        "rules": by_place(await memory.rules()),
        "events": {f"steward.{name}": sum(types.values()) for name, types in sorted(heard.items())},
        "audit": found | {"agree": not any(found.values())},
    }


async def checks(
    memory: Memory, peers: Peers, rules_of: Callable[[str], Rules], now: datetime
) -> dict[str, int]:
    """Count, by check, the promises between services that are not kept at this moment.

    What is under way between two services is among them: at a moment of rest there is none.
    """
    # What was stored is asked first: what comes in between is heard more, never less.
    stored = await peers.counters()
    heard = await memory.heard()
    return {
        "clocks_without_timer": len(await without_timer(memory, peers)),
        "breaches_without_escalation": sum(row["n"] for row in await unescalated(memory, rules_of)),
        "escalations_without_message": sum(
            row["n"] for row in await memory.escalations() if row["untold"]
        ),
        "messages_without_outcome": await memory.messages_without_outcome(now),
        "unpublished": unpublished(stored, heard),
    }


async def facts(memory: Memory, peers: Peers) -> dict[str, Any]:
    """Count the facts heard by type, those not heard of yet, and the messages that wait."""
    stored = await peers.counters()
    heard = await memory.heard()
    counted: Counter[str] = Counter()
    for types in heard.values():
        counted.update(types)
    return {
        "facts": dict(sorted(counted.items())),
        "unpublished": unpublished(stored, heard),
        "unhandled": sum(counters.unhandled for counters in stored.values()),
    }


def by_rule(clocks: Sequence[Row]) -> list[dict[str, Any]]:
    """Count clocks by rule: met in time, met with approval, breached, and still running.

    A clock of two rules counts for both; a breach that stands counts whatever came after it.
    """
    counted: dict[str, Counter[str]] = {}
    for row in clocks:
        for rule in row["rule"].split():
            counted.setdefault(rule, Counter())[_standing(row)] += row["n"]
    names = ("met", "approved", "breached", "running", "cancelled")
    return [
        {"rule": rule, **{name: counts[name] for name in names}}
        for rule, counts in sorted(counted.items())
    ]


def by_place(counted: Mapping[str, int]) -> dict[str, int]:
    """Give how many facts carry out each rule, in the order of the procedures.

    A rule that the built-in pack or a kind of fact names and that nothing carried out yet has 0.
    """
    named = {rule for _, _, entry in packs.built_in().pack.entries() for rule in entry.rule}
    named.update(rule for fact in published_facts() for rule in fact.rules)
    return dict.fromkeys((rule.id for rule in RULES if rule.id in named), 0) | dict(counted)


def unpublished(stored: Mapping[str, Counters], heard: Mapping[str, Mapping[str, int]]) -> int:
    """Count the facts that were stored and not relayed, or stored and heard a different number."""
    missing = 0
    for service, counters in stored.items():
        here = heard.get(service, {})
        types = counters.appended.keys() | here.keys()
        unequal = sum(abs(counters.appended.get(t, 0) - here.get(t, 0)) for t in types)
        missing += max(counters.unrelayed, unequal)
    return missing


async def without_timer(memory: Memory, peers: Peers) -> set[Clock]:
    """Name the clocks that must have an alarm and have none: some streams at a time, in order."""
    found: set[Clock] = set()
    after: str | None = ""
    while after is not None:
        timers = await peers.timers("sla", after)
        running = await memory.running(after, timers.upto)
        found.update(clock for clock, stream in running.items() if stream not in timers.streams)
        after = timers.upto
    return found


async def unescalated(memory: Memory, rules_of: Callable[[str], Rules]) -> list[Row]:
    """Count the standing breaches that should have escalated: `policy`, `target`, `n`."""
    return [row for row in await memory.unescalated() if _escalates(row, rules_of)]


def _escalates(row: Row, rules_of: Callable[[str], Rules]) -> bool:
    """Say whether the target climbs at its breach; one of an unknown policy should have."""
    try:
        target = rules_of(row["policy"]).by_id.get(row["target"])
    except KeyError:
        return True
    return target is None or any(
        step.at == "breach" and step.after is None for step in target.escalate
    )


def _standing(row: Row) -> str:
    if row["breached"]:
        return "breached"
    match row["status"], row["outcome"]:
        case "met", "with_approval":
            return "approved"
        case "met", "breached":
            return "breached"
        case "paused", _:
            return "running"
        case status, _:
            return str(status)


def _escalations(rows: Sequence[Row]) -> dict[str, Any]:
    roles: Counter[str] = Counter()
    for row in rows:
        roles[row["role"]] += row["n"]
    return {
        "total": sum(roles.values()),
        "withdrawn": sum(row["n"] for row in rows if row["withdrawn"]),
        "silent": sum(row["n"] for row in rows if row["silent"]),
        "to": dict(sorted(roles.items())),
    }


def _of(heard: Mapping[str, Mapping[str, int]], prefix: str, *names: str) -> dict[str, int]:
    """Count facts whose names begin alike, by what comes after."""
    types = heard.get(prefix.partition(".")[0], {})
    return {name: types.get(f"{prefix}{name}.v1", 0) for name in names}


def _imported(history: Mapping[str, int]) -> dict[str, int]:
    """Count the cases that were taken in as history, and the facts that intake has of them."""
    told = sum(n for name, n in history.items() if name.startswith("intake."))
    return {"cases": history.get("intake.case_received.v1", 0), "facts": told}


def _nested(rows: Sequence[Row], outer: str, inner: str) -> dict[str, Any]:
    return {
        "total": sum(row["n"] for row in rows),
        f"by_{inner}": _counts(rows, inner),
        f"by_{outer}": _table(rows, outer, inner),
    }


def _table(rows: Sequence[Row], outer: str, inner: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in sorted(rows, key=lambda row: (row[outer], row[inner])):
        found.setdefault(row[outer], {})[row[inner]] = row["n"]
    return found


def _counts(rows: Sequence[Row], name: str) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row[name]] += row["n"]
    return dict(sorted(counted.items()))
