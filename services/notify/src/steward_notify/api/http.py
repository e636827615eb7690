"""Messages over HTTP: the list for readers, who is told now, and the door for receipts."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Literal, assert_never

from fastapi import APIRouter, Depends, Request
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from steward_events.vocabulary import Id, Role
from steward_eventstore.execute import Cause, Job, NotDone
from steward_notify.application.ports import Directory, MessageList, Receipt, Row
from steward_notify.application.reactions import to_message
from steward_notify.application.recipients import Found, Nobody, reached
from steward_notify.domain.message import Channel, NoteReceipt
from steward_service.auth import Principal, anyone, require
from steward_service.lists import Limit, Page, cursor_of, page_of
from steward_service.problems import Problem, not_found

Status = Literal["owed", "sending", "sent", "delivered", "failed", "unknown", "suppressed"]
Reader = Annotated[Principal, Depends(require("message.read"))]
RegistryReader = Annotated[Principal, Depends(require("registry.read"))]

TAKEN_AT_ONCE = 500
"""What receipts tell of so many messages is stored together."""


class Messages(Page):
    """A page of messages, and how many there are on all pages by channel and status."""

    counts: dict[str, dict[str, int]]


def router(
    messages: Callable[[], MessageList],
    directory: Callable[[], Directory],
    read_receipts: Callable[[bytes], Sequence[Receipt]],
    receipts_token: SecretStr,
    taken: Mapping[str, object],
) -> APIRouter:
    """Give the routes; `read_receipts` raises ValueError with a sentence, `taken` is the answer."""
    routes = APIRouter(prefix="/v1", tags=["messages"])

    @routes.get("/messages")
    async def listed(
        principal: Reader,
        project_id: Id | None = None,
        case_id: Id | None = None,
        status: Status | None = None,
        channel: Channel | None = None,
        since: str | None = None,
        limit: Limit = 100,
    ) -> Messages:
        """List messages in the order of their last change; go on with `next` as `since`."""
        projects = principal.listed(project_id)
        said = {"case_id": case_id, "status": status, "channel": channel}
        filters = {name: str(value) for name, value in said.items() if value is not None}
        rows = await messages().listed(projects, filters, cursor_of(since), limit)
        page = page_of(rows, "message_id", since, limit, _shown)
        return Messages(**dict(page), counts=await messages().counts(projects, filters))

    @routes.get("/on-duty")
    async def on_duty(
        request: Request, principal: RegistryReader, project_id: Id, channel: Channel = "sms"
    ) -> dict[str, Any]:
        """Say for each role who is told now: holder, who is on duty, delegate, or who is above."""
        principal.demand(project_id)
        now = request.app.state.service.clock.now()
        found = await reached(directory(), project_id, channel, now)
        return {"items": [_told(role, who) for role, who in found.items()]}

    @routes.post("/receipts/aliyun/{token}", dependencies=[anyone], include_in_schema=False)
    async def receipts(request: Request, token: str) -> dict[str, object]:
        """Take receipts; the provider knows no key of ours, so a secret stands in the address."""
        if not hmac.compare_digest(token.encode(), receipts_token.get_secret_value().encode()):
            raise not_found("such address")
        try:
            said = [
                receipt for receipt in read_receipts(await request.body()) if receipt.message_id
            ]
        except ValueError as error:
            raise Problem(422, "receipts", str(error)) from None
        await _take(request, messages(), said)
        return dict(taken)

    return routes


async def _take(request: Request, messages: MessageList, receipts: Sequence[Receipt]) -> None:
    service = request.app.state.service
    at = service.clock.now()
    # A receipt may stand in a body thousands of times, and be of hundreds of messages.
    distinct = dict.fromkeys(
        (str(one.message_id), NoteReceipt(at, one.provider_id, one.delivered, one.code))
        for one in receipts
    )
    sent = await messages.sent_as(list({id_ for id_, _ in distinct}))
    jobs = (
        _job(message_id, project_id, command)
        for id_, command in distinct
        for message_id, project_id in sent.get(id_, {}).items()
    )
    while batch := list(islice(jobs, TAKEN_AT_ONCE)):
        for outcome in await service.executor.execute_batch(batch):
            if isinstance(outcome, NotDone):
                raise outcome.error


def _job(message_id: str, project_id: str, command: NoteReceipt) -> Job:
    to = to_message(message_id, project_id, command)
    return Job(Cause(uuid7(), "receipts"), lambda: [to])


def _told(role: Role, who: Found | Nobody) -> dict[str, Any]:
    match who:
        case Found(person=person):
            said = {"person_id": person.person_id, "as": who.role, "standing_in": who.standing_in}
        case Nobody():
            said = {"person_id": None, "as": None, "standing_in": None}
        case _:
            assert_never(who)
    return {"role": role, **said, "passed_over": list(who.passed_over)}


def _shown(row: Row) -> dict[str, Any]:
    hidden = {"content", "correlation_id", "address"}
    return {name: value for name, value in row.items() if name not in hidden}
