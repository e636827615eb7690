"""A ServiceNow incident log: one row for each state that an incident was saved in.

A project is a location, a household a caller at a location, a case an incident. What the log does
not say outright is decided by the rules below, the same for every incident:

* Times are day/month/year in the zone that whoever imports names. Rows are taken in order of
  (time, number, `sys_mod_count`). Refused are a row of an unknown state, one that was saved before
  its incident was opened, and one that is open again though its `reopen_count` did not go up.
* `resolved_at` and `closed_at` stand on every row, long before they came true, and `made_sla` only
  changes at the closing: none of them is read. A row's own time says when its state began.
* Priority 1 is major, 2 important, 3 and 4 minor. Every incident is a valid complaint. A change of
  priority that was confirmed is a new fact, any other a correction.
* «Resolved» is handled. A `reopen_count` that goes up reopens. «Awaiting User Info» waits for the
  owner, for the seven days that a case may wait at most; the other «Awaiting …» stop no clock.
* The past ends with the day on which the log does, unless whoever imports names a later instant.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from steward_stack.imports.files import NotThisFormat, rows_of, slug

SOURCE = "urn:servicenow"
GROUP = "servicenow"
LONGEST_WAIT = timedelta(days=7)

SEVERITIES = {"1": "major", "2": "important", "3": "minor", "4": "minor"}
CHANNELS = {
    "Phone": "phone",
    "Self service": "app",
    "Email": "email",
    "IVR": "hotline",
    "Direct opening": "counter",
}
WAITING, RESOLVED, CLOSED = "Awaiting User Info", "Resolved", "Closed"
STATES = (
    *("New", "Active", WAITING, "Awaiting Vendor", "Awaiting Problem", "Awaiting Evidence"),
    *(RESOLVED, CLOSED),
)

COLUMNS = (
    *("number", "incident_state", "reopen_count", "sys_mod_count", "caller_id", "opened_at"),
    *("sys_updated_at", "contact_type", "location", "category", "subcategory", "u_symptom"),
    *("priority", "assigned_to", "u_priority_confirmation"),
)

_STAFF = {
    "cs_supervisor": "supervisor",
    "centre_manager": "manager",
    "company_leader": "leader",
    "general_manager": "director",
}
_UNKNOWN = "?"
_FORMAT = "%d/%m/%Y %H:%M"


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    number: str
    at: datetime
    count: int
    reopened: int
    state: str
    severity: str
    confirmed: bool
    assigned: str
    opened: datetime
    said: Mapping[str, str]

    @property
    def is_done(self) -> bool:
        """Whether the incident was solved."""
        return self.state in (RESOLVED, CLOSED)


@dataclass(slots=True)
class ServiceNow:
    """One log, read and ready to be imported."""

    zone: ZoneInfo
    rows_read: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    """Rows that cannot be used: line, number and reason."""
    incidents: dict[str, list[_Row]] = field(default_factory=dict)
    """By number, in order of time."""

    @property
    def last(self) -> datetime:
        """Give the instant of the last row."""
        return max(rows[-1].at for rows in self.incidents.values())

    @property
    def counts(self) -> dict[str, Any]:
        """What became of the rows."""
        lasts = [rows[-1] for rows in self.incidents.values()]
        return {
            "rows_read": self.rows_read,
            "cases": len(self.incidents),
            "closed": sum(row.state == CLOSED for row in lasts),
            "cases_reopened": sum(row.reopened > 0 for row in lasts),
            "projects": len({_project(rows[0]) for rows in self.incidents.values()}),
            "rows_refused": self.refused,
        }

    def registers(self) -> Iterator[dict[str, Any]]:
        """Give lines for `POST /v1/registers`; whoever answers for a location is Steward's own."""
        yield {"type": "group", "group_id": GROUP, "name": "ServiceNow"}
        for title in _STAFF.values():
            yield {
                "type": "staff",
                "person_id": f"{GROUP}-{title}",
                "group_id": GROUP,
                "name": f"{title.title()} of {GROUP}",
                "email": f"{GROUP}-{title}@example.com",
                "language": "en",
            }
        homes: set[tuple[str, str]] = set()
        projects: dict[str, str] = {}
        for rows in self.incidents.values():
            first = rows[0]
            projects[_project(first)] = first.said["location"]
            if (home := _household(first)) is not None:
                homes.add((home, _project(first)))
        for project, name in sorted(projects.items()):
            yield {
                "type": "project",
                "project_id": project,
                "group_id": GROUP,
                "name": "unknown location" if name == _UNKNOWN else name,
                "zone": self.zone.key,
            }
            for role, title in _STAFF.items():
                yield {
                    "type": "role",
                    "project_id": project,
                    "role": role,
                    "person_id": f"{GROUP}-{title}",
                }
        for household, project in sorted(homes):
            yield {"type": "household", "household_id": household, "project_id": project}

    def records(self, until: datetime) -> Iterator[dict[str, Any]]:
        """Give every incident as a record for `POST /v1/imports`; its past ends at `until`."""
        for number, rows in sorted(self.incidents.items()):
            yield {
                "id": number,
                "project_id": _project(rows[0]),
                "external": {"source": SOURCE, "subject": number},
                "history_until": until.isoformat(),
                "facts": list(_facts(rows)),
            }


