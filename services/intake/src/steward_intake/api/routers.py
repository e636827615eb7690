"""What intake serves, in the order in which its document names it."""

from steward_intake.api import (
    attachments,
    boxes,
    cases,
    erasures,
    history,
    incidents,
    notes,
    reading,
    register_files,
    registry,
    search,
    several,
    suggestion,
)

ROUTERS = (
    registry.router,
    cases.router,
    boxes.router,
    several.router,
    incidents.router,
    suggestion.router,
    reading.router,
    notes.router,
    history.router,
    register_files.router,
    attachments.router,
    erasures.router,
    search.router,
)
