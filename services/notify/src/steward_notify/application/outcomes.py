"""What became of one attempt to send: the answer of every gateway, whatever its channel."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took the message; `provider_id` is its own number for it."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class RefusedForGood:
    """Nothing was sent, and the same message would be refused again."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class TryLater:
    """Nothing was sent; the cause lies outside the message and may pass or be mended."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent. Never sent again by itself: only a receipt or a person can tell."""

    reason: str


_PERSONAL = re.compile(r"\S+@\S+|\+?\d[\d -]{5,}\d")


def impersonal(reason: str) -> str:
    """Give a provider's words without the addresses and numbers that they may quote."""
    return _PERSONAL.sub("…", reason)


Outcome = Sent | RefusedForGood | TryLater | Unknown
