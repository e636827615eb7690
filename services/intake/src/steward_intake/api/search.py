"""The archive: cases by what is known of them, and by words of what is sealed.

The index of sealed texts gives candidates, and only what is unsealed decides.
"""

from collections import defaultdict
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field, StringConstraints

from steward_events.sealed import Sealed
from steward_events.tickets import Name
from steward_events.vocabulary import Area, Kind, Moment, Word
from steward_intake.api.http import Intake
from steward_intake.api.lists import KEYS, shown
from steward_intake.api.reading import Status
from steward_intake.application.desk import invalid, unknown
from steward_intake.application.ports import NAMED, Row, SealedTexts, Sought
from steward_policy.catalogue import BY_ID
from steward_service.auth import Principal, require
from steward_service.lists import Limit, cursor_of, page_of
from steward_service.search_terms import LONGEST, plain

router = APIRouter()


class Searches(Intake, Protocol):
    """What the route needs of the service that serves it."""

    @property
    def sealed_texts(self) -> SealedTexts: ...


def _service(request: Request) -> Searches:
    service: Searches = request.app.state.service
    return service


class Search(BaseModel):
    """What is looked for: words, what is known of the case, or both.

    Words need a project, or for staff their group.
    """

    project_id: Name | None = None
    q: Annotated[Word, StringConstraints(min_length=2)] | None = None
    household_id: Name | None = None
    kind: Kind | None = None
    status: Status | None = None
    topic: Word | None = None
    owner_id: Name | None = None
    """Who is in charge of it."""
    incident_id: Name | None = None
    area: Area | None = None
    asset: Word | None = None
    rule: Word | None = None
    """A rule by which something was done, missed or owed in the case."""
    received_from: Annotated[Moment | None, Field(alias="from")] = None
    received_to: Annotated[Moment | None, Field(alias="to")] = None
    since: Annotated[str, StringConstraints(max_length=400, pattern=r"^[^\x00]*$")] = ""
    limit: Limit = 100

    @property
    def sought(self) -> Sought:
        """Give what is asked of cases."""
        names = {"household_id", "kind", "status", "topic", "owner_id", "incident_id"}
        names |= {"area", "asset"}
        columns = self.model_dump(mode="json", include=names, exclude_none=True)
        return Sought(columns, self.received_from, self.received_to, self.rule)


class Found(BaseModel):
    """Where it stands, never what: the kind of thing, its ID, and the field that has the words.

    Of a case also how it stands. `next` is the next `since`.
    """

    items: list[dict[str, Any]]
    next: str | None
    more: bool


@router.get("/v1/search")
async def get_search(
    principal: Annotated[Principal, Depends(require("case.read"))],
    service: Annotated[Searches, Depends(_service)],
    asked: Annotated[Search, Query()],
) -> Found:
    """Find cases, open or ended, by what is known of them and by words; what was erased is not found.

    Words are looked for in the numbers, topics, places and assets of cases and in titles and causes
    of incidents, and by who may `case.search` also in what is sealed of cases, households, people
    and others.
    """
    if asked.rule is not None and asked.rule not in BY_ID:
        raise unknown(f"rule “{asked.rule}”")
    if asked.q is None:
        return await _by_what_is_known(principal, service, asked)
    if asked.project_id is None:
        raise invalid("Say by project_id where to search for words.")
    principal.demand(asked.project_id)
    if len(plain(asked.q)) < 2:
        raise invalid("Search for two letters or digits at least.")
    return await _by_words(principal, service, asked.project_id, asked.q, asked)


async def _by_what_is_known(principal: Principal, service: Searches, asked: Search) -> Found:
    """Give cases in the order of their last change, as lists do."""
    projects = principal.listed(asked.project_id)
    since = cursor_of(asked.since)
    rows = await service.registers.archived(projects, asked.sought, since, asked.limit)
    page = page_of(rows, KEYS["cases"], asked.since, asked.limit, _case)
    return Found(items=page.items, next=page.next, more=page.more)


async def _by_words(
    principal: Principal, service: Searches, project_id: str, words: str, asked: Search
) -> Found:
    """Give what has the words in the order of its streams."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    sealed: defaultdict[str, list[Row]] = defaultdict(list)
    page = (asked.limit, asked.since)
    for row in await service.registers.named(project_id, words, asked.sought, *page):
        [field, *_] = [name for name in NAMED if _has(row[name], words)] or ["topic"]
        found[f"case-{row['case_id']}"].append(field)
    if not asked.sought:
        for row in await service.registers.named_incidents(project_id, words, *page):
            stream = f"incident-{row['incident_id']}"
            found[stream].append("title" if _has(row["title"], words) else "cause")
    if principal.can("case.search"):
        for row in await service.sealed_texts.find(project_id, words, *page, asked.sought):
            sealed[row["stream_id"]].append(row)
    streams = sorted({*found, *sealed})[: asked.limit]
    for stream in streams:
        for row in sealed[stream]:
            text = await service.sealer.unseal(Sealed.model_validate_json(row["sealed"]))
            if isinstance(text, str) and _has(text, words):
                found[stream].append(row["field"])
    cases = await service.registers.entries(
        "cases", [stream.removeprefix("case-") for stream in streams if stream.startswith("case-")]
    )
    items: list[dict[str, Any]] = []
    for stream in streams:
        kind, _, id_ = stream.partition("-")
        hit = _case(cases[id_]) if kind == "case" else {"kind": kind, "id": id_}
        items += [hit | {"field": field} for field in found[stream]]
    return Found(
        items=items,
        next=streams[-1] if streams else asked.since,
        more=len(streams) == asked.limit,
    )


def _has(text: str, words: str) -> bool:
    return plain(words) in plain(text)[:LONGEST]


def _case(row: Row) -> dict[str, Any]:
    return {"kind": "case", "id": row["case_id"], "field": None, "case": shown(row)}
