"""Lists that grow: read in the order of last changes, page by page, each from where the last ended."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steward_service.problems import Problem


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list: what comes after it is asked for. As text it is nobody's business."""

    changed_at: datetime
    id: str

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """Read what a list gave; raises ValueError for anything else."""
        changed_at, _, id_ = urlsafe_b64decode(text).decode().partition("|")
        return cls(datetime.fromisoformat(changed_at), id_)

    def __str__(self) -> str:
        """Write it for the next request."""
        place = f"{self.changed_at.isoformat()}|{self.id}"
        return urlsafe_b64encode(place.encode()).decode()


def cursor_of(since: str | None) -> Cursor | None:
    """Read the parameter `since`, empty at the beginning; raises a 400 problem for what no list gave."""
    try:
        return Cursor.read(since) if since else None
    except ValueError:
        raise foreign_cursor() from None


def foreign_cursor() -> Problem:
    """Say that `since` comes from elsewhere."""
    return Problem(400, "since", "The cursor “since” is not one that this list gave.")


def following(rows: Sequence[Mapping[str, Any]], id_: str, since: str | None) -> str | None:
    """Give the `since` with which to go on: after the last row, or where it was if there is none.

    `id_` names the column that tells rows apart, or several with bars between.
    """
    if not rows:
        return since
    named = "|".join(str(rows[-1][name]) for name in id_.split("|"))
    return str(Cursor(rows[-1]["changed_at"], named))
