"""Personal data is sealed before it enters a fact and unsealed only at the edges."""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.sealed import Sealed

_NONCE_BYTES = 12
_KEY_BYTES = 32
WRAPPED_BYTES = _NONCE_BYTES + _KEY_BYTES + 16
"""Nonce, key and tag: what has another length is no wrapped key."""

_CACHED_KEYS = 20_000
_CACHED_SECONDS = 30.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Erased:
    """What a reader gets instead of the text: the subject was erased for good."""

    subject: str


def erased() -> Refused:
    """Refuse to keep anything about a subject that was erased."""
    return Refused(
        "The data of this person was erased for good; nothing more is kept about them.",
        code="erased",
    )


class KeyNotHeard(Exception):
    """The subject's key has not been heard yet: try again; nothing was erased."""


class BrokenSeal(Exception):
    """The value was not sealed with this key, for this field, or was changed since."""


class Sealer:
    """Seals and unseals with a key for each subject, wrapped by the installation's key.

    `pool` is of the keys database. A key is committed there before it is used. A service that hears
    keys unseals with those in its own `store`, and waits for `patience` seconds for one that is on its
    way. What was erased elsewhere is forgotten here half a minute later at most.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        master_key: bytes,
        store: asyncpg.Pool | None = None,
        *,
        patience: float = 3.0,
    ) -> None:
        self._pool = pool
        self._store = store or pool
        self._patience = patience if store not in (None, pool) else 0.0
        self._master = AESGCM(master_key)
        self._digests = HKDF(SHA256(), 32, None, b"steward/digest").derive(master_key)
        self._keys: OrderedDict[str, tuple[float, AESGCM]] = OrderedDict()

    def digest(self, text: str) -> str:
        """Give what stands for a personal text in an ID: nobody without our key finds the text."""
        return hmac.new(self._digests, text.encode(), hashlib.sha256).hexdigest()

    async def seal(self, subject: str, field: str, text: str) -> Sealed:
        """Seal a text. Raises `Refused` with code `erased` for a subject that was erased."""
        value_id = str(uuid7())
        box = await self.seal_bytes(subject, field, value_id, text.encode())
        return Sealed(
            subject=subject, field=field, value_id=value_id, box=base64.b64encode(box).decode()
        )

    async def unseal(self, sealed: Sealed) -> str | Erased:
        """Give the text, or `Erased`. Raises `KeyNotHeard` and `BrokenSeal`."""
        try:
            box = base64.b64decode(sealed.box, validate=True)
        except ValueError:  # not only binascii.Error, which is one
            box = b""
        found = await self.unseal_bytes(sealed.subject, sealed.field, sealed.value_id, box)
        try:
            return found if isinstance(found, Erased) else found.decode()
        except UnicodeDecodeError:
            raise _broken(sealed.subject, sealed.field) from None

    async def seal_bytes(self, subject: str, field: str, value_id: str, content: bytes) -> bytes:
        """Seal what is no text, such as a photo; `value_id` tells it apart."""
        if "|" in subject or "|" in field:
            raise ValueError("A bar in a subject or field would make the seal ambiguous.")
        key = await self._held(subject)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + key.encrypt(nonce, content, _bound(subject, field, value_id))

    async def unseal_bytes(
        self, subject: str, field: str, value_id: str, box: bytes
    ) -> bytes | Erased:
        """Give what was sealed, or `Erased`. Raises `KeyNotHeard` and `BrokenSeal`."""
        if "\0" in subject:
            raise _broken(subject, field)  # no store of keys can be asked for it
        key = self._remembered(subject)
        if key is None:
            row = await self._stored(subject)
            if row is None:
                raise KeyNotHeard(f"The key of {subject} has not been heard yet.")
            if row["wrapped"] is None:
                return Erased(subject)
            key = self._remember(subject, row["wrapped"])
        try:
            return key.decrypt(
                box[:_NONCE_BYTES], box[_NONCE_BYTES:], _bound(subject, field, value_id)
            )
        except (InvalidTag, ValueError):
            raise _broken(subject, field) from None

    async def _stored(self, subject: str) -> asyncpg.Record | None:
        # A fact may come before the key that was committed before it: they take different topics.
        until = time.monotonic() + self._patience
        while True:
            row = await self._store.fetchrow(
                "SELECT wrapped FROM subject_keys WHERE subject = $1", subject
            )
            if row is not None or time.monotonic() >= until:
                return row
            await asyncio.sleep(_LOOK_SECONDS)

    def forget(self, subject: str) -> None:
        """Forget a key at once: its subject was erased."""
        self._keys.pop(subject, None)

    async def hold(self, subjects: Iterable[str]) -> None:
        """Have the keys of many subjects at hand; those that are missing are made in one commit.

        A subject that was erased has none.
        """
        wanted = sorted({subject for subject in subjects if self._remembered(subject) is None})
        if not wanted:
            return
        wrapped = [self._wrap(subject, secrets.token_bytes(_KEY_BYTES)) for subject in wanted]
        await self._pool.execute(
            "INSERT INTO subject_keys (subject, wrapped) SELECT * FROM unnest($1::text[], $2::bytea[])"
            " ON CONFLICT DO NOTHING",
            wanted,
            wrapped,
        )
        kept = await self._pool.fetch(
            "SELECT subject, wrapped FROM subject_keys "
            "WHERE subject = ANY($1) AND wrapped IS NOT NULL",
            wanted,
        )
        for row in kept:
            self._remember(row["subject"], row["wrapped"])

    async def _held(self, subject: str) -> AESGCM:
        await self.hold([subject])
        key = self._remembered(subject)
        if key is None:
            raise erased()
        return key

    def _wrap(self, subject: str, key: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, key, subject.encode())

    def _unwrap(self, subject: str, wrapped: bytes) -> AESGCM:
        nonce, box = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        try:
            return AESGCM(self._master.decrypt(nonce, box, subject.encode()))
        except (InvalidTag, ValueError):
            raise BrokenSeal(
                f"The key of {subject} was wrapped with another installation's key, or is none."
            ) from None

    def _remember(self, subject: str, wrapped: bytes) -> AESGCM:
        key, now = self._unwrap(subject, wrapped), time.monotonic()
        self._keys[subject] = (now + _CACHED_SECONDS, key)
        self._keys.move_to_end(subject)
        # A key in memory takes 2.4 kB: the oldest stand first.
        while len(self._keys) > _CACHED_KEYS or next(iter(self._keys.values()))[0] < now:
            self._keys.popitem(last=False)
        return key

    def _remembered(self, subject: str) -> AESGCM | None:
        until, key = self._keys.get(subject, (0.0, None))
        return key if time.monotonic() < until else None


def _broken(subject: str, field: str) -> BrokenSeal:
    return BrokenSeal(f"A sealed value of {subject} ({field}) cannot be unsealed.")


def _bound(subject: str, field: str, value_id: str) -> bytes:
    return f"{subject}|{field}|{value_id}".encode()
