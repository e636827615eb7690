"""What a service has told of a case, for readers: each fact with its rules, what is sealed named."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_events.vocabulary import Id
from steward_eventstore.port import EventStore
from steward_service.auth import Principal, require
from steward_service.problems import not_found


def router(
    permission: str, streams_of: Callable[[str], Awaitable[Sequence[str]]], tag: str
) -> APIRouter:
    """Give the route; `streams_of` names the service's streams in which a case is told of."""
    routes = APIRouter(prefix="/v1")
    guard = require(permission)

    @routes.get("/cases/{case_id}/facts", tags=[tag])
    async def facts(
        request: Request, principal: Annotated[Principal, Depends(guard)], case_id: Id
    ) -> dict[str, Any]:
        """Show what this service has told of a case, the newest last; what is sealed is only named."""
        store: EventStore = request.app.state.service.executor.store
        facts = await store.facts_of(*await streams_of(case_id))
        told = [fact for fact in facts if principal.may(fact.key)]
        if not told:
            raise not_found("case of this ID")
        told.sort(key=lambda fact: (fact.recorded_at, fact.stream, fact.version))
        return {"facts": [told_of(fact) for fact in told]}

    return routes


def told_of(recorded: Recorded, gone: Collection[str] = ()) -> dict[str, Any]:
    """Give a fact for a reader; `gone` names subjects that were erased."""
    fact = recorded.fact
    data = fact.model_dump(mode="json") if fact else {}
    data |= {name: said for name, value in fact or () if (said := _unread(value, gone))}
    return {
        "id": str(recorded.id),
        "type": recorded.type,
        "version": recorded.version,
        "occurred_at": recorded.occurred_at.isoformat(),
        "recorded_at": recorded.recorded_at.isoformat(),
        "known_at": recorded.known_at.isoformat(),
        "history": recorded.history.isoformat() if recorded.history else None,
        "rules": list(dict.fromkeys(fact.carries_out)) if fact else [],
        "data": data,
    }


def named(sealed: Sealed, gone: Collection[str] = ()) -> dict[str, bool]:
    """Say of a sealed value that it is one, or that it was erased."""
    return {"erased": True} if sealed.subject in gone else {"sealed": True}


def _unread(value: object, gone: Collection[str]) -> dict[str, Any]:
    """Name what is sealed, or each of several such values; nothing for what is not."""
    match value:
        case Sealed():
            return named(value, gone)
        case dict():
            return {
                name: named(each, gone) for name, each in value.items() if isinstance(each, Sealed)
            }
        case _:
            return {}
