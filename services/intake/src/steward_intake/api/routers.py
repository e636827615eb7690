"""What intake serves, in the order in which its document names it."""

from steward_intake.api import (
    attachments,
    cases,
    erasures,
    history,
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
    several.router,
    suggestion.router,
    reading.router,
    history.router,
    register_files.router,
    attachments.router,
    erasures.router,
    search.router,
)
