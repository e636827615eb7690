"""What every route of intake works with."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import Depends, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_eventstore.execute import Cause, Executor, To
from steward_eventstore.port import Clock
from steward_intake.application.desk import Desk
from steward_intake.application.ports import KeyRing, Registers, Row
from steward_service.auth import Principal
from steward_service.problems import not_found

TRIES = 5
"""So often it is looked anew, while others change it in between."""


class Intake(Protocol):
    """What the routes need of the service that serves them."""

    @property
    def executor(self) -> Executor: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def registers(self) -> Registers: ...

    @property
    def sealer(self) -> KeyRing: ...


def _intake(request: Request) -> Intake:
    service: Intake = request.app.state.service
    return service


Served = Annotated[Intake, Depends(_intake)]


def open_desk(service: Intake) -> Desk:
    """Open a desk for one request or message."""
    return Desk(service.registers, service.sealer, service.clock)


async def case_of(service: Intake, principal: Principal, case_id: str) -> Row:
    row = (await service.registers.entries("cases", [case_id])).get(case_id)
    if row is None or not principal.may(row["project_id"]):
        raise not_found("case of this ID")
    return row


async def as_it_stands(
    work: Callable[[], Awaitable[Response]], expected: int | None = None
) -> Response:
    """Do it for what stands when it is done: look anew if others changed it.

    Whoever named the version that they saw looks anew themselves.
    """
    for _ in range(TRIES - 1 if expected is None else 0):
        try:
            return await work()
        except Refused as refused:
            if refused.code != "precondition":
                raise
    return await work()


def cause_of(request: Request, history: datetime | None = None) -> Cause:
    return Cause(
        id=uuid7(),
        consumer="http" if history is None else "import",
        correlation_id=getattr(request.state, "correlation_id", ""),
        history=history,
        # A record is committed whole, so that its stream is live again when anybody sees it.
        ends_history=history is not None,
    )


def always(commands: list[To]) -> Callable[[], list[To]]:
    return lambda: commands
