"""For commands that work on databases while their services are stopped."""

import os
from collections.abc import Sequence
from pathlib import Path

from steward_stack.errors import StewardError
from steward_stack.state import State
from steward_stack.supervisor import Endpoints, endpoints_of


def chosen(only: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    """Give what `--only` names, else all. Raises StewardError for what there is not."""
    for name in only:
        if name not in known:
            raise StewardError(f"There is no {name}; there are {', '.join(known)}.")
    return only or known


def servers_alone(state: Path) -> Endpoints:
    """Give where the servers are: those that are named, or the running ones of the stack.

    Raises StewardError when there are none, and when the stack's services run beside them.
    """
    kafka, postgres = os.environ.get("STEWARD_KAFKA"), os.environ.get("STEWARD_POSTGRES")
    if kafka and postgres:
        return Endpoints(kafka, postgres, {}, smtp="", sms="", logs="")
    endpoints = endpoints_of(State(state))
    if endpoints is None:
        raise StewardError(
            "No servers are up: `steward up --servers-only --detach` starts the stack's; or "
            "STEWARD_KAFKA and STEWARD_POSTGRES name others."
        )
    if endpoints.services:
        raise StewardError(
            "The services are running: `steward down` ends them, "
            "`steward up --servers-only --detach` starts the servers alone."
        )
    return endpoints
