"""The variables of intake: those that every service reads."""

from steward_service.settings import ServiceSettings


class Settings(ServiceSettings):
    """Intake needs none of its own."""
