"""New York City's 311 requests of one day: its housing (HPD) and water (DEP) complaints.

A project is a community board, a household an address. What the file does not say is decided by
the rules below, the same for every row:

* All times are New York's. Most rows carry dates only (both times 00:00:00). Such an opening is put
  between 08:00 and 20:00 of its day, at a second given by the SHA-256 of its key, or before the
  exact closing that lies before that. Such a closing is put into the same hours of its day, by
  another digest, and after the opening. Exact times stay as they are, so that nothing closes before
  it was opened. The case is marked `date_only`.
* Every row is a valid complaint; `SEVERITIES` says how weighty.
* What closes within 48 hours of the day's beginning is played live. What closes later is history:
  imported, once the clock stands past it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from steward_stack.imports.files import NotThisFormat, rows_of, slug
from steward_stack.scenario import Scenario, Ticketed

ZONE = ZoneInfo("America/New_York")
SOURCE = "urn:nyc:311"
GROUP = "nyc"
AGENCIES = ("HPD", "DEP")
LIVE = timedelta(hours=48)

SEVERITIES = {
    "HEATING": "important",
    "ELECTRIC": "important",
    "PLUMBING": "important",
    "Sewer": "important",
    "Hazardous Materials": "important",
}
"""By complaint type: no heat in December, no power, no water or sewage; all else is minor."""

COLUMNS = (
    *("Unique Key", "Created Date", "Closed Date", "Agency", "Complaint Type", "Descriptor"),
    *("Incident Zip", "Incident Address", "Intersection Street 1", "Intersection Street 2"),
    *("Community Board", "Borough"),
)

_STAFF = {
    "frontline": "clerk",
    "cs_supervisor": "supervisor",
    "engineering_supervisor": "engineer",
    "centre_manager": "manager",
    "company_leader": "leader",
    "general_manager": "director",
}
_GROUP_WIDE = {"company_leader", "general_manager"}
_FORMAT = "%m/%d/%Y %I:%M:%S %p"
_MORNING, _EVENING = 8, 20


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    opened: datetime
    closed: datetime | None
    date_only: bool
    kind: str
    descriptor: str
    board: str
    address: str

    @property
    def project(self) -> str:
        return f"nyc-{slug(self.board)}"

    @property
    def household(self) -> str:
        digest = hashlib.sha256(f"{self.board}|{self.address}".encode()).hexdigest()
        return f"{self.project}-{digest[:10]}"


@dataclass(slots=True)
class Nyc311:
    """One file, read and ready to be played."""

    rows_read: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    """Rows that cannot be used: line, key and reason."""
    _rows: list[_Row] = field(default_factory=list)

    @property
    def start(self) -> datetime:
        """The beginning of the first day."""
        first = min((row.opened for row in self._rows), default=None)
        if first is None:
            raise NotThisFormat("The file holds no request of HPD or DEP.")
        return _midnight(first)

    @property
    def live_end(self) -> datetime:
        """Until when everything is played as it happens."""
        return self.start + LIVE

    @property
    def end(self) -> datetime:
        """An instant past the last closing: where the clock stands when the rest is imported."""
        last = max((row.closed for row in self._rows if row.closed is not None), default=self.start)
        return max(last, self.live_end) + timedelta(minutes=1)

    @property
    def counts(self) -> dict[str, int]:
        """What became of the rows."""
        closed = [row.closed for row in self._rows if row.closed is not None]
        return {
            "rows_read": self.rows_read,
            "selected": len(self._rows),
            "rejected": len(self.rejected),
            "closed": len(closed),
            "open": len(self._rows) - len(closed),
            "closed_live": sum(at < self.live_end for at in closed),
            "closed_later": sum(at >= self.live_end for at in closed),
            "date_only": sum(row.date_only for row in self._rows),
            "projects": len({row.project for row in self._rows}),
            "households": len({row.household for row in self._rows}),
        }

    def registers(self) -> Iterator[dict[str, Any]]:
        """Give lines for `POST /v1/registers`; the people are Steward's own, 311 names none."""
        at = (self.start - timedelta(days=7)).isoformat()
        yield {"type": "group", "group_id": GROUP, "name": "NYC 311", "occurred_at": at}
        boards = {row.project: row.board for row in self._rows}
        people: dict[str, int] = {}
        for project in sorted(boards):
            yield {
                "type": "project",
                "project_id": project,
                "group_id": GROUP,
                "name": boards[project].title(),
                "zone": ZONE.key,
                "occurred_at": at,
            }
            for role, title in _STAFF.items():
                person = f"nyc-{title}" if role in _GROUP_WIDE else f"{project}-{title}"
                if person not in people:
                    people[person] = len(people) + 1
                    yield {
                        "type": "staff",
                        "person_id": person,
                        "group_id": GROUP,
                        "name": person.replace("-", " ").title(),
                        "phone": f"1880{people[person] * 10 + 9:07d}",
                        "email": f"{person}@example.com",
                        "language": "en",
                        "occurred_at": at,
                    }
                yield {
                    "type": "role",
                    "project_id": project,
                    "role": role,
                    "person_id": person,
                    "occurred_at": at,
                }
        homes = {row.household: (row.project, row.address) for row in self._rows}
        for household, (project, address) in sorted(homes.items()):
            yield {
                "type": "household",
                "household_id": household,
                "project_id": project,
                "address": address,
                "occurred_at": at,
            }

    def live(self) -> Iterator[Ticketed]:
        """Give the openings, and the closings of the first 48 hours, in order of time."""
        events: list[Ticketed] = []
        for row in self._rows:
            events.append(_event(row, row.opened, "opened", _opened(row)))
            if row.closed is not None and row.closed < self.live_end:
                place = {"project_id": row.project, "household_id": row.household}
                events.append(_event(row, row.closed, "closed", place))
        yield from sorted(events, key=lambda step: (step.at, step.event["id"]))

    def past(self) -> Iterator[dict[str, Any]]:
        """Give every request as a whole record for `POST /v1/imports`: nothing of it is live."""
        for row in sorted(self._rows, key=lambda row: (row.opened, row.key)):
            data = _opened(row)
            at = row.opened.isoformat()
            received = {k: v for k, v in data.items() if k not in ("severity", "validity")}
            classified = {"severity": data["severity"], "validity": data["validity"]}
            facts = [
                {"type": "case_received", "occurred_at": at, **received},
                {"type": "case_classified", "occurred_at": at, **classified},
            ]
            if row.closed is not None:
                closed = row.closed.isoformat()
                facts.append({"type": "case_handled", "occurred_at": closed})
                facts.append({"type": "case_closed", "occurred_at": closed})
            yield {
                "id": f"{row.key}-past",
                "project_id": row.project,
                "external": {"source": SOURCE, "subject": row.key},
                "history_until": (self.end - timedelta(seconds=30)).isoformat(),
                "facts": facts,
            }

    def later(self) -> Iterator[dict[str, Any]]:
        """Give the later closings as records for `POST /v1/imports`; their cases are there."""
        until = (self.end - timedelta(seconds=30)).isoformat()
        later = (row for row in self._rows if row.closed and row.closed >= self.live_end)
        for row in sorted(later, key=lambda row: (row.closed or row.opened, row.key)):
            assert row.closed is not None  # noqa: S101 - chosen above
            at = row.closed.isoformat()
            yield {
                "id": f"{row.key}-closed",
                "project_id": row.project,
                "external": {"source": SOURCE, "subject": row.key},
                "history_until": until,
                "facts": [
                    {"type": "case_handled", "occurred_at": at},
                    {"type": "case_closed", "occurred_at": at},
                ],
            }


