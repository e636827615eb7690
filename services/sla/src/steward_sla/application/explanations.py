"""Why a clock is due when it is: each interval that counted or did not, by which calendar and rule."""

from datetime import datetime
from typing import Any

from steward_policy.catalogue import BY_ID
from steward_policy.explanation import BASIS, duration_in_words
from steward_policy.spans import WORDS, spans
from steward_sla.domain.clock import Clock
from steward_sla.domain.clocks import Clocks
from steward_sla.domain.timeline import Course


def explained(state: Clocks, now: datetime, only: str | None = None) -> list[dict[str, Any]]:
    """Explain the clocks of a case, or one of them."""
    if state.course is None:
        return []
    course = state.course
    return [_clock(clock, course, now) for clock in state.plan if only in (None, clock.id)]


def _clock(clock: Clock, course: Course, now: datetime) -> dict[str, Any]:
    timeline, zone, target = course.timeline_of(clock), course.zone, clock.target
    calendar = timeline.stages(clock)[-1].calendar
    until = min(at for at in (clock.due, clock.ended_at) if at is not None)
    parts = spans(clock.started_at, until, target.within, calendar, zone, clock.pauses)
    name = target.calendar or timeline.calendar
    asks = target.within is not None and target.within.asks_calendar
    if target.within is not None:
        said = duration_in_words(target.within, name)
    else:
        said = f"at the time in {target.due.field}" if target.due is not None else ""

    def at(instant: datetime | None) -> str | None:
        return None if instant is None else instant.astimezone(zone).isoformat()

    return {
        "clock": clock.id,
        "target": target.id,
        "policy": timeline.version,
        "rule": [
            {"id": rule, "zh": BY_ID[rule].original, "en": BY_ID[rule].reading}
            for rule in target.rule
            if rule in BY_ID
        ],
        "basis": target.basis,
        "basis_words": BASIS[target.basis],
        "limit": said,
        "calendar": {"name": name, "version": calendar.version, "asked": asks},
        "severity": clock.severity,
        "started_at": at(clock.started_at),
        "due": at(clock.due),
        "approved_due": at(clock.approved_due),
        "provisional": clock.provisional,
        "status": clock.status(now),
        "met_at": at(clock.met_at),
        "cancelled_by": clock.cancelled_by,
        "pause_reason": clock.pause_reason,
        "counted_seconds": sum(
            (span.end - span.start).total_seconds() for span in parts if span.counts
        ),
        "intervals": [
            {
                "from": at(span.start),
                "to": at(span.end),
                "counts": span.counts,
                "why": span.why,
                "zh": WORDS[span.why][0],
                "en": WORDS[span.why][1],
            }
            for span in parts
        ],
    }
