"""What `steward policy due` answers: the clocks of a case that is told as a list of facts."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from steward_events.jsonschema import published_facts
from steward_events.vocabulary import Kind, instant
from steward_policy import packs
from steward_policy.calendars import Calendar
from steward_policy.packs import PackError, Rules, read_targets
from steward_sla.domain.case_facts import CHANGES, CaseFact
from steward_sla.domain.clock import Clock
from steward_sla.domain.timeline import Timeline

KEYS = ("id", "pack", "targets", "calendar", "facts", "now")


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Give the clocks of one line; raises ValueError with a sentence for a line that is wrong."""
    for key in asked:
        if key not in KEYS:
            raise ValueError(
                f"{key!r} is no key of a line; it has {', '.join(KEYS)}, and a fact says the zone."
            )
    laid_out = (
        json.dumps(asked.get(key), sort_keys=True) for key in ("pack", "calendar", "targets")
    )
    try:
        timeline, zone_name = _timeline(*laid_out)
    except PackError as error:
        first, *more = error.problems
        raise ValueError(f"{first} (and {len(more)} more)" if more else first) from error
    facts = _facts(asked.get("facts"))
    for fact in facts:
        _check(fact, timeline)
    zone = _zone(next((fact.fields["zone"] for fact in facts if "zone" in fact.fields), zone_name))
    now = _instant("'now'", asked["now"]) if asked.get("now") is not None else facts[-1].at
    known = [fact for fact in facts if fact.at <= now]
    return {"clocks": [_clock(clock, now, zone) for clock in timeline.clocks(known, zone)]}


def _clock(clock: Clock, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    def written(at: datetime | None) -> str | None:
        return None if at is None else at.astimezone(zone).isoformat()

    status = clock.status(now)
    elapsed = clock.elapsed_seconds(now)
    return {
        "clock": clock.id,
        "target": clock.target.id,
        "rule": list(clock.target.rule),
        "basis": clock.target.basis,
        "round": clock.round,
        "started_at": written(clock.started_at),
        "due": written(clock.due),
        "approved_due": written(clock.approved_due),
        "provisional": clock.provisional,
        "status": status,
        "met_at": written(clock.met_at),
        "breached_at": written(clock.breach_at) if status == "breached" else None,
        "excused": clock.excused,
        "paused": [
            [written(pause.start), written(pause.end) if pause.end <= now else None]
            for pause in clock.pauses
            if pause.start <= now
        ],
        "elapsed_seconds": int(elapsed) if elapsed.is_integer() else elapsed,
    }


def _facts(given: object) -> Sequence[CaseFact]:
    if not isinstance(given, list) or not given:
        raise ValueError("The line has no 'facts', a list of at least one fact.")
    facts: list[CaseFact] = []
    for number, fact in enumerate(given, 1):
        if not isinstance(fact, dict) or not isinstance(fact.get("type"), str):
            raise ValueError(f"Fact {number} is not an object with a 'type'.")
        fields = {k: v for k, v in fact.items() if k not in ("type", "time") and v is not None}
        at = _instant(f"The time of fact {number}", fact.get("time"))
        facts.append(CaseFact(_name(fact["type"]), at, number, fields))
    return sorted(facts, key=lambda fact: (fact.at, fact.version))


def _check(fact: CaseFact, timeline: Timeline) -> None:
    """Refuse a fact that no service states and no target asks for, and a kind that no case has."""
    if fact.name not in _stated() | timeline.names:
        raise ValueError(f"Fact {fact.version} is of an unknown type, {fact.name!r}.")
    kind = fact.fields.get("kind")
    if fact.name in CHANGES and kind not in (None, *Kind):
        raise ValueError(
            f"The kind of fact {fact.version} is one of {', '.join(Kind)}, not {kind!r}."
        )


@lru_cache
def _stated() -> frozenset[str]:
    return frozenset(fact.wire_name.partition(".")[2] for fact in published_facts())


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"The time zone {name!r} is unknown.") from None


def _name(written: str) -> str:
    """Take `case_received` and the wire's `intake.case_received.v1` alike."""
    parts = written.split(".")
    return parts[1] if len(parts) > 1 else written


def _instant(what: str, value: object) -> datetime:
    try:
        return instant(str(value))
    except ValueError:
        raise ValueError(
            f"{what} must be an instant with its offset, such as 2026-10-01T10:00:00+08:00,"
            f" not {value!r}."
        ) from None


@lru_cache(maxsize=256)
def _timeline(pack: str, calendar: str, targets: str) -> tuple[Timeline, str]:
    """Lay out the rules of a line, each part as JSON; and the zone in which its days end."""
    rules = _rules(json.loads(pack))
    if (given := json.loads(calendar)) is not None:
        rules = _with_calendar(rules, given)
    if (listed := json.loads(targets)) is not None:
        known = read_targets(listed, rules)
        rules = replace(rules, pack=rules.pack.model_copy(update={"targets": known}))
    return Timeline(rules), rules.calendar().tz


def _rules(pack: object) -> Rules:
    match pack:
        case None:
            return packs.built_in()
        case dict():
            return packs.load(json.dumps(pack, ensure_ascii=False), "pack")
        case str() if pack == packs.built_in().pack.pack:
            return packs.built_in()
        case str():
            try:
                return packs.load(Path(pack).read_text(encoding="utf-8"), pack)
            except OSError as error:
                raise ValueError(f"The pack {pack!r} cannot be read: {error.strerror}.") from error
            except UnicodeDecodeError as error:
                raise ValueError(f"The pack {pack!r} is not UTF-8 text.") from error
        case _:
            raise ValueError("'pack' is a file name or a pack as an object.")


def _with_calendar(rules: Rules, given: object) -> Rules:
    """Let a calendar of the line's own be the pack's calendar."""
    if isinstance(given, str):
        rules.calendar(given)
        return replace(rules, pack=rules.pack.model_copy(update={"calendar": given}))
    own = {**rules.pack.calendars, "given": Calendar.from_dict(given)}
    return replace(
        rules, pack=rules.pack.model_copy(update={"calendar": "given", "calendars": own})
    )
