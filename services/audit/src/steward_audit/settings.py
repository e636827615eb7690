"""The variables that audit reads besides those of every service."""

from pydantic import SecretStr

from steward_service.settings import ServiceSettings


class Settings(ServiceSettings):
    """Whom audit asks, and with which key."""

    peers: dict[str, str]
    """The address of each service by its name, as JSON."""
    peers_key: SecretStr | None = None
    """An API key that may read the counters of every service; the administrator's without it."""
