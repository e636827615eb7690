"""What a service is told by its environment; every variable begins with STEWARD_."""

import base64
import binascii
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ServiceRole = Literal["http", "listen", "relay", "tick"]
ALL_ROLES: frozenset[ServiceRole] = frozenset({"http", "listen", "relay", "tick"})

_PREFIX = "STEWARD_"


class WrongSettings(SystemExit):
    """A variable is missing or wrong. Ends the program with one sentence that names it."""


class ServiceSettings(BaseSettings):
    """The variables that every service reads; a service adds its own in a subclass.

    Raises `WrongSettings`.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True
    )

    kafka: Annotated[list[str], NoDecode, Field(min_length=1)]
    """Bootstrap servers; `host:port`, several with commas between."""
    postgres: str = Field(repr=False)
    """Address of the PostgreSQL server; each service has its own database there."""
    keys_postgres: str | None = Field(default=None, repr=False)
    """Address of the server with the subjects' keys, if it is another one."""
    clock: Literal["system", "stepped"] = "system"
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    partitions: int = Field(default=6, ge=1, le=10_000)
    """Of every topic; fixed for good."""
    replication: int = Field(default=1, ge=1, le=9)
    """Copies of every topic that Kafka keeps."""
    master_key: SecretStr
    """The installation's key, 32 bytes in base64; it wraps the subjects' keys."""
    admin_key: SecretStr | None = None
    """An API key with every permission, for the first administrator."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    roles: Annotated[frozenset[ServiceRole], NoDecode, Field(min_length=1)] = ALL_ROLES
    """What this process does; several with commas between."""
    otlp_endpoint: str | None = None
    """Where traces go, as `http://collector:4318`; none without it."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise WrongSettings(_sentence(error)) from None

    @field_validator("kafka", "roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("kafka")
    @classmethod
    def _is_address(cls, value: list[str]) -> list[str]:
        for address in value:
            host, _, port = address.rpartition(":")
            if not host or not port.isdigit():
                raise PydanticCustomError("address", "it must be host:port")
        return value

    @field_validator("postgres", "keys_postgres")
    @classmethod
    def _is_dsn(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"postgresql", "postgres"}:
            raise PydanticCustomError("dsn", "it must begin with postgresql://")
        return value

    @field_validator("master_key")
    @classmethod
    def _is_key(cls, value: SecretStr) -> SecretStr:
        if len(_decoded(value)) != 32:
            raise PydanticCustomError("key", "it must be 32 bytes in base64")
        return value

    @field_validator("admin_key")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 24:
            raise PydanticCustomError("key", "it must have at least 24 characters")
        return value

    def database_dsn(self, name: str) -> str:
        """Give the address of the database `steward_<name>`: of a service, `keys…` or `clock`."""
        is_keys = name.partition("_")[0] == "keys"
        server = self.keys_postgres if is_keys and self.keys_postgres else self.postgres
        return urlunsplit(urlsplit(server)._replace(path=f"/steward_{name}"))

    @property
    def master_key_bytes(self) -> bytes:
        """Give the installation's key itself."""
        return _decoded(self.master_key)


def _decoded(key: SecretStr) -> bytes:
    try:
        return base64.b64decode(key.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _sentence(error: ValidationError) -> str:
    # The value is left out: it may be a password or a key.
    problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
    variable = _PREFIX + str(problem["loc"][0]).upper() if problem["loc"] else "The environment"
    if problem["type"] == "missing":
        return f"The variable {variable} is not set."
    return f"The variable {variable} is wrong: {problem['msg'][:1].lower()}{problem['msg'][1:]}."
