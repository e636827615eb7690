"""The variables that visits reads: those of every service."""

from steward_service.settings import ServiceSettings


class Settings(ServiceSettings):
    """What visits is told by its environment."""
