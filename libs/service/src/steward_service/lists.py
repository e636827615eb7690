"""Lists that grow: read in the order of last changes, page by page, each from where the last ended."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from steward_service.problems import MONTH, Problem

Limit = Annotated[int, Field(ge=1, le=500)]
"""How many rows a page has at most."""

Month = Annotated[str, Field(pattern=MONTH)]
"""A month of the project's zone, as `2026-10`, of the years that an instant may be of."""


class Page(BaseModel):
    """What every list answers: rows, and the `since` with which to go on; `more` says whether now."""

    items: list[dict[str, Any]]
    next: str | None
    more: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list: what comes after it is asked for. As text it is nobody's business."""

    changed_at: datetime
    id: str

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """Read what a list gave; raises ValueError for anything else."""
        place, _, id_ = urlsafe_b64decode(text).decode().partition("|")
        changed_at = datetime.fromisoformat(place)
        if changed_at.tzinfo is None or "\0" in id_:
            raise ValueError("No list gives such a place.")
        return cls(changed_at.astimezone(UTC), id_)

    def __str__(self) -> str:
        """Write it for the next request."""
        place = f"{self.changed_at.isoformat()}|{self.id}"
        return urlsafe_b64encode(place.encode()).decode()


def cursor_of(since: str | None) -> Cursor | None:
    """Read the parameter `since`, empty at the beginning; raises a 400 problem for what no list gave."""
    try:
        return Cursor.read(since) if since else None
    except (ValueError, OverflowError):
        raise foreign_cursor() from None


def foreign_cursor() -> Problem:
    """Say that `since` comes from elsewhere."""
    return Problem(400, "since", "The cursor “since” is not one that this list gave.")


def page_of(
    rows: Sequence[Mapping[str, Any]],
    id_: str,
    since: str | None,
    limit: int,
    shown: Callable[[Mapping[str, Any]], dict[str, Any]] = dict,
) -> Page:
    """Give the answer of a list; `since` and `limit` are what was asked, `shown` shows a row.

    `id_` names the column that tells rows apart, or several with bars between. An empty page goes
    on from where it was asked for.
    """
    after = since
    if rows:
        named = "|".join(str(rows[-1][name]) for name in id_.split("|"))
        after = str(Cursor(rows[-1]["changed_at"], named))
    return Page(items=[shown(row) for row in rows], next=after, more=len(rows) == limit)
