"""The doors that no service describes, asked of the routes themselves."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest.mock import patch

import steward_audit.app
import steward_audit.settings
import steward_intake.app
import steward_intake.settings
import steward_notify.app
import steward_notify.settings
import steward_sla.app
import steward_sla.settings
import steward_visits.app
import steward_visits.settings
from steward_service.http import build_app

_BUILT: Mapping[str, Callable[[], Any]] = {
    "audit": lambda: steward_audit.app.build(steward_audit.settings.Settings()),
    "intake": lambda: steward_intake.app.service(steward_intake.settings.Settings()),
    "notify": lambda: steward_notify.app.build(steward_notify.settings.Settings()),
    "sla": lambda: steward_sla.app.build(steward_sla.settings.Settings()),
    "visits": lambda: steward_visits.app.build(steward_visits.settings.Settings()),
}


def undescribed(name: str, environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give method and path of a service's routes that its own description leaves out."""
    with patch.dict(os.environ, environment):
        service = _BUILT[name]()
    service.authenticator = None  # it comes with the databases; nobody is let in here
    app = build_app(service)
    described = app.openapi()["paths"]
    return sorted(
        (method, route.path)
        for route in _routes(app)
        if route.path not in described and not route.path.startswith("/health/")
        for method in route.methods
    )


def _routes(router: Any) -> Iterator[Any]:
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from _routes(inner)
