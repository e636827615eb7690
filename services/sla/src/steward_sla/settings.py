"""The variables that sla reads: those of every service."""

from steward_service.settings import ServiceSettings


class Settings(ServiceSettings):
    """What sla is told by its environment."""
