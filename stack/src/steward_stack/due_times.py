"""What `steward policy due` answers: the clocks of a case that is told as a list of facts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_core import to_jsonable_python

from steward_decider import Refused
from steward_events.fact import Fact
from steward_events.jsonschema import published_facts
from steward_events.vocabulary import Kind, Role, instant
from steward_policy import packs
from steward_policy.calendars import Calendar
from steward_policy.packs import PackError, Rules, UnknownVersion, read_targets
from steward_sla.domain.case_facts import CHANGES, CaseFact, instant_of
from steward_sla.domain.clock import Clock
from steward_sla.domain.clocks import (
    ApproveExtension,
    Clocks,
    ClocksDecider,
    ExtensionFact,
    RefuseExtension,
    RequestExtension,
    extension_noted,
)
from steward_sla.domain.timeline import Timeline

KEYS = ("id", "pack", "targets", "calendar", "facts", "now")
COUNTED = {"case_reopened": "round", "case_chased": "chase", "dispatch_refused": "refusal"}
"""What intake counts of a case, by the fact that makes it one more."""
_ROLES = frozenset(Role)


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
    known = _taken([fact for fact in facts if fact.at <= now], timeline, zone)
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
    return _as_published(sorted(facts, key=lambda fact: (fact.at, fact.version)))


def _as_published(facts: Sequence[CaseFact]) -> Sequence[CaseFact]:
    """Say what a line leaves out of intake's facts as intake does: what it counts, and defaults."""
    counts, classified = {"round": 1, "chase": 0, "refusal": 0}, False
    found: list[CaseFact] = []
    for fact in facts:
        unsaid, counted = _unsaid(fact.name), COUNTED.get(fact.name)
        if counted is not None:
            said = fact.fields.get(counted)
            counts[counted] = said if isinstance(said, int) else counts[counted] + 1
        if counted == "round":
            counts["refusal"] = 0
        own: dict[str, Any] = {
            name: count for name, count in counts.items() if name in unsaid or name == counted
        }
        if fact.name == "case_classified":
            own["cause"], classified = "correction" if classified else "first", True
        found.append(replace(fact, fields={**unsaid, **own, **fact.fields}))
    return found


@lru_cache
def _unsaid(name: str) -> Mapping[str, Any]:
    """The fields that a fact of intake has where nobody says them, as JSON has them."""
    kind = _of_intake().get(name)
    fields = kind.model_fields.items() if kind is not None else ()
    return {
        field: to_jsonable_python(default)
        for field, about in fields
        if not about.is_required() and (default := about.get_default()) is not None
    }


@lru_cache
def _of_intake() -> Mapping[str, type[Fact]]:
    return {
        fact.wire_name.removeprefix("intake."): fact
        for fact in published_facts()
        if fact.wire_name.startswith("intake.")
    }


def _taken(facts: Sequence[CaseFact], timeline: Timeline, zone: ZoneInfo) -> Sequence[CaseFact]:
    """Leave out the requests for more time, and the decisions on them, that sla would refuse.

    A request that names no clock is about every one, and is taken as it stands.
    """
    commands = {fact.version: command for fact in facts if (command := _command(fact, zone))}
    asked = {c.extension_id for c in commands.values() if isinstance(c, RequestExtension)}
    if not asked:
        return facts
    decider = ClocksDecider(_no_other_rules)
    state = Clocks(case_id="case", project_id="project", course=timeline.course(zone))
    for fact in facts:
        after, taken, command = state, fact, commands.get(fact.version)
        if command is not None and command.extension_id in asked:
            try:
                said = decider.decide(command, state)[:1]
            except Refused:
                continue
            if not said or not isinstance(said[0], ExtensionFact):
                continue
            after = decider.evolve(state, said[0])
            taken = replace(fact, fields=extension_noted(said[0], 0).fields)
        state = after._replace(facts=(*state.facts, taken))
    return state.facts


def _no_other_rules(version: str) -> Rules:
    raise UnknownVersion(version)  # the line's own are laid out


def _command(
    fact: CaseFact, zone: ZoneInfo
) -> RequestExtension | ApproveExtension | RefuseExtension | None:
    """Give what sla was asked; nothing where the line does not say enough of it."""
    match fact.name, fact.fields:
        case (
            "extension_requested",
            {"extension_id": str(name), "clock": str(clock), "asked_by": by, **said},
        ) if until := instant_of(said.get("until"), zone):
            return RequestExtension(fact.at, name, clock, until, str(by))
        case (
            "extension_approved",
            {"extension_id": str(name), "role": str(role), "approved_by": by},
        ) if role in _ROLES:
            return ApproveExtension(fact.at, name, str(by), Role(role))
        case (
            "extension_refused",
            {"extension_id": str(name), "role": str(role), "refused_by": by},
        ) if role in _ROLES:
            return RefuseExtension(fact.at, name, str(by), Role(role))
        case _:
            return None


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