def read(path: Path) -> Nyc311:
    """Read a file, plain or gzipped; raises `NotThisFormat` for one that is no 311 file.

    Rows that cannot be used are listed in `rejected`; none is passed over in silence.
    """
    found = Nyc311()
    seen: set[str] = set()
    for line, row in rows_of(path, COLUMNS, "311 file"):
        found.rows_read += 1
        if row["Agency"] in AGENCIES:
            _take(found, row, line, seen)
    return found


def scenario(file: Path) -> Scenario:
    """Make a play of a file: two days live, then the later closings as history."""
    found = read(file)
    console = Console(stderr=True)
    for bad in found.rejected:
        console.print(f"{file.name}, line {bad['line']}: {bad['reason']}", soft_wrap=True)
    return Scenario(
        name=f"nyc311-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}",
        begins=found.start,
        ends=found.live_end,
        registers=list(found.registers()),
        history=(),
        live=list(found.live()),
        zone=ZONE.key,
        afterwards=list(found.later()),
        closes_at=found.end,
        figures=found.counts,
    )


def _take(found: Nyc311, row: Mapping[str, str], line: int, seen: set[str]) -> None:
    key = row["Unique Key"] or ""
    try:
        if not re.fullmatch(r"[0-9]{1,20}", key):
            raise ValueError("it has no usable Unique Key")
        if key in seen:
            raise ValueError("its Unique Key stands in the file twice")
        made = _row(key, row)
    except ValueError as error:
        found.rejected.append({"line": line, "key": key[:40], "reason": f"{error}."})
        return
    seen.add(key)
    found._rows.append(made)