def read(path: Path, zone: ZoneInfo) -> ServiceNow:
    """Read a log, plain or gzipped; raises `NotThisFormat` for a file that is none.

    Rows that cannot be used are listed in `refused`; none is passed over in silence.
    """
    found = ServiceNow(zone)
    rows: list[_Row] = []
    for line, said in rows_of(path, COLUMNS, "incident log"):
        found.rows_read += 1
        try:
            rows.append(_row(said, line, zone))
        except ValueError as error:
            found.refused.append(_refusal(line, said["number"], str(error)))
    rows.sort(key=lambda row: (row.at, row.number, row.count))
    for row in rows:
        before = found.incidents.setdefault(row.number, [])
        if row.at < row.opened:
            reason = "it was saved before its incident was opened"
        elif (
            before
            and before[-1].is_done
            and not row.is_done
            and row.reopened == before[-1].reopened
        ):
            reason = "it is open again though nobody reopened it"
        else:
            before.append(row)
            continue
        found.refused.append(_refusal(row.line, row.number, reason))
    found.refused.sort(key=lambda bad: int(bad["line"]))
    if not found.incidents:
        raise NotThisFormat(f"{path.name} holds no incident.")
    return found


def _refusal(line: int, number: str | None, reason: str) -> dict[str, Any]:
    return {"line": line, "number": (number or "")[:40], "reason": f"{reason}."}


def _row(said: Mapping[str, str], line: int, zone: ZoneInfo) -> _Row:
    if None in said.values():
        raise ValueError("it has too few columns")
    number = said["number"]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", number):
        raise ValueError("it has no usable number")
    severity = SEVERITIES.get(said["priority"][:1])
    if severity is None:
        raise ValueError(f"its priority is unknown: {said['priority'][:40]}")
    if said["incident_state"] not in STATES:
        raise ValueError(f"its incident_state is unknown: {said['incident_state'][:40]}")
    return _Row(
        line,
        number,
        _instant(said, "sys_updated_at", zone),
        _count(said, "sys_mod_count"),
        _count(said, "reopen_count"),
        said["incident_state"],
        severity,
        said["u_priority_confirmation"] == "true",
        said["assigned_to"],
        _instant(said, "opened_at", zone),
        {name: said[name] for name in _KEPT},
    )


_KEPT = ("caller_id", "contact_type", "location", "category", "subcategory", "u_symptom")


def _count(said: Mapping[str, str], column: str) -> int:
    text = said[column]
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"its {column} is not a number")
    return int(text)


def _instant(said: Mapping[str, str], column: str, zone: ZoneInfo) -> datetime:
    try:
        # Of the hour that comes twice in autumn the first is taken.
        return datetime.strptime(said[column], _FORMAT).replace(tzinfo=zone)
    except ValueError:
        raise ValueError(f"its {column} is not a time like 29/2/2016 01:16") from None


def _project(row: _Row) -> str:
    return f"sn-{slug(row.said['location'])}"


def _household(row: _Row) -> str | None:
    caller = row.said["caller_id"]
    return None if caller == _UNKNOWN else f"{_project(row)}-{slug(caller)}"


def _facts(rows: Sequence[_Row]) -> Iterator[dict[str, Any]]:
    """Tell an incident's rows as what happened between them."""
    first = rows[0]
    yield _received(first)
    before: _Row | None = None
    state = "open"
    for row in rows:
        at = {"occurred_at": row.at.isoformat()}
        if before is None or row.severity != before.severity:
            cause = {"cause": "new_facts"} if before is not None and row.confirmed else {}
            said = {"validity": "valid", "severity": row.severity, **cause}
            yield {"type": "case_classified", **at, **said}
        if row.assigned not in (_UNKNOWN, before.assigned if before is not None else ""):
            yield {"type": "case_assigned", **at, "person_id": f"sn-{slug(row.assigned)}"}
        if before is not None and row.reopened > before.reopened and state != "open":
            yield {"type": "case_reopened", **at}
            state = "open"
        if state == "waiting" and row.state != WAITING:
            yield {"type": "case_resumed", **at}
            state = "open"
        if state == "open":
            if row.state == WAITING:
                resume_on = (row.at.astimezone(UTC) + LONGEST_WAIT).isoformat()
                yield {"type": "case_paused", **at, "resume_on": resume_on}
                state = "waiting"
            elif row.is_done:
                yield {"type": "case_handled", **at}
                state = "handled"
        if row.state == CLOSED and state != "closed":
            yield {"type": "case_closed", **at}
            state = "closed"
        before = row


def _received(row: _Row) -> dict[str, Any]:
    household = _household(row)
    said = row.said
    return {
        "type": "case_received",
        "occurred_at": row.opened.isoformat(),
        "project_id": _project(row),
        "kind": "complaint",
        "channel": CHANNELS.get(said["contact_type"], "system"),
        **({"household_id": household} if household is not None else {}),
        "topic": said["category"],
        "summary": f"{said['subcategory']}, {said['u_symptom']}",
    }
