"""Who may do what: API keys with roles and projects, and everything else denied."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated

import asyncpg
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from steward_service.problems import Problem

EVERY_PROJECT = "*"

ROLES: dict[str, frozenset[str]] = {
    "administrator": frozenset({"*"}),
    "staff": frozenset(
        {
            *("case.*", "household.*", "followup.*", "visit.*"),
            *("escalation.*", "extension.*", "*.read"),
        }
    ),
    "registrar": frozenset({"registry.*"}),
    "ticketing": frozenset({"case.*", "history.import"}),
    "data_protection": frozenset({"erasure.*", "case.search", "registry.read", "case.read"}),
    "reader": frozenset({"*.read"}),
}
"""What each role may do; `*` stands for any part of a permission's name."""

_REMEMBERED_SECONDS = 5.0
_REMEMBERED_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: what they may do, and at which projects."""

    id: str
    name: str
    permissions: frozenset[str]
    projects: frozenset[str]

    def can(self, permission: str) -> bool:
        """Say whether they may do this, at the projects that are theirs."""
        return any(fnmatchcase(permission, pattern) for pattern in self.permissions)

    def may(self, project_id: str) -> bool:
        """Say whether the project (or, for what is group-wide, the group) is theirs."""
        return EVERY_PROJECT in self.projects or project_id in self.projects

    def demand(self, project_id: str) -> None:
        """Raise a 403 problem unless the project is theirs."""
        if not self.may(project_id):
            raise Problem(403, "forbidden", "Your key is not valid for this project.")

    def listed(self, project_id: str | None = None) -> list[str] | None:
        """Give the projects of which they may see lists, or the one they ask for; None for every.

        Raises a 403 problem for one that is not theirs.
        """
        if project_id is not None:
            self.demand(project_id)
            return [project_id]
        return None if EVERY_PROJECT in self.projects else sorted(self.projects)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """What may be shown of an API key."""

    id: str
    name: str
    roles: list[str]
    projects: list[str]
    in_force: bool


@dataclass(slots=True)
class Authenticator:
    """Knows the API keys; `pool` is of the keys database, so that one key works everywhere.

    A key is known by its SHA-256 only. A revoked one is refused five seconds later at most.
    """

    pool: asyncpg.Pool
    admin_key: SecretStr | None = None
    _remembered: dict[bytes, tuple[float, Principal | None]] = field(default_factory=dict)

    async def principal_of(self, key: str) -> Principal | None:
        """Give whose key it is; None for one that is unknown or revoked."""
        digest = _digest(key)
        if self.admin_key is not None and hmac.compare_digest(
            digest, _digest(self.admin_key.get_secret_value())
        ):
            return Principal(
                "administrator",
                "Local administrator",
                ROLES["administrator"],
                frozenset({EVERY_PROJECT}),
            )
        now = time.monotonic()
        remembered = self._remembered.get(digest)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        principal = await self._look_up(digest)
        if len(self._remembered) >= _REMEMBERED_KEYS:
            self._remembered.clear()
        self._remembered[digest] = (now + _REMEMBERED_SECONDS, principal)
        return principal

    async def make_key(
        self, name: str, roles: Iterable[str], projects: Iterable[str]
    ) -> tuple[str, str]:
        """Make an API key: its ID, and the key itself, which is shown this once.

        Raises ValueError for a role that does not exist.
        """
        roles = sorted(roles)
        if unknown := [role for role in roles if role not in ROLES]:
            raise ValueError(f"There is no role “{unknown[0]}”; there are {', '.join(ROLES)}.")
        key_id, key = str(uuid7()), f"sk_{secrets.token_urlsafe(32)}"
        await self.pool.execute(
            "INSERT INTO api_keys (id, hash, name, roles, projects) VALUES ($1, $2, $3, $4, $5)",
            *(key_id, _digest(key), name, roles, sorted(projects)),
        )
        return key_id, key

    async def revoke(self, key_id: str) -> bool:
        """Let a key be worth nothing from now on; False if there was none."""
        self._remembered.clear()
        done = await self.pool.execute(
            "UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL",
            key_id,
        )
        return bool(done == "UPDATE 1")

    async def listed(self) -> list[ListedKey]:
        """Give all keys, the oldest first, without the keys themselves."""
        rows = await self.pool.fetch(
            "SELECT id, name, roles, projects, revoked_at IS NULL AS in_force FROM api_keys"
            " ORDER BY created_at, id"
        )
        return [ListedKey(**row) for row in rows]

    async def _look_up(self, digest: bytes) -> Principal | None:
        row = await self.pool.fetchrow(
            "SELECT id, name, roles, projects FROM api_keys WHERE hash = $1 AND revoked_at IS NULL",
            digest,
        )
        if row is None:
            return None
        permissions = frozenset[str]().union(*(ROLES.get(role, ()) for role in row["roles"]))
        return Principal(row["id"], row["name"], permissions, frozenset(row["projects"]))


_bearer = HTTPBearer(auto_error=False, description="An API key.")

Guard = Callable[..., Awaitable[Principal]]


def require(permission: str) -> Guard:
    """Give the dependency that lets only those pass who have the permission.

    `principal: Annotated[Principal, Depends(require("case.receive"))]`
    """

    async def guard(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    ) -> Principal:
        authenticator: Authenticator = request.app.state.authenticator
        principal = (
            await authenticator.principal_of(credentials.credentials) if credentials else None
        )
        if principal is None:
            raise Problem(
                401,
                "unauthorized",
                "Send a valid API key in the header Authorization, as “Bearer sk_…”.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not principal.can(permission):
            raise Problem(403, "forbidden", f"Your key does not allow “{permission}”.")
        return principal

    _guards.add(guard)
    return guard


async def _let_pass() -> None:
    """Let everybody pass."""


anyone = Depends(_let_pass)
"""In `dependencies=[anyone]`: says of a route that it is open on purpose."""

_guards: set[Callable[..., object]] = {_let_pass}


def is_guard(dependency: object) -> bool:
    """Say whether a dependency decides who may pass; a route without one is not served."""
    return dependency in _guards


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