def _row(key: str, row: Mapping[str, str]) -> _Row:
    opened = _instant(row["Created Date"], "Created Date")
    closed = _instant(row["Closed Date"], "Closed Date") if row["Closed Date"] else None
    if closed is not None and closed < (_midnight(opened) if _is_date(closed) else opened):
        raise ValueError("it was closed before it was created")
    board = " ".join((row["Community Board"] or row["Borough"]).split())
    if not board:
        raise ValueError("it has neither community board nor borough")
    date_only = _is_date(opened) or (closed is not None and _is_date(closed))
    if _is_date(opened):
        exact = closed if closed is not None and not _is_date(closed) else None
        opened = _opening(key, opened, exact)
    if closed is not None and _is_date(closed):
        closed = _closing(key, closed, opened)
    return _Row(
        key,
        opened,
        closed,
        date_only,
        " ".join(row["Complaint Type"].split()),
        " ".join(row["Descriptor"].split()),
        board,
        _address(row),
    )


def _instant(text: str, column: str) -> datetime:
    try:
        # Of the hour that comes twice in autumn the first is taken.
        return datetime.strptime(text, _FORMAT).replace(tzinfo=ZONE)
    except ValueError:
        raise ValueError(f"its {column} is not a time like 12/25/2013 11:59:08 PM") from None


def _is_date(at: datetime) -> bool:
    return at == _midnight(at)


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0)


def _opening(key: str, day: datetime, closed: datetime | None) -> datetime:
    """Put a date's opening into the hours of its day, or before its exact closing."""
    morning = day.replace(hour=_MORNING)
    opened = _spread(key, "created", morning, day.replace(hour=_EVENING))
    if closed is None or opened <= closed:
        return opened
    return _spread(key, "created", morning if morning < closed else day, closed)


def _closing(key: str, day: datetime, opened: datetime) -> datetime:
    """Put a date's closing into the hours of its day that lie after the opening."""
    earliest, evening = max(day.replace(hour=_MORNING), opened), day.replace(hour=_EVENING)
    latest = evening if earliest < evening else day + timedelta(days=1)
    return _spread(key, "closed", earliest, latest)


def _spread(key: str, what: str, earliest: datetime, latest: datetime) -> datetime:
    """Give a second from `earliest` to before `latest`, by the key's digest."""
    seconds = int((latest - earliest).total_seconds())
    digest = hashlib.sha256(f"{what}|{key}".encode()).digest()
    return earliest + timedelta(seconds=int.from_bytes(digest[:8], "big") % seconds)


def _address(row: Mapping[str, str]) -> str:
    corner = [row["Intersection Street 1"], row["Intersection Street 2"]]
    where = row["Incident Address"] or " & ".join(sorted(filter(None, corner))) or "unknown"
    return " ".join(f"{where}, {row['Borough']} {row['Incident Zip']}".split())


def _opened(row: _Row) -> dict[str, Any]:
    return {
        "project_id": row.project,
        "household_id": row.household,
        "kind": "complaint",
        "severity": SEVERITIES.get(row.kind, "minor"),
        "validity": "valid",
        "channel": "authority_hotline",
        "topic": row.kind,
        "summary": f"{row.kind}: {row.descriptor}",
        "date_only": row.date_only,
    }


def _event(row: _Row, at: datetime, what: str, data: Mapping[str, Any]) -> Ticketed:
    event = {
        "specversion": "1.0",
        "id": f"{row.key}-{what}",
        "type": f"ticket.{what}.v1",
        "source": SOURCE,
        "subject": row.key,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }
    return Ticketed(at, row.project, event)
