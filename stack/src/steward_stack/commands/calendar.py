"""`steward calendar`: working-time arithmetic in bulk, and what a calendar holds."""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from steward_policy.calendars import WEEKDAYS, Calendar, CalendarError, built_in, clock_face
from steward_stack.errors import StewardError
from steward_stack.jsonlines import answer_lines

app = typer.Typer(help="Working calendars and their arithmetic.", no_args_is_help=True)


@app.command(
    epilog="""Example: echo '{"id":"1","op":"next_open","calendar":"cn-office","input":{"at":"2026-10-01T10:00:00+08:00"}}' | steward calendar calc"""
)
def calc() -> None:
    """Answer questions about working time: JSON lines on standard input, a line for each.

    An op is add_working_days {date, n}, add_working_seconds {at, seconds}, working_days_between or
    working_seconds_between {from, to}, is_open, next_open, next_close or last_open {at}.
    """
    answer_lines(_calculated)


@app.command(epilog="Example: steward calendar show cn-office --year 2026")
def show(
    name: Annotated[str, typer.Argument(help="A built-in calendar.")] = "cn-office",
    *,
    year: Annotated[int | None, typer.Option(help="Only the days of this year.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone on standard output.")] = False,
) -> None:
    """Show a calendar: hours, holidays, make-up days and the years that are known."""
    try:
        calendar = built_in(name)
    except CalendarError as error:
        raise StewardError(str(error)) from error
    out = Console()
    if as_json:
        said = calendar.model_dump(mode="json")
        # A set's order is another one each time.
        out.print_json(data=said | {"holidays": sorted(said["holidays"])})
        return
    table = Table("day", "hours", box=None)
    for day in WEEKDAYS:
        spans = (f"{clock_face(a)}-{clock_face(b)}" for a, b in calendar.hours.get(day, ()))
        table.add_row(day, ", ".join(spans) or "closed")
    out.print(f"{calendar.name} {calendar.version} ({calendar.tz})", highlight=False)
    out.print(table)
    for label, days in (("holidays", calendar.holidays), ("make-up days", calendar.working_days)):
        shown = [day.isoformat() for day in sorted(days) if year in (None, day.year)]
        if shown:
            out.print(f"{label}: {', '.join(shown)}", soft_wrap=True, highlight=False)
    if calendar.known_years:
        years = calendar.known_years
        out.print(
            f"Published are {min(years)} to {max(years)}; what reaches further is provisional."
        )


def _calculated(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer one question; it is marked provisional where it touches an unpublished year."""
    op, given = asked.get("op"), asked.get("input")
    if not isinstance(op, str) or op not in _OPERATIONS:
        raise ValueError(f"The op {op!r} is unknown; known are {', '.join(_OPERATIONS)}.")
    if not isinstance(given, dict):
        raise ValueError("The line has no 'input', an object with what the op needs.")
    calendar = _calendar(asked.get("calendar"))
    wanted, calculate = _OPERATIONS[op]
    values = []
    for name, read in wanted.items():
        if name not in given:
            raise ValueError(f"The input has no {name!r}; {op} needs {' and '.join(wanted)}.")
        values.append(read(name, given[name]))
    result = calculate(calendar, *values)
    touched = [value for value in (*values, result) if isinstance(value, date)]
    provisional = calendar.is_provisional(min(touched), max(touched))
    return {"result": _as_json(result)} | ({"provisional": True} if provisional else {})


def _as_json(result: object) -> object:
    match result:
        case date():
            return result.isoformat()
        case float() if result.is_integer():
            return int(result)
        case _:
            return result


def _calendar(given: object) -> Calendar:
    if given is None or isinstance(given, str):
        return built_in("cn-office" if given is None else given)
    return _read_calendar(json.dumps(given, sort_keys=True))


@lru_cache(maxsize=256)
def _read_calendar(text: str) -> Calendar:
    return Calendar.from_dict(json.loads(text))


def _date(name: str, value: object) -> date:
    try:
        if not isinstance(value, str):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{name!r} must be a date such as 2026-10-01, not {value!r}.") from None


def _instant(name: str, value: object) -> datetime:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(
            f"{name!r} must be an instant with its offset, such as 2026-10-01T10:00:00+08:00,"
            f" not {value!r}."
        )
    return at


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name!r} must be a number, not {value!r}.")
    return value


def _whole(name: str, value: object) -> int:
    number = _number(name, value)
    if number != int(number):
        raise ValueError(f"{name!r} must be a whole number, not {value!r}.")
    return int(number)


_Read = Callable[[str, object], Any]
_OPERATIONS: Mapping[str, tuple[Mapping[str, _Read], Callable[..., object]]] = {
    "add_working_days": ({"date": _date, "n": _whole}, Calendar.add_working_days),
    "add_working_seconds": ({"at": _instant, "seconds": _number}, Calendar.add_working_seconds),
    "working_seconds_between": (
        {"from": _instant, "to": _instant},
        Calendar.working_seconds_between,
    ),
    "working_days_between": ({"from": _date, "to": _date}, Calendar.working_days_between),
    "is_open": ({"at": _instant}, Calendar.is_open),
    "next_open": ({"at": _instant}, Calendar.next_open),
    "next_close": ({"at": _instant}, Calendar.next_close),
    "last_open": ({"at": _instant}, Calendar.last_open),
}
